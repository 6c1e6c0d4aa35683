//! Tests of the send window under tens of thousands of orders of steps. In every order a recipient gets
//! each event once, in order. All steps run on the test's own thread.

use crate::{
    delivery::{
        round_frame::{RoundFrame, CALL_BYTES},
        send_window::{AckOutcome, SendWindow, FIRST_LIMIT, MAX_LIMIT},
    },
    log::{Audience, Reader},
    order::SharedLog,
    settings::{Bytes, Limits},
};
use chat_common::wire::{
    batch::Batch,
    codec::decode,
    frame::HEADER_BYTES,
    protocol::{Callback, Event, EventKind},
    stream::Unsent,
};
use proptest::prelude::*;
use std::collections::VecDeque;

/// The session that reads.
const READER: u64 = 2;

/// A step that can happen next.
#[derive(Clone, Debug)]
enum Step {
    /// The broadcaster appends and sends a round of messages: the author and length of each.
    Round(Vec<(u64, usize)>),
    /// The recipient reads the oldest call, and answers if the call asks for it.
    Answer,
    /// The recipient's thread has waited without an answer.
    Silence,
    /// From now on the system takes at most this many bytes at a time.
    Room(usize),
    /// The thread that flushes writes its call.
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let message = (1..5u64, prop_oneof![4 => 1..100usize, 1 => 3000..34_000usize]);
    let step = prop_oneof![
        3 => prop::collection::vec(message, 1..5).prop_map(Step::Round),
        4 => Just(Step::Answer),
        1 => Just(Step::Silence),
        1 => prop_oneof![Just(usize::MAX), 0..5000usize].prop_map(Step::Room),
        2 => Just(Step::Flush),
    ];
    prop::collection::vec(step, 1..40)
}

/// The parts around one window: the log, and the connection to the recipient.
struct World {
    log: SharedLog,
    window: SendWindow,
    connection: Connection,
    /// The bytes that a thread may block on, and their call.
    flushing: Option<(Vec<u8>, Batch)>,
    /// How often the broadcaster met a full send buffer.
    full: usize,
    received: Vec<Event>,
}

/// Bytes that were written and not read.
struct Connection {
    bytes: VecDeque<u8>,
    /// How many bytes the system takes at a time.
    room: usize,
    /// The longest payload of a call, in bytes.
    frame_limit: usize,
}

impl Connection {
    fn write(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room);
        self.bytes.extend(&bytes[..taken]);
        taken
    }

    /// Returns the next call if all of it has arrived.
    fn read(&mut self) -> Option<(bool, Vec<Event>)> {
        let header: Vec<u8> = self.bytes.iter().take(HEADER_BYTES).copied().collect();
        let length = u32::from_le_bytes(header.try_into().ok()?) as usize;
        assert!(length <= self.frame_limit, "a frame is never over the limit");
        if self.bytes.len() < HEADER_BYTES + length {
            return None;
        }
        let rest = self.bytes.split_off(HEADER_BYTES + length);
        let frame = Vec::from(std::mem::replace(&mut self.bytes, rest));
        let Callback::Receive { answer, events } = decode(&frame[HEADER_BYTES..]).unwrap();
        Some((answer, events))
    }
}

impl World {
    fn new(limits: &Limits) -> World {
        let connection =
            Connection { bytes: VecDeque::new(), room: usize::MAX, frame_limit: limits.max_frame.0 };
        World {
            log: SharedLog::new(limits),
            window: SendWindow::new(Reader { session: READER, ..Reader::EVERYBODY }, 1, limits),
            connection,
            flushing: None,
            full: 0,
            received: Vec::new(),
        }
    }

    fn round(&mut self, messages: &[(u64, usize)]) {
        let mut staged = self.log.stage();
        let mut authors = Vec::new();
        for (author, length) in messages {
            let text = "x".repeat(*length);
            let kind =
                EventKind::Message { author: author.to_string(), message_id: 1, repeated: false, text };
            staged.push(kind, Audience::AllBut(*author));
            authors.push(*author);
        }
        let first = staged.first();
        self.log.append(staged);
        let mut round = RoundFrame::read(&self.log, self.connection.frame_limit, first, authors, false);
        let (connection, busy) = (&mut self.connection, self.flushing.is_some());
        let mut scratch = Batch::new();
        let unsent = self.window.send(&self.log, &mut round, &mut scratch, |bytes, _| {
            assert!(!busy, "the broadcaster writes nothing into the middle of a call");
            assert!(bytes.len() <= HEADER_BYTES + CALL_BYTES, "the broadcaster writes ordinary calls only");
            let taken = connection.write(bytes);
            self.full += usize::from(taken < bytes.len());
            Unsent::after(bytes, taken)
        });
        if let Some(unsent) = unsent {
            self.flushing = Some((unsent.bytes().to_vec(), Batch::new()));
        }
        // Besides the window the system may hold one call of the broadcaster and one of another thread.
        let most = MAX_LIMIT + CALL_BYTES + 64 * 1024;
        assert!(self.connection.bytes.len() <= most, "the window is kept");
    }

