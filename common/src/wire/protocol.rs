//! The requests, replies, calls and events on the wire, and their limits. Plain values, for any thread.
//!
//! Invariant: an enum only ever grows at its end, because the number of a variant is on the wire. A peer that
//! does not know a new request, call or event ends the connection, so a release that adds one needs a new
//! version. A new [`Cause`] does not.

use crate::wire::token::Token;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// The version of the protocol that these types belong to.
pub const VERSION: u16 = 3;
/// The longest payload before a Join is accepted, in bytes.
pub const UNJOINED_FRAME_BYTES: u32 = 1024;
/// The longest passphrase of operators, in bytes: it has space in a frame before a Join.
pub const OPERATORS_PASSPHRASE_BYTES: usize = 512;
/// The longest payload after a Join is accepted, in bytes, in both directions and on both connections.
pub const FRAME_BYTES: u32 = 64 * 1024;
/// A client sends Ping after this long without a request. The server waits longer before it gives up.
pub const PING_INTERVAL: Duration = Duration::from_secs(5);

/// What a client asks on its call connection. Each request gets exactly one [`Reply`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Enters the room, or resumes a session. Must be the first request. The reply is `Joined`.
    Join(Join),
    /// Sends a message to everybody else. The reply is `Accepted`, once the message has its sequence.
    Broadcast {
        /// The client's number for this message. It must be larger than all before it in the session. If the
        /// server has already accepted it, the server repeats the reply and does not say the message again.
        message_id: u64,
        /// Whether the client may have said this message in an earlier session. It says a message again in a
        /// new session if the reply was lost together with the old one.
        repeated: bool,
        /// The message.
        text: String,
    },
    /// Asks for all members. The reply is `People`.
    Who,
    /// Leaves the room. The reply is `Left`, when the name is free; then both connections close.
    Leave,
    /// Keeps the connection alive. The reply is `Pong`.
    Ping,
    /// Sends a message to one member alone. Otherwise as `Broadcast`.
    Private {
        /// As in `Broadcast`; Broadcast, Private and Action share one count.
        message_id: u64,
        /// As in `Broadcast`.
        repeated: bool,
        /// The name of the recipient.
        to: String,
        /// The message.
        text: String,
    },
    /// Tells everybody else what the author does, as in `* Sara waves`. Otherwise as `Broadcast`.
    Action {
        /// As in `Broadcast`; Broadcast, Private and Action share one count.
        message_id: u64,
        /// As in `Broadcast`.
        repeated: bool,
        /// What the author does: `waves`.
        text: String,
    },
    /// Changes the member's name. The reply is `Renamed`.
    Rename {
        /// The new name.
        name: String,
    },
    /// Asks for the last messages. The reply is `History`.
    History {
        /// How many messages at most.
        count: u32,
        /// Only messages with a lower sequence. A client that wants more than fits into one reply asks page
        /// by page.
        before: Option<u64>,
    },
    /// Makes this connection one of an operator. It may come before the Join, or in its place. The reply is
    /// `Lines`.
    Operate {
        /// The words of the operators' passphrase. An empty one only asks whether the room would take one
        /// from here.
        passphrase: String,
    },
    /// Carries out a command of the server's console, on a connection of an operator. The reply is `Lines`.
    Command {
        /// The command, as it is typed on the console.
        line: String,
    },
}

/// How a client enters the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The name that the client wishes to have.
    pub name: String,
    /// A secret that the client makes for this session. The server's callback must show it.
    pub token: Token,
    /// The port of the client's listener, on the address that the call connection comes from.
    /// 0 means that there is no listener, and that the client opens the callback connection itself.
    pub port: u16,
    /// How many earlier messages to deliver first, with the notices between them. The events of those who
    /// joined or left are not among them. The server ignores this when it resumes a session, or when `since`
    /// is in its room.
    pub history: u32,
    /// To resume the session with this token: the highest sequence received in it, or 0 if there is none.
    /// The server delivers everything after it again.
    pub resume: Option<u64>,
    /// For a new session of a client that was here before: what it has received. The server delivers what was
    /// said to everybody since then, and tells what it no longer has.
    pub since: Option<Place>,
    /// Whether the client comes only to speak. It is then not announced, has no callback connection (`port`
    /// is 0), and receives nothing: `history` and `since` are ignored. To resume a session, the client sends
    /// what it sent before.
    pub send_only: bool,
}

impl Join {
    /// Returns a Join for a new session without history. `port` is the port of the client's listener, or 0.
    pub fn new(name: impl Into<String>, token: Token, port: u16) -> Join {
        Join { name: name.into(), token, port, history: 0, resume: None, since: None, send_only: false }
    }
}

