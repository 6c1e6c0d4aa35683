//! The model of a disk, and of the system's memory of it. A crash of the machine keeps any part of what was
//! not synced.
//!
//! A write that was not synced may be on the disk afterwards, sector by sector, in any order. A name that was
//! not synced may be there or not, each by itself.
//!
//! A sync writes the pages that were written since the last one. If it fails, the disk has any part of them,
//! and the system calls them clean: later syncs write them no more. Whoever reads sees them until the machine
//! starts anew, or until the system needs their memory. The directory is one such page.

use super::{
    super::{
        disk::{Disk, DiskFile},
        last::PROBE,
        sector::{Tag, PAGE, SECTOR},
    },
    bugs::Bug,
};
use std::{
    collections::{BTreeMap, BTreeSet},
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
    /// Whether the next sync of the names writes them.
    names_are_dirty: bool,
    faults: Faults,
    is_killed: bool,
    /// The bug of the journal that uses the disk.
    bug: Option<Bug>,
    /// Decides what is left of something that fails.
    random: Random,
    syncs: u64,
    /// The most bytes that were read at once.
    longest_read: usize,
}

/// What is going to fail. Each number counts down, and 0 fails.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// How many more changes and syncs there are before the program is killed.
    pub(super) kill: Option<u64>,
    /// How many more syncs there are before the disk fails in one.
    pub(super) sync: Option<u64>,
    /// How many more writes there are before the disk fails in one.
    pub(super) write: Option<u64>,
    /// How many more bytes files may grow.
    pub(super) space: Option<u64>,
    /// How many times there is no space for the new name of a file.
    pub(super) names: u64,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    /// What a reader sees.
    now: Vec<u8>,
    /// What is on the disk.
    synced: Vec<u8>,
    /// The pages that the next sync writes.
    dirty: BTreeSet<usize>,
}

/// Random numbers that a seed repeats (xorshift64*).
#[derive(Clone, Debug)]
pub(super) struct Random(pub(super) u64);

impl Default for Random {
    fn default() -> Random {
        Random(0x5eed)
    }
}

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

    /// Returns a disk for a journal with a bug.
    pub(super) fn of(bug: Option<Bug>) -> ModelDisk {
        ModelDisk(Arc::new(Mutex::new(State { bug, ..State::default() })))
    }

    /// Whether the journal that uses the disk has this bug.
    pub(super) fn has(&self, bug: Bug) -> bool {
        self.lock().bug == Some(bug)
    }

    /// Lets this many more changes and syncs succeed, and then kills the program.
    pub(super) fn kill_after(&self, operations: u64) {
        self.fail(Faults { kill: Some(operations), ..Faults::default() });
    }

    /// Lets the next sync fail.
    pub(super) fn fail_next_sync(&self) {
        self.fail(Faults { sync: Some(0), ..Faults::default() });
    }

    /// Lets these fail, and nothing else.
    pub(super) fn fail(&self, faults: Faults) {
        let mut state = self.lock();
        (state.faults, state.is_killed) = (faults, false);
    }

    /// The program has ended, and another begins. Nothing fails any more. The system has forgotten some of
    /// the pages that it need not write.
    pub(super) fn restarted(&self, random: &mut Random) {
        let mut state = self.lock();
        (state.faults, state.is_killed) = (Faults::default(), false);
        state.random = Random(random.below(1 << 30) + 1);
        for file in state.names.values().copied().collect::<Vec<_>>() {
            state.files[file].forget(random);
        }
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
    fn holding(bug: Option<Bug>, files: Vec<Contents>, names: BTreeMap<String, usize>) -> ModelDisk {
        let synced_names = names.clone();
        ModelDisk(Arc::new(Mutex::new(State { bug, files, names, synced_names, ..State::default() })))
    }

    /// Returns the disk as a crash of the machine leaves it.
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
        ModelDisk::holding(state.bug, files, names)
    }

    /// Returns the bytes of a file, for a test that changes them.
    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        let state = self.lock();
        state.files[state.names[name]].now.clone()
    }

    /// Flips a bit of a file, in the system's memory of it as on the disk.
    pub(super) fn flip_bit(&self, name: &str, random: &mut Random) {
        let mut state = self.lock();
        let id = state.names[name];
        let Contents { now, synced, .. } = &mut state.files[id];
        let (place, bit) = (random.below(now.len() as u64) as usize, random.below(8));
        for bytes in [now, synced] {
            bytes.get_mut(place).into_iter().for_each(|byte| *byte ^= 1 << bit);
        }
    }

    /// Returns a copy of the disk on which this file has other bytes.
    pub(super) fn with(&self, name: &str, bytes: Vec<u8>) -> ModelDisk {
        let state = self.lock();
        let mut files = state.files.clone();
        files[state.names[name]] = Contents { synced: bytes.clone(), now: bytes, ..Contents::default() };
        let names = state.names.clone();
        ModelDisk::holding(state.bug, files, names)
    }
}

