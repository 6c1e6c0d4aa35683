//! Bugs to order: ways of breaking the room's promise, each caught by a test. They show that the tests test.
//!
//! Without the feature `seeded-bugs`, which only the package of the tests turns on, [`Seeded::has`] is a constant `false`, and
//! nothing of this is in the program.

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Some recipients get each tenth event after its successor.
    Swap,
    /// One event in a hundred is skipped.
    Drop,
    /// A resumed session gets its last event again.
    DoubleOnResume,
    /// A repeated number is said again.
    DoubleOnRepeat,
    /// The broadcaster waits, in a scope for each round, until every recipient has answered.
    ScopePerRound,
    /// A recipient's thread goes to sleep without looking whether something has come meanwhile.
    LostWakeUp,
    /// The registry stays locked while a client's listener is dialled.
    LockOverWrite,
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

/// Which bug, if any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seeded {
    #[cfg(feature = "seeded-bugs")]
    bug: Option<Bug>,
}

impl Seeded {
    /// With this one.
    #[cfg(feature = "seeded-bugs")]
    pub fn with(bug: Bug) -> Seeded {
        Seeded { bug: Some(bug) }
    }

    /// Whether it is this one.
    #[cfg(feature = "seeded-bugs")]
    pub fn has(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether it is this one: no.
    #[cfg(not(feature = "seeded-bugs"))]
    #[inline]
    pub const fn has(self, _: Bug) -> bool {
        false
    }
}
