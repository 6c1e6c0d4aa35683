//! The journal: the log of the room on a disk, so that a restarted server goes on where it was.
//!
//! The broadcaster writes the events of a round as one batch, and waits until the disk has it, before anybody
//! is told of the round. It waits for its own disk, and for nothing else.
//!
//! # Files
//!
//! A journal is a directory. Each file `N.journal` begins with the event that has the sequence number `N`
//! (20 digits), and goes on until the next file begins. `next` is a file of zeros, made ahead of use: so a
//! full disk is noticed in time, and a write into a file that does not grow is cheaper to sync.
//!
//! [`sector`] has the bytes of a sector, [`segment`] those of a file and of a batch, [`record`] what a batch
//! holds. All numbers are little-endian. [`whole`] reads all files of a journal, and [`last`] has its end.
//!
//! # What a crash leaves
//!
//! A batch is written once, into zeros, and the next is written only when it is synced. So after a crash
//! everything is whole up to the last batch, and the sectors of that one are as written or zero. It is then
//! cut, because nobody was told of it. A disk that turned the whole last batch to zeros looks as if it had
//! never been written; this cannot be told apart. Everything else that is not whole is damage: the journal is
//! then not opened, because what was lost would be lost in silence.
//!
//! A failed write or sync is never tried again. The system may have dropped what it could not write, and a
//! second sync would say that all is well, also for the next server. So that server writes the last batch
//! again before it counts, and changes the directory before it syncs the names.
//!
//! # File names
//!
//! A file without an event has the name of the file that follows it, and that one takes its place. Files that
//! are not kept go one after the other, oldest first, each when the one before it is gone for good.

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
#[cfg(test)]
mod seeded;
mod segment;
pub(crate) mod space;
#[cfg(test)]
mod tests;
pub(crate) mod tool;
mod whole;

use archive::{Archive, IndexedFile};
use chat_common::wire::token::Token;
use clock::Clock;
use disk::{Disk, DiskFile};
use filler::{fill, Filler, NEXT};
use last::Last;
use log::{info, warn};
use record::Record;
use sector::{SectorKey, MAX_BATCH_SECTORS, PAGE, PAGE_SECTORS, SECTOR};
use segment::{batch_sectors, write_batch, Damage, Header, OTHER_VERSION};
use std::{collections::VecDeque, fmt, io, sync::Arc, time::Duration};
use whole::read_all;

/// A journal that is open for writing.
#[derive(Debug)]
pub(crate) struct Journal<D: Disk> {
    disk: Arc<D>,
    salt: [u8; 16],
    room: u64,
    /// The length of a usual file, in sectors.
    segment_sectors: u32,
    file: D::File,
    key: SectorKey,
    /// The checksum in the header of this file, of the file before it.
    before: u32,
    /// The length of this file, in sectors, as far as the disk has space for it.
    sectors: u32,
    /// The sector at which the next batch begins.
    end: u32,
    /// The checksum of the last sector that was written.
    chain: u32,
    /// The index of all files, for those who read what memory no longer holds.
    archive: Arc<Archive<D>>,
    /// Makes the next file ahead of use. `None` makes it when it is needed.
    filler: Option<Filler<D>>,
    /// Whether a write has failed. Nothing is written after that.
    failed: bool,
    clock: Clock,
    #[cfg(test)]
    bug: Option<seeded::Bug>,
    keep: Option<Duration>,
    keep_bytes: Option<u64>,
}

/// How a journal is opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct JournalOptions {
    /// The length of a file, in bytes. A batch that needs more gets a longer file.
    pub(crate) segment_bytes: u64,
    /// Whether a thread makes the next file ahead of use.
    pub(crate) fills_ahead: bool,
    /// For how long events are kept. A file goes when all of it is older.
    pub(crate) keep: Option<Duration>,
    /// The most bytes of all files. The oldest go; the file in use and the one before it always stay.
    pub(crate) keep_bytes: Option<u64>,
    #[cfg(test)]
    bug: Option<seeded::Bug>,
}

impl JournalOptions {
    /// Files of this length that are all kept, each made when it is needed.
    pub(crate) fn new(segment_bytes: u64) -> JournalOptions {
        JournalOptions { segment_bytes, ..JournalOptions::default() }
    }

