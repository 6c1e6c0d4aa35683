//! Bugs on purpose. Each breaks a promise of the room, and a test must find it. They show that the tests
//! can fail. Plain values, for any thread.
//!
//! Only tests build them in, with the feature `seeded-bugs`.

use chat_common::wire::rpc::Wait;
use std::{
    thread,
    time::{Duration, Instant},
};

/// A bug that a server can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Some recipients get every tenth event after the event that follows it.
    Swap,
    /// One event in a hundred is skipped.
    Drop,
    /// A resumed session gets its last event again.
    DoubleOnResume,
    /// A repeated message is accepted again.
    DoubleOnRepeat,
    /// The broadcaster waits after each round until every recipient has answered. A scope for each round
    /// would do the same.
    ScopePerRound,
    /// A recipient's thread decides to sleep before it opens the window, and misses the events that are
    /// appended between the two.
    LostWakeUp,
    /// The registry stays locked while the server dials a client's listener.
    LockOverDial,
    /// A recipient may answer as late as it likes.
    NoDeadline,
    /// The length of a frame is not checked.
    UncheckedLength,
    /// The text `panic` makes the thread that serves its author panic.
    PanicInHandler,
    /// As `PanicInHandler`, while the registry is locked.
    PanicUnderLock,
    /// A recipient's thread panics at its first answer.
    PanicInDelivery,
    /// The senders are told that their messages are accepted before the disk has them.
    AnswerBeforeSync,
    /// The recipients get a round before the disk has it.
    PublishBeforeSync,
    /// A member that resumes its session is not muted any more.
    ResumeUnmutes,
    /// Everybody is told the reply to an operator's command.
    ReplyToAll,
    /// The journal's mutes are not read.
    MutesForgotten,
    /// The connection of a gateway's guest goes on to count for the gateway.
    AddressNotMoved,
}

/// Whether a bug makes threads meet where it shows. The model checker tries all orders by itself.
const FORCES_MEETINGS: bool = !cfg!(feature = "model");

/// The bug of a server, if it has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seeded(Option<Bug>);

impl Seeded {
    /// Returns the value for a server with this bug.
    pub fn with(bug: Bug) -> Seeded {
        Seeded(Some(bug))
    }

    /// Returns whether the server has this bug.
    pub(crate) fn has(self, bug: Bug) -> bool {
        self.0 == Some(bug)
    }

    /// Looks at the log too early for [`Bug::LostWakeUp`], and then pauses, so that an event is often
    /// appended meanwhile.
    pub(crate) fn look_too_early(self, next: impl FnOnce() -> u64) -> Option<u64> {
        self.has(Bug::LostWakeUp).then(next).inspect(|_| {
            if FORCES_MEETINGS {
                thread::sleep(Duration::from_millis(1));
            }
        })
    }

    /// The largest window, which is usually `largest`. For [`Bug::LostWakeUp`] it is `least`, so that it is
    /// often full.
    pub(crate) fn window(self, least: usize, largest: usize) -> usize {
        if FORCES_MEETINGS && self.has(Bug::LostWakeUp) {
            least
        } else {
            largest
        }
    }

    /// Breaks a recipient's thread after each wait. `due_since` is when the pending answer became due;
    /// the return value replaces it.
    pub(crate) fn in_delivery(self, due_since: Option<Instant>, seen: Wait) -> Option<Instant> {
        assert!(!(self.has(Bug::PanicInDelivery) && seen == Wait::Ready), "seeded");
        due_since.filter(|_| !self.has(Bug::NoDeadline))
    }

    /// Where delivery begins that should begin at `cursor`.
    pub(crate) fn begins_too_early(self, cursor: u64) -> u64 {
        cursor.saturating_sub(u64::from(self.has(Bug::DoubleOnResume)))
    }
}
