//! The local time zone: how far local time is from UTC, at any time. std does not know it.
//!
//! As in the C library, the zone is that of `$TZ`, which names a file or is a [`Rule`], and otherwise that of
//! `/etc/localtime`. A file has the format TZif (RFC 9636): the times of all changes so far, and a rule for
//! what comes after them. No program is asked, so nothing waits, and a message of last summer has the offset
//! of last summer.

use crate::{
    program::{given_file::GivenFile, zone_rule::Rule},
    text::calendar::{DateTime, DAY_SECONDS},
};
use std::{
    env,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    time::Duration,
};

const LOCAL_ZONE: &str = "/etc/localtime";
/// Where zones with a name are, without `$TZDIR`.
const FOLDERS: [&str; 3] = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"];
/// The file of a zone has some thousand bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The bytes of what stands before a block, and where in there six counts begin: how many there are of each
/// of the parts of the block.
const HEADER_BYTES: usize = 44;
const COUNTS_START: usize = 20;
const VERSION_AT: usize = 4;
/// An offset, whether it is summer time, and where its letters are.
const TYPE_BYTES: usize = 6;
/// The names of UTC that need no file.
const UTC_NAMES: [&str; 4] = ["", "UTC", "GMT", "UTC0"];

/// A time zone. The default is UTC.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// The offset before the first change, in seconds.
    first_offset: i64,
    /// When the offset changes, and what it is from then on.
    changes: Vec<(i64, i64)>,
    /// What holds after the last change.
    rule: Option<Rule>,
}

impl Zone {
    /// Finds the zone of this process.
    ///
    /// # Blocking
    /// On the disk.
    ///
    /// # Errors
    /// Why there is no zone. One line for people.
    pub fn of_process() -> Result<Zone, String> {
        match env::var_os("TZ") {
            Some(name) => {
                let name = name.to_string_lossy();
                Zone::named(name.strip_prefix(':').unwrap_or(&name))
            }
            None => match read(Path::new(LOCAL_ZONE)) {
                Ok(bytes) => Zone::parse(&bytes).ok_or(format!("{LOCAL_ZONE} is not a time zone")),
                // So it is in the C library, too.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Zone::default()),
                Err(error) => Err(format!("cannot read {LOCAL_ZONE}: {error}")),
            },
        }
    }

    /// Finds the zone that `$TZ` names.
    pub(crate) fn named(name: &str) -> Result<Zone, String> {
        if UTC_NAMES.contains(&name) {
            return Ok(Zone::default());
        }
        let folders = match env::var_os("TZDIR") {
            Some(folder) => vec![PathBuf::from(folder)],
            None => FOLDERS.map(PathBuf::from).to_vec(),
        };
        // An absolute path takes the place of the folder.
        let mut files = folders.iter().filter_map(|folder| read(&folder.join(name)).ok());
        if let Some(zone) = files.find_map(|bytes| Zone::parse(&bytes)) {
            return Ok(zone);
        }
        let rule = Rule::parse(name).ok_or(format!("the time zone \"{name}\" of $TZ is not known"))?;
        Ok(Zone { rule: Some(rule), ..Zone::default() })
    }

    /// Reads a file in the format TZif. Returns `None` if it is none.
    fn parse(file: &[u8]) -> Option<Zone> {
        let (first, rest) = block(file, 4)?;
        if file[VERSION_AT] < b'2' {
            return first;
        }
        // The second block has all that the first one has, with times of eight bytes.
        let (zone, rule) = block(rest, 8)?;
        let rule = std::str::from_utf8(rule).ok()?.trim_matches('\n');
        let rule = if rule.is_empty() { None } else { Some(Rule::parse(rule)?) };
        Some(Zone { rule, ..zone? })
    }

    /// Returns the local date and time of day at this time, in milliseconds since the epoch.
    pub fn local(&self, milliseconds: u64) -> DateTime {
        let seconds = (milliseconds / 1000) as i64;
        DateTime::from_seconds(seconds + self.utc_offset(seconds))
    }

    /// Returns how long it takes from this time to the next midnight.
    pub fn until_midnight(&self, milliseconds: u64) -> Duration {
        let now = (milliseconds / 1000) as i64;
        let offset = self.utc_offset(now);
        let midnight = now + DAY_SECONDS - (now + offset).rem_euclid(DAY_SECONDS);
        // The clocks may change before that.
        let midnight = midnight + offset - self.utc_offset(midnight);
        let of_second = Duration::from_millis(milliseconds % 1000);
        Duration::from_secs(u64::try_from(midnight - now).unwrap_or(1)).saturating_sub(of_second)
    }

