//! What the room counts: touched by every thread, read by `/stats` and the log line each minute.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters since the start. Relaxed: each stands for itself.
#[derive(Debug, Default)]
pub struct Stats {
    messages: AtomicU64,
    deliveries: AtomicU64,
}

impl Stats {
    /// Something that somebody said has its place in the order.
    pub fn accepted(&self) {
        self.messages.fetch_add(1, Relaxed);
    }

    /// So many events were handed to a recipient's connection.
    pub fn delivered(&self, events: u64) {
        self.deliveries.fetch_add(events, Relaxed);
    }

    /// Messages and deliveries so far.
    pub fn totals(&self) -> (u64, u64) {
        (self.messages.load(Relaxed), self.deliveries.load(Relaxed))
    }
}