/// A place in the order of one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The number of the room, as in `Joined`.
    pub room: u64,
    /// The highest sequence received there.
    pub sequence: u64,
}

/// What the server replies on a call connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The server has not carried out the request.
    Refused(Refusal),
    /// To `Join`.
    Joined(Joined),
    /// To `Broadcast`, `Private` and `Action`.
    Accepted {
        /// The sequence of the message.
        sequence: u64,
    },
    /// To `Who`.
    People {
        /// The members, as many as fit into a frame. They are sorted by their names as people count: the case
        /// of letters makes no difference, and `pupil_16` stands before `pupil_159`.
        people: Vec<Person>,
        /// The number of all members.
        total: u32,
    },
    /// To `Leave`.
    Left,
    /// To `Ping`.
    Pong,
    /// To `Rename`.
    Renamed {
        /// The sequence of the new name.
        sequence: u64,
    },
    /// To `History`.
    History {
        /// The last messages, oldest first, as many as fit into a frame: messages and actions to everybody,
        /// with the member's own among them, and private messages to this member. A `Missed` stands for
        /// messages that cannot be read; at the beginning, without `messages`, it says only how far back the
        /// server has looked. Nothing is older if there is no event.
        events: Vec<Event>,
    },
    /// To `Operate` and `Command`. A long reply comes in several frames, and their texts belong together.
    Lines {
        /// The reply, or a part of it: lines with line ends between them. It can be empty.
        text: String,
        /// Whether another `Lines` follows.
        more: bool,
    },
}

/// A member, for those who ask who is here. The times are durations, because clocks differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The name.
    pub name: String,
    /// For how long the member has been here, in seconds.
    pub here: u32,
    /// For how long the member has said nothing to everybody, in seconds. At most `here`.
    pub idle: u32,
    /// Whether the member's connection is one of an operator.
    pub operator: bool,
}

/// The reply to an accepted `Join`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// A random number for this room, which a journal keeps over restarts of the server. If it differs from
    /// an earlier one, the room is a new one, and the sequences mean other events.
    pub room: u64,
    /// The sequence of this join. Events with a lower sequence happened before it.
    /// In a resumed session it is the sequence of the original join. The join of a send-only client is
    /// not in the log; its sequence is that of the next event.
    pub sequence: u64,
    /// Whether the server has reached the client's listener. If not, the client opens the callback
    /// connection, unless it is send-only.
    pub called_back: bool,
    /// The longest text that the server accepts, in bytes.
    pub text_limit: u32,
    /// For how long the room keeps what is said on a disk, in seconds; the highest number means without end.
    /// `None` means that it keeps nothing there.
    pub kept_for: Option<u64>,
    /// The operator's greeting to everybody who joins: the message of the day.
    pub motd: Option<String>,
}

/// Why the server has not carried out a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason, for programs.
    pub cause: Cause,
    /// The reason, for people: what is wrong, and what to do about it.
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

/// The kinds of refusal. On the wire it is a number, so that a newer server can have causes that an older
/// client does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub enum Cause {
    /// The name breaks a rule, or is reserved.
    InvalidName,
    /// Another member has the name. In the reply to a Join that resumes: it has taken the name while the
    /// connection was lost, and the session is over.
    NameTaken,
    /// The server has no room for the request now. The client may send it again after a moment.
    Busy,
    /// The text is empty, or longer than the limit.
    InvalidText,
    /// The first request was not a Join, or a later one was.
    OutOfTurn,
    /// No member has the name of the recipient.
    NobodyOfThatName,
    /// The server has no session with this token, or has it no more. The client joins anew.
    UnknownSession,
    /// The session has ended and cannot be resumed, because the operator removed the member.
    SessionOver,
    /// The port in the Join cannot be a client's listener.
    InvalidPort,
    /// The server is shutting down.
    Stopping,
    /// The name or the address is banned.
    Banned,
    /// The message id is lower than that of a message which was accepted before, or it is the id of another
    /// message.
    OutOfOrder,
    /// The server does not do what the request asks for, or not for a send-only client.
    Unsupported,
    /// The operator lets the member say nothing for some time.
    Muted,
    /// The server's disk is full, and nothing can be kept. The client may send it again later.
    NoSpace,
    /// The name belongs to the key of another client. Only in a closed room that keeps names.
    NameKept,
    /// A cause that this build does not know. The client treats it as final.
    Other(u32),
}

