//! A recipient's position in the log, and whose turn it is to write to it. No sockets: what is to be written is handed out.
//!
//! A call is started by whoever can. While a recipient has caught up, the broadcaster starts its next call as soon as there
//! is something to say; the recipient's own thread sits in `read` and is not even woken. When a call wants an answer, it is the
//! thread's turn: the answer wakes it, and it goes on with all that has gathered in the log since, until the recipient has
//! caught up again. So a slow recipient gets fewer and larger calls, and a stuck one costs its position.
//!
//! Why the broadcaster can write to a socket and never block: it does so only while the calls that have not been
//! answered, the new one included, are at most [`WINDOW_CALLS`] and [`WINDOW_BYTES`]. That fits into any send buffer.
//!
//! Invariant: the broadcaster appends to the log before it looks at the turn, and the thread looks at the log while it holds the
//! turn. So either the thread sees what was appended, or the broadcaster sees that the thread has given the turn back. `make model`
//! tries all the orders in which that can happen.
//!
//! Go: a goroutine per recipient per message, each free to overtake the other.
//!
//! ```go
//! for _, client := range clients { // before Go 1.22 all goroutines share the variable, and half the room gets another's copy
//!     go func() { client.Call("Client.Receive", message, &reply) }()
//! }
//! ```

use crate::{
    log::SharedLog,
    seeded::{Bug, Seeded},
    sync::{Mutex, MutexGuard},
};
use chat_common::batch::Batch;
use std::{sync::PoisonError, time::Instant};

/// Calls without an answer in flight at the most. A call takes up to 2 KiB in the sender's kernel whatever its size, and the
/// smallest send buffer in use (Linux, a new connection) holds 46 KiB.
const WINDOW_CALLS: u32 = 16;
/// Bytes in them at the most, the call that starts included.
const WINDOW_BYTES: usize = 16 * 1024;
/// Payload of a call that the broadcaster starts: what one round of many senders brings, and half of the window.
const EAGER_BYTES: usize = 8 * 1024;

/// One recipient's position and turn.
#[derive(Debug)]
pub struct Outbox {
    /// The session that reads: its own events are left out.
    reader: u64,
    seeded: Seeded,
    /// Protects what follows, and which of the two may write to the recipient.
    turn: Mutex<Turn>,
}

#[derive(Debug)]
struct Turn {
    /// The next sequence number to deliver.
    cursor: u64,
    /// When the call that wants an answer was started. `Some`: the thread is the writer. `None`: whoever holds the lock is.
    calling: Option<Instant>,
    /// Calls, and bytes in them, since the last answer.
    unanswered_calls: u32,
    unanswered_bytes: usize,
}

/// What is to be done after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Write the batch as a call that wants an answer. The turn is still the thread's.
    Call,
    /// Nothing; the turn is given back.
    Sleep,
    /// Nothing any more: the room has ended, and the recipient has it all.
    Done,
    /// The recipient has answered something that wanted no answer.
    Unasked,
}

/// What the broadcaster has appended in one round, as one call that fits all who have no part in it.
#[derive(Debug, Default)]
pub struct Round {
    start: u64,
    /// Where `batch` ends, and where the log does.
    end: u64,
    next: u64,
    room_ended: bool,
    /// Sessions that must not get this call as it is, because they wrote some of it.
    authors: Vec<u64>,
    /// Whether some of it was private, so that nobody gets it as it is.
    private: bool,
    batch: Batch,
}

impl Round {
    /// Collects what `log` holds from `start` on. `authors` are the sessions that have said something in it.
    pub fn collect(&mut self, log: &SharedLog, start: u64, authors: Vec<u64>, private: bool) {
        /// No session has this number, so nobody's own events are left out.
        const NOBODY: u64 = 0;
        self.start = start;
        self.end = start;
        self.private = private;
        self.authors = authors;
        self.batch.clear();
        let log = log.read();
        log.read_into(&mut self.end, NOBODY, EAGER_BYTES, &mut self.batch);
        self.next = log.next();
        self.room_ended = log.has_ended();
    }

