//! The real server's idea and nothing else of it: one scope for the broadcaster's whole life, in it one thread per recipient,
//! which reads from its own position in the log.
//!
//! No thread is started for a message, and nobody waits for anybody: a recipient that has stopped reading stops its own thread.
//!
//! Go: `-strategy log` of `tests/go-twin` is the same, with `sync.Cond` for the `Condvar`.

use super::{builder, Member, Said, BATCH};
use chat_common::protocol::Event;
use crossbeam_channel::Receiver;
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
};

/// As many as the real server keeps.
const LOG_LENGTH: usize = 8192;

/// What was said last, and the wake-up for those who have read all of it.
#[derive(Default)]
struct Log {
    kept: Mutex<Kept>,
    grown: Condvar,
}

#[derive(Default)]
struct Kept {
    /// The position of `events[0]`.
    first: u64,
    events: VecDeque<(usize, Arc<Event>)>,
}

impl Kept {
    fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }
}

/// Appends, and never touches a socket.
pub(super) fn broadcaster_loop(said_rx: &Receiver<Said>) {
    let log = Log::default();
    thread::scope(|scope| {
        for said in said_rx {
            match said {
                Said::Event { author, event } => log.append(author, event),
                Said::Came(member) => {
                    let (log, end) = (&log, log.end());
                    builder(format!("deliver-{}", member.id))
                        .spawn_scoped(scope, move || delivery_loop(member, log, end))
                        .expect("a benchmark stays below the system's limit on threads");
                }
                // Its callback connection ends as well, and its next call fails.
                Said::Gone(_) => {}
            }
        }
    });
}

/// # Blocking
/// On its recipient, and on the log when it has read all of it.
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
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.events.push_back((author, Arc::new(event)));
        if kept.events.len() > LOG_LENGTH {
            kept.events.pop_front();
            kept.first += 1;
        }
        drop(kept);
        self.grown.notify_all();
    }

    fn end(&self) -> u64 {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).end()
    }

    /// Waits for something behind `cursor`, and moves it behind what is answered. Of what `reader` said itself nothing is.
    fn read_from(&self, cursor: &mut u64, reader: usize) -> Vec<Arc<Event>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept =
            self.grown.wait_while(kept, |kept| kept.end() <= *cursor).unwrap_or_else(PoisonError::into_inner);
        // What has left the log is lost to this reader; the real server says so.
        let from = (*cursor).max(kept.first);
        let waiting = kept.events.range((from - kept.first) as usize..).take(BATCH);
        *cursor = from + waiting.len() as u64;
        waiting.filter(|(author, _)| *author != reader).map(|(_, event)| Arc::clone(event)).collect()
    }
}
