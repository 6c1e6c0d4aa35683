//! The current time, and the local time zone. std does not know the zone, so the program `date` is asked.
//!
//! The thread `clock` runs `date` again every hour. So no event waits for it.

use chat_common::calendar::DateTime;
use std::{
    io,
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicI64, Ordering::Relaxed},
        Arc,
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How often the zone is asked for. A change to or from summer time is noticed at most this late.
const ZONE_INTERVAL: Duration = Duration::from_secs(3600);

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

    /// Asks for the zone, and starts the thread that asks again. Without an answer the zone is UTC.
    ///
    /// # Blocking
    /// On the program `date`, for some milliseconds.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn follow(&self) -> io::Result<()> {
        let clock = self.clone();
        clock.ask();
        thread::Builder::new().name("clock".into()).spawn(move || loop {
            thread::sleep(ZONE_INTERVAL);
            clock.ask();
        })?;
        Ok(())
    }

    fn ask(&self) {
        let answer = Command::new("date").arg("+%z").stdin(Stdio::null()).stderr(Stdio::null()).output();
        let zone = answer.ok().and_then(|output| String::from_utf8(output.stdout).ok());
        if let Some(seconds) = zone.and_then(|zone| parse_utc_offset(zone.trim())) {
            self.utc_offset_seconds.store(seconds, Relaxed);
        }
    }
}

/// Returns seconds for a text such as `+0530`.
fn parse_utc_offset(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let number: i64 = digits.parse().ok()?;
    Some(sign * (number / 100 * 3600 + number % 100 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_hours_and_minutes() {
        assert_eq!(parse_utc_offset("+0530"), Some(19_800));
        assert_eq!(parse_utc_offset("-0800"), Some(-28_800));
        assert_eq!(parse_utc_offset("UTC"), None);
        assert_eq!(parse_utc_offset(""), None);
    }
}
