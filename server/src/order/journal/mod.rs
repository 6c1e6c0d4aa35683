//! The journal: the log of the room on a disk, so that a restarted server goes on where it was.
//!
//! The broadcaster writes the events of a round as one batch, and waits until the disk has it, before anybody
//! is told of the round. It waits for its own disk, and for nothing else.
//!
//! # The format
//!
//! This page is the whole format, version 1. There is no other version yet. A header of another version is
//! not read and not repaired. All numbers are little-endian. Values are encoded as on the wire: numbers with
//! all their bytes, a `bool` and the mark of an option as one byte, a text as `u64` length and UTF-8, a
//! variant as `u32`, counted from 0 in the order below.
//!
//! A journal is a directory:
//!
//! | name | content |
//! |---|---|
//! | `N.journal` | a segment: the events from the sequence number `N` (20 digits) up to the next segment |
//! | `next` | zeros alone: the next segment, made ahead of use |
//! | `lock` | empty; the server that has the journal locks it, and the directory |
//! | `probe` | empty; there for a moment when a server starts |
//! | `N.journal.torn-B` | a torn batch that was cut at the byte `B` |
//! | `N.journal.damaged-B` | what a repair has cut from a segment at the byte `B` |
//! | `N.journal.damaged` | a segment that a repair has cut whole |
//! | `repairing` | empty; a repair goes on, or was stopped |
//! | `room_key`, `passphrase` | the secrets of a closed room, which nothing in the journal reads or changes |
//!
//! A second file of one of the three names with `torn` or `damaged` has `.2` behind its name, and so on. A
//! segment without an event has the name of the one that follows it, and that one takes its place. The
//! oldest segments may be missing, because `--keep` and `--keep-size` drop them, each when the one before it
//! is gone for good.
//!
//! ## Sector
//!
//! A segment consists of sectors of 512 bytes. A sector is zero, good or damaged: a disk writes it whole or
//! not at all, and the sectors of one write in any order.
//!
//! | bytes | a good sector |
//! |---|---|
//! | 0 | tag: 1 header, 2 first, 3 middle, 4 last of a batch; never 0 |
//! | 1-2 | `u16` how many bytes of data the sector has, at most 503 |
//! | 3-4 | `u16` the sector's number in its batch, from 0 |
//! | 5-507 | the data, then zeros |
//! | 508-511 | `u32` CRC-32C of: the salt, `u64` `N`, `u32` the sector's number in the file, bytes 0-507 |
//!
//! ## Batch
//!
//! A batch is cut into sectors, and has at most 65,536 of them. It begins and ends at the border of a page of
//! eight sectors; sectors without data fill its last page. Its data begin with the `u32` checksum of the
//! sector before it, which is the last of the batch before. Then records follow, up to its end.
//!
//! ## Segment
//!
//! The first page is a batch of its own, with the tag 1 in its first sector. Its data are the 16 bytes
//! `rpc-chat journal` and this header:
//!
//! | type | value |
//! |---|---|
//! | `u32` | the version |
//! | 16 bytes | the salt: random, and the same in all segments |
//! | `u64` | the number of the room |
//! | `u64` | `N` |
//! | `u32` | how many sectors the file has |
//! | `u32` | the checksum of the last sector of the segment before; 0 where a room begins |
//!
//! One batch follows the other. Behind the last one everything is zero.
//!
//! ## Records
//!
//! A record is a `u32` length and that many bytes, which are one of:
//!
//! | variant | values |
//! |---|---|
//! | 0 `Checkpoint` | `u64` the id of the newest session |
//! | 1 `Session` | [`SessionRecord`](record::SessionRecord): the state of a session, in place of any before |
//! | 2 `Gone` | `u64` the id of a session that is over |
//! | 3 `Event` | `u64` author, [`Audience`](crate::log::Audience), `u64` digest, the event as on the wire |
//! | 4 `Muted` | `text` name or `*`, `optional u64` until, `text` reason: a mute, in place of any before |
//! | 5 `Unmuted` | `text` name: it is not muted any more |
//!
//! `until` is in seconds since the Unix epoch, by the clock of the server. A journal of an older program has
//! no records of mutes, and is read as it is.
//!
//! The numbers of the events have no gaps. Author and digest are 0 for an event that is not a message.
//!
//! The first batch of a segment begins with a checkpoint: `Checkpoint`, a `Session` for each session that has
//! been in the room and is not gone, and a `Muted` for each mute. So nothing before the segment is needed.
//! They are the state after the batch. Where the batch has records of a round behind them, these change
//! nothing in it.
//!
//! ## What a crash leaves
//!
//! A batch is written once, into zeros, and the next is written only when it is synced. So after a crash
//! everything is whole up to the last batch, and the sectors of that one are as written or zero. The journal
//! ends with a *torn* batch where that is so in its last segment: each sector behind the last whole batch is
//! zero, or is good and belongs to one batch that begins there. The next server cuts it, and keeps its
//! bytes, because nobody was told of it. A disk that turned the whole last batch to zeros looks as if it had
//! never been written; this cannot be told apart. Everything else that is not whole is *damage*: the journal
//! is then not opened, because what was lost would be lost in silence.
//!
//! A failed write or sync is never tried again. The system may have dropped what it could not write, and a
//! second sync would say that all is well, also for the next server. So that server writes the last batch
//! again before it counts, and changes the directory before it syncs the names.
//!
//! ## What a repair does
//!
//! It makes the file `repairing`. It cuts at the batch with the first damage: newest first, the segments
//! behind get other names, and what is behind the cut in its own segment is copied beside and turned to
//! zeros. Then it begins a new room with a new segment: a room with another number, a checkpoint without
//! sessions or mutes, and the sequence number that follows what is left. It removes `repairing` last.

