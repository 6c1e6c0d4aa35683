//! One member sends 1, 2, 3, ... and another listens. A thread or a goroutine per message changes the order.
//! A cursor keeps it.

use super::verify;
use crate::{
    room::fresh_number,
    systems::System,
    tell,
    wire::{counted_text, Heard, Links, Protocol},
};
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

const MESSAGES: u64 = 1000;
/// The most tries until the order changes. The scheduler decides that; so far one try was enough.
const TRIES: usize = 10;
const READ_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn run() -> io::Result<()> {
    let scrambling = [System::ThreadPerMessage, System::GoTwin];
    let keeping = [System::Cursor, System::GoTwinLog];
    for system in scrambling {
        if !system.prepare()? {
            continue;
        }
        let mut out_of_order = 0;
        for _ in 0..TRIES {
            out_of_order = listen(system)?;
            if out_of_order > 0 {
                break;
            }
        }
        verify(out_of_order > 0, &format!("{} scrambles the order", system.name()))?;
    }
    for system in keeping {
        if system.prepare()? {
            verify(listen(system)? == 0, &format!("{} keeps the order", system.name()))?;
        }
    }
    Ok(())
}

/// Returns how many messages arrive after a message that was sent later.
fn listen(system: System) -> io::Result<usize> {
    let server = system.start()?;
    let protocol = system.protocol();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let hearer = protocol.join(server.address, "hearer", &listener)?;
    let mut speaker = protocol.join(server.address, "speaker", &listener)?;
    // The receiving thread runs while the speaker sends, and ends when it has received everything.
    let numbers = thread::scope(|scope| {
        let hearing = thread::Builder::new()
            .name("hearer".into())
            .spawn_scoped(scope, move || hear_numbers(protocol, hearer))?;
        speak(protocol, &mut speaker.call)?;
        hearing.join().map_err(|_| io::Error::other("the hearing thread panicked"))?
    })?;
    let mut highest = 0;
    let mut out_of_order = 0;
    for &number in &numbers {
        out_of_order += usize::from(number < highest);
        highest = highest.max(number);
    }
    let beginning: Vec<String> = numbers.iter().take(12).map(u64::to_string).collect();
    tell(&format!(
        "{:18} {out_of_order:3} of {MESSAGES} messages out of order; it begins {} ...",
        system.name(),
        beginning.join(" ")
    ));
    Ok(out_of_order)
}

/// Sends one message after the other. Each waits until the system has accepted the one before.
fn speak(protocol: Protocol, call: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let mut request = Vec::new();
    for message in 1..=MESSAGES {
        protocol.say("speaker", fresh_number(), &counted_text(message), &mut request);
        call.write_all(&request)?;
        let mut heard = Heard::default();
        let mut left = Vec::new();
        while heard.accepted == 0 {
            let count = call.read(&mut buffer)?;
            left.extend_from_slice(&buffer[..count]);
            let consumed = protocol.hear(false, &left, &mut heard)?;
            left.drain(..consumed);
        }
    }
    Ok(())
}

/// Returns the numbers in the texts, in the order in which they arrive. In every protocol a counted text is
/// `#`, nine digits and padding, and there is no other `#` on the wire.
fn hear_numbers(protocol: Protocol, links: Links) -> io::Result<Vec<u64>> {
    let mut callback = links.callback.ok_or(io::ErrorKind::NotConnected)?;
    callback.set_read_timeout(Some(READ_TIMEOUT))?;
    let mut numbers = Vec::new();
    let (mut left, mut heard) = (Vec::new(), Heard::default());
    let mut buffer = [0; 64 * 1024];
    while heard.deliveries < MESSAGES {
        let count = callback.read(&mut buffer)?;
        left.extend_from_slice(&buffer[..count]);
        let consumed = protocol.hear(true, &left, &mut heard)?;
        let whole: Vec<u8> = left.drain(..consumed).collect();
        callback.write_all(&heard.reply)?;
        heard.reply.clear();
        for at in memchr::memchr_iter(b'#', &whole) {
            let digits = whole.get(at + 1..at + 10).and_then(|digits| std::str::from_utf8(digits).ok());
            numbers.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
        }
    }
    Ok(numbers)
}
