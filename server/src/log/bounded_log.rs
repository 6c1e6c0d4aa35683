//! One of the two parts of the log: a bounded sequence of events that are kept or dropped together, oldest
//! first. Any thread that holds the log's lock may use it; it never blocks.

use super::staged::Entry;
use std::collections::VecDeque;

/// Events in the order of their sequence numbers. Numbers that are missing are in the other part, or were
/// dropped.
#[derive(Debug)]
pub(crate) struct BoundedLog {
    entries: VecDeque<Entry>,
    /// The memory of the entries, in bytes.
    pub(crate) bytes: usize,
    /// How many of the entries are messages to everybody.
    pub(crate) said_to_everybody: usize,
    /// The sequence number of the newest event that was dropped from here, or 0.
    pub(crate) dropped: u64,
    max_entries: usize,
    max_bytes: usize,
}

impl BoundedLog {
    pub(crate) fn new(max_entries: usize, max_bytes: usize) -> BoundedLog {
        BoundedLog {
            entries: VecDeque::new(),
            bytes: 0,
            said_to_everybody: 0,
            dropped: 0,
            max_entries,
            max_bytes,
        }
    }

    /// Adds the newest event, and drops the oldest ones that are too many. The newest always stays, even
    /// if it alone is too large.
    pub(crate) fn append(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.said_to_everybody += usize::from(entry.is_said_to_everybody());
        self.entries.push_back(entry);
        while self.entries.len() > 1 && (self.entries.len() > self.max_entries || self.bytes > self.max_bytes)
        {
            self.drop_oldest();
        }
    }

    /// Drops the events up to `sequence`.
    pub(crate) fn drop_up_to(&mut self, sequence: u64) {
        while self.entries.front().is_some_and(|oldest| oldest.sequence <= sequence) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= oldest.bytes();
            self.said_to_everybody -= usize::from(oldest.is_said_to_everybody());
            self.dropped = oldest.sequence;
        }
    }

    /// Returns the events with `sequence` or a higher one, oldest first.
    pub(crate) fn from(&self, sequence: u64) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.range(self.entries.partition_point(|entry| entry.sequence < sequence)..)
    }

    /// Returns the events with a lower sequence than `sequence`, oldest first.
    pub(crate) fn before(&self, sequence: u64) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.range(..self.entries.partition_point(|entry| entry.sequence < sequence))
    }
}
