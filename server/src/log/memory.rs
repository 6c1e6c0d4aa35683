//! What the room holds in memory of its log: the newest events, encoded. Any thread that holds the log's lock
//! may use it; it only looks and copies.

use super::{
    bounded_log::BoundedLog,
    staged::{encode_event, Class, Entry},
    Reader,
};
use crate::settings::Limits;
use chat_common::wire::{
    batch::Batch,
    protocol::{Event, EventKind},
};
use std::iter;

/// A bounded sequence of encoded events.
#[derive(Debug)]
pub(crate) struct Log {
    /// Messages, actions, private messages, notices, and the room's end.
    said: BoundedLog,
    /// Who joined, left, came back, or has a new name.
    ///
    /// Invariant: no event here is older than the newest that was dropped from `said`.
    membership: BoundedLog,
    /// The sequence number of the next event. The first event has 1.
    next: u64,
    ended: bool,
    #[cfg(feature = "seeded-bugs")]
    pub(crate) seeded: crate::settings::seeded::Seeded,
}

impl Log {
    /// Returns an empty log with the bounds of `limits`.
    pub(crate) fn new(limits: &Limits) -> Log {
        // Three quarters of the memory are for what was said, which is longer.
        let (count, quarter) = (limits.log_messages, limits.log_size.0 / 4);
        Log {
            said: BoundedLog::new(count, limits.log_size.0 - quarter),
            membership: BoundedLog::new(count, quarter),
            next: 1,
            ended: false,
            #[cfg(feature = "seeded-bugs")]
            seeded: limits.seeded,
        }
    }

    /// Lets the log begin at an event that is not the first of the room.
    pub(crate) fn begin_at(&mut self, sequence: u64) {
        (self.next, self.said.dropped) = (sequence, sequence - 1);
    }

    /// Returns the sequence number of the next event.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Returns the sequence number from which on the log holds everything that was said.
    pub(crate) fn first(&self) -> u64 {
        self.said.dropped + 1
    }

    /// Returns the memory of the events, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.said.bytes + self.membership.bytes
    }

    /// Returns whether the last event is the room's end.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Adds one event. The newest event always stays.
    pub(crate) fn append(&mut self, entry: Entry) {
        self.next = entry.sequence + 1;
        self.ended = entry.class == Class::End;
        if entry.class == Class::Membership {
            self.membership.append(entry);
        } else {
            self.said.append(entry);
            self.membership.drop_up_to(self.said.dropped);
        }
    }

    /// Returns the events with `sequence` or a higher one, oldest first.
    pub(crate) fn from(&self, sequence: u64) -> impl Iterator<Item = &Entry> {
        let (mut said, mut membership) =
            (self.said.from(sequence).peekable(), self.membership.from(sequence).peekable());
        iter::from_fn(move || match (said.peek(), membership.peek()) {
            (Some(one), Some(other)) if one.sequence < other.sequence => said.next(),
            (Some(_), None) => said.next(),
            _ => membership.next(),
        })
    }

    /// Reads from `cursor` on: copies into `batch` the events that `reader` receives, while the payload has
    /// at most `limit` bytes. It moves the cursor behind the last event that it read. The cursor is
    /// [`Log::next`] when nothing is left.
    pub(crate) fn read_into(&self, cursor: &mut u64, reader: Reader, limit: usize, batch: &mut Batch) {
        if *cursor <= self.said.dropped {
            if !batch.push(&self.missed(*cursor, self.said.dropped, true), limit) {
                return;
            }
            *cursor = self.first();
        }
        for entry in self.from(*cursor) {
            // Every number that stands in neither part was dropped from `membership`.
            *cursor = (*cursor).max(reader.membership_from.min(entry.sequence));
            if *cursor < entry.sequence {
                if !batch.push(&self.missed(*cursor, entry.sequence - 1, false), limit) {
                    return;
                }
                *cursor = entry.sequence;
            }
            #[cfg(feature = "seeded-bugs")]
            let Some(entry) = self.seeded_entry(*cursor, reader.session, entry) else {
                *cursor += 1;
                continue;
            };
            if reader.reads(entry) && !batch.push(&entry.encoded, limit) {
                return;
            }
            *cursor += 1;
        }
    }

    /// Returns what a reader gets in the place of the events from `first` to `last`, which are gone, encoded.
    /// `messages` is whether messages may be among them.
    pub(crate) fn missed(&self, first: u64, last: u64, messages: bool) -> Box<[u8]> {
        let time = self.from(last).next().map_or(0, |entry| entry.time);
        encode_event(&Event { sequence: last, time, kind: EventKind::Missed { first, messages } })
    }

    /// Returns how many messages to everybody there are, and the sequence number of the oldest.
    pub(crate) fn said_to_everybody(&self) -> (usize, Option<u64>) {
        let oldest = || self.said.from(0).find(|entry| entry.is_said_to_everybody());
        let count = self.said.said_to_everybody;
        (count, (count > 0).then(oldest).flatten().map(|entry| entry.sequence))
    }

    /// Returns what was said with a lower sequence number than `sequence`, oldest first.
    pub(crate) fn said_before(&self, sequence: u64) -> impl DoubleEndedIterator<Item = &Entry> {
        self.said.before(sequence)
    }
}
