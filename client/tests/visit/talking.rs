//! What is said on the call connection, and what a busy server does to it.

use crate::stage::{answers, asks, broadcast, play, refuses, Stage, PATIENCE};
use chat_client::settings::{
    channels::{Input, Outcome, Stop},
    shown::Shown,
};
use chat_common::protocol::{Cause, Refusal, Reply, Request};
use crossbeam_channel::{bounded, RecvTimeoutError};
use std::{thread, time::Duration};

#[test]
fn a_pipe_says_its_lines_and_leaves() {
    play(
        |_| {},
        |stage| {
            stage.says("hi");
            stage.input.send(Input::Text("/a text of more than ten bytes".into())).unwrap();
            stage.input.send(Input::End).unwrap();
            let (mut call, _callback, join) = stage.let_in(1);
            assert_eq!((join.name.as_str(), join.resume, join.history), ("Alice", None, 0));
            let mut first = None;
            for (offset, part) in ["hi", "/a text of", " more than", " ten bytes"].into_iter().enumerate() {
                let (number, text) = broadcast(asks(&mut call));
                assert_eq!(number, *first.get_or_insert(number) + offset as u64);
                assert_eq!(text, part);
                answers(&mut call, &Reply::Accepted { sequence: 6 + offset as u64 });
            }
            assert_eq!(asks(&mut call), Request::Leave);
            answers(&mut call, &Reply::Left);
            assert_eq!(stage.ends(), Outcome::Left);
        },
    );
}

#[test]
fn a_message_stays_in_the_queue_until_an_answer_settles_it() {
    let stopping = Reply::Refused(Refusal { cause: Cause::Stopping, text: "bye".into() });
    for unsettled in [stopping, Reply::Pong] {
        play(
            |_| {},
            |stage| {
                stage.says("hi");
                let (mut call, callback, _) = stage.let_in(1);
                let first = asks(&mut call);
                answers(&mut call, &unsettled);
                drop((call, callback));
                let (mut call, _callback, _) = stage.let_in(1);
                assert_eq!(asks(&mut call), first);
                answers(&mut call, &Reply::Accepted { sequence: 6 });
                stage.stop.send(Stop::Now).unwrap();
                assert_eq!(asks(&mut call), Request::Leave);
            },
        );
    }
}

#[test]
fn a_busy_server_gets_the_same_request_again() {
    play(
        |_| {},
        |stage| {
            stage.says("hi");
            let (mut call, _callback, _) = stage.let_in(1);
            let first = asks(&mut call);
            for _ in 0..3 {
                refuses(&mut call, Cause::Busy);
                assert_eq!(asks(&mut call), first);
            }
            answers(&mut call, &Reply::Accepted { sequence: 6 });
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn a_person_need_not_wait_for_a_busy_server() {
    play(
        |options| options.interactive = true,
        |stage| {
            let (mut call, _callback, _) = stage.let_in(1);
            assert!(matches!(stage.sees(), Shown::Connected { .. }));
            stage.says("one");
            stage.says("two");
            stage.says("/quit");
            let first = asks(&mut call);
            refuses(&mut call, Cause::Busy);
            // What was typed is read in the pauses between the attempts.
            let end = loop {
                match asks(&mut call) {
                    request if request == first => refuses(&mut call, Cause::Busy),
                    request => break request,
                }
            };
            assert_eq!(end, Request::Leave);
            answers(&mut call, &Reply::Left);
            assert_eq!(stage.sees(), Shown::Waiting("two".into()));
            assert_eq!(stage.ends(), Outcome::Left);
        },
    );
    // The same where there is nobody to be seen yet.
    play(
        |options| options.interactive = true,
        |stage| {
            let (mut call, _) = stage.join();
            stage.says("/quit");
            refuses(&mut call, Cause::Busy);
            assert_eq!(stage.ends(), Outcome::Left);
        },
    );
}

#[test]
fn blank_lines_do_not_keep_the_ping_from_going_out() {
    play(
        |_| {},
        |stage| {
            let (mut call, _callback, _) = stage.let_in(1);
            thread::scope(|scope| {
                let (over_tx, over) = bounded::<()>(0);
                let Stage { input, .. } = &stage;
                scope.spawn(move || {
                    while over.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
                        input.send(Input::Line(String::new())).unwrap();
                    }
                });
                assert_eq!(call.next_request(Duration::from_secs(7), PATIENCE).unwrap(), Some(Request::Ping));
                drop(over_tx);
            });
            answers(&mut call, &Reply::Pong);
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}
