//! The measurements of a running server: throughput, latency, latency beside stuck recipients, the cost of a
//! member, and filling a journal.
//!
//! All of it runs on the main thread. Nothing here starts a server or writes a result. A measurement blocks
//! on the server until it is done, and fails when one message takes longer than [`LATENCY_TIMEOUT`].

use crate::{
    process::{own_cpu, Server, Usage},
    room::{next_message_id, Burst, Room},
    wire::{counted_text, filler_text, Protocol},
};
use std::{
    io,
    time::{Duration, Instant},
};

/// The number of members that send at the same time in a throughput run.
pub const SENDERS: usize = 64;
/// The pause between two messages of a latency run. It is long enough for all threads to sleep again.
const MESSAGE_PAUSE: Duration = Duration::from_millis(2);
/// How long one message may take to reach all recipients.
const LATENCY_TIMEOUT: Duration = Duration::from_secs(20);
/// How many bytes fill the buffers of a stuck recipient before the measurement: more than fit into them.
const FILL_BYTES: usize = 1024 * 1024;
/// How long nothing must arrive until a room counts as idle.
const QUIET_TIME: Duration = Duration::from_millis(300);

/// How long a run takes.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How long the messages of a throughput run take.
    pub burst: Duration,
    /// The number of messages of a latency run.
    pub messages: usize,
    /// How long the members of a members run chat.
    pub chat: Duration,
}

