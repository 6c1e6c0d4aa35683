//! What a program needs that serves others: a session that begins with a secret and a place, messages that
//! come with an id, and one line for all.

use crate::harness::{
    broadcast, dial, joined_reply, next_request, receive_call, refuse, reply, run_client, Harness,
    TEST_TIMEOUT,
};
use chat_client::{json_objects, parse_line, Input, InputId, Outcome, Rejoin, Stop, UiEvent, Utterance};
use chat_common::wire::{
    protocol::{Callback, CallbackReply, Cause, Event, EventKind, Place, Reply, Request},
    token::Token,
};

const PLACE: Place = Place { room: 1, sequence: 8 };

fn token() -> Token {
    Token::from_bytes([7; 16])
}

#[test]
fn a_session_is_resumed_from_its_place_and_shows_only_what_is_new() {
    run_client(
        |options| options.member.session = Some((token(), Some(PLACE))),
        |harness| {
            let (mut call, join) = harness.accept_join();
            assert_eq!((join.token, join.resume, join.since), (token(), Some(8), Some(PLACE)));
            let mut callback = dial(&join).unwrap();
            reply(&mut call, &joined_reply(1, true));
            let UiEvent::Resumed { joined, queued: 0 } = harness.next_event() else {
                panic!("the session goes on")
            };
            assert_eq!((joined.room, joined.text_limit), (1, 10));
            for sequence in [8, 9] {
                let _: CallbackReply = callback.call(&receive_call(sequence), TEST_TIMEOUT).unwrap();
            }
            assert!(matches!(harness.next_event(), UiEvent::Event { event, .. } if event.sequence == 9));
            harness.stop(&mut call);
        },
    );
}

#[test]
fn a_session_that_goes_on_does_not_wait_for_history_at_the_end_of_the_input() {
    run_client(
        |options| (options.member.session, options.member.history) = (Some((token(), Some(PLACE))), 5),
        |harness| {
            let (mut call, join) = harness.accept_join();
            let _callback = dial(&join).unwrap();
            reply(&mut call, &joined_reply(1, true));
            harness.wants(Input::End);
            assert_eq!(next_request(&mut call), Request::Leave);
        },
    );
}

#[test]
fn a_session_that_the_server_has_forgotten_is_a_new_one_that_asks_for_what_it_has_missed() {
    for (room, why) in [(1, Rejoin::Late), (2, Rejoin::Restarted)] {
        run_client(
            |options| options.member.session = Some((token(), Some(Place { sequence: 2, ..PLACE }))),
            |harness| {
                let (mut call, _) = harness.accept_join();
                refuse(&mut call, Cause::UnknownSession);
                let Request::Join(join) = next_request(&mut call) else { panic!("the client joins anew") };
                assert_eq!((join.token, join.resume, join.history), (token(), None, u32::MAX));
                assert_eq!(join.since, Some(Place { sequence: 2, ..PLACE }));
                let _callback = dial(&join).unwrap();
                reply(&mut call, &joined_reply(room, true));
                assert!(matches!(harness.next_event(), UiEvent::Rejoined { why: told, .. } if told == why));
                harness.stop(&mut call);
            },
        );
    }
}

