//! The first join: names, refusals, and a server that does not exist.

use crate::harness::{
    broadcast, dial, joined_reply, message_event, next_request, receive_call, refuse, reply, run_client,
    Harness, TEST_TIMEOUT,
};
use chat_client::{Input, Outcome, Stop, UiEvent};
use chat_common::wire::{
    protocol::{CallbackReply, Cause, Person, Refusal, Reply, Request},
    status::Status,
};
use std::{
    thread,
    time::{Duration, Instant},
};

/// That a closed room keeps the name for somebody else's key.
const NAME_KEPT: u32 = 15;

#[test]
fn after_a_refused_name_a_person_is_asked_again_and_a_program_fails() {
    for cause in [Cause::NameTaken, Cause::from(NAME_KEPT)] {
        let why = format!("{cause:?}");
        run_client(
            |options| options.interactive = true,
            |harness| {
                let (mut call, _) = harness.accept_join();
                refuse(&mut call, cause);
                assert_eq!(harness.next_event(), UiEvent::Refused(why.clone()));
                assert_eq!(harness.next_event(), UiEvent::AskName);
                harness.wants(Input::Answer(" Alicia ".into()));
                let (mut call, _callback, join) = harness.accept_member(1);
                assert_eq!((join.name.as_str(), join.resume), ("Alicia", None));
                harness.wants(Input::Leave);
                assert_eq!(next_request(&mut call), Request::Leave);
            },
        );
        run_client(
            |_| {},
            |harness| {
                let (mut call, _) = harness.accept_join();
                refuse(&mut call, cause);
                assert_eq!(harness.outcome(), Outcome::Failed(why.clone()));
            },
        );
    }
}

#[test]
fn a_number_is_added_to_a_name_that_is_kept_for_somebody_else() {
    run_client(
        |options| options.member.may_add_number = true,
        |harness| {
            let (mut call, _) = harness.accept_join();
            for name in ["Alice-2", "Alice-3"] {
                refuse(&mut call, Cause::from(NAME_KEPT));
                let Request::Join(join) = next_request(&mut call) else { panic!("it joins again") };
                assert_eq!(join.name, name);
            }
            refuse(&mut call, Cause::Banned);
            assert_eq!(harness.outcome(), Outcome::Failed("Banned".into()));
        },
    );
}

#[test]
fn a_client_without_a_passphrase_says_that_the_room_is_closed_and_what_to_do() {
    run_client(
        |options| options.wait = Some(TEST_TIMEOUT),
        |harness| {
            harness.refuse_hello(Status::Closed);
            let Outcome::Failed(reason) = harness.outcome() else { panic!("it is outside") };
            let what_to_do = match cfg!(feature = "closed") {
                true => "$CHAT_PASSPHRASE",
                false => "cargo install --path client --features ",
            };
            assert!(reason.contains("is closed") && reason.contains(what_to_do), "{reason}");
        },
    );
}

#[test]
fn a_client_does_not_try_again_after_a_final_refusal_or_one_that_it_does_not_know() {
    for status in [Status::Banned, Status::Unknown] {
        run_client(
            |options| options.interactive = true,
            |harness| {
                harness.refuse_hello(status);
                assert_eq!(harness.outcome(), Outcome::Failed(status.to_string()));
            },
        );
    }
}

#[test]
fn after_a_lost_name_a_person_is_asked_again_unless_the_input_has_ended() {
    let rejoin_with_taken_name = |harness: &Harness| {
        drop(harness.accept_member(1));
        let (mut call, _) = harness.accept_join();
        refuse(&mut call, Cause::UnknownSession);
        assert!(matches!(next_request(&mut call), Request::Join(_)));
        refuse(&mut call, Cause::NameTaken);
    };
    run_client(
        |options| options.interactive = true,
        |harness| {
            // What is typed before the question is no answer to it.
            harness.says("early");
            rejoin_with_taken_name(&harness);
            while harness.next_event() != UiEvent::AskName {}
            harness.wants(Input::Answer("Bert".into()));
            let (mut call, _callback, _) = harness.accept_member(2);
            let rejoined = loop {
                if let UiEvent::Rejoined { name, .. } = harness.next_event() {
                    break name;
                }
            };
            assert_eq!(rejoined, "Bert");
            assert_eq!(broadcast(next_request(&mut call)).1, "early");
            reply(&mut call, &Reply::Accepted { sequence: 6 });
            harness.stop(&mut call);
        },
    );
    run_client(
        |options| (options.interactive, options.stay) = (true, true),
        |harness| {
            harness.wants(Input::End);
            rejoin_with_taken_name(&harness);
            assert_eq!(harness.outcome(), Outcome::Failed("NameTaken".into()));
        },
    );
}

#[test]
fn a_stop_at_the_question_for_the_name_ends_the_client() {
    for stop in [Stop::Now, Stop::WhenSent] {
        run_client(
            |options| options.member.name = None,
            |harness| {
                harness.is_found();
                assert_eq!(harness.next_event(), UiEvent::AskName);
                harness.stop_tx.send(stop).unwrap();
                assert_eq!(harness.outcome(), Outcome::Left);
            },
        );
    }
}

#[test]
fn a_wish_to_leave_at_the_question_for_the_name_ends_the_client() {
    run_client(
        |options| options.member.name = None,
        |harness| {
            harness.is_found();
            harness.wants(Input::Leave);
            assert_eq!(harness.outcome(), Outcome::Left);
        },
    );
}

