//! The server enforces every limit: it accepts what is within a limit and refuses what exceeds it.
//!
//! The limits of frames are tested in `hostile`, of the log in `slow`, of resuming in `resume`, of addresses
//! beside their code.

use chat_common::wire::{
    error::RpcError,
    protocol::{Cause, EventKind, Join, Reply, Request},
    status::Status,
};
use chat_server::{Bytes, Limits};
use chat_tests::{
    checker::assert_clean,
    member::{Callbacks, Member, MemberError},
    process::{binary, Program},
    raw::{self, RawPeer},
    server::{without_rate_limit, TestServer},
    watchdog::poll,
};
use std::{
    net::TcpListener,
    process::Command,
    thread,
    time::{Duration, Instant},
};

fn cause<T: std::fmt::Debug>(result: Result<T, MemberError>) -> Cause {
    match result {
        Err(MemberError::Refused(refusal)) => refusal.cause,
        other => panic!("the server did not refuse: {other:?}"),
    }
}

#[test]
fn a_text_over_the_limit_is_refused() {
    let server = TestServer::with_limits(Limits { max_text: Bytes(100), ..without_rate_limit() });
    let mut ann = Member::join(server.address(), "ann");
    ann.say(&"x".repeat(100));
    assert_eq!(cause(ann.try_say(&"x".repeat(101))), Cause::InvalidText);
    assert_eq!(cause(ann.try_say("")), Cause::InvalidText);
    ann.say("still here");
}

#[test]
fn a_name_over_the_limit_is_refused() {
    let server = TestServer::with_limits(Limits { max_name: 5, ..without_rate_limit() });
    Member::join(server.address(), "abcde");
    assert_eq!(cause(Member::try_join(server.address(), "abcdef", Callbacks::Open)), Cause::InvalidName);
}

#[test]
fn a_connection_over_the_limit_is_refused_until_another_one_closes() {
    let server = TestServer::with_limits(Limits { max_connections: 3, ..without_rate_limit() });
    let mut ann = Member::join(server.address(), "ann");
    let strangers =
        [RawPeer::connect_call(server.address()).unwrap(), RawPeer::connect_call(server.address()).unwrap()];
    let refused = RawPeer::connect_call(server.address()).unwrap_err();
    assert!(matches!(refused, RpcError::Refused { status: Status::Busy, .. }), "{refused:?}");
    drop(strangers);
    poll("the server to count the closed connections", || {
        Member::try_join(server.address(), "bob", Callbacks::Open).ok()
    });
    ann.say("still here");
}

#[test]
fn a_member_over_the_rate_limit_waits_and_loses_nothing() {
    let server = TestServer::with_limits(Limits { rate_burst: 10, rate: 100, ..Limits::default() });
    let mut ann = Member::join(server.address(), "ann");
    let mut bob = Member::join(server.address(), "bob");
    let start = Instant::now();
    for number in 0..31 {
        ann.say(&format!("{number}"));
    }
    // Ten messages pass at once, and twenty wait for 10 ms each. The wait of the last one follows its reply.
    assert!(start.elapsed() >= Duration::from_millis(190), "{:?}", start.elapsed());
    let end = bob.say("not delayed");
    ann.hear_up_to(end);
    bob.hear_up_to(end - 1);
    assert_clean(|| [ann.history(), bob.history()]);
}

#[test]
fn the_members_of_an_address_share_its_rate_and_lose_nothing() {
    let limits = Limits { address_burst: 20, address_rate: 100, ..Limits::default() };
    let server = TestServer::with_limits(limits);
    let start = Instant::now();
    let mut members = ["ann", "bob", "cid"].map(|name| Member::join(server.address(), name));
    let mut end = 0;
    for number in 0..20 {
        for member in &mut members {
            end = member.say(&format!("{} {number}", member.name()));
        }
    }
    // The three joins are requests, too. Twenty requests pass at once, and the others take 10 ms each. The
    // waits of the last three follow their replies.
    assert!(start.elapsed() >= Duration::from_millis(390), "{:?}", start.elapsed());
    let [ann, bob, cid] = &members;
    [ann, bob].into_iter().for_each(|member| member.hear_up_to(end));
    // A member does not receive what it said itself.
    cid.hear_up_to(end - 1);
    assert_clean(|| members.each_ref().map(Member::history));
}

