//! One recipient's connection: the calls to its `Receive`, and the thread that waits for its answers.
//!
//! Who calls when is decided in [`outbox`](crate::delivery::outbox); here are the sockets and the deadlines.
//!
//! Go: net/rpc's `Call` waits for its reply without a deadline, so a stopped client keeps its goroutines for ever.

use crate::{
    delivery::{
        outbox::{Outbox, Rest, Standing},
        round::Round,
        session::{reason_of, Ending, Line},
    },
    door::admission::Slot,
    settings::seeded::Bug,
    Shared,
};
use chat_common::{
    batch::Batch,
    error::RpcError,
    protocol::CallbackReply,
    rpc::{Connection, Wait},
    stream::Stream,
};
use crossbeam_channel::{Receiver, Sender};
use log::{error, warn};
use std::{
    io,
    panic::{catch_unwind, AssertUnwindSafe},
    sync::Arc,
    thread::{self, Scope},
    time::Instant,
};

/// The memory that a recipient keeps for its next batch while it is idle, in bytes.
const KEPT_BYTES: usize = 1024;

/// A recipient, shared by the broadcaster and the recipient's thread.
#[derive(Debug)]
pub struct Recipient {
    line: Arc<Line>,
    stream: Arc<Stream>,
    /// Where it is, and what may be written to `stream`.
    pub outbox: Outbox,
}

impl Recipient {
    /// A recipient on `line`, whose callback connection is `stream`.
    ///
    /// # Errors
    /// When the stream is broken.
    pub fn new(line: Arc<Line>, stream: Arc<Stream>, outbox: Outbox) -> io::Result<Recipient> {
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

    /// Writes a rest, and after it, one call at a time, whatever the window lets out. The deadline is each call's own; for all of them
    /// together the answer is waited for, by the recipient's thread.
    ///
    /// # Blocking
    /// On the recipient's network, for the receive timeout at the longest; [`Line::end`] wakes it.
    ///
    /// # Errors
    /// When the recipient does not take it in time.
    pub fn push(&self, shared: &Shared, mut rest: Option<Rest>, spare: &mut Batch) -> Result<(), RpcError> {
        while let Some(Rest(bytes)) = rest {
            self.stream.write_all(&bytes, Instant::now() + shared.limits.receive_timeout)?;
            // The next call comes back as a rest too, so that no write is tried while the broadcaster may wait for the window.
            rest = self.outbox.pushed(&shared.log, spare, |_, events| {
                shared.stats.delivered(events);
                0
            });
        }
        Ok(())
    }

    /// Hands a frame to the system, without waiting for room; answers how many bytes it took.
    fn write(&self, shared: &Shared, frame: &[u8], events: u64) -> usize {
        shared.stats.delivered(events);
        match self.stream.try_write(frame) {
            Ok(taken) => taken,
            Err(_) => {
                self.line.end(Ending::Lost("connection lost"));
                frame.len() // Nobody will miss the rest.
            }
        }
    }
}

/// The threads of the recipients, in the scope that spans the broadcaster's life.
#[derive(Clone, Debug)]
pub struct Deliveries<'scope, 'env> {
    shared: &'env Shared,
    scope: &'scope Scope<'scope, 'env>,
    /// Each thread holds one, and so does whoever may start one. Nothing is ever sent: what counts is when the last of them is
    /// dropped. A scope waits for its threads
    /// for ever; a channel can be waited on with a deadline.
    delivering_tx: Sender<()>,
}

impl<'scope, 'env> Deliveries<'scope, 'env> {
    /// None yet. The receiver is disconnected when this is gone and all deliveries have ended.
    pub fn new(
        shared: &'env Shared,
        scope: &'scope Scope<'scope, 'env>,
    ) -> (Deliveries<'scope, 'env>, Receiver<()>) {
        let (delivering_tx, delivered_rx) = crossbeam_channel::bounded(0);
        (Deliveries { shared, scope, delivering_tx }, delivered_rx)
    }

    /// Starts a recipient's thread. `None` when the connection is broken or the system has no thread to give; `slot` is the
    /// connection's place, if it was accepted.
    pub fn start(
        &self,
        line: &Arc<Line>,
        mut connection: Connection,
        slot: Option<Slot>,
        cursor: u64,
    ) -> Option<Arc<Recipient>> {
        let shared = self.shared;
        let outbox = Outbox::new(line.session.id, cursor, shared.limits.max_frame.0, shared.seeded);
        let stream = Arc::clone(connection.stream());
        let recipient = Recipient::new(Arc::clone(line), stream, outbox).map(Arc::new).ok()?;
        let own = Arc::clone(&recipient);
        let life = move || {
            let _until_the_end = slot;
            delivery_loop(&own, &mut connection, shared)
        };
        self.spawn("delivery", line, life).then_some(recipient)
    }

    /// Lets a thread of its own write what the system would not take at once: the broadcaster waits for nobody, and the recipient's
    /// thread sits in `read`. There is one such thread for a recipient at the most.
    pub fn push(&self, recipient: &Arc<Recipient>, rest: Rest) {
        let (shared, own) = (self.shared, Arc::clone(recipient));
        let life = move || own.push(shared, Some(rest), &mut Batch::new());
        if !self.spawn("push", &recipient.line, life) {
            recipient.line.end(Ending::Lost("connection lost"));
        }
    }

    /// Spawns a thread whose failure ends `line`. False when the system has none to give.
    fn spawn(
        &self,
        name: &str,
        line: &Arc<Line>,
        life: impl FnOnce() -> Result<(), RpcError> + Send + 'scope,
    ) -> bool {
        let (line, delivering_tx) = (Arc::clone(line), self.delivering_tx.clone());
        let guarded = move || {
            let _until_the_end = delivering_tx;
            // Caught here, because a panic that leaves a scoped thread makes the whole scope panic. What it may have left
            // half done is this recipient's own, and ends with it.
            match catch_unwind(AssertUnwindSafe(life)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => line.end(Ending::Lost(reason_of(&error))),
                Err(_) => {
                    error!("a delivery panicked; its recipient is disconnected");
                    line.end(Ending::Lost("internal error"));
                }
            }
        };
        let stack = self.shared.limits.thread_stack.0;
        // Scope::spawn would panic when the system refuses a thread.
        let spawned =
            thread::Builder::new().name(name.to_owned()).stack_size(stack).spawn_scoped(self.scope, guarded);
        if let Err(error) = &spawned {
            warn!("no thread for a recipient: {error}");
        }
        spawned.is_ok()
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
                    (Standing::UnexpectedAnswer, _) => return Err(RpcError::UnexpectedAnswer),
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