/// The name of a figure, and its value.
pub type Figure = (&'static str, f64);

/// [`SENDERS`] members send in closed loop. They and `recipients` more members receive.
pub fn throughput(
    server: &Server,
    protocol: Protocol,
    recipients: usize,
    effort: Effort,
) -> io::Result<Vec<Figure>> {
    let mut room = Room::join(server.address, protocol, SENDERS + recipients)?;
    room.wait_until_quiet(QUIET_TIME)?;
    let text = counted_text(0);
    // A trial warms the server up and shows how many messages fill the time.
    let mut each = 2;
    let trial = loop {
        let trial = room.burst(SENDERS, each, &text)?;
        if trial.took >= effort.burst / 8 {
            break trial;
        }
        each *= 4;
    };
    let fill = effort.burst.as_secs_f64() / trial.took.as_secs_f64();
    let each = ((each as f64 * fill) as u64).max(1);
    let before = (server.usage()?, own_cpu()?);
    let Burst { took, accepted, deliveries, lost, refused } = room.burst(SENDERS, each, &text)?;
    let after = (server.usage()?, own_cpu()?);
    let cpu = (after.0.cpu - before.0.cpu).as_secs_f64();
    let own = (after.1 - before.1).as_secs_f64();
    let mut figures = vec![
        ("deliveries_per_s", deliveries as f64 / took.as_secs_f64()),
        ("messages_per_s", accepted as f64 / took.as_secs_f64()),
        ("cpu_us_per_delivery", cpu * 1e6 / deliveries as f64),
        ("server_cores", cpu / took.as_secs_f64()),
        ("generator_cores", own / took.as_secs_f64()),
        ("lost", lost as f64),
        ("refused_busy", refused as f64),
    ];
    if let (Some(before), Some(after)) = (before.0.syncs, after.0.syncs) {
        if after > before {
            figures.push(("messages_per_sync", accepted as f64 / (after - before) as f64));
        }
    }
    Ok(figures)
}

/// Lets [`SENDERS`] members say at least `messages` messages, all of which the server accepts.
pub fn fill(server: &Server, protocol: Protocol, messages: usize) -> io::Result<()> {
    let mut room = Room::join(server.address, protocol, SENDERS)?;
    let each = messages.div_ceil(SENDERS) as u64;
    let accepted = room.burst(SENDERS, each, &counted_text(0))?.accepted;
    if accepted < each * SENDERS as u64 {
        return Err(io::Error::other(format!("only {accepted} messages were accepted")));
    }
    Ok(())
}

/// One member sends, one message at a time, to `recipients` idle members. With `stuck`, every tenth of them
/// has stopped reading, and the times are those of the others.
pub fn latency(
    server: &Server,
    protocol: Protocol,
    recipients: usize,
    stuck: bool,
    effort: Effort,
) -> io::Result<Vec<Figure>> {
    const SENDER: usize = 0;
    let mut room = Room::join(server.address, protocol, 1 + recipients)?;
    room.wait_until_quiet(QUIET_TIME)?;
    let is_stuck = |member: usize| stuck && member.is_multiple_of(10);
    let listeners: Vec<usize> = (1..=recipients).filter(|&member| !is_stuck(member)).collect();
    if stuck {
        for member in (1..=recipients).filter(|&member| is_stuck(member)) {
            room.stop_reading(member)?;
        }
        fill_buffers(&mut room, SENDER, protocol)?;
    }

    // A small room gets more messages, so that the server's CPU time is many clock ticks.
    let messages = effort.messages * if recipients < 1000 { 3 } else { 1 };
    let warm_up = messages / 10;
    let mut times = Vec::with_capacity(messages * listeners.len());
    let mut last_times = Vec::with_capacity(messages);
    let mut last_received = vec![0; room.members()];
    let mut before = server.usage()?;
    for message in 1..=warm_up + messages {
        if message == warm_up + 1 {
            times.clear();
            last_times.clear();
            before = server.usage()?;
        }
        let start = Instant::now();
        room.send(SENDER, next_message_id(), &counted_text(message as u64))?;
        let (mut left, mut accepted, mut last) = (listeners.len(), false, start);
        while left > 0 || !accepted {
            if start.elapsed() > LATENCY_TIMEOUT {
                return Err(io::Error::other(format!("message {message} did not reach {left} recipients")));
            }
            for arrival in room.receive(LATENCY_TIMEOUT)? {
                accepted |= arrival.accepted > 0;
                if arrival.deliveries == 0 || arrival.member == SENDER {
                    continue;
                }
                if arrival.deliveries > 1 || last_received[arrival.member] == message {
                    return Err(io::Error::other(format!("message {message} arrived twice")));
                }
                last_received[arrival.member] = message;
                times.push(arrival.at - start);
                left -= 1;
                last = arrival.at;
            }
        }
        last_times.push(last - start);
        let pause_end = Instant::now() + MESSAGE_PAUSE;
        while let Some(left) = pause_end.checked_duration_since(Instant::now()) {
            room.receive(left)?;
        }
    }
    let cpu = (server.usage()?.cpu - before.cpu).as_secs_f64();
    let deliveries = times.len() as f64;
    times.sort_unstable();
    last_times.sort_unstable();
    Ok(vec![
        ("p50_ms", percentile(&times, 50)),
        ("p99_ms", percentile(&times, 99)),
        ("last_p50_ms", percentile(&last_times, 50)),
        ("last_p99_ms", percentile(&last_times, 99)),
        ("cpu_us_per_delivery", cpu * 1e6 / deliveries),
    ])
}

/// Sends messages until the buffers of the stuck recipients are full.
fn fill_buffers(room: &mut Room, sender: usize, protocol: Protocol) -> io::Result<()> {
    let text = filler_text(protocol.text_limit_bytes());
    for _ in 0..FILL_BYTES / text.len() {
        loop {
            room.send(sender, next_message_id(), &text)?;
            let (mut accepted, mut busy) = (false, false);
            while !accepted && !busy {
                for arrival in room.receive(LATENCY_TIMEOUT)? {
                    accepted |= arrival.accepted > 0;
                    busy |= arrival.busy > 0;
                }
            }
            if accepted {
                break;
            }
            room.receive(crate::wire::BUSY_PAUSE)?;
        }
    }
    room.wait_until_quiet(QUIET_TIME)
}

/// Measures what `members` idle members cost, and whether a chat of 100 messages a second reaches all of
/// them.
pub fn members(
    server: &Server,
    protocol: Protocol,
    members: usize,
    effort: Effort,
) -> io::Result<Vec<Figure>> {
    let (before, own_before) = (server.usage()?, own_cpu()?);
    let start = Instant::now();
    let mut room = Room::join(server.address, protocol, members)?;
    let joined = start.elapsed();
    room.wait_until_quiet(QUIET_TIME)?;
    let (idle, own_idle) = (server.usage()?, own_cpu()?);
    let each = |figure: fn(&Usage) -> u64| (figure(&idle) as f64 - figure(&before) as f64) / members as f64;
    let mut figures = vec![
        ("join_s", joined.as_secs_f64()),
        ("join_cpu_ms_each", (idle.cpu - before.cpu).as_secs_f64() * 1e3 / members as f64),
        ("generator_cpu_ms_each", (own_idle - own_before).as_secs_f64() * 1e3 / members as f64),
        ("resident_kib_each", each(|usage| usage.resident) / 1024.0),
        ("threads_each", each(|usage| usage.threads)),
        ("descriptors_each", each(|usage| usage.descriptors)),
    ];
    figures.extend(measure_chat(&mut room, server, protocol, effort.chat)?);
    Ok(figures)
}

/// Lets members send in turn, 100 messages a second.
fn measure_chat(
    room: &mut Room,
    server: &Server,
    protocol: Protocol,
    length: Duration,
) -> io::Result<Vec<Figure>> {
    const INTERVAL: Duration = Duration::from_millis(10);
    let total = (length.as_millis() / INTERVAL.as_millis()) as u64;
    let recipients = room.members() as u64 - u64::from(!protocol.receives_own_messages());
    let (mut sent, mut deliveries, mut missed, mut accepted) = (0, 0, 0, 0);
    let before = server.usage()?;
    let start = Instant::now();
    let mut last = start;
    while (accepted < total || deliveries + missed < total * recipients) && last.elapsed() < LATENCY_TIMEOUT {
        let due = INTERVAL * sent as u32;
        if sent < total && start.elapsed() >= due {
            room.send(sent as usize % room.members(), next_message_id(), &counted_text(sent))?;
            sent += 1;
            continue;
        }
        let wait = if sent < total { due.saturating_sub(start.elapsed()) } else { LATENCY_TIMEOUT };
        for arrival in room.receive(wait)? {
            last = arrival.at;
            deliveries += arrival.deliveries;
            missed += arrival.missed;
            accepted += arrival.accepted;
        }
    }
    let took = last - start;
    Ok(vec![
        ("chat_lost", (total * recipients) as f64 - deliveries as f64),
        // The time from the last message until the last recipient has everything.
        ("chat_behind_s", took.saturating_sub(INTERVAL * (total as u32 - 1)).as_secs_f64()),
        ("chat_cpu", (server.usage()?.cpu - before.cpu).as_secs_f64() / took.as_secs_f64()),
    ])
}

/// Returns a percentile in milliseconds. `times` must be sorted and not empty.
fn percentile(times: &[Duration], percent: usize) -> f64 {
    times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3
}
