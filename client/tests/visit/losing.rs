//! A lost connection: what is repeated, what waits, and when there is no coming back.

use crate::stage::{answers, asks, broadcast, dial, joined, play, receive, refuses, Stage, PATIENCE};
use chat_client::settings::{
    channels::{Input, Outcome, Stop},
    shown::{Said, Shown},
};
use chat_common::protocol::{Callback, CallbackReply, Cause, Event, EventKind, Reply, Request};
use std::time::{Duration, Instant};

#[test]
fn an_unanswered_message_is_repeated_under_its_number_when_the_session_resumes() {
    play(
        |_| {},
        |stage| {
            let (mut call, mut callback, join) = stage.let_in(1);
            assert!(matches!(stage.sees(), Shown::Connected { .. }));
            let _: CallbackReply = callback.call(&receive(8), PATIENCE).unwrap();
            assert!(matches!(stage.sees(), Shown::Event { .. }));
            stage.says("hi");
            let (number, _) = broadcast(asks(&mut call));
            drop((call, callback));
            assert!(matches!(stage.sees(), Shown::Lost { .. }));

            let (mut call, _callback, again) = stage.let_in(1);
            assert_eq!((again.token, again.resume), (join.token, Some(8)));
            assert_eq!(stage.sees(), Shown::Regained { waiting: 1 });
            assert_eq!(broadcast(asks(&mut call)), (number, "hi".into()));
            answers(&mut call, &Reply::Accepted { sequence: 9 });
            let said = Said::Message("hi".into());
            assert_eq!(stage.sees(), Shown::Accepted { message_id: number, sequence: 9, said });
            stage.input.send(Input::End).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn after_a_restart_the_client_joins_anew_and_says_what_waited() {
    play(
        |_| {},
        |stage| {
            let (call, callback, _) = stage.let_in(1);
            assert!(matches!(stage.sees(), Shown::Connected { .. }));
            drop((call, callback));
            assert!(matches!(stage.sees(), Shown::Lost { .. }));
            let (mut call, join) = stage.join();
            assert_eq!(join.resume, Some(0));
            stage.says("hi");
            refuses(&mut call, Cause::UnknownSession);
            let Request::Join(join) = asks(&mut call) else { panic!("another Join") };
            assert_eq!(join.resume, None);
            let _callback = dial(&join).unwrap();
            answers(&mut call, &joined(2, true));
            assert!(matches!(stage.sees(), Shown::Rejoined { restarted: true, room: 2, .. }));
            assert_eq!(broadcast(asks(&mut call)).1, "hi");
            answers(&mut call, &Reply::Accepted { sequence: 6 });
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn the_loss_of_the_callback_alone_ends_the_connection() {
    play(
        |_| {},
        |stage| {
            let (mut call, callback, _) = stage.let_in(1);
            drop(callback);
            assert!(call.next_request::<Request>(PATIENCE, PATIENCE).unwrap().is_none());
            let (mut call, _callback, join) = stage.let_in(1);
            assert_eq!(join.resume, Some(0));
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn a_session_that_is_over_ends_the_visit() {
    play(
        |_| {},
        |stage| {
            drop(stage.let_in(1));
            let (mut call, _) = stage.join();
            refuses(&mut call, Cause::SessionOver);
            assert_eq!(stage.ends(), Outcome::Failed("SessionOver".into()));
        },
    );
}

#[test]
fn what_is_typed_without_a_connection_waits_and_leaving_is_possible_at_once() {
    play(
        |options| options.interactive = true,
        |stage| {
            let connections = stage.let_in(1);
            assert!(matches!(stage.sees(), Shown::Connected { .. }));
            let Stage { listener, input, shown, outcome, stop: _stop } = stage;
            drop((connections, listener));
            let sees = || shown.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(sees(), Shown::Lost { .. }));
            input.send(Input::Line("hi".into())).unwrap();
            assert_eq!(sees(), Shown::Waiting("hi".into()));
            input.send(Input::Line("exit".into())).unwrap();
            assert_eq!(sees(), Shown::Unsent(1));
            assert_eq!(sees(), Shown::Bye);
            assert_eq!(outcome.recv_timeout(PATIENCE), Ok(Outcome::Left));
        },
    );
}

#[test]
fn a_server_that_lets_in_only_to_drop_is_not_pressed() {
    play(
        |_| {},
        |stage| {
            let since = Instant::now();
            (0..5).for_each(|_| drop(stage.let_in(1)));
            // Four pauses, of at least half of 0.1 s, 0.2 s, 0.4 s and 0.8 s.
            assert!(since.elapsed() > Duration::from_millis(700), "{:?}", since.elapsed());
            let (mut call, _callback, _) = stage.let_in(1);
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn a_room_that_has_ended_is_not_called_a_lost_connection() {
    play(
        |_| {},
        |stage| {
            let (call, mut callback, _) = stage.let_in(1);
            let event = Event { sequence: 6, time: 0, kind: EventKind::Ended { reason: "lunch".into() } };
            let ended = Callback::Receive { answer: true, events: vec![event] };
            let _: CallbackReply = callback.call(&ended, PATIENCE).unwrap();
            drop((call, callback));
            assert!(matches!(stage.sees(), Shown::Connected { .. }));
            assert!(matches!(stage.sees(), Shown::Event { .. }));
            assert!(matches!(stage.sees(), Shown::Lost { ended: true, .. }));
            drop(stage.let_in(2));
            assert!(matches!(stage.sees(), Shown::Rejoined { restarted: true, .. }));
            assert!(matches!(stage.sees(), Shown::Lost { ended: false, .. }));
            stage.stop.send(Stop::Now).unwrap();
        },
    );
}
