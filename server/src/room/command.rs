//! What is sent to the broadcaster. Whoever wants an answer brings a channel for it, with room for one.

use crate::{
    delivery::{
        recipient::Recipient,
        session::{Line, Session},
    },
    door::admission::Slot,
};
use chat_common::rpc::Connection;
use crossbeam_channel::Sender;
use std::sync::Arc;

/// What goes through the channel. `answer_tx` gets the place in the order, or `None` if there was none to be had.
#[derive(Debug)]
pub enum Command {
    /// A member comes, or comes back.
    Enter {
        /// On these connections.
        line: Arc<Line>,
        /// Under this name.
        name: String,
        /// From which position delivery begins.
        start: Start,
        /// The callback connection, if the server has reached the client.
        callback: Option<Connection>,
        /// Answered with the place of the (original) join.
        answer_tx: Sender<Option<u64>>,
    },
    /// A client has opened the callback connection itself.
    Attach {
        /// For these connections.
        line: Arc<Line>,
        /// The connection, and its place among the accepted ones.
        callback: (Connection, Slot),
    },
    /// A member says something.
    Say {
        /// Who, and where the reply goes: the broadcaster writes it itself, so that the connection's thread need not be woken to.
        line: Arc<Line>,
        /// The member's id for it.
        message_id: u64,
        /// What.
        text: String,
        /// How.
        manner: Manner,
        /// Told when the reply is out: from then on the connection may take, and answer, the next request.
        replied_tx: Sender<Option<u64>>,
    },
    /// A member has another name.
    Rename {
        /// Who.
        id: u64,
        /// The new name.
        to: String,
        /// Answered with its place.
        answer_tx: Sender<Option<u64>>,
    },
    /// A member's connections have ended.
    Leave {
        /// These.
        line: Arc<Line>,
        /// Why, where it was not their own doing.
        reason: Option<String>,
    },
    /// The operator says something.
    Notice(String),
    /// How the recipients are doing.
    Report(Sender<Report>),
}

/// Where delivery to a newcomer begins.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// So many messages before the join.
    Earlier(u32),
    /// After the last sequence number that the resumed session has received.
    After(u64),
}

/// How something is said.
#[derive(Debug)]
pub enum Manner {
    /// To all.
    Message,
    /// As an action, to all.
    Action,
    /// To the one who is here under this name.
    Private {
        /// The session, if there is one.
        to: Option<Arc<Session>>,
        /// The name.
        name: String,
    },
}

/// How the recipients are doing.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many there are.
    pub recipients: usize,
    /// The one that is furthest behind, and by how many events.
    pub slowest: Option<(String, u64)>,
}

impl Report {
    /// From what each recipient has been written, and the sequence number that comes `next`.
    pub fn of<'a>(recipients: impl Iterator<Item = (&'a str, &'a Arc<Recipient>)>, next: u64) -> Report {
        let mut report = Report::default();
        for (name, recipient) in recipients {
            report.recipients += 1;
            let behind = next.saturating_sub(recipient.outbox.cursor());
            if report.slowest.as_ref().is_none_or(|(_, most)| behind > *most) {
                report.slowest = Some((name.to_owned(), behind));
            }
        }
        report
    }
}