#[test]
fn the_first_connection_fails_if_there_is_no_server() {
    run_client(
        |options| options.server = "127.0.0.1:1".into(),
        |harness| {
            let Outcome::Failed(reason) = harness.outcome() else { panic!("there is no such server") };
            assert!(reason.contains("127.0.0.1:1"), "{reason}");
        },
    );
}

#[test]
fn no_event_is_shown_before_the_join() {
    run_client(
        |_| {},
        |harness| {
            let (mut call, join) = harness.accept_join();
            let mut callback = dial(&join).unwrap();
            thread::scope(|scope| {
                // The server sends an event before its reply to the Join.
                let delivery =
                    scope.spawn(|| callback.call::<_, CallbackReply>(&receive_call(6), TEST_TIMEOUT));
                assert!(harness.event_rx.recv_timeout(Duration::from_millis(200)).is_err());
                reply(&mut call, &joined_reply(1, true));
                assert_eq!(delivery.join().unwrap().unwrap(), CallbackReply::Received);
            });
            let UiEvent::Connected { joined, .. } = harness.next_event() else { panic!("it has joined") };
            assert_eq!((joined.room, joined.sequence), (1, 5));
            assert_eq!(harness.next_event(), UiEvent::Event { event: message_event(6), earlier: false });
            harness.stop(&mut call);
            reply(&mut call, &Reply::Left);
        },
    );
}

#[test]
fn a_person_reads_first_who_is_here_and_then_what_is_said() {
    let person = |name: &str| Person { name: name.into(), here: 1, idle: 1, operator: false };
    let people = vec![person("Alice"), person("Tom")];
    let here = Reply::People { people: people.clone(), total: 2 };
    let refused = Reply::Refused(Refusal::busy());
    for (who, line) in [(here, Some(UiEvent::Here { people, total: 2 })), (refused, None)] {
        run_client(
            |options| options.member.asks_who = true,
            |harness| {
                let (mut call, join) = harness.accept_join();
                let mut callback = dial(&join).unwrap();
                let began = Instant::now();
                thread::scope(|scope| {
                    let delivery =
                        scope.spawn(|| callback.call::<_, CallbackReply>(&receive_call(6), TEST_TIMEOUT));
                    reply(&mut call, &joined_reply(1, true));
                    assert!(matches!(harness.next_event(), UiEvent::Connected { .. }));
                    assert_eq!(next_request(&mut call), Request::Who);
                    let early = harness.event_rx.recv_timeout(Duration::from_millis(200)).ok();
                    reply(&mut call, &who);
                    assert_eq!(delivery.join().unwrap().unwrap(), CallbackReply::Received);
                    let said = UiEvent::Event { event: message_event(6), earlier: false };
                    let expected: Vec<UiEvent> = line.into_iter().chain([said]).collect();
                    let rest = expected.len() - early.iter().len();
                    let shown: Vec<UiEvent> =
                        early.clone().into_iter().chain((0..rest).map(|_| harness.next_event())).collect();
                    // Later than this, the client shows what is said without the line.
                    if began.elapsed() < Duration::from_secs(2) {
                        assert_eq!((early, shown), (None, expected));
                    }
                });
                harness.stop(&mut call);
            },
        );
    }
}

#[test]
fn what_is_said_does_not_wait_for_a_server_that_does_not_say_who_is_here() {
    run_client(
        |options| options.member.asks_who = true,
        |harness| {
            let (mut call, mut callback, _) = harness.accept_member(1);
            assert_eq!(next_request(&mut call), Request::Who);
            let _: CallbackReply = callback.call(&receive_call(6), TEST_TIMEOUT).unwrap();
            reply(&mut call, &Reply::People { people: Vec::new(), total: 1 });
            harness.stop(&mut call);
        },
    );
}

#[test]
fn only_the_first_join_asks_who_is_here() {
    run_client(
        |options| options.member.asks_who = true,
        |harness| {
            let (mut call, callback, _) = harness.accept_member(1);
            assert_eq!(next_request(&mut call), Request::Who);
            drop((call, callback));
            // The first one is resumed, and the second one is new.
            for reply_to_resume in [None, Some(Cause::UnknownSession)] {
                let (mut call, mut join) = harness.accept_join();
                if let Some(cause) = reply_to_resume {
                    refuse(&mut call, cause);
                    let Request::Join(anew) = next_request(&mut call) else { panic!("it joins anew") };
                    join = anew;
                }
                let _callback = dial(&join).unwrap();
                reply(&mut call, &joined_reply(1, true));
                harness.says("hello");
                assert_eq!(broadcast(next_request(&mut call)).1, "hello");
                reply(&mut call, &Reply::Accepted { sequence: 6 });
            }
        },
    );
}

#[test]
fn a_client_that_comes_back_under_another_name_says_so() {
    run_client(
        |options| options.member.may_add_number = true,
        |harness| {
            drop(harness.accept_member(1));
            let (mut call, _) = harness.accept_join();
            refuse(&mut call, Cause::UnknownSession);
            let Request::Join(_) = next_request(&mut call) else { panic!("it joins anew") };
            refuse(&mut call, Cause::NameTaken);
            let Request::Join(join) = next_request(&mut call) else { panic!("with a number") };
            let _callback = dial(&join).unwrap();
            reply(&mut call, &joined_reply(2, true));
            while !matches!(harness.next_event(), UiEvent::Rejoined { .. }) {}
            assert_eq!(harness.next_event(), UiEvent::Renamed { name: "Alice-2".into() });
            harness.stop(&mut call);
        },
    );
}
