//! What takes longer than a second shows on a terminal how far it is. Real programs; strace makes the disk
//! slow.

use crate::journal::Place;
use chat_tests::{
    process::{binary, Program},
    terminal::{CommandBuilder, Screen, TerminalUser},
};
use std::{
    fs,
    process::{Command, Stdio},
};

const SHOWN: &str = "reading the journal: ";
/// How many files the journal has at least. Each is read twice, and each read takes [`DELAY`]: so more than a
/// second has passed before the last one.
const FILES: usize = 6;
const DELAY: &str = "inject=pread64:delay_enter=120000";

/// Makes a journal of many files. `None` where strace cannot make a disk slow.
fn journal() -> Option<Place> {
    let works = Command::new("strace").args(["-qq", "-o", "/dev/null", "-e", DELAY, "true"]).status();
    if !works.is_ok_and(|status| status.success()) {
        println!("skipped: this machine has no strace that can make system calls wait");
        return None;
    }
    let place = Place::new();
    let mut server = place.start(&["--segment-size", "64KiB"]);
    let mut ann = Program::client(place.address(), "Ann", &["--json"]);
    let files = || {
        let names = fs::read_dir(&place.journal).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".journal")).count()
    };
    for said in 1.. {
        ann.types(&"x".repeat(4000));
        ann.sees_times("\"event\":\"accepted\"", said);
        if files() >= FILES {
            break;
        }
    }
    ann.ends_input();
    ann.exits();
    server.signal("TERM");
    server.exits();
    Some(place)
}

/// Runs the server with a slow disk on a terminal. `line` is for a shell, and `$0` is the server.
fn on_terminal(line: &str) -> TerminalUser {
    let mut command = CommandBuilder::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", DELAY, "sh", "-c", &format!("exec {line}")]);
    command.arg(binary("chat-server"));
    command.env("TERM", "xterm-256color");
    TerminalUser::run((10, 100), command)
}

#[test]
fn a_terminal_sees_how_far_a_long_work_is_and_nothing_of_it_when_it_is_done() {
    let Some(place) = journal() else { return };
    let (journal, export) = (&place.journal, format!("{}.jsonl", place.journal));
    for (line, result) in [
        (format!("$0 --check {journal}"), "whole: "),
        (format!("$0 --repair {journal}"), "nothing is damaged"),
        (format!("$0 --export {journal} >{export}"), ""),
    ] {
        let mut user = on_terminal(&line);
        assert_eq!(user.exits(), 0, "{user:?}");
        // What a program has written last may come after its end.
        user.screen().wait(result, |screen| {
            let (written, left) = (screen.written(), screen.rows().concat());
            let is_shown = written.contains(SHOWN) && written.contains(&format!(" of {FILES} ("));
            (is_shown && !left.contains(SHOWN) && left.starts_with(result)).then_some(())
        });
    }
    assert!(fs::read_to_string(&export).unwrap().lines().count() > FILES);

    let mut operator = on_terminal(&format!("$0 --listen 127.0.0.1:0 --journal {journal}"));
    operator.sees("Server running at ");
    operator.screen().read_with(|screen| {
        assert!(screen.written().contains(SHOWN) && !screen.rows().concat().contains(SHOWN), "{screen:?}");
    });
    // Ctrl-C.
    operator.types("\x03");
    operator.exits();
}

#[test]
fn an_export_on_the_terminal_and_what_reads_a_pipe_see_nothing_new() {
    let Some(place) = journal() else { return };
    let mut user = on_terminal(&format!("$0 --export {}", place.journal));
    assert_eq!(user.exits(), 0, "{user:?}");
    // A long message moves the screen on.
    user.sees("xxxx");
    assert!(!user.screen().read_with(Screen::written).contains(SHOWN), "{user:?}");

    let mut check = Command::new("strace");
    check.args(["-qq", "-o", "/dev/null", "-e", DELAY]).arg(binary("chat-server"));
    let output = check.args(["--check", &place.journal]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
}