    /// Returns the offset from UTC at this time, both in seconds.
    fn utc_offset(&self, time: i64) -> i64 {
        let past = self.changes.partition_point(|(change, _)| *change <= time);
        match &self.rule {
            Some(rule) if past == self.changes.len() => rule.utc_offset(time),
            _ => past.checked_sub(1).map_or(self.first_offset, |last| self.changes[last].1),
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    GivenFile::open(path)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A number of four or eight bytes, the highest first.
fn signed(bytes: &[u8]) -> i64 {
    let first = if bytes[0] < 0x80 { 0 } else { -1 };
    bytes.iter().fold(first, |number, byte| number << 8 | i64::from(*byte))
}

/// Reads the block at the beginning of a file: the times of the changes, the number of the type that each one
/// brings, and the types. A type begins with its offset. A time has `time_bytes`. Returns the zone of the
/// block, if it has a valid one, and what follows the block.
fn block(file: &[u8], time_bytes: usize) -> Option<(Option<Zone>, &[u8])> {
    let (header, mut rest) = file.split_at_checked(HEADER_BYTES)?;
    let counts = header[COUNTS_START..].chunks_exact(4).map(|count| usize::try_from(signed(count)).ok());
    let counts = counts.map(|count| count.filter(|count| *count < file.len())).collect::<Option<Vec<_>>>()?;
    let [utc_marks, standard_marks, leap_seconds, times, types, letters] = counts[..] else { return None };
    let mut take = |bytes| {
        let (taken, behind) = rest.split_at_checked(bytes)?;
        rest = behind;
        Some(taken)
    };
    let (times, numbers, types) = (take(times * time_bytes)?, take(times)?, take(types * TYPE_BYTES)?);
    take(letters + leap_seconds * (time_bytes + 4) + standard_marks + utc_marks)?;
    let offsets: Vec<i64> = types.chunks_exact(TYPE_BYTES).map(|kind| signed(&kind[..4])).collect();
    let times = times.chunks_exact(time_bytes).map(signed).zip(numbers);
    let changes = times.map(|(time, number)| Some((time, *offsets.get(usize::from(*number))?)));
    let changes = changes.collect::<Option<Vec<_>>>().filter(|changes| changes.is_sorted());
    let zone = offsets.first().zip(changes);
    let zone = zone.map(|(first_offset, changes)| Zone { first_offset: *first_offset, changes, rule: None });
    header.starts_with(b"TZif").then_some((zone, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version: u8, times: u8, types: u8) -> Vec<u8> {
        let mut header = [b"TZif".as_slice(), &[version], &[0; 15]].concat();
        for count in [0, 0, 0, times, types, 4] {
            header.extend([0, 0, 0, count]);
        }
        header
    }

    /// A zone that was one hour before UTC until the epoch and is two hours before it since. From 2026 on,
    /// there is summer time.
    fn file() -> Vec<u8> {
        let types =
            [3600_i32, 7200, 3600].map(|offset| [&offset.to_be_bytes()[..], &[0, 0]].concat()).concat();
        let times = [0_i64, 1_767_225_600].map(i64::to_be_bytes).concat();
        let block = [&times[..], &[1, 2], &types, b"XYZ\0"].concat();
        let old = [header(b'2', 0, 1), vec![0; 6], b"XYZ\0".to_vec()].concat();
        [old, header(b'2', 2, 3), block, b"\nCET-1CEST,M3.5.0,M10.5.0/3\n".to_vec()].concat()
    }

    #[test]
    fn each_time_has_the_offset_of_its_own_day() {
        let zone = Zone::parse(&file()).unwrap();
        for (time, offset) in [
            (i64::MIN / 2, 3600),
            (-1, 3600),
            (0, 7200),
            (1_767_225_599, 7200),
            (1_767_225_600, 3600),
            (1_774_745_999, 3600),
            (1_774_746_000, 7200),
        ] {
            assert_eq!(zone.utc_offset(time), offset, "{time}");
        }
    }

    #[test]
    fn what_is_no_file_of_a_zone_is_none() {
        let file = file();
        for end in 0..file.len() - 2 {
            // Without the last line there is no rule.
            assert!(end >= file.len() - 28 || Zone::parse(&file[..end]).is_none(), "{end}");
        }
        let mut unsorted = file.clone();
        unsorted[44 + 10 + 44] = 0x7f;
        assert_eq!(Zone::parse(&unsorted), None);
        assert_eq!(Zone::parse(&[header(b'2', 255, 255), vec![0xff; 40]].concat()), None);
        assert_eq!(
            Zone::named("Nowhere/Nothing").unwrap_err(),
            "the time zone \"Nowhere/Nothing\" of $TZ is not known"
        );
        assert_eq!(Zone::named("CET-1"), Ok(Zone { rule: Rule::parse("CET-1"), ..Zone::default() }));
    }

    const HOUR: u64 = 3600;

    #[test]
    fn the_next_midnight_is_that_of_the_local_zone_on_days_of_any_length() {
        let until = |zone: &Zone, milliseconds| zone.until_midnight(milliseconds);
        let utc = Zone::default();
        assert_eq!(until(&utc, 0), Duration::from_secs(24 * HOUR));
        assert_eq!(until(&utc, 86_399_999), Duration::from_millis(1));
        let berlin = Zone::named("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(until(&berlin, 0), Duration::from_secs(23 * HOUR));
        // Midnight before the two days on which the clocks change, 29 March and 25 October 2026.
        for (midnight, hours) in [(1_774_738_800, 23), (1_792_879_200, 25)] {
            assert_eq!(until(&berlin, midnight * 1000), Duration::from_secs(hours * HOUR));
            assert_eq!(until(&berlin, (midnight + hours * HOUR) * 1000 - 1), Duration::from_millis(1));
        }
    }

    #[test]
    fn any_number_of_milliseconds_has_a_local_time_and_a_next_midnight() {
        for name in ["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "<-12>12", "NZST-12NZDT,M9.5.0,M4.1.0/3"] {
            let zone = Zone::named(name).unwrap();
            for number in 0..64 {
                for milliseconds in [1 << number, (1 << number) - 1, !(1 << number), u64::MAX >> number] {
                    let local = zone.local(milliseconds);
                    assert_eq!(local.date_and_seconds(), format!("{} {}", local.date(), local.seconds()));
                    let until = zone.until_midnight(milliseconds);
                    assert!(until <= Duration::from_secs(25 * HOUR), "{name} {milliseconds}: {until:?}");
                }
            }
        }
    }
}
