//! One guest: what its session tells, what its page has asked for, and whether the page is there.
//!
//! Three kinds of threads meet here. The threads of the session call [`Guest::hear`]. The thread of the
//! page's stream waits in [`Guest::next`]. The threads of requests do the rest. None of them does I/O while
//! it holds the lock.
//!
//! A *run* is one call of [`chat_client::run`]. A guest has one run after the other under one token, and what
//! an old run tells is not heard any more.

use crate::guests::{page_lines::PageLines, shared_lines::SharedLines};
use chat_client::{json_objects, Input, Outcome, Stop, UiEvent};
use chat_common::wire::{
    protocol::{Cause, Joined, Place, Refusal},
    token::Token,
};
use crossbeam_channel::Sender;
use std::{
    net::IpAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How many requests of a page may wait for the server.
pub(super) const MAX_WAITING: usize = 16;
/// A session waits so long for its page: a reload, ten seconds without a network, a phone that sleeps.
const ABSENCE: Duration = Duration::from_secs(60);
/// How long a session waits for a page that reads more slowly than the server delivers. The server waits 5 s
/// for an answer. Then the page loses its stream, and resumes from its place.
const SLOW_PAGE: Duration = Duration::from_secs(3);
/// A page that closes, or was never there, is waited for so long: a reload closes it as well.
const CLOSING: Duration = Duration::from_secs(10);

/// One guest.
pub(crate) struct Guest {
    /// The secret of the session, which the server and the page know.
    pub(crate) token: Token,
    /// Where the page is.
    pub(crate) address: IpAddr,
    shared: Arc<SharedLines>,
    state: Mutex<State>,
    /// There is something new for those who wait.
    changed: Condvar,
}

struct State {
    run: Run,
    joining: Joining,
    room: RoomFacts,
    lines: PageLines,
    /// How many requests of the page wait for the server.
    waiting: usize,
    page: PagePresence,
}

/// The run that is heard, and the way into it.
struct Run {
    number: u64,
    input_tx: Option<Sender<Input>>,
    stop_tx: Option<Sender<Stop>>,
    /// The way into the run before, which still has the connections until this one has joined.
    before: Option<Sender<Stop>>,
    /// Whether it was told to leave, or has.
    leaves: bool,
    ended: bool,
}

/// What the room has said of itself and of the guest.
#[derive(Default)]
struct RoomFacts {
    room: u64,
    name: String,
    text_limit: usize,
    refusal: Option<Refusal>,
}

/// Whether the page is there.
struct PagePresence {
    /// Goes up with each page and each stream, so that an old one notices.
    page: u64,
    stream: u64,
    reading: Reading,
    /// The number of the last line that a stream has written.
    read: u64,
    since: Instant,
    /// Without a stream, the session ends after this time.
    patience: Duration,
}

/// Whether the page reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// It has just joined, and opens its stream.
    Soon,
    Now,
    /// It is away.
    Not,
}

/// How far the join of the current run is.
#[derive(Clone, Debug)]
pub(crate) enum Joining {
    /// Not done yet.
    Underway,
    /// The guest is in the room, under this name.
    Joined(String),
    /// The server does not let the guest in.
    Refused(Refusal),
    /// There is no way to the server. One line for people.
    Failed(String),
}

/// What the thread of a stream does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Writes these lines, each with its number.
    Lines(Vec<(u64, Arc<str>)>),
    /// Nothing has happened.
    Nothing,
    /// Ends the stream.
    Over,
}

/// Why a request of a page was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// The session has ended.
    Ended,
    /// Too many requests wait.
    Waiting,
    /// The text is longer than the room allows.
    TooLong,
}

