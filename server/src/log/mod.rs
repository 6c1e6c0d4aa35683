//! The log of the room: every event, encoded once, in one order. Each recipient has a cursor in it: the
//! sequence number of the next event that it gets.
//!
//! New events, history for a new member, and the events that a resumed session missed are all read in one
//! way: from a cursor on. The log is bounded. If it no longer holds the event at a cursor, the recipient
//! is told which events it missed.
//!
//! An event gets its sequence number when it is staged ([`StagedBatch`]). It is visible when its batch is
//! appended. Only the broadcaster stages and appends. Any thread may read. A reader holds the read lock
//! while it copies, and must not block under it.
//!
//! Go: the original has no log. Each message is in the goroutines that send it, so the scheduler decides
//! its order.

pub(crate) mod counters;
#[cfg(feature = "seeded-bugs")]
mod seeded;
mod staged;
pub(crate) mod sync;
#[cfg(test)]
mod tests;

use crate::settings::Limits;
use chat_common::{
    batch::Batch,
    protocol::{Event, EventKind},
};
use counters::Counters;
use staged::{encode_event, Entry};
pub(crate) use staged::{Audience, StagedBatch};
use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError},
};
use sync::{RwLock, RwLockReadGuard};

/// The log with its lock, and the counters. Clones share both.
#[derive(Clone, Debug)]
pub(crate) struct SharedLog {
    /// Protects the log. Only the broadcaster writes.
    log: Arc<RwLock<Log>>,
    pub(crate) counters: Arc<Counters>,
}

impl SharedLog {
    /// Returns an empty log with the bounds of `limits`.
    pub(crate) fn new(limits: &Limits) -> SharedLog {
        let log = Log {
            entries: VecDeque::new(),
            first: 1,
            bytes: 0,
            max_entries: limits.log_messages,
            max_bytes: limits.log_size.0,
            ended: false,
            #[cfg(feature = "seeded-bugs")]
            seeded: limits.seeded,
        };
        SharedLog { log: Arc::new(RwLock::new(log)), counters: Arc::default() }
    }

    /// Locks the log for reading. Several readers may hold the lock at a time.
    ///
    /// # Blocking
    /// On an append, which is short.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Log> {
        // Invariant: an append cannot panic between two changes that belong together, so a poisoned log
        // is valid.
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an empty batch. Its first event will follow the last event of the log.
    pub(crate) fn stage(&self) -> StagedBatch {
        StagedBatch::new(self.read().next())
    }

    /// Makes a batch visible. If the log is then too large, its oldest events go.
    ///
    /// # Blocking
    /// On readers, which only copy.
    pub(crate) fn append(&self, batch: StagedBatch) {
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        for entry in batch.entries {
            log.append(entry);
        }
    }
}

/// A bounded sequence of encoded events.
#[derive(Debug)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    /// The sequence number of the oldest entry, or of the next one if there is none. The first event has
    /// 1.
    pub(crate) first: u64,
    /// The memory of the entries, in bytes.
    pub(crate) bytes: usize,
    max_entries: usize,
    max_bytes: usize,
    ended: bool,
    #[cfg(feature = "seeded-bugs")]
    seeded: crate::settings::seeded::Seeded,
}

impl Log {
    /// Returns the sequence number of the next event.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Returns whether the last event is the room's end.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Adds one event. The newest event always stays, even if it alone is too large.
    fn append(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.ended = entry.ends_the_room;
        self.entries.push_back(entry);
        while self.entries.len() > 1 && (self.entries.len() > self.max_entries || self.bytes > self.max_bytes)
        {
            if let Some(oldest) = self.entries.pop_front() {
                self.bytes -= oldest.bytes();
                self.first += 1;
            }
        }
    }

    /// Reads from `cursor` on: copies into `batch` the events that the session `reader` receives, while
    /// the payload has at most `limit` bytes. It moves the cursor behind the last event that it read. The
    /// cursor is [`Log::next`] when nothing is left.
    pub(crate) fn read_into(&self, cursor: &mut u64, reader: u64, limit: usize, batch: &mut Batch) {
        if *cursor < self.first {
            let time = self.entries.front().map_or(0, |entry| entry.time);
            let kind = EventKind::Missed { first: *cursor };
            if !batch.push(&encode_event(&Event { sequence: self.first - 1, time, kind }), limit) {
                return;
            }
            *cursor = self.first;
        }
        let start = (*cursor - self.first) as usize;
        for entry in self.entries.range(start.min(self.entries.len())..) {
            #[cfg(feature = "seeded-bugs")]
            let Some(entry) = self.seeded_entry(*cursor, reader, entry) else {
                *cursor += 1;
                continue;
            };
            if entry.audience.includes(reader) && !batch.push(&entry.encoded, limit) {
                return;
            }
            *cursor += 1;
        }
    }

    /// Returns the cursor from which `reader` gets its last `count` messages, and the other events
    /// between them. Returns `None` if there is no message for it.
    pub(crate) fn position_before(&self, count: usize, reader: u64) -> Option<u64> {
        let messages = self
            .entries
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, entry)| entry.is_message && entry.audience.includes(reader));
        messages.take(count).last().map(|(index, _)| self.first + index as u64)
    }

    /// Returns the last `count` messages that the session `reader` may read, its own included. They are
    /// encoded, and the oldest is first. Together they have at most `limit` bytes.
    pub(crate) fn last_messages(&self, count: usize, reader: u64, limit: usize) -> Vec<&[u8]> {
        let mut bytes = 0;
        let readable =
            |audience| matches!(audience, Audience::AllBut(_)) || audience == Audience::Only(reader);
        let mut found: Vec<&[u8]> = (self.entries.iter().rev())
            .filter(|entry| entry.is_message && readable(entry.audience))
            .take(count)
            .map(|entry| &*entry.encoded)
            .take_while(|encoded| {
                bytes += encoded.len();
                bytes <= limit
            })
            .collect();
        found.reverse();
        found
    }
}
