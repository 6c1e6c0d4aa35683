//! How a visit begins: names, refusals, a server that is not there.

use crate::stage::{answers, asks, dial, joined, message, play, receive, refuses, Stage, PATIENCE};
use chat_client::settings::{
    channels::{Input, Outcome, Stop},
    shown::Shown,
};
use chat_common::protocol::{CallbackReply, Cause, Reply, Request};
use std::{thread, time::Duration};

#[test]
fn a_person_is_asked_for_another_name_and_a_program_fails() {
    play(
        |options| options.interactive = true,
        |stage| {
            let (mut call, _) = stage.join();
            refuses(&mut call, Cause::NameTaken);
            assert_eq!(stage.sees(), Shown::Refused("NameTaken".into()));
            assert_eq!(stage.sees(), Shown::AskName);
            stage.says(" Alicia ");
            let (mut call, _callback, join) = stage.let_in(1);
            assert_eq!((join.name.as_str(), join.resume), ("Alicia", None));
            stage.says("/quit");
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
    play(
        |_| {},
        |stage| {
            let (mut call, _) = stage.join();
            refuses(&mut call, Cause::NameTaken);
            assert_eq!(stage.ends(), Outcome::Failed("NameTaken".into()));
        },
    );
}

#[test]
fn a_name_that_was_taken_meanwhile_is_asked_for_while_somebody_can_answer() {
    let taken = |stage: &Stage| {
        drop(stage.let_in(1));
        let (mut call, _) = stage.join();
        refuses(&mut call, Cause::UnknownSession);
        assert!(matches!(asks(&mut call), Request::Join(_)));
        refuses(&mut call, Cause::NameTaken);
    };
    play(
        |options| options.interactive = true,
        |stage| {
            taken(&stage);
            stage.says("Bert");
            let (mut call, _callback, _) = stage.let_in(2);
            let rejoined = loop {
                if let Shown::Rejoined { name, .. } = stage.sees() {
                    break name;
                }
            };
            assert_eq!(rejoined, "Bert");
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
    play(
        |options| (options.interactive, options.stay) = (true, true),
        |stage| {
            stage.input.send(Input::End).unwrap();
            taken(&stage);
            assert_eq!(stage.ends(), Outcome::Failed("NameTaken".into()));
        },
    );
}

#[test]
fn whoever_is_asked_for_a_name_may_leave() {
    for stop in [Stop::Now, Stop::WhenSent] {
        play(
            |options| options.name = None,
            |stage| {
                assert_eq!(stage.sees(), Shown::AskName);
                stage.stop.send(stop).unwrap();
                assert_eq!(stage.ends(), Outcome::Left);
            },
        );
    }
}

#[test]
fn who_says_exit_instead_of_a_name_leaves() {
    for way in ["exit", "/quit"] {
        play(
            |options| options.name = None,
            |stage| {
                stage.says(way);
                assert_eq!(stage.ends(), Outcome::Left);
            },
        );
    }
}

#[test]
fn a_server_that_is_not_there_is_a_failure_at_first() {
    play(
        |options| options.server = "127.0.0.1:1".into(),
        |stage| {
            let Outcome::Failed(reason) = stage.ends() else { panic!("there is no such server") };
            assert!(reason.contains("127.0.0.1:1"), "{reason}");
        },
    );
}

#[test]
fn nothing_is_shown_before_the_join_is() {
    play(
        |_| {},
        |stage| {
            let (mut call, join) = stage.join();
            let mut callback = dial(&join).unwrap();
            thread::scope(|scope| {
                // The server delivers while its reply to the Join is still on its way.
                let delivery = scope.spawn(|| callback.call::<_, CallbackReply>(&receive(6), PATIENCE));
                assert!(stage.shown.recv_timeout(Duration::from_millis(200)).is_err());
                answers(&mut call, &joined(1, true));
                assert_eq!(delivery.join().unwrap().unwrap(), CallbackReply::Received);
            });
            assert!(matches!(stage.sees(), Shown::Connected { room: 1, sequence: 5, .. }));
            assert_eq!(stage.sees(), Shown::Event { event: message(6), earlier: false });
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
            answers(&mut call, &Reply::Left);
        },
    );
}
