//! What time it is, and what people here call it: std knows the one and not the other, so the system's `date` is asked.

use crate::screen::calendar::Civil;
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long an answer about the time zone is good for: summer time comes and goes at most this late.
const ZONE_LASTS: Duration = Duration::from_secs(3600);

/// This moment, in milliseconds since the epoch.
pub(crate) fn now() -> u64 {
    // A clock before 1970 is wrong anyway.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// The person's own time.
#[derive(Debug, Default)]
pub(crate) struct LocalClock {
    /// Seconds ahead of UTC, and when that was asked.
    zone: Option<(i64, Instant)>,
}

impl LocalClock {
    /// # Blocking
    /// Once an hour on the program `date`, for some milliseconds.
    pub(crate) fn civil(&mut self, milliseconds: u64) -> Civil {
        let offset = match self.zone {
            Some((offset, asked)) if asked.elapsed() < ZONE_LASTS => offset,
            _ => {
                // Where there is no such program, UTC is as good as any.
                let offset = ask_date().unwrap_or(0);
                self.zone = Some((offset, Instant::now()));
                offset
            }
        };
        Civil::from_seconds((milliseconds / 1000) as i64 + offset)
    }
}

/// Asks the system's `date` for the time zone: std does not know it.
fn ask_date() -> Option<i64> {
    let output = Command::new("date").arg("+%z").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    parse_zone(std::str::from_utf8(&output.stdout).ok()?.trim())
}

/// `+0530` in seconds.
fn parse_zone(zone: &str) -> Option<i64> {
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
    fn zones_are_hours_and_minutes() {
        assert_eq!(parse_zone("+0530"), Some(19_800));
        assert_eq!(parse_zone("-0800"), Some(-28_800));
        assert_eq!(parse_zone("UTC"), None);
        assert_eq!(parse_zone(""), None);
    }
}
