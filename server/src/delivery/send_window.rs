//! The send window of a recipient: its cursor in the log, and how much may be written to it. There are no
//! sockets here. The threads `broadcaster`, `fanout`, `recipient` and `flush` use it.
//!
//! Requirements:
//! - The broadcaster MUST NOT wait for a recipient. What it writes must fit into the connection's send
//!   buffer.
//! - An event MUST NOT wait in the log without a thread that will write it.
//! - A recipient that is far behind MUST NOT cost the broadcaster time.
//!
//! The window is the number of bytes that may be written and not acknowledged, as in TCP. It begins
//! small. It doubles with each answer that acknowledges more than half of it. When the system does not
//! take a whole call at once, it shrinks for good, to half of the bytes that were outstanding. A call
//! costs its bytes, but at least [`MIN_CALL_COST`].
//!
//! Three kinds of threads write to a recipient, one at a time:
//!
//! - The broadcaster, or `fanout`, writes the round that was just appended, if the recipient is up to
//!   date and the call fits into the window: [`SendWindow::send`].
//! - The recipient's thread writes everything else, at its start and after each answer: history, events
//!   that came in the meantime, long events. See [`SendWindow::on_ack`] and [`SendWindow::next_call`].
//! - A flush thread writes what the system did not take of the broadcaster's call. Then it writes the
//!   next calls, as the recipient's thread does.
//!
//! A call asks for an answer when more than three quarters of the window are used. So the thread of a
//! fast recipient wakes rarely. A recipient that does not answer costs memory for its cursor and one
//! window.
//!
//! Invariant: while the log holds an event at or after the cursor, one of four things is true. An answer
//! is pending, or a call is being flushed, or the recipient's thread is about to ask for the next call, or
//! the event says that somebody came or went, and the broadcaster tells all recipients soon (`room::untold`).
//! The broadcaster appends before it looks at the window. The recipient's thread looks at the log while
//! it holds the window's lock. So either that thread sees the new events, or the broadcaster sees an open
//! window. `make model` tests many orders in which that can happen.
//!
//! The window's lock comes before the log's lock. No thread takes them in the other order.
//!
//! Go: one goroutine for each recipient of each message. Each of them can overtake another.
//!
//! ```go
//! for _, client := range clients {
//!     // Before Go 1.22 all goroutines share `client`, so some clients get two copies and others none.
//!     go func() { client.Call("Client.Receive", message, &reply) }()
//! }
//! ```

use super::round_frame::{RoundFrame, CALL_BYTES};
#[cfg(all(test, feature = "model", feature = "seeded-bugs"))]
use super::tests::model::{note, Writer};
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Seeded;
use crate::{
    log::{
        sync::{lock, Mutex, MutexGuard},
        Reader,
    },
    order::{CallToFill, GoOn, SharedLog},
    settings::Limits,
};
use chat_common::{
    trace,
    wire::{batch::Batch, stream::Unsent},
};
use std::time::Instant;

/// The window of a new connection, in bytes. Any send buffer takes this much.
pub(crate) const FIRST_LIMIT: usize = 16 * 1024;
/// The largest window, in bytes: four frames of the greatest length. With half of it the server needs
/// twice as many answers and has some 10 % less throughput. A larger window lets a room full of stopped
/// recipients take more memory from the system.
pub(crate) const MAX_LIMIT: usize = 256 * 1024;
/// The least cost of a call, in bytes: the memory that even a small call takes in the kernel.
pub(crate) const MIN_CALL_COST: usize = 2 * 1024;

/// The cursor and the window of one recipient.
#[derive(Debug)]
pub(crate) struct SendWindow {
    /// The recipient, as a reader of the log.
    reader: Reader,
    /// The longest payload of a call, in bytes.
    frame_limit: usize,
    #[cfg(feature = "seeded-bugs")]
    seeded: Seeded,
    /// Protects the state. Only the thread that holds this lock may write to the recipient, or the thread
    /// for which it set `flushing`.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The sequence number of the next event to write.
    cursor: u64,
    /// The window: how many bytes may be outstanding.
    limit: usize,
    /// The largest value that `limit` may get.
    max_limit: usize,
    /// The cost of the calls that were written and not acknowledged, in bytes.
    outstanding: usize,
    /// What was outstanding before the last call.
    outstanding_before: usize,
    ack_pending: Option<PendingAck>,
    /// A thread that may block is writing a call. No other thread may write.
    flushing: bool,
}

/// An answer that the server waits for.
#[derive(Debug)]
struct PendingAck {
    /// How much of `outstanding` it acknowledges.
    covers: usize,
    since: Instant,
}

/// What an answer of the recipient means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckOutcome {
    /// The caller must write the next call.
    NextCall,
    /// There is nothing to write now.
    Idle,
    /// The room has ended, and the recipient has acknowledged everything.
    Done,
    /// No call asked for this answer.
    Unexpected,
}

