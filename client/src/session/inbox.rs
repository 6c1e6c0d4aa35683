//! What has been received so far: the position that a resumed session announces, what a repeated message looks like, and who
//! is not listened to.
//!
//! The callback's thread hands events in; the session's thread asks for the position when no callback runs.

use crate::settings::{channels::Show, shown::Shown};
use chat_common::protocol::{Event, EventKind};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many authors' last numbers are kept at most. Far more than a room holds; a day's comings and goings may exceed it.
const AUTHORS_KEPT: usize = 4096;
/// A longer name is no server's, and not remembered. In bytes.
const LONGEST_NAME: usize = 256;
/// More than anybody says in one visit: what has a number in so many from our first is our own.
const OWN_NUMBERS: u64 = 1 << 32;

/// Everything that goes from the server to the screen passes here.
pub(crate) struct Inbox<'a> {
    show: Show<'a>,
    first_number: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The highest sequence number that has been shown in this session.
    position: u64,
    /// The same of the sessions before it in this run of the server: what a new session hears again is known up to here.
    known: u64,
    /// Which run of the server we are in, once we have joined one.
    room: Option<u64>,
    /// The place of our join: what has a lower number was said earlier.
    joined_at: u64,
    /// Whether the room has said that it ends.
    ended: bool,
    /// The number of the last message of each author, whatever session or run of the server it came from.
    last_numbers: HashMap<String, u64>,
    /// Who spoke to us alone most recently, and was heard.
    last_private: Option<String>,
    /// Who is ignored: by the lower case of the name, as it was typed.
    ignored: BTreeMap<String, String>,
}

/// What joining turned out to be.
pub(crate) enum Arrival {
    First,
    SameRoom,
    Restarted,
}

