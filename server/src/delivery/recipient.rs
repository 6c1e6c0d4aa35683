//! One recipient: the calls to its `Receive`, and the thread that waits for its answers.
//!
//! [`send_window`](super::send_window) decides what is written and when; here are the socket and the deadlines.
//!
//! Go: net/rpc's `Call` waits for its reply without a deadline, so a stopped client keeps its goroutines for ever.

use super::{
    connection_pair::{CloseReason, ConnectionPair, CONNECTION_LOST},
    send_window::{AckOutcome, SendWindow, Unsent},
    shared_batch::SharedBatch,
};
use crate::{log::SharedLog, settings::limits::Limits};
use chat_common::{
    batch::Batch,
    error::RpcError,
    protocol::CallbackReply,
    rpc::{Connection, Wait},
    stream::Stream,
};
use std::{sync::Arc, time::Instant};

/// The memory that a recipient's thread keeps for its next call while it is idle, in bytes.
const KEPT_BYTES: usize = 1024;

/// A recipient, shared by the broadcaster and the recipient's thread.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(crate) pair: Arc<ConnectionPair>,
    stream: Arc<Stream>,
    pub(super) window: SendWindow,
}

impl Recipient {
    /// A recipient that reads the log from `cursor` on and is called on `stream`.
    pub(super) fn new(
        pair: Arc<ConnectionPair>,
        stream: Arc<Stream>,
        cursor: u64,
        limits: &Limits,
    ) -> Recipient {
        let window = SendWindow::new(pair.id, cursor, limits);
        Recipient { pair, stream, window }
    }

    /// The sequence number of the next event that it gets.
    pub(crate) fn cursor(&self) -> u64 {
        self.window.cursor()
    }

    /// For the broadcaster: writes what is for this recipient of a round, as far as its window goes. What the system does not
    /// take is returned, for a thread that may wait.
    pub(super) fn send(
        &self,
        log: &SharedLog,
        round: &mut SharedBatch,
        scratch: &mut Batch,
    ) -> Option<Unsent> {
        self.window.send(log, round, scratch, |frame, events| {
            log.counters.count_delivered(events);
            self.stream.try_write(frame).unwrap_or_else(|_| {
                self.pair.close(CloseReason::Lost(CONNECTION_LOST));
                frame.len() // The rest of a broken stream is no concern.
            })
        })
    }

    /// Writes what the system did not take of a call, and then everything that the window lets out.
    ///
    /// # Blocking
    /// On the recipient's network, for the receive timeout at the longest for each call; closing the pair wakes it.
    ///
    /// # Errors
    /// When the recipient does not take a call in time.
    pub(super) fn flush(&self, unsent: &Unsent, log: &SharedLog, limits: &Limits) -> Result<(), RpcError> {
        let mut call = Batch::new();
        self.stream.write_all(&unsent.0, Instant::now() + limits.receive_timeout)?;
        self.window.on_flushed(&call, false);
        match self.window.next_call(log, &mut call) {
            true => self.write_calls(&mut call, log, limits),
            false => Ok(()),
        }
    }

    /// Writes the prepared call, and then everything else that the window lets out. Blocking and errors as in
    /// [`Recipient::flush`].
    pub(super) fn write_calls(
        &self,
        call: &mut Batch,
        log: &SharedLog,
        limits: &Limits,
    ) -> Result<(), RpcError> {
        loop {
            log.counters.count_delivered(call.events());
            let taken = self.stream.try_write(call.frame())?;
            let unsent = &call.frame()[taken..];
            if !unsent.is_empty() {
                self.stream.write_all(unsent, Instant::now() + limits.receive_timeout)?;
            }
            self.window.on_flushed(call, !unsent.is_empty());
            if !self.window.next_call(log, call) {
                return Ok(());
            }
        }
    }
}

/// The whole life of a recipient's thread: writes what the recipient has not got yet, waits for its answers, and goes on with
/// what has gathered meanwhile.
///
/// # Blocking
/// On the recipient, under the limits' deadlines; closing the pair wakes it.
///
/// # Errors
/// Why the recipient was lost. `Ok` is the end of the room, with everything delivered.
pub(super) fn recipient_loop(
    recipient: &Recipient,
    connection: &mut Connection,
    log: &SharedLog,
    limits: &Limits,
) -> Result<(), RpcError> {
    let window = &recipient.window;
    let mut call = Batch::new();
    let mut to_write = window.next_call(log, &mut call);
    loop {
        if to_write {
            recipient.write_calls(&mut call, log, limits)?;
            call.clear();
            call.shrink_to(KEPT_BYTES);
        }
        let due_since = window.ack_due_since();
        let deadline = match due_since {
            Some(since) => since + limits.receive_timeout,
            None => Instant::now() + limits.ping_after,
        };
        let seen = connection.wait(deadline)?;
        #[cfg(feature = "seeded-bugs")]
        let due_since = limits.seeded.in_delivery(due_since, seen);
        to_write = match seen {
            Wait::Ended => return Err(RpcError::Closed),
            Wait::Ready => {
                let answer = connection.receive::<CallbackReply>(Instant::now() + limits.frame_timeout)?;
                let CallbackReply::Received = answer.ok_or(RpcError::Closed)?;
                match window.on_ack(log, &mut call) {
                    AckOutcome::NextCall => true,
                    AckOutcome::Idle => false,
                    AckOutcome::Done => return Ok(()),
                    AckOutcome::Unexpected => return Err(RpcError::UnexpectedAnswer),
                }
            }
            // The answer that is due now may be to a later call than the one that the deadline was for.
            Wait::Silence if due_since.is_some() && window.ack_due_since() == due_since => {
                return Err(RpcError::TimedOut)
            }
            Wait::Silence => window.ping(&mut call),
        };
    }
}
