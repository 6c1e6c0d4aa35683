//! The lesson's experiments: each under a minute, and each fails when it does not show what it says.

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
/// When it could not be run, or did not show what it is there to show.
pub fn run(name: &str) -> io::Result<()> {
    crate::process::raise_open_files();
    let wanted = |(other, _): &&Experiment| name == "all" || name == *other;
    let experiments: Vec<&Experiment> = EXPERIMENTS.iter().filter(wanted).collect();
    if experiments.is_empty() {
        let names = EXPERIMENTS.map(|(name, _)| name).join(", ");
        return Err(io::Error::other(format!("no experiment {name}; there are {names}, and all")));
    }
    for (name, run) in experiments {
        crate::tell(&format!("== {name}"));
        run()?;
    }
    Ok(())
}

/// The experiment's own verdict.
fn verify(shown: bool, claim: &str) -> io::Result<()> {
    crate::tell(&format!("{}: {claim}", if shown { "shown" } else { "NOT SHOWN" }));
    if shown {
        Ok(())
    } else {
        Err(io::Error::other(format!("not shown: {claim}")))
    }
}
