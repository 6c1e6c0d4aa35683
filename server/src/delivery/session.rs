//! A member's session, and the pair of connections that it lives on at the moment.
//!
//! The session outlives its connections, so that a client can come back to it. All that is here is read and ended from several
//! threads: the connection's, the delivery's, and whoever throws the member out.

use crate::{room::rate::Rate, settings::limits::Limits};
use chat_common::{error::RpcError, frame::encode_frame, protocol::Reply, stream::Stream, token::Token};
use std::{
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        Arc, Mutex, MutexGuard, PoisonError,
    },
    time::{Duration, Instant},
};

/// One member's stay in the room.
#[derive(Debug)]
pub struct Session {
    /// Never used twice in a run of the server.
    pub id: u64,
    /// The secret by which it is resumed and called back.
    pub token: Token,
    /// How fast it may send, whatever connection it is on. Only that connection's thread takes from it.
    rate: Mutex<Rate>,
    // Only the broadcaster writes what follows; others read it only behind an answer of the broadcaster's. So it needs no order.
    // Atomics, because a session is shared.
    /// The number and the place of what it said last. Nothing has place 0.
    number: AtomicU64,
    sequence: AtomicU64,
    /// The place of its join, or 0.
    joined: AtomicU64,
    /// Where delivery begins when the client opens the callback connection itself.
    start: AtomicU64,
}

impl Session {
    /// A session that has said nothing.
    pub fn new(id: u64, token: Token, limits: &Limits) -> Session {
        let zero = || AtomicU64::new(0);
        let rate = Mutex::new(Rate::new(limits, Instant::now()));
        Session { id, token, rate, number: zero(), sequence: zero(), joined: zero(), start: zero() }
    }

    /// Counts one request, and answers how long to wait before the next.
    pub fn take_rate(&self) -> Duration {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
    }

    /// The sequence number under which `number` was accepted, if it, or a later one, has been.
    pub fn accepted(&self, number: u64) -> Option<u64> {
        let sequence = self.sequence.load(Relaxed);
        (sequence > 0 && number <= self.number.load(Relaxed)).then_some(sequence)
    }

    /// Notes that `number` was accepted as `sequence`.
    pub fn accept(&self, number: u64, sequence: u64) {
        self.number.store(number, Relaxed);
        self.sequence.store(sequence, Relaxed);
    }

    /// The place of its join, once it has one.
    pub fn joined(&self) -> Option<u64> {
        Some(self.joined.load(Relaxed)).filter(|place| *place > 0)
    }

    /// Sets the place of its join.
    pub fn set_joined(&self, place: u64) {
        self.joined.store(place, Relaxed);
    }

    /// Where delivery begins.
    pub fn start(&self) -> u64 {
        self.start.load(Relaxed)
    }

    /// Sets where delivery begins.
    pub fn set_start(&self, position: u64) {
        self.start.store(position, Relaxed);
    }
}

/// The connections of one session, from a Join or a resume until either of them ends.
#[derive(Debug)]
pub struct Line {
    /// Whose.
    pub session: Arc<Session>,
    call: Arc<Stream>,
    /// Protects what follows.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    callback: Option<Arc<Stream>>,
    /// Why it ended; set once.
    ended: Option<Ending>,
}

/// Why a line was ended by somebody other than its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Something went wrong; the session can be resumed. The text goes into `User [X] left (...)`.
    Lost(&'static str),
    /// The client has come back on new connections while these still stood.
    Replaced,
    /// The operator removed the member, for the reason given.
    Removed(String),
}

/// What the others read in brackets of a member whose connection ended with `error`.
pub fn reason_of(error: &RpcError) -> &'static str {
    match error {
        RpcError::TimedOut => "not responding",
        RpcError::TooLong { .. } | RpcError::Malformed(_) | RpcError::UnexpectedAnswer => "protocol error",
        _ => "connection lost",
    }
}

impl Line {
    /// A line with a call connection and, as yet, no callback connection.
    pub fn new(session: Arc<Session>, call: Arc<Stream>) -> Line {
        Line { session, call, state: Mutex::default() }
    }

    /// Gives the line its callback connection. False when it has ended or has one.
    pub fn attach(&self, callback: &Arc<Stream>) -> bool {
        let mut state = self.lock();
        let free = state.ended.is_none() && state.callback.is_none();
        if free {
            state.callback = Some(Arc::clone(callback));
        }
        free
    }

    /// Whether it has its callback connection.
    pub fn has_callback(&self) -> bool {
        self.lock().callback.is_some()
    }

    /// Ends both connections, which wakes whoever reads from them. The first reason stays.
    pub fn end(&self, why: Ending) {
        let callback = {
            let mut state = self.lock();
            state.ended.get_or_insert(why);
            state.callback.clone()
        };
        self.call.shut_down();
        if let Some(callback) = callback {
            callback.shut_down();
        }
    }

    /// Writes a reply on the call connection, without waiting for room: a client that has let its replies pile up is lost.
    pub fn reply(&self, reply: &Reply) {
        let mut frame = Vec::new();
        encode_frame(reply, &mut frame).expect("a reply of ours encodes");
        if !matches!(self.call.try_write(&frame), Ok(taken) if taken == frame.len()) {
            self.end(Ending::Lost("connection lost"));
        }
    }

    /// Why it was ended, if it was.
    pub fn ended(&self) -> Option<Ending> {
        self.lock().ended.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Both fields are valid after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
