//! The rules of the repository that the compiler does not check.

use chat_tests::process::repository;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where the code of the programs and of their tests lies.
const CODE: [&str; 7] =
    ["common", "server", "client", "tests/src", "tests/it", "tests/editor", "tests/release"];

/// The folders of the course with packages: all but `mine`, which is a student's own.
fn course() -> Vec<String> {
    let folder = repository().join("tests/course");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let has_packages = |path: &PathBuf| path.join("Cargo.toml").exists() || path.ends_with("rooms");
    let packages = paths.filter(|path| has_packages(path) && !path.ends_with("mine"));
    let name = |path: &Path| path.strip_prefix(repository()).unwrap().display().to_string();
    let mut found: Vec<String> = packages.map(|path| name(&path)).collect();
    found.sort();
    assert!(found.len() > 2, "the course has only {found:?}");
    found
}

/// Every file of Rust that has to follow the rules for all of them.
fn all_code() -> Vec<(PathBuf, String)> {
    let course = course();
    files(&CODE.into_iter().chain(course.iter().map(String::as_str)).collect::<Vec<_>>(), ".rs")
}

/// Every file below these folders of the repository whose name ends with `ending`, with its text.
fn files(folders: &[&str], ending: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, ending, found);
            } else if path.to_string_lossy().ends_with(ending) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    folders.iter().for_each(|folder| walk(&repository().join(folder), ending, &mut found));
    assert!(!found.is_empty(), "there are no files in {folders:?}");
    found
}

/// The names of the files whose text `matches`, relative to the repository.
fn names_of(files: &[(PathBuf, String)], matches: impl Fn(&str) -> bool) -> Vec<String> {
    let name = |path: &Path| path.strip_prefix(repository()).unwrap().display().to_string();
    files.iter().filter(|(_, text)| matches(text)).map(|(path, _)| name(path)).collect()
}

