//! Everything that a person can be told, before it is put into words. No I/O here.

use crate::settings::options::Bell;
use chat_common::protocol::{Event, Request};

/// One thing to tell. What the room says is [`Shown::Event`]; the rest is about this client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A name is wanted; the next line is taken for it.
    AskName,
    /// The first join was accepted.
    Connected {
        /// The name we are known by.
        name: String,
        /// The number of this run of the server.
        room: u64,
        /// The place of our join in the one order.
        sequence: u64,
        /// What the operator says to everybody who joins.
        motd: Option<String>,
    },
    /// The server could not dial us, so we opened the callback connection ourselves.
    OpenedCallback,
    /// Something happened in the room.
    Event {
        /// What, exactly as it was received.
        event: Event,
        /// Whether it was said before we joined.
        earlier: bool,
    },
    /// The server has accepted something of ours.
    Accepted {
        /// Our number for it.
        message_id: u64,
        /// Its place in the one order.
        sequence: u64,
        /// What it was.
        said: Said,
    },
    /// A line was typed while there is no connection; it is sent when there is one again.
    Waiting(String),
    /// The server is too busy to take a message or to let us in; we try again by ourselves.
    Busy,
    /// The connection is lost; we try to get it back.
    Lost {
        /// Why, for people.
        reason: String,
        /// Whether the room had said before that it ends.
        ended: bool,
    },
    /// The connection is back, in the same session: nothing is lost.
    Regained {
        /// How many lines wait to be sent.
        waiting: usize,
    },
    /// The connection is back, but in a new session.
    Rejoined {
        /// The name we are known by.
        name: String,
        /// The number of this run of the server.
        room: u64,
        /// The place of our new join in the one order.
        sequence: u64,
        /// Whether the server was restarted; otherwise we were away for too long.
        restarted: bool,
        /// How many lines wait to be sent.
        waiting: usize,
    },
    /// The server did not do what was asked, and says why.
    Refused(String),
    /// Something typed makes no sense; one line of help.
    Mistake(String),
    /// Who is here.
    People {
        /// Their names, sorted; maybe not all.
        names: Vec<String>,
        /// How many they are.
        total: u32,
    },
    /// What was said last, as asked for with `/history`.
    History(Vec<Event>),
    /// We are called something else from now on.
    Renamed {
        /// The new name.
        name: String,
    },
    /// The commands are asked for.
    Help,
    /// The screen is to be cleared.
    Clear,
    /// The bell is to be set, or its setting told.
    Bell(Option<Bell>),
    /// Who is ignored, as it was typed.
    Ignoring(Vec<String>),
    /// So many lines could not be sent.
    Unsent(usize),
    /// It is over, and not as it should be.
    Failed(String),
    /// We have left.
    Bye,
}

/// Something that we said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// To everybody.
    Message(String),
    /// As in `* Sara waves`.
    Action(String),
    /// To one person alone.
    Private {
        /// To whom.
        to: String,
        /// What.
        text: String,
    },
}

impl Said {
    /// The words of it.
    pub fn text(&self) -> &str {
        match self {
            Said::Message(text) | Said::Action(text) | Said::Private { text, .. } => text,
        }
    }

    /// The request that says it.
    pub(crate) fn request(&self, message_id: u64) -> Request {
        match self.clone() {
            Said::Message(text) => Request::Broadcast { message_id, text },
            Said::Action(text) => Request::Action { message_id, text },
            Said::Private { to, text } => Request::Private { message_id, to, text },
        }
    }
}
