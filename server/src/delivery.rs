//! One recipient's connection: the calls to its `Receive`, and the thread that waits for its answers.
//!
//! Who calls when is decided in [`outbox`](crate::outbox); here are the sockets and the deadlines.
//!
//! Go: net/rpc's `Call` waits for its reply without a deadline, so a stopped client keeps its goroutines for ever.

use crate::{
    outbox::{Outbox, Rest, Round, Standing},
    seeded::Bug,
    session::{Ending, Line},
    Shared,
};
use chat_common::{
    batch::Batch,
    deadline::write_all,
    error::RpcError,
    protocol::CallbackReply,
    rpc::{Connection, Wait},
};
use std::{
    io::{self, ErrorKind, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

/// std cannot ask for a write that never waits on a socket whose reads do, so this is the least wait that there is. The system
/// rounds it up to its clock's tick; it is spent only on a full send buffer, which the window all but rules out.
pub const WRITE_TIMEOUT: Duration = Duration::from_millis(1);
/// The memory that a recipient keeps for its next batch while it is idle, in bytes.
const KEPT_BYTES: usize = 1024;

/// A recipient, shared by the broadcaster and the recipient's thread.
#[derive(Debug)]
pub struct Recipient {
    line: Arc<Line>,
    stream: Arc<TcpStream>,
    /// Where it is, and what may be written to `stream`.
    pub outbox: Outbox,
}

impl Recipient {
    /// A recipient on `line`, whose callback connection is `stream`.
    ///
    /// # Errors
    /// When the stream is broken.
    pub fn new(line: Arc<Line>, stream: Arc<TcpStream>, outbox: Outbox) -> io::Result<Recipient> {
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        Ok(Recipient { line, stream, outbox })
    }

    /// The line that it is on.
    pub fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// Writes what has been appended, as far as the recipient's window goes. Never blocks. What the system does not take comes back, to
    /// be [`Recipient::push`]ed by somebody else than the broadcaster.
    pub fn offer(&self, shared: &Shared, round: &mut Round, spare: &mut Batch) -> Option<Rest> {
        self.outbox.offer(&shared.log, round, spare, |frame, events| self.write(shared, frame, events))
    }

    /// Writes a rest, and whatever the recipient's window lets out after it.
    ///
    /// # Blocking
    /// On the recipient's network, for the receive timeout at the longest; [`Line::end`] wakes it.
    ///
    /// # Errors
    /// When the recipient does not take it in time.
    pub fn push(&self, shared: &Shared, mut rest: Option<Rest>, spare: &mut Batch) -> Result<(), RpcError> {
        while let Some(Rest(bytes)) = rest {
            write_all(&self.stream, &bytes, Instant::now() + shared.limits.receive_timeout)?;
            self.stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
            rest = self.outbox.pushed(&shared.log, spare, |frame, events| self.write(shared, frame, events));
        }
        Ok(())
    }

    /// Hands a frame to the system, without waiting for room; answers how many bytes it took.
    fn write(&self, shared: &Shared, frame: &[u8], events: u64) -> usize {
        shared.stats.delivered(events);
        match (&*self.stream).write(frame) {
            Ok(taken) => taken,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                0
            }
            Err(_) => {
                self.line.end(Ending::Lost("connection lost"));
                frame.len() // Nobody will miss the rest.
            }
        }
    }
}

/// The whole life of a recipient's thread: waits for answers, and goes on with what has gathered.
///
/// # Blocking
/// On the recipient, under the limits' deadlines; [`Line::end`] wakes it.
///
/// # Errors
/// Why the recipient was lost. `Ok` is the end of the room, with everything delivered.
pub fn delivery_loop(
    recipient: &Recipient,
    connection: &mut Connection,
    shared: &Shared,
) -> Result<(), RpcError> {
    let limits = &shared.limits;
    let mut spare = Batch::new();
    loop {
        let owing = recipient.outbox.owing().filter(|_| !shared.seeded.has(Bug::NoDeadline));
        let deadline = match owing {
            Some(since) => since + limits.receive_timeout,
            None => Instant::now() + limits.ping_after,
        };
        let write = |frame: &[u8], events: u64| recipient.write(shared, frame, events);
        let rest = match connection.wait(deadline)? {
            Wait::Ended => return Err(RpcError::Closed),
            Wait::Ready => {
                let answer = connection.receive::<CallbackReply>(Instant::now() + limits.frame_timeout)?;
                let CallbackReply::Received = answer.ok_or(RpcError::Closed)?;
                assert!(!shared.seeded.has(Bug::PanicInDelivery), "seeded");
                match recipient.outbox.answered(&shared.log, &mut spare, write) {
                    (Standing::Open, rest) => rest,
                    (Standing::Done, _) => return Ok(()),
                    (Standing::Unasked, _) => return Err(RpcError::Unasked),
                }
            }
            // What is owed may be newer than what the deadline was set by.
            Wait::Silence if owing.is_some() && recipient.outbox.owing() == owing => {
                return Err(RpcError::TimedOut)
            }
            Wait::Silence => recipient.outbox.ping(&mut spare, write),
        };
        recipient.push(shared, rest, &mut spare)?;
        spare.shrink_to(KEPT_BYTES);
    }
}
