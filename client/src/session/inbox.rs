//! What the client has received from the room. The inbox decides what of it is shown: nothing twice, and
//! nothing that an ignored person says. It knows the last sequence, which a resumed session announces.
//!
//! The callback's thread passes events in. The main thread asks for the last sequence when no callback
//! runs.

use crate::{
    events::{Found, Rejoin, UiEvent, UiEventHandler, Utterance},
    session::{
        pager::{Pager, Unread},
        people::People,
        repetitions::Repetitions,
        seen_messages::SeenMessages,
    },
};
use chat_common::{
    program::{
        tasks::{self, Task, Tasks},
        wall_clock,
    },
    wire::protocol::{Event, EventKind, Place, Request},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// After so many calls without events, one after the other, the server has nothing more to deliver. It makes
/// one every 5 s, and may read old events for longer than that.
const MAX_SILENCES: u32 = 3;

/// Shows the events from the server, except for repetitions, our own messages, and the messages of ignored
/// people.
pub(crate) struct Inbox<'a> {
    show: UiEventHandler<'a>,
    /// Invariant: not locked while an event is shown.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    progress: Progress,
    /// What the main thread waits for: the event with this sequence is shown.
    awaited: Option<(u64, Task)>,
    /// How many calls without events have come since the last event.
    silences: u32,
    /// Whether the room has announced its end.
    ended: bool,
    repetitions: Repetitions,
    people: People,
    /// For searches, where a person may want one.
    seen: Option<SeenMessages>,
}

/// How far the client has read, and where.
#[derive(Default)]
struct Progress {
    /// The number of the room, once the client has joined.
    room: Option<u64>,
    /// The sequence of our join. An event with a lower sequence happened earlier.
    join_sequence: u64,
    /// The highest sequence that was shown in this room.
    shown: u64,
    /// Whether the session has received nothing yet. It gets what was shown in earlier sessions again.
    is_new_session: bool,
}