/// The text without its lines of comment.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The names of the packages that this one is built from directly, with its default features.
fn dependencies(package: &str) -> BTreeSet<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.current_dir(repository()).args(["tree", "--locked", "--offline", "--package", package]);
    let output = tree.args(["--edges", "normal", "--depth", "1", "--prefix", "none"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_programs_are_built_from_six_packages() {
    let six = ["bincode", "crossbeam-channel", "ctrlc", "env_logger", "log", "serde"];
    let packages = ["chat-common", "chat-server", "chat-client"];
    let found: BTreeSet<String> = packages.into_iter().flat_map(dependencies).collect();
    let others = found.iter().map(String::as_str).filter(|name| !name.starts_with("chat-"));
    assert_eq!(others.collect::<Vec<_>>(), six);
}

#[test]
fn the_gateway_is_built_from_two_packages_more_and_nobody_else_needs_it() {
    let found = dependencies("chat-web");
    let others = found.iter().map(String::as_str).filter(|name| !name.starts_with("chat-"));
    let packages = ["crossbeam-channel", "ctrlc", "env_logger", "httparse", "log", "qrcodegen"];
    assert_eq!(others.collect::<Vec<_>>(), packages);
    let workspace = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let members = workspace.lines().find(|line| line.starts_with("default-members")).unwrap();
    assert!(!members.contains("client/web"), "{members}");
}

/// What people write is text. So nothing makes markup of a text, in the page or in what sends it.
#[test]
fn no_page_makes_markup_of_a_text() {
    let pages = [files(&["client"], ".html"), files(&["client"], ".rs")].concat();
    // The parts stand apart, so that this file has none of them.
    for sign in [["inner", "HTML"], ["outer", "HTML"], ["insert", "AdjacentHTML"], ["document.", "write"]] {
        assert_eq!(names_of(&pages, |text| text.contains(&sign.concat())), [""; 0], "{sign:?}");
    }
}

#[test]
fn a_step_of_the_course_is_built_from_the_kit_and_the_wire() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    for step in course().iter().filter_map(|folder| {
        let name = folder.strip_prefix("tests/course/")?;
        name.split_once('-').map(|(number, _)| format!("course-step-{number}"))
    }) {
        assert_eq!(dependencies(&step), names(&[&step, "course-kit"]), "{step}");
    }
    assert_eq!(
        dependencies("course-kit"),
        names(&["chat-common", "course-kit", "crossbeam-channel", "ctrlc"])
    );
}

#[test]
fn each_program_of_the_course_is_short() {
    let mut long = Vec::new();
    for folder in course() {
        for (path, text) in files(&[&folder], ".rs") {
            // The kit's files count together.
            let lines = code(&text).lines().filter(|line| !line.trim().is_empty()).count();
            if lines > 150 && folder != "tests/course/kit" && folder != "tests/course/judge" {
                long.push(format!("{}: {lines} lines", path.display()));
            }
        }
    }
    // Who walks the first lesson reads these files of the kit. The others are for the second.
    let first_lesson = ["lib.rs", "sync.rs"];
    let (mut first, mut second) = (0, 0);
    for (path, text) in files(&["tests/course/kit/src"], ".rs") {
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let lines = code(text).lines().filter(|line| !line.trim().is_empty()).count();
        let is_first = first_lesson.iter().any(|name| path.ends_with(name));
        *(if is_first { &mut first } else { &mut second }) += lines;
    }
    assert!(first <= 450 && second <= 250, "the kit has {first} lines, and {second} for the second lesson");
    assert_eq!(long, [""; 0]);
}

#[test]
fn each_page_of_the_course_is_short_and_has_its_parts_in_one_order() {
    let steps: Vec<_> = course().into_iter().filter(|folder| folder.contains('-')).collect();
    assert!(steps.len() >= 5, "{steps:?}");
    for step in steps {
        let page = fs::read_to_string(repository().join(&step).join("README.md")).unwrap();
        // What stands between fences is no prose.
        let prose: String = page.split("```").step_by(2).collect();
        let words = prose.split_whitespace().count();
        assert!(words <= 300, "{step} has {words} words");
        let parts: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let order =
            ["Type this", "Look at this", "Why", "In Go", "Your figure", "Exercises", "Next"].as_slice();
        assert_eq!(parts, order, "{step}");
        assert!(page.starts_with("# ") && page.lines().next().unwrap().ends_with('?'), "{step} asks nothing");
    }
}

#[test]
fn bincode_is_named_in_one_file() {
    let sources = files(&["common/src", "server/src", "client/src", "client/web/src"], ".rs");
    assert_eq!(names_of(&sources, |text| code(text).contains("bincode")), ["common/src/wire/codec.rs"]);
}

#[test]
fn each_package_of_a_closed_room_is_named_in_one_file_and_is_not_in_the_default_build() {
    let sources = files(&["common/src", "server/src", "client/src"], ".rs");
    for (package, file) in
        [("spake2", "common/src/handshake/exchange.rs"), ("snow", "common/src/wire/seal/noise.rs")]
    {
        let path = format!("{package}::");
        assert_eq!(names_of(&sources, |text| code(text).contains(&path)), [file], "{package}");
        assert!(!dependencies("chat-common").contains(package), "{package} is not optional");
    }
}

#[test]
fn unsafe_is_in_one_file() {
    let sources = files(&["common", "server", "client", "tests"], ".rs");
    // The two parts stand apart, so that this file has neither.
    for sign in [["unsafe", "_code"].concat(), ["unsafe", " {"].concat(), ["unsafe", " fn"].concat()] {
        let found = names_of(&sources, |text| code(text).contains(&sign));
        assert!(found.iter().all(|name| name == "common/src/program/signals.rs"), "{sign} in {found:?}");
    }
    let lints = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    assert!(lints.contains(&["unsafe", "_code = \"deny\""].concat()), "what is not denied can be anywhere");
}

#[test]
fn serde_is_derived_where_bytes_leave_the_programs() {
    let sources = files(&["common/src", "server/src", "client/src"], ".rs");
    let mut derived = names_of(&sources, |text| {
        code(text).contains("derive(") && code(text).contains("Serialize, Deserialize)")
    });
    derived.sort();
    let wire = ["common/src/wire/protocol.rs", "common/src/wire/token.rs"];
    let journal = [
        "server/src/log/staged.rs",
        "server/src/order/journal/record.rs",
        "server/src/order/journal/segment.rs",
    ];
    assert_eq!(derived, [&wire[..], &journal[..]].concat());
}

#[test]
fn the_registry_is_locked_in_one_file() {
    let sources = files(&["server/src"], ".rs");
    let locks =
        |text: &str| ["members.lock()", "lock(&self.members)"].iter().any(|lock| code(text).contains(lock));
    assert_eq!(names_of(&sources, locks), ["server/src/room/registry.rs"]);
}

/// Before its hello a connection counts for its peer: nothing at the door knows who a member is.
#[test]
fn who_a_connection_counts_for_is_decided_in_one_file_after_the_hello() {
    let sources = files(&["server/src"], ".rs");
    let decided_in = |how: &str| {
        let outside_tests = |text: &str| code(text).split("#[cfg(test)]").next().unwrap().contains(how);
        names_of(&sources, |text| outside_tests(text))
            .into_iter()
            .filter(|path| !path.ends_with("/tests.rs"))
            .collect::<Vec<_>>()
    };
    assert_eq!(decided_in("Origin::of("), ["server/src/member/connection.rs"]);
    assert_eq!(decided_in("Origin::of_guest("), ["server/src/member/guest.rs"]);
    let door = files(&["server/src/door"], ".rs");
    assert_eq!(names_of(&door, |text| code(text).contains("Origin")), Vec::<String>::new());
    let (_, connection) = sources.iter().find(|(path, _)| path.ends_with("member/connection.rs")).unwrap();
    let decisions: Vec<&str> = connection.split("Origin::of(").collect();
    assert!(decisions.len() == 2 && decisions[0].contains(".read_hello("));
}

#[test]
fn threads_are_started_through_a_builder() {
    let sources = files(&["common/src", "server/src", "client/src", "client/web/src"], ".rs");
    let outside_tests = |text: &str| {
        let text = code(text);
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        text.contains("thread::spawn(") || text.contains("scope.spawn(")
    };
    let sources: Vec<_> =
        sources.into_iter().filter(|(path, _)| !path.to_string_lossy().contains("/tests/")).collect();
    assert_eq!(names_of(&sources, outside_tests), [""; 0]);
}

#[test]
fn every_test_that_the_table_of_faults_names_exists() {
    let readme = fs::read_to_string(repository().join("tests/README.md")).unwrap();
    let tests = files(&["common", "server", "client", "tests/it", "tests/editor", "tests/release"], ".rs");
    // The rows of the faults, F1 to F14, name their tests in the last column.
    let rows = readme.lines().filter(|line| line.starts_with("| F"));
    let last_columns = rows.map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap());
    let names: Vec<&str> = last_columns.flat_map(|column| column.split('`').skip(1).step_by(2)).collect();
    assert!(names.len() >= 14, "tests/README.md names only {names:?}");
    for name in names {
        assert!(
            !names_of(&tests, |text| text.contains(&format!("fn {name}()"))).is_empty(),
            "there is no test {name}"
        );
    }
}

