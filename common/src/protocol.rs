//! The messages, and the only serde derives. Enums only ever grow at the end: a variant's number is on the wire.

use crate::token::Token;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest payload before a Join has been accepted, in bytes.
pub const UNJOINED_FRAME_BYTES: u32 = 1024;
/// The longest payload after it, in bytes, in both directions and on both connections.
pub const FRAME_BYTES: u32 = 64 * 1024;
/// A client whose call connection has been silent this many seconds calls Ping; the server gives up on it later.
pub const PING_SECONDS: u64 = 5;

/// What a client asks on its call connection. Each request gets exactly one [`Reply`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Enter the room, or come back to it. Must be the first request. Answered by `Joined`.
    Join(Join),
    /// Say something to everybody else. Answered by `Accepted` once it has its place in the one order.
    Broadcast {
        /// The client's number for this message: larger than that of any before it in the session. A number that
        /// the server has already accepted is answered again and not said again.
        message_id: u64,
        /// What is said.
        text: String,
    },
    /// Who is here. Answered by `People`.
    Who,
    /// Go. Answered by `Left`; then both connections are closed.
    Leave,
    /// Nothing; it keeps the connection alive. Answered by `Pong`.
    Ping,
    /// Say something to one member alone. Numbered, and answered, as `Broadcast`.
    Private {
        /// As in `Broadcast`; all three kinds share one count.
        message_id: u64,
        /// The name of the one who is to get it.
        to: String,
        /// What is said.
        text: String,
    },
    /// Do something, as in `* Sara waves`. Numbered, and answered, as `Broadcast`.
    Action {
        /// As in `Broadcast`; all three kinds share one count.
        message_id: u64,
        /// What is done.
        text: String,
    },
    /// Be called something else from now on. Answered by `Renamed`.
    Rename {
        /// The new name.
        name: String,
    },
    /// What was said last. Answered by `History`.
    History {
        /// How many messages at the most.
        count: u32,
    },
}

/// How a client enters the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The name to be known by.
    pub name: String,
    /// A secret that the client has made for this session; the server's callback must show it.
    pub token: Token,
    /// Where the client's listener is, on the address that this connection comes from.
    /// 0: there is none, the client will open the callback connection itself.
    pub port: u16,
    /// How many earlier messages to deliver first. Not looked at when a session is resumed.
    pub history: u32,
    /// To resume the session with this token: the highest sequence number received in it (0 for none).
    /// Everything after that is delivered again.
    pub resume: Option<u64>,
}

/// What the server answers on a call connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The request was not carried out.
    Refused(Refusal),
    /// To `Join`.
    Joined(Joined),
    /// To `Broadcast`, `Private` and `Action`.
    Accepted {
        /// Its place in the one order.
        sequence: u64,
    },
    /// To `Who`.
    People {
        /// Sorted; as many as fit into a frame.
        names: Vec<String>,
        /// How many there are.
        total: u32,
    },
    /// To `Leave`.
    Left,
    /// To `Ping`.
    Pong,
    /// To `Rename`.
    Renamed {
        /// The place of the renaming in the one order.
        sequence: u64,
    },
    /// To `History`: the last messages, oldest first, as many as fit into a frame.
    History {
        /// Messages and actions that everybody may read, this member's own among them, and what was said to it alone.
        events: Vec<Event>,
    },
}

/// A client is in the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// A random number that this run of the server goes by: where it differs, the room was restarted,
    /// and sequence numbers have begun anew.
    pub room: u64,
    /// The place of this join in the one order; what is delivered with a lower number was said earlier.
    /// For a resumed session, the place of the original join.
    pub sequence: u64,
    /// Whether the server has reached the client's listener. If not, the client opens the callback connection itself.
    pub called_back: bool,
    /// The longest text taken, in bytes.
    pub text_limit: u32,
    /// What the operator says to everybody who joins.
    pub motd: Option<String>,
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For programs.
    pub cause: Cause,
    /// For people: what is wrong and what to do about it.
    pub text: String,
}

impl Refusal {
    /// A refusal with words for the client.
    pub fn new(cause: Cause, text: impl Into<String>) -> Refusal {
        Refusal { cause, text: text.into() }
    }

    /// The refusal for a client that may try again.
    pub fn busy() -> Refusal {
        Refusal::new(Cause::Busy, "the server is busy; try again in a moment")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The name breaks a rule or is reserved.
    InvalidName,
    /// Somebody else has the name.
    NameTaken,
    /// The server cannot take it just now; the same request may be sent again after a moment.
    Busy,
    /// The text is empty or over the limit.
    InvalidText,
    /// The first request was not a Join, or a later one was.
    OutOfTurn,
    /// Nobody here has the name that the message is for.
    NobodyOfThatName,
    /// There is no session with this token (any more): join anew.
    UnknownSession,
    /// The session was ended, and is not to be resumed: the name has been taken, or its owner was removed.
    SessionOver,
    /// The port announced cannot be a client's listener.
    InvalidPort,
    /// The server is shutting down.
    Stopping,
    /// The name or the address is banned.
    Banned,
}

/// What the server calls on the callback connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Callback {
    /// Events, in order. Without any it is a ping.
    Receive {
        /// Whether the server waits for a reply. The reply says that this call and all before it have been
        /// received, so not every one needs its own.
        answer: bool,
        /// What has happened.
        events: Vec<Event>,
    },
}

/// What a client answers on the callback connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallbackReply {
    /// This call and all before it have been received.
    Received,
}

/// Something that happened in the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the one order, which begins at 1. What a recipient gets rises strictly, with gaps where
    /// something was its own or not for it.
    pub sequence: u64,
    /// When the server accepted it: milliseconds since the Unix epoch, UTC, by the server's clock.
    pub time: u64,
    /// What.
    pub kind: EventKind,
}

/// The kinds of event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// Somebody said something to all.
    Message {
        /// Who: the name of the connection it came from, never a field of the request.
        author: String,
        /// The author's number for it.
        message_id: u64,
        /// What was said.
        text: String,
    },
    /// Somebody came.
    Joined {
        /// Who.
        name: String,
    },
    /// Somebody went.
    Left {
        /// Who.
        name: String,
        /// Why, where it was not their own doing.
        reason: Option<String>,
    },
    /// The events from `first` to this one's sequence number were too old to be kept for this recipient.
    Missed {
        /// The first that is gone.
        first: u64,
    },
    /// The room has ended; nothing follows.
    Ended {
        /// Why.
        reason: String,
    },
    /// Somebody whose connection was lost is back in the same session.
    Back {
        /// Who.
        name: String,
    },
    /// Somebody said something to this recipient alone.
    Private {
        /// Who.
        author: String,
        /// The author's number for it.
        message_id: u64,
        /// What was said.
        text: String,
    },
    /// Somebody did something.
    Action {
        /// Who.
        author: String,
        /// The author's number for it.
        message_id: u64,
        /// What was done.
        text: String,
    },
    /// Somebody is called something else from now on.
    Renamed {
        /// Until now.
        from: String,
        /// From now on.
        to: String,
    },
    /// The server's operator says something.
    Notice {
        /// What.
        text: String,
    },
}
