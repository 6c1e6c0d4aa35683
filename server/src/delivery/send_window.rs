//! How far a recipient is, and how much may be written to it. There are no sockets here.
//!
//! Requirements:
//! - The broadcaster MUST NOT wait for a recipient. What it writes has to fit into the send buffer of the connection.
//! - A recipient MUST NOT sleep while the log holds something for it: somebody has to be on the way who will write it.
//! - A recipient that is far behind MUST cost the broadcaster nothing.
//!
//! The window is a number of bytes that may be written and not acknowledged, as in TCP. It begins small, doubles with each answer
//! that shows it was used, and is halved for good when the system does not take a call at once. A call costs its bytes, but at least
//! [`MIN_CALL_COST`].
//!
//! | who | writes what | when |
//! |---|---|---|
//! | the broadcaster, [`SendWindow::send`] | the round that it has just appended | the recipient is up to date, and the call fits into the window |
//! | the recipient's thread, [`SendWindow::on_ack`] and [`SendWindow::next_call`] | everything else: history, what gathered meanwhile, long events | at its start, and after each answer |
//! | a flush thread | what the system did not take of the broadcaster's call, then as above | the send buffer was full |
//!
//! A call asks for an answer when three quarters of the window are used, so the thread of a fast recipient hardly ever wakes. A
//! recipient that does not answer costs its position and one window.
//!
//! Invariant: while the log holds something behind the cursor, an answer is pending, or a call is being flushed, or the recipient's
//! thread is about to ask for the next call. The broadcaster appends before it looks at the window; the thread looks at the log while
//! it holds the window. So either the thread sees the new events, or the broadcaster sees an open window. `make model` tries the orders
//! in which that can happen.
//!
//! Go: a goroutine per recipient per message, each free to overtake the other.
//!
//! ```go
//! for _, client := range clients { // before Go 1.22 all goroutines share the variable, and half the room gets another's copy
//!     go func() { client.Call("Client.Receive", message, &reply) }()
//! }
//! ```

use super::shared_batch::{SharedBatch, CALL_BYTES};
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::{Bug, Seeded};
use crate::{
    log::{
        sync::{Mutex, MutexGuard},
        SharedLog,
    },
    settings::limits::Limits,
};
use chat_common::batch::Batch;
use std::{sync::PoisonError, time::Instant};

/// The window of a new connection, in bytes: what any send buffer takes.
pub(crate) const FIRST_LIMIT: usize = 16 * 1024;
/// The largest window, in bytes: four frames of the greatest length. Half of it would cost some 10 % of the throughput, for twice as
/// many answers. More of it would be memory that a room full of stuck recipients takes from the system.
pub(crate) const MAX_LIMIT: usize = 256 * 1024;
/// The least cost of a call, in bytes: what a small call takes in the kernel, whatever its size.
pub(crate) const MIN_CALL_COST: usize = 2 * 1024;

/// The position and the window of one recipient.
#[derive(Debug)]
pub(crate) struct SendWindow {
    /// The session that reads. Its own events are left out.
    reader: u64,
    /// The longest payload of a call, in bytes.
    frame_limit: usize,
    #[cfg(feature = "seeded-bugs")]
    seeded: Seeded,
    /// Protects what follows. Only its holder writes to the recipient, or whoever it has marked as `flushing`.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The sequence number of the next event to write.
    cursor: u64,
    /// The bytes that may be outstanding.
    limit: usize,
    /// The most that `limit` may become.
    max_limit: usize,
    /// The cost of the calls that were written and not acknowledged.
    outstanding: usize,
    ack_pending: Option<PendingAck>,
    /// A thread that may block is writing a call, and nobody else may write.
    flushing: bool,
}

/// An answer that the recipient owes.
#[derive(Debug)]
struct PendingAck {
    /// The part of `outstanding` that it acknowledges.
    covers: usize,
    since: Instant,
}

