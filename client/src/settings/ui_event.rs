//! Everything that the client can tell a person, before it becomes text. No I/O.

use super::{channels::InputNotice, options::Bell};
use chat_common::protocol::{Event, Person};

/// Receives every [`UiEvent`]. The main thread and the callback's thread call it.
///
/// It may block. While it does, the client takes nothing more from the server.
pub type UiEventHandler<'a> = &'a (dyn Fn(UiEvent) + Sync);

/// One thing to tell. [`UiEvent::Event`] is what happens in the room; the rest is about this client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UiEvent {
    /// The client needs a name. The next line of input is the name.
    AskName,
    /// The server accepted the first join.
    Connected {
        /// The person's name in the room.
        name: String,
        /// The id of this run of the server.
        room: u64,
        /// The sequence of the join.
        sequence: u64,
        /// The operator's message to everybody who joins.
        motd: Option<String>,
    },
    /// The server could not dial the client, so the client opened the callback connection.
    OpenedCallback,
    /// Something happened in the room.
    Event {
        /// The event, exactly as the server sent it.
        event: Event,
        /// Whether it happened before the join.
        earlier: bool,
    },
    /// The server accepted a message of this client.
    Accepted {
        /// The id that the client gave the message.
        message_id: u64,
        /// The sequence that the server gave the message.
        sequence: u64,
        /// The message.
        utterance: Utterance,
    },
    /// A line was typed, and the client sends it later: there is no connection, or the server is busy.
    Queued(String),
    /// The server is too busy to take a message or to let the client in. The client tries again.
    ServerBusy,
    /// The connection is lost. The client tries to connect again.
    Lost {
        /// The reason, for people.
        reason: String,
        /// Whether the room had announced its end.
        ended: bool,
    },
    /// The connection is back, in the same session. Nothing is lost.
    Resumed {
        /// How many requests wait to be sent.
        queued: usize,
    },
    /// The connection is back, in a new session.
    Rejoined {
        /// The person's name in the room.
        name: String,
        /// The id of this run of the server.
        room: u64,
        /// The sequence of the new join.
        sequence: u64,
        /// Whether the server was restarted. Otherwise the client was away for too long.
        restarted: bool,
        /// How many requests wait to be sent.
        queued: usize,
    },
    /// The server refused a request. The text is the reason.
    Refused(String),
    /// The input is not valid. The text is one line of help.
    InvalidInput(String),
    /// What becomes of something that was typed or pasted.
    Input(InputNotice),
    /// Ctrl-C was typed. A second one leaves.
    CtrlCLeaves,
    /// The client has ended, and Enter ends the program.
    EnterLeaves,
    /// The members of the room.
    People {
        /// In the order of their names. A long list is cut.
        people: Vec<Person>,
        /// The number of members.
        total: u32,
    },
    /// The last messages, for `/history`.
    History(Vec<Event>),
    /// The person has a new name.
    Renamed {
        /// The new name.
        name: String,
    },
    /// Show the list of commands.
    Help,
    /// Clear the screen.
    Clear,
    /// Set the bell. With `None`, only show the current mode.
    Bell(Option<Bell>),
    /// The names of the ignored people, as they were typed.
    Ignoring(Vec<String>),
    /// The number of requests that could not be sent.
    Unsent(usize),
    /// The client has failed. The text is the reason.
    Failed(String),
    /// The person has left.
    Bye,
}

/// Something that this client says in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Utterance {
    /// A message to everybody.
    Message(String),
    /// An action, such as `* Sara waves`.
    Action(String),
    /// A message to one person.
    Private {
        /// The recipient's name.
        to: String,
        /// The message.
        text: String,
    },
}

impl Utterance {
    /// The text, without the recipient.
    pub(crate) fn text(&self) -> &str {
        match self {
            Utterance::Message(text) | Utterance::Action(text) | Utterance::Private { text, .. } => text,
        }
    }
}
