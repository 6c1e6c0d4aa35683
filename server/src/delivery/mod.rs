//! The calls of the recipients' `Receive`. Each recipient has a thread, `recipient`. All these threads
//! are in one scope, which lasts as long as the broadcaster.
//!
//! The broadcaster writes a round to every recipient that is up to date ([`fanout`]). A recipient's own
//! thread writes everything else ([`recipient`]). If the system does not take a whole call from the
//! broadcaster, a thread `flush` writes the rest. The broadcaster MUST NOT wait for a recipient.

mod connection_pair;
mod fanout;
mod recipient;
mod round_frame;
#[cfg(feature = "seeded-bugs")]
mod seeded;
mod send_window;
#[cfg(test)]
mod tests;

pub(crate) use connection_pair::{lost_because, ConnectionPair, CONNECTION_LOST};
pub(crate) use fanout::FanoutWorker;
pub(crate) use recipient::Recipient;
pub(crate) use round_frame::RoundFrame;

use crate::{door::Slot, log::Reader, order::SharedLog, settings::Limits};
use chat_common::{
    program::tasks::{self, Task, Tasks},
    trace,
    wire::{error::RpcError, rpc::Connection, stream::Unsent},
};
use log::{error, warn};
use recipient::recipient_loop;
use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    sync::Arc,
    thread::{self, Scope},
};

/// A member with a callback connection, but without a thread that uses it.
pub(crate) struct NewRecipient {
    pub(crate) pair: Arc<ConnectionPair>,
    pub(crate) callback: Connection,
    /// The connection's place among the accepted ones, if the client opened it. The thread holds it to its
    /// end.
    pub(crate) slot: Option<Slot>,
}

/// Starts the threads of the recipients.
#[derive(Clone, Debug)]
pub(crate) struct Deliveries<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    log: &'env SharedLog,
    limits: &'env Limits,
    /// Each thread holds a clone. A scope waits for its threads without a deadline, and [`Tasks`] has one.
    task: Task,
}

impl<'scope, 'env> Deliveries<'scope, 'env> {
    /// Returns deliveries without recipients. The tasks end when all clones are dropped and all threads have
    /// ended.
    pub(crate) fn new(
        scope: &'scope Scope<'scope, 'env>,
        log: &'env SharedLog,
        limits: &'env Limits,
    ) -> (Deliveries<'scope, 'env>, Tasks) {
        let (task, tasks) = tasks::begin();
        (Deliveries { scope, log, limits, task }, tasks)
    }

    /// Starts a recipient's thread, which reads the log from `cursor` on, and tells of every gap from
    /// `membership_from` on. Returns `None` when the system cannot start a thread.
    pub(crate) fn start(&self, new: NewRecipient, cursor: u64, reader: Reader) -> Option<Arc<Recipient>> {
        let NewRecipient { pair, callback: mut connection, slot } = new;
        let (log, limits) = (self.log, self.limits);
        #[cfg(feature = "seeded-bugs")]
        let cursor = limits.seeded.begins_too_early(cursor);
        let stream = Arc::clone(connection.stream());
        let recipient = Arc::new(Recipient::new(Arc::clone(&pair), stream, cursor, reader, limits));
        let own = Arc::clone(&recipient);
        let run = move || {
            let _held_to_the_end = slot;
            recipient_loop(&own, &mut connection, log, limits)
        };
        self.spawn("recipient", &pair, run).then_some(recipient)
    }

    /// Starts a thread that writes what the system did not take. The broadcaster must not wait for that,
    /// and the recipient's own thread waits in `read`. A recipient has at most one such thread.
    fn flush(&self, recipient: &Arc<Recipient>, unsent: Unsent) {
        let (log, limits, own) = (self.log, self.limits, Arc::clone(recipient));
        if unsent.lacks_memory()
            || !self.spawn("flush", &recipient.pair, move || own.flush(&unsent, log, limits))
        {
            warn!("no thread or no memory to flush a call; its recipient is disconnected");
            recipient.pair.close(CONNECTION_LOST);
        }
    }

    /// Starts a thread. If it fails, `pair` is closed. Returns false when the system cannot start a
    /// thread.
    fn spawn(
        &self,
        name: &str,
        pair: &Arc<ConnectionPair>,
        run: impl FnOnce() -> Result<(), RpcError> + Send + 'scope,
    ) -> bool {
        let (session, pair, task) = (pair.id, Arc::clone(pair), self.task.clone());
        let guarded = move || {
            let _held_to_the_end = task;
            // The panic is caught here, because a scope panics if one of its threads does. The panic can
            // leave only this recipient's state half changed, and this recipient ends.
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => pair.close(lost_because(&error)),
                Err(_) => {
                    error!("a delivery panicked; its recipient is disconnected");
                    pair.close("internal error");
                }
            }
        };
        let builder = thread::Builder::new().name(name.to_owned()).stack_size(self.limits.thread_stack.0);
        // `Scope::spawn` would panic when the system cannot start a thread.
        let guarded = trace::starts(format_args!("{name} of session {session}"), guarded);
        builder.spawn_scoped(self.scope, guarded).is_ok()
    }
}
