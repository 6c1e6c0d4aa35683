//! Cuts a damaged journal where the damage begins, for `chat-server --repair`. Whatever is cut stays in files
//! beside, and a new room begins behind the cut.
//!
//! The room must be a new one. Members have seen events with numbers behind the cut. In the same room, those
//! numbers would be used again, and a client would take new events for ones that it has.

use super::{
    begin,
    disk::{Disk, DiskFile},
    filler::{fill, NEXT},
    name_of, on_disk, read_all, read_file,
    record::{self, Record},
    sector::SECTOR,
    segment::{batch_sectors, Header},
    segments, JournalError, JournalOptions, PAGE, PAGE_SECTORS,
};
use std::io;

/// The file that is there while a repair goes on. Without the new room, the journal must not be opened.
pub(super) const MARK: &str = "repairing";
/// A name behind those of all files.
const END: &str = "~";

/// What a repair has cut.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Repaired {
    /// The damage, in words.
    pub(crate) damage: String,
    /// The sequence number of the first event that is lost.
    pub(crate) first_lost: u64,
    /// The files that hold what was cut.
    pub(crate) kept: Vec<String>,
}

/// Cuts a journal at its first damage. Returns `None` if it has none.
///
/// # Blocking
/// On the disk.
///
/// # Errors
/// When the disk fails. A second repair then goes on.
pub(crate) fn repair<D: Disk>(
    disk: &D,
    options: &JournalOptions,
    random: impl Fn() -> io::Result<[u8; 16]>,
) -> Result<Option<Repaired>, JournalError> {
    let mut last_session = 0;
    let read = read_all(disk, &mut |record| {
        match record {
            Record::Checkpoint { last_session: last } => last_session = last,
            Record::Session(session) => last_session = last_session.max(session.id),
            Record::Event { .. } | Record::Gone { .. } => {}
        }
        Ok(())
    });
    let was_stopped = disk.names().map_err(on_disk("."))?.iter().any(|name| name == MARK);
    let (file, offset, damage, next) = match read {
        Ok(last) if was_stopped => {
            (END.to_owned(), 0, "a repair was stopped".to_owned(), last.map_or(1, |last| last.next))
        }
        Ok(_) => return Ok(None),
        Err(error @ JournalError::Damaged { .. }) => {
            let text = error.to_string();
            let JournalError::Damaged { file, offset, next, .. } = error else { return Ok(None) };
            (file, offset, text, next)
        }
        Err(error) => return Err(error),
    };
    disk.create(MARK).and_then(|_| disk.sync_names()).map_err(on_disk(MARK))?;
    let mut kept = Vec::new();
    let mut salt = None;
    let mut room_files = segments(disk)?;
    room_files.retain(|first| name_of(*first) >= file);
    // The files behind go first, newest first: a repair that is stopped leaves a journal with less behind.
    for first in room_files.iter().rev() {
        let name = name_of(*first);
        let cuts_inside = name == file && *first < next && offset > PAGE as u64;
        if !cuts_inside {
            let aside = format!("{name}.damaged");
            disk.rename(&name, &aside).and_then(|()| disk.sync_names()).map_err(on_disk(&name))?;
            kept.push(aside);
            continue;
        }
        let bytes = read_file(disk, *first)?;
        let aside = format!("{name}.damaged-{offset}");
        let beside = disk.create(&aside).map_err(on_disk(&aside))?;
        let cut = &bytes[(offset as usize).min(bytes.len())..];
        beside.write_at(cut, 0).and_then(|()| beside.sync()).map_err(on_disk(&aside))?;
        disk.sync_names().map_err(on_disk("."))?;
        kept.push(aside);
        if let Ok((header, _)) = Header::read(&bytes, *first) {
            salt = Some(header.salt);
            let length = header.sectors as usize * SECTOR;
            let zeros = vec![0; length.saturating_sub(offset as usize)];
            let opened = disk.open(&name).map_err(on_disk(&name))?;
            opened.write_at(&zeros, offset).and_then(|()| opened.sync()).map_err(on_disk(&name))?;
        }
    }
    // All files of a journal have one salt.
    if let (None, Some(first)) = (salt, segments(disk)?.last()) {
        salt = Header::read(&read_file(disk, *first)?, *first).ok().map(|(header, _)| header.salt);
    }
    let salt = salt.map_or_else(&random, Ok).map_err(on_disk("."))?;
    let room = random().map_err(on_disk("."))?;
    let room = u64::from_le_bytes(*room.first_chunk().expect("sixteen bytes have eight"));
    let mut data = Vec::new();
    record::push(&Record::Checkpoint { last_session }, &mut data);
    let usual = (options.segment_bytes / PAGE as u64) as u32 * PAGE_SECTORS;
    let sectors = usual.max(PAGE_SECTORS + batch_sectors(data.len()));
    let opened = fill(disk, sectors).map_err(on_disk(NEXT))?;
    begin(disk, &opened, &Header::new(salt, room, next, sectors, 0), &data)?;
    disk.remove(MARK).and_then(|()| disk.sync_names()).map_err(on_disk(MARK))?;
    Ok(Some(Repaired { damage, first_lost: next, kept }))
}
