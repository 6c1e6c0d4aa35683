//! The end of a journal, from which the next server goes on. It is written again before it counts, and what
//! is cut is kept in files beside.
//!
//! Each function waits for the disk.

use super::{
    archive::IndexedFile,
    clock::EventTimes,
    disk::{Disk, DiskFile},
    filler::write_zeros,
    is_full, name_of, on_disk,
    sector::{PAGE, PAGE_SECTORS, SECTOR},
    segment::Header,
    JournalError,
};
use log::warn;
use std::{collections::VecDeque, io};

/// The end of a journal.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) header: Header,
    /// The bytes of the last whole batch.
    pub(super) batch: Vec<u8>,
    /// The sector after it.
    pub(super) end: u32,
    pub(super) chain: u32,
    /// The bytes of a torn batch behind it.
    pub(super) torn: Option<Vec<u8>>,
    /// The sequence number of the next event.
    pub(super) next: u64,
    pub(super) files: VecDeque<IndexedFile>,
    pub(super) times: EventTimes,
}

impl Last {
    /// Returns the length of a torn batch, up to its last sector that is there.
    pub(super) fn torn_bytes(&self) -> Option<usize> {
        self.torn.as_ref().map(Vec::len)
    }

    /// Copies a torn batch to a file beside, unless the disk is full: nobody was told of that batch. Returns
    /// the file's name.
    pub(super) fn keep_torn<D: Disk>(&self, disk: &D) -> Result<Option<String>, JournalError> {
        let Some(bytes) = &self.torn else { return Ok(None) };
        let offset = u64::from(self.end) * SECTOR as u64;
        match keep_beside(disk, format!("{}.torn-{offset}", name_of(self.header.first)), bytes) {
            Err(JournalError::Disk { file, error }) if is_full(&error) => {
                warn!("a batch that nobody was told of is cut, and there is no space to keep it: {error}");
                // It may not even have a name.
                let _ = disk.remove(&file);
                Ok(None)
            }
            kept => kept.map(Some),
        }
    }

    /// Writes the last batch again, and zeros behind it up to the sector `to`. When this returns, the disk
    /// has both, and what was torn is cut. Returns the file, and up to which sector it has space.
    ///
    /// The server before may have ended because a sync failed. Then the disk does not have what it wrote.
    /// The system still shows it to a reader, and writes it no more: a sync alone would do nothing.
    /// Everything before the last batch was synced without an error.
    ///
    /// Invariant: the batch either is on the disk, or nobody was told of it. In the first case the same bytes
    /// take the place of themselves, so a crash in the middle tears nothing that somebody was told of.
    pub(super) fn write_again<D: Disk>(&self, disk: &D, to: u32) -> Result<(D::File, u32), JournalError> {
        let name = name_of(self.header.first);
        let file = disk.open(&name).map_err(on_disk(&name))?;
        let offset = u64::from(self.end) * SECTOR as u64;
        let rest = u64::from(to) * SECTOR as u64 - offset;
        let space = file
            .write_at(&self.batch, offset - self.batch.len() as u64)
            .and_then(|()| write_zeros(&file, offset, rest))
            .map_or_else(|error| self.space_on_full_disk(&file, to, error), |()| Ok(self.header.sectors))
            .and_then(|space| file.sync().map(|()| space))
            .map_err(on_disk(&name))?;
        Ok((file, space))
    }

    /// Returns up to which sector, `to` at most, zeros can be written behind the last batch, after the disk
    /// was full in that with `error`. A copy of a journal may have no space for its zeros, and the system may
    /// allow shorter files than when this one was made.
    ///
    /// # Errors
    /// Any other `error`, or this one where the torn batch cannot be cut.
    fn space_on_full_disk(&self, file: &impl DiskFile, to: u32, error: io::Error) -> io::Result<u32> {
        let torn = self.torn_bytes().unwrap_or_default();
        let torn_end = self.end + torn.div_ceil(PAGE) as u32 * PAGE_SECTORS;
        let takes_zeros = |page: u32| file.write_at(&[0; PAGE], u64::from(page) * SECTOR as u64).is_ok();
        let mut pages = (self.end..to).step_by(PAGE_SECTORS as usize);
        let space = pages.find(|page| !takes_zeros(*page)).unwrap_or(to);
        if is_full(&error) && space >= torn_end {
            Ok(space)
        } else {
            Err(error)
        }
    }
}

/// Makes a file with these bytes beside the journal. Returns its name: `name`, or one like it that no file
/// has, because what was cut before is kept, too.
pub(super) fn keep_beside<D: Disk>(disk: &D, name: String, bytes: &[u8]) -> Result<String, JournalError> {
    let name = free_name(disk, name)?;
    let file = disk.create(&name).map_err(on_disk(&name))?;
    let kept = file.write_at(bytes, 0).and_then(|()| file.sync()).and_then(|()| disk.sync_names());
    kept.map_err(on_disk(&name))?;
    Ok(name)
}

/// Returns `name`, or with a number behind it, so that no file has it.
pub(super) fn free_name<D: Disk>(disk: &D, name: String) -> Result<String, JournalError> {
    let names = disk.names().map_err(on_disk("."))?;
    let numbered = (2..).map(|number| format!("{name}.{number}"));
    let mut possible = std::iter::once(name.clone()).chain(numbered);
    Ok(possible.find(|name| !names.contains(name)).unwrap_or(name))
}

/// The file that is there for a moment when a journal is opened.
pub(super) const PROBE: &str = "probe";

/// Returns when the names of all files are on the disk, those too that the server before has changed. A sync
/// that failed there has left them as [`Last::write_again`] says, so the directory is changed first.
pub(super) fn settle_names<D: Disk>(disk: &D) -> Result<(), JournalError> {
    match disk.create(PROBE).and_then(|_| disk.remove(PROBE)) {
        // A full disk may have no space for a name.
        Err(error) if !is_full(&error) => return Err(on_disk(PROBE)(error)),
        _ => disk.sync_names().map_err(on_disk(".")),
    }
}
