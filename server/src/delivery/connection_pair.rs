//! The two connections of a member. On one the client calls the server, and on the other the server calls
//! the client.
//!
//! A session can have several pairs, one after the other. A client that resumes a session brings a new
//! pair, and the old pair is closed. The thread of the call connection, the recipient's thread and the
//! broadcaster share a pair. Nothing here may wait for the client.

use crate::door::ReadAllowance;
use chat_common::{
    trace,
    wire::{error::RpcError, frame::encode_frame, protocol::Reply, stream::Stream},
};
use std::sync::{Arc, Mutex, MutexGuard};

/// The connections of one session, from a Join until one of them ends.
#[derive(Debug)]
pub(crate) struct ConnectionPair {
    /// The id of the session. No other session of the room has it.
    pub(crate) id: u64,
    call: Arc<Stream>,
    /// Pays for what is read of the files on behalf of this client.
    pub(super) reads: ReadAllowance,
    /// Protects the callback connection and the reason of the end.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    callback: Option<Arc<Stream>>,
    /// Why the server closed the pair. It never changes again.
    closed: Option<&'static str>,
}

/// Returns the reason that others read in brackets about a member whose connection ended with `error`.
pub(crate) fn lost_because(error: &RpcError) -> &'static str {
    match error {
        RpcError::TimedOut => "not responding",
        RpcError::NoMemory => "no memory",
        RpcError::TooLong { .. } | RpcError::Malformed(_) | RpcError::UnexpectedAnswer => "protocol error",
        _ => CONNECTION_LOST,
    }
}

/// The reason if there is no more exact one.
pub(crate) const CONNECTION_LOST: &str = "connection lost";

impl ConnectionPair {
    /// Returns a pair with a call connection and no callback connection yet.
    pub(crate) fn new(id: u64, call: Arc<Stream>, reads: ReadAllowance) -> ConnectionPair {
        ConnectionPair { id, call, reads, state: Mutex::default() }
    }

    /// Returns the call connection.
    pub(crate) fn call(&self) -> &Stream {
        &self.call
    }

    /// Sets the callback connection. Returns false when the pair is closed, or has one already.
    pub(crate) fn attach(&self, callback: &Arc<Stream>) -> bool {
        let mut state = self.lock();
        let free = state.closed.is_none() && state.callback.is_none();
        if free {
            state.callback = Some(Arc::clone(callback));
        }
        free
    }

    /// Returns whether there is a callback connection.
    pub(crate) fn has_callback(&self) -> bool {
        self.lock().callback.is_some()
    }

    /// Ends both connections, which wakes the threads that read from them. Only the first reason is kept.
    /// The others read it in `User [X] left (...)`, unless the session is over or has a new pair.
    pub(crate) fn close(&self, reason: &'static str) {
        let callback = {
            let mut state = self.lock();
            state.closed.get_or_insert(reason);
            state.callback.clone()
        };
        self.call.shut_down();
        if let Some(callback) = callback {
            callback.shut_down();
        }
    }

    /// Returns why the server closed the pair, if it did.
    pub(crate) fn close_reason(&self) -> Option<&'static str> {
        self.lock().closed
    }

    /// Writes a reply on the call connection. If the send buffer is full of replies that the client did
    /// not read, it closes the pair.
    ///
    /// # Blocking
    /// Some 8 ms when the send buffer is full, see [`Stream::try_write`].
    pub(crate) fn reply(&self, reply: &Reply) {
        let mut frame = Vec::new();
        encode_frame(reply, &mut frame).expect("a reply of ours encodes");
        if !matches!(self.call.try_write(&frame), Ok(None)) {
            self.close(CONNECTION_LOST);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the fields half changed.
        trace::lock(&self.state)
    }
}
