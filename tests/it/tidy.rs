//! The rules of the repository that a compiler does not check.

use chat_tests::process::repository;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Every file below these folders of the repository whose name ends so.
fn files(folders: &[&str], end: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, end: &str, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, end, found);
            } else if path.to_string_lossy().ends_with(end) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    folders.iter().for_each(|folder| walk(&repository().join(folder), end, &mut found));
    assert!(!found.is_empty(), "there is nothing to look at in {folders:?}");
    found
}

/// The names of the files, relative to the repository, in which `rule` holds.
fn where_is(files: &[(PathBuf, String)], rule: impl Fn(&str) -> bool) -> Vec<String> {
    let name = |path: &Path| path.strip_prefix(repository()).unwrap().display().to_string();
    files.iter().filter(|(_, text)| rule(text)).map(|(path, _)| name(path)).collect()
}

/// The text without its comments.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The dependencies in the sections of a manifest with this name, without the optional ones.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let section =
        manifest.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap_or_default();
    let needed =
        section.lines().skip(1).filter(|line| !line.starts_with('#') && !line.contains("optional = true"));
    needed
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_programs_are_built_from_six_packages() {
    let six = ["bincode", "crossbeam-channel", "ctrlc", "env_logger", "log", "serde"];
    let mut found = BTreeSet::new();
    for package in ["common", "server", "client"] {
        let manifest = fs::read_to_string(repository().join(package).join("Cargo.toml")).unwrap();
        found.extend(dependencies(&manifest).into_iter().filter(|name| !name.starts_with("chat-")));
    }
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), six);
}

#[test]
fn bincode_is_named_in_one_file() {
    let sources = files(&["common/src", "server/src", "client/src"], ".rs");
    assert_eq!(where_is(&sources, |text| code(text).contains("bincode")), ["common/src/codec.rs"]);
}

#[test]
fn serde_is_derived_in_the_protocol_and_for_its_token() {
    let sources = files(&["common/src", "server/src", "client/src"], ".rs");
    let mut derived = where_is(&sources, |text| {
        code(text).contains("derive(") && code(text).contains("Serialize, Deserialize)")
    });
    derived.sort();
    assert_eq!(derived, ["common/src/protocol.rs", "common/src/token.rs"]);
}

#[test]
fn the_registry_is_locked_in_one_file() {
    let sources = files(&["server/src"], ".rs");
    assert_eq!(
        where_is(&sources, |text| code(text).contains("members.lock()")),
        ["server/src/room/registry.rs"]
    );
}

#[test]
fn threads_are_started_through_a_builder() {
    let sources = files(&["common/src", "server/src", "client/src"], ".rs");
    let outside_tests = |text: &str| {
        let text = code(text);
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        text.contains("thread::spawn(") || text.contains("scope.spawn(")
    };
    let sources: Vec<_> =
        sources.into_iter().filter(|(path, _)| !path.to_string_lossy().contains("/tests/")).collect();
    assert_eq!(where_is(&sources, outside_tests), [""; 0]);
}

#[test]
fn every_test_that_readme_names_exists() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let tests = files(&["common", "server", "client", "tests/it"], ".rs");
    let is_test = |word: &&str| {
        word.starts_with('f') && word.contains('_') && word[1..].starts_with(|c: char| c.is_ascii_digit())
    };
    for name in readme.split('`').filter(is_test) {
        assert!(
            !where_is(&tests, |text| text.contains(&format!("fn {name}()"))).is_empty(),
            "{name} is nowhere"
        );
    }
}

#[test]
fn every_file_says_what_it_is() {
    let sources = files(&["common/src", "server/src", "client/src", "tests/src", "tests/it"], ".rs");
    assert_eq!(where_is(&sources, |text| !text.starts_with("//! ")), Vec::<String>::new());
}

#[test]
fn no_test_is_left_out() {
    let ignored = ["#[", "ignore"].concat();
    let sources = files(&["common", "server", "client", "tests/src", "tests/it"], ".rs");
    assert_eq!(where_is(&sources, |text| text.contains(&ignored)), Vec::<String>::new());
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    let sources = files(&["common", "server", "client", "tests/src", "tests/it", "tests/python"], "");
    let place = ["/work", "/main"].concat();
    assert_eq!(where_is(&sources, |text| text.contains(&place)), Vec::<String>::new());
}
