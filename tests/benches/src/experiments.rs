//! The lesson's experiments, in the order of the table of ideas in `tests/README.md`. Each takes less than a
//! minute, tells what it does, and fails if it does not show its claim.
//!
//! They run on the main thread, one after the other.

mod captured;
mod cost;
mod frozen_room;
mod literal;
mod order;
mod scenarios;

use crate::print_line;
use std::io;

/// An experiment's name, the idea that it belongs to, and the function that runs it.
type Experiment = (&'static str, &'static str, fn() -> io::Result<()>);

const EXPERIMENTS: [Experiment; 12] = [
    ("literal", "The original, translated word for word", literal::run),
    ("python", "Programs talk by RPC", scenarios::python),
    ("cuts", "A call can be lost, late, or done twice: it is not a function call", scenarios::cuts),
    ("ten-thousand", "Many clients at once", cost::ten_thousand),
    ("f02", "Many senders, one channel", scenarios::f02),
    ("frozen-room", "Broadcasting without blocking the sender", frozen_room::run),
    ("order", "One order for all", order::run),
    ("panics", "Shared state", scenarios::panics),
    ("lost-wake-up", "Sleeping and waking", scenarios::lost_wake_up),
    ("shutdown", "Waiting for all, and stopping", scenarios::shutdown),
    ("captured", "A loop variable captured", captured::run),
    ("spawn-cost", "What a thread costs", cost::spawn_cost),
];

/// Runs the experiment called `name`, or all of them.
///
/// # Errors
/// When an experiment cannot run, or does not show its claim.
pub fn run(name: &str) -> io::Result<()> {
    crate::process::raise_open_files();
    let wanted = |(other, _, _): &&Experiment| name == "all" || name == *other;
    let experiments: Vec<&Experiment> = EXPERIMENTS.iter().filter(wanted).collect();
    if experiments.is_empty() {
        let names = EXPERIMENTS.map(|(name, _, _)| name).join(", ");
        return Err(io::Error::other(format!(
            "unknown experiment {name}; the experiments are {names}, and all"
        )));
    }
    for (name, idea, run) in experiments {
        print_line(&format!("\n== {name}: {idea}"));
        run()?;
    }
    Ok(())
}

/// Prints whether an experiment has shown its claim.
///
/// # Errors
/// When it has not.
fn verify(shown: bool, claim: &str) -> io::Result<()> {
    print_line(&format!("{}: {claim}", if shown { "shown" } else { "NOT SHOWN" }));
    if shown {
        Ok(())
    } else {
        Err(io::Error::other(format!("not shown: {claim}")))
    }
}
