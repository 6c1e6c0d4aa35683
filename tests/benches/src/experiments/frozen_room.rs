//! One client stops reading. With a scope for each message, which is step 2 of the course, all others then
//! receive nothing. With a thread for each recipient, which is step 3, they receive everything.

use super::verify;
use crate::{
    print_line,
    room::{next_message_id, Room},
    systems::System,
    wire::counted_text,
};
use std::{
    io,
    time::{Duration, Instant},
};

const MEMBERS: usize = 10;
const SENDER: usize = 0;
const STOPPED: usize = MEMBERS - 1;
const MESSAGES: u64 = 20;
/// How long the others listen. It is well below the five seconds after which the server removes
/// the stopped client.
const LISTEN_TIME: Duration = Duration::from_secs(2);

pub(super) fn run() -> io::Result<()> {
    let others = (MEMBERS - 2) as u64;
    let mut received = Vec::new();
    for system in [System::Step(2), System::Step(3)] {
        system.prepare()?;
        let (deliveries, took) = chat_beside_a_stopped_client(system)?;
        print_line(&format!(
            "{:18} {deliveries:3} of {} deliveries to the {others} others, the last {:.1} ms after the start",
            system.name(),
            MESSAGES * others,
            took.as_secs_f64() * 1e3,
        ));
        received.push(deliveries);
    }
    // The first message still reaches the others, because its scope starts all threads before it waits.
    verify(received[0] <= others, "a scope for each message freezes the room behind one stopped client")?;
    verify(
        received[1] == MESSAGES * others,
        "with a thread for each recipient everybody else hears everything",
    )
}

/// Returns the number of deliveries to the others, and the time until the last of them.
fn chat_beside_a_stopped_client(system: System) -> io::Result<(u64, Duration)> {
    let server = system.start()?;
    let mut room = Room::join(server.address, system.protocol(), MEMBERS)?;
    room.wait_until_quiet(Duration::from_millis(200))?;
    room.stop_reading(STOPPED)?;

    let start = Instant::now();
    let (mut sent, mut deliveries, mut last) = (1, 0, start);
    room.send(SENDER, next_message_id(), &counted_text(sent))?;
    while let Some(left) = LISTEN_TIME.checked_sub(start.elapsed()) {
        for arrival in room.receive(left)? {
            if arrival.deliveries > 0 {
                deliveries += arrival.deliveries;
                last = arrival.at;
            }
            if arrival.accepted > 0 && sent < MESSAGES {
                sent += 1;
                room.send(SENDER, next_message_id(), &counted_text(sent))?;
            }
        }
    }
    Ok((deliveries, last - start))
}
