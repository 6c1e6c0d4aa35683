//! What the client has received: the last sequence, which a resumed session announces; which messages are
//! repetitions or its own; and which people are ignored.
//!
//! The callback's thread passes events in. The main thread asks for the last sequence when no callback
//! runs.

use crate::{
    events::{Found, UiEvent, UiEventHandler, Utterance},
    session::{
        memory::Memory,
        message::{message_of, Class, Message},
        search::Search,
    },
};
use chat_common::{
    program::tasks::{self, Task, Tasks},
    wire::protocol::{Event, EventKind, Place, Request},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// For how many authors the last message id is kept. This is far more than a room holds.
const MAX_AUTHORS: usize = 4096;
/// No server allows a longer name, so it is not stored. In bytes.
const MAX_NAME_BYTES: usize = 256;
/// How many of our own last messages are known again when they come back as history. As many as a server
/// keeps.
const MAX_OWN_MESSAGES: usize = 8192;

/// After so many calls without events, one after the other, the server has nothing more to deliver. It makes
/// one every 5 s, and may read old events for longer than that.
const MAX_SILENCES: u32 = 3;

/// Shows the events from the server, except for repetitions, our own messages, and the messages of ignored
/// people.
///
/// Invariant: a message that is not shown has been shown before, with the same author and text, or this
/// client has said it, or its author was ignored when it came. So nobody can hide a message from one person
/// by its number.
pub(crate) struct Inbox<'a> {
    show: UiEventHandler<'a>,
    /// The hash of messages. Its keys are random, so nobody can find two messages with the same hash.
    hash: RandomState,
    /// Invariant: not locked while an event is shown.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The highest sequence that was shown in this session.
    last_sequence: u64,
    /// The highest sequence that was shown in earlier sessions, in this room. A new session gets the same
    /// events again.
    shown_before: u64,
    /// The number of the room, once the client has joined.
    room: Option<u64>,
    /// The sequence of our join. An event with a lower sequence happened earlier.
    join_sequence: u64,
    /// Whether the room has announced its end.
    ended: bool,
    /// The hash of each author's last message, from any session and any room.
    last_messages: HashMap<String, u64>,
    /// The hashes of the last messages that this client has said, with its name.
    said: VecDeque<u64>,
    /// The author of the last private message that was not ignored.
    last_private_author: Option<String>,
    /// The ignored people. The key is the name in lower case, the value is the name as it was typed.
    ignored: BTreeMap<String, String>,
    /// What was shown, for searches.
    memory: Memory,
    /// The hashes of the messages that were shown before the room was put back. It brings them again.
    seen: HashSet<u64>,
    /// How many calls without events have come since the last event.
    silences: u32,
    /// A sequence that the main thread waits for, and a task that ends when it has been shown.
    awaited: Option<(u64, Task)>,
}

/// How a join relates to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinKind {
    First,
    SameRoom,
    RoomRestarted,
    /// The room goes on from a copy of its journal.
    RoomPutBack,
}

impl<'a> Inbox<'a> {
    pub(crate) fn new(show: UiEventHandler<'a>) -> Inbox<'a> {
        Inbox { show, hash: RandomState::new(), state: Mutex::default() }
    }

    /// Returns the highest sequence that was shown in this session, or 0.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.lock().last_sequence
    }

    /// Returns the last place that was shown in the order of the room, if the client was there before.
    pub(crate) fn place(&self) -> Option<Place> {
        let state = self.lock();
        let sequence = state.last_sequence.max(state.shown_before);
        state.room.map(|room| Place { room, sequence })
    }

