//! Times and sizes as people write them, in flags and commands: `200ms`, `60s`, `5m`, `2h`, `30d`; `64KiB`,
//! `8MiB`, `1GiB`; a bare 0. No I/O, for any thread.

use std::time::Duration;

/// What a time looks like, for error messages.
pub const TIME_FORM: &str = "a time such as 500ms, 5s, 10m, 2h or 30d";
/// What a size looks like, for error messages.
pub const SIZE_FORM: &str = "a size such as 65536, 64KiB, 8MiB or 1GiB";

/// A unit, and how much it is in the smallest one.
type Unit = (&'static str, u64);

/// The units of time with their milliseconds, the longest first.
const TIME_UNITS: [Unit; 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// The units of size with their bytes, the largest first.
const SIZE_UNITS: [Unit; 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

/// Reads a time. Returns `None` for anything that is not [a time](TIME_FORM) or 0.
pub fn parse_time(text: &str) -> Option<Duration> {
    let ms = if text == "0" { 0 } else { parse(text, &TIME_UNITS)? };
    Some(Duration::from_millis(ms))
}

/// Writes a time in the largest unit in which it is a whole number. Parts of a millisecond are left out.
pub(crate) fn show_time(time: Duration) -> String {
    show(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), &TIME_UNITS, "0s")
}

/// Writes a time for people, in its two largest units: `53s`, `4m 53s`, `2h 5m`, `3d`. A part of a second
/// counts as a whole one.
pub fn show_roughly(time: Duration) -> String {
    let mut rest = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).div_ceil(1_000);
    let mut parts = Vec::new();
    for (unit, seconds) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if rest >= seconds || !parts.is_empty() {
            parts.push((rest / seconds, unit));
        }
        rest %= seconds;
    }
    let shown = parts.iter().take(2).filter(|(count, _)| *count > 0);
    let shown: Vec<String> = shown.map(|(count, unit)| format!("{count}{unit}")).collect();
    match shown.len() {
        0 => "0s".to_owned(),
        _ => shown.join(" "),
    }
}

/// Reads a size in bytes. Returns `None` for anything that is not [a size](SIZE_FORM).
pub fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZE_UNITS)
}

/// Writes a size in the largest unit in which it is a whole number.
pub fn show_size(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS, "0")
}

/// Reads digits and one of the units.
fn parse(text: &str, units: &[Unit]) -> Option<u64> {
    units.iter().find_map(|(unit, size)| {
        // std also accepts a plus sign.
        let digits = text.strip_suffix(unit).filter(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u64>().ok()?.checked_mul(*size)
    })
}

/// Writes a number in the largest unit in which it is whole. `zero` is the text for 0.
fn show(number: u64, units: &[Unit], zero: &str) -> String {
    let unit = units.iter().find(|(_, size)| number > 0 && number.is_multiple_of(*size));
    unit.map_or_else(|| zero.to_owned(), |(unit, size)| format!("{}{unit}", number / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_with_a_unit_or_zero() {
        for (text, ms) in [
            ("0", 0),
            ("200ms", 200),
            ("60s", 60_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(parse_time(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in
            ["", "5", "s", "5 s", "+5s", "-5s", "1.5s", "5w", "99999999999999999999s", "999999999999999999d"]
        {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn a_size_is_a_number_with_or_without_a_unit() {
        for (text, bytes) in
            [("0", 0), ("65536", 65_536), ("64KiB", 65_536), ("8MiB", 8 << 20), ("1GiB", 1 << 30)]
        {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "KiB", "1kb", "1TiB", "-1", "99999999999GiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_for_people_has_at_most_two_units() {
        for (ms, text) in [
            (0, "0s"),
            (1, "1s"),
            (53_000, "53s"),
            (60_000, "1m"),
            (292_001, "4m 53s"),
            (7_500_000, "2h 5m"),
            (3_605_000, "1h"),
            (259_200_000, "3d"),
        ] {
            assert_eq!(show_roughly(Duration::from_millis(ms)), text, "{ms}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for text in ["0s", "1500ms", "60s", "90s", "2h", "30d"] {
            let time = parse_time(text).unwrap();
            assert_eq!(parse_time(&show_time(time)), Some(time), "{text}");
        }
        assert_eq!(show_time(Duration::from_secs(90)), "90s");
        assert_eq!(show_time(Duration::from_secs(60)), "1m");
        for text in ["0", "1000", "64KiB", "8MiB", "3GiB"] {
            assert_eq!(show_size(parse_size(text).unwrap()), text);
        }
    }
}
