//! Three ways to write the broadcaster, measured briefly in one room: two steps of the course, which are a
//! scope for each message and a thread for each recipient, and the server itself.

use super::verify;
use crate::{
    measure::{self, Effort},
    print_line,
    systems::System,
};
use std::{io, time::Duration};

/// Step 2 starts a thread for each of them, for each message.
const RECIPIENTS: usize = 100;
/// Long enough for figures that differ by a factor.
const EFFORT: Effort = Effort { burst: Duration::from_millis(500), messages: 0, chat: Duration::ZERO };
/// How many times as much of the processor each must need as the next one. It is far below what they need,
/// because other programs may run on this machine.
const LEAST_RATIO: f64 = 2.0;

pub(super) fn run() -> io::Result<()> {
    print_line(&format!(
        "{} members send as fast as they can, and {RECIPIENTS} more listen.",
        measure::SENDERS
    ));
    let mut measured = Vec::new();
    for (system, how) in [
        (System::Step(2), "for each message a scope, and in it a thread for each recipient"),
        (System::Step(3), "one thread for each recipient, for as long as it stays"),
        (System::RpcChat, "the broadcaster writes within a window, the recipient's thread beyond it"),
    ] {
        system.prepare()?;
        let figures = measure::throughput(&system.start()?, system.protocol(), RECIPIENTS, EFFORT)?;
        let figure = |wanted| {
            let found = figures.iter().find_map(|&(figure, value)| (figure == wanted).then_some(value));
            found.ok_or_else(|| io::Error::other(format!("throughput has no figure {wanted}")))
        };
        let (each, cpu) = (figure("deliveries_per_s")?, figure("cpu_us_per_delivery")?);
        print_line(&format!(
            "{:10} {each:9.0} deliveries a second, {cpu:5.1} microseconds of CPU for each: {how}",
            system.name()
        ));
        measured.push(cpu);
    }
    let cheaper = |from: usize| measured[from] > LEAST_RATIO * measured[from + 1];
    verify(cheaper(0), "a thread that stays is many times cheaper than a thread for each delivery")?;
    verify(cheaper(1), "and the server is many times cheaper again: one call brings all that waits")
}
