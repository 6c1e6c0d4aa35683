//! The idea of the real server: one thread per recipient, which reads the log from its own position.
//!
//! One scope holds all these threads and lives as long as the broadcaster. No thread starts for a message,
//! and no thread waits for another: a recipient that stops reading blocks only its own thread.
//!
//! Go: `-strategy log` of `tests/go-twin` is the same, with `sync.Cond` instead of the `Condvar`.

use super::{thread_builder, Member, RoomEvent, BATCH_EVENTS};
use chat_common::wire::protocol::Event;
use crossbeam_channel::Receiver;
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
};

/// How many events the log keeps: as many as the real server.
const LOG_LENGTH: usize = 8192;

/// The last events, and the wake-up for threads that have read all of them.
#[derive(Default)]
struct Log {
    state: Mutex<LogState>,
    appended: Condvar,
}

#[derive(Default)]
struct LogState {
    /// The sequence of `events[0]`.
    first: u64,
    events: VecDeque<(usize, Arc<Event>)>,
}

impl LogState {
    fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }
}

/// Appends events to the log. It never touches a socket.
pub(super) fn broadcaster_loop(events_rx: &Receiver<RoomEvent>) {
    let log = Log::default();
    thread::scope(|scope| {
        for event in events_rx {
            match event {
                RoomEvent::Event { author, event } => log.append(author, event),
                RoomEvent::Joined(member) => {
                    let (log, end) = (&log, log.end());
                    thread_builder(format!("deliver-{}", member.id))
                        .spawn_scoped(scope, move || delivery_loop(member, log, end))
                        .expect("a benchmark stays below the system's limit on threads");
                }
                // The callback connection ends, too, so the next call to the member fails and ends its
                // thread.
                RoomEvent::Left(_) => {}
            }
        }
    });
}

/// Delivers to one recipient, until a call to it fails.
///
/// # Blocking
/// On the recipient, and on the log when it has read all of it.
fn delivery_loop(mut member: Member, log: &Log, mut cursor: u64) {
    loop {
        let events = log.read_from(&mut cursor, member.id);
        if !events.is_empty()
            && member.receive(events.iter().map(|event| (**event).clone()).collect()).is_err()
        {
            return;
        }
    }
}

impl Log {
    fn append(&self, author: usize, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.events.push_back((author, Arc::new(event)));
        if state.events.len() > LOG_LENGTH {
            state.events.pop_front();
            state.first += 1;
        }
        drop(state);
        self.appended.notify_all();
    }

    fn end(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).end()
    }

    /// Returns the events that follow `cursor`, without those of `reader`, and moves `cursor` past them.
    ///
    /// # Blocking
    /// Until an event follows `cursor`. [`Log::append`] wakes it.
    fn read_from(&self, cursor: &mut u64, reader: usize) -> Vec<Arc<Event>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self
            .appended
            .wait_while(state, |state| state.end() <= *cursor)
            .unwrap_or_else(PoisonError::into_inner);
        // The reader misses events that have left the log. The real server tells it how many.
        let from = (*cursor).max(state.first);
        let waiting = state.events.range((from - state.first) as usize..).take(BATCH_EVENTS);
        *cursor = from + waiting.len() as u64;
        waiting.filter(|(author, _)| *author != reader).map(|(_, event)| Arc::clone(event)).collect()
    }
}