    /// Makes the next file ahead of use, and keeps what these say.
    pub(crate) fn keeping(self, keep: Option<Duration>, keep_bytes: Option<u64>) -> JournalOptions {
        JournalOptions { fills_ahead: true, keep, keep_bytes, ..self }
    }

    /// Returns the length of a usual file, in sectors.
    fn segment_sectors(&self) -> u32 {
        (self.segment_bytes / PAGE as u64) as u32 * PAGE_SECTORS
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
        options: &JournalOptions,
        random: impl Fn() -> io::Result<[u8; 16]>,
        each: &mut dyn FnMut(Record) -> Result<(), String>,
    ) -> Result<(Journal<D>, Opened), JournalError> {
        if repair::is_marked(&*disk)? {
            return Err(on_disk(repair::MARK)(io::Error::other(repair::STOPPED)));
        }
        let mut events = 0;
        let mut count = |record: Record| {
            events += u64::from(matches!(record, Record::Event { .. }));
            each(record)
        };
        #[cfg(test)]
        if options.bug == Some(seeded::Bug::CutDamage) {
            seeded::cut_damage(&*disk);
        }
        let last = read_all(&*disk, &mut count)?;
        let segment_sectors = options.segment_sectors();
        let (file, sectors, last, cut) = match last {
            None => {
                let (salt, room) = (random().map_err(on_disk("."))?, random().map_err(on_disk("."))?);
                let header = Header::new(salt, Token::from_bytes(room).to_u64(), 1, segment_sectors, 0);
                let file = fill(&*disk, segment_sectors).map_err(on_disk(NEXT))?;
                let last = Last::of_new_journal(&*disk, &file, header)?;
                (file, segment_sectors, last, None)
            }
            Some(last) => {
                // From here on, what a server wrote that was killed before the disk had it counts as
                // committed.
                let cut = last.keep_torn(&*disk)?.zip(last.torn_bytes().map(|bytes| bytes as u64));
                let reach = last.end.saturating_add(MAX_BATCH_SECTORS).min(last.header.sectors);
                #[cfg(not(test))]
                let settle_names = last::settle_names;
                #[cfg(test)]
                let (last, settle_names) = seeded::believing(options.bug, last);
                let (file, sectors) = last.write_again(&*disk, reach)?;
                settle_names(&*disk)?;
                (file, sectors, last, cut)
            }
        };
        let Last { header, end, chain, next, mut files, times, .. } = last;
        let clock = Clock::start(&times);
        // A file from the future grows old from now on.
        files.iter_mut().for_each(|file| file.newest = file.newest.min(clock.now()));
        let filler = || Filler::start(Arc::clone(&disk), segment_sectors);
        let journal = Journal {
            archive: Arc::new(Archive::new(Arc::clone(&disk), header.salt, files)),
            keep: options.keep,
            keep_bytes: options.keep_bytes,
            filler: options.fills_ahead.then(filler).transpose().map_err(on_disk(NEXT))?,
            disk,
            salt: header.salt,
            room: header.room,
            segment_sectors,
            file,
            key: header.key(),
            before: header.before,
            sectors,
            end,
            chain,
            failed: false,
            clock,
            #[cfg(test)]
            bug: options.bug,
        };
        #[cfg(test)]
        let next = next - u64::from(options.bug == Some(seeded::Bug::NumberUsedTwice) && events > 0);
        Ok((journal, Opened { room: header.room, events, next, cut }))
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
        if self.failed {
            return Err(on_disk(&name_of(self.key.segment))(io::Error::other("a write before this failed")));
        }
        self.failed = true;
        if batch_sectors(data.len()) > (self.sectors - self.end).min(MAX_BATCH_SECTORS) {
            let mut opening = checkpoint();
            opening.extend(data);
            self.roll(first, &opening, self.segment_sectors)?;
        } else {
            let name = name_of(self.key.segment);
            let (bytes, chain) = write_batch(&self.key, self.end, self.chain, data);
            let offset = u64::from(self.end) * SECTOR as u64;
            self.write_synced(&bytes, offset).map_err(on_disk(&name))?;
            let sector = self.end;
            self.chain = chain;
            self.end += (bytes.len() / SECTOR) as u32;
            let end = self.end;
            self.archive.change(|files| {
                if let Some(file) = files.back_mut() {
                    file.add(first, sector);
                    file.end = end;
                }
            });
        }
        self.failed = false;
        Ok(())
    }

