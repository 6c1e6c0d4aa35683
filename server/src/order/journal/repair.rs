//! Cuts a damaged journal where the batch begins that has the damage, for `chat-server --repair`. Whatever is
//! cut stays in files beside, and a new room begins behind the cut.
//!
//! The room must be a new one. Members have seen events with numbers behind the cut. In the same room, those
//! numbers would be used again, and a client would take new events for ones that it has.
//!
//! A file with the name [`MARK`] is there while a repair goes on, and no server opens the journal meanwhile.
//! A repair that was stopped leaves a journal that has less behind its damage, or none. The next one cuts
//! what is left, and begins the new room in any case.

use super::{
    begin_room,
    disk::{Disk, DiskFile},
    filler::write_zeros,
    last::{free_name, keep_beside, settle_names, Last},
    name_of, on_disk,
    record::Record,
    sector::SECTOR,
    segment::{Header, Segment},
    whole::{read_all, read_file, segments},
    JournalError,
};
use chat_common::wire::token::Token;
use std::{fmt, io};

/// The file that is there while a repair goes on. Without the new room, the journal must not be opened.
pub(super) const MARK: &str = "repairing";
/// What is said of a journal with that file.
pub(super) const STOPPED: &str = "a repair was stopped; --repair goes on with it";

/// What a repair has cut.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Repaired {
    /// The damage, in words. `None` where an earlier repair had cut it, and was stopped then.
    pub(crate) damage: Option<String>,
    /// The sequence number of the first event that is lost.
    pub(crate) first_lost: u64,
    /// Whether there was an event with that number. What follows the last batch may have been empty.
    pub(crate) is_sure: bool,
    /// The files that hold what was cut, by this repair and by those that were stopped.
    pub(crate) kept: Vec<String>,
}

impl fmt::Display for Repaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repaired { damage, first_lost, is_sure, kept } = self;
        let damage = damage.as_deref().unwrap_or("a repair was stopped");
        let unless = if *is_sure { "" } else { ", if there were any" };
        let kept = match kept.is_empty() {
            true => "Nothing was cut.".to_owned(),
            false => format!("What was cut is kept in: {}.", kept.join(", ")),
        };
        write!(
            f,
            "{damage}\nThe events from {first_lost} on are lost{unless}. {kept}\n\
             A new room begins there; its members join anew."
        )
    }
}

/// Cuts a journal at its first damage. The file of the new room has `segment_sectors`. Returns `None` if
/// there is no damage.
///
/// # Blocking
/// On the disk.
///
/// # Errors
/// When the disk fails. A second repair then goes on.
pub(crate) fn repair<D: Disk>(
    disk: &D,
    segment_sectors: u32,
    random: impl Fn() -> io::Result<Token>,
) -> Result<Option<Repaired>, JournalError> {
    let was_stopped = is_marked(disk)?;
    let mut kept = if was_stopped { kept_before(disk)? } else { Vec::new() };
    let (mut read, mut damage) = (read(disk), None);
    let (mut lost_from, mut is_sure) = (None, false);
    if let Err(error @ JournalError::Damaged { .. }) = &read {
        damage = Some(error.to_string());
    }
    if damage.is_none() && !was_stopped {
        return read.map(|_| None);
    }
    disk.create(MARK).map_err(on_disk(MARK))?;
    settle_names(disk)?;
    if let Err(JournalError::Damaged { file, cut, next, .. }) = read {
        lost_from = Some(next);
        is_sure = is_begun(disk, &file, cut)?;
        kept.extend(cut_at(disk, &file, cut, next)?);
        read = self::read(disk);
    }
    let (last, last_session) = read?;
    if let Some(last) = &last {
        kept.extend(last.keep_torn(disk)?);
        last.write_again(disk, last.header.sectors)?;
    }
    let first_lost = last.as_ref().map(|last| last.next).or(lost_from).unwrap_or(1);
    // All files of a journal have one salt.
    let random = || random().map_err(on_disk("."));
    let salt = last.map_or_else(|| Ok(*random()?.as_bytes()), |last| Ok(last.header.salt))?;
    let room = random()?.to_u64();
    begin_room(disk, Header::new(salt, room, first_lost, segment_sectors, 0), last_session)?;
    disk.remove(MARK).and_then(|()| disk.sync_names()).map_err(on_disk(MARK))?;
    Ok(Some(Repaired { damage, first_lost, is_sure, kept }))
}

/// Returns whether a repair was stopped here, or still goes on.
pub(super) fn is_marked<D: Disk>(disk: &D) -> Result<bool, JournalError> {
    Ok(disk.names().map_err(on_disk("."))?.iter().any(|name| name == MARK))
}

/// Returns the end of a journal, and the id of its newest session.
fn read<D: Disk>(disk: &D) -> Result<(Option<Last>, u64), JournalError> {
    let mut last_session = 0;
    let last = read_all(disk, &mut |record| {
        match record {
            Record::Checkpoint { last_session: last } => last_session = last,
            Record::Session(session) => last_session = last_session.max(session.id),
            _ => {}
        }
        Ok(())
    })?;
    Ok((last, last_session))
}

/// Returns the names of the files that repairs have made so far.
fn kept_before<D: Disk>(disk: &D) -> Result<Vec<String>, JournalError> {
    let mut names = disk.names().map_err(on_disk("."))?;
    names.retain(|name| name.contains(".journal.damaged"));
    names.sort_unstable();
    Ok(names)
}

/// Returns whether something stands at the byte `cut` of the file `file`, or in a file behind.
fn is_begun<D: Disk>(disk: &D, file: &str, cut: u64) -> Result<bool, JournalError> {
    let mut sector = [0; SECTOR];
    let is_read = disk.open(file).and_then(|file| file.read_at(&mut sector, cut)).is_ok();
    let is_last = segments(disk)?.last().is_none_or(|last| name_of(*last) == file);
    // A file that ends before was made shorter by somebody else.
    Ok(!is_last || !is_read || sector != [0; SECTOR])
}

/// Cuts a journal in the file `file` at the byte `cut`, where the event `next` would be. Returns the names of
/// the files that hold what was cut.
fn cut_at<D: Disk>(disk: &D, file: &str, cut: u64, next: u64) -> Result<Vec<String>, JournalError> {
    let mut kept = Vec::new();
    let files = segments(disk)?;
    // The newest go first: a repair that is stopped leaves a journal with less behind.
    for first in files.into_iter().rev() {
        let name = name_of(first);
        if *name < *file {
            break;
        }
        if name == file && first < next {
            let Segment { bytes, .. } = read_file(disk, first)?;
            kept.push(keep_beside(disk, format!("{name}.damaged-{cut}"), &bytes[cut as usize..])?);
            let opened = disk.open(&name).map_err(on_disk(&name))?;
            let zeros = write_zeros(&opened, cut, bytes.len() as u64 - cut).and_then(|()| opened.sync());
            zeros.map_err(on_disk(&name))?;
        } else {
            let aside = free_name(disk, format!("{name}.damaged"))?;
            disk.rename(&name, &aside).and_then(|()| disk.sync_names()).map_err(on_disk(&name))?;
            kept.push(aside);
        }
    }
    kept.reverse();
    Ok(kept)
}