pub(crate) mod archive;
mod clock;
mod crc32c;
pub(crate) mod disk;
pub(crate) mod export;
mod filler;
mod last;
pub(crate) mod record;
pub(crate) mod repair;
mod sector;
mod segment;
pub(crate) mod space;
#[cfg(test)]
mod tests;
pub(crate) mod tool;
mod whole;

use crate::settings::JournalSettings;
use archive::{Archive, IndexedFile};
use chat_common::wire::token::Token;
use clock::{Clock, EventTimes};
use disk::{Disk, DiskFile};
use filler::{fill, Filler, NEXT};
use last::{settle_names, Last};
use log::{info, warn};
use record::Record;
use sector::{MAX_BATCH_SECTORS, PAGE, PAGE_SECTORS, SECTOR};
use segment::{batch_sectors, write_batch, Damage, Header, OTHER_VERSION};
use std::{collections::VecDeque, fmt, io, sync::Arc};
use whole::read_all;

/// A journal that is open for writing.
#[derive(Debug)]
pub(crate) struct Journal<D: Disk> {
    disk: Arc<D>,
    settings: JournalSettings,
    /// The file in use.
    segment: OpenSegment<D::File>,
    /// The index of all files, for those who read what memory no longer holds.
    archive: Arc<Archive<D>>,
    /// Makes the next file ahead of use. `None` makes it when it is needed.
    filler: Option<Filler<D>>,
    clock: Clock,
    /// Whether a write has failed. Nothing is written after that.
    failed: bool,
}

/// A file of a journal that is open for writing.
#[derive(Debug)]
struct OpenSegment<F> {
    file: F,
    header: Header,
    /// Its length, in sectors, as far as the disk has space for it.
    sectors: u32,
    /// The sector at which the next batch begins.
    end: u32,
    /// The checksum of the last sector that was written.
    chain: u32,
}

impl<F> OpenSegment<F> {
    fn sectors_left(&self) -> u32 {
        debug_assert!(self.end <= self.sectors && self.end.is_multiple_of(PAGE_SECTORS));
        self.sectors - self.end
    }
}

/// What opening found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The number of the room.
    pub(crate) room: u64,
    /// How many events there are.
    pub(crate) events: u64,
    /// The sequence number of the next event.
    pub(crate) next: u64,
    /// The torn batch that was cut: the file in which its bytes are kept, and how many they are.
    pub(crate) cut: Option<(String, u64)>,
}

/// Why a journal cannot be opened or written.
#[derive(Debug)]
pub(crate) enum JournalError {
    /// The disk reports an error, and it was about this file.
    Disk { file: String, error: io::Error },
    /// A file is damaged. The batch begins at `cut`, and `next` is its first event.
    Damaged { file: String, offset: u64, cut: u64, why: String, next: u64 },
    /// This file is of another version of the format. It is whole, so nothing may repair it.
    OtherVersion { file: String },
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalError::Disk { file, error } => write!(f, "{file}: {error}"),
            JournalError::Damaged { file, offset, why, .. } => write!(f, "{file}: {offset}: {why}"),
            JournalError::OtherVersion { file } => write!(f, "{file}: {OTHER_VERSION}"),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            JournalError::Disk { error, .. } => Some(error),
            JournalError::Damaged { .. } | JournalError::OtherVersion { .. } => None,
        }
    }
}

fn on_disk(file: &str) -> impl Fn(io::Error) -> JournalError + '_ {
    move |error| JournalError::Disk { file: file.to_owned(), error }
}

fn damaged_in(file: &str, damage: Damage, next: u64) -> JournalError {
    let Damage { offset, cut, why } = damage;
    JournalError::Damaged { file: file.to_owned(), offset, cut, why, next }
}

/// Returns how many sectors a file of this many bytes has: whole pages.
fn sectors_of_file(bytes: u64) -> u32 {
    (bytes / PAGE as u64) as u32 * PAGE_SECTORS
}