    /// Writes to the file in use, and waits until the disk has it.
    fn write_synced(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(test)]
        match self.bug {
            Some(seeded::Bug::NoSync) => return self.file.write_at(bytes, offset),
            Some(seeded::Bug::RetriedSync) => {
                self.file.write_at(bytes, offset)?;
                return self.file.sync().or_else(|_| self.file.sync());
            }
            Some(seeded::Bug::PageWrittenTwice) => {
                let mut page = vec![0; PAGE];
                self.file.read_at(&mut page, offset - PAGE as u64)?;
                // The old page is gone for the moment between the two writes.
                self.file.write_at(&vec![0; PAGE], offset - PAGE as u64)?;
                self.file.sync()?;
                page.extend(bytes);
                self.file.write_at(&page, offset - PAGE as u64)?;
                return self.file.sync();
            }
            _ => {}
        }
        self.file.write_at(bytes, offset)?;
        self.file.sync()
    }

    /// Returns the files, for those who read what memory no longer holds.
    pub(crate) fn archive(&self) -> &Arc<Archive<D>> {
        &self.archive
    }

    /// Removes the oldest files that are not to be kept. A file that cannot be removed stays, and is tried
    /// again with the next one.
    fn drop_oldest(&self) {
        let oldest_kept = self.keep.map_or(0, |keep| self.clock.oldest_kept(keep));
        let goes = |files: &mut VecDeque<IndexedFile>| {
            let bytes: u64 = files.iter().map(|file| u64::from(file.sectors) * SECTOR as u64).sum();
            let is_old = |file: &IndexedFile| file.newest < oldest_kept;
            let is_much = self.keep_bytes.is_some_and(|most| bytes > most);
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
        let file = match &mut self.filler {
            Some(filler) => filler.take(),
            None => fill(&*self.disk, self.segment_sectors),
        };
        let file = file.map_err(on_disk(NEXT))?;
        let made = self.filler.as_ref().map_or(self.segment_sectors, Filler::sectors);
        let sectors = made.max(PAGE_SECTORS + batch_sectors(data.len()));
        let takes_place = first == self.key.segment;
        let before = if takes_place { self.before } else { self.chain };
        let header = Header::new(self.salt, self.room, first, sectors, before);
        (self.end, self.chain) = begin(&*self.disk, &file, &header, data)?;
        (self.file, self.key, self.before, self.sectors) = (file, header.key(), before, sectors);
        let now = self.clock.now();
        let mut indexed = IndexedFile::new(first, sectors);
        indexed.add(first, PAGE_SECTORS);
        indexed.end = self.end;
        self.archive.change(|files| {
            if takes_place {
                files.pop_back();
            } else if let Some(before) = files.back_mut() {
                // Its last event came before this one.
                before.newest = now;
            }
            files.push_back(indexed);
        });
        self.drop_oldest();
        if let Some(filler) = &mut self.filler {
            filler.want(wanted);
        }
        Ok(())
    }
}

/// Makes the file `next`, which has zeros alone, a file of the journal: with this header, and one batch.
/// Returns where the next batch begins, and the checksum before it.
fn begin<D: Disk>(
    disk: &D,
    file: &D::File,
    header: &Header,
    data: &[u8],
) -> Result<(u32, u32), JournalError> {
    let (mut bytes, chain) = header.write();
    let (batch, chain) = write_batch(&header.key(), PAGE_SECTORS, chain, data);
    bytes.extend(batch);
    // The name comes last. A file with a name of the journal is whole up to here, whatever happens.
    file.write_at(&bytes, 0).and_then(|()| file.sync()).map_err(on_disk(NEXT))?;
    let name = name_of(header.first);
    // An error of the file `next` is one after which nothing has changed.
    disk.rename(NEXT, &name).map_err(on_disk(NEXT))?;
    disk.sync_names().map_err(on_disk(&name))?;
    Ok(((bytes.len() / SECTOR) as u32, chain))
}
