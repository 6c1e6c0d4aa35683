//! Days and hours from milliseconds since the Unix epoch: std counts time but has no calendar. No I/O.

const DAY_SECONDS: i64 = 86_400;

/// A moment, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
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

    /// As in `2026-11-23`.
    pub(crate) fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// As in `08:05`.
    pub(crate) fn minutes(&self) -> String {
        format!("{:02}:{:02}", self.hour, self.minute)
    }

    /// As in `08:05:09`.
    pub(crate) fn seconds(&self) -> String {
        format!("{}:{:02}", self.minutes(), self.second)
    }
}

/// As in `2026-11-23T08:05:09.042Z`.
pub(crate) fn rfc3339(milliseconds: u64) -> String {
    let moment = Civil::from_seconds((milliseconds / 1000) as i64);
    format!("{}T{}.{:03}Z", moment.date(), moment.seconds(), milliseconds % 1000)
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
}
