//! The current time, and the local time zone. std does not know the zone, so the program `date` is asked.
//!
//! The thread `clock` runs `date` again every hour, so no event waits for it. The same thread shows what is
//! to be shown at a certain time, while nothing else happens.

use chat_common::calendar::DateTime;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::{
    io,
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicI64, Ordering::Relaxed},
        Arc,
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How often the zone is asked for. A change to or from summer time is noticed at most this late.
const ZONE_INTERVAL: Duration = Duration::from_secs(3600);
const DAY_MILLISECONDS: i64 = 86_400_000;

/// Returns the current time in milliseconds since the epoch.
pub(crate) fn now() -> u64 {
    // A clock that shows a time before 1970 is wrong, so any value will do.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Converts to local time. Clones share the zone. The default is UTC.
#[derive(Clone, Default)]
pub(crate) struct LocalClock {
    utc_offset_seconds: Arc<AtomicI64>,
}

impl LocalClock {
    pub(crate) fn local(&self, milliseconds: u64) -> DateTime {
        DateTime::from_seconds((milliseconds / 1000) as i64 + self.utc_offset_seconds.load(Relaxed))
    }

    /// Returns how long it takes from this time to the next midnight.
    pub(crate) fn until_midnight(&self, milliseconds: u64) -> Duration {
        let local = milliseconds as i64 + self.utc_offset_seconds.load(Relaxed) * 1000;
        Duration::from_millis((DAY_MILLISECONDS - local.rem_euclid(DAY_MILLISECONDS)) as u64)
    }

    /// Starts the thread `clock`. It calls `on_time`, which returns how long to wait until the next call. A
    /// message through `wake_rx` ends the wait, and the end of its sender ends the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn follow(
        &self,
        wake_rx: Receiver<()>,
        mut on_time: impl FnMut() -> Duration + Send + 'static,
    ) -> io::Result<()> {
        let (clock, mut asked) = (self.clone(), Instant::now());
        thread::Builder::new().name("clock".into()).spawn(move || loop {
            if asked.elapsed() >= ZONE_INTERVAL {
                clock.ask();
                asked = Instant::now();
            }
            let pause = on_time().min(ZONE_INTERVAL.saturating_sub(asked.elapsed()));
            if wake_rx.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        })?;
        Ok(())
    }

    /// Asks for the zone. Without an answer it stays as it is.
    ///
    /// # Blocking
    /// On the program `date`, for some milliseconds.
    pub(crate) fn ask(&self) {
        let answer = Command::new("date").arg("+%z").stdin(Stdio::null()).stderr(Stdio::null()).output();
        let zone = answer.ok().and_then(|output| String::from_utf8(output.stdout).ok());
        if let Some(seconds) = zone.and_then(|zone| parse_utc_offset(zone.trim())) {
            self.utc_offset_seconds.store(seconds, Relaxed);
        }
    }
}

/// Returns seconds for a text such as `+0530`. Some zones of the past have seconds too.
fn parse_utc_offset(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let number: i64 = digits.parse().ok()?;
    let number = if digits.len() > 4 { number } else { number * 100 };
    Some(sign * (number / 10_000 * 3600 + number / 100 % 100 * 60 + number % 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_hours_and_minutes() {
        assert_eq!(parse_utc_offset("+0530"), Some(19_800));
        assert_eq!(parse_utc_offset("-0800"), Some(-28_800));
        assert_eq!(parse_utc_offset("-053028"), Some(-19_828));
        assert_eq!(parse_utc_offset("UTC"), None);
        assert_eq!(parse_utc_offset(""), None);
    }

    #[test]
    fn the_next_midnight_is_that_of_the_local_zone() {
        let clock = LocalClock::default();
        assert_eq!(clock.until_midnight(0), Duration::from_secs(86_400));
        assert_eq!(clock.until_midnight(86_399_999), Duration::from_millis(1));
        clock.utc_offset_seconds.store(-3_600, Relaxed);
        assert_eq!(clock.until_midnight(0), Duration::from_secs(3_600));
        clock.utc_offset_seconds.store(3_600, Relaxed);
        assert_eq!(clock.until_midnight(0), Duration::from_secs(82_800));
    }
}
