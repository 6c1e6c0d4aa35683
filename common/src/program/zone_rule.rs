//! The rule of a time zone, such as `CET-1CEST,M3.5.0,M10.5.0/3`: the form of POSIX, in `$TZ` and at the end
//! of a file of a zone. No I/O.
//!
//! The offset has its sign from the west: `CET-1` is one hour before UTC. A time that is not written is
//! 02:00, and summer time without an offset is one hour before standard time.

use crate::text::calendar::{days_of_year, month_days, DateTime, DAY_SECONDS};
use std::ops::RangeInclusive;

const HOUR: i64 = 3600;
/// The days of the change for a zone that names summer time without them, as the C library has it.
const USUAL_CHANGES: &str = ",M3.2.0,M11.1.0";
/// A time of a change may be days away from its day. In hours.
const MAX_HOURS: i64 = 167;

/// How far local time is from UTC, in every year alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    standard_offset: i64,
    /// The offset in summer, and when that begins and ends.
    summer: Option<(i64, Change, Change)>,
}

/// When the clocks change: a day of the year, and the seconds from its midnight on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    day: Day,
    seconds: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Day {
    /// Day 1 to 365. The leap day is not counted.
    Julian(i64),
    /// Day 0 to 365.
    OfYear(i64),
    /// The first to fifth weekday of a month, where the fifth is the last one. Sunday is 0.
    Weekday { month: i64, week: i64, weekday: i64 },
}

impl Rule {
    /// Reads a rule. Returns `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Rule> {
        let (standard_offset, rest) = offset(name(text)?)?;
        if rest.is_empty() {
            return Some(Rule { standard_offset, summer: None });
        }
        let rest = name(rest)?;
        let (summer_offset, rest) = match rest.starts_with(',') || rest.is_empty() {
            true => (standard_offset + HOUR, rest),
            false => offset(rest)?,
        };
        let rest = if rest.is_empty() { USUAL_CHANGES } else { rest };
        let (begins, ends) = rest.strip_prefix(',')?.split_once(',')?;
        let summer = Some((summer_offset, Change::parse(begins)?, Change::parse(ends)?));
        Some(Rule { standard_offset, summer })
    }

    /// Returns the offset at this time, both in seconds.
    pub(crate) fn utc_offset(&self, time: i64) -> i64 {
        let Some((offset, begins, ends)) = &self.summer else { return self.standard_offset };
        let year = DateTime::from_seconds(time + self.standard_offset).year();
        // Each change is at a time of the clocks that end with it.
        let begins = begins.local_time(year) - self.standard_offset;
        let ends = ends.local_time(year) - offset;
        // In the south, summer goes over the end of the year.
        let is_summer = match begins < ends {
            true => (begins..ends).contains(&time),
            false => !(ends..begins).contains(&time),
        };
        if is_summer {
            *offset
        } else {
            self.standard_offset
        }
    }
}

impl Change {
    fn parse(text: &str) -> Option<Change> {
        let (day, time) = text.split_once('/').unwrap_or((text, "2"));
        let (seconds, rest) = seconds(time)?;
        rest.is_empty().then_some(Change { day: Day::parse(day)?, seconds })
    }

    /// The time of the change in this year, in seconds of local time since the epoch.
    fn local_time(&self, year: i64) -> i64 {
        (days_of_year(year) + self.day.in_year(year)) * DAY_SECONDS + self.seconds
    }
}

impl Day {
    fn parse(text: &str) -> Option<Day> {
        if let Some(day) = text.strip_prefix('J') {
            return Some(Day::Julian(number(day, 1..=365)?));
        }
        let Some(day) = text.strip_prefix('M') else { return Some(Day::OfYear(number(text, 0..=365)?)) };
        let mut numbers = day.split('.');
        let mut next = |range| number(numbers.next()?, range);
        let day = Day::Weekday { month: next(1..=12)?, week: next(1..=5)?, weekday: next(0..=6)? };
        numbers.next().is_none().then_some(day)
    }

