//! What each member sent and received: plain records that the [checker](crate::checker) reads.
//!
//! All instants come from one clock, so all members of one check live in one process.

use crate::moderation::Given;
use chat_common::wire::protocol::{Cause, Event, EventKind};
use std::{net::IpAddr, time::Instant};

/// What one member sent and received.
#[derive(Clone, Debug, Default)]
pub struct MemberHistory {
    /// The name under which the member joined.
    pub name: String,
    /// The names that it took later, in order. It may not know whether the server has given it the last one.
    pub later_names: Vec<String>,
    /// The address that it comes from, where the test gives it one of its own.
    pub address: Option<IpAddr>,
    /// The messages of this member, in the order of sending.
    pub sent: Vec<Sent>,
    /// The member's sessions, in order. Resuming continues the last one and adds none.
    pub sessions: Vec<SessionHistory>,
    /// What the server said when the member came back and was refused, because an operator had removed it.
    pub removals: Vec<String>,
    /// What it did as an operator.
    pub operator: Option<OperatorHistory>,
}

/// What one operator did.
#[derive(Clone, Debug)]
pub struct OperatorHistory {
    /// Since when its connection is one of an operator, whenever it has one.
    pub since: Instant,
    /// Its commands, one after the other.
    pub commands: Vec<Given>,
}

/// One message, as its author knows it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The author's name at that time.
    pub author: String,
    /// The author's id for it.
    pub message_id: u64,
    /// The text. No two messages of one check have the same text.
    pub text: String,
    /// The recipient of a private message; `None` when the message is for all.
    pub recipient: Option<String>,
    /// Just before the author first sent it.
    pub at: Instant,
    /// The server's reply; `None` when the author received none, or was refused.
    pub accepted: Option<Accepted>,
    /// The server's reply that it refuses the message for good.
    pub refused: Option<Refused>,
}

/// The server's reply that it has refused a message.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// Why.
    pub cause: Cause,
    /// Just after the author read the reply.
    pub at: Instant,
}

/// The server's reply that it has accepted a message.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// The run of the server that accepted it.
    pub room: u64,
    /// The sequence that the server gave it.
    pub sequence: u64,
    /// Just after the author read the reply.
    pub at: Instant,
}

/// What a member received in one session, from its join on.
#[derive(Clone, Debug)]
pub struct SessionHistory {
    /// The run of the server.
    pub room: u64,
    /// The sequence of the member's own join.
    pub join_sequence: u64,
    /// All that the member received, in the order of receiving.
    pub deliveries: Vec<Delivery>,
    /// Whether the member stayed until everything was delivered. Otherwise the checker expects nothing
    /// after the last event that the member received.
    pub stayed: bool,
}

/// One event that a recipient received.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Just after the recipient read it.
    pub at: Instant,
    /// The event.
    pub event: Event,
}

impl MemberHistory {
    /// A member that has neither sent nor received anything.
    pub fn new(name: &str) -> MemberHistory {
        MemberHistory { name: name.to_owned(), ..MemberHistory::default() }
    }

    /// Returns whether this is the member's name, or was or will be.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.later_names.iter().any(|later| later == name)
    }

    /// The events of all sessions, in the order of receiving.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.sessions.iter().flat_map(|session| &session.deliveries).map(|delivery| &delivery.event)
    }

    /// Marks the last session as one that ended early: the checker expects nothing after its last event.
    pub fn left_early(mut self) -> MemberHistory {
        if let Some(session) = self.sessions.last_mut() {
            session.stayed = false;
        }
        self
    }
}

impl SessionHistory {
    /// A session that begins with the join at `join_sequence`.
    pub fn new(room: u64, join_sequence: u64) -> SessionHistory {
        SessionHistory { room, join_sequence, deliveries: Vec::new(), stayed: true }
    }

    /// The highest sequence received; a resuming client asks the server to continue after it.
    pub fn last_sequence(&self) -> u64 {
        self.deliveries.iter().map(|delivery| delivery.event.sequence).max().unwrap_or(0)
    }
}

/// The text of a message, an action or a private message; `None` for every other kind.
pub fn text_of(kind: &EventKind) -> Option<&str> {
    kind.message().map(|message| message.text)
}