fn name_of(first: u64) -> String {
    format!("{first:020}.journal")
}

/// Whether an error means that the disk is full.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl<D: Disk> Journal<D> {
    /// Opens the journal in `disk`, or makes a new one there, and passes each record to `each`, oldest first.
    /// A torn batch is cut, and its bytes are kept in a file beside.
    ///
    /// # Blocking
    /// On the disk.
    ///
    /// # Errors
    /// When the disk fails, or the journal is damaged.
    pub(crate) fn open(
        disk: Arc<D>,
        settings: &JournalSettings,
        random: impl Fn() -> io::Result<Token>,
        each: &mut dyn FnMut(Record) -> Result<(), String>,
    ) -> Result<(Journal<D>, Opened), JournalError> {
        if repair::is_marked(&*disk)? {
            return Err(on_disk(repair::MARK)(io::Error::other(repair::STOPPED)));
        }
        let mut events = 0;
        let last = read_all(&*disk, &mut |record| {
            events += u64::from(matches!(record, Record::Event { .. }));
            each(record)
        })?;
        let (segment, next, mut files, times, cut) = match last {
            None => {
                let random = || random().map_err(on_disk("."));
                let (salt, room) = (*random()?.as_bytes(), random()?.to_u64());
                let sectors = sectors_of_file(settings.segment_size.0 as u64);
                let header = Header::new(salt, room, 1, sectors, 0);
                let segment = begin_room(&*disk, header, 0)?;
                let files = [IndexedFile::of(&segment)].into();
                (segment, 1, files, EventTimes::default(), None)
            }
            Some(last) => {
                // From here on, what a server wrote that was killed before the disk had it counts as
                // committed.
                let cut = last.keep_torn(&*disk)?.zip(last.torn_bytes().map(|bytes| bytes as u64));
                let reach = last.end.saturating_add(MAX_BATCH_SECTORS).min(last.header.sectors);
                let (file, sectors) = last.write_again(&*disk, reach)?;
                settle_names(&*disk)?;
                let Last { header, end, chain, next, files, times, .. } = last;
                (OpenSegment { file, header, sectors, end, chain }, next, files, times, cut)
            }
        };
        let clock = Clock::start(&times);
        // A file from the future grows old from now on.
        files.iter_mut().for_each(|file| file.newest = file.newest.min(clock.now()));
        let Header { salt, room, .. } = segment.header;
        let archive = Arc::new(Archive::new(Arc::clone(&disk), salt, files));
        let settings = settings.clone();
        let journal = Journal { disk, settings, segment, archive, filler: None, clock, failed: false };
        Ok((journal, Opened { room, events, next, cut }))
    }

    /// Starts the thread that makes the next file ahead of use.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn fill_ahead(&mut self) -> Result<(), JournalError> {
        let filler = Filler::start(Arc::clone(&self.disk), self.usual_sectors());
        self.filler = Some(filler.map_err(on_disk(NEXT))?);
        Ok(())
    }

    /// Returns the length of a usual file, in sectors. A batch that needs more gets a longer file.
    fn usual_sectors(&self) -> u32 {
        sectors_of_file(self.settings.segment_size.0 as u64)
    }

    /// Writes a batch of records. `first` is the sequence number of its first event, or of the next one if it
    /// has none. When this returns, the disk has the batch. `checkpoint` returns the records that open a new
    /// file: the state after the batch. The batch follows them, and changes nothing in it.
    ///
    /// # Blocking
    /// On the disk.
    ///
    /// # Errors
    /// When the disk fails. Then nothing may be written any more, and nobody may be told of the batch.
    pub(crate) fn commit(
        &mut self,
        data: &[u8],
        first: u64,
        checkpoint: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), JournalError> {
        let name = name_of(self.segment.header.first);
        if self.failed {
            return Err(on_disk(&name)(io::Error::other("a write before this failed")));
        }
        self.failed = true;
        if batch_sectors(data.len()) > self.segment.sectors_left().min(MAX_BATCH_SECTORS) {
            let mut opening = checkpoint();
            opening.extend(data);
            self.roll(first, &opening, self.usual_sectors())?;
        } else {
            let OpenSegment { file, header, end, chain, .. } = &mut self.segment;
            let start = *end;
            let (bytes, last) = write_batch(&header.key(), start, *chain, data);
            let offset = u64::from(start) * SECTOR as u64;
            file.write_at(&bytes, offset).and_then(|()| file.sync()).map_err(on_disk(&name))?;
            (*end, *chain) = (start + (bytes.len() / SECTOR) as u32, last);
            self.archive.add_batch(first, start, *end);
        }
        self.failed = false;
        Ok(())
    }

    /// Returns the files, for those who read what memory no longer holds.
    pub(crate) fn archive(&self) -> &Arc<Archive<D>> {
        &self.archive
    }

    /// Removes the oldest files that are not to be kept. A file that cannot be removed stays, and is tried
    /// again with the next one.
    fn drop_oldest(&self) {
        let JournalSettings { keep, keep_size, .. } = &self.settings;
        let oldest_kept = if keep.is_zero() { 0 } else { self.clock.oldest_kept(*keep) };
        let goes = |files: &mut VecDeque<IndexedFile>| {
            let bytes: u64 = files.iter().map(|file| u64::from(file.sectors) * SECTOR as u64).sum();
            let is_old = |file: &IndexedFile| file.newest < oldest_kept;
            let is_much = keep_size.0 > 0 && bytes > keep_size.0 as u64;
            if files.len() > 2 && (is_much || files.front().is_some_and(is_old)) {
                return files.pop_front();
            }
            None
        };
        let mut is_first = true;
        while let Some(file) = self.archive.change(goes) {
            let name = name_of(file.first);
            // After a crash, a file may be back whose removal was not synced. The one behind it must be there
            // then. The new file that was just synced has settled what was removed before.
            let settled = if std::mem::take(&mut is_first) { Ok(()) } else { self.disk.sync_names() };
            match settled.and_then(|()| self.disk.remove(&name)) {
                Ok(()) => info!("the journal drops {name}, as --keep and --keep-size say"),
                Err(error) => {
                    warn!("the journal cannot drop {name}: {error}");
                    return self.archive.change(|files| files.push_front(file));
                }
            }
        }
    }

    /// Goes on in a new file, which begins with the batch `data`.
    ///
    /// A file without an event has the same name as the one that follows it, which then takes its place. The
    /// new one begins with a checkpoint, so nothing is lost.
    ///
    /// The file after it is made with `wanted` sectors.
    fn roll(&mut self, first: u64, data: &[u8], wanted: u32) -> Result<(), JournalError> {
        if batch_sectors(data.len()) > MAX_BATCH_SECTORS {
            let error = io::Error::other("a batch has more sectors than can be numbered");
            return Err(on_disk(&name_of(first))(error));
        }
        let usual = self.usual_sectors();
        let (file, made) = match &mut self.filler {
            Some(filler) => (filler.take(), filler.sectors()),
            None => (fill(&*self.disk, usual), usual),
        };
        let file = file.map_err(on_disk(NEXT))?;
        let sectors = made.max(PAGE_SECTORS + batch_sectors(data.len()));
        let Header { salt, room, first: current, before, .. } = self.segment.header;
        debug_assert!(first >= current, "the events of a file follow those of the file before");
        let takes_place = first == current;
        let before = if takes_place { before } else { self.segment.chain };
        self.segment = begin(&*self.disk, file, Header::new(salt, room, first, sectors, before), data)?;
        let now = self.clock.now();
        self.archive.change(|files| {
            if takes_place {
                files.pop_back();
            } else if let Some(before) = files.back_mut() {
                // Its last event came before this one.
                before.newest = now;
            }
            files.push_back(IndexedFile::of(&self.segment));
        });
        self.drop_oldest();
        if let Some(filler) = &mut self.filler {
            filler.want(wanted);
        }
        Ok(())
    }
}

