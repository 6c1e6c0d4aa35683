//! What the room counts: touched by every thread, read by `/stats` and the log line each minute.

use crate::{room::command::Report, Shared};
use log::info;
use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Counters since the start. Relaxed: each stands for itself.
#[derive(Debug, Default)]
pub struct Stats {
    messages: AtomicU64,
    deliveries: AtomicU64,
}

impl Stats {
    /// Something that somebody said has its place in the order.
    pub fn accepted(&self) {
        self.messages.fetch_add(1, Relaxed);
    }

    /// So many events were handed to a recipient's connection.
    pub fn delivered(&self, events: u64) {
        self.deliveries.fetch_add(events, Relaxed);
    }
}

/// How the room is doing, in one line.
///
/// # Blocking
/// On the broadcaster, which never blocks.
pub fn summary(shared: &Shared) -> String {
    let Report { recipients, slowest } = shared.report();
    let slowest = match slowest {
        Some((name, behind)) if behind > 0 => format!("{name}, {behind} behind"),
        _ => "none behind".to_owned(),
    };
    let (first, next, bytes) = {
        let log = shared.log.read();
        (log.first(), log.next(), log.bytes())
    };
    let span = if first == next {
        "empty".to_owned()
    } else {
        format!("{first} to {} ({} KiB)", next - 1, bytes / 1024)
    };
    format!(
        "members {recipients}, messages {}, deliveries {}, slowest recipient {slowest}, log {span}, threads {}",
        shared.stats.messages.load(Relaxed),
        shared.stats.deliveries.load(Relaxed),
        threads().map_or("unknown".to_owned(), |count| count.to_string()),
    )
}

/// The life of the thread `stats`: one line in the log each minute.
///
/// # Blocking
/// On the clock; shutdown wakes it.
pub fn stats_loop(shared: &Shared) {
    while !shared.shutdown.sleep(LOG_INTERVAL) {
        info!("{}", summary(shared));
    }
}

/// This process's threads, where the system tells.
fn threads() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("Threads:"))?.trim().parse().ok()
}
