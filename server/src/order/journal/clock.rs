//! The time by which the oldest files go. A file that is dropped is gone for good, so no clock that somebody
//! has just set may decide that it is old. No I/O.
//!
//! While a server runs, only the monotonic clock counts. What the wall clock says is used once, when the
//! journal is opened, and only down from what the events say: see [`EventTimes`]. So the time in which no
//! server ran counts one start later, and a file stays longer than `--keep` says rather than shorter.

use chat_common::program::wall_clock;
use std::time::{Duration, Instant};

/// How much later something must have been said before a time is believed, in milliseconds. A clock that
/// jumps ahead once, for a shorter time, drops nothing, however often the server starts meanwhile. A second
/// jump of more than a day confirms the first.
const CONFIRMED_AFTER: u64 = 86_400_000;

/// The time of a server that has a journal open.
#[derive(Debug)]
pub(super) struct Clock {
    opened: Instant,
    /// In milliseconds since the Unix epoch.
    time_then: u64,
}

impl Clock {
    /// Starts a clock where a journal is opened of which the events have these times.
    pub(super) fn start(times: &EventTimes) -> Clock {
        let wall = wall_clock::now();
        Clock { opened: Instant::now(), time_then: times.confirmed().map_or(wall, |time| time.min(wall)) }
    }

    /// Returns the time in milliseconds since the Unix epoch.
    pub(super) fn now(&self) -> u64 {
        self.time_then.saturating_add(milliseconds(self.opened.elapsed()))
    }

    /// Returns the time before which everything is older than `keep`.
    pub(super) fn oldest_kept(&self, keep: Duration) -> u64 {
        self.now().saturating_sub(milliseconds(keep))
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The times of the events that were read, oldest event first.
#[derive(Debug, Default)]
pub(super) struct EventTimes(Option<Believed>);

#[derive(Clone, Copy, Debug)]
struct Believed {
    /// A later event confirms it.
    confirmed: u64,
    /// The first time that is so much later.
    newer: u64,
}

impl EventTimes {
    /// Adds the time of the next event, in milliseconds since the Unix epoch.
    pub(super) fn add(&mut self, time: u64) {
        let Believed { confirmed, newer } = self.0.unwrap_or(Believed { confirmed: time, newer: time });
        self.0 = Some(match time.checked_sub(newer) {
            Some(later) if later >= CONFIRMED_AFTER => Believed { confirmed: newer, newer: time },
            Some(_) => Believed { confirmed, newer },
            // The clock was set back.
            None => Believed { confirmed: confirmed.min(time), newer: time },
        });
    }

    /// Returns the newest time that is believed, if there is an event.
    fn confirmed(&self) -> Option<u64> {
        self.0.map(|believed| believed.confirmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = CONFIRMED_AFTER;
    const HOUR: u64 = DAY / 24;

    fn confirmed(times: impl IntoIterator<Item = u64>) -> u64 {
        let mut all = EventTimes::default();
        times.into_iter().for_each(|time| all.add(time));
        all.confirmed().unwrap()
    }

    #[test]
    fn a_clock_that_is_wrong_for_less_than_a_day_is_not_believed() {
        let before = (0..100).map(|hour| 1_000 * DAY + hour * HOUR);
        let usual = confirmed(before.clone());
        assert!((1_002 * DAY..1_005 * DAY).contains(&usual), "{usual}");
        for wrong in [0, 900 * DAY, 1_100 * DAY, 4_000_000 * DAY, u64::MAX - DAY] {
            let while_wrong = (0..20).map(|hour| wrong + hour * HOUR);
            assert!(confirmed(before.clone().chain(while_wrong.clone())) <= 1_004 * DAY, "{wrong}");
            // It is set right again.
            let after = (124..200).map(|hour| 1_000 * DAY + hour * HOUR);
            let right = confirmed(before.clone().chain(while_wrong).chain(after));
            assert!((1_006 * DAY..1_009 * DAY).contains(&right), "{wrong}: {right}");
        }
    }

    #[test]
    fn a_room_in_which_something_is_said_once_a_month_grows_old() {
        let times = (0..10).map(|month| 1_000 * DAY + month * 30 * DAY);
        assert_eq!(confirmed(times), 1_000 * DAY + 8 * 30 * DAY);
    }

    #[test]
    fn any_times_are_borne() {
        for one in [0, 1, DAY, u64::MAX - DAY, u64::MAX] {
            for other in [0, 1, DAY, u64::MAX - DAY, u64::MAX] {
                let mut times = EventTimes::default();
                [one, other, one].into_iter().for_each(|time| times.add(time));
                let clock = Clock::start(&times);
                assert_eq!(clock.oldest_kept(Duration::MAX), 0);
                assert!(clock.now() >= clock.oldest_kept(Duration::ZERO) && clock.now() < u64::MAX / 2);
            }
        }
    }
}