    fn fits(&self, cursor: u64, reader: u64) -> bool {
        cursor == self.start && self.batch.events() > 0 && !self.private && !self.authors.contains(&reader)
    }
}

impl Outbox {
    /// The position `cursor` of the session `reader`, which has caught up as far as anybody knows.
    pub fn new(reader: u64, cursor: u64, seeded: Seeded) -> Outbox {
        let turn = Turn { cursor, calling: None, unanswered_calls: 0, unanswered_bytes: 0 };
        Outbox { reader, seeded, turn: Mutex::new(turn) }
    }

    /// The next sequence number to deliver.
    pub fn cursor(&self) -> u64 {
        self.lock().cursor
    }

    /// Since when the recipient owes an answer, if it does.
    pub fn calling(&self) -> Option<Instant> {
        self.lock().calling
    }

    /// For the broadcaster, after it has appended: starts a call with what the log holds for this recipient, by handing the frame
    /// and the number of events in it to `write`, which must not block. Does nothing while a call wants an answer: that answer
    /// will send the thread to the log. `spare` is scratch space.
    pub fn offer(
        &self,
        log: &SharedLog,
        round: &mut Round,
        spare: &mut Batch,
        write: impl FnOnce(&[u8], u64),
    ) {
        let mut turn = self.lock();
        if turn.calling.is_some() {
            return;
        }
        let batch = if round.fits(turn.cursor, self.reader) {
            turn.cursor = round.end;
            &mut round.batch
        } else {
            spare.clear();
            log.read().read_into(&mut turn.cursor, self.reader, EAGER_BYTES, spare);
            spare
        };
        // A call can be empty and still have more to come: an event too long to be started from here. Its answer, as that of
        // any ping, sends the thread to the log.
        let more = turn.cursor < round.next;
        if batch.events() == 0 && !more {
            return; // All of it was this recipient's own.
        }
        turn.unanswered_calls += 1;
        turn.unanswered_bytes += batch.payload_bytes();
        let full =
            turn.unanswered_calls >= WINDOW_CALLS || turn.unanswered_bytes > WINDOW_BYTES - EAGER_BYTES;
        let answer = more || full || round.room_ended || self.seeded.has(Bug::ScopePerRound);
        // Before the write, because the answer may come before the write returns.
        turn.calling = answer.then(Instant::now);
        let events = batch.events();
        write(batch.finish(answer), events);
    }

    /// For the thread, after an answer: puts the next call into `batch`, of at most `limit` bytes, or gives the turn back.
    pub fn answered(&self, log: &SharedLog, limit: usize, batch: &mut Batch) -> Next {
        let mut turn = self.lock();
        if turn.calling.is_none() {
            return Next::Unasked;
        }
        turn.unanswered_calls = 0;
        turn.unanswered_bytes = 0;
        batch.clear();
        let ended = {
            let log = log.read();
            log.read_into(&mut turn.cursor, self.reader, limit, batch);
            log.has_ended()
        };
        if batch.events() > 0 {
            turn.calling = Some(Instant::now());
            return Next::Call;
        }
        if self.seeded.has(Bug::LostWakeUp) {
            drop(turn);
            std::thread::yield_now();
            turn = self.lock();
        }
        turn.calling = None;
        if ended {
            Next::Done
        } else {
            Next::Sleep
        }
    }

    /// For the thread, when the recipient has been silent: takes the turn for a ping. False when a call has just been started.
    pub fn begin_ping(&self) -> bool {
        let mut turn = self.lock();
        let idle = turn.calling.is_none();
        if idle {
            turn.calling = Some(Instant::now());
        }
        idle
    }

    /// Keeps the broadcaster out as long as the guard lives: what [`Bug::LockOverWrite`] does wrong.
    pub fn hold(&self) -> impl Drop + '_ {
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Turn> {
        // A panic while it was held ends this recipient; the others have their own.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