impl Cause {
    /// The causes by their number on the wire.
    const NUMBERED: [Cause; 16] = [
        Cause::InvalidName,
        Cause::NameTaken,
        Cause::Busy,
        Cause::InvalidText,
        Cause::OutOfTurn,
        Cause::NobodyOfThatName,
        Cause::UnknownSession,
        Cause::SessionOver,
        Cause::InvalidPort,
        Cause::Stopping,
        Cause::Banned,
        Cause::OutOfOrder,
        Cause::Unsupported,
        Cause::Muted,
        Cause::NoSpace,
        Cause::NameKept,
    ];
}

impl From<u32> for Cause {
    fn from(number: u32) -> Cause {
        Cause::NUMBERED.get(number as usize).copied().unwrap_or(Cause::Other(number))
    }
}

impl From<Cause> for u32 {
    fn from(cause: Cause) -> u32 {
        match cause {
            Cause::Other(number) => number,
            known => (0..).zip(Cause::NUMBERED).find(|(_, cause)| *cause == known).map_or(0, |(at, _)| at),
        }
    }
}

/// What the server calls on the callback connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Callback {
    /// Delivers events in the order of their sequences. Without events it is a ping.
    Receive {
        /// Whether the server waits for a reply. A reply acknowledges this call and all calls before it, so
        /// not every call needs one.
        answer: bool,
        /// The events.
        events: Vec<Event>,
    },
}

/// What a client replies on the callback connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallbackReply {
    /// The client has received this call and all calls before it.
    Received,
}

/// Something that happened in the room, as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The event's place in the one order, which begins at 1. The sequences that a recipient receives rise
    /// strictly. They have gaps where an event is the recipient's own, or is for somebody else.
    pub sequence: u64,
    /// When the server accepted the event: milliseconds since the Unix epoch, UTC, by the server's clock.
    pub time: u64,
    /// What happened.
    pub kind: EventKind,
}

/// The kinds of event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// A member sent a message to everybody.
    Message {
        /// The name of the member whose connection it came from. No request has a field for it.
        author: String,
        /// The author's number for the message.
        message_id: u64,
        /// Whether the author may have said this message in an earlier session. A recipient that has heard
        /// the same author say the same text with the same number does not show it again.
        repeated: bool,
        /// The message.
        text: String,
    },
    /// A member joined.
    Joined {
        /// The member's name.
        name: String,
    },
    /// A member left.
    Left {
        /// The member's name.
        name: String,
        /// Why, if the member did not ask to leave.
        reason: Option<String>,
    },
    /// The recipient does not get the events from `first` to this event's sequence. They were too old to
    /// keep, or cannot be read.
    Missed {
        /// The sequence of the first missed event.
        first: u64,
        /// Whether messages may be among them. Otherwise they are only membership events.
        messages: bool,
    },
    /// The room has ended. No event follows.
    Ended {
        /// Why the room ended.
        reason: String,
    },
    /// A member that lost its connection has resumed its session.
    Back {
        /// The member's name.
        name: String,
    },
    /// A member sent a message to this recipient alone.
    Private {
        /// The name of the member, as in `Message`.
        author: String,
        /// The author's number for the message.
        message_id: u64,
        /// As in `Message`.
        repeated: bool,
        /// The message.
        text: String,
    },
    /// A member did something, as in `* Sara waves`.
    Action {
        /// The name of the member, as in `Message`.
        author: String,
        /// The author's number for the message.
        message_id: u64,
        /// As in `Message`.
        repeated: bool,
        /// What the member did: `waves`.
        text: String,
    },
    /// A member changed its name.
    Renamed {
        /// The name until now.
        from: String,
        /// The name from now on.
        to: String,
    },
    /// A message from the server's operator to everybody.
    Notice {
        /// The message.
        text: String,
    },
}

/// What a member has said: a message to everybody, an action, or a private message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'e> {
    /// The name of the member.
    pub author: &'e str,
    /// The author's number for the message.
    pub message_id: u64,
    /// Whether the author may have said it in an earlier session.
    pub repeated: bool,
    /// The text, or what the member did.
    pub text: &'e str,
}

impl EventKind {
    /// Returns what a member has said, if the event is that.
    pub fn message(&self) -> Option<Message<'_>> {
        match self {
            EventKind::Message { author, message_id, repeated, text }
            | EventKind::Action { author, message_id, repeated, text }
            | EventKind::Private { author, message_id, repeated, text } => {
                Some(Message { author, message_id: *message_id, repeated: *repeated, text })
            }
            _ => None,
        }
    }
}
