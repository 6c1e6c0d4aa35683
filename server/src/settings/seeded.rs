//! Bugs on purpose: ways of breaking the room's promises, each of them caught by a test. They show that the tests test.
//!
//! Only the package of the tests builds them in, with the feature `seeded-bugs`. Each file that can be broken has one hook.

use chat_common::rpc::Wait;
use std::time::Instant;

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Some recipients get each tenth event after its successor.
    Swap,
    /// One event in a hundred is skipped.
    Drop,
    /// A resumed session gets its last event again.
    DoubleOnResume,
    /// A repeated message is accepted again.
    DoubleOnRepeat,
    /// The broadcaster waits, as a scope for each round would, until every recipient has answered.
    ScopePerRound,
    /// A recipient's thread decides to sleep before it makes room, and misses what was appended meanwhile.
    LostWakeUp,
    /// The registry stays locked while a client's listener is dialled.
    LockOverDial,
    /// A recipient may take as long as it likes to answer.
    NoDeadline,
    /// The length of a frame is not checked.
    UncheckedLength,
    /// The text `panic` makes the thread that serves its author panic.
    PanicInHandler,
    /// The same, while the registry is locked.
    PanicUnderLock,
    /// A recipient's thread panics at its first answer.
    PanicInDelivery,
}

/// The bug of a server, if it has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seeded(Option<Bug>);

impl Seeded {
    /// A server with this bug.
    pub fn with(bug: Bug) -> Seeded {
        Seeded(Some(bug))
    }

    /// Whether the server has this bug.
    pub(crate) fn has(self, bug: Bug) -> bool {
        self.0 == Some(bug)
    }

    /// In a recipient's thread, after each wait: since when an answer is due.
    pub(crate) fn in_delivery(self, due_since: Option<Instant>, seen: Wait) -> Option<Instant> {
        assert!(!(self.has(Bug::PanicInDelivery) && seen == Wait::Ready), "seeded");
        due_since.filter(|_| !self.has(Bug::NoDeadline))
    }

    /// The longest frame that a member may send, in bytes.
    pub(crate) fn frame_limit(self, limit: u32) -> u32 {
        if self.has(Bug::UncheckedLength) {
            u32::MAX
        } else {
            limit
        }
    }
}
