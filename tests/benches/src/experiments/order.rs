//! One member sends 1, 2, 3, ... and another listens. A thread for each message, as in step 1 of the course,
//! or a goroutine, changes the order. A thread that stays, as in step 3, keeps it.

use super::verify;
use crate::{
    print_line,
    room::next_message_id,
    systems::System,
    wire::{counted_text, member_name, Channel, Connections, Protocol, Received},
};
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener},
    thread,
    time::Duration,
};

const MESSAGES: u64 = 1000;
/// The most tries until the order changes. The scheduler decides that; so far one try was enough.
const TRIES: usize = 10;
const READ_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn run() -> io::Result<()> {
    let reordering = [System::Step(1), System::GoTwin];
    let keeping = [System::Step(3), System::GoTwinLog];
    for system in reordering {
        if !system.prepare()? {
            continue;
        }
        let mut out_of_order = 0;
        for _ in 0..TRIES {
            out_of_order = count_out_of_order(system)?;
            if out_of_order > 0 {
                break;
            }
        }
        verify(out_of_order > 0, &format!("{} does not keep the order", system.name()))?;
    }
    for system in keeping {
        if system.prepare()? {
            verify(count_out_of_order(system)? == 0, &format!("{} keeps the order", system.name()))?;
        }
    }
    Ok(())
}

/// Returns how many messages arrive after a message that was sent later.
fn count_out_of_order(system: System) -> io::Result<usize> {
    let server = system.start()?;
    let protocol = system.protocol();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let receiver = protocol.join(server.address, "receiver", &listener)?;
    let mut sender = protocol.join(server.address, &member_name(0), &listener)?;
    // The receiving thread runs while the sender sends, and ends when it has received everything.
    let numbers = thread::scope(|scope| {
        let receiving = thread::Builder::new()
            .name("receiver".into())
            .spawn_scoped(scope, move || receive_numbers(protocol, receiver))?;
        send_messages(protocol, &mut sender.call)?;
        receiving.join().map_err(|_| io::Error::other("the receiving thread panicked"))?
    })?;
    let mut highest = 0;
    let mut out_of_order = 0;
    for &number in &numbers {
        out_of_order += usize::from(number < highest);
        highest = highest.max(number);
    }
    let beginning: Vec<String> = numbers.iter().take(12).map(u64::to_string).collect();
    print_line(&format!(
        "{:18} {out_of_order:3} of {MESSAGES} messages out of order; it begins {} ...",
        system.name(),
        beginning.join(" ")
    ));
    Ok(out_of_order)
}

/// Sends one message after the other. Each waits until the system has accepted the one before.
fn send_messages(protocol: Protocol, call: &mut Channel) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let mut request = Vec::new();
    for message in 1..=MESSAGES {
        protocol.encode_message(0, next_message_id(), &counted_text(message), &mut request);
        call.write_all(&request)?;
        let mut received = Received::default();
        let mut unparsed = Vec::new();
        while received.accepted == 0 {
            let count = call.read(&mut buffer)?;
            unparsed.extend_from_slice(&buffer[..count]);
            let consumed = protocol.parse(false, &unparsed, &mut received)?;
            unparsed.drain(..consumed);
        }
    }
    Ok(())
}

/// Returns the numbers in the texts, in the order in which they arrive. In every protocol a counted text is
/// `#`, nine digits and padding, and there is no other `#` on the wire.
fn receive_numbers(protocol: Protocol, connections: Connections) -> io::Result<Vec<u64>> {
    let mut callback = connections.callback.ok_or(io::ErrorKind::NotConnected)?;
    callback.socket().set_read_timeout(Some(READ_TIMEOUT))?;
    let mut numbers = Vec::new();
    let (mut unparsed, mut received) = (Vec::new(), Received::default());
    let mut buffer = [0; 64 * 1024];
    while received.deliveries < MESSAGES {
        let count = callback.read(&mut buffer)?;
        unparsed.extend_from_slice(&buffer[..count]);
        let consumed = protocol.parse(true, &unparsed, &mut received)?;
        let whole: Vec<u8> = unparsed.drain(..consumed).collect();
        callback.write_all(&received.reply)?;
        received.reply.clear();
        for at in memchr::memchr_iter(b'#', &whole) {
            let digits = whole.get(at + 1..at + 10).and_then(|digits| std::str::from_utf8(digits).ok());
            numbers.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
        }
    }
    Ok(numbers)
}