/// The part of a call that the system did not take. Its holder writes it, and then calls [`SendWindow::on_flushed`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Unsent(pub(crate) Vec<u8>);

/// What an answer of the recipient means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckOutcome {
    /// The next call is to be written.
    NextCall,
    /// There is nothing to write now.
    Idle,
    /// The room has ended, and the recipient has acknowledged everything.
    Done,
    /// No call asked for this answer.
    Unexpected,
}

impl SendWindow {
    /// The window of a new connection of the session `reader`, which reads from `cursor` on.
    pub(crate) fn new(reader: u64, cursor: u64, limits: &Limits) -> SendWindow {
        SendWindow {
            reader,
            frame_limit: limits.max_frame.0,
            #[cfg(feature = "seeded-bugs")]
            seeded: limits.seeded,
            state: Mutex::new(State {
                cursor,
                limit: FIRST_LIMIT,
                max_limit: MAX_LIMIT,
                outstanding: 0,
                ack_pending: None,
                flushing: false,
            }),
        }
    }

    /// The sequence number of the next event to write.
    pub(crate) fn cursor(&self) -> u64 {
        self.lock().cursor
    }

    /// Since when an answer is pending, if one is.
    pub(crate) fn ack_due_since(&self) -> Option<Instant> {
        self.lock().ack_pending.as_ref().map(|ack| ack.since)
    }

    /// Whether something was written and not acknowledged.
    #[cfg(feature = "seeded-bugs")]
    pub(super) fn has_outstanding(&self) -> bool {
        self.lock().outstanding > 0
    }

    /// For the broadcaster, after it appended a round: writes the part of the round that is for this recipient, unless the
    /// recipient is behind or the window is closed. Then the recipient's own thread goes on.
    ///
    /// `try_write` gets a frame and the number of events in it, and returns how many bytes the system took. It must not wait.
    pub(crate) fn send(
        &self,
        log: &SharedLog,
        round: &mut SharedBatch,
        scratch: &mut Batch,
        mut try_write: impl FnMut(&[u8], u64) -> usize,
    ) -> Option<Unsent> {
        let mut state = self.lock();
        if state.cursor < round.first || state.flushing {
            return None;
        }
        loop {
            let (end, call) = if round.fits(self.reader, state.cursor) {
                (round.end, &mut round.batch)
            } else {
                scratch.clear();
                let mut end = state.cursor;
                log.read().read_into(&mut end, self.reader, CALL_BYTES, scratch);
                (end, &mut *scratch)
            };
            let is_last = end == round.next;
            let fits = state.outstanding + cost_of(call) <= state.limit;
            if call.events() > 0 && fits {
                state.cursor = end;
                let unsent = write_call(&mut state, call, round.has_ended, &mut try_write);
                if unsent.is_some() || is_last {
                    return unsent;
                }
            } else if call.events() == 0 && is_last {
                state.cursor = end;
                return None;
            } else if state.ack_pending.is_some() {
                return None;
            } else {
                // The recipient's thread has to go on: an empty call asks for the answer that wakes it.
                scratch.clear();
                return write_call(&mut state, scratch, true, &mut try_write);
            }
        }
    }

    /// For the recipient's thread, after an answer: makes room, and puts the next call into `call` if there is one.
    pub(crate) fn on_ack(&self, log: &SharedLog, call: &mut Batch) -> AckOutcome {
        #[cfg(feature = "seeded-bugs")]
        let looked_too_early = self.seeded.has(Bug::LostWakeUp).then(|| log.read().next());
        let mut state = self.lock();
        let Some(ack) = state.ack_pending.take() else { return AckOutcome::Unexpected };
        state.outstanding -= ack.covers;
        // An answer to a few small calls proves nothing about a larger window.
        if ack.covers > state.limit / 2 {
            state.limit = (state.limit * 2).min(state.max_limit);
        }
        #[cfg(feature = "seeded-bugs")]
        if looked_too_early == Some(state.cursor) {
            return AckOutcome::Idle;
        }
        if self.prepare(&mut state, log, call) {
            return AckOutcome::NextCall;
        }
        let log = log.read();
        match log.has_ended() && state.cursor == log.next() && state.outstanding == 0 {
            true => AckOutcome::Done,
            false => AckOutcome::Idle,
        }
    }

