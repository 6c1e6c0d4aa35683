//! The server stops in good order: it delivers what it accepted, tells every member why, and joins every
//! thread.

use chat_common::wire::{protocol::EventKind, rpc::Wait};
use chat_server::Limits;
use chat_tests::{
    checker::assert_clean,
    history::MemberHistory,
    member::Member,
    process::{binary, Program},
    raw::{self, RawPeer},
    server::{without_rate_limit, TestServer},
    stuck::StuckOutput,
    watchdog::{poll, WATCHDOG_TIMEOUT},
};
use std::{
    env,
    net::SocketAddr,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// How often the scenario with a signal under load runs. `make faults` runs it more often.
fn rounds() -> usize {
    env::var("CHAT_ROUNDS").ok().and_then(|count| count.parse().ok()).unwrap_or(5)
}

#[test]
fn every_member_receives_the_end_of_the_room() {
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
    assert_clean(|| [ann.history(), bob.history()]);
}

#[test]
fn an_empty_room_stops() {
    TestServer::start().stop();
}

#[test]
fn a_silent_connection_does_not_delay_the_stop() {
    let server = TestServer::start();
    let _silent = RawPeer::connect(server.address());
    let _silent_after_hello = RawPeer::connect_call(server.address()).unwrap();
    server.stop();
}

#[test]
fn a_stuck_recipient_does_not_delay_the_stop_beyond_the_drain_timeout() {
    let hour = Duration::from_secs(3600);
    let limits =
        Limits { drain_timeout: Duration::from_millis(300), receive_timeout: hour, ..without_rate_limit() };
    let server = TestServer::with_limits(limits);
    let mut call = RawPeer::connect_call(server.address()).unwrap();
    let token = raw::random_token();
    call.join("stuck", token).unwrap();
    let _stuck = call.connect_callback(server.address(), token).unwrap();
    let mut ann = Member::join(server.address(), "ann");
    for number in 0..100 {
        ann.say(&format!("{number}"));
    }
    server.stop();
}

/// Sends the server a signal while three members speak without a pause and three listen.
fn signal_under_load(signal: &str, round: usize) {
    eprintln!(
        "Ann, Bob and Cid speak without a pause, three others listen, and the server gets SIG{signal}."
    );
    let (mut server, address) = Program::server(&["--rate-burst", "0", "--drain-timeout", "30s"]);
    let listeners = ["x", "y", "z"].map(|name| Member::join(address, name));
    let speakers = ["ann", "bob", "cid"].map(|name| Member::join(address, name));
    let mut histories: Vec<MemberHistory> = thread::scope(|scope| {
        let speaker_threads = speakers.map(|mut speaker| {
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
            "twenty messages of one author",
            |kind| matches!(kind, EventKind::Message { message_id, .. } if *message_id > 20),
        );
        server.signal(signal);
        speaker_threads.map(|speaker| speaker.join().unwrap()).into()
    });
    for listener in &listeners {
        listener.hear("the end of the room", |kind| matches!(kind, EventKind::Ended { .. }));
    }
    assert_eq!(server.exits(), Some(0), "round {round}: {}", server.error_output());
    histories.extend(listeners.iter().map(Member::history));
    assert_clean(|| &histories);
    let accepted = histories.iter().flat_map(|member| &member.sent).filter(|sent| sent.accepted.is_some());
    eprintln!(
        "  It had accepted {} messages. Everybody got each of the others' messages once, and then the end of \
         the room. Its exit code is 0.",
        accepted.count()
    );
}

#[test]
fn a_signal_under_load_loses_nothing_that_was_accepted() {
    for round in 0..rounds() {
        signal_under_load(if round % 2 == 0 { "TERM" } else { "INT" }, round);
    }
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let says_why = || {
        let (mut server, address) =
            Program::server(&["--drain-timeout", "3600s", "--receive-timeout", "3600s"]);
        let _stuck = stuck_member(address);
        server.signal("TERM");
        server.logs("stopping");
        assert_eq!(ends_at_a_further_signal(&mut server), Some(130));
        server.exits();
        server.error_output().contains("stopped by a second signal")
    };
    // It waits 300 ms for the reader of its log, which is short on a busy machine.
    assert!((0..20).any(|_| says_why()), "no server has said why it ends");
}

/// Sends the server a signal until it ends, and returns its exit code. The system merges signals that arrive
/// at the same moment, and a server that ends at once does not wait until its last words are read.
fn ends_at_a_further_signal(server: &mut Program) -> Option<i32> {
    let status = poll("the server to end", || {
        server.signal("TERM");
        server.has_exited()
    });
    status.code()
}

#[test]
fn a_second_signal_ends_a_server_whose_log_nobody_reads() {
    let log = StuckOutput::full().unwrap();
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0", "--drain-timeout", "3600s", "--receive-timeout", "3600s"]);
    let (mut server, address) = Program::start_server_with(&mut command, log.stdio().unwrap());
    let _stuck = stuck_member(address);
    assert_eq!(ends_at_a_further_signal(&mut server), Some(130));
}

/// Both connections of a member that never serves its callback. A call waits there.
fn stuck_member(address: SocketAddr) -> (RawPeer, RawPeer) {
    let mut call = RawPeer::connect_call(address).unwrap();
    let token = raw::random_token();
    call.join("stuck", token).unwrap();
    let mut callback = call.connect_callback(address, token).unwrap();
    // The room takes the callback a moment after the server has accepted it.
    Member::join(address, "passer-by").leave();
    let called = callback.connection.wait(Instant::now() + WATCHDOG_TIMEOUT);
    assert!(matches!(called, Ok(Wait::Ready)), "{called:?}");
    (call, callback)
}

#[test]
fn the_client_shows_why_the_room_ends() {
    let (mut server, address) = Program::server(&[]);
    let sara = Program::joined_client(address, "Sara");
    server.signal("TERM");
    sara.sees("shutting down");
    assert_eq!(server.exits(), Some(0));
    drop(sara);
}
