//! The local time zone: how far local time is from UTC, at any time. std does not know it.
//!
//! As in the C library, the zone is that of `$TZ`, which names a file or is a [`Rule`], and otherwise that of
//! `/etc/localtime`. A file has the format TZif (RFC 9636): the times of all changes so far, and a rule for
//! what comes after them. No program is asked, so nothing waits, and a message of last summer has the offset
//! of last summer.

use crate::screen::zone_rule::Rule;
use chat_common::program::given_file::GivenFile;
use std::{
    env,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

const LOCAL_ZONE: &str = "/etc/localtime";
/// Where zones with a name are, without `$TZDIR`.
const FOLDERS: [&str; 3] = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"];
/// The file of a zone has some thousand bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The names of UTC that need no file.
const UTC_NAMES: [&str; 4] = ["", "UTC", "GMT", "UTC0"];

/// A time zone. The default is UTC.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Zone {
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
    pub(crate) fn of_process() -> Result<Zone, String> {
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
    fn parse(bytes: &[u8]) -> Option<Zone> {
        let mut file = Bytes(bytes);
        let header = Header::read(&mut file)?;
        if header.version < b'2' {
            return Zone::read_block(&mut file, &header, 4);
        }
        // The second block has all that the first one has, with times of eight bytes.
        file.take(header.block_bytes(4)?)?;
        let header = Header::read(&mut file)?;
        let mut zone = Zone::read_block(&mut file, &header, 8)?;
        let rule = std::str::from_utf8(file.0).ok()?.trim_matches('\n');
        if !rule.is_empty() {
            zone.rule = Some(Rule::parse(rule)?);
        }
        Some(zone)
    }

    /// Reads the changes. A time has `time_bytes`.
    fn read_block(file: &mut Bytes<'_>, header: &Header, time_bytes: usize) -> Option<Zone> {
        let mut block = Bytes(file.take(header.block_bytes(time_bytes)?)?);
        let times = block.take(header.times * time_bytes)?.chunks_exact(time_bytes);
        let types = block.take(header.times)?;
        let offsets = block.take(header.types * 6)?.chunks_exact(6);
        let offsets: Vec<i64> = offsets.map(|offset| signed(&offset[..4])).collect();
        let of_type = |number: &u8| offsets.get(usize::from(*number)).copied();
        let changes = times.map(signed).zip(types).map(|(time, number)| Some((time, of_type(number)?)));
        let changes: Vec<(i64, i64)> = changes.collect::<Option<_>>()?;
        let first_offset = *offsets.first()?;
        changes.is_sorted().then_some(Zone { first_offset, changes, rule: None })
    }

    /// Returns the offset from UTC at this time, both in seconds.
    pub(crate) fn utc_offset(&self, time: i64) -> i64 {
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

/// What is left to read.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
}

/// What stands before a block: how many there are of each of its parts.
struct Header {
    version: u8,
    times: usize,
    types: usize,
    letters: usize,
    leap_seconds: usize,
    marks: usize,
}

impl Header {
    fn read(file: &mut Bytes<'_>) -> Option<Header> {
        let (magic, version) = (file.take(4)?, file.take(1)?[0]);
        file.take(15)?;
        let mut count = || usize::try_from(signed(file.take(4)?)).ok();
        let (utc_marks, standard_marks, leap_seconds) = (count()?, count()?, count()?);
        let (times, types, letters) = (count()?, count()?, count()?);
        let marks = utc_marks + standard_marks;
        (magic == b"TZif").then_some(Header { version, times, types, letters, leap_seconds, marks })
    }

    fn block_bytes(&self, time_bytes: usize) -> Option<usize> {
        let parts = [
            (self.times, time_bytes + 1),
            (self.types, 6),
            (self.letters, 1),
            (self.leap_seconds, time_bytes + 4),
            (self.marks, 1),
        ];
        parts.into_iter().try_fold(0_usize, |sum, (count, bytes)| sum.checked_add(count.checked_mul(bytes)?))
    }
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
}
