//! The log of the room: every event, encoded once, in one order. Each recipient has a cursor in it: the
//! sequence number of the next event that it gets.
//!
//! New events, history for a new member, and the events that a resumed session missed are all read in one
//! way: from a cursor on. The log is bounded. If it no longer holds the event at a cursor, the event is read
//! from the journal. Without one, the recipient is told which events it missed.
//!
//! What was said and the comings and goings are bounded apart, each on a [`Shelf`] of its own. So a crowd
//! that comes and goes cannot push out what was said.
//!
//! An event gets its sequence number when it is staged ([`StagedBatch`]). It is visible when its batch is
//! appended. Only the broadcaster stages and appends. Any thread may read. A reader holds the read lock
//! while it copies, and must not block under it.
//!
//! Go: the original has no log. Each message is in the goroutines that send it, so the scheduler decides
//! its order.

pub(crate) mod counters;
pub(crate) mod journal;
#[cfg(feature = "seeded-bugs")]
mod seeded;
mod shelf;
mod staged;
pub(crate) mod sync;
#[cfg(test)]
mod tests;

use crate::settings::Limits;
use chat_common::{
    batch::Batch,
    error::is_out_of_descriptors,
    protocol::{Event, EventKind},
};
use counters::Counters;
use journal::{archive::Archive, disk::Directory};
use log::warn;
use shelf::Shelf;
use staged::{encode_event, restored, sequence_of, Class, Entry};
pub(crate) use staged::{Audience, StagedBatch};
use std::{
    collections::VecDeque,
    io, iter,
    ops::ControlFlow,
    sync::{Arc, PoisonError},
};
use sync::{RwLock, RwLockReadGuard};

/// The log with its lock, and the counters. Clones share both.
#[derive(Clone, Debug)]
pub(crate) struct SharedLog {
    /// Protects the log. Only the broadcaster writes.
    log: Arc<RwLock<Log>>,
    /// The journal's files. Only threads that may wait for the disk read them.
    archive: Option<Arc<Archive<Directory>>>,
    pub(crate) counters: Arc<Counters>,
}

