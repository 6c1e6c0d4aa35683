//! The experiments of the lesson, in the order of the table of ideas in `tests/README.md`. Each takes less
//! than a minute, tells what it does, and fails if it does not show its claim.
//!
//! They run on the main thread, one after the other.

use crate::{
    refused,
    target::{cargo, cargo_build},
};
use chat_tests::process::{installed, profile_folder};
use std::{
    io,
    process::{Child, Command, Output, Stdio},
};

/// An experiment's name, where in the course it belongs, its idea, and the function that runs it.
type Experiment = (&'static str, &'static str, &'static str, fn() -> Result<(), String>);

const EXPERIMENTS: [Experiment; 8] = [
    ("python", "step 1", "Programs talk by RPC", python),
    ("f02", "step 4", "Many senders, one channel", f02),
    ("panics", "step 5", "Shared state", panics),
    ("shutdown", "step 7", "Waiting for all, and stopping", shutdown),
    ("cuts", "step 8", "A call can be lost, late, or done twice: it is not a function call", cuts),
    ("threads", "a side room", "What a thread costs", threads),
    ("refused", "a side room", "What the compiler refuses", refused::show),
    ("wake-up", "a side room", "Sleeping and waking", wake_up),
];

/// Runs the experiment called `name`, or all of them. Returns whether each has shown its claim.
///
/// # Errors
/// When there is no such experiment, or when one does not show its claim.
pub fn run(name: Option<&str>) -> Result<(), String> {
    let wanted = |(other, ..): &&Experiment| name.is_none_or(|name| name == *other);
    let experiments: Vec<&Experiment> = EXPERIMENTS.iter().filter(wanted).collect();
    if experiments.is_empty() {
        let names = EXPERIMENTS.map(|(name, ..)| name).join(", ");
        return Err(format!("the experiments are {names}"));
    }
    for (name, place, idea, run) in experiments {
        println!("\n== {name}: {idea} ({place} of the course)");
        run()?;
    }
    Ok(())
}

/// Prints whether an experiment has shown its claim.
///
/// # Errors
/// When it has not.
pub fn verify(shown: bool, claim: &str) -> Result<(), String> {
    let claim = format!("{}: {claim}", if shown { "shown" } else { "NOT SHOWN" });
    println!("{claim}");
    shown.then_some(()).ok_or(claim)
}

fn python() -> Result<(), String> {
    if !installed("python3") {
        println!("skipped: python3 is not installed");
        return Ok(());
    }
    scenario("python::", "a client in another language, written from the wire's specification, takes part")
}

fn cuts() -> Result<(), String> {
    scenario("cuts::", "a connection cut at any byte loses nothing and doubles nothing")
}

fn f02() -> Result<(), String> {
    scenario("::f02_", "lines of three senders at once arrive once each, and in one order for everybody")
}

fn panics() -> Result<(), String> {
    scenario(
        "panics::a_panic_while_the_registry_is_locked",
        "a panic while the lock is held ends one member, and nobody else notices",
    )
}

fn shutdown() -> Result<(), String> {
    scenario(
        "shutdown::a_signal_under_load",
        "a server that is told to stop delivers what it has accepted, and ends all its threads",
    )
}

fn threads() -> Result<(), String> {
    cargo_build(&["--package", "course-room-threads"])?;
    let status = Command::new(profile_folder().join("course-room-threads")).status();
    let shown = status.is_ok_and(|status| status.success());
    shown.then_some(()).ok_or_else(|| "the figures do not show it".to_owned())
}

fn wake_up() -> Result<(), String> {
    println!(
        "The model checker runs the server's broadcaster and a recipient's thread in many orders of their\n\
         steps. First with a thread that looks a moment too early whether a message is left. The last steps\n\
         of an order in which both then sleep, and a message waits for ever:\n"
    );
    let mut model = tests(
        &["--package", "chat-server", "--features", "model,seeded-bugs", "--lib"],
        &["a_lost_wake_up_is_found", "under_many_schedules"],
    );
    let model = output(&mut model)?;
    let told = String::from_utf8_lossy(&model.stderr);
    // Before it, the checker says how to replay the order.
    println!("{}", told.find("the broadcaster  ").map_or(&*told, |columns| &told[columns..]));
    verify(
        all_passed(&model),
        "the model checker finds a lost wake-up where a thread looks too early, and none in the server",
    )
}

/// Runs the scenarios whose names contain `filter`. They show `claim` when all of them pass.
///
/// The tests tell their story on standard error, and the test harness reports on standard output. Here the
/// story is shown, and the report only where a test fails.
fn scenario(filter: &str, claim: &str) -> Result<(), String> {
    // With the packages that `make lesson` builds, so that nothing is built again.
    let packages = ["--package", "chat-tests", "--package", "course-judge", "--test", "it"];
    let mut scenarios = tests(&packages, &[filter]);
    let scenarios = output(scenarios.stderr(io::stdout()))?;
    verify(all_passed(&scenarios), claim)
}

/// The tests of `target` whose names contain one of `filters`.
///
/// # Blocking
/// On the build and on the tests, each of which has a watchdog.
fn tests(target: &[&str], filters: &[&str]) -> Command {
    let mut tests = cargo("test");
    tests.args(target).arg("--").args(filters).args(["--nocapture", "--test-threads", "1"]);
    // Some scenarios make threads panic. Their stacks are not part of the story.
    tests.env("RUST_BACKTRACE", "0").stdout(Stdio::piped()).stderr(Stdio::piped());
    tests
}

fn output(tests: &mut Command) -> Result<Output, String> {
    tests.spawn().and_then(Child::wait_with_output).map_err(|error| format!("cargo: {error}"))
}

/// Whether there were tests, and all have passed. If not, prints the report.
fn all_passed(tests: &Output) -> bool {
    let report = String::from_utf8_lossy(&tests.stdout);
    let passed = tests.status.success() && !report.contains("ok. 0 passed");
    if !passed {
        println!("{report}");
    }
    passed
}