impl Guest {
    /// A guest without a run.
    pub(super) fn new(token: Token, address: IpAddr, shared: Arc<SharedLines>) -> Guest {
        let run = Run { number: 0, input_tx: None, stop_tx: None, before: None, leaves: false, ended: false };
        let (stream, reading, read, since, patience) = (0, Reading::Soon, 0, Instant::now(), CLOSING);
        let state = State {
            run,
            joining: Joining::Underway,
            room: RoomFacts::default(),
            lines: PageLines::after(None),
            waiting: 0,
            page: PagePresence { page: 0, stream, reading, read, since, patience },
        };
        Guest { token, address, shared, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Begins a run, whose session goes on from this place or is new. Returns the number of the run. A
    /// session that goes on has the name that its page knows: the server does not say it again.
    pub(super) fn begin_run(
        &self,
        place: Option<Place>,
        name: &str,
        input_tx: Sender<Input>,
        stop_tx: Sender<Stop>,
    ) -> u64 {
        let mut state = self.lock();
        let before = state.run.stop_tx.take();
        let number = state.run.number + 1;
        state.run = Run {
            number,
            input_tx: Some(input_tx),
            stop_tx: Some(stop_tx),
            before,
            leaves: false,
            ended: false,
        };
        (state.joining, state.lines) = (Joining::Underway, PageLines::after(place));
        state.page.read = 0;
        (state.waiting, state.room.refusal) = (0, None);
        name.clone_into(&mut state.room.name);
        number
    }

    /// Hears what happens in a run.
    ///
    /// # Blocking
    /// On a page that reads slowly, for 3 s at most.
    pub(super) fn hear(&self, run: u64, event: &UiEvent) {
        let room = match event {
            UiEvent::Connected { joined, .. }
            | UiEvent::Resumed { joined, .. }
            | UiEvent::Rejoined { joined, .. } => joined.room,
            _ => self.lock().room.room,
        };
        // Made without the lock, and once for all guests where all are told the same.
        let lines: Vec<Arc<str>> = match event.sequence_for_all() {
            Some(sequence) => {
                let make = || json_objects(event).pop().unwrap_or_default();
                vec![self.shared.line(Place { room, sequence }, make)]
            }
            None => json_objects(event).into_iter().map(Arc::from).collect(),
        };
        let place = match event {
            UiEvent::Event { event, .. } => Some(Place { room, sequence: event.sequence }),
            _ => None,
        };
        let mut state = self.lock();
        if state.run.number != run {
            return;
        }
        state.learn(event);
        for line in lines {
            state = self.wait_for_space(state, run);
            state.lines.push(line, place);
        }
        self.changed.notify_all();
    }

    /// Waits until a page that reads has read so much that the next line takes nothing away from it.
    fn wait_for_space<'a>(&'a self, mut state: MutexGuard<'a, State>, run: u64) -> MutexGuard<'a, State> {
        let deadline = Instant::now() + SLOW_PAGE;
        while state.run.number == run
            && state.page.reading != Reading::Not
            && state.lines.is_full_behind(state.page.read)
        {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.page.stop_reading(ABSENCE);
                break;
            }
            self.changed.notify_all();
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// Records how a run has ended. Returns whether it was the current one, so that the guest has gone.
    pub(super) fn end_run(&self, run: u64, outcome: Outcome) -> bool {
        let mut state = self.lock();
        if state.run.number != run {
            return false;
        }
        (state.run.leaves, state.run.ended) = (true, true);
        (state.run.input_tx, state.run.stop_tx) = (None, None);
        if let Some(before) = state.run.before.take() {
            let _ = before.try_send(Stop::Now);
        }
        if matches!(state.joining, Joining::Underway) {
            state.joining = match (state.room.refusal.take(), outcome) {
                (Some(refusal), _) => Joining::Refused(refusal),
                (None, Outcome::Failed(reason)) => Joining::Failed(reason),
                (None, _) => Joining::Failed("the guest has left".into()),
            };
        }
        self.changed.notify_all();
        true
    }

    /// Waits until the guest has joined or cannot join.
    ///
    /// # Blocking
    /// On the server, until `deadline` at most.
    pub(crate) fn wait_joined(&self, deadline: Instant) -> Joining {
        let mut state = self.lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if !matches!(state.joining, Joining::Underway) || left.is_zero() {
                return state.joining.clone();
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets another page have the guest: the stream of the old one ends. Returns the number of the page, and
    /// whether the session has to be resumed from this place, because the lines for it are not kept.
    pub(crate) fn change_page(&self, place: Option<Place>) -> (u64, bool) {
        let mut state = self.lock();
        state.page.page += 1;
        state.page.stop_reading(CLOSING);
        (state.page.reading, state.page.read) = (Reading::Soon, 0);
        state.lines.begin_again();
        self.changed.notify_all();
        let resumes = !state.run.ended && place.is_some_and(|place| !state.lines.cover(place));
        (state.page.page, resumes)
    }

    /// Begins a stream of this page behind this line. An older one ends. Returns its number, or `None` if
    /// another page has the guest.
    pub(crate) fn begin_stream(&self, page: u64, after: u64) -> Option<u64> {
        let mut state = self.lock();
        if state.page.page != page {
            return None;
        }
        state.page.stream += 1;
        (state.page.reading, state.page.read, state.page.patience) = (Reading::Now, after, ABSENCE);
        self.changed.notify_all();
        Some(state.page.stream)
    }

    /// Records that a stream has ended.
    pub(crate) fn end_stream(&self, stream: u64) {
        let mut state = self.lock();
        if state.page.stream == stream {
            state.page.stop_reading(ABSENCE);
            self.changed.notify_all();
        }
    }

    /// Whether the lines behind this number are kept.
    pub(crate) fn has_lines_behind(&self, number: u64) -> bool {
        self.lock().lines.behind(number).is_some()
    }

    /// Waits for lines behind this number.
    ///
    /// # Blocking
    /// On the room, for `timeout` at most. The end of the session and a newer stream wake it.
    pub(crate) fn next(&self, stream: u64, number: u64, timeout: Duration) -> Next {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            if state.page.stream != stream {
                return Next::Over;
            }
            if state.page.read != number {
                state.page.read = number;
                self.changed.notify_all();
            }
            match state.lines.behind(number) {
                // A slow reader loses its stream, and not its session.
                None => return Next::Over,
                Some(lines) if !lines.is_empty() => return Next::Lines(lines),
                Some(_) if state.run.ended => return Next::Over,
                Some(_) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Nothing;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Passes a request of the page on to the session. The server knows a message that comes again.
    ///
    /// # Errors
    /// Why it was not taken.
    pub(crate) fn take(&self, input: Input) -> Result<(), NotTaken> {
        let mut state = self.lock();
        if let Input::Say { utterance, .. } = input.without_id() {
            if utterance.text().len() > state.room.text_limit {
                return Err(NotTaken::TooLong);
            }
        }
        let input_tx = state.run.input_tx.as_ref().ok_or(NotTaken::Ended)?;
        if state.waiting >= MAX_WAITING || input_tx.try_send(input).is_err() {
            return Err(NotTaken::Waiting);
        }
        state.waiting += 1;
        Ok(())
    }

    /// The page closes. A reload closes it as well, so the session waits for a moment.
    pub(crate) fn close_page(&self, page: u64) {
        let mut state = self.lock();
        if state.page.page == page {
            state.page.stop_reading(CLOSING);
            self.changed.notify_all();
        }
    }

    /// Whether the guest leaves or has left, so that no page can take it over.
    pub(super) fn is_leaving(&self) -> bool {
        self.lock().run.leaves
    }

    /// Whether the page has been away for too long.
    pub(super) fn is_abandoned(&self, now: Instant) -> bool {
        let state = self.lock();
        let PagePresence { reading, since, patience, .. } = state.page;
        // A join has a limit of its own.
        reading != Reading::Now
            && !matches!(state.joining, Joining::Underway)
            && now.saturating_duration_since(since) >= patience
    }

    /// Leaves the room. More calls do no harm.
    pub(crate) fn leave(&self) {
        let mut state = self.lock();
        state.run.leaves = true;
        for stop_tx in state.run.stop_tx.iter().chain(&state.run.before) {
            // A full channel has such a request already.
            let _ = stop_tx.try_send(Stop::Now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each field is valid after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes from an event what the gateway itself has to know.
    fn learn(&mut self, event: &UiEvent) {
        let event = match event {
            UiEvent::Of { event, .. } => event,
            event => event,
        };
        match event {
            UiEvent::Connected { name, joined } | UiEvent::Rejoined { name, joined, .. } => {
                self.room.name.clone_from(name);
                self.enter(joined);
            }
            UiEvent::Resumed { joined, .. } => self.enter(joined),
            UiEvent::Renamed { name } => self.room.name.clone_from(name),
            UiEvent::JoinRefused(refusal) => {
                // The library waits for a name that is taken; the person at the page does not.
                let waits = matches!(refusal.cause, Cause::NameTaken | Cause::NameKept);
                if let (true, Joining::Underway, Some(stop_tx)) = (waits, &self.joining, &self.run.stop_tx) {
                    let _ = stop_tx.try_send(Stop::Now);
                }
                self.room.refusal = Some(refusal.clone());
            }
            _ => {}
        }
        let answers = matches!(
            event,
            UiEvent::Accepted { .. }
                | UiEvent::Refused { .. }
                | UiEvent::InvalidInput(_)
                | UiEvent::People { .. }
                | UiEvent::History(_)
                | UiEvent::Renamed { .. }
        );
        self.waiting = self.waiting.saturating_sub(usize::from(answers));
    }

    fn enter(&mut self, joined: &Joined) {
        (self.room.room, self.room.text_limit) = (joined.room, joined.text_limit as usize);
        self.room.refusal = None;
        self.page.since = Instant::now();
        self.joining = Joining::Joined(self.room.name.clone());
        // The server has replaced the connections of the run before.
        if let Some(before) = self.run.before.take() {
            let _ = before.try_send(Stop::Detach);
        }
    }
}

impl PagePresence {
    /// The page does not read any more, and is waited for as long as this.
    fn stop_reading(&mut self, patience: Duration) {
        self.stream += 1;
        (self.reading, self.since, self.patience) = (Reading::Not, Instant::now(), patience);
    }
}
