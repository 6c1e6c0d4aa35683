//! What the broadcaster appends in one go, put together once for all who get the same.

use crate::{delivery::outbox::CALL_BYTES, log::SharedLog};
use chat_common::batch::Batch;

/// What the broadcaster has appended in one round, as one call that fits all who have no part in it.
#[derive(Clone, Debug)]
pub struct Round {
    start: u64,
    /// Where `batch` ends.
    pub end: u64,
    /// Sessions that must not get this call as it is, because they wrote some of it.
    authors: Vec<u64>,
    /// Whether some of it was private, so that nobody gets it as it is.
    private: bool,
    /// The call.
    pub batch: Batch,
    /// Whether nothing follows it: neither more events nor the answer for the last.
    pub is_all: bool,
}

impl Round {
    /// Collects what `log` holds from `start` on. `authors` are the sessions that have said something in it.
    ///
    /// Invariant: nothing else has been appended since, or `authors` and `private` would not tell of it.
    pub fn collect(log: &SharedLog, start: u64, authors: Vec<u64>, private: bool) -> Round {
        /// No session has this number, so nobody's own events are left out.
        const NOBODY: u64 = 0;
        let mut batch = Batch::new();
        let mut end = start;
        let log = log.read();
        log.read_into(&mut end, NOBODY, CALL_BYTES, &mut batch);
        let is_all = end == log.next() && !log.has_ended();
        Round { start, end, authors, private, batch, is_all }
    }

    /// Whether this is the next call for the session `reader`, which has this position and this much room.
    pub fn suits(&self, reader: u64, cursor: u64, room: usize) -> bool {
        cursor == self.start
            && self.batch.events() > 0
            && self.batch.payload_bytes() <= room
            && !self.private
            && !self.authors.contains(&reader)
    }
}
