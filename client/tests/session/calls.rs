//! The requests on the call connection, and a busy server.

use crate::harness::{broadcast, next_request, refuse, reply, run_client, TEST_TIMEOUT};
use chat_client::{Input, Outcome, UiEvent};
use chat_common::{
    handshake::passphrase::Passphrase,
    program::tasks,
    wire::protocol::{Cause, Refusal, Reply, Request},
};
use std::{thread, time::Duration};

#[test]
fn a_program_sends_its_lines_and_leaves() {
    run_client(
        |_| {},
        |harness| {
            harness.says("hi");
            harness.wants(Input::message("/a text of more than ten bytes"));
            harness.wants(Input::End);
            let (mut call, _callback, join) = harness.accept_member(1);
            assert_eq!((join.name.as_str(), join.resume, join.history), ("Alice", None, 0));
            let mut first = None;
            for (offset, part) in ["hi", "/a text of", " more than", " ten bytes"].into_iter().enumerate() {
                let (message_id, text) = broadcast(next_request(&mut call));
                assert_eq!(message_id, *first.get_or_insert(message_id) + offset as u64);
                assert_eq!(text, part);
                reply(&mut call, &Reply::Accepted { sequence: 6 + offset as u64 });
            }
            assert_eq!(next_request(&mut call), Request::Leave);
            reply(&mut call, &Reply::Left);
            assert_eq!(harness.outcome(), Outcome::Left);
        },
    );
}

#[test]
fn an_input_that_cannot_be_read_any_more_ends_the_client_after_what_came_before() {
    run_client(
        |options| options.stay = true,
        |harness| {
            harness.says("hi");
            harness.wants(Input::Failed("the disk is gone".into()));
            let (mut call, _callback, _) = harness.accept_member(1);
            assert_eq!(broadcast(next_request(&mut call)).1, "hi");
            reply(&mut call, &Reply::Accepted { sequence: 6 });
            assert_eq!(next_request(&mut call), Request::Leave);
            reply(&mut call, &Reply::Left);
            assert_eq!(harness.outcome(), Outcome::Failed("the disk is gone".into()));
        },
    );
}

#[test]
fn a_message_stays_in_the_queue_until_it_has_a_valid_reply() {
    let stopping = Reply::Refused(Refusal { cause: Cause::Stopping, text: "bye".into() });
    for invalid in [stopping, Reply::Pong] {
        run_client(
            |_| {},
            |harness| {
                harness.says("hi");
                let (mut call, callback, _) = harness.accept_member(1);
                let first = next_request(&mut call);
                reply(&mut call, &invalid);
                drop((call, callback));
                let (mut call, _callback, _) = harness.accept_member(1);
                assert_eq!(next_request(&mut call), first);
                reply(&mut call, &Reply::Accepted { sequence: 6 });
                harness.stop(&mut call);
            },
        );
    }
}

#[test]
fn a_busy_server_gets_the_same_request_again() {
    run_client(
        |_| {},
        |harness| {
            harness.says("hi");
            let (mut call, _callback, _) = harness.accept_member(1);
            let first = next_request(&mut call);
            for _ in 0..3 {
                refuse(&mut call, Cause::Busy);
                assert_eq!(next_request(&mut call), first);
            }
            reply(&mut call, &Reply::Accepted { sequence: 6 });
            harness.stop(&mut call);
        },
    );
}

#[test]
fn a_person_can_leave_while_the_server_is_busy() {
    run_client(
        |options| options.interactive = true,
        |harness| {
            let (mut call, _callback, _) = harness.accept_member(1);
            assert!(matches!(harness.next_event(), UiEvent::Connected { .. }));
            harness.says("one");
            harness.says("two");
            harness.wants(Input::Leave);
            let first = next_request(&mut call);
            refuse(&mut call, Cause::Busy);
            // The client reads its input in the pauses between the attempts.
            let end = loop {
                match next_request(&mut call) {
                    request if request == first => refuse(&mut call, Cause::Busy),
                    request => break request,
                }
            };
            assert_eq!(end, Request::Leave);
            reply(&mut call, &Reply::Left);
            assert_eq!(harness.next_event(), UiEvent::Queued(Input::message("two")));
            assert_eq!(harness.outcome(), Outcome::LeftUnsent);
        },
    );
    // The same before the join.
    run_client(
        |options| options.interactive = true,
        |harness| {
            let (mut call, _) = harness.accept_join();
            harness.wants(Input::Leave);
            refuse(&mut call, Cause::Busy);
            assert_eq!(harness.outcome(), Outcome::Left);
        },
    );
}

#[test]
fn input_that_sends_nothing_does_not_prevent_the_ping() {
    run_client(
        |_| {},
        |harness| {
            let (mut call, _callback, _) = harness.accept_member(1);
            thread::scope(|scope| {
                let (pinging, tasks) = tasks::begin();
                let input_tx = &harness.input_tx;
                scope.spawn(move || {
                    while !tasks.wait_for(Duration::from_millis(100)) {
                        input_tx.send(Input::Ignore(None)).unwrap();
                    }
                });
                assert_eq!(
                    call.next_request(Duration::from_secs(7), TEST_TIMEOUT).unwrap(),
                    Some(Request::Ping)
                );
                drop(pinging);
            });
            reply(&mut call, &Reply::Pong);
            harness.stop(&mut call);
        },
    );
}

#[test]
fn a_server_that_never_ends_its_reply_to_a_command_costs_the_client_no_more_than_a_limit() {
    run_client(
        |options| {
            options.operator.passphrase = Some(Passphrase::new("lamp river stone cloud").unwrap());
            options.operator.command = Some("/bans".into());
        },
        |harness| {
            let (mut call, ..) = harness.accept();
            for _ in 0..2 {
                assert!(matches!(next_request(&mut call), Request::Operate { .. }));
                reply(&mut call, &Reply::Lines { text: String::new(), more: false });
            }
            assert_eq!(next_request(&mut call), Request::Command { line: "/bans".into() });
            let part = Reply::Lines { text: "x".repeat(60_000), more: true };
            // Without a limit the client would take the last one.
            let was_taken = (0..1000).all(|_| call.reply(&part, TEST_TIMEOUT).is_ok());
            let _ = call.reply(&Reply::Lines { text: "x".into(), more: false }, TEST_TIMEOUT);
            assert!(matches!(harness.outcome(), Outcome::Failed(why) if why.contains("/bans")));
            assert!(!was_taken);
        },
    );
}
