//! Reads what memory no longer holds from the files of the journal. The thread that asks reads; the
//! broadcaster never does.
//!
//! - Reading MUST NOT keep the broadcaster from a core. One thread reads at a time, a range of some 64 KiB,
//!   and then rests as long as that took. So all readers together use half of a core at most.
//! - What cannot be read MUST be told in its place, and MUST NOT hide what follows it. The events of a
//!   journal have no gaps, so the numbers say what is missing.
//!
//! A small index has a place in the files for each range. No event is read that is not committed: the caller
//! says where the committed ones end.

use super::{
    disk::{Disk, DiskFile},
    name_of,
    record::{records, Record},
    sector::{SectorKey, Tag, PAGE_SECTORS, SECTOR},
    segment::{read_batch, CHAIN},
    OpenSegment,
};
use crate::log::Audience;
use chat_common::wire::{error::is_out_of_descriptors, protocol::Event};
use log::warn;
use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread,
    time::Instant,
};

/// How far two entries of the index are apart at least, in sectors.
const INDEX_SECTORS: u32 = 128;

/// The files of a journal, for reading. Clones share the index.
#[derive(Debug)]
pub(crate) struct Archive<D: Disk> {
    disk: Arc<D>,
    salt: [u8; 16],
    /// Protects the index. Nobody reads a file under this lock.
    files: RwLock<VecDeque<IndexedFile>>,
    /// Held by the one thread that reads a file. Comes before the lock of the index.
    turn: Mutex<()>,
}

/// One file of the journal, in the index.
#[derive(Clone, Debug)]
pub(super) struct IndexedFile {
    /// The sequence number in the file's name.
    pub(super) first: u64,
    /// The length, in sectors.
    pub(super) sectors: u32,
    /// The sector after its last batch. What is behind is not read.
    pub(super) end: u32,
    /// When its newest event was, in milliseconds since the Unix epoch, as the journal's clock has it.
    pub(super) newest: u64,
    index: Vec<IndexEntry>,
}

/// Where a [`FileRange`] begins.
#[derive(Clone, Debug)]
struct IndexEntry {
    /// The first event.
    first: u64,
    sector: u32,
    /// What was found in the range, once it was read whole and nothing follows in it any more.
    said: Option<Said>,
    /// Whether the server's log says that a part of the range cannot be read.
    is_told: bool,
}

/// What was said to everybody in a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// How many messages.
    pub(crate) count: usize,
    /// The sequence number of the first of them.
    pub(crate) first: u64,
}

impl IndexedFile {
    pub(super) fn new(first: u64, sectors: u32) -> IndexedFile {
        IndexedFile { first, sectors, end: 0, newest: 0, index: Vec::new() }
    }

    /// A file with its first batch.
    pub(super) fn of<F>(segment: &OpenSegment<F>) -> IndexedFile {
        let mut file = IndexedFile::new(segment.header.first, segment.sectors);
        file.add(segment.header.first, PAGE_SECTORS);
        IndexedFile { end: segment.end, ..file }
    }

    /// Adds a batch that begins with the event `first` at the sector `sector`.
    pub(super) fn add(&mut self, first: u64, sector: u32) {
        if self.index.last().is_none_or(|last| sector - last.sector >= INDEX_SECTORS) {
            self.index.push(IndexEntry { first, sector, said: None, is_told: false });
        }
    }
}

/// A part of a file: from one entry of the index to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileRange {
    file: u64,
    from: u32,
    to: u32,
    /// The first event in it.
    pub(crate) first: u64,
    /// The first event after it. `None` as long as it may grow.
    pub(crate) next: Option<u64>,
    /// What was said in it, if that is known.
    pub(crate) said: Option<Said>,
}

impl FileRange {
    /// Returns its length, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        (self.to - self.from) as usize * SECTOR
    }
}

impl<D: Disk> Archive<D> {
    pub(super) fn new(disk: Arc<D>, salt: [u8; 16], files: VecDeque<IndexedFile>) -> Archive<D> {
        Archive { disk, salt, files: RwLock::new(files), turn: Mutex::default() }
    }

