//! The statistics of the room: the answer to `/stats`, and a line in the server's log each minute. The
//! thread `stats` writes the line. It holds the room weakly, because the room ends when it is dropped.

use crate::{
    door::{Door, Guesses},
    room::Room,
};
use chat_common::program::shutdown::Shutdown;
use log::{log, Level};
use std::{fs, sync::Weak, time::Duration};

const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Returns the statistics of the room and of this process, in one line. The number of threads is unknown
/// on systems without `/proc`.
pub(super) fn summary(room: &Room, door: &Door) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")).map_or("unknown", str::trim);
    let guesses = door.guesses().map_or(String::new(), |guesses| format!(", {}", guesses.summary()));
    format!("{}, threads {threads}{guesses}", room.summary())
}

/// The whole life of the thread `stats`: one line in the server's log each minute. It is for everybody if
/// something has happened in that minute, and otherwise for those who debug.
///
/// # Blocking
/// For a minute each time; shutdown wakes it.
pub(crate) fn stats_loop(room: &Weak<Room>, door: &Door, shutdown: &Shutdown) {
    let mut before = None;
    while !shutdown.sleep(LOG_INTERVAL) {
        // The room is let go before the line is logged, because the room ends when it is dropped.
        if let Some((next, line)) = room.upgrade().map(|room| (room.next_sequence(), summary(&room, door))) {
            // A guess at the passphrase is as good as an event.
            let next = next + door.guesses().map_or(0, Guesses::wrong);
            log!(level(before.replace(next), next), "{line}");
        }
    }
}

/// Returns the level of a line. `before` and `next` count what has happened: the sequence numbers of the next
/// event when the last line was written, and now.
fn level(before: Option<u64>, next: u64) -> Level {
    // The first event has the number 1.
    if next > before.unwrap_or(1) {
        Level::Info
    } else {
        Level::Debug
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_a_minute_in_which_nothing_happened_are_for_those_who_debug() {
        assert_eq!((level(None, 1), level(Some(7), 7)), (Level::Debug, Level::Debug));
        assert_eq!((level(None, 2), level(Some(7), 8)), (Level::Info, Level::Info));
    }
}
