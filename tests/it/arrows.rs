//! The structure of the packages: a folder imports only from the floors below it, no two files import
//! each other, and a message goes the way that the docs tell.
//!
//! The imports are read from the source text: every path that begins with `crate::` or `super::`, outside
//! comments and unit tests.

use chat_tests::process::repository;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A package's floors, the highest first: a name, and the beginnings of the paths of its files.
type Floors = &'static [(&'static str, &'static [&'static str])];

const COMMON: Floors = &[
    ("the roof", &["lib"]),
    ("how connections begin", &["handshake"]),
    ("a person's terminal", &["terminal"]),
    ("the program and the system", &["program"]),
    ("the wire", &["wire"]),
    ("text", &["text"]),
    ("the trace", &["trace"]),
];

const SERVER: Floors = &[
    ("the program", &["bin"]),
    ("the roof", &["lib"]),
    ("the operator", &["operator"]),
    ("a member's connection", &["member"]),
    ("the room", &["room"]),
    ("delivery", &["delivery"]),
    ("the door", &["door"]),
    ("who somebody is", &["identity"]),
    ("the order", &["order"]),
    ("the log", &["log"]),
    ("settings", &["settings"]),
];

const CLIENT: Floors = &[
    ("the program", &["bin"]),
    ("the roof", &["lib"]),
    ("the editor", &["editor", "no_editor"]),
    ("the screen", &["screen"]),
    ("input", &["input"]),
    ("settings", &["settings"]),
    ("the session", &["session"]),
    ("what goes into a session and comes out", &["events"]),
];

const WEB: Floors = &[
    ("the program", &["main"]),
    ("what the program says", &["announce", "qr", "room"]),
    ("what each request does", &["routes"]),
    ("what all requests share", &["gateway"]),
    ("the guests", &["guests"]),
    ("the door", &["door"]),
    ("HTTP", &["http"]),
    ("settings", &["settings"]),
];

/// The modules of a package: the path of each, such as `["room", "broadcaster"]`, and the text of its file.
type Modules = BTreeMap<Vec<String>, String>;

fn modules(package: &str) -> Modules {
    fn walk(folder: &Path, above: &[String], found: &mut Modules) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let mut module = above.to_vec();
            if path.is_dir() {
                module.push(name);
                walk(&path, &module, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                // The file of a folder stands for the folder itself.
                if name != "mod" {
                    module.push(name);
                }
                found.insert(module, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = Modules::new();
    walk(&repository().join(package).join("src"), &[], &mut found);
    // Unit tests in files of their own may import what they like.
    found.retain(|module, _| !module.iter().any(|name| name == "tests"));
    assert!(found.len() > 3, "{package} has hardly a file");
    found
}

/// The code of a file: without comments and without its unit tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The paths that the code of `module` names, each from the root of the package.
fn paths(module: &[String], code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (prefix, above) in [("crate::", &[][..]), ("super::", &module[..module.len().saturating_sub(1)])] {
        for (start, _) in code.match_indices(prefix) {
            let in_a_longer_word =
                code[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if !in_a_longer_word {
                branches(&code[start + prefix.len()..], above.to_vec(), &mut found);
            }
        }
    }
    found
}

/// Reads one path or tree of paths, such as `a::{b, c::d}`, and answers what follows it.
fn branches<'a>(text: &'a str, mut path: Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut inside) = text.strip_prefix('{') {
        loop {
            inside = branches(inside, path.clone(), found).trim_start();
            match inside.strip_prefix(',') {
                Some(next) if !next.trim_start().starts_with('}') => inside = next,
                _ => break,
            }
        }
        return inside.trim_start_matches([',', ' ', '\n']).strip_prefix('}').unwrap_or(inside);
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    path.push(text[..end].to_owned());
    match text[end..].strip_prefix("::") {
        Some(rest) if rest.starts_with(|c: char| c.is_alphabetic() || c == '{') => {
            branches(rest, path, found)
        }
        _ => {
            found.push(path);
            &text[end..]
        }
    }
}

/// Each import of one file from another: from whom, to whom.
fn imports(package: &str) -> BTreeSet<(Vec<String>, Vec<String>)> {
    let modules = modules(package);
    let mut found = BTreeSet::new();
    for (module, text) in &modules {
        for path in paths(module, &code(text)) {
            let is_module = |length: &usize| modules.contains_key(&path[..*length]);
            let roof = vec!["lib".to_owned()];
            let target =
                (1..=path.len()).rev().find(is_module).map_or(roof, |length| path[..length].to_vec());
            if target != *module {
                found.insert((module.clone(), target));
            }
        }
    }
    found
}

fn floor_of(floors: Floors, module: &[String]) -> usize {
    let is_there = |(_, begins): &(&str, &[&str])| begins.contains(&module[0].as_str());
    floors.iter().position(is_there).unwrap_or_else(|| panic!("{module:?} stands on no floor"))
}

fn arrow(package: &str, (from, to): &(Vec<String>, Vec<String>)) -> String {
    format!("{package}: {} -> {}", from.join("/"), to.join("/"))
}

#[test]
fn a_folder_imports_only_from_the_floors_below_it() {
    let mut upward = Vec::new();
    for (package, floors) in [("common", COMMON), ("server", SERVER), ("client", CLIENT), ("client/web", WEB)]
    {
        for import in imports(package) {
            if floor_of(floors, &import.0) > floor_of(floors, &import.1) {
                upward.push(arrow(package, &import));
            }
        }
    }
    assert_eq!(upward, [""; 0], "imports that run up");
}

#[test]
fn no_two_files_import_each_other() {
    let mut circles = Vec::new();
    for package in ["common", "server", "client", "client/web"] {
        let imports = imports(package);
        let below = |module: &Vec<String>| {
            let mut reached = BTreeSet::new();
            let mut next = vec![module.clone()];
            while let Some(from) = next.pop() {
                for (_, to) in imports.iter().filter(|(other, _)| *other == from) {
                    if reached.insert(to.clone()) {
                        next.push(to.clone());
                    }
                }
            }
            reached
        };
        circles.extend(
            imports
                .iter()
                .filter(|(from, to)| from < to && below(to).contains(from))
                .map(|i| arrow(package, i)),
        );
    }
    assert_eq!(circles, [""; 0], "files that import each other");
}

#[test]
fn a_tree_of_paths_is_read_to_its_last_leaf() {
    let code = "use crate::{\n    a::{b, c::D},\n    e,\n};\nfn f() { super::g::h(); my_crate::i(); }";
    let module = ["x".to_owned(), "y".to_owned()];
    let found: Vec<String> = paths(&module, code).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["a::b", "a::c::D", "e", "x::g::h"]);
}

/// A function on the way of a message.
struct Step {
    name: String,
    /// The text of the function, and how far into it the way has come.
    body: String,
    at: usize,
    /// What it hands over to the next step, if it does not call it.
    hands_over: Option<String>,
}

/// Where `word` stands alone in `text`, behind `from`.
fn position_of(word: &str, text: &str, from: usize) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let stands_alone =
        |at: usize| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part);
    text[from..].match_indices(word).map(|(at, _)| from + at).find(|at| stands_alone(*at))
}