impl<'a> Inbox<'a> {
    /// `first_number` is that of the first thing we say: what we have said in an earlier session is not shown to us.
    pub(crate) fn new(show: Show<'a>, first_number: u64) -> Inbox<'a> {
        Inbox { show, first_number, state: Mutex::default() }
    }

    /// The highest sequence number that has been shown in this session, 0 for none.
    pub(crate) fn position(&self) -> u64 {
        self.lock().position
    }

    /// The session is unknown to the server: positions begin anew with the next one.
    pub(crate) fn forget_position(&self) {
        let mut state = self.lock();
        state.known = state.known.max(std::mem::take(&mut state.position));
    }

    /// Whether the room we were in has said that it ends.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Who spoke to us alone most recently, and was heard.
    pub(crate) fn last_private(&self) -> Option<String> {
        self.lock().last_private.clone()
    }

    /// Ignores this person, or not any more. Answers who is ignored now.
    pub(crate) fn ignore(&self, name: Option<String>) -> Vec<String> {
        let mut state = self.lock();
        if let Some(name) = name {
            let key = name.to_lowercase();
            if state.ignored.remove(&key).is_none() {
                state.ignored.insert(key, name);
            }
        }
        state.ignored.values().cloned().collect()
    }

    /// These events without what ignored people say.
    pub(crate) fn heard(&self, mut events: Vec<Event>) -> Vec<Event> {
        let state = self.lock();
        events.retain(|event| !said_by(&event.kind).is_some_and(|(author, _)| state.ignores(author)));
        events
    }

    /// We are in: `joined_at` in the one order of this `room`.
    pub(crate) fn arrive(&self, room: u64, joined_at: u64) -> Arrival {
        let mut state = self.lock();
        state.joined_at = joined_at;
        state.ended = false;
        match state.room.replace(room) {
            None => Arrival::First,
            Some(before) if before == room => {
                state.position = state.position.max(state.known);
                Arrival::SameRoom
            }
            Some(_) => {
                (state.position, state.known) = (0, 0);
                Arrival::Restarted
            }
        }
    }

    /// Shows an event unless it is a repetition or somebody ignored says it, and counts it as received once it has been shown.
    ///
    /// # Blocking
    /// On the screen.
    pub(crate) fn take(&self, event: Event) {
        let sequence = event.sequence;
        let (heard, earlier) = {
            let mut state = self.lock();
            if sequence <= state.position {
                return; // Heard in an earlier session.
            }
            let own = said_by(&event.kind).is_some_and(|(_, message_id)| self.is_own(message_id));
            (!own && state.note(&event.kind), sequence < state.joined_at)
        };
        if heard {
            (self.show)(Shown::Event { event, earlier });
        }
        let mut state = self.lock();
        state.position = state.position.max(sequence);
    }

    fn is_own(&self, message_id: u64) -> bool {
        (self.first_number..self.first_number + OWN_NUMBERS).contains(&message_id)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each field is valid after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes note of an event. Answers whether it is to be shown: not where somebody ignored says it, and not where an author
    /// repeats a message because its answer was lost together with the session. That one has the number of the last one.
    fn note(&mut self, kind: &EventKind) -> bool {
        if let Some((author, message_id)) = said_by(kind) {
            let ignored = self.ignores(author);
            if matches!(kind, EventKind::Private { .. }) && !ignored {
                self.last_private = Some(author.to_owned());
            }
            return self.remember(author, message_id) != Some(message_id) && !ignored;
        }
        match kind {
            EventKind::Renamed { from, to } => {
                if let Some(number) = self.last_numbers.remove(from) {
                    self.remember(to, number);
                }
                if self.last_private.as_ref() == Some(from) {
                    self.last_private = Some(to.clone());
                }
                // A new name is no way out of being ignored.
                if self.ignored.remove(&from.to_lowercase()).is_some() {
                    self.ignored.insert(to.to_lowercase(), to.clone());
                }
            }
            // Who leaves has nothing to repeat, and whoever takes the name next begins with numbers of their own.
            EventKind::Left { name, reason: None } => {
                self.last_numbers.remove(name);
            }
            EventKind::Ended { .. } => self.ended = true,
            _ => {}
        }
        true
    }

    /// Answers the number that was remembered before.
    fn remember(&mut self, author: &str, message_id: u64) -> Option<u64> {
        if author.len() > LONGEST_NAME {
            return None;
        }
        if self.last_numbers.len() >= AUTHORS_KEPT {
            self.last_numbers.clear();
        }
        self.last_numbers.insert(author.to_owned(), message_id)
    }

    fn ignores(&self, author: &str) -> bool {
        self.ignored.contains_key(&author.to_lowercase())
    }
}

/// The author and the number of something said.
fn said_by(kind: &EventKind) -> Option<(&str, u64)> {
    match kind {
        EventKind::Message { author, message_id, .. }
        | EventKind::Action { author, message_id, .. }
        | EventKind::Private { author, message_id, .. } => Some((author, *message_id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Our own first number.
    const OWN: u64 = 1 << 40;

    fn says(sequence: u64, author: &str, message_id: u64) -> Event {
        let kind = EventKind::Message { author: author.into(), message_id, text: "hi".into() };
        Event { sequence, time: 0, kind }
    }

    fn shown(play: impl Fn(&Inbox<'_>)) -> Vec<(u64, bool)> {
        let (tx, rx) = crossbeam_channel::unbounded();
        let show = |shown| match shown {
            Shown::Event { event, earlier } => tx.send((event.sequence, earlier)).unwrap(),
            other => panic!("{other:?}"),
        };
        play(&Inbox::new(&show, OWN));
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
    fn a_message_repeated_in_another_session_or_after_a_restart_is_shown_once() {
        let seen = shown(|inbox| {
            inbox.arrive(1, 1);
            inbox.take(says(2, "Sara", 10));
            inbox.take(says(3, "Sara", 10)); // again, in a new session
            inbox.take(says(4, "Tom", 20));
            assert!(matches!(inbox.arrive(2, 1), Arrival::Restarted));
            inbox.take(says(2, "Sara", 10)); // and again, in a new room
            inbox.take(says(3, "Sara", 11));
            inbox.take(says(4, "Tom", 21)); // not again
        });
        assert_eq!(seen, [(2, false), (4, false), (3, false), (4, false)]);
    }

    #[test]
    fn whoever_takes_the_name_of_one_who_left_begins_anew() {
        let seen = shown(|inbox| {
            inbox.take(says(2, "Sara", 10));
            inbox.take(Event {
                sequence: 3,
                time: 0,
                kind: EventKind::Left { name: "Sara".into(), reason: None },
            });
            inbox.take(says(4, "Sara", 10));
        });
        assert_eq!(seen, [(2, false), (3, false), (4, false)]);
    }

    #[test]
    fn who_is_ignored_is_not_shown_and_gets_no_reply_but_counts_as_received() {
        let seen = shown(|inbox| {
            assert_eq!(inbox.ignore(Some("sara".into())), ["sara"]);
            let kind = EventKind::Private { author: "Sara".into(), message_id: 1, text: "psst".into() };
            inbox.take(Event { sequence: 2, time: 0, kind });
            assert_eq!((inbox.last_private(), inbox.position()), (None, 2));
            assert!(inbox.heard(vec![says(1, "Sara", 0)]).is_empty());
            assert!(inbox.ignore(Some("SARA".into())).is_empty());
            inbox.take(says(3, "Sara", 2));
        });
        assert_eq!(seen, [(3, false)]);
    }

    #[test]
    fn who_was_away_for_too_long_hears_what_is_new_and_not_what_was_heard() {
        let seen = shown(|inbox| {
            inbox.arrive(1, 1);
            inbox.take(says(2, "Sara", 10));
            inbox.forget_position();
            assert_eq!(inbox.position(), 0, "the new session has received nothing");
            assert!(matches!(inbox.arrive(1, 6), Arrival::SameRoom));
            inbox.take(says(2, "Sara", 10));
            inbox.take(says(3, "Me", OWN + 7));
            inbox.take(says(4, "Sara", 11));
        });
        assert_eq!(seen, [(2, false), (4, true)]);
    }

    #[test]
    fn after_a_restart_everything_is_new() {
        let seen = shown(|inbox| {
            inbox.arrive(1, 1);
            inbox.take(says(9, "Sara", 10));
            inbox.forget_position();
            assert!(matches!(inbox.arrive(2, 3), Arrival::Restarted));
            inbox.take(says(2, "Sara", 11));
        });
        assert_eq!(seen, [(9, false), (2, true)]);
    }
}