    /// Changes the index. Only the writer of the journal may.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut VecDeque<IndexedFile>) -> R) -> R {
        change(&mut self.files.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a batch of the newest file that begins with the event `first`, from the sector `sector` to before
    /// `end`.
    pub(super) fn add_batch(&self, first: u64, sector: u32, end: u32) {
        self.change(|files| {
            let file = files.back_mut().expect("the file in use is in the index");
            file.add(first, sector);
            file.end = end;
        });
    }

    /// Returns the sequence number of the oldest event.
    pub(crate) fn first(&self) -> u64 {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        files.front().map_or(u64::MAX, |file| file.first)
    }

    /// Returns the range that has the event `sequence`, or would have it. `None` if the files begin later.
    pub(crate) fn range_of(&self, sequence: u64) -> Option<FileRange> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let at = files.partition_point(|file| file.first <= sequence).checked_sub(1)?;
        let file = &files[at];
        let entry = file.index.partition_point(|entry| entry.first <= sequence).checked_sub(1)?;
        let (here, after) = (&file.index[entry], file.index.get(entry + 1));
        let next = after.map(|after| after.first).or_else(|| files.get(at + 1).map(|file| file.first));
        let to = after.map_or(file.end, |after| after.sector);
        let IndexEntry { first, sector: from, said, .. } = *here;
        Some(FileRange { file: file.first, from, to, first, next, said })
    }

    /// Passes the events of a range that can be read to `each`, in order. Returns false if its file was
    /// dropped meanwhile. What cannot be read is said in the server's log, once.
    ///
    /// # Blocking
    /// On the disk, on the thread that is reading now, and then as long as the reading itself took.
    ///
    /// # Errors
    /// When there is no file descriptor or no memory to read with. That passes by itself.
    pub(crate) fn read(&self, range: &FileRange, each: &mut dyn FnMut(Audience, Event)) -> io::Result<bool> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        let result = match self.read_batches(range, each) {
            Err(error) if passes_by_itself(&error) => {
                warn!("a part of the journal cannot be read now: {error}");
                Err(error)
            }
            Err(_) if range.file < self.first() => Ok(false),
            Err(error) => {
                self.tell_once(range, range.from, &error);
                Ok(true)
            }
            Ok(Some(damaged)) => {
                self.tell_once(range, damaged, &"this batch is damaged");
                Ok(true)
            }
            Ok(None) => Ok(true),
        };
        thread::sleep(began.elapsed());
        result
    }

    /// Passes the events of all whole batches of a range to `each`. Returns the first sector of the first
    /// batch that is not whole.
    fn read_batches(
        &self,
        range: &FileRange,
        each: &mut dyn FnMut(Audience, Event),
    ) -> io::Result<Option<u32>> {
        let file = self.disk.open(&name_of(range.file))?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(range.bytes())?;
        bytes.resize(range.bytes(), 0);
        file.read_at(&mut bytes, u64::from(range.from) * SECTOR as u64)?;
        let sector = SectorKey { salt: self.salt, segment: range.file }.reader(&bytes, range.from);
        let (mut number, mut data, mut damaged) = (range.from, Vec::new(), None);
        while number < range.to {
            let Ok((next, _)) = read_batch(&sector, Tag::First, number, range.to, &mut data) else {
                // The next batch begins at a page, and nothing else there looks like its first sector.
                damaged = damaged.or(Some(number));
                number += PAGE_SECTORS;
                continue;
            };
            for record in records(data.get(CHAIN..).unwrap_or_default()) {
                match record {
                    Ok(Record::Event { audience, event, .. }) => each(audience, event),
                    Ok(_) => {}
                    Err(_) => damaged = damaged.or(Some(number)),
                }
            }
            number = next;
        }
        Ok(damaged)
    }

    /// Keeps what was said in a range that does not grow any more.
    pub(crate) fn keep_count(&self, range: &FileRange, said: Said) {
        self.with_entry(range, |entry| entry.said = Some(said));
    }

    /// Says in the server's log what is wrong with a range, unless that was said before.
    fn tell_once(&self, range: &FileRange, sector: u32, why: &dyn std::fmt::Display) {
        let was_told = self.with_entry(range, |entry| std::mem::replace(&mut entry.is_told, true));
        if was_told == Some(false) {
            let (name, offset) = (name_of(range.file), u64::from(sector) * SECTOR as u64);
            warn!("{name}: {offset}: {why}; a reader of the history is told what is missing");
        }
    }

    fn with_entry<R>(&self, range: &FileRange, change: impl FnOnce(&mut IndexEntry) -> R) -> Option<R> {
        self.change(|files| {
            let file = files.binary_search_by_key(&range.file, |file| file.first).ok()?;
            let index = &mut files[file].index;
            let entry = index.binary_search_by_key(&range.first, |entry| entry.first).ok()?;
            Some(change(&mut index[entry]))
        })
    }
}

/// Whether an error says nothing about the file: a later attempt may well succeed.
fn passes_by_itself(error: &io::Error) -> bool {
    is_out_of_descriptors(error) || error.kind() == io::ErrorKind::OutOfMemory
}
