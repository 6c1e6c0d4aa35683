//! The log of a program, in a process of its own: this test starts itself again as that program.
// A panic is how a test reports a failure.
#![allow(clippy::unwrap_used)]

use chat_common::program::{background_writer::EXIT_TIMEOUT, logging};
use std::{
    env, io,
    process::{Command, Output},
    thread,
};

/// Tells this test that it is the program.
const PROGRAM: &str = "CHAT_TEST_PROGRAM";

/// The program: logs, has a thread that panics, and ends with a sentence.
fn program() {
    let log = logging::start("info", io::stderr(), None).unwrap();
    let _finish = log.finish_on_drop(EXIT_TIMEOUT);
    log::info!("before");
    log::debug!("too much");
    let worker = thread::Builder::new().name("worker".to_owned());
    assert!(worker.spawn(|| panic!("a bug")).unwrap().join().is_err());
    log.write_text("program: the end\n");
}

fn run(test: &str, set: &[(&str, &str)]) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(PROGRAM, "1").envs(set.iter().copied());
    for unset in ["RUST_LOG", "RUST_LOG_STYLE", "RUST_BACKTRACE", "RUST_LIB_BACKTRACE"] {
        if !set.iter().any(|(name, _)| *name == unset) {
            command.env_remove(unset);
        }
    }
    let Output { status, stderr, .. } = command.output().unwrap();
    assert!(status.success());
    String::from_utf8(stderr).unwrap()
}

#[test]
fn a_panic_is_logged_with_its_thread_and_place_in_order_with_all_else() {
    const NAME: &str = "a_panic_is_logged_with_its_thread_and_place_in_order_with_all_else";
    if env::var_os(PROGRAM).is_some() {
        return program();
    }
    let text = run(NAME, &[]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].contains("INFO") && lines[0].ends_with("before"), "{text}");
    let panic = "thread worker panicked at common/tests/logging.rs:";
    assert!(lines[1].contains("ERROR") && lines[1].contains(panic), "{text}");
    assert_eq!(lines[2..].iter().map(|line| line.trim()).collect::<Vec<_>>(), ["a bug", "program: the end"]);

    let text = run(NAME, &[("RUST_BACKTRACE", "1")]);
    assert!(text.contains("logging::program") && text.ends_with("\nprogram: the end\n"), "{text}");
}

#[test]
fn colors_are_for_a_terminal_or_for_a_person_who_asks() {
    const NAME: &str = "colors_are_for_a_terminal_or_for_a_person_who_asks";
    if env::var_os(PROGRAM).is_some() {
        return program();
    }
    assert!(!run(NAME, &[]).contains('\x1b'));
    assert!(run(NAME, &[("RUST_LOG_STYLE", "always"), ("NO_COLOR", "1")]).contains('\x1b'));
}
