//! The two connections of a member: the one on which it calls the server, and the one on which the server calls it.
//!
//! A session outlives its connections. A client that resumes a session brings a new pair, and the old one is closed.
//! A pair is shared by the thread of the call connection, the recipient's thread, and the broadcaster.

use chat_common::{error::RpcError, frame::encode_frame, protocol::Reply, stream::Stream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections of one session, from a Join until either of them ends.
#[derive(Debug)]
pub(crate) struct ConnectionPair {
    /// The session. No two sessions in a run of the server have the same id.
    pub(crate) id: u64,
    call: Arc<Stream>,
    /// Protects what follows.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    callback: Option<Arc<Stream>>,
    /// Set once.
    closed: Option<CloseReason>,
}

/// Why the server closed a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// Something went wrong. The session can be resumed. The text goes into `User [X] left (...)`.
    Lost(&'static str),
    /// The client resumed the session on another pair.
    Replaced,
    /// The operator removed the member.
    Removed,
}

/// The text that others read in brackets about a member whose connection ended with `error`.
pub(crate) fn lost_because(error: &RpcError) -> &'static str {
    match error {
        RpcError::TimedOut => "not responding",
        RpcError::TooLong { .. } | RpcError::Malformed(_) | RpcError::UnexpectedAnswer => "protocol error",
        _ => CONNECTION_LOST,
    }
}

/// The usual reason.
pub(crate) const CONNECTION_LOST: &str = "connection lost";

impl ConnectionPair {
    /// A pair with a call connection and no callback connection yet.
    pub(crate) fn new(id: u64, call: Arc<Stream>) -> ConnectionPair {
        ConnectionPair { id, call, state: Mutex::default() }
    }

    /// Sets the callback connection. Returns false when the pair is closed or has one already.
    pub(crate) fn attach(&self, callback: &Arc<Stream>) -> bool {
        let mut state = self.lock();
        let free = state.closed.is_none() && state.callback.is_none();
        if free {
            state.callback = Some(Arc::clone(callback));
        }
        free
    }

    /// Whether the callback connection is there.
    pub(crate) fn has_callback(&self) -> bool {
        self.lock().callback.is_some()
    }

    /// Ends both connections, which wakes the threads that read from them. The first reason stays.
    pub(crate) fn close(&self, reason: CloseReason) {
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

    /// Why the server closed it, if it did.
    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.lock().closed.clone()
    }

    /// Writes a reply on the call connection. A client that lets its replies pile up until the send buffer is full is lost.
    pub(crate) fn reply(&self, reply: &Reply) {
        let mut frame = Vec::new();
        encode_frame(reply, &mut frame).expect("a reply of ours encodes");
        if !matches!(self.call.try_write(&frame), Ok(taken) if taken == frame.len()) {
            self.close(CloseReason::Lost(CONNECTION_LOST));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Both fields are valid after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