#[test]
fn the_table_of_ideas_has_a_row_for_each_experiment_in_their_order() {
    let readme = fs::read_to_string(repository().join("tests/README.md")).unwrap();
    let rows: Vec<(&str, &str)> = readme
        .lines()
        .filter_map(|row| {
            let experiment = row.split("`make lesson N=").nth(1)?.split('`').next()?;
            Some((experiment, row.trim_start_matches("| ").split(" |").next()?))
        })
        .collect();
    let source = fs::read_to_string(repository().join("tests/course/judge/src/lesson.rs")).unwrap();
    // An experiment is a line such as `("python", "step 1", "Programs talk by RPC", python),`.
    let experiments: Vec<(&str, &str)> = source
        .lines()
        .filter_map(|line| {
            let mut quoted = line.trim_start().strip_prefix("(\"")?.split('"');
            Some((quoted.next()?, quoted.nth(3)?))
        })
        .collect();
    assert!(rows.len() > 6, "the table has only the rows {rows:?}");
    assert_eq!(rows, experiments);
}

#[test]
fn no_line_is_wider_than_rustfmt_allows() {
    // rustfmt leaves long comments and long strings as they are, so it does not find these lines.
    let settings = fs::read_to_string(repository().join("rustfmt.toml")).unwrap();
    let max_width = settings.lines().find_map(|line| line.strip_prefix("max_width = ")).unwrap();
    let max_width: usize = max_width.parse().unwrap();
    let mut wide = Vec::new();
    for (path, text) in all_code().into_iter().chain(files(&["tests/benches/src"], ".rs")) {
        for (index, line) in text.lines().enumerate() {
            let width = line.chars().count();
            if width > max_width {
                wide.push(format!("{}:{}: {width} characters", path.display(), index + 1));
            }
        }
    }
    assert!(wide.is_empty(), "the limit is {max_width}:\n{}", wide.join("\n"));
}

#[test]
fn every_file_starts_with_a_module_doc() {
    let sources = all_code();
    assert_eq!(names_of(&sources, |text| !text.starts_with("//! ")), Vec::<String>::new());
}

#[test]
fn no_test_is_ignored() {
    // The two parts stand apart, so that this file does not hold the attribute itself.
    let ignored = ["#[", "ignore"].concat();
    assert_eq!(names_of(&all_code(), |text| text.contains(&ignored)), Vec::<String>::new());
}

#[test]
fn no_file_names_the_machine_on_which_it_was_written() {
    let mut sources = files(&[&CODE[..], &["tests/python"]].concat(), "");
    sources.extend(files(&course().iter().map(String::as_str).collect::<Vec<_>>(), ""));
    // The two parts stand apart, so that this file does not name it either.
    let path = ["/work", "/main"].concat();
    assert_eq!(names_of(&sources, |text| text.contains(&path)), Vec::<String>::new());
}