impl SendWindow {
    /// Returns the window of a new connection of `reader`, which reads the log from `cursor` on.
    pub(crate) fn new(reader: Reader, cursor: u64, limits: &Limits) -> SendWindow {
        let max_limit = MAX_LIMIT;
        #[cfg(feature = "seeded-bugs")]
        let max_limit = limits.seeded.window(MIN_CALL_COST, max_limit);
        SendWindow {
            reader,
            frame_limit: limits.max_frame.0,
            #[cfg(feature = "seeded-bugs")]
            seeded: limits.seeded,
            state: Mutex::new(State {
                cursor,
                limit: FIRST_LIMIT.min(max_limit),
                max_limit,
                outstanding: 0,
                outstanding_before: 0,
                ack_pending: None,
                flushing: false,
            }),
        }
    }

    /// The sequence number of the next event to write.
    pub(crate) fn cursor(&self) -> u64 {
        self.lock().cursor
    }

    /// Returns since when an answer is pending, or `None`.
    pub(crate) fn ack_due_since(&self) -> Option<Instant> {
        self.lock().ack_pending.as_ref().map(|ack| ack.since)
    }

    /// Returns whether something was written and not acknowledged.
    #[cfg(feature = "seeded-bugs")]
    pub(super) fn has_outstanding(&self) -> bool {
        self.lock().outstanding > 0
    }

    /// For the threads `broadcaster` and `fanout`, after a round is appended: writes the events up to the end
    /// of the log for this recipient. It writes none if the recipient was behind before the round, or the
    /// window is full. Then another thread is on the way that writes them: the recipient's own, or `fanout`
    /// with an earlier round.
    ///
    /// `try_write` gets a frame and the number of its events, and returns what the system did not take.
    /// It must not wait. The caller must have that part flushed, and [`SendWindow::on_flushed`] called then.
    pub(crate) fn send(
        &self,
        log: &SharedLog,
        round: &mut RoundFrame,
        scratch: &mut Batch,
        mut try_write: impl FnMut(&[u8], u64) -> Option<Unsent>,
    ) -> Option<Unsent> {
        let mut state = self.lock();
        if state.cursor < round.first || state.flushing {
            return None;
        }
        loop {
            let (end, call) = if round.fits(self.reader.session, state.cursor) {
                (round.end, &mut round.batch)
            } else {
                scratch.clear();
                let mut end = state.cursor;
                log.read_memory(&mut end, self.reader, CALL_BYTES.min(self.frame_limit), scratch);
                (end, &mut *scratch)
            };
            // The end of the log, and not of the round: while this thread was late, other rounds may have
            // been appended, and the broadcaster has left them to it.
            let (is_last, has_ended) = {
                let log = log.read();
                (end == log.next(), log.has_ended())
            };
            let fits = state.outstanding + cost_of(call) <= state.limit;
            if call.events() > 0 && fits {
                state.cursor = end;
                let unsent = write_call(&mut state, call, has_ended, &mut try_write);
                trace::mark("delivered", end - 1);
                if unsent.is_some() || is_last {
                    return unsent;
                }
            } else if call.events() == 0 && is_last {
                state.cursor = end;
                return None;
            } else if state.ack_pending.is_some() {
                return None;
            } else {
                // The recipient's thread must write the rest. A call without events asks for an answer,
                // which wakes that thread.
                scratch.clear();
                return write_call(&mut state, scratch, true, &mut try_write);
            }
        }
    }

    /// For the recipient's thread, after an answer: subtracts what it acknowledges, and puts the next
    /// call into `call` if there is one.
    pub(crate) fn on_ack(&self, log: &SharedLog, call: &mut Batch, go_on: GoOn<'_>) -> AckOutcome {
        #[cfg(feature = "seeded-bugs")]
        let looked_too_early = self.seeded.look_too_early(|| {
            let log = log.read();
            #[cfg(all(test, feature = "model"))]
            note(Writer::OwnThread, format!("looks: the last message is {}", log.next() - 1));
            log.next()
        });
        let mut state = self.lock();
        let Some(ack) = state.ack_pending.take() else { return AckOutcome::Unexpected };
        state.outstanding -= ack.covers;
        // An answer to a few small calls does not show that a larger window would help.
        if ack.covers > state.limit / 2 {
            state.limit = (state.limit * 2).min(state.max_limit);
        }
        #[cfg(feature = "seeded-bugs")]
        if looked_too_early == Some(state.cursor) {
            return AckOutcome::Idle;
        }
        let (state, has_next) = self.prepare(state, log, call, go_on);
        if has_next {
            return AckOutcome::NextCall;
        }
        let log = log.read();
        match log.has_ended() && state.cursor == log.next() && state.outstanding == 0 {
            true => AckOutcome::Done,
            false => AckOutcome::Idle,
        }
    }

