//! Bugs on purpose, for the tests of the journal's tests. Each breaks the promise that nothing is taken back.
//!
//! The model of a disk has the most of them: it does what such a journal would do in place of what the
//! journal asks for.

use super::{
    super::disk::{Disk, DiskFile},
    model_disk::ModelDisk,
    *,
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
    /// What another server wrote last counts as committed after a sync alone.
    BelievedSync,
    /// The names that another server changed count as committed after a sync alone.
    BelievedNames,
}

impl Bug {
    pub(super) const ALL: [Bug; 7] = [
        Bug::NoSync,
        Bug::RetriedSync,
        Bug::CutDamage,
        Bug::PageWrittenTwice,
        Bug::NumberUsedTwice,
        Bug::BelievedSync,
        Bug::BelievedNames,
    ];
}

/// Cuts a journal where it is damaged, as if a crash had left it so.
pub(super) fn cut_damage(disk: &ModelDisk) {
    if let Err(JournalError::Damaged { file, offset, .. }) = read_all(disk, &mut |_| Ok(())) {
        let file = disk.open(&file).unwrap();
        let rest = file.length().unwrap() - offset;
        file.write_at(&vec![0; rest as usize], offset).unwrap();
        file.sync().unwrap();
    }
}