#[test]
fn a_message_keeps_the_id_that_comes_with_it_and_is_accepted_under_it() {
    run_client(
        |_| {},
        |harness| {
            let (mut call, _callback, _) = harness.accept_member(1);
            let long = "longer than ten bytes";
            harness.wants(parse_line(br#"{"say":"longer than ten bytes","message_id":41}"#).unwrap());
            assert_eq!(broadcast(next_request(&mut call)), (41, long.into()), "and it is not split");
            reply(&mut call, &Reply::Accepted { sequence: 9 });
            harness.wants(Input::message("short"));
            assert_ne!(broadcast(next_request(&mut call)).0, 41);
            reply(&mut call, &Reply::Accepted { sequence: 10 });
            let accepted = [(); 2].map(|()| loop {
                let event = harness.next_event();
                if matches!(event, UiEvent::Accepted { .. }) {
                    break event;
                }
            });
            let utterance = Utterance::Message(long.into());
            assert_eq!(accepted[0], UiEvent::Accepted { message_id: Some(41), sequence: 9, utterance });
            assert!(json_objects(&accepted[0])[0].contains(",\"message_id\":41,"));
            assert!(!json_objects(&accepted[1])[0].contains("message_id"));
            harness.stop(&mut call);
        },
    );
}

/// Returns the objects with an id until one of them has this text.
fn objects_with_id(harness: &Harness, last: &str) -> Vec<String> {
    let mut objects = Vec::new();
    while objects.last().is_none_or(|object: &String| !object.contains(last)) {
        objects.extend(
            json_objects(&harness.next_event()).into_iter().filter(|object| object.contains("\"id\"")),
        );
    }
    objects
}

#[test]
fn an_id_comes_back_with_what_became_of_the_line_also_after_a_lost_connection() {
    run_client(
        |_| {},
        |harness| {
            let (mut call, callback, _) = harness.accept_member(1);
            for line in [
                r#"{"id":"a","say":"longer than ten bytes"}"#,
                r#"{"id":2,"to":"Tom","text":"hi","message_id":9000}"#,
                r#"{"id":3,"who":true}"#,
                r#"{"id":4,"history":5}"#,
                r#"{"id":5,"name":"Sal"}"#,
                r#"{"do":"waves"}"#,
            ] {
                harness.wants(parse_line(line.as_bytes()).unwrap());
            }
            assert_eq!(broadcast(next_request(&mut call)).1, "longer tha");
            reply(&mut call, &Reply::Accepted { sequence: 6 });
            assert_eq!(broadcast(next_request(&mut call)).1, "n ten byte");
            drop((call, callback));
            let (mut call, join) = harness.accept_join();
            let _callback = dial(&join).unwrap();
            reply(&mut call, &joined_reply(1, true));
            for sequence in 7..=9 {
                let _ = next_request(&mut call);
                reply(&mut call, &Reply::Accepted { sequence });
            }
            for request in [Request::Who, Request::History { count: 5, before: None }] {
                assert_eq!(next_request(&mut call), request);
                refuse(&mut call, Cause::Unsupported);
            }
            assert!(matches!(next_request(&mut call), Request::Rename { .. }));
            refuse(&mut call, Cause::NameTaken);
            assert!(matches!(next_request(&mut call), Request::Action { .. }));
            reply(&mut call, &Reply::Accepted { sequence: 10 });
            harness.wants(Input::WithId {
                id: InputId::Number(6),
                input: Box::new(Input::Mistake("line 7: it is wrong".into())),
            });
            let objects = objects_with_id(&harness, "line 7");
            let ends: Vec<(&str, &str)> = objects
                .iter()
                .map(|object| (object.split('"').nth(3).unwrap(), object.rsplit_once(',').unwrap().1))
                .collect();
            let expected = [
                ("accepted", r#""id":"a"}"#),
                ("accepted", r#""id":"a"}"#),
                ("accepted", r#""id":"a"}"#),
                ("accepted", r#""id":2}"#),
                ("refused", r#""id":3}"#),
                ("refused", r#""id":4}"#),
                ("refused", r#""id":5}"#),
                ("mistake", r#""id":6}"#),
            ];
            assert_eq!(ends, expected, "{objects:#?}");
            assert!(objects[3].contains(",\"message_id\":9000,"), "{}", objects[3]);
            harness.stop(&mut call);
        },
    );
}

#[test]
fn history_and_who_are_values_and_a_page_before_a_message_is_one() {
    run_client(
        |_| {},
        |harness| {
            let (mut call, _callback, _) = harness.accept_member(1);
            for (line, request) in [
                (&br#"{"who":true}"#[..], Request::Who),
                (br#"{"history":5}"#, Request::History { count: 5, before: None }),
                (br#"{"history":50,"before":40}"#, Request::History { count: 50, before: Some(40) }),
            ] {
                harness.wants(parse_line(line).unwrap());
                assert_eq!(next_request(&mut call), request);
                refuse(&mut call, Cause::Unsupported);
            }
            harness.stop(&mut call);
        },
    );
}

#[test]
fn what_everybody_is_told_has_the_same_line_in_each_session() {
    let [name, text, author] = ["Sara", "hello", "Sara"].map(str::to_owned);
    let (message_id, repeated) = (1, false);
    let kinds = [
        EventKind::Joined { name: name.clone() },
        EventKind::Message { author: author.clone(), message_id, repeated, text: text.clone() },
        EventKind::Action { author: author.clone(), message_id, repeated, text: text.clone() },
        EventKind::Private { author, message_id, repeated, text: text.clone() },
        EventKind::Missed { first: 10, messages: true },
        EventKind::Renamed { from: name.clone(), to: "Sal".into() },
        EventKind::Left { name, reason: None },
        EventKind::Notice { text },
    ];
    let events: Vec<Event> =
        (6..).zip(kinds).map(|(sequence, kind)| Event { sequence, time: 7, kind }).collect();
    let lines = |harness: &Harness| {
        let (mut call, mut callback, _) = harness.accept_member(1);
        let all = Callback::Receive { answer: true, events: events.clone() };
        let _: CallbackReply = callback.call(&all, TEST_TIMEOUT).unwrap();
        harness.stop(&mut call);
        reply(&mut call, &Reply::Left);
        harness.outcome();
        let shown = harness.event_rx.try_iter();
        let for_all = shown.filter_map(|event| Some((event.sequence_for_all()?, json_objects(&event))));
        for_all.collect::<Vec<_>>()
    };
    run_client(
        |_| {},
        |one| {
            run_client(
                |options| options.member.name = Some("Sara".into()),
                |other| {
                    let lines_of_one = lines(&one);
                    assert_eq!(lines_of_one, lines(&other));
                    let sequences: Vec<u64> = lines_of_one.iter().map(|(sequence, _)| *sequence).collect();
                    assert_eq!(sequences, [6, 7, 8, 11, 12, 13]);
                },
            );
        },
    );
}

#[test]
fn a_session_begins_with_the_secret_that_it_was_given() {
    run_client(
        |options| options.member.session = Some((token(), None)),
        |harness| {
            let (mut call, join) = harness.accept_join();
            assert_eq!((join.token, join.resume, join.since), (token(), None, None));
            let _callback = dial(&join).unwrap();
            reply(&mut call, &joined_reply(1, true));
            assert!(matches!(harness.next_event(), UiEvent::Connected { .. }));
            harness.stop(&mut call);
        },
    );
}

#[test]
fn a_program_learns_the_cause_of_a_refused_join() {
    run_client(
        |_| {},
        |harness| {
            let (mut call, _) = harness.accept_join();
            refuse(&mut call, Cause::Banned);
            let refused = harness.event_rx.recv_timeout(TEST_TIMEOUT).unwrap();
            assert!(matches!(&refused, UiEvent::JoinRefused(refusal) if refusal.cause == Cause::Banned));
            assert_eq!(json_objects(&refused), [""; 0]);
            assert!(matches!(harness.next_event(), UiEvent::Failed(_)));
        },
    );
}

#[test]
fn a_run_that_is_detached_ends_and_does_not_leave() {
    run_client(
        |options| options.stay = true,
        |harness| {
            let (mut call, join) = harness.accept_join();
            let _callback = dial(&join).unwrap();
            reply(&mut call, &joined_reply(1, true));
            assert!(matches!(harness.next_event(), UiEvent::Connected { .. }));
            harness.stop_tx.send(Stop::Detach).unwrap();
            assert_eq!(harness.outcome(), Outcome::Left);
            let next = call.next_request::<Request>(TEST_TIMEOUT, TEST_TIMEOUT);
            assert!(matches!(next, Ok(None)), "{next:?}");
        },
    );
}
