//! What everybody saw: plain records that the [checker](crate::checker) judges.
//!
//! All instants are of one clock, so a history is of people in one process.

use chat_common::protocol::{Event, EventKind};
use std::time::Instant;

/// One person: what she sent and what she received.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// Her name in the room.
    pub name: String,
    /// What she sent, in the order of sending.
    pub sent: Vec<Sent>,
    /// Her times in a room, in order. A resumed session goes on with the visit it had.
    pub visits: Vec<Visit>,
}

/// One message, as its author knows it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The author's id for it.
    pub message_id: u64,
    /// What was said; no two messages of a history have the same text.
    pub text: String,
    /// For whom alone, where it is private.
    pub to: Option<String>,
    /// Just before it was first sent.
    pub at: Instant,
    /// What the author was told; nothing when she never heard.
    pub accepted: Option<Accepted>,
}

/// The server's word that a message has its place.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// The run of the server that accepted it.
    pub room: u64,
    /// Its place in the one order.
    pub sequence: u64,
    /// Just after the reply was read.
    pub at: Instant,
}

/// One time in a room, from a join to the end of its session.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The run of the server.
    pub room: u64,
    /// The place of the join in the one order.
    pub joined: u64,
    /// All that was received, in the order of receiving.
    pub seen: Vec<Seen>,
    /// Whether she stayed until all had been said and delivered. Otherwise nothing is owed to her
    /// after the last that she received.
    pub stayed: bool,
}

/// One event, as a recipient saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Just after it was read.
    pub at: Instant,
    /// What was delivered.
    pub event: Event,
}

impl Person {
    /// Somebody who has neither sent nor received anything.
    pub fn new(name: &str) -> Person {
        Person { name: name.to_owned(), ..Person::default() }
    }

    /// All events of all her visits.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.visits.iter().flat_map(|visit| &visit.seen).map(|seen| &seen.event)
    }

    /// This person, to whom nothing more is owed.
    pub fn gone(mut self) -> Person {
        if let Some(visit) = self.visits.last_mut() {
            visit.stayed = false;
        }
        self
    }
}

impl Visit {
    /// A visit that begins with the join at `joined`.
    pub fn new(room: u64, joined: u64) -> Visit {
        Visit { room, joined, seen: Vec::new(), stayed: true }
    }

    /// The highest sequence number received; what a resuming client asks the server to go on from.
    pub fn position(&self) -> u64 {
        self.seen.iter().map(|seen| seen.event.sequence).max().unwrap_or(0)
    }
}

/// What was said, where something was.
pub fn text_of(what: &EventKind) -> Option<&str> {
    match what {
        EventKind::Message { text, .. }
        | EventKind::Private { text, .. }
        | EventKind::Action { text, .. } => Some(text),
        _ => None,
    }
}
