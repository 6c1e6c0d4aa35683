//! One recipient's connection: the calls to its `Receive`, and the thread that waits for its answers.
//!
//! Who calls when is decided in [`outbox`](crate::outbox); here are the sockets and the deadlines.
//!
//! Go: net/rpc's `Call` waits for its reply without a deadline, so a stopped client keeps its goroutines for ever.

use crate::{
    outbox::{Outbox, Round, Standing},
    seeded::Bug,
    session::{Ending, Line},
    Shared,
};
use chat_common::{
    batch::Batch,
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

    /// Writes what has been appended, as far as the recipient's window goes. Never blocks.
    pub fn offer(&self, shared: &Shared, round: &mut Round, spare: &mut Batch) {
        self.outbox.offer(&shared.log, round, spare, |bytes, events| self.write(shared, bytes, events));
    }

    /// Hands bytes to the system, without waiting for room; answers how many it took.
    fn write(&self, shared: &Shared, bytes: &[u8], events: u64) -> usize {
        shared.stats.delivered(events);
        match (&*self.stream).write(bytes) {
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
                bytes.len() // Nobody will miss the rest.
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
    let (limits, log) = (&shared.limits, &shared.log);
    let mut spare = Batch::new();
    loop {
        let owing = recipient.outbox.owing().filter(|_| !shared.seeded.has(Bug::NoDeadline));
        let deadline = match owing {
            Some(since) => since + limits.receive_timeout,
            None => Instant::now() + limits.ping_after,
        };
        match connection.wait(deadline)? {
            Wait::Ended => return Err(RpcError::Closed),
            Wait::Ready => {
                let answer = connection.receive::<CallbackReply>(Instant::now() + limits.frame_timeout)?;
                let CallbackReply::Received = answer.ok_or(RpcError::Closed)?;
                assert!(!shared.seeded.has(Bug::PanicInDelivery), "seeded");
                match recipient
                    .outbox
                    .answered(log, &mut spare, |bytes, events| recipient.write(shared, bytes, events))
                {
                    Standing::Open => {}
                    Standing::Done => return Ok(()),
                    Standing::Unasked => return Err(RpcError::Unasked),
                }
            }
            Wait::Silence => {
                if !recipient
                    .outbox
                    .prod(owing, log, &mut spare, |bytes, events| recipient.write(shared, bytes, events))
                {
                    return Err(RpcError::TimedOut);
                }
            }
        }
        spare.shrink_to(KEPT_BYTES);
    }
}
