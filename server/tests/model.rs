//! The meeting of broadcaster and recipient under a model checker: `make model`.
//!
//! Threads here are shuttle's: it runs the same program under thousands of schedules and finds the one in which both go to sleep with
//! an event between them. That is what the seeded lost wake-up shows.

#![cfg(feature = "model")]
#![allow(clippy::unwrap_used, reason = "a test")]

use chat_common::{batch::Batch, protocol::EventKind};
use chat_server::{
    delivery::{
        outbox::{Outbox, Standing},
        round::Round,
    },
    log::{Audience, SharedLog},
    settings::{limits::Limits, seeded::Seeded},
};
use shuttle::{
    sync::mpsc::{channel, Sender},
    thread,
};
use std::{panic::catch_unwind, sync::Arc};

const MESSAGES: u64 = 4;
const SCHEDULES: usize = 5_000;

/// Whether a call that was written wants an answer, and how many events are in it. The channel's end is the connection's.
type Wire = Sender<(bool, u64)>;

/// A broadcaster that appends and offers, a recipient that answers, and the recipient's thread; all must meet at the end.
fn room(seeded: Seeded) {
    let log = SharedLog::new(&Limits::default(), seeded);
    let outbox = Arc::new(Outbox::new(2, 1, 64 * 1024, seeded));
    let (call_tx, call_rx) = channel::<(bool, u64)>();
    let (answer_tx, answer_rx) = channel::<()>();

    let recipient = thread::spawn(move || {
        let mut received = 0;
        while received <= MESSAGES {
            let Ok((answer, events)) = call_rx.recv() else { break };
            received += events;
            if answer && answer_tx.send(()).is_err() {
                break;
            }
        }
        received
    });
    let delivery = {
        let (log, outbox, call_tx) = (log.clone(), Arc::clone(&outbox), call_tx.clone());
        thread::spawn(move || {
            while answer_rx.recv().is_ok() {
                let write = |frame: &[u8], events| send(&call_tx, frame, events);
                let (standing, rest) = outbox.answered(&log, &mut Batch::new(), write);
                assert_eq!(rest, None);
                match standing {
                    Standing::Open => {}
                    Standing::Done => return,
                    Standing::UnexpectedAnswer => panic!("an answer that was not asked for"),
                }
            }
        })
    };
    let mut spare = Batch::new();
    for number in 0..=MESSAGES {
        let start = log.read().next();
        // Four of them nearly fill the window, so that the next has to wait for an answer.
        let text = "x".repeat(60_000);
        let what = match number {
            MESSAGES => EventKind::Ended { reason: text },
            _ => EventKind::Message { author: "a".into(), message_id, text },
        };
        log.write().append(kind, Audience::All);
        let mut round = Round::collect(&log, start, Vec::new(), false);
        let rest = outbox.offer(&log, &mut round, &mut spare, |frame, events| send(&call_tx, frame, events));
        assert_eq!(rest, None);
    }
    drop(call_tx);
    // A lost wake-up shows here: the recipient waits for a call that nobody will write, and shuttle reports a deadlock.
    assert_eq!(recipient.join().unwrap(), MESSAGES + 1);
    delivery.join().unwrap();
}

fn send(wire: &Wire, frame: &[u8], events: u64) -> usize {
    /// Behind the header and the variant's number.
    const ANSWER_AT: usize = 8;
    // A recipient that has everything has hung up.
    let _ = wire.send((frame[ANSWER_AT] == 1, events));
    frame.len()
}

#[test]
fn under_every_schedule_tried_each_event_arrives_and_the_room_ends() {
    shuttle::check_random(|| room(Seeded::default()), SCHEDULES);
    shuttle::check_pct(|| room(Seeded::default()), SCHEDULES, 3);
}

#[test]
#[cfg(feature = "seeded-bugs")]
fn a_lost_wake_up_is_found() {
    use chat_server::settings::seeded::Bug;
    let found = catch_unwind(|| shuttle::check_random(|| room(Seeded::with(Bug::LostWakeUp)), SCHEDULES));
    let panic = found.expect_err("the checker has not found the lost wake-up");
    let what = panic.downcast_ref::<String>().expect("shuttle says what it found");
    assert!(what.contains("deadlock"), "{what}");
}