impl Contents {
    /// Puts a part of what was not synced on the disk, sector by sector: all of it, nothing, or any.
    fn write_back_some(&mut self, random: &mut Random) {
        if self.dirty.is_empty() {
            return;
        }
        // The length of a file that grew is there or not, like a sector.
        if self.now.len() > self.synced.len() && random.below(2) == 0 {
            self.synced.resize(self.now.len(), 0);
        }
        let mode = random.below(4);
        let sectors = self.dirty.iter().flat_map(|page| (page * PAGE..(page + 1) * PAGE).step_by(SECTOR));
        for start in sectors {
            let end = (start + SECTOR).min(self.now.len());
            let keeps = mode == 0 || mode > 1 && random.below(2) == 0;
            if keeps && start < end && end <= self.synced.len() {
                self.synced[start..end].copy_from_slice(&self.now[start..end]);
            }
        }
    }

    /// Forgets some of the pages that need not be written.
    fn forget(&mut self, random: &mut Random) {
        if random.below(3) > 0 {
            return;
        }
        let length = self.now.len().min(self.synced.len());
        for page in (0..length.div_ceil(PAGE)).filter(|page| !self.dirty.contains(page)) {
            let range = page * PAGE..((page + 1) * PAGE).min(length);
            if self.now[range.clone()] != self.synced[range.clone()] && random.below(2) == 0 {
                self.now[range.clone()].copy_from_slice(&self.synced[range]);
            }
        }
    }

    fn crashed(&self, random: &mut Random) -> Contents {
        let mut left = self.clone();
        left.write_back_some(random);
        Contents { now: left.synced.clone(), synced: left.synced, dirty: BTreeSet::new() }
    }
}

/// Counts down, and returns whether this is the one that fails.
fn is_due(left: &mut Option<u64>) -> bool {
    let is_due = *left == Some(0);
    *left = left.and_then(|left| left.checked_sub(1));
    is_due
}

