//! The history that a program asks for with `--history`. It comes over the callback connection, while the
//! main thread may already be at the end of the input. So the main thread asks where it ends, and leaves when
//! that much has been shown.

use crate::session::inbox::Inbox;
use chat_common::wire::{
    error::RpcError,
    protocol::{Reply, Request},
    rpc::Connection,
};
use crossbeam_channel::{never, Receiver};
use std::{convert::Infallible, time::Duration};

/// Whether the history that was asked for has been shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AskedHistory {
    /// It has, or the client does not wait for it.
    #[default]
    Shown,
    /// It is what was said before this sequence, the one of the join.
    Before(u64),
    /// Its last message has this sequence, or a lower one.
    UpTo(u64),
}

impl AskedHistory {
    /// Records that a session begins with a join of this sequence. It delivers what an earlier session did
    /// not.
    pub(crate) fn on_new_session(&mut self, sequence: u64) {
        if *self != AskedHistory::Shown {
            *self = AskedHistory::Before(sequence);
        }
    }

    /// Returns a channel that is disconnected when the history has been shown, or when the server has nothing
    /// more to deliver, as where it keeps less than was asked for. If nobody waits for that, it never is.
    ///
    /// # Blocking
    /// On the server the first time, for `timeout` at most.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) fn until_shown(
        &mut self,
        inbox: &Inbox<'_>,
        call: &mut Connection,
        timeout: Duration,
    ) -> Result<Receiver<Infallible>, RpcError> {
        if let AskedHistory::Before(sequence) = *self {
            let request = Request::History { count: 1, before: Some(sequence) };
            *self = AskedHistory::UpTo(match call.call(&request, timeout)? {
                Reply::History { events } => events.last().map_or(0, |event| event.sequence),
                // The server does not say it now, so its silence has to.
                _ => u64::MAX,
            });
        }
        Ok(match *self {
            AskedHistory::UpTo(last) => inbox.shown_up_to(last).ended_rx(),
            _ => never(),
        })
    }
}
