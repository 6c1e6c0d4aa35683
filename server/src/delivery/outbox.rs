//! A recipient's position in the log, and how much of what was written it has not answered for. No sockets: what is to be
//! written is handed to a function.
//!
//! A call is written by whoever has something to write: the broadcaster or its helper, as soon as something is appended, and the
//! recipient's own thread, when an answer makes room. Calls need no answer as long as few of them are unanswered; at three quarters of
//! the window one is asked for, and at the whole of it nothing is written until that answer wakes the thread. So a fast recipient's
//! thread is hardly ever woken, a slow one gets fewer and larger calls, and a stuck one costs its position and a window.
//!
//! Nothing here waits. The largest [`WINDOW`] fits into the send buffer of a connection on loopback; on a network the system may take
//! less at once. What it does not take of a call, the [`Rest`], is handed back, nothing more is written until somebody who may wait has
//! written that and said so, and from then on the window is half of what was unanswered before. So somebody who reads slowly meets a
//! full buffer a few times, and not with every message.
//!
//! Invariant: while there is more in the log than was written, an answer or a rest is outstanding that will bring somebody here. The
//! broadcaster appends before it looks at the window, and the thread looks at the log while it holds the window. So either the thread
//! sees what was appended, or the broadcaster sees that there is room. `make model` tries the orders in which that can happen.
//!
//! Go: a goroutine per recipient per message, each free to overtake the other.
//!
//! ```go
//! for _, client := range clients { // before Go 1.22 all goroutines share the variable, and half the room gets another's copy
//!     go func() { client.Call("Client.Receive", message, &reply) }()
//! }
//! ```

use crate::{
    delivery::round::Round,
    log::{
        sync::{Mutex, MutexGuard},
        SharedLog,
    },
    settings::seeded::{Bug, Seeded},
};
use chat_common::batch::Batch;
use std::{
    ops::{AddAssign, SubAssign},
    sync::PoisonError,
    time::Instant,
};

/// What may be unanswered at the most. The bytes are four frames of the greatest length; the calls are as many small ones as take
/// the same room in the sender's kernel, which needs up to 2 KiB for each, whatever its size. Half of it would cost some 10 % of the
/// throughput, for twice as many answers; more of it would be memory that a room full of stuck recipients takes from the system.
pub const WINDOW: Amount = Amount { calls: 128, bytes: 256 * 1024 };
/// The payload of one call at the most, so that the first of many can be on its way while the next is put together.
pub const CALL_BYTES: usize = 16 * 1024;

/// A number of calls, and the payload in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Calls.
    pub calls: u32,
    /// Bytes.
    pub bytes: usize,
}

impl AddAssign for Amount {
    fn add_assign(&mut self, more: Amount) {
        self.calls += more.calls;
        self.bytes += more.bytes;
    }
}

impl Amount {
    /// Half of it.
    fn half(self) -> Amount {
        Amount { calls: self.calls / 2, bytes: self.bytes / 2 }
    }

    /// Whether it is more than three quarters of `most`.
    fn nearly_fills(self, most: Amount) -> bool {
        self.calls > most.calls / 4 * 3 || self.bytes > most.bytes / 4 * 3
    }

    /// The lesser of each.
    fn least(self, other: Amount) -> Amount {
        Amount { calls: self.calls.min(other.calls), bytes: self.bytes.min(other.bytes) }
    }
}

impl SubAssign for Amount {
    fn sub_assign(&mut self, less: Amount) {
        self.calls -= less.calls;
        self.bytes -= less.bytes;
    }
}

/// One recipient's position and window.
#[derive(Debug)]
pub struct Outbox {
    /// The session that reads: its own events are left out.
    reader: u64,
    /// The longest payload of a call, in bytes.
    frame_limit: usize,
    seeded: Seeded,
    /// Protects what follows. Whoever holds it is the only writer to the recipient.
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    /// The next sequence number to write.
    cursor: u64,
    /// What may be unanswered: the [`WINDOW`], or less, once the system has not taken that much.
    most: Amount,
    /// Written and not answered for.
    unanswered: Amount,
    /// How much of it the answer that is outstanding, if one is, will stand for.
    asked: Option<Amount>,
    /// Whether a rest is on its way.
    pushing: bool,
    /// Since when the recipient owes an answer.
    owing: Option<Instant>,
}

/// The part of a call that the system has not taken. Whoever gets it writes it, waiting if need be, and says so to
/// [`Outbox::pushed`]; or ends the recipient.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Rest(pub Vec<u8>);

/// How a recipient stands after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In the middle of things.
    Open,
    /// The room has ended, and the recipient has answered for all of it.
    Done,
    /// It has answered something that wanted no answer.
    UnexpectedAnswer,
}

impl Outbox {
    /// The position `cursor` of the session `reader`, which has nothing to answer for.
    pub fn new(reader: u64, cursor: u64, frame_limit: usize, seeded: Seeded) -> Outbox {
        let unanswered = Amount::default();
        let window = Window { cursor, most: WINDOW, unanswered, asked: None, pushing: false, owing: None };
        Outbox { reader, frame_limit, seeded, window: Mutex::new(window) }
    }

    /// The next sequence number to write.
    pub fn cursor(&self) -> u64 {
        self.lock().cursor
    }

    /// Since when the recipient owes an answer, if it does.
    pub fn owing(&self) -> Option<Instant> {
        self.lock().owing
    }

