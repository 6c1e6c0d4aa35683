//! `make soak`: ten minutes of people who come, speak, are cut off, come back and leave, over a network that misbehaves.
//! What they saw is judged; the server's threads, descriptors and memory must be back where they began.
//!
//! `CHAT_SOAK_SECONDS` makes it shorter or longer, `CHAT_SEED` repeats it.
#![allow(clippy::print_stdout, reason = "what it prints is the result")]

use chat_tests::{
    checker::check,
    member::Member,
    process::Program,
    random::{play, seed},
    watchdog::{poll, Watched},
};
use std::{
    env,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// After this part of the time the log is full and every buffer has its size; memory is measured from here on.
const WARM_PART: u32 = 5;
/// What memory may grow by after that.
const MOST_GROWTH_BYTES: usize = 8 << 20;
/// Between two moves of a group, so that the histories of ten minutes fit into memory.
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let seconds = env::var("CHAT_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(600);
    let length = Duration::from_secs(seconds);
    let (server, address) = Program::server(&["--rate-burst", "0"]);
    // With one member in the room, both times: then every thread of the server has begun.
    let scout = Member::join(address, "scout");
    let (threads, descriptors) = (server.threads(), server.descriptors());
    scout.leave();
    let began = Instant::now();
    let warm = Watched::new(None);
    let people = play(address, seed(), 4, &|_| {
        thread::sleep(PAUSE);
        if began.elapsed() > length / WARM_PART {
            warm.change(|memory| {
                memory.get_or_insert_with(|| server.memory());
            });
        }
        began.elapsed() < length
    });
    let warm = warm.look(|memory| memory.unwrap_or_default());
    let _scout = Member::join(address, "scout");
    poll("threads and descriptors to be back where they began", || {
        (server.threads() <= threads && server.descriptors() <= descriptors).then_some(())
    });
    let memory = server.memory();
    let violations = check(&people);
    let messages: usize = people.iter().map(|person| person.sent.len()).sum();
    let deliveries: usize = people.iter().map(|person| person.events().count()).sum();
    println!("{} s, {} people, {messages} messages, {deliveries} deliveries", length.as_secs(), people.len());
    println!("violations of the promise: {}", violations.len());
    violations.iter().take(20).for_each(|violation| println!("  {violation}"));
    println!("threads {threads}, descriptors {descriptors}: back where they began");
    println!("memory {} KiB when warm, {} KiB at the end", warm / 1024, memory / 1024);
    if violations.is_empty() && memory <= warm + MOST_GROWTH_BYTES {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
