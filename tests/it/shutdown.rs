//! The room ends in good order: what was accepted is delivered, everybody reads why, every thread is joined.

use chat_common::protocol::{EventKind, Request};
use chat_server::limits::Limits;
use chat_tests::{
    checker::assert_clean,
    history::MemberHistory,
    member::Member,
    process::Program,
    raw::{self, RawPeer},
    server::{without_rate_limit, TestServer},
    watchdog::poll,
};
use std::{env, net::SocketAddr, thread, time::Duration};

/// How often the scenario with a signal under load is played; `make faults` plays it more often.
fn rounds() -> usize {
    env::var("CHAT_ROUNDS").ok().and_then(|count| count.parse().ok()).unwrap_or(5)
}

#[test]
fn everybody_reads_why_the_room_ends() {
    let server = TestServer::start();
    let mut ann = Member::join(server.address(), "ann");
    let bob = Member::join(server.address(), "bob");
    ann.say("last words");
    server.request_stop();
    for member in [&ann, &bob] {
        member.hear("the end of the room", |kind| matches!(kind, EventKind::Ended { .. }));
    }
    bob.hear_text("last words");
    server.stop();
    assert_clean(&[ann.history(), bob.history()]);
}

#[test]
fn an_empty_room_ends_too() {
    TestServer::start().stop();
}

#[test]
fn a_stranger_who_says_nothing_does_not_hold_up_the_end() {
    let server = TestServer::start();
    let _silent = RawPeer::connect(server.address());
    let _waiting = RawPeer::connect_call(server.address()).unwrap();
    server.stop();
}

#[test]
fn a_stuck_recipient_holds_up_the_end_no_longer_than_the_drain() {
    let hour = Duration::from_secs(3600);
    let limits =
        Limits { drain_timeout: Duration::from_millis(300), receive_timeout: hour, ..without_rate_limit() };
    let server = TestServer::with_limits(limits);
    let mut call = RawPeer::connect_call(server.address()).unwrap();
    let token = raw::random_token();
    call.join("stuck", token).unwrap();
    let _stuck = RawPeer::connect_callback(server.address(), token).unwrap();
    let mut ann = Member::join(server.address(), "ann");
    for number in 0..100 {
        ann.say(&format!("{number}"));
    }
    server.stop();
}

/// Three speak without a pause, three listen; meanwhile the server gets the signal.
fn signal_under_load(signal: &str, round: usize) {
    let (mut server, address) = Program::server(&["--rate-burst", "0", "--drain-timeout", "30s"]);
    let listeners = ["x", "y", "z"].map(|name| Member::join(address, name));
    let speakers = ["ann", "bob", "cid"].map(|name| Member::join(address, name));
    let people: Vec<MemberHistory> = thread::scope(|scope| {
        let speaking = speakers.map(|mut speaker| {
            scope.spawn(move || {
                let mut number = 0;
                while speaker.try_say(&format!("{} {number}", speaker.name())).is_ok() {
                    number += 1;
                }
                speaker.hear("the end of the room", |kind| matches!(kind, EventKind::Ended { .. }));
                speaker.history()
            })
        });
        listeners[0].hear(
            "the talk to begin",
            |kind| matches!(kind, EventKind::Message { message_id, .. } if *message_id > 20),
        );
        server.signal(signal);
        speaking.map(|speaker| speaker.join().unwrap()).into()
    });
    for listener in &listeners {
        listener.hear("the end of the room", |kind| matches!(kind, EventKind::Ended { .. }));
    }
    assert_eq!(server.exits(), Some(0), "round {round}: {}", server.error_output());
    let mut people = people;
    people.extend(listeners.iter().map(Member::history));
    assert_clean(&people);
}

#[test]
fn a_signal_under_load_loses_nothing_that_was_accepted() {
    for round in 0..rounds() {
        signal_under_load(if round % 2 == 0 { "TERM" } else { "INT" }, round);
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (mut server, address) = Program::server(&["--drain-timeout", "3600s", "--receive-timeout", "3600s"]);
    let _stuck = stuck_member(address);
    server.signal("TERM");
    server.logs("stopping");
    // Signals that come at the very same moment are one wish, so this is said until it is heard as a second one.
    poll("the second signal to be heard", || {
        server.signal("TERM");
        server.error_output().contains("second signal").then_some(())
    });
    assert_eq!(server.exits(), Some(130));
}

/// A member that never serves its callback.
fn stuck_member(address: SocketAddr) -> (RawPeer, RawPeer) {
    let mut call = RawPeer::connect_call(address).unwrap();
    let token = raw::random_token();
    call.join("stuck", token).unwrap();
    let callback = RawPeer::connect_callback(address, token).unwrap();
    call.ask(&Request::Ping).unwrap();
    (call, callback)
}

#[test]
fn the_client_says_why_the_room_ends() {
    let (mut server, address) = Program::server(&[]);
    let sara = Program::joined_client(address, "Sara");
    server.signal("TERM");
    sara.sees("shutting down");
    assert_eq!(server.exits(), Some(0));
    drop(sara);
}
