//! The commands on the pages of the course are typed, and show what the pages say.

use crate::readme::installed_programs;
use chat_tests::{
    folder::Folder,
    process::{in_the_open, installed, repository, server_address, target_folder, Program},
};
use std::{fs, process::Command};

/// A page's commands race with the programs that they start, as a person's do. On a slow machine a page may
/// need a second reading.
const READINGS: usize = 3;

/// What a person types in the two terminals of a page.
struct Page {
    first: String,
    second: String,
}

impl Page {
    /// Reads the page of a step, such as `0-turn`. What it writes goes to this folder.
    fn read(step: &str, folder: &Folder) -> Page {
        let page =
            fs::read_to_string(repository().join("tests/course").join(step).join("README.md")).unwrap();
        let part = page.split("## Type this").nth(1).unwrap().split("## Look at this").next().unwrap();
        let mut blocks = part.split("```\n").skip(1).step_by(2);
        let first = blocks.next().unwrap().to_owned();
        let second = blocks.next().unwrap().replace("target/", &format!("{}/", folder.path().display()));
        Page { first, second }
    }

    /// Types it, and returns what the second terminal shows.
    fn type_it(&self) -> String {
        let mut first = shell(&["timeout", "120", "sh", "-c", self.first.trim()]);
        let mut server = Program::start("the first terminal", first.env("LISTEN", "127.0.0.1:0"));
        let address = server_address(&server.line_starting_with("Server running at "));
        // Jobs have numbers where a person types.
        let mut second = shell(&["bash", "-c", &format!("set -m\n{}", self.second)]);
        let shown = second.env("SERVER", address.to_string()).output().unwrap();
        // A signal to `timeout` goes to all of its processes.
        server.signal("TERM");
        server.exits();
        String::from_utf8(shown.stdout).unwrap()
    }
}

fn shell(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(repository());
    command.env("CARGO_TARGET_DIR", target_folder());
    in_the_open(&mut command);
    command
}

/// Whether what is shown is what a page says.
type Says = fn(&str) -> bool;

/// The numbers that stand alone in a line.
fn numbers(shown: &str) -> Vec<u64> {
    shown.lines().filter_map(|line| line.parse().ok()).collect()
}

/// The numbers of `VmRSS:     2564 kB`.
fn memory(shown: &str) -> Vec<u64> {
    let lines = shown.lines().filter_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix(" kB"));
    lines.filter_map(|number| number.trim().parse().ok()).collect()
}

#[test]
fn what_the_pages_of_the_course_let_a_person_type_shows_what_they_say() {
    // The pages build the same programs without the editor, and in the same place.
    installed_programs();
    if !["make", "bash", "timeout", "pgrep"].into_iter().all(installed) {
        println!("skipped: make, bash, timeout or pgrep is not installed");
        return;
    }
    let built = shell(&["make", "run-client", "ARGS=--version"]).status().unwrap();
    assert!(built.success(), "the client is built");
    let is_frozen = |shown: &str| numbers(shown) == [0, 3];
    let has_lost = |shown: &str| matches!(numbers(shown)[..], [heard] if heard < 200);
    let has_grown = |shown: &str| matches!(memory(shown)[..], [before, after] if after > before + 4096);
    let is_told = |shown: &str| {
        let lines =
            shown.lines().filter_map(|line| line.strip_prefix("--- ")?.strip_suffix(" messages missed ---"));
        let missed: u64 = lines.filter_map(|number| number.parse::<u64>().ok()).sum();
        (700..760).contains(&missed)
    };
    let is_haunted = |shown: &str| {
        let said = ["[ann] hello", "chat-client: dan is already here"];
        said.iter().all(|line| shown.lines().any(|shown| shown == *line))
    };
    let is_held = |shown: &str| shown == "Threads:\t3\n";
    let is_cut_off = |shown: &str| numbers(shown) == [0];
    let is_back = |shown: &str| {
        let shown: Vec<_> =
            shown.lines().filter(|line| line.starts_with("---") || line.starts_with("[ann]")).collect();
        shown == ["--- connected again ---", "[ann] 1", "[ann] 2", "[ann] 3"]
    };
    let says: [(&str, Says); 9] = [
        ("0-turn", is_frozen),
        ("1-each", has_lost),
        ("2-scope", is_frozen),
        ("3-channel", has_grown),
        ("4-log", is_told),
        ("5-panic", is_haunted),
        ("6-deadline", is_held),
        ("7-stop", is_cut_off),
        ("8-once", is_back),
    ];
    for (step, is_as_it_says) in says {
        let folder = Folder::new();
        let page = Page::read(step, &folder);
        let mut shown = String::new();
        let is_right = (0..READINGS).any(|_| {
            shown = page.type_it();
            is_as_it_says(&shown)
        });
        assert!(is_right, "the page of {step} shows {shown:?}");
    }
}
