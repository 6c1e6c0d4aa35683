//! The events that the recipients have not been told of yet. Runs on the broadcaster's thread.
//!
//! While many come and go, notices of them wait for each other: each would be a write and a wake-up for every
//! recipient. The first one after a pause does not wait, and a message takes along at once what waits before
//! it. So nothing overtakes, and in a calm room nobody waits. Those who come and go themselves have their
//! reply before this.

use crate::log::{Audience, Class, StagedRound};
use std::time::{Duration, Instant};

/// How long a notice waits after the last one was told, for each recipient. To tell one takes 5 us, so in a
/// crowd two thirds of the processor time go to joins. With it 5,000 members join in half of the time that
/// they need with 10 ms, for half of the processor time.
const PAUSE_EACH: Duration = Duration::from_micros(10);
/// How long it waits in a room of up to 1,000. With it 1,000 members join in 0.4 s instead of 0.9, with
/// 0.3 ms of processor time for each instead of 0.8.
const MIN_PAUSE: Duration = Duration::from_millis(10);
/// How long it waits at most.
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// Events at the end of the log.
#[derive(Debug, Default)]
pub(super) struct Untold {
    /// The sequence number of the first, if there is any.
    first: Option<u64>,
    /// The sessions that caused some of them.
    authors: Vec<u64>,
    has_private: bool,
    /// Whether somebody came or went.
    has_membership: bool,
    /// Whether one of them does not wait.
    is_urgent: bool,
    /// Until when notices wait.
    pause_end: Option<Instant>,
}

impl Untold {
    pub(super) fn add(&mut self, round: &StagedRound) {
        for entry in &round.entries {
            self.first.get_or_insert(entry.sequence);
            match entry.audience {
                Audience::AllBut(author) => self.authors.push(author),
                Audience::Only(_) => self.has_private = true,
                Audience::All => {}
            }
            let is_membership = entry.class == Class::Membership;
            self.has_membership |= is_membership;
            self.is_urgent |= !is_membership;
        }
    }

    /// Returns until when the events wait, if there are any.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        self.pause_end.filter(|_| self.first.is_some())
    }

    /// Returns the first event, the authors and whether some are private, if it is time to tell of them.
    pub(super) fn take_due(&mut self) -> Option<(u64, Vec<u64>, bool)> {
        let is_due = self.is_urgent || self.pause_end.is_none_or(|end| end <= Instant::now());
        let first = self.first.take_if(|_| is_due)?;
        self.is_urgent = false;
        Some((first, std::mem::take(&mut self.authors), std::mem::take(&mut self.has_private)))
    }

    /// Begins a pause if this many recipients were told of somebody who came or went. Comes after that,
    /// because it takes time where they are many.
    pub(super) fn pause(&mut self, recipients: usize) {
        if std::mem::take(&mut self.has_membership) {
            let pause = PAUSE_EACH.saturating_mul(recipients as u32).clamp(MIN_PAUSE, MAX_PAUSE);
            self.pause_end = Some(Instant::now() + pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::wire::protocol::EventKind;

    fn round(first: u64, kind: EventKind) -> StagedRound {
        let mut round = StagedRound::new(first);
        round.push(kind, Audience::AllBut(first));
        round
    }

    #[test]
    fn the_first_notice_is_told_at_once_the_next_ones_wait_and_a_message_takes_them_along() {
        let joined = || EventKind::Joined { name: "Ann".to_owned() };
        let mut untold = Untold::default();
        assert_eq!((untold.waits_until(), untold.take_due()), (None, None));
        untold.add(&round(1, joined()));
        assert_eq!(untold.take_due(), Some((1, vec![1], false)));
        // As if the pause were long.
        untold.pause_end = Some(Instant::now() + Duration::from_secs(3600));
        untold.add(&round(2, joined()));
        untold.add(&round(3, joined()));
        assert_eq!((untold.take_due(), untold.waits_until()), (None, untold.pause_end));
        untold.add(&round(4, EventKind::Notice { text: "hello".to_owned() }));
        assert_eq!(untold.take_due(), Some((2, vec![2, 3, 4], false)));
        assert_eq!((untold.waits_until(), untold.take_due()), (None, None));
        // And when it has ended.
        untold.add(&round(5, joined()));
        assert_eq!(untold.take_due(), None);
        untold.pause_end = Some(Instant::now());
        assert_eq!(untold.take_due(), Some((5, vec![5], false)));
    }

    #[test]
    fn the_pause_is_longer_where_many_are_told_and_never_longer_than_its_bound() {
        for (recipients, least, most) in [(1, 10, 11), (3_000, 30, 31), (1_000_000, 50, 51)] {
            let mut untold = Untold { has_membership: true, ..Untold::default() };
            let before = Instant::now();
            untold.pause(recipients);
            let pause = untold.pause_end.unwrap() - before;
            assert!(pause >= Duration::from_millis(least), "{recipients}: {pause:?}");
            assert!(pause < Duration::from_millis(most) + before.elapsed(), "{recipients}: {pause:?}");
        }
    }
}
