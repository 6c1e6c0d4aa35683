//! Computes date and time of day from the time since the Unix epoch, because std has no calendar. No I/O.

/// The seconds of a day.
pub const DAY_SECONDS: i64 = 86_400;

/// A date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl DateTime {
    /// Converts seconds since the epoch.
    ///
    /// The calculation starts each year in March, so that the leap day is the last day of a year. Then 400
    /// years always have 146,097 days, and the lengths of the months repeat after five months, which have 153
    /// days.
    pub fn from_seconds(seconds: i64) -> DateTime {
        /// The days from 1 March of the year 0 to the epoch.
        const EPOCH: i64 = 719_468;
        let days = seconds.div_euclid(DAY_SECONDS) + EPOCH;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let of_day = seconds.rem_euclid(DAY_SECONDS);
        DateTime {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        }
    }

    /// Reads what [`DateTime::rfc3339`] writes. Returns the seconds since the epoch.
    pub fn parse_rfc3339(text: &str) -> Option<i64> {
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok().map(i64::from);
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let is_date = (1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day);
        let days = is_date.then(|| (1..month).map(|before| month_days(year, before)).sum::<i64>())?;
        let days = days_of_year(year) + days + day - 1;
        let seconds = days * DAY_SECONDS + hour * 3600 + minute * 60 + second;
        (DateTime::from_seconds(seconds).rfc3339() == text).then_some(seconds)
    }

    /// For example 2026.
    pub fn year(&self) -> i64 {
        self.year
    }

    /// For example `2026-11-23`.
    pub fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// For example `08:05`.
    pub fn minutes(&self) -> String {
        format!("{:02}:{:02}", self.hour, self.minute)
    }

    /// For example `2026-11-23 08:05:09`.
    pub fn date_and_seconds(&self) -> String {
        format!("{} {}", self.date(), self.seconds())
    }

    /// For example `2026-11-23T08:05:09Z`.
    pub fn rfc3339(&self) -> String {
        format!("{}T{}Z", self.date(), self.seconds())
    }

    /// For example `08:05:09`.
    pub fn seconds(&self) -> String {
        format!("{}:{:02}", self.minutes(), self.second)
    }
}

/// The number of days from the epoch to 1 January of this year.
pub fn days_of_year(year: i64) -> i64 {
    let leap_days_before =
        |year: i64| (year - 1).div_euclid(4) - (year - 1).div_euclid(100) + (year - 1).div_euclid(400);
    365 * (year - 1970) + leap_days_before(year) - leap_days_before(1970)
}

/// The number of days in this month, which is 1 to 12.
pub fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 => days_of_year(year + 1) - days_of_year(year) - 337,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// For example `2026-11-23T08:05:09.042Z`.
pub fn rfc3339(milliseconds: u64) -> String {
    let time = DateTime::from_seconds((milliseconds / 1000) as i64);
    format!("{}T{}.{:03}Z", time.date(), time.seconds(), milliseconds % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_right_date_even_around_leap_days() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (4_107_542_400_042, "2100-03-01T00:00:00.042Z"),
            (253_402_300_800_000, "10000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(milliseconds), text);
        }
    }

    #[test]
    fn the_days_of_a_year_and_of_its_months_are_those_of_its_dates() {
        for year in 1600..2800 {
            let mut days = days_of_year(year);
            for month in 1..=12 {
                let first = DateTime::from_seconds(days * DAY_SECONDS);
                assert_eq!((first.year(), first.month, first.day), (year, month, 1));
                days += month_days(year, month);
            }
        }
    }

    #[test]
    fn any_number_of_milliseconds_is_a_time() {
        let ends = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, !(1 << bit)]);
        let many = (0..10_000_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut all: Vec<u64> = ends.chain(many).collect();
        all.sort_unstable();
        let times = all.iter().map(|milliseconds| {
            let time = DateTime::from_seconds((milliseconds / 1000) as i64);
            assert!(
                (1..=12).contains(&time.month) && (1..=31).contains(&time.day),
                "{milliseconds}: {time:?}"
            );
            assert!(rfc3339(*milliseconds).starts_with(&time.date()));
            (time.year, time.month, time.day, time.hour, time.minute, time.second)
        });
        assert!(times.is_sorted(), "a later time has a later date");
    }
}
