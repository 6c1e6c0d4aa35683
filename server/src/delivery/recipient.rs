//! One recipient: the calls of its `Receive`, and its thread, `recipient`, which waits for its answers.
//!
//! [`send_window`](super::send_window) decides what is written and when. This file has the socket and the
//! deadlines. Only the recipient's thread and a flush thread may block here; the broadcaster may not.
//!
//! Go: `Call` of net/rpc waits for its reply without a deadline. A client that is stopped keeps its
//! goroutines for ever.

use super::{
    connection_pair::{ConnectionPair, CONNECTION_LOST},
    round_frame::RoundFrame,
    send_window::{AckOutcome, SendWindow},
};
use crate::{log::Reader, order::SharedLog, settings::Limits};
use chat_common::trace::{self, Slice};
use chat_common::wire::{
    batch::Batch,
    error::RpcError,
    protocol::CallbackReply,
    rpc::{Connection, Wait},
    stream::{Stream, Unsent},
};
use std::{
    sync::{atomic::Ordering::Relaxed, Arc},
    thread,
    time::{Duration, Instant},
};

/// The longest sleep of a thread that waits for its next reading.
const SHORT_SLEEP: Duration = Duration::from_millis(100);
/// The memory that an idle recipient's thread keeps for its next call, in bytes.
const KEPT_BYTES: usize = 1024;

/// A recipient, shared by the broadcaster and the threads `recipient`, `flush` and `fanout`.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(crate) pair: Arc<ConnectionPair>,
    stream: Arc<Stream>,
    pub(super) window: SendWindow,
}

impl Recipient {
    /// Returns a recipient that reads the log from `cursor` on, as `reader`.
    /// Its calls are written to `stream`.
    pub(super) fn new(
        pair: Arc<ConnectionPair>,
        stream: Arc<Stream>,
        cursor: u64,
        reader: Reader,
        limits: &Limits,
    ) -> Recipient {
        let window = SendWindow::new(reader, cursor, limits);
        Recipient { pair, stream, window }
    }

    /// Returns the sequence number of the next event that it gets.
    pub(crate) fn cursor(&self) -> u64 {
        self.window.cursor()
    }

    /// For the threads `broadcaster` and `fanout`: writes the events of a round that this recipient gets,
    /// as far as its window allows. Returns what the system did not take, for a thread that may block.
    ///
    /// # Blocking
    /// Some 8 ms when the send buffer is full.
    pub(super) fn send(
        &self,
        log: &SharedLog,
        round: &mut RoundFrame,
        scratch: &mut Batch,
    ) -> Option<Unsent> {
        self.window.send(log, round, scratch, |frame, events| {
            log.counters.delivered.fetch_add(events, Relaxed);
            self.stream.try_write(frame).unwrap_or_else(|_| {
                self.pair.close(CONNECTION_LOST);
                None // Nobody needs the rest of a broken stream.
            })
        })
    }

    /// Writes what the system did not take of a call, and then all calls that the window allows.
    ///
    /// # Blocking
    /// On the recipient, for the receive timeout at most for each call. Closing the pair wakes it.
    ///
    /// # Errors
    /// When the recipient does not take a call in time.
    pub(super) fn flush(&self, unsent: &Unsent, log: &SharedLog, limits: &Limits) -> Result<(), RpcError> {
        let (mut call, mut reading) = (Batch::new(), Reading::new(&self.pair, log));
        self.stream.write_rest(unsent, Instant::now() + limits.receive_timeout)?;
        self.window.on_flushed(false);
        loop {
            while self.window.next_call(log, &mut call, &mut |bytes| reading.goes_on(bytes)) {
                self.write_call(&call, log, limits)?;
            }
            check_resources(&call)?;
            let Some(resume_at) = reading.resume_at() else { return Ok(()) };
            // In short parts, because nothing wakes a sleep when the pair is closed.
            thread::sleep(resume_at.saturating_duration_since(Instant::now()).min(SHORT_SLEEP));
        }
    }

    /// Writes a prepared call.
    ///
    /// # Blocking
    /// On the recipient, for the receive timeout at most. Closing the pair wakes it.
    ///
    /// # Errors
    /// When the recipient does not take the call in time.
    pub(super) fn write_call(&self, call: &Batch, log: &SharedLog, limits: &Limits) -> Result<(), RpcError> {
        log.counters.delivered.fetch_add(call.events(), Relaxed);
        let waited = self.stream.write_all(call.frame(), Instant::now() + limits.receive_timeout)?;
        self.window.on_flushed(waited);
        if trace::is_on() && call.events() > 0 {
            trace::mark("delivered", self.cursor() - 1);
        }
        Ok(())
    }
}

