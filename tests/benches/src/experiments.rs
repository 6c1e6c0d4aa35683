//! The lesson's experiments. Each takes less than a minute, and fails if it does not show its claim.
//!
//! They run on the main thread, one after the other.

mod cost;
mod frozen_room;
mod order;

use std::io;

/// An experiment's name, and the function that runs it.
type Experiment = (&'static str, fn() -> io::Result<()>);

const EXPERIMENTS: [Experiment; 4] = [
    ("frozen-room", frozen_room::run),
    ("order", order::run),
    ("ten-thousand", cost::ten_thousand),
    ("spawn-cost", cost::spawn_cost),
];

/// Runs the experiment called `name`, or all of them.
///
/// # Errors
/// When an experiment cannot run, or does not show its claim.
pub fn run(name: &str) -> io::Result<()> {
    crate::process::raise_open_files();
    let wanted = |(other, _): &&Experiment| name == "all" || name == *other;
    let experiments: Vec<&Experiment> = EXPERIMENTS.iter().filter(wanted).collect();
    if experiments.is_empty() {
        let names = EXPERIMENTS.map(|(name, _)| name).join(", ");
        return Err(io::Error::other(format!(
            "unknown experiment {name}; the experiments are {names}, and all"
        )));
    }
    for (name, run) in experiments {
        crate::print_line(&format!("== {name}"));
        run()?;
    }
    Ok(())
}

/// Prints whether an experiment has shown its claim.
///
/// # Errors
/// When it has not.
fn verify(shown: bool, claim: &str) -> io::Result<()> {
    crate::print_line(&format!("{}: {claim}", if shown { "shown" } else { "NOT SHOWN" }));
    if shown {
        Ok(())
    } else {
        Err(io::Error::other(format!("not shown: {claim}")))
    }
}
