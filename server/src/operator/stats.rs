//! How the room is doing: the answer to `/stats`, and a line in the log each minute.

use crate::room::Room;
use chat_common::shutdown::Shutdown;
use log::info;
use std::{fs, sync::Weak, time::Duration};

const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// How the room is doing, in one line.
pub(super) fn summary(room: &Room) -> String {
    let behind = room.behind();
    let slowest = match behind.iter().max_by_key(|(_, behind)| behind) {
        Some((name, behind)) if *behind > 0 => format!("{name}, {behind} behind"),
        _ => "none behind".to_owned(),
    };
    let span = match room.log_size() {
        (first, next, _) if first == next => "empty".to_owned(),
        (first, next, bytes) => format!("{first} to {} ({} KiB)", next - 1, bytes / 1024),
    };
    let (accepted, delivered) = room.totals();
    let threads = threads().map_or("unknown".to_owned(), |count| count.to_string());
    format!(
        "members {}, messages {accepted}, deliveries {delivered}, slowest recipient {slowest}, log {span}, \
         threads {threads}",
        behind.len()
    )
}

/// The life of the thread `stats`: one line in the log each minute.
///
/// # Blocking
/// On the clock; shutdown wakes it.
pub(crate) fn stats_loop(room: &Weak<Room>, shutdown: &Shutdown) {
    while !shutdown.sleep(LOG_INTERVAL) {
        if let Some(room) = room.upgrade() {
            info!("{}", summary(&room));
        }
    }
}

/// This process's threads, where the system tells.
fn threads() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("Threads:"))?.trim().parse().ok()
}