impl<'a> Inbox<'a> {
    /// The inbox of a client that has read up to `place`, or was nowhere before. `remembers` is whether it
    /// keeps what it shows, for searches.
    pub(crate) fn new(show: UiEventHandler<'a>, place: Option<Place>, remembers: bool) -> Inbox<'a> {
        let mut state = State { seen: remembers.then(SeenMessages::default), ..State::default() };
        if let Some(Place { room, sequence }) = place {
            (state.progress.room, state.progress.shown) = (Some(room), sequence);
        }
        Inbox { show, state: Mutex::new(state) }
    }

    /// Returns the highest sequence that was shown in this session, or 0.
    pub(crate) fn last_sequence(&self) -> u64 {
        let State { progress, .. } = &*self.lock();
        if progress.is_new_session {
            0
        } else {
            progress.shown
        }
    }

    /// Returns the last place that was shown in the order of the room, if the client was there before.
    pub(crate) fn place(&self) -> Option<Place> {
        let State { progress, .. } = &*self.lock();
        progress.room.map(|room| Place { room, sequence: progress.shown })
    }

    /// Records that this client, whose name is `author`, sends this request.
    pub(crate) fn record_said(&self, author: &str, request: &Request) {
        self.lock().repetitions.record_said(author, request);
    }

    /// The server does not know the session any more. The next session counts from the start.
    pub(crate) fn end_session(&self) {
        self.lock().progress.is_new_session = true;
    }

    /// Whether the room has announced its end.
    pub(crate) fn room_has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Returns the author of the last private message that was not ignored.
    pub(crate) fn last_private_author(&self) -> Option<String> {
        self.lock().people.last_private_author.clone()
    }

    /// Starts or stops to ignore a person; `None` changes nothing. Returns the names of all ignored people.
    pub(crate) fn toggle_ignored(&self, name: Option<String>) -> Vec<String> {
        self.lock().people.toggle_ignored(name)
    }

    /// Remembers a message of this client, whose name is `author`.
    pub(crate) fn remember_own(&self, author: &str, sequence: u64, utterance: &Utterance) {
        let State { progress: Progress { room: Some(room), .. }, seen: Some(seen), .. } = &mut *self.lock()
        else {
            return;
        };
        let time = wall_clock::now();
        let (author, text, message_id, repeated) = (author.to_owned(), utterance.text().to_owned(), 0, false);
        let (kind, to) = match utterance {
            Utterance::Message(_) => (EventKind::Message { author, message_id, repeated, text }, None),
            Utterance::Action(_) => (EventKind::Action { author, message_id, repeated, text }, None),
            Utterance::Private { to, .. } => {
                (EventKind::Private { author, message_id, repeated, text }, Some(to.clone()))
            }
        };
        seen.record(*room, Found { event: Event { sequence, time, kind }, to });
    }

    /// Begins a search for a text: in what was shown, without the messages of ignored people, and then in
    /// what the server keeps.
    pub(crate) fn search(&self, text: String) -> Pager {
        let state = self.lock();
        match &state.seen {
            Some(seen) => {
                let found = seen.messages().filter(|found| !state.people.ignores_event(&found.event));
                Pager::search(text, seen.unread(state.progress.room), found)
            }
            None => Pager::search(text, Unread::default(), std::iter::empty()),
        }
    }

    /// Adds a page of the room to what the pager has found, without the messages of ignored people. Returns
    /// whether it needs another page.
    pub(crate) fn turn_page(&self, pager: &mut Pager, page: Vec<Event>) -> bool {
        let state = self.lock();
        pager.take_page(state.progress.room, page, |author| state.people.ignores(author))
    }

    /// Records a join: its `sequence` in this `room`. `resumed` is whether the session is the one before.
    /// Returns `None` for the first join, and otherwise what has become of the room. For a resumed session
    /// that is [`Rejoin::Late`].
    pub(crate) fn on_joined(&self, room: u64, sequence: u64, resumed: bool) -> Option<Rejoin> {
        let state = &mut *self.lock();
        (state.ended, state.silences) = (false, 0);
        let shown = state.progress.shown;
        let before = state.progress.room;
        // The number of a new join is higher than all before.
        let is_late = before == Some(room) && (resumed || sequence > shown);
        let shown = if is_late { shown } else { 0 };
        state.progress = Progress { room: Some(room), join_sequence: sequence, shown, is_new_session: false };
        Some(match before? {
            _ if is_late => Rejoin::Late,
            before if before == room => {
                let seen = state.seen.as_mut().map_or_else(Vec::new, |seen| seen.forget(room));
                state.repetitions.put_back(seen.iter().map(|found| &found.event));
                Rejoin::PutBack
            }
            _ => Rejoin::Restarted,
        })
    }

    /// Shows an event, unless it is a repetition or its author is ignored. Then counts it as received.
    ///
    /// # Blocking
    /// On the screen.
    pub(crate) fn receive(&self, event: Event) {
        let sequence = event.sequence;
        let (shows, earlier) = {
            let state = &mut *self.lock();
            if sequence <= state.progress.shown {
                return; // An earlier session has shown it.
            }
            let earlier = sequence < state.progress.join_sequence;
            (state.record(&event, earlier), earlier)
        };
        if shows {
            (self.show)(UiEvent::Event { event, earlier });
        }
        let mut state = self.lock();
        state.progress.shown = state.progress.shown.max(sequence);
        state.silences = 0;
        state.awaited.take_if(|(awaited, _)| *awaited <= sequence);
    }

    /// Returns what ends when the event with this sequence, or a later one, has been shown, or when the
    /// server has nothing more to deliver. Another call ends the wait of the one before.
    pub(crate) fn shown_up_to(&self, sequence: u64) -> Tasks {
        let (showing, tasks) = tasks::begin();
        let mut state = self.lock();
        if state.progress.shown < sequence && state.silences < MAX_SILENCES {
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
    /// Records an event. Returns whether to show it.
    fn record(&mut self, event: &Event, earlier: bool) -> bool {
        self.people.record(&event.kind);
        self.ended |= matches!(event.kind, EventKind::Ended { .. });
        let is_new = !self.repetitions.record(event, earlier) && !self.people.ignores_event(event);
        if let (Some(seen), Some(room)) = (&mut self.seen, self.progress.room) {
            if let EventKind::Missed { messages: true, .. } = event.kind {
                seen.record_missed(room, event.sequence);
            } else if is_new {
                seen.record(room, Found { event: event.clone(), to: None });
            }
        }
        is_new && !(earlier && self.repetitions.is_put_back(event))
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
        test(&Inbox::new(&show, None, true));
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
            assert!(matches!(inbox.on_joined(2, 1, false), Some(Rejoin::Restarted)));
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
            let mut pager = Pager::history(1, Unread::default());
            inbox.turn_page(&mut pager, vec![says(1, "Sara", 0)]);
            assert_eq!(pager.end(true), Some(UiEvent::History(vec![])));
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
            assert!(matches!(inbox.on_joined(1, 6, false), Some(Rejoin::Late)));
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
            assert!(matches!(inbox.on_joined(2, 3, false), Some(Rejoin::Restarted)));
            inbox.receive(says(2, "Sara", 11));
        });
        assert_eq!(shown, [(9, false), (2, true)]);
    }
}
