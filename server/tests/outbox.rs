//! The outbox under tens of thousands of orders of events: whatever the order, each recipient gets each event once, in order.

#![cfg(not(feature = "model"))]
#![allow(clippy::unwrap_used, reason = "a test")]

use chat_common::{
    batch::Batch,
    codec::decode,
    frame::HEADER_BYTES,
    protocol::{Callback, Event, What},
};
use chat_server::{
    limits::Limits,
    log::{Audience, SharedLog},
    outbox::{Next, Outbox, Round},
    seeded::Seeded,
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
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let message = (1..5u64, prop_oneof![1..100usize, 3000..12_000usize]);
    let step = prop_oneof![
        3 => prop::collection::vec(message, 1..5).prop_map(Step::Round),
        4 => Just(Step::Answer),
        1 => Just(Step::Silence),
    ];
    prop::collection::vec(step, 1..40)
}

/// The world around one outbox: the log, and the wire to the recipient.
struct World {
    log: SharedLog,
    outbox: Outbox,
    /// Calls that were written and not read, with whether they want an answer.
    wire: VecDeque<(bool, Vec<Event>)>,
    received: Vec<Event>,
}

impl World {
    fn new(limits: &Limits) -> World {
        let log = SharedLog::new(limits, Seeded::default());
        World {
            log,
            outbox: Outbox::new(READER, 1, Seeded::default()),
            wire: VecDeque::new(),
            received: Vec::new(),
        }
    }

    fn write(wire: &mut VecDeque<(bool, Vec<Event>)>, frame: &[u8]) {
        let Callback::Receive { answer, events } = decode(&frame[HEADER_BYTES..]).unwrap();
        wire.push_back((answer, events));
        let unanswered = wire.iter().filter(|(answer, _)| *answer).count();
        assert!(unanswered <= 1, "one call that wants an answer at a time");
        assert!(wire.len() <= 16, "the window is kept");
    }

    fn round(&mut self, messages: &[(u64, usize)]) {
        let start = self.log.read().next();
        let mut authors = Vec::new();
        for (author, length) in messages {
            let what = What::Message { author: author.to_string(), number: 1, text: "x".repeat(*length) };
            self.log.write().append(0, what, Audience::AllBut(*author));
            authors.push(*author);
        }
        let mut round = Round::default();
        round.collect(&self.log, start, authors, false);
        let wire = &mut self.wire;
        self.outbox.offer(&self.log, &mut round, &mut Batch::new(), |frame, _| World::write(wire, frame));
    }

    /// The recipient reads a call. False when there is none.
    fn read(&mut self) -> bool {
        let Some((answer, events)) = self.wire.pop_front() else { return false };
        self.received.extend(events);
        if answer {
            let mut batch = Batch::new();
            match self.outbox.answered(&self.log, 64 * 1024, &mut batch) {
                Next::Call => World::write(&mut self.wire, batch.finish(true)),
                Next::Sleep => {}
                other => panic!("{other:?}"),
            }
        }
        true
    }

    fn silence(&mut self) {
        if self.outbox.begin_ping() {
            World::write(&mut self.wire, Batch::new().finish(true));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

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
            }
        }
        // No ping from here on: whatever is still owed must come by itself.
        while world.read() {}
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
            }
        }
        while world.read() {}
        let mut next = 1;
        for event in &world.received {
            let first = match event.what {
                What::Missed { first } => first,
                _ => event.sequence,
            };
            prop_assert_eq!(first, next, "nothing is skipped in silence");
            next = event.sequence + 1;
        }
        prop_assert_eq!(next, world.log.read().next(), "and the end is reached");
    }
}
