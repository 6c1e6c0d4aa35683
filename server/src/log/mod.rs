//! What the room holds in memory of its log: the newest events, encoded once, in one order. Each recipient
//! has a cursor in it: the sequence number of the next event that it gets.
//!
//! New events, history for a new member, and the events that a resumed session missed are all read in one
//! way: from a cursor on ([`memory`]). The log is bounded. If it no longer holds the event at a cursor, the
//! event is read from the files of the journal ([`order::reading`](crate::order)). Without a journal, the
//! recipient is told which events it missed.
//!
//! What was said and the membership events are two parts, each a [`BoundedLog`](bounded_log::BoundedLog). So
//! a crowd that comes and goes cannot push out what was said.
//!
//! An event gets its sequence number when it is staged ([`StagedRound`]). It is visible when its round is
//! appended. Only the broadcaster stages and appends. Any thread may read.
//!
//! Go: the original has no log. Each message is in the goroutines that send it, so the scheduler decides
//! its order.

mod bounded_log;
mod memory;
#[cfg(feature = "seeded-bugs")]
mod seeded;
mod staged;
pub(crate) mod sync;

pub(crate) use memory::Log;
pub(crate) use staged::{encode_event, missed, restored, Audience, Class, Entry, StagedRound};

/// The bytes of a frame that are not for its events.
pub(crate) const AROUND_EVENT: usize = 64;

/// A reader of the log, and which events it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reader {
    /// The session of the reader. It does not get its own events.
    pub(crate) session: u64,
    /// From this sequence number on, the reader gets membership events as well, and is told of every event
    /// that is gone. Before it, the reader gets history: only what was said.
    pub(crate) membership_from: u64,
    /// What is older than this sequence number counts as gone, even if the journal has it.
    pub(crate) history_floor: u64,
}

impl Reader {
    /// A reader of all that is for everybody. No session has its id, so no event is its own.
    pub(crate) const EVERYBODY: Reader = Reader { session: 0, membership_from: 0, history_floor: 0 };

    /// Whether the reader gets an event.
    pub(crate) fn reads(&self, entry: &Entry) -> bool {
        let is_told = entry.class != Class::Membership || entry.sequence >= self.membership_from;
        is_told && entry.audience.includes(self.session)
    }
}
