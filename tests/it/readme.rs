//! The READMEs are short, and their links lead somewhere. Their commands are run in `tests/release`.

use chat_tests::process::repository;
use std::fs;

const READMES: [&str; 11] = [
    "README.md",
    "client/README.md",
    "client/web/README.md",
    "server/README.md",
    "tests/README.md",
    "tests/benches/README.md",
    "tests/course/README.md",
    "tests/course/TEACHER.md",
    "tests/course/rooms/threads/README.md",
    "tests/course/rooms/refused/README.md",
    "tests/course/rooms/wake-up/README.md",
];

#[test]
fn the_readme_fits_on_a_screen_or_two_and_begins_with_what_to_type() {
    let text = fs::read_to_string(repository().join("README.md")).unwrap();
    assert!(text.lines().count() <= 140, "{} lines", text.lines().count());
    let first: Vec<&str> = text.lines().take(40).collect();
    for command in ["`make run-server`", "`make test`"] {
        assert!(first.iter().any(|line| line.contains(command)), "{command} is not in {first:#?}");
    }
}

#[test]
fn the_links_of_the_readmes_lead_somewhere() {
    for file in READMES {
        let path = repository().join(file);
        let text = fs::read_to_string(&path).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.starts_with("http")) {
            assert!(path.parent().unwrap().join(target).exists(), "{file} links to {target}");
        }
    }
}

#[test]
fn the_readmes_have_short_sentences() {
    const MOST_WORDS: usize = 35;
    for file in READMES {
        let text = fs::read_to_string(repository().join(file)).unwrap();
        let prose = text.split("```").step_by(2).flat_map(str::lines).flat_map(|line| line.split('|'));
        for sentence in prose.flat_map(|cell| cell.split(". ")).flat_map(|part| part.split(": ")) {
            let words = sentence.split_whitespace().count();
            assert!(words <= MOST_WORDS, "{file} has a sentence of {words} words: {sentence}");
        }
        let riddles = [" is no ", " are no ", "Who does", "Who knows", "Who has"];
        let found: Vec<&str> = riddles.into_iter().filter(|riddle| text.contains(riddle)).collect();
        assert_eq!(found, [""; 0], "{file}: \"is not a\", and \"a client that\"");
    }
}
