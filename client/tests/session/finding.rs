//! Before a person is asked for a name: whether there is a server that would let the client in.

use crate::harness::{refuse, run_client, TEST_TIMEOUT};
use chat_client::{Input, JoinOptions, Outcome, UiEvent};
use chat_common::wire::{protocol::Cause, status::Status};

fn without_a_name(options: &mut JoinOptions) {
    (options.member.name, options.interactive) = (None, true);
}

#[test]
fn a_missing_server_and_one_that_refuses_everybody_end_the_client_before_it_asks_for_a_name() {
    run_client(
        |options| {
            without_a_name(options);
            options.server = "127.0.0.1:1".into();
        },
        |harness| {
            let UiEvent::Failed(reason) = harness.next_event() else { panic!("nothing was asked") };
            assert!(reason.starts_with("cannot join at 127.0.0.1:1: is the server running?"), "{reason}");
        },
    );
    for status in [Status::Banned, Status::WrongVersion, Status::Unknown] {
        run_client(without_a_name, |harness| {
            harness.refuse_hello(status);
            let UiEvent::Failed(_) = harness.next_event() else { panic!("nothing was asked") };
        });
    }
}

#[test]
fn a_person_is_asked_when_the_server_is_there_and_can_type_for_as_long_as_it_takes() {
    run_client(
        |options| {
            without_a_name(options);
            options.wait = Some(TEST_TIMEOUT);
        },
        |harness| {
            harness.refuse_hello(Status::Busy);
            assert_eq!(harness.next_event(), UiEvent::ServerBusy);
            // No connection waits for the name, and the server needs none.
            harness.is_found();
            assert_eq!(harness.next_event(), UiEvent::AskName);
            harness.wants(Input::Answer(" Zoe ".into()));
            let (mut call, _callback, join) = harness.accept_member(1);
            assert_eq!(join.name, "Zoe");
            harness.stop(&mut call);
        },
    );
}

#[test]
fn a_name_that_is_typed_while_the_client_waits_for_a_server_is_the_name() {
    run_client(
        |options| {
            without_a_name(options);
            options.wait = Some(TEST_TIMEOUT);
        },
        |harness| {
            harness.wants(Input::Answer("Zoe".into()));
            // In the pause behind a refusal the client takes input.
            harness.refuse_hello(Status::Busy);
            assert_eq!(harness.next_event(), UiEvent::ServerBusy);
            let (mut call, _callback, join) = harness.accept_member(1);
            assert_eq!(join.name, "Zoe");
            assert!(matches!(harness.next_event(), UiEvent::Connected { .. }), "and nothing is asked");
            harness.stop(&mut call);
        },
    );
}

#[test]
fn a_person_whose_name_is_refused_is_asked_again_at_once() {
    run_client(without_a_name, |harness| {
        harness.is_found();
        harness.wants(Input::Answer("Zoe".into()));
        let (mut call, _) = harness.accept_join();
        refuse(&mut call, Cause::NameTaken);
        let told = [(); 3].map(|()| harness.next_event());
        assert_eq!(told, [UiEvent::AskName, UiEvent::Refused("NameTaken".into()), UiEvent::AskName]);
        harness.wants(Input::Leave);
        assert_eq!(harness.outcome(), Outcome::Left);
    });
}
