//! Tests of the broadcaster and a recipient with a model checker: `make model`.
//!
//! The threads are those of the checker, shuttle. It runs the same program under thousands of schedules.
//! It would find a schedule in which both threads sleep while an event waits. The lost wake-up on purpose
//! shows that it does.

use crate::{
    delivery::{
        round_frame::RoundFrame,
        send_window::{AckOutcome, SendWindow},
    },
    log::{Audience, Reader},
    order::SharedLog,
    settings::Limits,
};
use chat_common::wire::{
    batch::Batch,
    codec::decode,
    frame::HEADER_BYTES,
    protocol::{Callback, EventKind},
    stream::Unsent,
};
use shuttle::{
    rand::{thread_rng, Rng},
    sync::mpsc::{channel, Receiver, Sender},
    thread,
};
use std::{cell::RefCell, sync::Arc};

const MESSAGES: u64 = 4;
const SCHEDULES: usize = 5_000;
/// Any number. With this one the first schedule has the lost wake-up.
#[cfg(feature = "seeded-bugs")]
const SEED: u64 = 11_818_032_965_164_527_157;

/// Sends calls: whether each asks for an answer, and how many events it has. The connection ends when the
/// sender is dropped.
type Wire = Sender<(bool, u64)>;

/// A thread of the model that can write to the recipient.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::delivery) enum Writer {
    Broadcaster,
    OwnThread,
}

thread_local! {
    /// What the writers of a room have done, in their order. All threads of the checker are one thread of
    /// the system.
    static STEPS: RefCell<Vec<(Writer, String)>> = const { RefCell::new(Vec::new()) };
}

/// Notes a step of a writer.
pub(in crate::delivery) fn note(writer: Writer, step: impl Into<String>) {
    STEPS.with_borrow_mut(|steps| steps.push((writer, step.into())));
}

/// The last steps of the writers, in two columns.
#[cfg(feature = "seeded-bugs")]
fn last_steps() -> String {
    const SHOWN: usize = 10;
    STEPS.with_borrow(|steps| {
        let last = &steps[steps.len().saturating_sub(SHOWN)..];
        let line = |(writer, step): &(Writer, String)| match writer {
            Writer::Broadcaster => step.clone(),
            Writer::OwnThread => format!("{:42}{step}", ""),
        };
        let lines: Vec<String> = last.iter().map(line).collect();
        format!("{:42}the recipient's own thread\n\n{}", "the broadcaster", lines.join("\n"))
    })
}

/// Runs a broadcaster that appends and sends, a recipient that answers, and the recipient's thread. All
/// of them must end.
fn room(limits: &Limits) {
    STEPS.with_borrow_mut(Vec::clear);
    let log = SharedLog::new(limits);
    let window = Arc::new(SendWindow::new(Reader { session: 2, ..Reader::EVERYBODY }, 1, limits));
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
            let write = |call: &Batch| {
                send(&call_tx, call.frame(), call.events());
                note(Writer::OwnThread, format!("writes {} of the messages", call.events()));
                false
            };
            own_thread_loop(&log, &window, &answer_rx, write);
        })
    };
    let mut scratch = Batch::new();
    for message_id in 0..=MESSAGES {
        // Two such texts nearly fill the first window, so the next must wait for an answer.
        let text = "x".repeat(6_000);
        let kind = match message_id {
            MESSAGES => EventKind::Ended { reason: text },
            _ => EventKind::Message { author: "a".into(), message_id, repeated: false, text },
        };
        let mut staged = log.stage();
        let first = staged.push(kind, Audience::All);
        log.append(staged);
        note(Writer::Broadcaster, format!("appends message {first}"));
        let mut round = RoundFrame::read(&log, limits.max_frame.0, first, Vec::new(), false);
        let mut written = 0;
        let write = |frame: &[u8], events| {
            send(&call_tx, frame, events);
            written += events;
            None
        };
        assert_eq!(window.send(&log, &mut round, &mut scratch, write), None);
        note(
            Writer::Broadcaster,
            match written {
                0 => "leaves it to the other".to_owned(),
                _ => format!("writes message {first}"),
            },
        );
    }
    drop(call_tx);
    // A lost wake-up shows here: the recipient waits for a call that no thread will write. shuttle
    // reports a deadlock.
    assert_eq!(recipient.join().unwrap(), MESSAGES + 1);
    own_thread.join().unwrap();
}

fn send(wire: &Wire, frame: &[u8], events: u64) {
    /// The position of the `answer` flag: after the header and the variant's number.
    const ANSWER_AT: usize = 8;
    // A recipient that has received everything has closed its end.
    let _ = wire.send((frame[ANSWER_AT] == 1, events));
}

#[test]
fn under_many_schedules_each_event_arrives_and_the_room_ends() {
    shuttle::check_random(|| room(&Limits::default()), SCHEDULES);
    shuttle::check_pct(|| room(&Limits::default()), SCHEDULES, 3);
}

#[test]
#[cfg(feature = "seeded-bugs")]
#[allow(clippy::print_stderr)]
fn a_lost_wake_up_is_found() {
    use crate::settings::seeded::{Bug, Seeded};
    use shuttle::{scheduler::RandomScheduler, Config, FailurePersistence, Runner};
    use std::panic::{catch_unwind, set_hook, take_hook};
    // The panic is what this test waits for, and the steps say more than the panic does.
    let (this, hook) = (std::thread::current().id(), take_hook());
    set_hook(Box::new(move |panic| {
        if std::thread::current().id() != this {
            hook(panic);
        }
    }));
    let broken = Limits { seeded: Seeded::with(Bug::LostWakeUp), ..Limits::default() };
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    // It ends at the first schedule that shows the bug. The same seed finds the same one.
    let scheduler = RandomScheduler::new_from_seed(SEED, 40 * SCHEDULES);
    let found = catch_unwind(|| Runner::new(scheduler, config).run(move || room(&broken)));
    let panic = found.expect_err("the checker has not found the lost wake-up");
    let message = panic.downcast_ref::<String>().expect("shuttle says what it found");
    assert!(message.contains("deadlock"), "{message}");
    // The lesson shows them, and so does its page.
    let (steps, page) = (last_steps(), "/../tests/course/rooms/wake-up/README.md");
    eprintln!("{steps}");
    let page = std::fs::read_to_string([env!("CARGO_MANIFEST_DIR"), page].concat()).unwrap();
    assert!(page.contains(&steps), "the page of the side room shows other steps");
}

