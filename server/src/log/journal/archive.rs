//! Reads what memory no longer holds from the files of the journal. The thread of whoever asks reads; the
//! broadcaster never does.
//!
//! A small index has a place in the files for each 64 KiB, so a reader scans no more than that before it is
//! at its event. It reads no event that is not committed: its caller says where the committed ones end.

use super::{
    disk::{Disk, DiskFile},
    name_of,
    record::{records, Record},
    sector::{Seal, SECTOR},
    segment::read_batch_at,
};
use crate::log::Audience;
use chat_common::protocol::Event;
use std::{
    collections::VecDeque,
    io,
    ops::ControlFlow,
    sync::{Arc, PoisonError, RwLock},
};

/// How far two places of the index are apart at least, in sectors.
const INDEX_SECTORS: u32 = 128;

/// The files of a journal, for reading. Clones share the index.
#[derive(Debug)]
pub(crate) struct Archive<D: Disk> {
    disk: Arc<D>,
    salt: [u8; 16],
    /// Protects the index. Nobody reads a file under this lock.
    files: RwLock<VecDeque<IndexedFile>>,
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
    /// When its newest event was, in milliseconds since the Unix epoch.
    pub(super) newest: u64,
    /// The first event and the first sector of some batches.
    places: Vec<(u64, u32)>,
}

impl IndexedFile {
    pub(super) fn new(first: u64, sectors: u32) -> IndexedFile {
        IndexedFile { first, sectors, end: 0, newest: 0, places: Vec::new() }
    }

    /// Adds a batch that begins with the event `first` at the sector `sector`.
    pub(super) fn add(&mut self, first: u64, sector: u32) {
        if self.places.last().is_none_or(|(_, last)| sector - last >= INDEX_SECTORS) {
            self.places.push((first, sector));
        }
    }
}

/// A part of a file: from one place of the index to the next.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    file: u64,
    from: u32,
    to: u32,
}

impl<D: Disk> Archive<D> {
    pub(super) fn new(disk: Arc<D>, salt: [u8; 16], files: VecDeque<IndexedFile>) -> Archive<D> {
        Archive { disk, salt, files: RwLock::new(files) }
    }

    /// Changes the index. Only the writer of the journal may.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut VecDeque<IndexedFile>) -> R) -> R {
        change(&mut self.files.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the sequence number of the oldest event.
    pub(crate) fn first(&self) -> u64 {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        files.front().map_or(u64::MAX, |file| file.first)
    }

    /// Returns all stretches that may hold events from `from` to before `end`, in order.
    fn stretches(&self, from: u64, end: u64) -> Vec<Stretch> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<(u64, Stretch)> = Vec::new();
        for file in files.iter().filter(|file| file.first < end) {
            let starts = file.places.iter().map(|(_, sector)| *sector);
            let ends = starts.skip(1).chain([file.end]);
            for ((first, from), to) in file.places.iter().zip(ends) {
                found.push((*first, Stretch { file: file.first, from: *from, to }));
            }
        }
        let past = found.partition_point(|(first, _)| *first <= from).saturating_sub(1);
        let found = found.split_off(past);
        found.into_iter().filter(|(first, _)| *first < end).map(|(_, stretch)| stretch).collect()
    }

    /// Passes the events of a stretch to `each`, until it breaks.
    fn read_stretch(
        &self,
        stretch: Stretch,
        each: &mut dyn FnMut(Audience, Event) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        let file = self.disk.open(&name_of(stretch.file))?;
        let seal = Seal { salt: self.salt, segment: stretch.file };
        let mut bytes = vec![0; (stretch.to - stretch.from) as usize * SECTOR];
        file.read_at(&mut bytes, u64::from(stretch.from) * SECTOR as u64)?;
        let (mut number, mut data) = (stretch.from, Vec::new());
        while number < stretch.to {
            // What is not whole is not to be read: the journal was whole when it was opened.
            let Some(next) = read_batch_at(&seal, &bytes, stretch.from, number, &mut data) else { break };
            for record in records(&data) {
                if let Record::Event { audience, event, .. } = record.map_err(io::Error::other)? {
                    if each(audience, event).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            number = next;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Passes the events from `from` to before `end` to `each`, oldest first, until it breaks.
    ///
    /// # Blocking
    /// On the disk.
    ///
    /// # Errors
    /// When a file cannot be read. It may have been dropped meanwhile.
    pub(crate) fn read(
        &self,
        from: u64,
        end: u64,
        each: &mut dyn FnMut(Audience, Event) -> ControlFlow<()>,
    ) -> io::Result<()> {
        for stretch in self.stretches(from, end) {
            let read = self.read_stretch(stretch, &mut |audience, event| match event.sequence {
                sequence if sequence >= end => ControlFlow::Break(()),
                sequence if sequence < from => ControlFlow::Continue(()),
                _ => each(audience, event),
            })?;
            if read.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Passes the events before `end` to `each`, newest first, until it breaks.
    ///
    /// # Blocking
    /// On the disk.
    ///
    /// # Errors
    /// When a file cannot be read. It may have been dropped meanwhile.
    pub(crate) fn read_back(
        &self,
        end: u64,
        each: &mut dyn FnMut(Audience, Event) -> ControlFlow<()>,
    ) -> io::Result<()> {
        for stretch in self.stretches(0, end).into_iter().rev() {
            let mut events = Vec::new();
            let _ = self.read_stretch(stretch, &mut |audience, event| {
                if event.sequence >= end {
                    return ControlFlow::Break(());
                }
                events.push((audience, event));
                ControlFlow::Continue(())
            })?;
            for (audience, event) in events.into_iter().rev() {
                if each(audience, event).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