impl SharedLog {
    /// Returns an empty log with the bounds of `limits`.
    pub(crate) fn new(limits: &Limits) -> SharedLog {
        // Three quarters of the memory are for what was said, which is longer.
        let (count, quarter) = (limits.log_messages, limits.log_size.0 / 4);
        let log = Log {
            said: Shelf::new(count, limits.log_size.0 - quarter),
            moves: Shelf::new(count, quarter),
            next: 1,
            ended: false,
            #[cfg(feature = "seeded-bugs")]
            seeded: limits.seeded,
        };
        SharedLog { log: Arc::new(RwLock::new(log)), archive: None, counters: Arc::default() }
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

/// Puts the events of a journal into a log, before anybody reads it.
impl SharedLog {
    /// Adds an event. If the log is then too large, its oldest events go.
    pub(crate) fn restore(&self, audience: Audience, event: &Event) {
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        log.append(restored(audience, event));
    }

    /// Lets those who read the log go on in the files of a journal.
    pub(crate) fn with_archive(self, archive: &Arc<Archive<Directory>>) -> SharedLog {
        SharedLog { archive: Some(Arc::clone(archive)), ..self }
    }

    /// Lets the log begin at an event that is not the first of the room.
    pub(crate) fn begin_at(&self, sequence: u64) {
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        (log.next, log.said.dropped) = (sequence, sequence - 1);
    }
}

/// What memory no longer holds, for threads that may wait for the disk.
impl SharedLog {
    /// Returns the files in which the event at `cursor` may be, if memory no longer holds it.
    pub(crate) fn archive_for(&self, cursor: u64) -> Option<&Archive<Directory>> {
        self.archive.as_deref().filter(|_| cursor < self.read().first())
    }

    /// As [`Log::read_into`], from the files, up to where memory begins.
    ///
    /// # Blocking
    /// On the disk.
    ///
    /// # Errors
    /// When no file descriptor is free. What was not read is still there. Any other failure is told as events
    /// that are gone.
    pub(crate) fn read_archived(
        &self,
        archive: &Archive<Directory>,
        cursor: &mut u64,
        reader: Reader,
        limit: usize,
        batch: &mut Batch,
    ) -> io::Result<()> {
        let end = self.read().first();
        let kept = archive.first().max(reader.kept_from).min(end);
        if *cursor < kept && !self.read().tell_missed(cursor, kept - 1, true, limit, batch) {
            return Ok(());
        }
        let (from, mut is_full) = (*cursor, false);
        let read = archive.read(from, end, &mut |audience, event| {
            is_full = reader.reads(audience, &event) && !batch.push(&encode_event(&event), limit);
            if is_full {
                return ControlFlow::Break(());
            }
            *cursor = event.sequence + 1;
            ControlFlow::Continue(())
        });
        read.or_else(unless_it_passes)?;
        if !is_full && *cursor < end {
            self.read().tell_missed(cursor, end - 1, true, limit, batch);
        }
        Ok(())
    }

    /// Returns the cursor from which the session `reader` gets its last `count` messages, and all that are
    /// said later. Returns `None` if it wants none.
    ///
    /// # Blocking
    /// On the disk, where memory has fewer.
    ///
    /// # Errors
    /// When no file descriptor is free.
    pub(crate) fn position_before(&self, count: usize, reader: u64) -> io::Result<Option<u64>> {
        // Without an earlier message the history begins here. What is said before the session enters the room
        // must not fall between the two.
        let next = self.read().next();
        if count == 0 {
            return Ok(None);
        }
        Ok(Some(self.oldest_of_last(count, reader)?.unwrap_or(next)))
    }

    /// Returns the sequence number of the oldest of the last `count` messages for the session `reader`.
    fn oldest_of_last(&self, count: usize, reader: u64) -> io::Result<Option<u64>> {
        let (found, mut start, end) = {
            let log = self.read();
            let (found, start) = log.position_before(count, reader);
            (found, start, log.first())
        };
        self.read_back(end, count - found, reader, &mut |event| {
            start = Some(event.sequence);
            true
        })?;
        Ok(start)
    }

    /// Returns from which event on the last `count` messages for the session `reader` are kept for it; 0
    /// where there is no journal, and memory alone decides.
    ///
    /// # Blocking
    /// As [`SharedLog::position_before`].
    ///
    /// # Errors
    /// As [`SharedLog::position_before`].
    pub(crate) fn kept_from(&self, count: usize, reader: u64) -> io::Result<u64> {
        match self.archive {
            Some(_) => Ok(self.oldest_of_last(count, reader)?.unwrap_or_default()),
            None => Ok(0),
        }
    }

    /// Returns the last `count` messages before the sequence number `before` that the session `reader` may
    /// read, its own included. They are encoded, and the oldest is first. Together they have at most `limit`
    /// bytes.
    ///
    /// # Blocking
    /// On the disk, where memory has fewer.
    ///
    /// # Errors
    /// As [`SharedLog::position_before`].
    pub(crate) fn last_messages(
        &self,
        count: usize,
        before: u64,
        reader: u64,
        limit: usize,
    ) -> io::Result<Vec<Vec<u8>>> {
        let (mut found, end) = {
            let log = self.read();
            let found = log.last_messages(count, before, reader, limit);
            let found: VecDeque<Vec<u8>> = found.into_iter().map(<[u8]>::to_vec).collect();
            // Where the limit cut memory's messages, the older ones would leave a gap.
            let oldest = found.front().map_or(before, |oldest| sequence_of(oldest));
            (found, log.first().min(oldest))
        };
        let mut bytes: usize = found.iter().map(Vec::len).sum();
        let is_cut = self.read().has_message_before(end, reader);
        if !is_cut {
            self.read_back(end, count - found.len(), reader, &mut |event| {
                let encoded = encode_event(event);
                bytes += encoded.len();
                if bytes <= limit {
                    found.push_front(encoded.into_vec());
                }
                bytes <= limit
            })?;
        }
        Ok(found.into())
    }

    /// Passes the last `count` messages before `end` that a session may read to `each`, newest first, from
    /// the files, until it returns false. A file that cannot be read ends it.
    ///
    /// # Errors
    /// As [`SharedLog::position_before`].
    fn read_back(
        &self,
        end: u64,
        count: usize,
        reader: u64,
        each: &mut dyn FnMut(&Event) -> bool,
    ) -> io::Result<()> {
        let Some(archive) = self.archive.as_deref().filter(|_| count > 0) else { return Ok(()) };
        let mut left = count;
        let read = archive.read_back(end, &mut |audience, event| {
            if Class::of(&event.kind) == Class::Message && is_readable(audience, reader) {
                left -= 1;
                if !each(&event) || left == 0 {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        read.or_else(unless_it_passes)
    }
}

/// Logs why a file cannot be read, and goes on without it, unless that passes by itself.
///
/// # Errors
/// The same error, if no file descriptor was free.
fn unless_it_passes(error: io::Error) -> io::Result<()> {
    warn!("a part of the journal cannot be read: {error}");
    match is_out_of_descriptors(&error) {
        true => Err(error),
        false => Ok(()),
    }
}

/// Whether a session finds an event in the history: what was said to everybody, and to it alone.
fn is_readable(audience: Audience, reader: u64) -> bool {
    matches!(audience, Audience::AllBut(_)) || audience == Audience::Only(reader)
}

/// Who reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reader {
    /// The session of the reader. It does not get its own events.
    pub(crate) session: u64,
    /// From this sequence number on, the reader gets all that happened, and is told of every event that is
    /// gone. Before it, only of what was said: whoever reads the history of the room need not know who came
    /// and went.
    pub(crate) told_from: u64,
    /// What is older than this sequence number counts as gone, even if the journal has it.
    pub(crate) kept_from: u64,
}

impl Reader {
    /// Whether the reader gets an event of the journal.
    fn reads(&self, audience: Audience, event: &Event) -> bool {
        let class = Class::of(&event.kind);
        let is_told = class != Class::Move || event.sequence >= self.told_from;
        class != Class::End && is_told && audience.includes(self.session)
    }
}

/// A bounded sequence of encoded events.
#[derive(Debug)]
pub(crate) struct Log {
    /// Messages, actions, private messages, notices, and the room's end.
    said: Shelf,
    /// Who joined, left, came back, or has a new name.
    ///
    /// Invariant: no event here is older than the newest that was dropped from `said`.
    moves: Shelf,
    /// The sequence number of the next event. The first event has 1.
    next: u64,
    ended: bool,
    #[cfg(feature = "seeded-bugs")]
    seeded: crate::settings::seeded::Seeded,
}

impl Log {
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
        self.said.bytes + self.moves.bytes
    }

    /// Returns whether the last event is the room's end.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Adds one event. The newest event always stays.
    fn append(&mut self, entry: Entry) {
        self.next = entry.sequence + 1;
        self.ended = entry.class == Class::End;
        if entry.class == Class::Move {
            self.moves.append(entry);
        } else {
            self.said.append(entry);
            self.moves.drop_up_to(self.said.dropped);
        }
    }

    /// Returns the events with `sequence` or a higher one, oldest first.
    fn from(&self, sequence: u64) -> impl Iterator<Item = &Entry> {
        let (mut said, mut moves) =
            (self.said.from(sequence).peekable(), self.moves.from(sequence).peekable());
        iter::from_fn(move || match (said.peek(), moves.peek()) {
            (Some(one), Some(other)) if one.sequence < other.sequence => said.next(),
            (Some(_), None) => said.next(),
            _ => moves.next(),
        })
    }

    /// Reads from `cursor` on: copies into `batch` the events that `reader` receives, while the payload has
    /// at most `limit` bytes. It moves the cursor behind the last event that it read. The cursor is
    /// [`Log::next`] when nothing is left.
    pub(crate) fn read_into(&self, cursor: &mut u64, reader: Reader, limit: usize, batch: &mut Batch) {
        if *cursor <= self.said.dropped && !self.tell_missed(cursor, self.said.dropped, true, limit, batch) {
            return;
        }
        for entry in self.from(*cursor) {
            // Every number that stands on neither shelf was dropped from `moves`.
            *cursor = (*cursor).max(reader.told_from.min(entry.sequence));
            if *cursor < entry.sequence && !self.tell_missed(cursor, entry.sequence - 1, false, limit, batch)
            {
                return;
            }
            #[cfg(feature = "seeded-bugs")]
            let Some(entry) = self.seeded_entry(*cursor, reader.session, entry) else {
                *cursor += 1;
                continue;
            };
            let is_told = entry.class != Class::Move || entry.sequence >= reader.told_from;
            if is_told && entry.audience.includes(reader.session) && !batch.push(&entry.encoded, limit) {
                return;
            }
            *cursor += 1;
        }
    }

    /// Tells a reader that the events from `cursor` to `last` are gone, and moves the cursor behind them.
    /// Returns false if the batch has no space for that.
    fn tell_missed(
        &self,
        cursor: &mut u64,
        last: u64,
        messages: bool,
        limit: usize,
        batch: &mut Batch,
    ) -> bool {
        let time = self.from(last).next().map_or(0, |entry| entry.time);
        let kind = EventKind::Missed { first: *cursor, messages };
        let told = batch.push(&encode_event(&Event { sequence: last, time, kind }), limit);
        if told {
            *cursor = last + 1;
        }
        told
    }

    /// Returns how many of the last `count` messages for the session `reader` are here, and the sequence
    /// number of the oldest of them.
    fn position_before(&self, count: usize, reader: u64) -> (usize, Option<u64>) {
        let said = self.said.from(0).rev();
        let messages = said.filter(|entry| entry.class == Class::Message && entry.audience.includes(reader));
        messages.take(count).fold((0, None), |(found, _), entry| (found + 1, Some(entry.sequence)))
    }

    /// Whether there is a message here before `sequence` that the session `reader` may read.
    fn has_message_before(&self, sequence: u64, reader: u64) -> bool {
        let mut before = self.said.before(sequence);
        before.any(|entry| entry.class == Class::Message && is_readable(entry.audience, reader))
    }

    /// Returns the last `count` messages before the sequence number `before` that the session `reader` may
    /// read, its own included. They are encoded, and the oldest is first. Together they have at most `limit`
    /// bytes.
    fn last_messages(&self, count: usize, before: u64, reader: u64, limit: usize) -> Vec<&[u8]> {
        let mut bytes = 0;
        let mut found: Vec<&[u8]> = (self.said.before(before).rev())
            .filter(|entry| entry.class == Class::Message && is_readable(entry.audience, reader))
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