    /// The number of days before it in this year.
    fn in_year(&self, year: i64) -> i64 {
        match *self {
            Day::OfYear(day) => day,
            Day::Julian(day) => day - 1 + i64::from(day > 59 && month_days(year, 2) == 29),
            Day::Weekday { month, week, weekday } => {
                let first = (1..month).map(|month| month_days(year, month)).sum::<i64>();
                // 1 January 1970 was a Thursday.
                let first_weekday = (days_of_year(year) + first + 4).rem_euclid(7);
                let day = (weekday - first_weekday).rem_euclid(7) + 7 * (week - 1);
                first + if day < month_days(year, month) { day } else { day - 7 }
            }
        }
    }
}

/// Returns what follows the name of a zone: letters, or anything in `<>`.
fn name(text: &str) -> Option<&str> {
    match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>').map(|(_, rest)| rest),
        None => {
            let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            (text.len() - rest.len() >= 3).then_some(rest)
        }
    }
}

/// Reads an offset from UTC, which is written from the west. Returns it from the east, and what follows.
fn offset(text: &str) -> Option<(i64, &str)> {
    seconds(text).map(|(west, rest)| (-west, rest))
}

/// Reads hours, minutes and seconds, such as `-5`, `+10:30` or `24`. Returns seconds, and what follows.
fn seconds(text: &str) -> Option<(i64, &str)> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(unsigned.len());
    let (time, rest) = unsigned.split_at(end);
    let mut parts = time.split(':');
    let hours = number(parts.next()?, 0..=MAX_HOURS)?;
    let mut minutes = || parts.next().map_or(Some(0), |part| number(part, 0..=59));
    let of_hour = minutes()? * 60 + minutes()?;
    parts.next().is_none().then_some((sign * (hours * HOUR + of_hour), rest))
}

/// Reads a number in this range, of digits alone: std also accepts a sign.
fn number(text: &str, range: RangeInclusive<i64>) -> Option<i64> {
    let has_sign = text.starts_with(['+', '-']);
    text.parse().ok().filter(|number| !has_sign && range.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset_at(rule: &str, time: i64) -> i64 {
        Rule::parse(rule).unwrap_or_else(|| panic!("{rule}")).utc_offset(time)
    }

    #[test]
    fn the_clocks_change_at_the_second_that_the_rule_says() {
        for (rule, change, before, after) in [
            // 29 March and 25 October 2026, at 01:00 UTC.
            ("CET-1CEST,M3.5.0,M10.5.0/3", 1_774_746_000, 3600, 7200),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 1_792_890_000, 7200, 3600),
            // 1 November 2026, at 02:00 in New York.
            ("EST5EDT", 1_793_512_800, -14_400, -18_000),
            // 4 October 2026 in Lord Howe, half an hour.
            ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 1_791_041_400, 37_800, 39_600),
            // 5 April 2026 in Melbourne, where that is autumn.
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_775_318_400, 39_600, 36_000),
            // 26 October 2024 in Gaza: 50 hours after the fourth Thursday is a Saturday.
            ("EET-2EEST,M3.4.4/50,M10.4.4/50", 1_729_897_200, 10_800, 7200),
            // Day 60 is 1 March in every year, and day 59 from 0 on is 29 February in a leap year.
            ("XXX0YYY,J60/0,J365", 1_709_251_200, 0, 3600),
            ("XXX0YYY,59/0,J365", 1_709_164_800, 0, 3600),
        ] {
            let offsets = [change - 1, change].map(|time| offset_at(rule, time));
            assert_eq!(offsets, [before, after], "{rule}");
        }
        assert_eq!(offset_at("<-03>3", 0), -10_800);
        assert_eq!(offset_at("IST-5:30", 1_800_000_000), 19_800);
    }

    #[test]
    fn what_is_no_rule_is_none() {
        for text in [
            "",
            "CET",
            "Europe/Berlin",
            "C-1",
            "CET-",
            "CET--1",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M3.5.0,M13.5.0",
            "CET-1CEST,M3.5.0,M10.6.0",
            "CET-1CEST,M3.5.0,M10.5.0/3x",
            "CET-1CEST,J0,J1",
            "CET-1:60",
            "<CET-1",
            "CET-999999999999999999999",
            "CET-1CEST,M3.5.0.1,M10.5.0",
            "CET-1é",
        ] {
            assert_eq!(Rule::parse(text), None, "{text}");
        }
    }
}
