//! What the client has received: the last sequence, which a resumed session announces; which messages are
//! repetitions; and which people are ignored.
//!
//! The callback's thread passes events in. The main thread asks for the last sequence when no callback
//! runs.

use crate::settings::{UiEvent, UiEventHandler};
use chat_common::protocol::{Event, EventKind};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// For how many authors the last message id is kept. This is far more than a room holds.
const MAX_AUTHORS: usize = 4096;
/// No server allows a longer name, so it is not stored. In bytes.
const MAX_NAME_BYTES: usize = 256;
/// A message id in a range of this length from our first id is our own. Nobody says so much in one run.
const OWN_MESSAGE_IDS: u64 = 1 << 32;

/// Shows the events from the server, except for repetitions and the messages of ignored people.
pub(crate) struct Inbox<'a> {
    show: UiEventHandler<'a>,
    first_message_id: u64,
    /// Invariant: not locked while an event is shown.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The highest sequence that was shown in this session.
    last_sequence: u64,
    /// The highest sequence that was shown in earlier sessions, in this run of the server. A new session gets
    /// the same events again.
    shown_before: u64,
    /// The id of the server's run, once the client has joined.
    room: Option<u64>,
    /// The sequence of our join. An event with a lower sequence happened earlier.
    join_sequence: u64,
    /// Whether the room has announced its end.
    ended: bool,
    /// The last message id of each author, from any session and any run of the server.
    last_message_ids: HashMap<String, u64>,
    /// The author of the last private message that was not ignored.
    last_private_author: Option<String>,
    /// The ignored people. The key is the name in lower case, the value is the name as it was typed.
    ignored: BTreeMap<String, String>,
}

/// How a join relates to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinKind {
    First,
    SameRoom,
    RoomRestarted,
}

impl<'a> Inbox<'a> {
    /// `first_message_id` is the id of our first message. Our own messages from an earlier session are not
    /// shown.
    pub(crate) fn new(show: UiEventHandler<'a>, first_message_id: u64) -> Inbox<'a> {
        Inbox { show, first_message_id, state: Mutex::default() }
    }

    /// Returns the highest sequence that was shown in this session, or 0.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.lock().last_sequence
    }

    /// The server does not know the session any more. The next session counts from the start.
    pub(crate) fn end_session(&self) {
        let mut state = self.lock();
        state.shown_before = state.shown_before.max(std::mem::take(&mut state.last_sequence));
    }

    /// Whether the room has announced its end.
    pub(crate) fn room_has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Returns the author of the last private message that was not ignored.
    pub(crate) fn last_private_author(&self) -> Option<String> {
        self.lock().last_private_author.clone()
    }

    /// Starts or stops to ignore a person; `None` changes nothing. Returns the names of all ignored people.
    pub(crate) fn toggle_ignored(&self, name: Option<String>) -> Vec<String> {
        let mut state = self.lock();
        if let Some(name) = name {
            let key = name.to_lowercase();
            if state.ignored.remove(&key).is_none() {
                state.ignored.insert(key, name);
            }
        }
        state.ignored.values().cloned().collect()
    }

    /// Returns these events without the messages of ignored people.
    pub(crate) fn without_ignored(&self, mut events: Vec<Event>) -> Vec<Event> {
        let state = self.lock();
        events.retain(|event| !author_and_id(&event.kind).is_some_and(|(author, _)| state.ignores(author)));
        events
    }

    /// Records a join: its `sequence` in this `room`.
    pub(crate) fn on_joined(&self, room: u64, sequence: u64) -> JoinKind {
        let mut state = self.lock();
        state.join_sequence = sequence;
        state.ended = false;
        match state.room.replace(room) {
            None => JoinKind::First,
            Some(before) if before == room => {
                state.last_sequence = state.last_sequence.max(state.shown_before);
                JoinKind::SameRoom
            }
            Some(_) => {
                (state.last_sequence, state.shown_before) = (0, 0);
                JoinKind::RoomRestarted
            }
        }
    }

