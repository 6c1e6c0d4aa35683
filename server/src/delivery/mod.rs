//! Calling the recipients: a thread for each of them, all in the one scope that spans the broadcaster's life.
//!
//! The broadcaster hands a round to [`Deliveries::deliver`], which writes it to every recipient that is up to date. What a recipient
//! has not got for whatever reason, its own thread writes.
//!
//! Go: `for _, r := range recipients { go r.send(round) }`, and the runtime spreads the goroutines over the cores.

pub(crate) mod connection_pair;
pub(crate) mod recipient;
#[cfg(feature = "seeded-bugs")]
mod seeded;
mod send_window;
mod shared_batch;
#[cfg(test)]
mod tests;

use crate::{door::admission::Slot, log::SharedLog, settings::limits::Limits};
use chat_common::{batch::Batch, error::RpcError, rpc::Connection};
use connection_pair::{lost_because, CloseReason, ConnectionPair, CONNECTION_LOST};
use crossbeam_channel::{Receiver, Sender};
use log::{error, warn};
use recipient::{recipient_loop, Recipient};
use send_window::Unsent;
use shared_batch::SharedBatch;
use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    sync::Arc,
    thread::{self, Scope},
};

/// The sessions that a round is not for as it is.
#[derive(Debug, Default)]
pub(crate) struct RoundParts {
    /// Sessions that wrote some of it.
    pub(crate) authors: Vec<u64>,
    /// Whether some of it is private.
    pub(crate) has_private: bool,
}

/// The threads of the recipients. Only the broadcaster uses it.
#[derive(Debug)]
pub(crate) struct Deliveries<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    log: &'env SharedLog,
    limits: &'env Limits,
    /// Nothing is ever sent. Each thread holds a sender, and when the last one is dropped all deliveries have ended. A scope waits for
    /// its threads for ever; a channel can be waited on with a deadline.
    delivering_tx: Sender<()>,
    scratch: Batch,
}

impl<'scope, 'env> Deliveries<'scope, 'env> {
    /// No recipients yet. The receiver is disconnected when this is dropped and all deliveries have ended.
    pub(crate) fn new(
        scope: &'scope Scope<'scope, 'env>,
        log: &'env SharedLog,
        limits: &'env Limits,
    ) -> (Deliveries<'scope, 'env>, Receiver<()>) {
        let (delivering_tx, delivered_rx) = crossbeam_channel::bounded(0);
        (Deliveries { scope, log, limits, delivering_tx, scratch: Batch::new() }, delivered_rx)
    }

    /// Starts a recipient's thread, which reads the log from `cursor` on. Returns `None` when the system has no thread to give.
    /// `slot` is the connection's place among the accepted ones, if the client opened it.
    pub(crate) fn start(
        &self,
        pair: &Arc<ConnectionPair>,
        mut connection: Connection,
        slot: Option<Slot>,
        cursor: u64,
    ) -> Option<Arc<Recipient>> {
        let (log, limits) = (self.log, self.limits);
        let stream = Arc::clone(connection.stream());
        let recipient = Arc::new(Recipient::new(Arc::clone(pair), stream, cursor, limits));
        let own = Arc::clone(&recipient);
        let life = move || {
            let _until_the_end = slot;
            recipient_loop(&own, &mut connection, log, limits)
        };
        self.spawn("recipient", pair, life).then_some(recipient)
    }

    /// Writes the events from `first` on to every recipient that is up to date.
    ///
    /// # Blocking
    /// Never on a recipient. A send buffer that is full costs some 8 ms ([`try_write`](chat_common::stream::Stream::try_write)); a
    /// window that is halved each time keeps that to a few times in the life of a connection.
    pub(crate) fn deliver(&mut self, recipients: &[Arc<Recipient>], first: u64, parts: RoundParts) {
        let mut round = SharedBatch::read(self.log, first, parts.authors, parts.has_private);
        for recipient in recipients {
            if let Some(unsent) = recipient.send(self.log, &mut round, &mut self.scratch) {
                self.flush(recipient, unsent);
            }
        }
        #[cfg(feature = "seeded-bugs")]
        self.wait_as_a_scope_for_each_round_would(recipients);
    }

    /// Starts a thread that writes what the system did not take: the broadcaster waits for nobody, and the recipient's thread sits in
    /// `read`. A recipient has one such thread at the most.
    fn flush(&self, recipient: &Arc<Recipient>, unsent: Unsent) {
        let (log, limits, own) = (self.log, self.limits, Arc::clone(recipient));
        if !self.spawn("flush", &recipient.pair, move || own.flush(&unsent, log, limits)) {
            recipient.pair.close(CloseReason::Lost(CONNECTION_LOST));
        }
    }

    /// Spawns a thread whose failure closes `pair`. Returns false when the system has none to give.
    fn spawn(
        &self,
        name: &str,
        pair: &Arc<ConnectionPair>,
        life: impl FnOnce() -> Result<(), RpcError> + Send + 'scope,
    ) -> bool {
        let (pair, delivering_tx) = (Arc::clone(pair), self.delivering_tx.clone());
        let guarded = move || {
            let _until_the_end = delivering_tx;
            // Caught here, because a panic that leaves a scoped thread makes the whole scope panic. Whatever it left half done
            // belongs to this recipient, which ends with it.
            match catch_unwind(AssertUnwindSafe(life)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => pair.close(CloseReason::Lost(lost_because(&error))),
                Err(_) => {
                    error!("a delivery panicked; its recipient is disconnected");
                    pair.close(CloseReason::Lost("internal error"));
                }
            }
        };
        let builder = thread::Builder::new().name(name.to_owned()).stack_size(self.limits.thread_stack.0);
        // Scope::spawn would panic when the system refuses a thread.
        let spawned = builder.spawn_scoped(self.scope, guarded);
        if let Err(error) = &spawned {
            warn!("no thread for a recipient: {error}");
        }
        spawned.is_ok()
    }
}