    /// The recipient reads a call. Returns false when no whole call has arrived.
    fn read(&mut self) -> bool {
        let Some((answer, events)) = self.connection.read() else { return false };
        self.received.extend(events);
        if answer {
            let mut call = Batch::new();
            match self.window.on_ack(&self.log, &mut call, &mut |_| true) {
                AckOutcome::NextCall => self.prepared(call),
                AckOutcome::Idle => {}
                outcome => panic!("{outcome:?}"),
            }
        }
        true
    }

    /// The recipient's thread has waited without an answer.
    fn silence(&mut self) {
        let mut call = Batch::new();
        if self.window.ping(&mut call) {
            self.prepared(call);
        }
    }

    fn prepared(&mut self, call: Batch) {
        assert!(self.flushing.is_none(), "one call is written at a time");
        self.flushing = Some((call.frame().to_vec(), call));
    }

    fn flush(&mut self) {
        if let Some((bytes, mut call)) = self.flushing.take() {
            let waited = self.connection.write(&bytes) < bytes.len();
            if waited {
                let taken = bytes.len().min(self.connection.room);
                self.connection.bytes.extend(&bytes[taken..]);
            }
            self.window.on_flushed(waited);
            if self.window.next_call(&self.log, &mut call, &mut |_| true) {
                self.prepared(call);
            }
        }
    }

    /// Flushes and reads every call. It sends no ping, so the window itself must ask for every answer
    /// that it needs.
    fn settle(&mut self) {
        while self.flushing.is_some() || !self.connection.bytes.is_empty() {
            self.flush();
            while self.read() {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn in_any_order_of_steps_each_event_arrives_once_and_in_order(steps in steps()) {
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
                Step::Room(bytes) => world.connection.room = bytes,
                Step::Flush => world.flush(),
            }
        }
        world.settle();
        let received: Vec<u64> = world.received.iter().map(|event| event.sequence).collect();
        prop_assert_eq!(received, expected);
    }

    #[test]
    fn with_a_small_log_the_recipient_is_told_of_every_gap(steps in steps()) {
        let mut world = World::new(&Limits { log_messages: 4, ..Limits::default() });
        for step in steps {
            match step {
                Step::Round(messages) => world.round(&messages.iter().map(|m| (1, m.1)).collect::<Vec<_>>()),
                Step::Answer => { world.read(); }
                Step::Silence => world.silence(),
                Step::Room(bytes) => world.connection.room = bytes,
                Step::Flush => world.flush(),
            }
        }
        world.settle();
        let mut next = 1;
        for event in &world.received {
            let first = match event.kind {
                EventKind::Missed { first, .. } => first,
                _ => event.sequence,
            };
            prop_assert_eq!(first, next, "the recipient is told of each gap");
            next = event.sequence + 1;
        }
        prop_assert_eq!(next, world.log.read().next(), "and the end is reached");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_call_is_longer_than_the_frame_limit(rounds in prop::collection::vec(1..50usize, 1..20)) {
        let limits = Limits { max_frame: Bytes(4096), max_text: Bytes(1024), ..Limits::default() };
        let mut world = World::new(&limits);
        for messages in &rounds {
            world.round(&vec![(1, 900); *messages]);
            world.settle();
        }
        prop_assert_eq!(world.received.len(), rounds.iter().sum::<usize>());
    }

    #[test]
    fn a_slow_recipient_fills_the_send_buffer_only_a_few_times(
        fast_rounds in 0..200usize,
        // The least that any send buffer takes is a small call.
        room in 2_100..20_000usize,
        rounds in prop::collection::vec(1..400usize, 1..100),
    ) {
        let mut world = World::new(&Limits::default());
        // While the recipient is fast, its window grows.
        for _ in 0..fast_rounds {
            world.round(&[(1, 3000)]);
            world.settle();
        }
        world.connection.room = room;
        for length in rounds {
            world.round(&[(1, length)]);
            if length % 3 == 0 {
                world.settle();
            }
        }
        // Each full buffer halves the window, from 256 KiB down to 2 KiB and then to 0.
        prop_assert!(world.full <= 8, "{} times", world.full);
    }

    #[test]
    fn the_broadcaster_writes_nothing_to_a_recipient_that_is_behind(rounds in 1..50usize) {
        let mut world = World::new(&Limits::default());
        // These are more than the first window, and the recipient reads nothing.
        world.round(&[(1, 8000), (1, 8000), (1, 8000)]);
        let written = world.connection.bytes.len();
        prop_assert!(written <= FIRST_LIMIT + 64);
        for _ in 0..rounds {
            world.round(&[(1, 100)]);
        }
        prop_assert_eq!(world.connection.bytes.len(), written);
    }
}
