//! A lost connection: what is sent again, what waits, and when the client gives up.

use crate::harness::{
    broadcast, dial, joined_reply, next_request, receive_call, refuse, reply, run_client, Harness,
    TEST_TIMEOUT,
};
use chat_client::{Input, Outcome, Rejoin, Stop, UiEvent, Utterance};
use chat_common::wire::protocol::{Callback, CallbackReply, Cause, Event, EventKind, Place, Reply, Request};
use std::time::{Duration, Instant};

#[test]
fn a_message_without_a_reply_is_sent_again_with_the_same_id_after_resuming() {
    run_client(
        |_| {},
        |harness| {
            let (mut call, mut callback, join) = harness.accept_member(1);
            assert!(matches!(harness.next_event(), UiEvent::Connected { .. }));
            let _: CallbackReply = callback.call(&receive_call(8), TEST_TIMEOUT).unwrap();
            assert!(matches!(harness.next_event(), UiEvent::Event { .. }));
            harness.says("hi");
            let (message_id, _) = broadcast(next_request(&mut call));
            drop((call, callback));

            let (mut call, _callback, again) = harness.accept_member(1);
            assert!(matches!(harness.next_event(), UiEvent::Lost { .. }));
            assert_eq!((again.token, again.resume), (join.token, Some(8)));
            assert!(matches!(harness.next_event(), UiEvent::Resumed { queued: 1, .. }));
            assert_eq!(broadcast(next_request(&mut call)), (message_id, "hi".into()));
            reply(&mut call, &Reply::Accepted { sequence: 9 });
            let utterance = Utterance::Message("hi".into());
            assert_eq!(harness.next_event(), UiEvent::Accepted { message_id: None, sequence: 9, utterance });
            harness.wants(Input::End);
            assert_eq!(next_request(&mut call), Request::Leave);
        },
    );
}

#[test]
fn after_a_restart_the_client_joins_again_and_sends_its_queue() {
    run_client(
        |_| {},
        |harness| {
            let (call, callback, _) = harness.accept_member(1);
            assert!(matches!(harness.next_event(), UiEvent::Connected { .. }));
            drop((call, callback));
            let (mut call, join) = harness.accept_join();
            assert_eq!(join.resume, Some(0));
            harness.says("hi");
            refuse(&mut call, Cause::UnknownSession);
            let Request::Join(join) = next_request(&mut call) else {
                panic!("the client sends another Join")
            };
            assert_eq!(join.resume, None);
            let _callback = dial(&join).unwrap();
            reply(&mut call, &joined_reply(2, true));
            assert!(matches!(harness.next_event(), UiEvent::Lost { .. }));
            assert!(matches!(harness.next_event(), UiEvent::Rejoined { why: Rejoin::Restarted, .. }));
            assert_eq!(broadcast(next_request(&mut call)).1, "hi");
            reply(&mut call, &Reply::Accepted { sequence: 6 });
            harness.stop(&mut call);
        },
    );
}

#[test]
fn only_a_message_that_may_have_been_accepted_is_marked_in_a_new_session() {
    run_client(
        |_| {},
        |harness| {
            let (mut call, callback, _) = harness.accept_member(1);
            assert!(matches!(harness.next_event(), UiEvent::Connected { .. }));
            harness.says("in doubt");
            let sent = next_request(&mut call);
            assert!(matches!(&sent, Request::Broadcast { repeated: false, .. }), "{sent:?}");
            harness.says("new");
            drop((call, callback));
            assert!(matches!(harness.next_event(), UiEvent::Lost { .. }));
            let (mut call, join) = harness.accept_join();
            assert_eq!((join.resume, join.since), (Some(0), Some(Place { room: 1, sequence: 0 })));
            refuse(&mut call, Cause::UnknownSession);
            let Request::Join(join) = next_request(&mut call) else { panic!("the client joins anew") };
            let _callback = dial(&join).unwrap();
            reply(&mut call, &joined_reply(1, true));
            for expected in [("in doubt", true), ("new", false)] {
                match next_request(&mut call) {
                    Request::Broadcast { text, repeated, .. } => {
                        assert_eq!((text.as_str(), repeated), expected);
                    }
                    other => panic!("{other:?}"),
                }
                reply(&mut call, &Reply::Accepted { sequence: 6 });
            }
            harness.stop(&mut call);
        },
    );
}

