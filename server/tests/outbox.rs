//! The outbox under tens of thousands of orders of events: whatever the order, each recipient gets each event once, in order.

#![cfg(not(feature = "model"))]
#![allow(clippy::unwrap_used, reason = "a test")]

use chat_common::{
    batch::Batch,
    codec::decode,
    frame::HEADER_BYTES,
    protocol::{Callback, Event, EventKind},
};
use chat_server::{
    delivery::{
        outbox::{Outbox, Rest, Standing, WINDOW},
        round::Round,
    },
    log::{Audience, SharedLog},
    settings::{limits::Limits, seeded::Seeded},
};
use proptest::prelude::*;
use std::collections::VecDeque;

/// The session that reads.
const READER: u64 = 2;

/// One thing that can happen next.
#[derive(Clone, Debug)]
enum Step {
    /// The broadcaster has a round of messages, each of an author and a length.
    Round(Vec<(u64, usize)>),
    /// The recipient reads what was written first, and answers if it has to.
    Answer,
    /// The recipient's thread has waited long enough.
    Silence,
    /// From now on the system takes so many bytes at once at the most.
    Room(usize),
    /// Whoever has a rest writes it.
    Push,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let message = (1..5u64, prop_oneof![4 => 1..100usize, 1 => 3000..34_000usize]);
    let step = prop_oneof![
        3 => prop::collection::vec(message, 1..5).prop_map(Step::Round),
        4 => Just(Step::Answer),
        1 => Just(Step::Silence),
        1 => prop_oneof![Just(usize::MAX), 0..5000usize].prop_map(Step::Room),
        2 => Just(Step::Push),
    ];
    prop::collection::vec(step, 1..40)
}

/// The world around one outbox: the log, and the wire to the recipient.
struct World {
    log: SharedLog,
    outbox: Outbox,
    wire: Wire,
    /// What the system has not taken.
    rest: Option<Rest>,
    /// The system did not take something, and no answer has come since.
    clogged: bool,
    received: Vec<Event>,
}

/// Bytes that were written and not read.
struct Wire {
    bytes: VecDeque<u8>,
    /// How many the system takes at once.
    room: usize,
}

impl Wire {
    fn write(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room);
        self.bytes.extend(&bytes[..taken]);
        taken
    }

    /// The next whole call.
    fn read(&mut self) -> Option<(bool, Vec<Event>)> {
        let header: Vec<u8> = self.bytes.iter().take(HEADER_BYTES).copied().collect();
        let length = u32::from_le_bytes(header.try_into().ok()?) as usize;
        assert!(length <= 64 * 1024, "a frame is never over the limit");
        if self.bytes.len() < HEADER_BYTES + length {
            return None;
        }
        let frame: Vec<u8> = self.bytes.drain(..HEADER_BYTES + length).collect();
        let Callback::Receive { answer, events } = decode(&frame[HEADER_BYTES..]).unwrap();
        Some((answer, events))
    }
}

impl World {
    fn new(limits: &Limits) -> World {
        let log = SharedLog::new(limits, Seeded::default());
        let outbox = Outbox::new(READER, 1, limits.max_frame.0, Seeded::default());
        let wire = Wire { bytes: VecDeque::new(), room: usize::MAX };
        World { log, outbox, wire, rest: None, clogged: false, received: Vec::new() }
    }

    fn round(&mut self, messages: &[(u64, usize)]) {
        let start = self.log.read().next();
        let mut authors = Vec::new();
        for (author, length) in messages {
            let kind =
                EventKind::Message { author: author.to_string(), message_id: 1, text: "x".repeat(*length) };
            self.log.write().append(kind, Audience::AllBut(*author));
            authors.push(*author);
        }
        let mut round = Round::collect(&self.log, start, authors, false);
        let (wire, clogged) = (&mut self.wire, self.clogged);
        let rest = self.outbox.offer(&self.log, &mut round, &mut Batch::new(), |bytes, _| {
            assert!(!clogged, "the broadcaster tries no full buffer twice");
            wire.write(bytes)
        });
        self.keep(rest);
        let wire = &self.wire;
        assert!(wire.bytes.len() < WINDOW.bytes + WINDOW.calls as usize * 32, "the window is kept");
    }

    /// The recipient reads a call. False when there is no whole one.
    fn read(&mut self) -> bool {
        let Some((answer, events)) = self.wire.read() else { return false };
        self.received.extend(events);
        if answer {
            self.clogged = false;
            let wire = &mut self.wire;
            let (standing, rest) =
                self.outbox.answered(&self.log, &mut Batch::new(), |bytes, _| wire.write(bytes));
            assert_eq!(standing, Standing::Open);
            self.keep(rest);
        }
        true
    }

    /// The recipient's thread has waited for as long as it may.
    fn silence(&mut self) {
        let wire = &mut self.wire;
        let rest = self.outbox.ping(&mut Batch::new(), |bytes, _| wire.write(bytes));
        self.keep(rest);
    }

    fn keep(&mut self, rest: Option<Rest>) {
        assert!(self.rest.is_none() || rest.is_none(), "nothing is written past a rest");
        self.clogged |= rest.is_some();
        self.rest = self.rest.take().or(rest);
    }

    fn push(&mut self) {
        if let Some(Rest(bytes)) = self.rest.take() {
            self.wire.bytes.extend(bytes);
            let wire = &mut self.wire;
            let rest = self.outbox.pushed(&self.log, &mut Batch::new(), |bytes, _| wire.write(bytes));
            self.keep(rest);
        }
    }

    /// Every rest is written and every call read. There is no ping: what is owed comes by itself.
    fn settle(&mut self) {
        while self.rest.is_some() || !self.wire.bytes.is_empty() {
            self.push();
            while self.read() {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_order_each_event_arrives_once_and_in_order(steps in steps()) {
        let mut world = World::new(&Limits::default());
        let mut expected = Vec::new();
        for step in steps {
            match step {
                Step::Round(messages) => {
                    let next = world.log.read().next();
                    let others = messages.iter().enumerate().filter(|(_, (author, _))| *author != READER);
                    expected.extend(others.map(|(index, _)| next + index as u64));
                    world.round(&messages);
                }
                Step::Answer => { world.read(); }
                Step::Silence => world.silence(),
                Step::Room(bytes) => world.wire.room = bytes,
                Step::Push => world.push(),
            }
        }
        world.settle();
        let received: Vec<u64> = world.received.iter().map(|event| event.sequence).collect();
        prop_assert_eq!(received, expected);
    }

    #[test]
    fn with_a_small_log_every_gap_is_told(steps in steps()) {
        let mut world = World::new(&Limits { log_messages: 4, ..Limits::default() });
        for step in steps {
            match step {
                Step::Round(messages) => world.round(&messages.into_iter().map(|(_, length)| (1, length)).collect::<Vec<_>>()),
                Step::Answer => { world.read(); }
                Step::Silence => world.silence(),
                Step::Room(bytes) => world.wire.room = bytes,
                Step::Push => world.push(),
            }
        }
        world.settle();
        let mut next = 1;
        for event in &world.received {
            let first = match event.kind {
                EventKind::Missed { first } => first,
                _ => event.sequence,
            };
            prop_assert_eq!(first, next, "nothing is skipped in silence");
            next = event.sequence + 1;
        }
        prop_assert_eq!(next, world.log.read().next(), "and the end is reached");
    }
}