    /// Shows an event, unless it is a repetition or its author is ignored. Then counts it as received.
    ///
    /// # Blocking
    /// On the screen.
    pub(crate) fn receive(&self, event: Event) {
        let sequence = event.sequence;
        let (shows, earlier) = {
            let mut state = self.lock();
            if sequence <= state.last_sequence {
                return; // An earlier session has shown it.
            }
            let own_ids = self.first_message_id..self.first_message_id + OWN_MESSAGE_IDS;
            let own = author_and_id(&event.kind).is_some_and(|(_, id)| own_ids.contains(&id));
            (!own && state.record(&event.kind), sequence < state.join_sequence)
        };
        if shows {
            (self.show)(UiEvent::Event { event, earlier });
        }
        let mut state = self.lock();
        state.last_sequence = state.last_sequence.max(sequence);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each field is valid after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Records an event. Returns whether to show it.
    ///
    /// A message is not shown if its author is ignored, or if the author repeats it. An author repeats the
    /// last message, with the same id, when its reply was lost together with the session.
    fn record(&mut self, kind: &EventKind) -> bool {
        if let Some((author, message_id)) = author_and_id(kind) {
            let ignored = self.ignores(author);
            if matches!(kind, EventKind::Private { .. }) && !ignored {
                self.last_private_author = Some(author.to_owned());
            }
            return self.record_id(author, message_id) != Some(message_id) && !ignored;
        }
        match kind {
            EventKind::Renamed { from, to } => {
                if let Some(message_id) = self.last_message_ids.remove(from) {
                    self.record_id(to, message_id);
                }
                if self.last_private_author.as_ref() == Some(from) {
                    self.last_private_author = Some(to.clone());
                }
                // A person stays ignored under a new name.
                if self.ignored.remove(&from.to_lowercase()).is_some() {
                    self.ignored.insert(to.to_lowercase(), to.clone());
                }
            }
            // A person who left repeats nothing. The next person with this name has other message ids.
            EventKind::Left { name, reason: None } => {
                self.last_message_ids.remove(name);
            }
            EventKind::Ended { .. } => self.ended = true,
            _ => {}
        }
        true
    }

    /// Stores the author's last message id. Returns the one before it.
    fn record_id(&mut self, author: &str, message_id: u64) -> Option<u64> {
        if author.len() > MAX_NAME_BYTES {
            return None;
        }
        if self.last_message_ids.len() >= MAX_AUTHORS {
            self.last_message_ids.clear();
        }
        self.last_message_ids.insert(author.to_owned(), message_id)
    }

    fn ignores(&self, author: &str) -> bool {
        self.ignored.contains_key(&author.to_lowercase())
    }
}

/// Returns the author and the id of a message.
fn author_and_id(kind: &EventKind) -> Option<(&str, u64)> {
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

    /// Our own first message id.
    const OWN_ID: u64 = 1 << 40;

    fn says(sequence: u64, author: &str, message_id: u64) -> Event {
        let kind = EventKind::Message { author: author.into(), message_id, text: "hi".into() };
        Event { sequence, time: 0, kind }
    }

    fn shown_by(test: impl Fn(&Inbox<'_>)) -> Vec<(u64, bool)> {
        let (tx, rx) = crossbeam_channel::unbounded();
        let show = |event| match event {
            UiEvent::Event { event, earlier } => tx.send((event.sequence, earlier)).unwrap(),
            other => panic!("{other:?}"),
        };
        test(&Inbox::new(&show, OWN_ID));
        rx.try_iter().collect()
    }

    #[test]
    fn an_event_from_before_the_join_is_marked_as_earlier() {
        let shown = shown_by(|inbox| {
            inbox.on_joined(1, 5);
            inbox.receive(says(4, "Sara", 1));
            inbox.receive(says(6, "Sara", 2));
            assert_eq!(inbox.last_sequence(), 6);
        });
        assert_eq!(shown, [(4, true), (6, false)]);
    }

    #[test]
    fn a_message_that_is_repeated_in_a_new_session_or_a_new_room_is_shown_once() {
        let shown = shown_by(|inbox| {
            inbox.on_joined(1, 1);
            inbox.receive(says(2, "Sara", 10));
            inbox.receive(says(3, "Sara", 10)); // again, in a new session
            inbox.receive(says(4, "Tom", 20));
            assert!(matches!(inbox.on_joined(2, 1), JoinKind::RoomRestarted));
            inbox.receive(says(2, "Sara", 10)); // and again, in a new room
            inbox.receive(says(3, "Sara", 11));
            inbox.receive(says(4, "Tom", 21)); // not again
        });
        assert_eq!(shown, [(2, false), (4, false), (3, false), (4, false)]);
    }

    #[test]
    fn a_new_person_with_the_name_of_one_who_left_may_use_the_same_message_id() {
        let shown = shown_by(|inbox| {
            inbox.receive(says(2, "Sara", 10));
            inbox.receive(Event {
                sequence: 3,
                time: 0,
                kind: EventKind::Left { name: "Sara".into(), reason: None },
            });
            inbox.receive(says(4, "Sara", 10));
        });
        assert_eq!(shown, [(2, false), (3, false), (4, false)]);
    }

    #[test]
    fn an_ignored_message_is_not_shown_and_not_replied_to_but_counts_as_received() {
        let shown = shown_by(|inbox| {
            assert_eq!(inbox.toggle_ignored(Some("sara".into())), ["sara"]);
            let kind = EventKind::Private { author: "Sara".into(), message_id: 1, text: "psst".into() };
            inbox.receive(Event { sequence: 2, time: 0, kind });
            assert_eq!((inbox.last_private_author(), inbox.last_sequence()), (None, 2));
            assert!(inbox.without_ignored(vec![says(1, "Sara", 0)]).is_empty());
            assert!(inbox.toggle_ignored(Some("SARA".into())).is_empty());
            inbox.receive(says(3, "Sara", 2));
        });
        assert_eq!(shown, [(3, false)]);
    }

    #[test]
    fn a_new_session_in_the_same_room_shows_only_new_events() {
        let shown = shown_by(|inbox| {
            inbox.on_joined(1, 1);
            inbox.receive(says(2, "Sara", 10));
            inbox.end_session();
            assert_eq!(inbox.last_sequence(), 0, "a new session has received nothing");
            assert!(matches!(inbox.on_joined(1, 6), JoinKind::SameRoom));
            inbox.receive(says(2, "Sara", 10));
            inbox.receive(says(3, "Me", OWN_ID + 7));
            inbox.receive(says(4, "Sara", 11));
        });
        assert_eq!(shown, [(2, false), (4, true)]);
    }

    #[test]
    fn after_a_restart_every_sequence_is_new() {
        let shown = shown_by(|inbox| {
            inbox.on_joined(1, 1);
            inbox.receive(says(9, "Sara", 10));
            inbox.end_session();
            assert!(matches!(inbox.on_joined(2, 3), JoinKind::RoomRestarted));
            inbox.receive(says(2, "Sara", 11));
        });
        assert_eq!(shown, [(9, false), (2, true)]);
    }
}
