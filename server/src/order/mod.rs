//! The order of the room: what gives each round its place, and the log of the rounds that have one.
//!
//! Nothing is visible that has no place in the order. The broadcaster decides a round, asks [`Order`] for its
//! place, and publishes it then: to those who read the [`SharedLog`], and to those who read the lists.

pub(crate) mod counters;
pub(crate) mod journal;
mod reading;
mod shared_log;
#[cfg(test)]
mod tests;

pub(crate) use reading::{CallToFill, GoOn, HistoryPage};
pub(crate) use shared_log::SharedLog;

use crate::log::StagedRound;
use journal::{
    disk::Directory,
    record::push_round,
    space::{Needs, Space},
    Journal, JournalError,
};

/// What gives a round its place.
#[derive(Debug)]
pub(crate) enum Order {
    /// A round has its place as soon as its events are counted.
    Memory,
    /// A round has its place when the disk has it.
    Journal(Box<Journal<Directory>>),
}

impl Order {
    /// Returns whether the room is kept over a restart, so that a round must say which sessions it changes.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self, Order::Journal(_))
    }

    /// Returns how much the next round may need. `first` is the sequence number of its first event, and
    /// `checkpoint` returns the records of all sessions before it.
    ///
    /// # Blocking
    /// On the disk, with a journal.
    ///
    /// # Errors
    /// When the disk fails. A full disk is not a failure.
    pub(crate) fn make_space(
        &mut self,
        first: u64,
        needs: Needs,
        checkpoint: impl Fn() -> Vec<u8>,
    ) -> Result<Space, JournalError> {
        match self {
            Order::Memory => Ok(Space::ENDLESS),
            Order::Journal(journal) => journal.make_space(first, needs, checkpoint),
        }
    }

    /// Gives a round its place. `sessions` are the records of the sessions that it changes, and `checkpoint`
    /// returns those of all sessions after it. A round may have records of sessions alone, as when a
    /// send-only client is removed: that must not be forgotten either. One that changes nothing that is kept
    /// has its place at once.
    ///
    /// # Blocking
    /// On the disk, with a journal.
    ///
    /// # Errors
    /// When the disk fails. The round has no place then, and no later round can have one.
    pub(crate) fn place(
        &mut self,
        round: &StagedRound,
        sessions: &[u8],
        checkpoint: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), JournalError> {
        let Order::Journal(journal) = self else { return Ok(()) };
        let mut records = sessions.to_vec();
        push_round(round, &mut records);
        if records.is_empty() {
            return Ok(());
        }
        journal.commit(&records, round.first(), checkpoint)
    }

    /// Returns whether there is space for the room's end.
    pub(crate) fn has_space_for_end(&self) -> bool {
        match self {
            Order::Memory => true,
            Order::Journal(journal) => journal.has_space_for_end(),
        }
    }
}
