//! The model of a disk. A crash keeps any part of what was not synced.
//!
//! A write that was not synced may be on the disk afterwards, sector by sector, in any order. A name that was
//! not synced may be there or not, each by itself.

use super::super::disk::{Disk, DiskFile};
use super::super::sector::SECTOR;
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

/// A disk in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct ModelDisk(Arc<Mutex<State>>);

/// An open file of it.
#[derive(Debug)]
pub(super) struct ModelFile {
    disk: ModelDisk,
    id: usize,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<Contents>,
    names: BTreeMap<String, usize>,
    /// The names that survive a crash in any case.
    synced_names: BTreeMap<String, usize>,
    /// What was done to the names since: the new value of each name.
    name_changes: Vec<Vec<(String, Option<usize>)>>,
    /// How many more writes and syncs succeed. The one after them crashes the program.
    budget: Option<u64>,
    syncs: u64,
    /// The most bytes that were read at once.
    longest_read: usize,
    /// The next sync fails and drops what was written. The one after it says that all is well.
    fails_sync: bool,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    now: Vec<u8>,
    synced: Vec<u8>,
}

/// Random numbers that a seed repeats (xorshift64*).
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit.max(1)
    }
}

impl ModelDisk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Lets this many more writes and syncs succeed, and then crashes.
    pub(super) fn crash_after(&self, operations: u64) {
        self.lock().budget = Some(operations);
    }

    /// Lets the next sync fail.
    pub(super) fn fail_next_sync(&self) {
        self.lock().fails_sync = true;
    }

    pub(super) fn longest_read(&self) -> usize {
        self.lock().longest_read
    }

    pub(super) fn forget_longest_read(&self) {
        self.lock().longest_read = 0;
    }

    pub(super) fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Returns a disk on which all of this is synced.
    fn holding(files: Vec<Contents>, names: BTreeMap<String, usize>) -> ModelDisk {
        let synced_names = names.clone();
        ModelDisk(Arc::new(Mutex::new(State { files, names, synced_names, ..State::default() })))
    }

    /// Returns the disk as a crash leaves it.
    pub(super) fn crashed(&self, random: &mut Random) -> ModelDisk {
        let state = self.lock();
        let mut names = state.synced_names.clone();
        for change in &state.name_changes {
            if random.below(2) == 0 {
                apply(change, &mut names);
            }
        }
        // A file without a name is gone. Without this, each crash would copy all files that ever were.
        let mut files = Vec::new();
        for id in names.values_mut() {
            files.push(state.files[*id].crashed(random));
            *id = files.len() - 1;
        }
        ModelDisk::holding(files, names)
    }

    /// Returns the bytes of a file, for a test that changes them.
    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        let state = self.lock();
        state.files[state.names[name]].now.clone()
    }

    /// Returns a copy of the disk on which this file has other bytes.
    pub(super) fn with(&self, name: &str, bytes: Vec<u8>) -> ModelDisk {
        let state = self.lock();
        let mut files = state.files.clone();
        files[state.names[name]] = Contents { synced: bytes.clone(), now: bytes };
        let names = state.names.clone();
        ModelDisk::holding(files, names)
    }
}

impl Contents {
    fn crashed(&self, random: &mut Random) -> Contents {
        let mut kept = self.synced.clone();
        // The length of a file that grew is there or not, like a sector.
        if self.now.len() > kept.len() && random.below(2) == 0 {
            kept.resize(self.now.len(), 0);
        }
        let mode = random.below(4);
        let length = kept.len();
        for (place, sector) in self.now.chunks(SECTOR).enumerate() {
            let range = place * SECTOR..(place * SECTOR + sector.len()).min(length);
            let keeps = mode == 0 || mode > 1 && random.below(2) == 0;
            if keeps
                && range.end.saturating_sub(range.start) == sector.len()
                && kept[range.clone()] != *sector
            {
                kept[range].copy_from_slice(sector);
            }
        }
        Contents { now: kept.clone(), synced: kept }
    }
}

fn apply(change: &[(String, Option<usize>)], names: &mut BTreeMap<String, usize>) {
    for (name, id) in change {
        match id {
            Some(id) => drop(names.insert(name.clone(), *id)),
            None => drop(names.remove(name)),
        }
    }
}

impl State {
    /// Counts one write or sync.
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.budget {
            None => Ok(()),
            Some(0) => Err(io::Error::other("crashed")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn change(&mut self, change: Vec<(String, Option<usize>)>) {
        apply(&change, &mut self.names);
        self.name_changes.push(change);
    }

    fn id(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for ModelDisk {
    type File = ModelFile;

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<ModelFile> {
        Ok(ModelFile { id: self.lock().id(name)?, disk: self.clone() })
    }

    fn create(&self, name: &str) -> io::Result<ModelFile> {
        let mut state = self.lock();
        state.spend()?;
        state.files.push(Contents::default());
        let id = state.files.len() - 1;
        state.change(vec![(name.to_owned(), Some(id))]);
        Ok(ModelFile { id, disk: self.clone() })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.spend()?;
        let id = state.id(from)?;
        state.change(vec![(from.to_owned(), None), (to.to_owned(), Some(id))]);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.spend()?;
        state.change(vec![(name.to_owned(), None)]);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.spend()?;
        state.synced_names = state.names.clone();
        state.name_changes.clear();
        Ok(())
    }
}

impl DiskFile for ModelFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[self.id].now.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.longest_read = state.longest_read.max(bytes.len());
        let from = &state.files[self.id].now[offset as usize..];
        bytes.copy_from_slice(from.get(..bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let spent = state.spend();
        let (file, end) = (&mut state.files[self.id].now, offset as usize + bytes.len());
        if file.len() < end {
            file.resize(end, 0);
        }
        // A write during which the program dies may have done a part.
        file[offset as usize..end].copy_from_slice(bytes);
        spent
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.spend()?;
        state.syncs += 1;
        let fails = std::mem::take(&mut state.fails_sync);
        let file = &mut state.files[self.id];
        if fails {
            file.now.clone_from(&file.synced);
            return Err(io::Error::other("the disk failed"));
        }
        file.synced.clone_from(&file.now);
        Ok(())
    }
}
