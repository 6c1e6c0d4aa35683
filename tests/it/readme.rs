//! The READMEs are short, and their links lead somewhere.

use chat_tests::process::repository;
use std::fs;

#[test]
fn the_readme_fits_on_a_screen_or_two_and_its_links_lead_somewhere() {
    for file in ["README.md", "client/README.md", "server/README.md", "tests/README.md"] {
        let path = repository().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(file != "README.md" || text.lines().count() <= 140, "{} lines", text.lines().count());
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.starts_with("http")) {
            assert!(path.parent().unwrap().join(target).exists(), "{file} links to {target}");
        }
    }
}
