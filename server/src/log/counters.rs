//! Counters since the start, for the operator. Every thread may count.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Relaxed throughout: no counter says anything about another.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    accepted: AtomicU64,
    delivered: AtomicU64,
}

impl Counters {
    /// Counts one message that got its sequence number.
    pub(crate) fn count_accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    /// Counts events that were written to a recipient.
    pub(crate) fn count_delivered(&self, events: u64) {
        self.delivered.fetch_add(events, Relaxed);
    }

    /// Messages accepted, and events delivered.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.accepted.load(Relaxed), self.delivered.load(Relaxed))
    }
}
