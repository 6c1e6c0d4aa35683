//! The statistics of the room: the answer to `/stats`, and a line in the server's log each minute. The
//! thread `stats` writes the line. It holds the room weakly, because the room ends when it is dropped.

use crate::room::Room;
use chat_common::shutdown::Shutdown;
use log::info;
use std::{fs, sync::Weak, time::Duration};

const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Returns the statistics of the room and of this process, in one line. The number of threads is unknown
/// on systems without `/proc`.
pub(super) fn summary(room: &Room) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")).map_or("unknown", str::trim);
    format!("{}, threads {threads}", room.summary())
}

/// The whole life of the thread `stats`: one line in the server's log each minute.
///
/// # Blocking
/// For a minute each time; shutdown wakes it.
pub(crate) fn stats_loop(room: &Weak<Room>, shutdown: &Shutdown) {
    while !shutdown.sleep(LOG_INTERVAL) {
        // The room is let go before the line is logged, because the room ends when it is dropped.
        if let Some(line) = room.upgrade().map(|room| summary(&room)) {
            info!("{line}");
        }
    }
}