/// As [`room`], with all threads that can write: a second thread takes part of the rounds and may be late,
/// the system may take nothing of a call, and a flush thread then writes it. Checks the order of the events.
fn room_with_two_writers(limits: &Limits) {
    let log = SharedLog::new(limits);
    let window = Arc::new(SendWindow::new(Reader { session: 2, ..Reader::EVERYBODY }, 1, limits));
    let (call_tx, call_rx) = channel::<Vec<u8>>();
    let (answer_tx, answer_rx) = channel::<()>();
    let recipient = thread::spawn(move || {
        let mut received = Vec::new();
        while let Ok(frame) = call_rx.recv() {
            let Callback::Receive { answer, events } = decode(&frame[HEADER_BYTES..]).unwrap();
            received.extend(events.iter().map(|event| event.sequence));
            if answer && answer_tx.send(()).is_err() {
                break;
            }
        }
        received
    });
    let own_thread = {
        let (log, window, call_tx) = (log.clone(), Arc::clone(&window), call_tx.clone());
        thread::spawn(move || {
            own_thread_loop(&log, &window, &answer_rx, |call| write_call(&call_tx, call));
        })
    };
    let writer = || {
        let (log, window, call_tx) = (log.clone(), Arc::clone(&window), call_tx.clone());
        move |mut round: RoundFrame| {
            let unsent = window.send(&log, &mut round, &mut Batch::new(), |frame, _| {
                if thread_rng().gen_bool(0.2) {
                    return Unsent::after(frame, 0);
                }
                let _ = call_tx.send(frame.to_vec());
                None
            });
            if let Some(unsent) = unsent {
                let (log, window, call_tx) = (log.clone(), Arc::clone(&window), call_tx.clone());
                thread::spawn(move || {
                    let _ = call_tx.send(unsent.bytes().to_vec());
                    window.on_flushed(false);
                    write_all_calls(&log, &window, |call| write_call(&call_tx, call));
                });
            }
        }
    };
    let (rounds_tx, rounds_rx) = channel::<RoundFrame>();
    let (broadcaster, late) = (writer(), writer());
    let second = thread::spawn(move || {
        while let Ok(round) = rounds_rx.recv() {
            late(round);
        }
    });
    for message_id in 0..=MESSAGES {
        // One of them is too long for an ordinary call.
        let text = "x".repeat(if message_id == 2 { 20_000 } else { 6_000 });
        let kind = match message_id {
            MESSAGES => EventKind::Ended { reason: text },
            _ => EventKind::Message { author: "a".into(), message_id, repeated: false, text },
        };
        let mut staged = log.stage();
        let first = staged.push(kind, Audience::All);
        log.append(staged);
        let round = RoundFrame::read(&log, limits.max_frame.0, first, Vec::new(), false);
        if message_id < MESSAGES && thread_rng().gen_bool(0.5) {
            rounds_tx.send(round).unwrap();
        } else {
            broadcaster(round);
        }
    }
    drop((rounds_tx, call_tx, broadcaster));
    second.join().unwrap();
    own_thread.join().unwrap();
    assert_eq!(recipient.join().unwrap(), (1..=MESSAGES + 1).collect::<Vec<_>>());
}

/// Writes one call. Returns whether the system did not take it at once.
fn write_call(call_tx: &Sender<Vec<u8>>, call: &Batch) -> bool {
    // A recipient that has everything has closed its end.
    let _ = call_tx.send(call.frame().to_vec());
    thread_rng().gen_bool(0.2)
}

/// Writes every call that the window allows. `write` returns whether it waited.
fn write_all_calls(log: &SharedLog, window: &SendWindow, write: impl Fn(&Batch) -> bool) {
    let mut call = Batch::new();
    while window.next_call(log, &mut call, &mut |_| true) {
        window.on_flushed(write(&call));
    }
}

/// The recipient's own thread, as `recipient_loop` is without its deadlines.
fn own_thread_loop(
    log: &SharedLog,
    window: &SendWindow,
    answer_rx: &Receiver<()>,
    write: impl Fn(&Batch) -> bool,
) {
    let mut call = Batch::new();
    write_all_calls(log, window, &write);
    while answer_rx.recv().is_ok() {
        note(Writer::OwnThread, "is woken by an answer");
        match window.on_ack(log, &mut call, &mut |_| true) {
            AckOutcome::NextCall => {
                window.on_flushed(write(&call));
                write_all_calls(log, window, &write);
            }
            AckOutcome::Idle => note(Writer::OwnThread, "sleeps until the next answer"),
            AckOutcome::Done => return,
            AckOutcome::Unexpected => panic!("an answer that was not asked for"),
        }
    }
}

#[test]
fn with_two_writers_and_full_buffers_each_event_arrives_once_and_in_order() {
    shuttle::check_random(|| room_with_two_writers(&Limits::default()), SCHEDULES);
    shuttle::check_pct(|| room_with_two_writers(&Limits::default()), SCHEDULES, 4);
}