    /// For a thread that may block: puts the next call into `call`. The thread then writes it and calls
    /// [`SendWindow::on_flushed`]. Returns false when there is nothing to write, or an answer has to come first.
    pub(crate) fn next_call(&self, log: &SharedLog, call: &mut Batch) -> bool {
        self.prepare(&mut self.lock(), log, call)
    }

    /// For the thread that wrote a call, or the unsent part of one. `waited` says that the system did not take it at once.
    pub(crate) fn on_flushed(&self, call: &Batch, waited: bool) {
        let mut state = self.lock();
        state.flushing = false;
        if waited {
            state.shrink(cost_of(call));
        }
    }

    /// For the recipient's thread, when the recipient has been silent for long: puts a call without events into `call`, which asks
    /// for an answer. Returns false when an answer is pending already.
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

    /// See [`SendWindow::next_call`].
    fn prepare(&self, state: &mut State, log: &SharedLog, call: &mut Batch) -> bool {
        if state.flushing || (state.outstanding >= state.limit && state.ack_pending.is_some()) {
            return false;
        }
        call.clear();
        let has_ended = {
            let log = log.read();
            log.read_into(&mut state.cursor, self.reader, CALL_BYTES.min(self.frame_limit), call);
            if call.events() == 0 {
                // An event that is too long for an ordinary call has one of its own.
                log.read_into(&mut state.cursor, self.reader, self.frame_limit, call);
            }
            log.has_ended()
        };
        let asks_for_last_answer = has_ended && state.outstanding > 0 && state.ack_pending.is_none();
        if call.events() == 0 && !asks_for_last_answer {
            return false;
        }
        state.count(call, has_ended);
        state.flushing = true;
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held ends this recipient; the others have windows of their own.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a call that is about to be written, and completes its frame. It asks for an answer if it must or if the window is
    /// nearly used, unless an answer is pending.
    fn count(&mut self, call: &mut Batch, must_ask: bool) {
        self.outstanding += cost_of(call);
        let ask = self.ack_pending.is_none() && (must_ask || self.outstanding > self.limit / 4 * 3);
        if ask {
            self.ack_pending = Some(PendingAck { covers: self.outstanding, since: Instant::now() });
        }
        call.finish(ask);
    }

    /// The system did not take a call of this cost at once: from now on at most half of what was outstanding before. For good,
    /// because a window that grew again would make the broadcaster meet a full send buffer again and again. Where nothing was
    /// outstanding the window is closed, and the broadcaster leaves every call to a flush thread.
    fn shrink(&mut self, cost: usize) {
        let before = self.outstanding.saturating_sub(cost);
        let half = if before == 0 { 0 } else { (before / 2).max(MIN_CALL_COST) };
        self.max_limit = self.max_limit.min(half);
        self.limit = self.limit.min(self.max_limit);
    }
}

/// The cost of a call, in bytes.
fn cost_of(call: &Batch) -> usize {
    call.payload_bytes().max(MIN_CALL_COST)
}

/// Writes one call without waiting.
fn write_call(
    state: &mut State,
    call: &mut Batch,
    must_ask: bool,
    try_write: &mut impl FnMut(&[u8], u64) -> usize,
) -> Option<Unsent> {
    state.count(call, must_ask);
    let frame = call.frame();
    let taken = if state.max_limit == 0 { 0 } else { try_write(frame, call.events()) };
    if taken == frame.len() {
        return None;
    }
    state.flushing = true;
    state.shrink(cost_of(call));
    Some(Unsent(frame[taken..].to_vec()))
}
