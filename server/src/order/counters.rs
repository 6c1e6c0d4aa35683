//! Counts since the start of the server, for the statistics. Any thread may count; it never blocks.

use std::sync::atomic::AtomicU64;

/// The counts. `Relaxed` is enough, because no other data depends on them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Messages that have a place in the order.
    pub(crate) accepted: AtomicU64,
    /// Events in calls that were written to recipients, even if the connection then broke.
    pub(crate) delivered: AtomicU64,
}
