//! Every limit is enforced: what is within it passes, what is over it is told so.
//! The limits on frames are in `hostile`, on the log in `slow`, on resuming in `resume`, on addresses beside their code.

use chat_common::{
    error::RpcError,
    protocol::{Cause, EventKind, Join, Reply, Request},
    status::Status,
};
use chat_server::limits::{Bytes, Limits};
use chat_tests::{
    checker::assert_clean,
    member::{Callbacks, Member, MemberError},
    process::Program,
    raw::{self, RawPeer},
    server::{without_rate_limit, TestServer},
};
use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

fn cause<T: std::fmt::Debug>(result: Result<T, MemberError>) -> Cause {
    match result {
        Err(MemberError::Refused(refusal)) => refusal.cause,
        other => panic!("{other:?} is no refusal"),
    }
}

#[test]
fn a_text_has_a_length() {
    let server = TestServer::with_limits(Limits { max_text: Bytes(100), ..without_rate_limit() });
    let mut ann = Member::join(server.address(), "ann");
    ann.say(&"x".repeat(100));
    assert_eq!(cause(ann.try_say(&"x".repeat(101))), Cause::InvalidText);
    assert_eq!(cause(ann.try_say("")), Cause::InvalidText);
    ann.say("and goes on");
}

#[test]
fn a_name_has_a_length() {
    let server = TestServer::with_limits(Limits { max_name: 5, ..without_rate_limit() });
    Member::join(server.address(), "abcde");
    assert_eq!(cause(Member::try_join(server.address(), "abcdef", Callbacks::Open)), Cause::InvalidName);
}

#[test]
fn connections_are_counted_and_their_places_freed() {
    let server = TestServer::with_limits(Limits { max_connections: 3, ..without_rate_limit() });
    let mut ann = Member::join(server.address(), "ann");
    let strangers =
        [RawPeer::connect_call(server.address()).unwrap(), RawPeer::connect_call(server.address()).unwrap()];
    let refused = RawPeer::connect_call(server.address()).unwrap_err();
    assert!(matches!(refused, RpcError::Refused { status: Status::Busy, .. }), "{refused:?}");
    drop(strangers);
    chat_tests::watchdog::poll("the places to be free", || {
        Member::try_join(server.address(), "bob", Callbacks::Open).ok()
    });
    ann.say("still here");
}

#[test]
fn a_member_over_the_rate_waits_and_loses_nothing() {
    let server = TestServer::with_limits(Limits { rate_burst: 10, rate: 100, ..Limits::default() });
    let mut ann = Member::join(server.address(), "ann");
    let mut bob = Member::join(server.address(), "bob");
    let began = Instant::now();
    for number in 0..31 {
        ann.say(&format!("{number}"));
    }
    // Ten pass at once; twenty wait for a hundredth of a second each; the wait of the last one follows its reply.
    assert!(began.elapsed() >= Duration::from_millis(190), "{:?}", began.elapsed());
    let end = bob.say("not held up");
    ann.hear_up_to(end);
    bob.hear_up_to(end - 1);
    assert_clean(&[ann.history(), bob.history()]);
}

#[test]
fn a_full_channel_is_told_and_nothing_is_lost_or_doubled_by_it() {
    let server = TestServer::with_limits(Limits { queue: 1, ..without_rate_limit() });
    let names = ["ann", "bob", "cid", "dan", "eve", "fay"];
    let mut members = names.map(|name| Member::join(server.address(), name));
    let mut rounds = 0;
    // Whether two commands meet in the channel is up to the system, so they go on until some have.
    while members.iter().map(Member::busy_count).sum::<usize>() == 0 {
        thread::scope(|scope| {
            for member in &mut members {
                scope.spawn(move || {
                    for number in 0..200 {
                        member.say(&format!("{} {rounds} {number}", member.name()));
                    }
                });
            }
        });
        rounds += 1;
        assert!(rounds < 100, "the channel was never full");
    }
    members[0].say("ann is done");
    let end = members[1].say("the end");
    members
        .iter()
        .enumerate()
        .filter(|(number, _)| *number != 1)
        .for_each(|(_, member)| member.hear_up_to(end));
    members[1].hear_text("ann is done");
    assert_clean(&members.each_ref().map(Member::history));
}

#[test]
fn a_listener_that_does_not_answer_is_given_up() {
    let server =
        TestServer::with_limits(Limits { dial_timeout: Duration::from_millis(100), ..without_rate_limit() });
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = RawPeer::connect_call(server.address()).unwrap();
    let (token, port) = (raw::random_token(), silent.local_addr().unwrap().port());
    let joined =
        peer.join_with(Join { name: "x".to_owned(), token, port, history: 0, resume: None }).unwrap();
    assert!(!joined.called_back);
    // It takes part all the same, by dialling the server.
    let mut callback = RawPeer::connect_callback(server.address(), token).unwrap();
    Member::join(server.address(), "ann").say("hello");
    while !format!("{:?}", callback.serve_receive().unwrap()).contains("hello") {}
}

#[test]
fn a_silent_member_is_dead_after_a_while() {
    let short = Limits { dead_after: Duration::from_millis(200), ..without_rate_limit() };
    let server = TestServer::with_limits(short);
    let mut peer = RawPeer::connect_call(server.address()).unwrap();
    peer.join("silent", raw::random_token()).unwrap();
    // Ann is silent too, but for her pings; on a slow machine she may be late with them and comes back.
    let mut ann = Member::join(server.address(), "ann");
    chat_tests::watchdog::poll("the silent one to leave", || {
        if ann.ask(&Request::Ping).is_err() {
            ann.reconnect();
        }
        let left = |what: &EventKind| matches!(what, EventKind::Left { name, reason: Some(why) } if name == "silent" && why == "not responding");
        ann.history().events().any(|event| left(&event.kind)).then_some(())
    });
    assert!(matches!(peer.ask(&Request::Ping), Err(_) | Ok(Reply::Refused(_))));
}

#[test]
fn the_limits_in_force_are_logged_at_start() {
    let (server, _) = Program::server(&["--max-text", "1KiB", "--rate=7"]);
    server.logs("limits: ");
    server.logs("max-text 1KiB");
    server.logs("rate 7");
    server.logs("max-connections 1024");
}