fn failure() -> io::Error {
    io::Error::other("the disk failed")
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
    /// Counts one change or sync.
    fn spend(&mut self) -> io::Result<()> {
        self.is_killed |= is_due(&mut self.faults.kill);
        if self.is_killed {
            Err(io::Error::other("the program was killed"))
        } else {
            Ok(())
        }
    }

    /// Counts one sync. Returns whether the disk fails in it. After that it says that all is well.
    fn sync_fails(&mut self) -> io::Result<bool> {
        self.spend()?;
        self.syncs += 1;
        Ok(is_due(&mut self.faults.sync))
    }

    fn change(&mut self, change: Vec<(String, Option<usize>)>) {
        apply(&change, &mut self.names);
        self.name_changes.push(change);
        self.names_are_dirty = true;
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
        if name == PROBE && state.bug == Some(Bug::BelievedNames) {
            return Ok(ModelFile { id: usize::MAX, disk: self.clone() });
        }
        state.spend()?;
        if let Ok(id) = state.id(name) {
            // The name stays as it is, and the disk has the old bytes up to the next sync.
            state.files[id].now.clear();
            state.files[id].dirty.clear();
            return Ok(ModelFile { id, disk: self.clone() });
        }
        state.files.push(Contents::default());
        let id = state.files.len() - 1;
        state.change(vec![(name.to_owned(), Some(id))]);
        Ok(ModelFile { id, disk: self.clone() })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.spend()?;
        if let Some(left) = state.faults.names.checked_sub(1) {
            state.faults.names = left;
            return Err(io::ErrorKind::StorageFull.into());
        }
        let id = state.id(from)?;
        state.change(vec![(from.to_owned(), None), (to.to_owned(), Some(id))]);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        if name == PROBE && state.bug == Some(Bug::BelievedNames) {
            return Ok(());
        }
        state.spend()?;
        state.change(vec![(name.to_owned(), None)]);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.lock();
        let fails = state.sync_fails()?;
        if std::mem::take(&mut state.names_are_dirty) && !fails {
            state.synced_names = state.names.clone();
            state.name_changes.clear();
        }
        if fails {
            Err(failure())
        } else {
            Ok(())
        }
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
        if bytes.first() != Some(&(Tag::First as u8)) {
            return self.write(bytes, offset);
        }
        // These are the batches.
        if self.disk.has(Bug::BelievedSync) && self.is_there(bytes, offset) {
            return Ok(());
        }
        if self.disk.has(Bug::PageWrittenTwice) {
            let before = offset - PAGE as u64;
            let mut page = vec![0; PAGE];
            self.read_at(&mut page, before)?;
            // The old page is gone for the moment between the two writes.
            self.write(&vec![0; PAGE], before)?;
            self.sync()?;
            page.extend(bytes);
            return self.write(&page, before);
        }
        self.write(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let state = &mut *state;
        if state.bug == Some(Bug::NoSync) {
            return Ok(());
        }
        let fails = state.sync_fails()?;
        let file = &mut state.files[self.id];
        if fails {
            file.write_back_some(&mut state.random);
            file.dirty.clear();
            file.forget(&mut state.random);
            // The second sync has nothing to write.
            return if state.bug == Some(Bug::RetriedSync) { Ok(()) } else { Err(failure()) };
        }
        file.synced.resize(file.now.len(), 0);
        for page in std::mem::take(&mut file.dirty) {
            let range = page * PAGE..((page + 1) * PAGE).min(file.now.len());
            file.synced[range.clone()].copy_from_slice(&file.now[range]);
        }
        Ok(())
    }
}

impl ModelFile {
    fn is_there(&self, bytes: &[u8], offset: u64) -> bool {
        let state = self.disk.lock();
        state.files[self.id].now[offset as usize..].starts_with(bytes)
    }

    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let state = &mut *state;
        let spent = state.spend();
        let (file, start) = (&mut state.files[self.id], offset as usize);
        let grows = (start + bytes.len()).saturating_sub(file.now.len()) as u64;
        let written = if spent.is_err() {
            spent
        } else if is_due(&mut state.faults.write) {
            Err(failure())
        } else if state.faults.space.is_some_and(|space| space < grows) {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        };
        if let Some(space) = &mut state.faults.space {
            *space = space.saturating_sub(grows);
        }
        // A write that fails, or during which the program dies, has done a part.
        let done = match written {
            Ok(()) => bytes.len(),
            Err(_) => state.random.below(bytes.len() as u64 + 1) as usize / SECTOR * SECTOR,
        };
        let end = start + done;
        file.now.resize(file.now.len().max(end), 0);
        file.now[start..end].copy_from_slice(&bytes[..done]);
        file.dirty.extend(start / PAGE..end.div_ceil(PAGE));
        written
    }
}