#[test]
fn the_loss_of_the_callback_ends_the_whole_connection() {
    run_client(
        |_| {},
        |harness| {
            let (mut call, callback, _) = harness.accept_member(1);
            drop(callback);
            assert!(call.next_request::<Request>(TEST_TIMEOUT, TEST_TIMEOUT).unwrap().is_none());
            let (mut call, _callback, join) = harness.accept_member(1);
            assert_eq!(join.resume, Some(0));
            harness.stop(&mut call);
        },
    );
}

#[test]
fn one_who_was_removed_reads_the_reason_and_not_that_the_connection_is_lost() {
    run_client(
        |_| {},
        |harness| {
            drop(harness.accept_member(1));
            let (mut call, _) = harness.accept_join();
            refuse(&mut call, Cause::SessionOver);
            assert_eq!(harness.outcome(), Outcome::Failed("SessionOver".into()));
            assert!(matches!(harness.next_event(), UiEvent::Connected { .. }));
            assert_eq!(harness.next_event(), UiEvent::Failed("SessionOver".into()));
        },
    );
}

#[test]
fn a_silent_server_is_told_before_the_next_attempt_and_a_closed_connection_after_it() {
    run_client(
        |_| {},
        |harness| {
            drop(harness.accept_member(1));
            // Nothing is shown before this attempt has ended.
            let (call, _) = harness.accept_join();
            assert!(matches!(harness.next_event(), UiEvent::Connected { .. }));
            assert!(harness.event_rx.try_recv().is_err());
            drop(call);
            assert!(matches!(harness.next_event(), UiEvent::Lost { .. }));
            // Now the server takes a request and does not reply.
            let (mut call, _callback, _) = harness.accept_member(1);
            assert!(matches!(harness.next_event(), UiEvent::Resumed { .. }));
            harness.says("hi");
            next_request(&mut call);
            assert!(matches!(harness.next_event(), UiEvent::Lost { .. }));
            harness.stop_tx.send(Stop::Now).unwrap();
        },
    );
}

#[test]
fn without_a_connection_messages_wait_and_exit_works_at_once() {
    run_client(
        |options| options.interactive = true,
        |harness| {
            let connections = harness.accept_member(1);
            assert!(matches!(harness.next_event(), UiEvent::Connected { .. }));
            let Harness { listener, input_tx, event_rx, outcome_rx, stop_tx: _stop_tx } = harness;
            drop((connections, listener));
            let next_event = || event_rx.recv_timeout(TEST_TIMEOUT).unwrap();
            assert!(matches!(next_event(), UiEvent::Lost { .. }));
            input_tx.send(Input::message("hi")).unwrap();
            assert_eq!(next_event(), UiEvent::Queued(Input::message("hi")));
            input_tx.send(Input::Leave).unwrap();
            assert_eq!(next_event(), UiEvent::Unsent(1));
            assert_eq!(next_event(), UiEvent::Bye);
            assert_eq!(outcome_rx.recv_timeout(TEST_TIMEOUT), Ok(Outcome::LeftUnsent));
        },
    );
}

#[test]
fn a_server_that_closes_each_connection_gets_attempts_with_growing_pauses() {
    run_client(
        |_| {},
        |harness| {
            let since = Instant::now();
            (0..5).for_each(|_| drop(harness.accept_member(1)));
            // There are four pauses: at least half of 0.1 s, 0.2 s, 0.4 s and 0.8 s.
            assert!(since.elapsed() > Duration::from_millis(700), "{:?}", since.elapsed());
            let (mut call, _callback, _) = harness.accept_member(1);
            harness.stop(&mut call);
        },
    );
}

#[test]
fn the_end_of_the_room_is_shown_differently_from_a_lost_connection() {
    run_client(
        |_| {},
        |harness| {
            let (call, mut callback, _) = harness.accept_member(1);
            let event = Event { sequence: 6, time: 0, kind: EventKind::Ended { reason: "lunch".into() } };
            let ended = Callback::Receive { answer: true, events: vec![event] };
            let _: CallbackReply = callback.call(&ended, TEST_TIMEOUT).unwrap();
            drop((call, callback));
            assert!(matches!(harness.next_event(), UiEvent::Connected { .. }));
            assert!(matches!(harness.next_event(), UiEvent::Event { .. }));
            assert!(matches!(harness.next_event(), UiEvent::Lost { ended: true, .. }));
            drop(harness.accept_member(2));
            assert!(matches!(harness.next_event(), UiEvent::Rejoined { why: Rejoin::Restarted, .. }));
            assert!(matches!(harness.next_event(), UiEvent::Lost { ended: false, .. }));
            harness.stop_tx.send(Stop::Now).unwrap();
        },
    );
}
