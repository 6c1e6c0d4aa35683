//! A client that loses its connection resumes its session and loses no message.

use chat_common::wire::{
    codec::encode_into,
    protocol::{Callback, Cause, EventKind, Join, Reply, Request},
};
use chat_server::Limits;
use chat_tests::{
    checker::assert_clean,
    member::Member,
    proxy::{Fault, Faults, Proxy},
    raw::{self, RawPeer},
    server::{without_rate_limit, TestServer},
    watchdog::poll,
    watchdog::WATCHDOG_TIMEOUT,
};
use std::{net::TcpListener, thread, time::Duration};

#[test]
fn a_resumed_session_receives_what_it_missed_once_and_in_order() {
    let server = TestServer::start();
    let mut alice = Member::join(server.address(), "alice");
    let mut bob = Member::join(server.address(), "bob");
    alice.say("one");
    bob.hear_text("one");
    bob.disconnect();
    let left =
        alice.hear("bob's leave", |kind| matches!(kind, EventKind::Left { name, .. } if name == "bob"));
    assert!(
        matches!(&left.kind, EventKind::Left { reason: Some(reason), .. } if reason == "connection lost"),
        "{left:?}"
    );
    alice.say("two");
    alice.say("three");
    bob.resume().unwrap();
    alice.hear("bob's return", |kind| matches!(kind, EventKind::Back { name } if name == "bob"));
    alice.say("four");
    bob.hear_text("four");
    assert_eq!(bob.texts(), ["one", "two", "three", "four"]);
    assert_eq!(bob.history().sessions.len(), 1, "the session is the same");
    assert_clean(|| [alice.history(), bob.history()]);
}

#[test]
fn a_message_whose_reply_is_lost_is_accepted_once() {
    let server = TestServer::start();
    let proxy = Proxy::start(server.address());
    let mut alice = Member::join_without_listener(proxy.address(), "alice");
    let bob = Member::join(server.address(), "bob");
    // The fault below also cuts alice's callback connection when something comes over it. The server would
    // then end her call connection too, perhaps before the message arrives. So bob's join must have passed.
    alice.hear("bob's join", |kind| matches!(kind, EventKind::Joined { name } if name == "bob"));
    // The message arrives at the server, but the reply does not arrive at alice.
    proxy.set_faults(Faults { up: Fault::Pass, down: Fault::CutAfter(0) });
    assert!(alice.try_say("once").is_err());
    bob.hear_text("once");
    proxy.set_faults(Faults::default());
    alice.reconnect();
    let message_id = alice.history().sent[0].message_id;
    let reply = alice.ask(&chat_common::wire::protocol::Request::Broadcast {
        message_id,
        repeated: false,
        text: "once".to_owned(),
    });
    let sequence = bob.hear_text("once").sequence;
    assert_eq!(reply.unwrap(), Reply::Accepted { sequence });
    alice.say("and done");
    bob.hear_text("and done");
    assert_eq!(bob.texts(), ["once", "and done"]);
    assert_clean(|| [alice.history(), bob.history()]);
}

#[test]
fn a_client_may_resume_before_the_server_notices_the_lost_connection() {
    let server = TestServer::start();
    let proxy = Proxy::start(server.address());
    let mut alice = Member::join(server.address(), "alice");
    let mut bob = Member::join_without_listener(proxy.address(), "bob");
    // The server does not notice that these connections are dead.
    proxy.set_faults(Faults::both(Fault::StopReading));
    alice.say("while bob is away");
    bob.set_server(server.address());
    bob.resume().unwrap();
    bob.hear_text("while bob is away");
    assert_eq!(bob.who(), ["alice", "bob"]);
    assert_clean(|| [alice.history(), bob.history()]);
}

