//! The events of one round as a call. It is built once for all recipients that get the same events. The
//! broadcaster builds it; nothing here may block.

use crate::{log::Reader, order::SharedLog};
use chat_common::wire::batch::Batch;

/// The longest payload of a call with more than one event, in bytes. A recipient can read the first of
/// several calls while the next is built.
pub(crate) const CALL_BYTES: usize = 16 * 1024;

/// The first call of a round, for every recipient that gets all events of the round.
#[derive(Debug)]
pub(crate) struct RoundFrame {
    /// The sequence number of the round's first event.
    pub(super) first: u64,
    /// The sequence number after the last event in `batch`.
    pub(super) end: u64,
    /// The sessions that caused some of the events. They do not get their own events.
    authors: Vec<u64>,
    /// Whether some events are private, so that no recipient can use this call.
    has_private: bool,
    pub(super) batch: Batch,
}

impl RoundFrame {
    /// Reads the round that begins at `first` from the log. `authors` are the sessions that caused some
    /// of it. `limit` is the longest payload, in bytes.
    ///
    /// Invariant: nothing was appended after the round. Otherwise `authors` and `private` would be
    /// wrong.
    pub(crate) fn read(log: &SharedLog, limit: usize, first: u64, authors: Vec<u64>, private: bool) -> Self {
        let mut batch = Batch::new();
        let mut end = first;
        log.read_memory(&mut end, Reader::EVERYBODY, CALL_BYTES.min(limit), &mut batch);
        RoundFrame { first, end, authors, has_private: private, batch }
    }

    /// Returns a copy for another thread. Without memory for it, the copy fits no recipient, and each gets
    /// its own call.
    pub(super) fn try_clone(&self) -> RoundFrame {
        let (authors, batch) = (self.authors.clone(), self.batch.try_clone());
        RoundFrame { authors, batch, ..*self }
    }

    /// Returns whether this is the next call for the session `reader`, whose cursor is `cursor`.
    pub(super) fn fits(&self, reader: u64, cursor: u64) -> bool {
        cursor == self.first
            && self.batch.events() > 0
            && !self.has_private
            && !self.authors.contains(&reader)
    }
}