#[test]
fn a_long_message_costs_its_address_what_it_takes_of_the_memory() {
    let limits = Limits { address_burst: 20, address_rate: 100, ..Limits::default() };
    let server = TestServer::with_limits(limits);
    let start = Instant::now();
    let mut ann = Member::join(server.address(), "ann");
    let text = "x".repeat(4096);
    for _ in 0..20 {
        ann.say(&text);
    }
    // Each message costs five requests, and the wait of the last one follows its reply.
    assert!(start.elapsed() >= Duration::from_millis(750), "{:?}", start.elapsed());
}

#[test]
fn a_wait_for_the_rate_ends_with_the_connection() {
    const COUNT: usize = 9;
    // With this recipient a message costs eight requests, whatever becomes of it.
    let long_recipient =
        Request::Private { message_id: 1, repeated: false, to: "é".repeat(30_000), text: "hi".to_owned() };
    let server = TestServer::with_limits(Limits {
        max_connections: COUNT,
        address_burst: COUNT,
        address_rate: 1,
        ..Limits::default()
    });
    let mut crowd: Vec<RawPeer> =
        (0..COUNT).map(|_| RawPeer::connect_call(server.address()).unwrap()).collect();
    for (number, peer) in crowd.iter_mut().enumerate() {
        peer.join(&format!("m{number}"), raw::random_token()).unwrap();
    }
    // Together they now wait for longer than the watchdog does.
    for peer in &mut crowd {
        let reply = peer.ask(&long_recipient).unwrap();
        assert!(matches!(&reply, Reply::Refused(_)), "{reply:?}");
    }
    drop(crowd);
    let connect = |_| RawPeer::connect_call(server.address());
    poll("all places to be free", || (0..COUNT).map(connect).collect::<Result<Vec<_>, _>>().ok());
}

#[test]
fn a_full_channel_refuses_as_busy_and_loses_and_doubles_nothing() {
    let server = TestServer::with_limits(Limits { queue: 1, ..without_rate_limit() });
    let names = ["ann", "bob", "cid", "dan", "eve", "fay"];
    let mut members = names.map(|name| Member::join(server.address(), name));
    let mut rounds = 0;
    // The scheduler decides whether two commands meet in the channel, so the members speak until that has
    // happened.
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
    assert_clean(|| members.each_ref().map(Member::history));
}

#[test]
fn a_client_whose_listener_does_not_answer_can_open_the_callback_connection() {
    let server =
        TestServer::with_limits(Limits { dial_timeout: Duration::from_millis(100), ..without_rate_limit() });
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = RawPeer::connect_call(server.address()).unwrap();
    let (token, port) = (raw::random_token(), silent.local_addr().unwrap().port());
    let joined = peer.join_with(Join::new("x", token, port)).unwrap();
    assert!(!joined.called_back);
    // The client can still open the callback connection itself.
    let mut callback = peer.connect_callback(server.address(), token).unwrap();
    Member::join(server.address(), "ann").say("hello");
    poll("ann's hello", || {
        let received = callback.serve_receive().unwrap();
        format!("{received:?}").contains("hello").then_some(())
    });
}

#[test]
fn a_silent_member_is_removed_after_the_dead_time() {
    let short = Limits { dead_after: Duration::from_millis(200), ..without_rate_limit() };
    let server = TestServer::with_limits(short);
    let mut peer = RawPeer::connect_call(server.address()).unwrap();
    peer.join("silent", raw::random_token()).unwrap();
    // Ann sends nothing but pings. On a slow machine they may be late, and then she reconnects.
    let mut ann = Member::join(server.address(), "ann");
    poll("silent to leave", || {
        if ann.ask(&Request::Ping).is_err() {
            ann.reconnect();
        }
        let reason_of = |kind: &EventKind| match kind {
            EventKind::Left { name, reason } if name == "silent" => reason.clone(),
            _ => None,
        };
        let reason = ann.history().events().find_map(|event| reason_of(&event.kind));
        (reason.as_deref() == Some("not responding")).then_some(())
    });
    assert!(matches!(peer.ask(&Request::Ping), Err(_) | Ok(Reply::Refused(_))));
}

#[test]
fn the_limits_in_force_are_logged_at_start_for_those_who_debug() {
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0", "--max-text", "1KiB", "--rate=7"]).env("RUST_LOG", "debug");
    let (server, _) = Program::start_server(&mut command);
    server.logs("limits: ");
    server.logs("max-text 1KiB");
    server.logs("rate 7");
    server.logs("max-connections 1024");
}
