//! What has been received so far: the position that a resumed session announces, and what a repeated message looks like.
//!
//! The callback's thread hands events in; the session's thread asks for the position when no callback runs.

use crate::{Show, Shown};
use chat_common::protocol::{Event, What};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many authors' last numbers are kept at most. Far more than a room holds; a day's comings and goings may exceed it.
const AUTHORS_KEPT: usize = 4096;

/// Everything that goes from the server to the screen passes here.
pub(crate) struct Inbox<'a> {
    show: Show<'a>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The highest sequence number that has been shown in this session.
    position: u64,
    /// Which run of the server we are in, once we have joined one.
    room: Option<u64>,
    /// The place of our join: what has a lower number was said earlier.
    joined_at: u64,
    /// The number of the last message of each author in this run of the server.
    last_numbers: HashMap<String, u64>,
    /// The same of the run before, for authors who have not said anything since the restart.
    before_restart: HashMap<String, u64>,
    /// Who spoke to us alone most recently.
    last_private: Option<String>,
}

/// What joining turned out to be.
pub(crate) enum Arrival {
    First,
    SameRoom,
    Restarted,
}

impl<'a> Inbox<'a> {
    pub(crate) fn new(show: Show<'a>) -> Inbox<'a> {
        Inbox { show, state: Mutex::default() }
    }

    /// The highest sequence number that has been shown in this session, 0 for none.
    pub(crate) fn position(&self) -> u64 {
        self.lock().position
    }

    /// The session is unknown to the server: positions begin anew with the next one.
    pub(crate) fn forget_position(&self) {
        self.lock().position = 0;
    }

    /// Who spoke to us alone most recently.
    pub(crate) fn last_private(&self) -> Option<String> {
        self.lock().last_private.clone()
    }

    /// We are in: `joined_at` in the one order of this `room`.
    pub(crate) fn arrive(&self, room: u64, joined_at: u64) -> Arrival {
        let mut state = self.lock();
        state.joined_at = joined_at;
        match state.room.replace(room) {
            None => Arrival::First,
            Some(before) if before == room => Arrival::SameRoom,
            Some(_) => {
                state.before_restart = std::mem::take(&mut state.last_numbers);
                Arrival::Restarted
            }
        }
    }

    /// Shows an event, and counts it as received once it has been shown.
    ///
    /// # Blocking
    /// On the screen.
    pub(crate) fn take(&self, event: Event) {
        let sequence = event.sequence;
        let (repeated, earlier) = {
            let mut state = self.lock();
            (state.note(&event.what), sequence < state.joined_at)
        };
        if !repeated {
            (self.show)(Shown::Event { event, earlier });
        }
        let mut state = self.lock();
        state.position = state.position.max(sequence);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each field is valid after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Remembers who said what. True for a message that its author repeats because the server was restarted before
    /// it could answer: the first of that author since the restart, with the number of the last one before it.
    fn note(&mut self, what: &What) -> bool {
        match what {
            What::Message { author, number, .. }
            | What::Action { author, number, .. }
            | What::Private { author, number, .. } => {
                if matches!(what, What::Private { .. }) {
                    self.last_private = Some(author.clone());
                }
                if self.last_numbers.len() >= AUTHORS_KEPT {
                    self.last_numbers.clear();
                }
                self.last_numbers.insert(author.clone(), *number);
                self.before_restart.remove(author) == Some(*number)
            }
            What::Renamed { from, to } => {
                for numbers in [&mut self.last_numbers, &mut self.before_restart] {
                    if let Some(number) = numbers.remove(from) {
                        numbers.insert(to.clone(), number);
                    }
                }
                if self.last_private.as_ref() == Some(from) {
                    self.last_private = Some(to.clone());
                }
                false
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(sequence: u64, author: &str, number: u64) -> Event {
        let what = What::Message { author: author.into(), number, text: "hi".into() };
        Event { sequence, time: 0, what }
    }

    fn shown(play: impl Fn(&Inbox<'_>)) -> Vec<(u64, bool)> {
        let (tx, rx) = crossbeam_channel::unbounded();
        let show = |shown| match shown {
            Shown::Event { event, earlier } => tx.send((event.sequence, earlier)).unwrap(),
            other => panic!("{other:?}"),
        };
        play(&Inbox::new(&show));
        rx.try_iter().collect()
    }

    #[test]
    fn what_was_said_before_the_join_is_marked_as_earlier() {
        let seen = shown(|inbox| {
            inbox.arrive(1, 5);
            inbox.take(says(4, "Sara", 1));
            inbox.take(says(6, "Sara", 2));
            assert_eq!(inbox.position(), 6);
        });
        assert_eq!(seen, [(4, true), (6, false)]);
    }

    #[test]
    fn a_message_repeated_after_a_restart_is_shown_once() {
        let seen = shown(|inbox| {
            inbox.arrive(1, 1);
            inbox.take(says(2, "Sara", 10));
            inbox.take(says(3, "Tom", 20));
            assert!(matches!(inbox.arrive(2, 1), Arrival::Restarted));
            inbox.take(says(2, "Sara", 10)); // again
            inbox.take(says(3, "Sara", 11));
            inbox.take(says(4, "Tom", 21)); // not again
        });
        assert_eq!(seen, [(2, false), (3, false), (3, false), (4, false)]);
    }
}