/// Returns an error if there was no memory, or no file descriptor, for the next event. Otherwise the event
/// would wait for ever.
fn check_resources(call: &Batch) -> Result<(), RpcError> {
    match call.lacks_resources() {
        true => Err(RpcError::NoMemory),
        false => Ok(()),
    }
}

/// The whole life of a recipient's thread. It writes the events that the recipient has not got yet, waits
/// for an answer, and repeats both.
///
/// # Blocking
/// On the recipient, for the limits' timeouts at most. Closing the pair wakes it.
///
/// # Errors
/// Why the recipient was lost. `Ok` means that the room has ended and the recipient has acknowledged
/// everything.
pub(super) fn recipient_loop(
    recipient: &Recipient,
    connection: &mut Connection,
    log: &SharedLog,
    limits: &Limits,
) -> Result<(), RpcError> {
    let window = &recipient.window;
    let (mut call, mut reading) = (Batch::new(), Reading::new(&recipient.pair, log));
    let mut to_write = window.next_call(log, &mut call, &mut |bytes| reading.goes_on(bytes));
    let mut quiet_since = Instant::now();
    loop {
        while to_write {
            recipient.write_call(&call, log, limits)?;
            quiet_since = Instant::now();
            to_write = window.next_call(log, &mut call, &mut |bytes| reading.goes_on(bytes));
        }
        check_resources(&call)?;
        call.clear();
        call.shrink_to(KEPT_BYTES);
        let due_since = window.ack_due_since();
        let deadline = match due_since {
            Some(since) => since + limits.receive_timeout,
            None => quiet_since + limits.ping_after,
        };
        let resume_at = reading.resume_at();
        let waits = Slice::begin("waits for the client's reply");
        let waited = connection.wait(resume_at.map_or(deadline, |resume_at| resume_at.min(deadline)))?;
        drop(waits);
        #[cfg(feature = "seeded-bugs")]
        let due_since = limits.seeded.in_delivery(due_since, waited);
        let is_over = Instant::now() >= deadline;
        to_write = match waited {
            Wait::Ended => return Err(RpcError::Closed),
            Wait::Ready => {
                let answer = connection.receive::<CallbackReply>(Instant::now() + limits.frame_timeout)?;
                let CallbackReply::Received = answer.ok_or(RpcError::Closed)?;
                quiet_since = Instant::now();
                match window.on_ack(log, &mut call, &mut |bytes| reading.goes_on(bytes)) {
                    AckOutcome::NextCall => true,
                    AckOutcome::Idle => false,
                    AckOutcome::Done => return Ok(()),
                    AckOutcome::Unexpected => return Err(RpcError::UnexpectedAnswer),
                }
            }
            // This deadline is over only for the answer that was pending when the wait began. A later
            // answer has a later deadline.
            Wait::Silence if is_over && due_since.is_some() && window.ack_due_since() == due_since => {
                return Err(RpcError::TimedOut)
            }
            Wait::Silence if is_over && due_since.is_none() => {
                quiet_since = Instant::now();
                window.ping(&mut call)
            }
            Wait::Silence => window.next_call(log, &mut call, &mut |bytes| reading.goes_on(bytes)),
        };
    }
}

/// What a thread reads of the files for a recipient. The recipient's host pays, and the thread reads no more
/// before it has. When the room has ended, it reads at once: nobody waits for the processor then, and the
/// time for the last deliveries is short.
struct Reading<'r> {
    pair: &'r ConnectionPair,
    log: &'r SharedLog,
    resume_at: Option<Instant>,
}

impl<'r> Reading<'r> {
    fn new(pair: &'r ConnectionPair, log: &'r SharedLog) -> Reading<'r> {
        Reading { pair, log, resume_at: None }
    }

    /// Pays for `bytes`, and returns whether the thread may read more now.
    fn goes_on(&mut self, bytes: usize) -> bool {
        let now = Instant::now();
        if bytes > 0 {
            self.resume_at = Some(now + self.pair.reads.take(now, bytes));
        }
        let has_ended = self.log.read().has_ended();
        self.resume_at = self.resume_at.filter(|resume_at| *resume_at > now && !has_ended);
        self.resume_at.is_none() && self.pair.close_reason().is_none()
    }

    /// Returns when the thread has to ask for the next call, if it has stopped reading before that.
    fn resume_at(&self) -> Option<Instant> {
        self.resume_at.filter(|_| self.pair.close_reason().is_none())
    }
}
