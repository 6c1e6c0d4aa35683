//! Events that have a sequence number and are not visible yet. Runs on the broadcaster's thread; nothing
//! here may block.
//!
//! The broadcaster stages the events of a round, and appends them when the round has its place in the order.

use chat_common::{
    program::wall_clock,
    trace,
    wire::{
        codec::encode_into,
        protocol::{Event, EventKind},
    },
};
use serde::{Deserialize, Serialize};

/// The memory of an event besides its encoding, in bytes: the entry, and the overhead of one allocation.
const ENTRY_BYTES: usize = std::mem::size_of::<Entry>() + 16;

/// A batch of this many bytes gets no further commands. The journal takes twice as much at once.
const LARGE: usize = 16 << 20;

/// The sessions that receive an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Audience {
    /// Every session but the author's.
    AllBut(u64),
    /// One session.
    Only(u64),
    /// Every session.
    All,
}

impl Audience {
    /// Returns whether the session `id` receives the event.
    pub(crate) fn includes(self, id: u64) -> bool {
        match self {
            Audience::AllBut(author) => author != id,
            Audience::Only(recipient) => recipient == id,
            Audience::All => true,
        }
    }
}

/// The classes of events that the log treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A message, an action or a private message: what the history of the room consists of.
    Message,
    /// A notice of the operator.
    Notice,
    /// Events that cannot be had. Nobody says one; it stands in the place of what a reader asks for.
    Missed,
    /// Somebody joined, left, came back, or has a new name.
    Membership,
    /// The room's end.
    End,
}

impl Class {
    pub(crate) fn of(kind: &EventKind) -> Class {
        match kind {
            EventKind::Message { .. } | EventKind::Action { .. } | EventKind::Private { .. } => {
                Class::Message
            }
            EventKind::Notice { .. } => Class::Notice,
            EventKind::Missed { .. } => Class::Missed,
            EventKind::Joined { .. }
            | EventKind::Left { .. }
            | EventKind::Back { .. }
            | EventKind::Renamed { .. } => Class::Membership,
            EventKind::Ended { .. } => Class::End,
        }
    }
}

/// One event of the log.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    pub(crate) audience: Audience,
    pub(crate) class: Class,
    /// Milliseconds since the Unix epoch.
    pub(crate) time: u64,
    pub(crate) encoded: Box<[u8]>,
}

impl Entry {
    pub(crate) fn bytes(&self) -> usize {
        self.encoded.len() + ENTRY_BYTES
    }

    /// Returns whether a new session finds it in the history.
    pub(crate) fn is_said_to_everybody(&self) -> bool {
        self.class == Class::Message && matches!(self.audience, Audience::AllBut(_))
    }
}

/// The events of one round, in order. Their sequence numbers follow the last one of the log without a gap.
#[derive(Clone, Debug, Default)]
pub(crate) struct StagedRound {
    first: u64,
    /// The memory of the events, in bytes.
    bytes: usize,
    pub(crate) entries: Vec<Entry>,
    /// The messages among the events: sequence number, author, digest.
    said: Vec<(u64, u64, u64)>,
}

impl StagedRound {
    pub(crate) fn new(first: u64) -> StagedRound {
        StagedRound { first, bytes: 0, entries: Vec::new(), said: Vec::new() }
    }

    /// Returns the sequence number of the first event.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Returns the sequence number that the next event gets.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Returns the memory of the events, in bytes. Their records in a journal have less.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether the batch has as many bytes as a round may have.
    pub(crate) fn is_large(&self) -> bool {
        self.bytes >= LARGE
    }

    /// Adds an event and returns its sequence number.
    ///
    /// Invariant: the caller has checked that the event fits into a frame. A longer event could never be
    /// delivered, and would stop its recipients.
    pub(crate) fn push(&mut self, kind: EventKind, audience: Audience) -> u64 {
        let (sequence, time) = (self.next(), wall_clock::now());
        let class = Class::of(&kind);
        let encoded = encode_event(&Event { sequence, time, kind });
        let entry = Entry { sequence, audience, class, time, encoded };
        self.bytes += entry.bytes();
        self.entries.push(entry);
        trace::mark("accepted", sequence);
        sequence
    }

    /// Adds a message of the session `author`, as [`StagedRound::push`] does.
    pub(crate) fn push_message(
        &mut self,
        kind: EventKind,
        audience: Audience,
        author: u64,
        digest: u64,
    ) -> u64 {
        let sequence = self.push(kind, audience);
        self.said.push((sequence, author, digest));
        sequence
    }

    /// Returns how many of the events are messages.
    pub(crate) fn messages(&self) -> u64 {
        self.said.len() as u64
    }

    /// Returns what the journal keeps of each event: its author and digest if it is a message, else zeros,
    /// who receives it, and its encoding.
    pub(crate) fn records(&self) -> impl Iterator<Item = (u64, Audience, u64, &[u8])> {
        let mut said = self.said.iter().peekable();
        self.entries.iter().map(move |entry| {
            let message = said.next_if(|(sequence, ..)| *sequence == entry.sequence);
            let (_, author, digest) = message.copied().unwrap_or_default();
            (author, entry.audience, digest, &*entry.encoded)
        })
    }
}

/// Returns the entry of an event that comes from the journal. The room's end is for nobody any more, because
/// the room goes on. An event of more than `longest` bytes, from a server with longer frames, counts as
/// missed: it could never be delivered, and would stop its recipients.
pub(crate) fn restored(audience: Audience, event: &Event, longest: usize) -> Entry {
    /// No session has this id.
    const NOBODY: Audience = Audience::Only(0);
    let (class, audience) = match Class::of(&event.kind) {
        Class::End => (Class::Notice, NOBODY),
        class => (class, audience),
    };
    let Event { sequence, time, .. } = *event;
    let encoded = encode_event(event);
    if encoded.len() > longest {
        return Entry { audience, ..missed(sequence, sequence, time) };
    }
    Entry { sequence, audience, class, time, encoded }
}

/// Returns what a reader gets in the place of the events from `first` to `last`, if they cannot be had.
pub(crate) fn missed(first: u64, last: u64, time: u64) -> Entry {
    let kind = EventKind::Missed { first, messages: true };
    let encoded = encode_event(&Event { sequence: last, time, kind });
    Entry { sequence: last, audience: Audience::All, class: Class::Missed, time, encoded }
}

pub(crate) fn encode_event(event: &Event) -> Box<[u8]> {
    /// Most events need less, and then the memory is taken once. Opening a journal encodes a million of them.
    const USUAL_BYTES: usize = 256;
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    encode_into(event, &mut bytes).expect("an event of ours encodes");
    bytes.into_boxed_slice()
}
