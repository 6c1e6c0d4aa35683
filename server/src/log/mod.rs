//! The log of the room: every event, encoded once, in one order. Each recipient has a cursor in it: the
//! sequence number of the next event that it gets.
//!
//! New events, history for a new member, and the events that a resumed session missed are all read in one
//! way: from a cursor on. The log is bounded. If it no longer holds the event at a cursor, the event is read
//! from the journal. Without one, the recipient is told which events it missed.
//!
//! [`memory`] is the part in memory, and [`reading`] reads on where that ends. What was said and the comings
//! and goings are bounded apart, each on a [`Shelf`](shelf::Shelf) of its own. So a crowd that comes and goes
//! cannot push out what was said.
//!
//! An event gets its sequence number when it is staged ([`StagedBatch`]). It is visible when its batch is
//! appended. Only the broadcaster stages and appends. Any thread may read. A reader holds the read lock
//! while it copies, and must not block under it.
//!
//! Go: the original has no log. Each message is in the goroutines that send it, so the scheduler decides
//! its order.

pub(crate) mod counters;
pub(crate) mod journal;
mod memory;
mod reading;
#[cfg(feature = "seeded-bugs")]
mod seeded;
mod shelf;
mod staged;
pub(crate) mod sync;
#[cfg(test)]
mod tests;

use crate::settings::Limits;
use chat_common::wire::protocol::Event;
use counters::Counters;
use journal::{archive::Archive, disk::Directory};
use memory::Log;
pub(crate) use reading::GoOn;
use staged::{restored, Class, Entry};
pub(crate) use staged::{Audience, StagedBatch};
use std::sync::{atomic::Ordering::Relaxed, Arc, PoisonError};
use sync::{RwLock, RwLockReadGuard};

/// The bytes of a frame that are not for its events.
pub(crate) const AROUND_EVENT: usize = 64;

/// The log with its lock, and the counters. Clones share both.
#[derive(Clone, Debug)]
pub(crate) struct SharedLog {
    /// Protects the log. Only the broadcaster writes.
    log: Arc<RwLock<Log>>,
    /// The journal's files. Only threads that may wait for the disk read them.
    archive: Option<Arc<Archive<Directory>>>,
    /// No longer event fits into a frame, in bytes.
    longest_event: usize,
    pub(crate) counters: Arc<Counters>,
}

impl SharedLog {
    /// Returns an empty log with the bounds of `limits`.
    pub(crate) fn new(limits: &Limits) -> SharedLog {
        SharedLog {
            log: Arc::new(RwLock::new(Log::new(limits))),
            archive: None,
            longest_event: limits.max_frame.0 - AROUND_EVENT,
            counters: Arc::default(),
        }
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
        self.counters.accepted.fetch_add(batch.messages(), Relaxed);
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
        log.append(restored(audience, event, self.longest_event));
    }

    /// Lets those who read the log go on in the files of a journal.
    pub(crate) fn with_archive(self, archive: &Arc<Archive<Directory>>) -> SharedLog {
        SharedLog { archive: Some(Arc::clone(archive)), ..self }
    }

    /// Lets the log begin at an event that is not the first of the room.
    pub(crate) fn begin_at(&self, sequence: u64) {
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        log.begin_at(sequence);
    }
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
    /// Whether the reader gets an event.
    fn reads(&self, entry: &Entry) -> bool {
        let is_told = entry.class != Class::Move || entry.sequence >= self.told_from;
        is_told && entry.audience.includes(self.session)
    }
}
