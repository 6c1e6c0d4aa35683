//! Days and hours from milliseconds since the Unix epoch: std counts time but has no calendar.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long an answer about the time zone is good for: summer time comes and goes at most this late.
const ZONE_LASTS: Duration = Duration::from_secs(3600);
const DAY_SECONDS: i64 = 86_400;

/// A moment, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

impl Civil {
    /// From seconds since the epoch. Years are counted from March, so that the leap day is the last of its year; then 146,097
    /// days make 400 of them, and the months' lengths repeat every five: 153 days.
    pub(crate) fn from_seconds(seconds: i64) -> Civil {
        /// Days from 1 March of the year 0 to the epoch.
        const EPOCH: i64 = 719_468;
        let days = seconds.div_euclid(DAY_SECONDS) + EPOCH;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let of_day = seconds.rem_euclid(DAY_SECONDS);
        Civil {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        }
    }
}

/// As in `2026-11-23T08:05:09.042Z`.
pub(crate) fn rfc3339(milliseconds: u64) -> String {
    let Civil { year, month, day, hour, minute, second } = Civil::from_seconds((milliseconds / 1000) as i64);
    let rest = milliseconds % 1000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:03}Z")
}

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
    fn moments_fall_on_the_right_day() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (4_107_542_400_042, "2100-03-01T00:00:00.042Z"),
        ] {
            assert_eq!(rfc3339(milliseconds), text);
        }
    }

    #[test]
    fn zones_are_hours_and_minutes() {
        assert_eq!(parse_zone("+0530"), Some(19_800));
        assert_eq!(parse_zone("-0800"), Some(-28_800));
        assert_eq!(parse_zone("UTC"), None);
        assert_eq!(parse_zone(""), None);
    }
}
