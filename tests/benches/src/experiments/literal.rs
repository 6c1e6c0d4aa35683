//! Three ways to write the broadcaster, measured briefly in one room: the literal translation of the Go
//! original, a thread for each recipient, and the server itself.

use super::verify;
use crate::{
    measure::{self, Effort},
    print_line,
    systems::System,
};
use std::{io, time::Duration};

/// The literal translation starts a thread for each of them, for each message.
const RECIPIENTS: usize = 100;
/// Long enough for figures that differ by a factor of a hundred.
const EFFORT: Effort = Effort { burst: Duration::from_millis(500), messages: 0, chat: Duration::ZERO };
/// How many times as many deliveries the others must make. It is far below what they make, because other
/// programs may run on this machine.
const LEAST_RATIO: f64 = 5.0;

pub(super) fn run() -> io::Result<()> {
    print_line(&format!(
        "{} members send as fast as they can, and {RECIPIENTS} more listen.",
        measure::SENDERS
    ));
    let mut measured = Vec::new();
    for (system, how) in [
        (System::ScopePerMessage, "for each message a scope, and in it a thread for each recipient"),
        (System::Cursor, "one thread for each recipient, for as long as it stays"),
        (System::RpcChat, "the broadcaster writes within a window, the recipient's thread beyond it"),
    ] {
        system.prepare()?;
        let figures = measure::throughput(&system.start()?, system.protocol(), RECIPIENTS, EFFORT)?;
        let deliveries_per_s = figures
            .iter()
            .find_map(|&(figure, value)| (figure == "deliveries_per_s").then_some(value))
            .ok_or_else(|| io::Error::other("throughput has no figure deliveries_per_s"))?;
        print_line(&format!("{:18} {deliveries_per_s:9.0} deliveries a second: {how}", system.name()));
        measured.push(deliveries_per_s);
    }
    let least = LEAST_RATIO * measured[0];
    verify(measured[1] > least, "a thread that stays is many times faster than a thread for each delivery")?;
    verify(measured[2] > least, "and so is the server")
}
