//! Bugs on purpose in reading the log. Runs on the thread of any reader.

use super::{memory::Log, Entry};
use crate::settings::seeded::Bug;

impl Log {
    /// Returns the entry that a broken log reads at `cursor`, or `None` where it skips one.
    pub(super) fn seeded_entry<'a>(
        &'a self,
        cursor: u64,
        reader: u64,
        entry: &'a Entry,
    ) -> Option<&'a Entry> {
        if self.seeded.has(Bug::Drop) && cursor.is_multiple_of(100) {
            return None;
        }
        if self.seeded.has(Bug::Swap) && reader.is_multiple_of(2) {
            return Some(self.swapped(cursor).unwrap_or(entry));
        }
        Some(entry)
    }

    /// Returns the other entry of two that change places.
    fn swapped(&self, cursor: u64) -> Option<&Entry> {
        let other = match cursor % 10 {
            0 if cursor + 1 < self.next() => cursor + 1,
            1 => cursor - 1,
            _ => return None,
        };
        self.from(other).next().filter(|entry| entry.sequence == other)
    }
}
