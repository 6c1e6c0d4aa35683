//! The log with its lock, and the archive of the journal behind it: what all threads read. A reader holds the
//! read lock while it copies, and must not block under it.

use super::{
    counters::Counters,
    journal::{archive::Archive, disk::Directory},
};
use crate::{
    log::{
        restored,
        sync::{RwLock, RwLockReadGuard, RwLockWriteGuard},
        Audience, Log, StagedRound, AROUND_EVENT,
    },
    settings::Limits,
};
use chat_common::wire::protocol::Event;
use std::sync::{atomic::Ordering::Relaxed, Arc, PoisonError};

/// The log with its lock, and the counters. Clones share both.
#[derive(Clone, Debug)]
pub(crate) struct SharedLog {
    /// Protects the log. Only the broadcaster writes.
    log: Arc<RwLock<Log>>,
    /// The journal's files. Only threads that may wait for the disk read them.
    pub(super) archive: Option<Arc<Archive<Directory>>>,
    /// No longer event fits into a frame, in bytes.
    pub(super) longest_event: usize,
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

    fn write(&self) -> RwLockWriteGuard<'_, Log> {
        self.log.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an empty batch. Its first event will follow the last event of the log.
    pub(crate) fn stage(&self) -> StagedRound {
        StagedRound::new(self.read().next())
    }

    /// Makes a batch visible. If the log is then too large, its oldest events go.
    ///
    /// # Blocking
    /// On readers, which only copy.
    pub(crate) fn append(&self, batch: StagedRound) {
        self.counters.accepted.fetch_add(batch.messages(), Relaxed);
        let mut log = self.write();
        batch.entries.into_iter().for_each(|entry| log.append(entry));
    }
}

/// Puts the events of a journal into a log, before anybody reads it.
impl SharedLog {
    /// Adds an event. If the log is then too large, its oldest events go.
    pub(crate) fn restore(&self, audience: Audience, event: &Event) {
        self.write().append(restored(audience, event, self.longest_event));
    }

    /// Lets those who read the log go on in the files of a journal.
    pub(crate) fn with_archive(self, archive: &Arc<Archive<Directory>>) -> SharedLog {
        SharedLog { archive: Some(Arc::clone(archive)), ..self }
    }

    /// Lets the log begin at an event that is not the first of the room.
    pub(crate) fn begin_at(&self, sequence: u64) {
        self.write().begin_at(sequence);
    }
}
