//! The meeting of broadcaster and recipient under a model checker: `make model`.
//!
//! Threads here are shuttle's: it runs the same program under thousands of schedules and finds the one in which both go to sleep with
//! an event between them. That is what the seeded lost wake-up shows.

use crate::{
    delivery::{
        send_window::{AckOutcome, SendWindow},
        shared_batch::SharedBatch,
    },
    log::{Audience, SharedLog},
    settings::limits::Limits,
};
use chat_common::{batch::Batch, protocol::EventKind};
use shuttle::{
    sync::mpsc::{channel, Sender},
    thread,
};
use std::{panic::catch_unwind, sync::Arc};

const MESSAGES: u64 = 4;
const SCHEDULES: usize = 5_000;

/// Whether a call asks for an answer, and how many events are in it. The channel's end is the connection's.
type Wire = Sender<(bool, u64)>;

/// A broadcaster that appends and sends, a recipient that answers, and the recipient's thread. All of them must end.
fn room(limits: &Limits) {
    let log = SharedLog::new(limits);
    let window = Arc::new(SendWindow::new(2, 1, limits));
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
    let own_thread = {
        let (log, window, call_tx) = (log.clone(), Arc::clone(&window), call_tx.clone());
        thread::spawn(move || {
            let mut call = Batch::new();
            let mut to_write = window.next_call(&log, &mut call);
            loop {
                while to_write {
                    send(&call_tx, call.frame(), call.events());
                    window.on_flushed(&call, false);
                    to_write = window.next_call(&log, &mut call);
                }
                if answer_rx.recv().is_err() {
                    return;
                }
                to_write = match window.on_ack(&log, &mut call) {
                    AckOutcome::NextCall => true,
                    AckOutcome::Idle => false,
                    AckOutcome::Done => return,
                    AckOutcome::Unexpected => panic!("an answer that was not asked for"),
                };
            }
        })
    };
    let mut scratch = Batch::new();
    for message_id in 0..=MESSAGES {
        // Two of them nearly fill the first window, so that the next has to wait for an answer.
        let text = "x".repeat(6_000);
        let kind = match message_id {
            MESSAGES => EventKind::Ended { reason: text },
            _ => EventKind::Message { author: "a".into(), message_id, text },
        };
        let mut staged = log.stage();
        let first = staged.push(kind, Audience::All);
        log.append(staged);
        let mut round = SharedBatch::read(&log, first, Vec::new(), false);
        let write = |frame: &[u8], events| send(&call_tx, frame, events);
        assert_eq!(window.send(&log, &mut round, &mut scratch, write), None);
    }
    drop(call_tx);
    // A lost wake-up shows here: the recipient waits for a call that nobody will write, and shuttle reports a deadlock.
    assert_eq!(recipient.join().unwrap(), MESSAGES + 1);
    own_thread.join().unwrap();
}

fn send(wire: &Wire, frame: &[u8], events: u64) -> usize {
    /// Behind the header and the variant's number.
    const ANSWER_AT: usize = 8;
    // A recipient that has everything has closed its end.
    let _ = wire.send((frame[ANSWER_AT] == 1, events));
    frame.len()
}

#[test]
fn under_every_schedule_tried_each_event_arrives_and_the_room_ends() {
    shuttle::check_random(|| room(&Limits::default()), SCHEDULES);
    shuttle::check_pct(|| room(&Limits::default()), SCHEDULES, 3);
}

#[test]
#[cfg(feature = "seeded-bugs")]
fn a_lost_wake_up_is_found() {
    use crate::settings::seeded::{Bug, Seeded};
    let broken = Limits { seeded: Seeded::with(Bug::LostWakeUp), ..Limits::default() };
    let found = catch_unwind(|| shuttle::check_random(move || room(&broken), SCHEDULES));
    let panic = found.expect_err("the checker has not found the lost wake-up");
    let what = panic.downcast_ref::<String>().expect("shuttle says what it found");
    assert!(what.contains("deadlock"), "{what}");
}
