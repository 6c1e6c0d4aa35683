//! A lost connection loses nothing: the session is resumed from where it was.

use chat_common::{
    codec::encode_into,
    protocol::{Callback, Cause, EventKind, Join, Reply, Request},
};
use chat_server::limits::Limits;
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
fn who_comes_back_gets_what_was_said_meanwhile_once_and_in_order() {
    let server = TestServer::start();
    let mut alice = Member::join(server.address(), "alice");
    let mut bob = Member::join(server.address(), "bob");
    alice.say("one");
    bob.hear_text("one");
    bob.disconnect();
    alice.hear("that bob is gone", |what| {
        matches!(what, EventKind::Left { name, reason: Some(why) } if name == "bob" && why == "connection lost")
    });
    alice.say("two");
    alice.say("three");
    bob.resume().unwrap();
    alice.hear("that bob is back", |kind| matches!(kind, EventKind::Back { name } if name == "bob"));
    alice.say("four");
    bob.hear_text("four");
    assert_eq!(bob.texts(), ["one", "two", "three", "four"]);
    assert_eq!(bob.history().sessions.len(), 1, "it is the same session");
    assert_clean(&[alice.history(), bob.history()]);
}

#[test]
fn a_message_whose_reply_is_lost_is_said_once() {
    let server = TestServer::start();
    let proxy = Proxy::start(server.address());
    let mut alice = Member::join_without_listener(proxy.address(), "alice");
    let bob = Member::join(server.address(), "bob");
    // The message arrives, and its reply does not.
    proxy.set_faults(Faults { up: Fault::Pass, down: Fault::CutAfter(0) });
    assert!(alice.try_say("once").is_err());
    bob.hear_text("once");
    proxy.set_faults(Faults::default());
    alice.reconnect();
    let again = alice.history().sent[0].message_id;
    let reply =
        alice.ask(&chat_common::protocol::Request::Broadcast { message_id: again, text: "once".to_owned() });
    let place = bob.hear_text("once").sequence;
    assert_eq!(reply.unwrap(), Reply::Accepted { sequence: place });
    alice.say("and done");
    bob.hear_text("and done");
    assert_eq!(bob.texts(), ["once", "and done"]);
    assert_clean(&[alice.history(), bob.history()]);
}

#[test]
fn the_same_client_may_come_back_before_the_server_has_noticed_that_it_was_lost() {
    let server = TestServer::start();
    let proxy = Proxy::start(server.address());
    let mut alice = Member::join(server.address(), "alice");
    let mut bob = Member::join_without_listener(proxy.address(), "bob");
    // The server never hears that these connections are dead.
    proxy.set_faults(Faults::both(Fault::StopReading));
    alice.say("while he is away");
    bob.set_server(server.address());
    bob.resume().unwrap();
    bob.hear_text("while he is away");
    assert_eq!(bob.who(), ["alice", "bob"]);
    assert_clean(&[alice.history(), bob.history()]);
}

#[test]
fn the_name_of_a_lost_session_can_be_taken_and_the_session_is_then_over() {
    let server = TestServer::start();
    let alice = Member::join(server.address(), "alice");
    let mut bob = Member::join(server.address(), "bob");
    bob.disconnect();
    alice.hear("that bob is gone", |kind| matches!(kind, EventKind::Left { name, .. } if name == "bob"));
    let _other = Member::join(server.address(), "Bob");
    match bob.resume() {
        Err(chat_tests::member::MemberError::Refused(refusal)) => {
            assert_eq!(refusal.cause, Cause::SessionOver)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_name_of_somebody_who_is_here_cannot_be_taken() {
    let server = TestServer::start();
    let _bob = Member::join(server.address(), "bob");
    let mut thief = RawPeer::connect_call(server.address()).unwrap();
    match thief.join("BOB", chat_tests::raw::random_token()) {
        Err(Reply::Refused(refusal)) => assert_eq!(refusal.cause, Cause::NameTaken),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_session_is_forgotten_after_its_time() {
    let server =
        TestServer::with_limits(Limits { resume_within: Duration::from_millis(1), ..without_rate_limit() });
    let alice = Member::join(server.address(), "alice");
    let mut bob = Member::join(server.address(), "bob");
    // The server may notice late that he was gone, and then he is resumed after all; so he tries until he is not.
    poll("the session to be forgotten", || {
        bob.disconnect();
        thread::sleep(Duration::from_millis(10));
        bob.reconnect();
        (bob.history().sessions.len() == 2).then_some(())
    });
    alice.hear_up_to(bob.last_sequence());
    assert_clean(&[alice.history(), bob.history()]);
}

#[test]
fn a_stranger_cannot_resume_without_the_token() {
    let server = TestServer::start();
    let mut bob = Member::join(server.address(), "bob");
    bob.disconnect();
    let mut stranger = RawPeer::connect_call(server.address()).unwrap();
    let join = Join {
        name: "bob".to_owned(),
        token: chat_tests::raw::random_token(),
        port: 0,
        history: 0,
        resume: Some(0),
    };
    match stranger.join_with(join) {
        Err(Reply::Refused(refusal)) => assert_eq!(refusal.cause, Cause::UnknownSession),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hundred_losses_lose_nothing() {
    let server = TestServer::start();
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
    assert_clean(&[alice.history().left_early(), bob.history(), cid.history()]);
}

#[test]
fn a_join_that_was_given_up_does_not_push_out_the_line_that_replaced_it() {
    // Without pings: what is not written when it is said would never come.
    let hour = Duration::from_secs(3600);
    let server = TestServer::with_limits(Limits {
        dial_timeout: hour,
        drain_timeout: WATCHDOG_TIMEOUT,
        ping_after: hour,
        ..without_rate_limit()
    });
    let mut bob = Member::join(server.address(), "bob");
    // Ann's listener lets the server's dial hang. She gives the connection up and comes back on another.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let token = raw::random_token();
    let given_up = RawPeer::connect_call(server.address()).unwrap();
    let join = Join { name: "ann".into(), token, port, history: 0, resume: None };
    let mut request = Vec::new();
    encode_into(&Request::Join(join.clone()), &mut request).unwrap();
    given_up.write_frame(request.len() as u32, &request).unwrap();
    let hanging = listener.accept().unwrap();
    let mut ann = RawPeer::connect_call(server.address()).unwrap();
    ann.join_with(Join { port: 0, resume: Some(0), ..join }).unwrap();
    let mut callback = RawPeer::connect_callback(server.address(), token).unwrap();
    // Now the dial ends, and with it the Join that nobody waits for.
    drop(hanging);
    given_up.read_until_closed();
    bob.say("are you there?");
    let heard = callback.serve_receive().unwrap().expect("ann is called");
    let Callback::Receive { events, .. } = heard;
    assert!(events
        .iter()
        .any(|event| matches!(&event.kind, EventKind::Message { text, .. } if text == "are you there?")));
    ann.ask(&Request::Leave).unwrap();
    bob.hear("that ann is gone", |kind| matches!(kind, EventKind::Left { name, .. } if name == "ann"));
}