#[test]
fn a_session_is_over_when_another_client_takes_its_name() {
    let server = TestServer::with_limits(Limits { hold_name: Duration::ZERO, ..without_rate_limit() });
    let alice = Member::join(server.address(), "alice");
    let mut bob = Member::join(server.address(), "bob");
    bob.disconnect();
    alice.hear("bob's leave", |kind| matches!(kind, EventKind::Left { name, .. } if name == "bob"));
    let _other = Member::join(server.address(), "Bob");
    match bob.resume() {
        Err(chat_tests::member::MemberError::Refused(refusal)) => {
            assert_eq!(refusal.cause, Cause::NameTaken);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_name_of_a_present_member_cannot_be_taken() {
    let server = TestServer::start();
    let _bob = Member::join(server.address(), "bob");
    let mut thief = RawPeer::connect_call(server.address()).unwrap();
    match thief.join("BOB", chat_tests::raw::random_token()) {
        Err(Reply::Refused(refusal)) => assert_eq!(refusal.cause, Cause::NameTaken),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_session_cannot_be_resumed_after_its_time() {
    let server =
        TestServer::with_limits(Limits { resume_within: Duration::from_millis(1), ..without_rate_limit() });
    let alice = Member::join(server.address(), "alice");
    let mut bob = Member::join(server.address(), "bob");
    // The time counts from the moment when the server notices the loss, so bob may still resume. He tries
    // again until he gets a new session. The sleep lets the time of 1 ms pass; the loop does not depend on
    // its length.
    poll("the session to expire", || {
        bob.disconnect();
        thread::sleep(Duration::from_millis(10));
        bob.reconnect();
        (bob.history().sessions.len() == 2).then_some(())
    });
    alice.hear_up_to(bob.last_sequence());
    assert_clean(|| [alice.history(), bob.history()]);
}

#[test]
fn a_stranger_cannot_resume_without_the_token() {
    let server = TestServer::start();
    let mut bob = Member::join(server.address(), "bob");
    bob.disconnect();
    let mut stranger = RawPeer::connect_call(server.address()).unwrap();
    let join = Join { resume: Some(0), ..Join::new("bob", chat_tests::raw::random_token(), 0) };
    match stranger.join_with(join) {
        Err(Reply::Refused(refusal)) => assert_eq!(refusal.cause, Cause::UnknownSession),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hundred_lost_connections_lose_no_message() {
    // Cid only listens, and a slow machine takes its time for all this.
    let server =
        TestServer::with_limits(Limits { dead_after: WATCHDOG_TIMEOUT * 10, ..without_rate_limit() });
    let proxy = Proxy::start(server.address());
    let mut alice = Member::join_without_listener(proxy.address(), "alice");
    let mut bob = Member::join_without_listener(proxy.address(), "bob");
    let cid = Member::join(server.address(), "cid");
    for round in 0..100 {
        proxy.cut();
        alice.say_until_accepted(&format!("alice {round}"));
        if round % 3 == 0 {
            bob.reconnect();
        }
        bob.say_until_accepted(&format!("bob {round}"));
    }
    bob.reconnect();
    alice.reconnect();
    let end = alice.say_until_accepted("the end");
    bob.hear_up_to(end);
    cid.hear_up_to(end);
    assert_clean(|| [alice.history().left_early(), bob.history(), cid.history()]);
}

#[test]
fn a_join_that_was_given_up_does_not_replace_a_newer_connection() {
    // Without pings, a message that the server does not write at once never arrives.
    let hour = Duration::from_secs(3600);
    let server = TestServer::with_limits(Limits {
        dial_timeout: hour,
        drain_timeout: WATCHDOG_TIMEOUT,
        ping_after: hour,
        ..without_rate_limit()
    });
    let mut bob = Member::join(server.address(), "bob");
    // Ann's listener does not answer the server's hello. She gives this connection up and resumes on another.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let token = raw::random_token();
    let given_up = RawPeer::connect_call(server.address()).unwrap();
    let join = Join::new("ann", token, port);
    let mut request = Vec::new();
    encode_into(&Request::Join(join.clone()), &mut request).unwrap();
    given_up.write_frame(request.len() as u32, &request).unwrap();
    let unanswered = RawPeer::accept(&listener);
    let mut ann = RawPeer::connect_call(server.address()).unwrap();
    ann.join_with(Join { port: 0, resume: Some(0), ..join }).unwrap();
    let mut callback = ann.connect_callback(server.address(), token).unwrap();
    // Now the server's dial ends, and with it the Join that was given up.
    drop(unanswered);
    given_up.read_until_closed();
    bob.say("are you there?");
    let receive = callback.serve_receive().unwrap().expect("the server calls ann");
    let Callback::Receive { events, .. } = receive;
    assert!(events
        .iter()
        .any(|event| matches!(&event.kind, EventKind::Message { text, .. } if text == "are you there?")));
    ann.ask(&Request::Leave).unwrap();
    bob.hear("ann's leave", |kind| matches!(kind, EventKind::Left { name, .. } if name == "ann"));
}

#[test]
fn a_private_message_to_a_lost_session_goes_to_nobody_else() {
    let server = TestServer::with_limits(Limits { hold_name: Duration::ZERO, ..without_rate_limit() });
    let proxy = Proxy::start(server.address());
    let mut alice = Member::join(server.address(), "alice");
    let mut bob = Member::join_without_listener(proxy.address(), "bob");
    // The server does not notice that bob is away, so it accepts the message for him.
    proxy.set_faults(Faults::both(Fault::StopReading));
    alice.say_privately("bob", "for you alone");
    bob.disconnect();
    alice.hear("bob's leave", |kind| matches!(kind, EventKind::Left { name, .. } if name == "bob"));
    let mut thief = RawPeer::connect_call(server.address()).unwrap();
    let join = Join { history: u32::MAX, ..Join::new("bob", raw::random_token(), 0) };
    let token = join.token;
    thief.join_with(join).unwrap();
    let mut callback = thief.connect_callback(server.address(), token).unwrap();
    let all = Request::History { count: u32::MAX, before: None };
    assert_eq!(thief.ask(&all).unwrap(), Reply::History { events: vec![] });
    let last = alice.say("hello, whoever you are");
    loop {
        let Some(Callback::Receive { events, .. }) = callback.serve_receive().unwrap() else {
            panic!("the server goes on calling")
        };
        assert!(!events.iter().any(|event| matches!(event.kind, EventKind::Private { .. })), "{events:?}");
        if events.iter().any(|event| event.sequence == last) {
            break;
        }
    }
}
