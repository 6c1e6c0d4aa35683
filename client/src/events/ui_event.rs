//! What happens in the room and to the connection, before it becomes text. No I/O.

use super::{
    input::{Input, InputId},
    utterance::Utterance,
};
use chat_common::wire::protocol::{Event, EventKind, Joined, Person, Refusal};

/// Receives every [`UiEvent`]. The session's main thread and the callback's thread call it.
///
/// It may block. While it does, the client takes nothing more from the server.
pub type UiEventHandler<'a> = &'a (dyn Fn(UiEvent) + Sync);

/// One thing to tell. [`UiEvent::Event`] is what happens in the room; the rest is about this client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UiEvent {
    /// The client needs a name. The next [`Input::Answer`] is the name.
    AskName,
    /// The room is closed, and the client needs its passphrase. The next [`Input::Answer`] is the passphrase.
    /// Nothing of it may be shown.
    AskPassphrase,
    /// The person wants to be an operator, and the client needs the operators' passphrase. The answer comes
    /// to the session with [`Input::Operate`]. Nothing of it may be shown.
    AskOperators,
    /// The passphrase is here, or nobody asks for it any more.
    PassphraseTyped,
    /// The key of the room is remembered from now on. It follows the first join.
    RoomRemembered {
        /// The fingerprint of the key.
        key: String,
        /// The fingerprint of the key that was remembered before.
        replaces: Option<String>,
    },
    /// The server accepted the first join.
    Connected {
        /// The person's name in the room.
        name: String,
        /// What the server says of the room and of the join.
        joined: Joined,
    },
    /// Who is here at the first join, for a client whose options ask for it.
    Here {
        /// In the order of their names, the client's own among them. A long list is cut.
        people: Vec<Person>,
        /// The number of members.
        total: u32,
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
        /// The id that came with the message, if one did.
        message_id: Option<u64>,
        /// The sequence that the server gave the message.
        sequence: u64,
        /// The message.
        utterance: Utterance,
    },
    /// What became of something that came as [`Input::WithId`]: it was accepted or refused, or was not valid.
    Of {
        /// The id that came with it.
        id: InputId,
        /// One of [`UiEvent::Accepted`], [`UiEvent::Refused`] and [`UiEvent::InvalidInput`].
        event: Box<UiEvent>,
    },
    /// The client sends this later: there is no connection, or the server is busy.
    Queued(Input),
    /// The server is too busy to take a message or to let the client in. The client tries again.
    ServerBusy,
    /// The client cannot join yet, and tries again. The text is the reason.
    NotReached(String),
    /// The connection is lost. The client tries to connect again.
    Lost {
        /// The reason, for people.
        reason: String,
        /// Whether the room had announced its end.
        ended: bool,
    },
    /// The connection is back, in the same session. Nothing is lost.
    Resumed {
        /// What the server says of the room and of the session's first join.
        joined: Joined,
        /// How many requests wait to be sent.
        queued: usize,
    },
    /// The connection is back, in a new session.
    Rejoined {
        /// The person's name in the room.
        name: String,
        /// What the server says of the room and of the new join.
        joined: Joined,
        /// Why the session is a new one.
        why: Rejoin,
        /// How many requests wait to be sent.
        queued: usize,
    },
    /// The server refused a request. The text is the reason.
    Refused(String),
    /// The server refused a join. What becomes of the client follows. Nobody is shown this: it is for a
    /// program that has to know the cause.
    JoinRefused(Refusal),
    /// The input is not valid. The text is one line of help.
    InvalidInput(String),
    /// The members of the room.
    People {
        /// In the order of their names. A long list is cut.
        people: Vec<Person>,
        /// The number of members.
        total: u32,
        /// To show only those whose name contains it.
        pattern: Option<String>,
    },
    /// The last messages, for [`Input::History`].
    History(Vec<Event>),
    /// What [`Input::Search`] has found.
    Found {
        /// The text that was searched.
        text: String,
        /// The last messages with that text, oldest first.
        matches: Vec<Found>,
        /// The number of all messages with that text.
        total: usize,
        /// Whether all messages were searched. Otherwise `total` may be too small.
        complete: bool,
    },
    /// The person has a new name.
    Renamed {
        /// The new name.
        name: String,
    },
    /// The person is an operator from now on.
    Operates,
    /// The reply of the server to [`Input::Command`].
    CommandReply(String),
    /// The names of the ignored people, as they were typed.
    Ignoring(Vec<String>),
    /// The number of requests that could not be sent.
    Unsent(usize),
    /// The client has failed. The text is the reason.
    Failed(String),
    /// The person has left.
    Bye,
}

impl UiEvent {
    /// The same as what became of the input with this id, if there is one.
    pub(crate) fn of(self, id: Option<InputId>) -> UiEvent {
        match id {
            Some(id) => UiEvent::Of { id, event: Box::new(self) },
            None => self,
        }
    }

    /// Returns the sequence of an event that all members are shown with the same line. A program that serves
    /// many members makes that line once. Everything else is for this client alone.
    pub fn sequence_for_all(&self) -> Option<u64> {
        match self {
            UiEvent::Event { event, earlier: false } => match event.kind {
                EventKind::Private { .. } | EventKind::Missed { .. } => None,
                _ => Some(event.sequence),
            },
            _ => None,
        }
    }
}

/// A message that a search has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The message.
    pub event: Event,
    /// The recipient of a private message that this client has said.
    pub to: Option<String>,
}

/// Why a client that comes back has a new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejoin {
    /// The client was away for too long.
    Late,
    /// The room is another one.
    Restarted,
    /// The journal of the room was put back from a copy. The room goes on from there, and uses numbers again
    /// that the client has seen.
    PutBack,
}
