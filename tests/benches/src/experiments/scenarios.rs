//! The experiments that are tests of the real server: scenarios of chat-tests, and the model checker.
//!
//! The tests tell their story on standard error, and the test harness reports on standard output. Here the
//! story is shown, and the report only where a test fails.

use super::verify;
use crate::{print_line, process::is_installed, systems::repository};
use std::{env, io, process::Command};

pub(super) fn python() -> io::Result<()> {
    if !is_installed("python3") {
        print_line("skipped: python3 is not installed");
        return Ok(());
    }
    scenario("python::", "a client in another language, written from the wire's specification, takes part")
}

pub(super) fn cuts() -> io::Result<()> {
    scenario("cuts::", "a connection cut at any byte loses nothing and doubles nothing")
}

pub(super) fn f02() -> io::Result<()> {
    scenario("::f02_", "lines of three senders at once arrive once each, and in one order for everybody")
}

pub(super) fn panics() -> io::Result<()> {
    scenario(
        "panics::a_panic_while_the_registry_is_locked",
        "a panic while the lock is held ends one member, and nobody else notices",
    )
}

pub(super) fn shutdown() -> io::Result<()> {
    scenario(
        "shutdown::a_signal_under_load",
        "a server that is told to stop delivers what it has accepted, and ends all its threads",
    )
}

pub(super) fn lost_wake_up() -> io::Result<()> {
    print_line(
        "The model checker runs the broadcaster and a recipient in thousands of orders of their steps.\n\
         First a version that looks a moment too early whether something is left to send. Its report:",
    );
    run_tests(
        &["--package", "chat-server", "--features", "model,seeded-bugs", "--lib"],
        "tests::model::",
        "the model checker finds a lost wake-up in a version that looks a moment too early, and none in ours",
    )
}

fn scenario(filter: &str, claim: &str) -> io::Result<()> {
    run_tests(&["--package", "chat-tests", "--test", "it"], filter, claim)
}

/// Runs the tests of `target` whose names contain `filter`. They show `claim` when all of them pass.
///
/// # Blocking
/// On the build and on the tests, each of which has a watchdog.
fn run_tests(target: &[&str], filter: &str, claim: &str) -> io::Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tests = Command::new(cargo)
        .args(["test", "--quiet"])
        .args(target)
        .args(["--", filter, "--nocapture", "--test-threads", "1"])
        // Some scenarios make threads panic. Their stacks are not part of the story.
        .env("RUST_BACKTRACE", "0")
        .current_dir(repository())
        .stderr(io::stdout())
        .output()?;
    let report = String::from_utf8_lossy(&tests.stdout);
    let passed = tests.status.success() && !report.contains("ok. 0 passed");
    if !passed {
        print_line(&report);
    }
    verify(passed, claim)
}
