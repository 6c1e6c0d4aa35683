//! One recipient's connection: the calls to its `Receive`, and the thread that waits for its answers.
//!
//! Who calls when is decided in [`outbox`](crate::outbox); here are the sockets and the deadlines.
//!
//! Go: net/rpc's `Call` waits for its reply without a deadline, so a stopped client keeps its goroutines for ever.

use crate::{
    outbox::{Next, Outbox, Round},
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
    io::{self, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

/// The time that a write which cannot block is allowed to take; the system rounds it up to its clock's tick.
const EAGER_WRITE_TIMEOUT: Duration = Duration::from_millis(1);
/// The memory that a recipient keeps for its next batch while it is idle, in bytes.
const KEPT_BYTES: usize = 1024;

/// A recipient, shared by the broadcaster and the recipient's thread.
#[derive(Debug)]
pub struct Recipient {
    line: Arc<Line>,
    stream: Arc<TcpStream>,
    /// Where it is, and who may write to `stream`.
    pub outbox: Outbox,
}

impl Recipient {
    /// A recipient on `line`, whose callback connection is `stream`.
    ///
    /// # Errors
    /// When the stream is broken.
    pub fn new(line: Arc<Line>, stream: Arc<TcpStream>, outbox: Outbox) -> io::Result<Recipient> {
        stream.set_write_timeout(Some(EAGER_WRITE_TIMEOUT))?;
        Ok(Recipient { line, stream, outbox })
    }

    /// The line that it is on.
    pub fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// Starts a call with what has been appended, if it is the broadcaster's turn to. Never blocks.
    pub fn offer(&self, shared: &Shared, round: &mut Round, spare: &mut Batch) {
        self.outbox.offer(&shared.log, round, spare, |frame, events| {
            shared.stats.delivered(events);
            // One write and no loop: if the system does not take it all at once, then something is wrong with this peer or with
            // the machine. The client resumes, and nobody has waited.
            if !matches!((&*self.stream).write(frame), Ok(count) if count == frame.len()) {
                self.line.end(Ending::Lost("connection lost"));
            }
        });
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
    let mut batch = Batch::new();
    loop {
        let calling = recipient.outbox.calling();
        let deadline = match calling {
            Some(_) if shared.seeded.has(Bug::NoDeadline) => Instant::now() + limits.ping_after,
            Some(since) => since + limits.receive_timeout,
            None => Instant::now() + limits.ping_after,
        };
        match connection.wait(deadline)? {
            Wait::Ended => return Err(RpcError::Closed),
            Wait::Ready => {
                let answer = connection.receive::<CallbackReply>(Instant::now() + limits.frame_timeout)?;
                let CallbackReply::Received = answer.ok_or(RpcError::Closed)?;
                assert!(!shared.seeded.has(Bug::PanicInDelivery), "seeded");
                match recipient.outbox.answered(&shared.log, limits.max_frame.0, &mut batch) {
                    Next::Call => call(recipient, &mut batch, shared)?,
                    Next::Sleep => batch.shrink_to(KEPT_BYTES),
                    Next::Done => return Ok(()),
                    Next::Unasked => return Err(RpcError::Unasked),
                }
            }
            Wait::Silence if calling.is_some() && !shared.seeded.has(Bug::NoDeadline) => {
                return Err(RpcError::TimedOut)
            }
            Wait::Silence => {
                if recipient.outbox.begin_ping() {
                    batch.clear();
                    call(recipient, &mut batch, shared)?;
                }
            }
        }
    }
}

/// Starts a call that wants an answer. The caller has the turn.
fn call(recipient: &Recipient, batch: &mut Batch, shared: &Shared) -> Result<(), RpcError> {
    let _held = shared.seeded.has(Bug::LockOverWrite).then(|| recipient.outbox.hold());
    shared.stats.delivered(batch.events());
    write_all(&recipient.stream, batch.finish(true), Instant::now() + shared.limits.receive_timeout)?;
    Ok(recipient.stream.set_write_timeout(Some(EAGER_WRITE_TIMEOUT))?)
}
