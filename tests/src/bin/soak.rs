//! `make soak`: ten minutes of random members over a network with random faults, and of an operator who
//! moderates them.
//!
//! The checker reads all histories. At the end the server must have no more threads and descriptors than at
//! the start, and hardly more memory. `CHAT_SOAK_SECONDS` sets another length, `CHAT_SEED` repeats a run.
#![allow(clippy::print_stdout, reason = "the output is the result")]

use chat_tests::{
    checker::check,
    class::{operators_file, run_class},
    folder::Folder,
    member::Member,
    process::Program,
    random::seed_from_environment,
    watchdog::{poll, Shared},
};
use std::{
    env,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// The memory is measured after the first fifth of the time: by then the log is full and every buffer has its
/// size.
const WARM_UP_DIVISOR: u32 = 5;
/// The memory may grow by this much after the warm-up.
const MAX_GROWTH_BYTES: usize = 8 << 20;
/// The pause between two moves of a group. Without it, the histories of ten minutes do not fit into memory.
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let seconds = env::var("CHAT_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(600);
    let length = Duration::from_secs(seconds);
    let folder = Folder::new();
    let operators = operators_file(&folder);
    let (server, address) = Program::server(&["--rate-burst", "0", "--operators", &operators]);
    // We count with one member in the room, at the start and at the end: then every thread of the server
    // runs.
    let probe = Member::join(address, "probe");
    let (threads, descriptors) = (server.threads(), server.descriptors());
    probe.leave();
    let began = Instant::now();
    let warm = Shared::new(None);
    let histories = run_class(address, seed_from_environment(), 4, &|_| {
        thread::sleep(PAUSE);
        if began.elapsed() > length / WARM_UP_DIVISOR {
            warm.update(|memory| {
                memory.get_or_insert_with(|| server.memory_bytes());
            });
        }
        began.elapsed() < length
    });
    let warm = warm.read_with(|memory| memory.unwrap_or_default());
    let _probe = Member::join(address, "probe");
    poll("the server to end its threads and close its descriptors", || {
        (server.threads() <= threads && server.descriptors() <= descriptors).then_some(())
    });
    let memory = server.memory_bytes();
    let violations = check(&histories);
    let messages: usize = histories.iter().map(|member| member.sent.len()).sum();
    let deliveries: usize = histories.iter().map(|member| member.events().count()).sum();
    println!(
        "{} s, {} people, {messages} messages, {deliveries} deliveries",
        length.as_secs(),
        histories.len()
    );
    println!("violations of the promise: {}", violations.len());
    violations.iter().take(20).for_each(|violation| println!("  {violation}"));
    println!("threads {threads}, descriptors {descriptors}: back where they began");
    println!("memory {} KiB when warm, {} KiB at the end", warm / 1024, memory / 1024);
    if violations.is_empty() && memory <= warm + MAX_GROWTH_BYTES {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
