//! The log of the room: every event once, encoded, in one order. A recipient is a position in it.
//!
//! Live delivery, history for a newcomer and resumption are the same operation: read from a position. The log is bounded. When it
//! moves past a position, the recipient is told which events it missed.
//!
//! An event gets its sequence number when it is staged ([`StagedBatch`]), and is visible when its batch is appended. Only the
//! broadcaster stages and appends. Every thread may read; it holds the read lock while it copies, and nothing blocks under the lock.
//!
//! Go: the original keeps no log. A message lives in the goroutines that carry it, so its order is the scheduler's.

pub(crate) mod counters;
#[cfg(feature = "seeded-bugs")]
mod seeded;
mod staged;
pub(crate) mod sync;
#[cfg(test)]
mod tests;

use crate::settings::limits::Limits;
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

/// The log and its lock.
#[derive(Clone, Debug)]
pub(crate) struct SharedLog {
    log: Arc<RwLock<Log>>,
    pub(crate) counters: Arc<Counters>,
}

impl SharedLog {
    /// An empty log with the bounds of `limits`.
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

    /// Locks the log for reading, together with other readers.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Log> {
        // Invariant: an append is complete before anything in it can panic, so a poisoned log is whole.
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch for the events that follow the last one.
    pub(crate) fn stage(&self) -> StagedBatch {
        StagedBatch::new(self.read().next())
    }

    /// Makes a batch visible. The oldest events make room for it.
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
    /// The sequence number of the oldest entry, or of the next one when there is none. The first ever is 1.
    first: u64,
    /// The memory of the entries.
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
    ended: bool,
    #[cfg(feature = "seeded-bugs")]
    seeded: crate::settings::seeded::Seeded,
}

impl Log {
    /// The sequence number of the event that comes next.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The oldest sequence number that is still here.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The memory of the events, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the last event is the room's end.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Adds one event. The newest event stays, whatever its size.
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

    /// Moves `cursor` on and copies into `batch` what the session `reader` receives on the way, as long as the payload has at
    /// most `limit` bytes. The cursor stands at [`Log::next`] when there is no more.
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

    /// The position from which `reader` gets the last `count` messages, and the events between them.
    pub(crate) fn position_before(&self, count: usize, reader: u64) -> u64 {
        let messages = self
            .entries
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, entry)| entry.is_message && entry.audience.includes(reader));
        messages.take(count).last().map_or(self.next(), |(index, _)| self.first + index as u64)
    }

    /// The encodings of the last `count` messages that the session `reader` may read, its own among them, oldest first.
    /// Together they have at most `limit` bytes.
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
