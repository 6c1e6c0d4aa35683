//! A search: in what the client has seen, and page by page in what the server keeps.

use crate::harness::{
    dial, joined_reply, message_event, next_request, receive_call, refuse, reply, run_client, Harness,
    TEST_TIMEOUT,
};
use chat_client::{Found, Input, UiEvent, Utterance};
use chat_common::wire::{
    protocol::{CallbackReply, Cause, Event, Reply, Request},
    rpc::Connection,
};

/// The next request is a page of messages before this sequence. The reply has these.
fn serve_page(call: &mut Connection, before: Option<u64>, sequences: &[u64]) {
    assert_eq!(next_request(call), Request::History { count: u32::MAX, before });
    reply(call, &Reply::History { events: sequences.iter().map(|one| message_event(*one)).collect() });
}

/// The next thing that the client finds: the events, and how many there are of them.
fn next_found(harness: &Harness) -> (Vec<Found>, usize, bool) {
    loop {
        if let UiEvent::Found { matches, total, complete, .. } = harness.next_event() {
            return (matches, total, complete);
        }
    }
}

fn sequences(found: &[Found]) -> Vec<u64> {
    found.iter().map(|found| found.event.sequence).collect()
}

/// Lets the client receive `message_event(sequence)`.
fn receive(harness: &Harness, callback: &mut Connection, sequence: u64) {
    let _: CallbackReply = callback.call(&receive_call(sequence), TEST_TIMEOUT).unwrap();
    let is_shown = |event: &Event| event.sequence == sequence;
    while !matches!(harness.next_event(), UiEvent::Event { event, .. } if is_shown(&event)) {}
}

#[test]
fn what_is_typed_during_a_search_is_sent_between_its_pages() {
    run_client(
        |options| (options.interactive, options.remembers) = (true, true),
        |harness| {
            let (mut call, mut callback, _) = harness.accept_member(1);
            receive(&harness, &mut callback, 90);
            harness.wants(Input::Search("HELL".into()));
            assert_eq!(next_request(&mut call), Request::History { count: u32::MAX, before: Some(90) });
            harness.says("typed");
            reply(&mut call, &Reply::History { events: vec![message_event(50)] });
            // This page was in the queue before the line was typed.
            serve_page(&mut call, Some(50), &[20, 21]);
            assert!(matches!(next_request(&mut call), Request::Broadcast { .. }));
            reply(&mut call, &Reply::Accepted { sequence: 91 });
            serve_page(&mut call, Some(20), &[]);
            let (found, total, complete) = next_found(&harness);
            assert_eq!((sequences(&found), total, complete), (vec![20, 21, 50, 90], 4, true));
            harness.stop(&mut call);
        },
    );
}

#[test]
fn own_and_private_messages_are_found_and_those_of_ignored_people_are_not() {
    run_client(
        |options| options.remembers = true,
        |harness| {
            let (mut call, mut callback, _) = harness.accept_member(1);
            receive(&harness, &mut callback, 6);
            let private = Utterance::Private { to: "Tom".into(), text: "hello".into() };
            for (said, sequence) in [
                (Utterance::Message("hello all".into()), 7),
                (private, 8),
                (Utterance::Action("hellos".into()), 9),
            ] {
                harness.wants(said.into());
                next_request(&mut call);
                reply(&mut call, &Reply::Accepted { sequence });
            }
            harness.wants(Input::Ignore(Some("sara".into())));
            harness.wants(Input::Search("hello".into()));
            // Each page has messages of Sara.
            serve_page(&mut call, Some(6), &[3]);
            serve_page(&mut call, Some(3), &[]);
            let (found, total, _) = next_found(&harness);
            assert_eq!((sequences(&found), total), (vec![7, 8, 9], 3));
            assert_eq!(found[1].to.as_deref(), Some("Tom"));
            harness.stop(&mut call);
        },
    );
}

#[test]
fn after_a_restart_of_the_room_what_was_seen_before_is_still_found() {
    run_client(
        |options| options.remembers = true,
        |harness| {
            let (call, mut callback, _) = harness.accept_member(1);
            receive(&harness, &mut callback, 80);
            drop((call, callback));
            let (mut call, _) = harness.accept_join();
            refuse(&mut call, Cause::UnknownSession);
            let Request::Join(join) = next_request(&mut call) else { panic!("the client joins anew") };
            let _callback = dial(&join).unwrap();
            reply(&mut call, &joined_reply(2, true));
            harness.wants(Input::Search("hello".into()));
            serve_page(&mut call, None, &[]);
            let (found, total, complete) = next_found(&harness);
            assert_eq!((sequences(&found), total, complete), (vec![80], 1, true));
            harness.stop(&mut call);
        },
    );
}

#[test]
fn a_server_that_refuses_a_page_leaves_what_was_seen() {
    run_client(
        |options| options.remembers = true,
        |harness| {
            let (mut call, mut callback, _) = harness.accept_member(1);
            receive(&harness, &mut callback, 6);
            harness.wants(Input::Search("hello".into()));
            assert!(matches!(next_request(&mut call), Request::History { .. }));
            refuse(&mut call, Cause::Unsupported);
            let (found, total, complete) = next_found(&harness);
            assert_eq!((sequences(&found), total, complete), (vec![6], 1, false));
            harness.stop(&mut call);
        },
    );
}

#[test]
fn a_session_that_remembers_nothing_asks_the_server_for_everything() {
    run_client(
        |_| {},
        |harness| {
            let (mut call, mut callback, _) = harness.accept_member(1);
            receive(&harness, &mut callback, 6);
            harness.wants(Input::Search("hello".into()));
            serve_page(&mut call, None, &[5, 6]);
            serve_page(&mut call, Some(5), &[]);
            let (found, total, complete) = next_found(&harness);
            assert_eq!((sequences(&found), total, complete), (vec![5, 6], 2, true));
            harness.stop(&mut call);
        },
    );
}
