//! Bugs on purpose, for the tests of the journal's tests. Each breaks the promise that nothing is taken back.

// A test ends here if the model of the disk fails.
#![allow(clippy::unwrap_used)]

use super::{
    disk::{Disk, DiskFile},
    read_all, JournalError,
};

/// A bug that a journal can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// A batch counts as committed before the disk has it.
    NoSync,
    /// A failed sync is tried again.
    RetriedSync,
    /// Damage at the end is taken for what a crash leaves, and is cut.
    CutDamage,
    /// A batch begins in the page in which the one before it ends, and writes that page again.
    PageWrittenTwice,
    /// The first event after opening gets the number of the last one before.
    NumberUsedTwice,
}

/// Cuts a journal where it is damaged, as if a crash had left it so.
pub(super) fn cut_damage(disk: &impl Disk) {
    if let Err(JournalError::Damaged { file, offset, .. }) = read_all(disk, &mut |_| Ok(())) {
        let file = disk.open(&file).unwrap();
        let rest = file.length().unwrap() - offset;
        file.write_at(&vec![0; rest as usize], offset).unwrap();
        file.sync().unwrap();
    }
}