    /// For the broadcaster and its helper, after something was appended: writes what the log holds for this recipient, as far as the
    /// window goes. `write`
    /// must not block; it gets a frame, and how many events are in it, and answers how many bytes were taken. `spare` is scratch space.
    pub fn offer(
        &self,
        log: &SharedLog,
        round: &mut Round,
        spare: &mut Batch,
        mut write: impl FnMut(&[u8], u64) -> usize,
    ) -> Option<Rest> {
        let mut window = self.lock();
        if window.has_room() && round.suits(self.reader, window.cursor, window.room(self.frame_limit)) {
            window.cursor = round.end;
            let rest = self.write_call(&mut window, &mut round.batch, false, &mut write);
            if rest.is_some() || round.is_all {
                return rest;
            }
        }
        self.go_on(&mut window, log, spare, &mut write)
    }

    /// For the thread, after an answer: makes room, and writes what has gathered.
    pub fn answered(
        &self,
        log: &SharedLog,
        spare: &mut Batch,
        mut write: impl FnMut(&[u8], u64) -> usize,
    ) -> (Standing, Option<Rest>) {
        let looked_too_early = self.seeded.has(Bug::LostWakeUp).then(|| log.read().next());
        let mut window = self.lock();
        let Some(asked) = window.asked.take() else { return (Standing::UnexpectedAnswer, None) };
        window.unanswered -= asked;
        window.owing = None;
        let rest = match looked_too_early {
            Some(next) if next == window.cursor => None,
            _ => self.go_on(&mut window, log, spare, &mut write),
        };
        let log = log.read();
        let done = log.has_ended() && window.cursor == log.next() && window.unanswered == Amount::default();
        (if done { Standing::Done } else { Standing::Open }, rest)
    }

    /// For whoever has written a rest: writes what has gathered meanwhile.
    pub fn pushed(
        &self,
        log: &SharedLog,
        spare: &mut Batch,
        mut write: impl FnMut(&[u8], u64) -> usize,
    ) -> Option<Rest> {
        let mut window = self.lock();
        window.pushing = false;
        self.go_on(&mut window, log, spare, &mut write)
    }

    /// For the thread, when the recipient has been silent for long and owes nothing: asks whether it is there.
    pub fn ping(&self, spare: &mut Batch, mut write: impl FnMut(&[u8], u64) -> usize) -> Option<Rest> {
        let mut window = self.lock();
        if window.asked.is_some() || !window.has_room() {
            return None;
        }
        spare.clear();
        self.write_call(&mut window, spare, true, &mut write)
    }

    /// Writes call after call until the recipient has caught up, or the window is full and an answer is on its way.
    fn go_on(
        &self,
        window: &mut Window,
        log: &SharedLog,
        spare: &mut Batch,
        write: &mut impl FnMut(&[u8], u64) -> usize,
    ) -> Option<Rest> {
        while window.has_room() || !(window.pushing || window.asked.is_some()) {
            spare.clear();
            let limit = window.room(self.frame_limit);
            let (more, ended) = {
                let log = log.read();
                log.read_into(&mut window.cursor, self.reader, limit.min(CALL_BYTES), spare);
                if spare.events() == 0 {
                    // An event that is too long for an ordinary call has one of its own.
                    log.read_into(&mut window.cursor, self.reader, limit, spare);
                }
                (window.cursor < log.next(), log.has_ended())
            };
            let nothing = spare.events() == 0;
            let last_answer = ended && window.unanswered != Amount::default();
            if nothing && (window.asked.is_some() || !(more || last_answer || !window.has_room())) {
                return None;
            }
            // A call without events asks for the answer that makes room, for an event that is too long or after the window has become
            // smaller than what is unanswered; or for the last answer.
            let rest = self.write_call(window, spare, nothing || ended, write);
            if rest.is_some() {
                return rest;
            }
        }
        None
    }

    /// Writes one call. It wants an answer if it `must`, or if the window is nearly full; and if no other is outstanding.
    fn write_call(
        &self,
        window: &mut Window,
        batch: &mut Batch,
        must: bool,
        write: &mut impl FnMut(&[u8], u64) -> usize,
    ) -> Option<Rest> {
        let before = window.unanswered;
        window.unanswered += Amount { calls: 1, bytes: batch.payload_bytes() };
        let must = must || window.unanswered.nearly_fills(window.most) || self.seeded.has(Bug::ScopePerRound);
        let answer = must && window.asked.is_none();
        if answer {
            window.asked = Some(window.unanswered);
            window.owing = Some(Instant::now());
        }
        let events = batch.events();
        let frame = batch.finish(answer);
        let rest = &frame[write(frame, events)..];
        if rest.is_empty() {
            return None;
        }
        window.pushing = true;
        window.most = window.most.least(before.half());
        Some(Rest(rest.to_vec()))
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        // A panic while it was held ends this recipient; the others have their own.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    /// Whether another call may be written. One always may, to who has answered for everything: the send buffer is empty then.
    fn has_room(&self) -> bool {
        let Window { unanswered, most, .. } = self;
        let open = unanswered.calls < most.calls && unanswered.bytes < most.bytes;
        !self.pushing && (open || unanswered.calls == 0)
    }

    /// The payload that it may have, in bytes.
    fn room(&self, frame_limit: usize) -> usize {
        match self.unanswered.calls {
            0 => frame_limit,
            _ => self.most.bytes.saturating_sub(self.unanswered.bytes).min(frame_limit),
        }
    }
}