    /// Records that this client, whose name is `author`, sends this request. It then recognises the message
    /// when it comes back as history.
    pub(crate) fn record_said(&self, author: &str, request: &Request) {
        let (class, message_id, text) = match request {
            Request::Broadcast { message_id, text, .. } => (Class::Message, message_id, text),
            Request::Action { message_id, text, .. } => (Class::Action, message_id, text),
            // Nobody gets a private message of its own.
            _ => return,
        };
        let message = self.hash.hash_one((author, self.hash.hash_one((class, message_id, text))));
        let mut state = self.lock();
        if state.said.back() != Some(&message) {
            state.said.push_back(message);
            if state.said.len() > MAX_OWN_MESSAGES {
                state.said.pop_front();
            }
        }
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

    pub(crate) fn ignores(&self, author: &str) -> bool {
        self.lock().ignores(author)
    }

    /// Remembers a message of this client, whose name is `author`.
    pub(crate) fn remember_own(&self, author: &str, sequence: u64, utterance: &Utterance) {
        // A clock that shows a time before 1970 is wrong, so any value will do.
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let (author, text, to) = (author.to_owned(), utterance.text().to_owned(), None);
        let (kind, to) = match utterance {
            Utterance::Message(_) => {
                (EventKind::Message { author, message_id: 0, repeated: false, text }, to)
            }
            Utterance::Action(_) => (EventKind::Action { author, message_id: 0, repeated: false, text }, to),
            Utterance::Private { to, .. } => {
                (EventKind::Private { author, message_id: 0, repeated: false, text }, Some(to.clone()))
            }
        };
        let mut state = self.lock();
        if let Some(room) = state.room {
            state.memory.record(room, Found { event: Event { sequence, time, kind }, to });
        }
    }

    /// Begins a search for a text in what was shown, without the messages of ignored people.
    pub(crate) fn search(&self, text: String) -> Search {
        let state = self.lock();
        let before = state.room.and_then(|room| state.memory.first_sequence(room));
        let seen_before = state.room.map(|room| state.memory.before_missed(room)).unwrap_or_default();
        let is_ignored = |found: &&Found| {
            message_of(&found.event.kind).is_some_and(|message| state.ignores(message.author))
        };
        let seen = state.memory.messages().filter(|found| !is_ignored(found));
        Search::new(text, state.room, before, seen_before, seen)
    }

    /// Returns these events without the messages of ignored people.
    pub(crate) fn without_ignored(&self, mut events: Vec<Event>) -> Vec<Event> {
        let state = self.lock();
        events.retain(|event| !message_of(&event.kind).is_some_and(|message| state.ignores(message.author)));
        events
    }

    /// Records a join: its `sequence` in this `room`. `resumed` is whether the session is the one before.
    pub(crate) fn on_joined(&self, room: u64, sequence: u64, resumed: bool) -> JoinKind {
        let mut state = self.lock();
        let shown = state.last_sequence.max(state.shown_before);
        state.join_sequence = sequence;
        (state.ended, state.silences) = (false, 0);
        match state.room.replace(room) {
            None => JoinKind::First,
            // The number of a new join is higher than all before.
            Some(before) if before == room && !resumed && sequence <= shown => {
                (state.last_sequence, state.shown_before) = (0, 0);
                let seen = state.memory.forget(room);
                state.seen = seen.iter().filter_map(|found| self.hash_of(&found.event)).collect();
                JoinKind::RoomPutBack
            }
            Some(before) if before == room => {
                state.last_sequence = shown;
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
            let earlier = sequence < state.join_sequence;
            let shows = match message_of(&event.kind) {
                Some(message) => {
                    let hash = self.hash.hash_one((message.class, message.message_id, message.text));
                    let is_own = earlier && state.said.contains(&self.hash.hash_one((message.author, hash)));
                    !is_own && state.record_message(&message, hash)
                }
                None => {
                    state.record_other(&event);
                    true
                }
            };
            if let (true, Some(room)) = (shows, state.room) {
                state.memory.record(room, Found { event: event.clone(), to: None });
            }
            let is_seen = earlier && self.hash_of(&event).is_some_and(|hash| state.seen.contains(&hash));
            (shows && !is_seen, earlier)
        };
        if shows {
            (self.show)(UiEvent::Event { event, earlier });
        }
        let mut state = self.lock();
        state.last_sequence = state.last_sequence.max(sequence);
        state.silences = 0;
        state.awaited.take_if(|(awaited, _)| *awaited <= sequence);
    }

    /// Returns the hash of a message and its number. Returns `None` for any other event.
    fn hash_of(&self, event: &Event) -> Option<u64> {
        let Message { class, author, message_id, text, .. } = message_of(&event.kind)?;
        Some(self.hash.hash_one((event.sequence, class, author, message_id, text)))
    }

    /// Returns what ends when the event with this sequence, or a later one, has been shown, or when the
    /// server has nothing more to deliver. Another call ends the wait of the one before.
    pub(crate) fn shown_up_to(&self, sequence: u64) -> Tasks {
        let (showing, tasks) = tasks::begin();
        let mut state = self.lock();
        if state.last_sequence.max(state.shown_before) < sequence && state.silences < MAX_SILENCES {
            state.awaited = Some((sequence, showing));
        }
        tasks
    }

    /// Records a call without events. The server makes one when it has delivered nothing for some time.
    pub(crate) fn receive_nothing(&self) {
        let mut state = self.lock();
        state.silences = state.silences.saturating_add(1);
        if state.silences >= MAX_SILENCES {
            state.awaited = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each field is valid after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Records a message with this hash. Returns whether to show it.
    ///
    /// A message is not shown if its author is ignored, or repeats it. An author repeats the last message
    /// when its reply was lost together with the session, and marks it as repeated.
    fn record_message(&mut self, message: &Message<'_>, hash: u64) -> bool {
        let author = message.author;
        let ignored = self.ignores(author);
        if message.class == Class::Private && !ignored {
            self.last_private_author = Some(author.to_owned());
        }
        let before = self.record_hash(author, hash);
        !ignored && (!message.repeated || before != Some(hash))
    }

    fn record_other(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Missed { messages: true, .. } => {
                self.room.into_iter().for_each(|room| self.memory.record_missed(room, event.sequence));
            }
            EventKind::Renamed { from, to } => {
                if let Some(hash) = self.last_messages.remove(from) {
                    self.record_hash(to, hash);
                }
                if self.last_private_author.as_ref() == Some(from) {
                    self.last_private_author = Some(to.clone());
                } else {
                    self.replies_to_nobody_called(to);
                }
                // A person stays ignored under a new name.
                if self.ignored.remove(&from.to_lowercase()).is_some() {
                    self.ignored.insert(to.to_lowercase(), to.clone());
                }
            }
            EventKind::Joined { name } => self.replies_to_nobody_called(name),
            EventKind::Ended { .. } => self.ended = true,
            _ => {}
        }
    }

    /// Forgets to whom `/reply` goes, if somebody who may be another person has the name by now.
    fn replies_to_nobody_called(&mut self, name: &str) {
        self.last_private_author.take_if(|author| author.to_lowercase() == name.to_lowercase());
    }

    /// Stores the hash of the author's last message. Returns the one before it.
    fn record_hash(&mut self, author: &str, hash: u64) -> Option<u64> {
        if author.len() > MAX_NAME_BYTES {
            return None;
        }
        if self.last_messages.len() >= MAX_AUTHORS {
            self.last_messages.clear();
        }
        self.last_messages.insert(author.to_owned(), hash)
    }

    fn ignores(&self, author: &str) -> bool {
        self.ignored.contains_key(&author.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn says(sequence: u64, author: &str, message_id: u64) -> Event {
        says_text(sequence, author, message_id, "hi")
    }

    fn says_text(sequence: u64, author: &str, message_id: u64, text: &str) -> Event {
        let kind =
            EventKind::Message { author: author.into(), message_id, repeated: false, text: text.into() };
        Event { sequence, time: 0, kind }
    }

    /// The author says again what it may have said before.
    fn repeats(sequence: u64, author: &str, message_id: u64) -> Event {
        let mut event = says(sequence, author, message_id);
        if let EventKind::Message { repeated, .. } = &mut event.kind {
            *repeated = true;
        }
        event
    }

    /// We say something ourselves, with the text "hi".
    fn say(inbox: &Inbox<'_>, name: &str, message_id: u64) {
        inbox.record_said(name, &Request::Broadcast { message_id, repeated: false, text: "hi".into() });
    }

    fn shown_by(test: impl Fn(&Inbox<'_>)) -> Vec<(u64, bool)> {
        let (tx, rx) = crossbeam_channel::unbounded();
        let show = |event| match event {
            UiEvent::Event { event, earlier } => tx.send((event.sequence, earlier)).unwrap(),
            other => panic!("{other:?}"),
        };
        test(&Inbox::new(&show));
        rx.try_iter().collect()
    }

    #[test]
    fn an_event_from_before_the_join_is_marked_as_earlier() {
        let shown = shown_by(|inbox| {
            inbox.on_joined(1, 5, false);
            inbox.receive(says(4, "Sara", 1));
            inbox.receive(says(6, "Sara", 2));
            assert_eq!(inbox.last_sequence(), 6);
        });
        assert_eq!(shown, [(4, true), (6, false)]);
    }

    #[test]
    fn a_message_that_is_repeated_in_a_new_session_or_a_new_room_is_shown_once() {
        let shown = shown_by(|inbox| {
            inbox.on_joined(1, 1, false);
            inbox.receive(says(2, "Sara", 10));
            inbox.receive(repeats(3, "Sara", 10)); // again, in a new session
            inbox.receive(says(4, "Tom", 20));
            assert!(matches!(inbox.on_joined(2, 1, false), JoinKind::RoomRestarted));
            inbox.receive(repeats(2, "Sara", 10)); // and again, in a new room
            inbox.receive(says(3, "Sara", 11));
            inbox.receive(repeats(4, "Tom", 21)); // Nobody has heard this one.
        });
        assert_eq!(shown, [(2, false), (4, false), (3, false), (4, false)]);
    }

    #[test]
    fn a_bot_that_begins_at_the_same_number_in_each_session_is_heard_each_time() {
        let shown = shown_by(|inbox| (2..6).for_each(|sequence| inbox.receive(says(sequence, "ci", 1))));
        assert_eq!(shown, [(2, false), (3, false), (4, false), (5, false)]);
    }

    #[test]
    fn nobody_hides_a_message_from_one_person_by_its_number_or_its_mark() {
        let shown = shown_by(|inbox| {
            inbox.on_joined(1, 1, false);
            say(inbox, "Ann", 10);
            // Somebody uses the number of our message, and then even our name while we are away.
            inbox.receive(says(2, "Mallory", 10));
            inbox.receive(says_text(3, "Ann", 10, "I am a fool"));
            inbox.receive(says(4, "Sara", 20));
            // Somebody has taken Sara's name and number, and marks another text as a repetition.
            let mut forged = repeats(5, "Sara", 20);
            if let EventKind::Message { text, .. } = &mut forged.kind {
                *text = "another text".into();
            }
            inbox.receive(forged);
            inbox.end_session();
            inbox.on_joined(1, 9, false);
            inbox.receive(says_text(6, "Ann", 10, "I am a fool"));
        });
        assert_eq!(shown, [(2, false), (3, false), (4, false), (5, false), (6, true)]);
    }

    #[test]
    fn an_ignored_message_is_not_shown_and_not_replied_to_but_counts_as_received() {
        let shown = shown_by(|inbox| {
            assert_eq!(inbox.toggle_ignored(Some("sara".into())), ["sara"]);
            let (author, text) = ("Sara".into(), "psst".into());
            let kind = EventKind::Private { author, message_id: 1, repeated: false, text };
            inbox.receive(Event { sequence: 2, time: 0, kind });
            assert_eq!((inbox.last_private_author(), inbox.last_sequence()), (None, 2));
            assert!(inbox.without_ignored(vec![says(1, "Sara", 0)]).is_empty());
            assert!(inbox.toggle_ignored(Some("SARA".into())).is_empty());
            inbox.receive(says(3, "Sara", 2));
        });
        assert_eq!(shown, [(3, false)]);
    }

    #[test]
    fn a_reply_follows_a_person_to_a_new_name_and_does_not_go_to_whoever_takes_the_name() {
        let name = String::from;
        let left = EventKind::Left { name: name("Sara"), reason: None };
        let back = EventKind::Back { name: name("Sara") };
        let joined = EventKind::Joined { name: name("SARA") };
        let taken = EventKind::Renamed { from: name("Mallory"), to: name("sara") };
        let renamed = EventKind::Renamed { from: name("Sara"), to: name("Sal") };
        for (kinds, author) in [
            (vec![left.clone(), back], Some("Sara")),
            (vec![left.clone(), joined], None),
            (vec![left, taken], None),
            (vec![renamed], Some("Sal")),
        ] {
            shown_by(|inbox| {
                let (author_name, text) = (name("Sara"), name("psst"));
                let private =
                    EventKind::Private { author: author_name, message_id: 1, repeated: false, text };
                for (sequence, kind) in (2..).zip(std::iter::once(private).chain(kinds.clone())) {
                    inbox.receive(Event { sequence, time: 0, kind });
                }
                assert_eq!(inbox.last_private_author().as_deref(), author);
            });
        }
    }

    #[test]
    fn who_waits_for_an_event_waits_until_it_is_shown_or_the_server_stays_silent() {
        let is_over = |tasks: &Tasks| tasks.wait_for(Duration::ZERO);
        shown_by(|inbox| {
            inbox.on_joined(1, 9, false);
            inbox.receive(says(2, "Sara", 1));
            assert!(is_over(&inbox.shown_up_to(2)));
            let showing = inbox.shown_up_to(4);
            inbox.receive(says(3, "Sara", 2));
            assert!(!is_over(&showing));
            // The room can lack the event itself, and then it has a later one.
            inbox.receive(says(5, "Sara", 3));
            assert!(is_over(&showing));
            let showing = inbox.shown_up_to(8);
            (1..MAX_SILENCES).for_each(|_| inbox.receive_nothing());
            inbox.receive(says(6, "Sara", 4));
            (1..MAX_SILENCES).for_each(|_| inbox.receive_nothing());
            assert!(!is_over(&showing));
            inbox.receive_nothing();
            assert!(is_over(&showing) && is_over(&inbox.shown_up_to(8)));
        });
    }

    #[test]
    fn a_new_session_in_the_same_room_shows_only_new_events() {
        let shown = shown_by(|inbox| {
            inbox.on_joined(1, 1, false);
            inbox.receive(says(2, "Sara", 10));
            say(inbox, "Me", 7);
            inbox.end_session();
            assert_eq!(inbox.last_sequence(), 0, "a new session has received nothing");
            assert_eq!(inbox.place(), Some(Place { room: 1, sequence: 2 }));
            assert!(matches!(inbox.on_joined(1, 6, false), JoinKind::SameRoom));
            inbox.receive(says(2, "Sara", 10));
            inbox.receive(says(3, "Me", 7));
            inbox.receive(says(4, "Sara", 11));
        });
        assert_eq!(shown, [(2, false), (4, true)]);
    }

    #[test]
    fn after_a_restart_every_sequence_is_new() {
        let shown = shown_by(|inbox| {
            inbox.on_joined(1, 1, false);
            inbox.receive(says(9, "Sara", 10));
            inbox.end_session();
            assert!(matches!(inbox.on_joined(2, 3, false), JoinKind::RoomRestarted));
            inbox.receive(says(2, "Sara", 11));
        });
        assert_eq!(shown, [(9, false), (2, true)]);
    }
}
