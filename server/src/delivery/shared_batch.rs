//! The events of one round as a call that is put together once, for all recipients that get the same.

use crate::log::SharedLog;
use chat_common::batch::Batch;

/// The longest payload of a call that holds more than one event, in bytes. The first of many calls can be on its way while the
/// next is put together.
pub(crate) const CALL_BYTES: usize = 16 * 1024;

/// The first call of a round, for every recipient that has no part in the round.
#[derive(Debug)]
pub(crate) struct SharedBatch {
    /// The sequence number of the round's first event.
    pub(super) first: u64,
    /// The sequence number behind the last event in `batch`.
    pub(super) end: u64,
    /// The sequence number behind the last event of the round, which may be longer than one call.
    pub(super) next: u64,
    /// Whether the round ended the room, so that its last call needs an answer.
    pub(super) has_ended: bool,
    /// Sessions that wrote some of it. They do not get their own events.
    authors: Vec<u64>,
    /// Whether some of it is private, so that no recipient gets it as it is.
    has_private: bool,
    pub(super) batch: Batch,
}

impl SharedBatch {
    /// Reads what `log` holds from `first` on. `authors` are the sessions that have written some of it.
    ///
    /// Invariant: nothing was appended since, or `authors` and `has_private` would not be true of it.
    pub(crate) fn read(log: &SharedLog, first: u64, authors: Vec<u64>, has_private: bool) -> SharedBatch {
        /// No session has this id, so no event is left out as its own.
        const NO_SESSION: u64 = 0;
        let mut batch = Batch::new();
        let mut end = first;
        let log = log.read();
        log.read_into(&mut end, NO_SESSION, CALL_BYTES, &mut batch);
        let (next, has_ended) = (log.next(), log.has_ended());
        SharedBatch { first, end, next, has_ended, authors, has_private, batch }
    }

    /// Whether it is the next call for the session `reader`, which has read up to `cursor`.
    pub(super) fn fits(&self, reader: u64, cursor: u64) -> bool {
        cursor == self.first
            && self.batch.events() > 0
            && !self.has_private
            && !self.authors.contains(&reader)
    }
}