/// Begins a room with its first file, which has a checkpoint without sessions. When this returns, the disk
/// has the file.
fn begin_room<D: Disk>(
    disk: &D,
    header: Header,
    last_session: u64,
) -> Result<OpenSegment<D::File>, JournalError> {
    let mut data = Vec::new();
    record::push(&Record::Checkpoint { last_session }, &mut data);
    let file = fill(disk, header.sectors).map_err(on_disk(NEXT))?;
    begin(disk, file, header, &data)
}

/// Makes the file `next`, which has zeros alone, a file of the journal: with this header, and one batch.
fn begin<D: Disk>(
    disk: &D,
    file: D::File,
    header: Header,
    data: &[u8],
) -> Result<OpenSegment<D::File>, JournalError> {
    let (mut bytes, chain) = header.write();
    let (batch, chain) = write_batch(&header.key(), PAGE_SECTORS, chain, data);
    bytes.extend(batch);
    // The name comes last. A file with a name of the journal is whole up to here, whatever happens.
    file.write_at(&bytes, 0).and_then(|()| file.sync()).map_err(on_disk(NEXT))?;
    let name = name_of(header.first);
    // An error of the file `next` is one after which nothing has changed.
    disk.rename(NEXT, &name).map_err(on_disk(NEXT))?;
    disk.sync_names().map_err(on_disk(&name))?;
    let (sectors, end) = (header.sectors, (bytes.len() / SECTOR) as u32);
    Ok(OpenSegment { file, header, sectors, end, chain })
}
