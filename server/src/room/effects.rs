//! What is done for a round when it has its place in the order and everybody can see it. Runs on the
//! broadcaster's thread. A round without a place drops all of it.

use crate::delivery::{ConnectionPair, NewRecipient};
use chat_common::{program::tasks::Task, wire::protocol::Reply};
use crossbeam_channel::Sender;
use std::{net::IpAddr, sync::Arc};

/// The actions at the end of a round.
#[derive(Default)]
pub(super) struct Effects {
    /// How many commands the round has.
    pub(super) commands: usize,
    /// Recipients whose threads begin.
    pub(super) recipients: Vec<NewRecipient>,
    /// Whether recipients have come or gone.
    pub(super) recipients_changed: bool,
    /// Replies to write on call connections. That ends the task.
    pub(super) replies: Vec<(Arc<ConnectionPair>, Reply, Task)>,
    /// Each sends an answer to a thread that waits for it.
    pub(super) answers: Vec<Box<dyn FnOnce()>>,
    /// Pairs to close, and the reason.
    pub(super) closings: Vec<(Arc<ConnectionPair>, &'static str)>,
    /// Lines for the server's log, and the address of the member that each is about. A line about what the
    /// operator did has none, so that no flood hides it.
    pub(super) lines: Vec<(Option<IpAddr>, String)>,
}

impl Effects {
    /// Writes the replies that are not written yet, and tells the threads of their connections.
    pub(super) fn write_replies(&mut self) {
        for (pair, reply, _task) in self.replies.drain(..) {
            pair.reply(&reply);
        }
    }

    /// Answers a waiting thread at the end of the round. If the thread has ended, the answer is lost,
    /// which does no harm.
    pub(super) fn answer<T: Send + 'static>(&mut self, answer_tx: Sender<T>, answer: T) {
        self.answers.push(Box::new(move || drop(answer_tx.send(answer))));
    }
}