    /// For a thread that may block: puts the next call into `call`. The thread then writes it and calls
    /// [`SendWindow::on_flushed`]. Returns false when there is nothing to write, when an answer must come
    /// first, or when `go_on` has ended the reading of files.
    pub(crate) fn next_call(&self, log: &SharedLog, call: &mut Batch, go_on: GoOn<'_>) -> bool {
        self.prepare(self.lock(), log, call, go_on).1
    }

    /// For the thread that wrote a call, or the unsent part of one. `waited` means that the system did
    /// not take the call at once.
    pub(crate) fn on_flushed(&self, waited: bool) {
        let mut state = self.lock();
        state.flushing = false;
        if waited {
            state.shrink();
        }
    }

    /// For the recipient's thread, after a long silence: puts a call without events into `call`, which
    /// asks for an answer. Returns false when an answer is pending already.
    pub(crate) fn ping(&self, call: &mut Batch) -> bool {
        let mut state = self.lock();
        if state.ack_pending.is_some() || state.flushing {
            return false;
        }
        call.clear();
        state.count(call, true);
        state.flushing = true;
        true
    }

    /// As [`SendWindow::next_call`], for a caller that holds the lock.
    ///
    /// # Blocking
    /// On the disk, without the lock, if the recipient is behind what memory holds. Only as long as `go_on`
    /// returns true: then the caller asks again later, because nobody else does.
    fn prepare<'w>(
        &'w self,
        mut state: MutexGuard<'w, State>,
        log: &SharedLog,
        call: &mut Batch,
        go_on: GoOn<'_>,
    ) -> (MutexGuard<'w, State>, bool) {
        if state.flushing || (state.outstanding >= state.limit && state.ack_pending.is_some()) {
            return (state, false);
        }
        call.clear();
        // An event that is too long for an ordinary call gets its own call.
        let (usual, longest) = (CALL_BYTES.min(self.frame_limit), self.frame_limit);
        loop {
            while call.events() == 0 && log.is_archived(state.cursor) {
                if !go_on(0) {
                    return (state, false);
                }
                // No other thread writes while `flushing` is set.
                state.flushing = true;
                let mut cursor = state.cursor;
                drop(state);
                let filling = CallToFill { batch: call, usual, longest };
                if log.read_files(&mut cursor, self.reader, filling, go_on).is_err() {
                    call.give_up();
                }
                state = self.lock();
                (state.cursor, state.flushing) = (cursor, false);
                if call.events() == 0 && call.lacks_resources() {
                    return (state, false);
                }
            }
            for limit in [usual, longest] {
                if call.events() == 0 {
                    log.read_memory(&mut state.cursor, self.reader, limit, call);
                }
            }
            // The log may have moved on meanwhile.
            if call.events() > 0 || !log.is_archived(state.cursor) {
                break;
            }
        }
        let has_ended = log.read().has_ended();
        let asks_for_last_answer = has_ended && state.outstanding > 0 && state.ack_pending.is_none();
        if call.events() == 0 && !asks_for_last_answer {
            return (state, false);
        }
        state.count(call, has_ended);
        state.flushing = true;
        (state, true)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock ends this recipient. Other recipients have their own windows.
        lock(&self.state)
    }
}

impl State {
    /// Counts a call that is about to be written, and completes its frame. The call asks for an answer if
    /// `must_ask` is set or the window is nearly used, unless an answer is pending.
    fn count(&mut self, call: &mut Batch, must_ask: bool) {
        self.outstanding_before = self.outstanding;
        self.outstanding += cost_of(call);
        let ask = self.ack_pending.is_none() && (must_ask || self.outstanding > self.limit / 4 * 3);
        if ask {
            self.ack_pending = Some(PendingAck { covers: self.outstanding, since: Instant::now() });
        }
        call.finish(ask);
    }

    /// Shrinks the window, because the system did not take the last call at once. The new window is at most
    /// half of what was outstanding before that call, and at least one small call.
    ///
    /// The window never grows beyond that again. Otherwise the broadcaster would meet a full send buffer
    /// again and again.
    fn shrink(&mut self) {
        let half = (self.outstanding_before / 2).max(MIN_CALL_COST);
        self.max_limit = self.max_limit.min(half);
        self.limit = self.limit.min(self.max_limit);
    }
}

/// Returns the cost of a call, in bytes.
fn cost_of(call: &Batch) -> usize {
    call.payload_bytes().max(MIN_CALL_COST)
}

/// Writes one call without waiting. Returns what the system did not take.
fn write_call(
    state: &mut State,
    call: &mut Batch,
    must_ask: bool,
    try_write: &mut impl FnMut(&[u8], u64) -> Option<Unsent>,
) -> Option<Unsent> {
    state.count(call, must_ask);
    let unsent = try_write(call.frame(), call.events())?;
    state.flushing = true;
    state.shrink();
    Some(unsent)
}