/// The text of a function, from its name to the brace that ends it.
fn function(path: &str, name: &str) -> String {
    let text = fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let lines: Vec<&str> = text.lines().collect();
    let is_head = |line: &&str| position_of(name, line, 0).is_some_and(|at| line[..at].ends_with("fn "));
    let first = lines.iter().position(is_head).unwrap_or_else(|| panic!("{path} has no function {name}"));
    let indent = lines[first].len() - lines[first].trim_start().len();
    let end = format!("{}}}", &lines[first][..indent]);
    lines[first + 1..].iter().take_while(|line| **line != end).copied().collect::<Vec<_>>().join("\n")
}

/// The steps that the docs of chat-server number, such as this:
///
/// ```text
/// 1. `FILE`: `FUNCTION`, `FUNCTION` do this. Hands over `THAT`.
/// ```
fn way_of_a_message() -> Vec<Step> {
    let roof = fs::read_to_string(repository().join("server/src/lib.rs")).unwrap();
    let section = roof.split("//! # The way of a message\n").nth(1).expect("the docs have this section");
    let section = section.split("//! # ").next().unwrap_or_default();
    let section = section.replace("\n//!     ", " ").replace("\n//!    ", " ");
    let items = section.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once(". `"));
    let mut steps = Vec::new();
    for (index, (number, item)) in items.enumerate() {
        assert_eq!(number, (index + 1).to_string(), "the steps are counted");
        let (path, mut text) = item.split_once("`: `").unwrap_or_else(|| panic!("{item} names no function"));
        let handed_over = text.split("Hands over `").nth(1).and_then(|rest| rest.split('`').next());
        while let Some((name, rest)) = text.split_once('`') {
            steps.push(Step { name: name.to_owned(), body: function(path, name), at: 0, hands_over: None });
            let Some(next) = rest.strip_prefix(", `") else { break };
            text = next;
        }
        steps.last_mut().unwrap().hands_over = handed_over.map(str::to_owned);
    }
    steps
}

#[test]
fn a_message_goes_the_way_that_the_docs_tell() {
    let steps = way_of_a_message();
    assert!(steps.len() > 30, "the way has only {} functions", steps.len());
    // The calls that the way is inside of, the innermost last.
    let mut inside: Vec<Step> = Vec::new();
    for step in steps {
        let called = inside.iter().enumerate().rev().find_map(|(depth, caller)| {
            Some((depth, position_of(&step.name, &caller.body, caller.at)? + step.name.len()))
        });
        let before = inside.last().map_or("the beginning", |before| &before.name);
        if let Some((depth, at)) = called {
            inside.truncate(depth + 1);
            inside[depth].at = at;
        } else if let Some(handed) = inside.last().map(|before| before.hands_over.clone()) {
            let handed = handed.unwrap_or_else(|| panic!("{before} does not lead to {}", step.name));
            let given = inside.iter().any(|caller| position_of(&handed, &caller.body, 0).is_some());
            let taken = position_of(&handed.replace("_tx", "_rx"), &step.body, 0).is_some();
            assert!(given && taken, "{before} does not hand {handed} over to {}", step.name);
            inside.clear();
        }
        inside.push(step);
    }
}
