//! Whatever a stranger or a member sends, it ends that connection alone, within its deadline; the others go on.

use chat_common::{
    codec::encode_into,
    error::RpcError,
    hello::{Hello, Role},
    protocol::{Callback, CallbackReply, Cause, EventKind, Join, Reply, Request},
    status::Status,
    token::Token,
};
use chat_server::limits::Limits;
use chat_tests::{
    checker::assert_clean,
    member::Member,
    raw::{self, caller_hello, RawPeer},
    server::{without_rate_limit, TestServer},
    watchdog::WATCHDOG_TIMEOUT,
};
use std::{
    io::Write,
    net::{Shutdown, TcpListener},
    time::{Duration, Instant},
};

/// Ann and bob chat while `mischief` happens.
fn nobody_else_notices(limits: Limits, mischief: impl FnOnce(&TestServer)) {
    let server = TestServer::with_limits(limits);
    let mut ann = Member::join(server.address(), "ann");
    let bob = Member::join(server.address(), "bob");
    ann.say("before");
    mischief(&server);
    let end = ann.say("after");
    bob.hear_up_to(end);
    // The end of the mischief may still be on its way to them.
    assert_clean(&[ann.history().left_early(), bob.history().left_early()]);
    server.stop();
}

fn short() -> Limits {
    let moment = Duration::from_millis(200);
    Limits { hello_timeout: moment, join_timeout: moment, frame_timeout: moment, ..without_rate_limit() }
}

#[test]
fn a_probe_gets_a_clear_answer_and_is_closed() {
    nobody_else_notices(without_rate_limit(), |server| {
        let probes: [&[u8]; 4] = [
            b"GET / HTTP/1.1\r\nHost: chat\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\n",
        ];
        for probe in probes {
            let peer = RawPeer::connect(server.address());
            peer.write(probe).unwrap();
            let answer = String::from_utf8(peer.read_until_closed()).unwrap();
            assert!(answer.starts_with("HTTP/1.0 400 Bad Request\r\n"), "{answer:?} to {probe:?}");
            assert!(answer.contains("chat-client"), "{answer:?} says what to use");
        }
    });
}

#[test]
fn a_client_of_another_version_is_told_so() {
    nobody_else_notices(without_rate_limit(), |server| {
        let peer = RawPeer::connect(server.address());
        let hello = Hello { lowest: 7, highest: 9, role: Role::Call, token: Token::NONE };
        peer.write(&hello.to_bytes()).unwrap();
        let mut answer = &peer.read_until_closed()[..];
        let error = chat_common::hello::read_answer(&mut answer).unwrap_err();
        assert!(matches!(error, RpcError::Refused { status: Status::WrongVersion, version: 1 }), "{error:?}");
    });
}

#[test]
fn roles_and_tokens_that_make_no_sense_are_refused() {
    nobody_else_notices(without_rate_limit(), |server| {
        for (role, token, expected) in [
            (Role::Callback, Token::NONE, Status::WrongRole),
            (Role::OpenedCallback, Token::NONE, Status::UnknownToken),
            (Role::OpenedCallback, raw::random_token(), Status::UnknownToken),
        ] {
            let mut peer = RawPeer::connect(server.address());
            let error = peer.connection.greet(role, token, Duration::from_secs(60)).unwrap_err();
            assert!(matches!(error, RpcError::Refused { status, .. } if status == expected), "{error:?}");
        }
        let mut hello = caller_hello();
        hello[12] = 77;
        let peer = RawPeer::connect(server.address());
        peer.write(&hello).unwrap();
        let answer = peer.read_until_closed();
        assert_eq!(answer[8], Status::WrongRole as u8);
    });
}

#[test]
fn a_silent_connection_is_closed() {
    nobody_else_notices(short(), |server| {
        assert_eq!(RawPeer::connect(server.address()).read_until_closed(), b"");
        let quiet_after_hello = RawPeer::connect_call(server.address()).unwrap();
        assert_eq!(quiet_after_hello.read_until_closed(), b"");
    });
}

#[test]
fn a_dribbled_hello_does_not_reset_its_deadline() {
    nobody_else_notices(short(), |server| {
        let peer = RawPeer::connect(server.address());
        // It would take 29 s, each byte well within the deadline.
        let _ = peer.write_byte_by_byte(&caller_hello(), Duration::from_millis(100));
        assert_eq!(peer.read_until_closed(), b"");
    });
}

#[test]
fn a_dribbled_frame_does_not_reset_its_deadline() {
    nobody_else_notices(short(), |server| {
        let mut peer = RawPeer::connect_call(server.address()).unwrap();
        peer.join("dribbler", raw::random_token()).unwrap();
        let frame = [&60_000_u32.to_le_bytes()[..], &vec![b'x'; 60_000]].concat();
        assert!(
            peer.write_byte_by_byte(&frame, Duration::from_micros(500)).is_err(),
            "the server has had enough before the end"
        );
    });
}

#[test]
fn frames_that_are_no_requests_end_the_connection() {
    let mut receive = Vec::new();
    encode_into(&Callback::Receive { answer: true, events: vec![] }, &mut receive).unwrap();
    let frames: [(u32, &[u8]); 7] = [
        // Longer than a member's frame may be, and longer than anything.
        (65_537, b"x"),
        (u32::MAX, b""),
        // Garbage, nothing at all, bytes to spare, and a plausible message of the other direction.
        (8, b"garbage!"),
        (0, b""),
        (5, &[2, 0, 0, 0, 0]),
        (receive.len() as u32, &receive),
        // A text that is longer than its frame.
        (20, &[1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]),
    ];
    let server = TestServer::start();
    let mut ann = Member::join(server.address(), "ann");
    for (number, (announced, payload)) in frames.into_iter().enumerate() {
        let name = format!("mallory{number}");
        let mut peer = RawPeer::connect_call(server.address()).unwrap();
        peer.join(&name, raw::random_token()).unwrap();
        peer.write_frame(announced, payload).unwrap();
        peer.read_until_closed();
        let left = ann.hear(
            &format!("{name} to leave"),
            |kind| matches!(kind, EventKind::Left { name: who, .. } if *who == name),
        );
        assert!(
            matches!(&left.kind, EventKind::Left { reason: Some(why), .. } if why == "protocol error"),
            "{left:?}"
        );
    }
    assert_eq!(ann.who(), ["ann"]);
}

#[test]
fn a_frame_that_is_cut_short_ends_the_connection() {
    nobody_else_notices(without_rate_limit(), |server| {
        let mut peer = RawPeer::connect_call(server.address()).unwrap();
        peer.join("halfway", raw::random_token()).unwrap();
        peer.write_frame(100, b"not a hundred bytes").unwrap();
        peer.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(peer.read_until_closed(), b"");
    });
}

#[test]
fn before_a_join_a_frame_is_short() {
    nobody_else_notices(without_rate_limit(), |server| {
        let peer = RawPeer::connect_call(server.address()).unwrap();
        peer.write_frame(1025, b"").unwrap();
        assert_eq!(peer.read_until_closed(), b"");
    });
}

#[test]
fn requests_out_of_turn_are_refused() {
    nobody_else_notices(without_rate_limit(), |server| {
        let mut peer = RawPeer::connect_call(server.address()).unwrap();
        let cause = |reply| match reply {
            Ok(Reply::Refused(refusal)) => refusal.cause,
            other => panic!("{other:?}"),
        };
        let speech = Request::Broadcast { message_id: 1, text: "me first".to_owned() };
        assert_eq!(cause(peer.ask(&speech)), Cause::OutOfTurn);
        peer.join("patient", raw::random_token()).unwrap();
        let again =
            Join { name: "again".to_owned(), token: raw::random_token(), port: 0, history: 0, resume: None };
        assert_eq!(cause(peer.ask(&Request::Join(again))), Cause::OutOfTurn);
    });
}

#[test]
fn f13_a_port_that_is_not_the_clients_own_is_not_dialled() {
    let server = TestServer::start();
    for port in [1, 22, 1023, server.address().port()] {
        let mut peer = RawPeer::connect_call(server.address()).unwrap();
        let join = Join { name: "x".to_owned(), token: raw::random_token(), port, history: 0, resume: None };
        match peer.join_with(join) {
            Err(Reply::Refused(refusal)) => assert_eq!(refusal.cause, Cause::InvalidPort, "port {port}"),
            other => panic!("{other:?} for port {port}"),
        }
    }
}

#[test]
fn f13_the_server_dials_the_address_the_client_came_from_and_shows_its_token() {
    // The wire has no field for an address, so there is nothing else that it could dial.
    let server = TestServer::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut peer = RawPeer::connect_call(server.address()).unwrap();
    let token = raw::random_token();
    let joined = std::thread::scope(|scope| {
        let called = scope.spawn(|| {
            let mut peer = RawPeer::from_stream(listener.accept().unwrap().0);
            let hello = peer.connection.read_hello(Duration::from_secs(60)).unwrap().unwrap();
            peer.connection.welcome(&hello, Duration::from_secs(60)).unwrap();
            (hello, peer)
        });
        let join = Join { name: "x".to_owned(), token, port, history: 0, resume: None };
        let joined = peer.join_with(join).unwrap();
        // The connection stays open until the Join is answered.
        let (hello, _open) = called.join().unwrap();
        assert_eq!((hello.role, hello.token), (Role::Callback, token));
        joined
    });
    assert!(joined.called_back);
}

#[test]
fn who_never_reads_replies_is_dropped_and_holds_up_nobody() {
    let server = TestServer::with_limits(short());
    let mut ann = Member::join(server.address(), "ann");
    let bob = Member::join(server.address(), "bob");
    let long = "x".repeat(4000);
    for number in 0..50 {
        ann.say(&format!("{number} {long}"));
    }
    let mut peer = RawPeer::connect_call(server.address()).unwrap();
    peer.join("deaf", raw::random_token()).unwrap();
    let mut request = Vec::new();
    chat_common::frame::encode_frame(&Request::History { count: 50 }, &mut request).unwrap();
    // Each reply has 64 KiB, so the buffers on the way are full before the server has taken all of these.
    while peer.write(&request).is_ok() {}
    let left =
        ann.hear("the deaf to leave", |kind| matches!(kind, EventKind::Left { name, .. } if name == "deaf"));
    assert!(
        matches!(&left.kind, EventKind::Left { reason: Some(why), .. } if why == "not responding"),
        "{left:?}"
    );
    bob.hear_up_to(ann.say("after"));
    assert_clean(&[ann.history(), bob.history()]);
}

#[test]
fn an_answer_that_nobody_asked_for_ends_the_recipient() {
    let server = TestServer::start();
    let ann = Member::join(server.address(), "ann");
    let mut call = RawPeer::connect_call(server.address()).unwrap();
    let token = raw::random_token();
    call.join("eager", token).unwrap();
    let mut callback = RawPeer::connect_callback(server.address(), token).unwrap();
    callback.connection.reply(&CallbackReply::Received, Duration::from_secs(60)).unwrap();
    ann.hear(
        "the eager one to leave",
        |kind| matches!(kind, EventKind::Left { name, .. } if name == "eager"),
    );
}

#[test]
fn garbage_on_the_callback_connection_ends_the_recipient() {
    let server = TestServer::start();
    let ann = Member::join(server.address(), "ann");
    let mut call = RawPeer::connect_call(server.address()).unwrap();
    let token = raw::random_token();
    call.join("noisy", token).unwrap();
    let callback = RawPeer::connect_callback(server.address(), token).unwrap();
    let _ = (&callback.stream).write_all(&[0xff; 4096]);
    ann.hear(
        "the noisy one to leave",
        |kind| matches!(kind, EventKind::Left { name, .. } if name == "noisy"),
    );
}

#[test]
fn a_crowd_of_silent_strangers_keeps_nobody_out() {
    let limits = Limits { max_unjoined: 8, max_connections: 64, ..without_rate_limit() };
    nobody_else_notices(limits, |server| {
        let _crowd: Vec<RawPeer> = (0..200).map(|_| RawPeer::connect(server.address())).collect();
        let visitor = Member::join(server.address(), "visitor");
        visitor.leave();
    });
}

#[test]
fn a_crowd_of_dribblers_keeps_nobody_out() {
    let limits = Limits { max_unjoined: 8, max_connections: 64, ..without_rate_limit() };
    nobody_else_notices(limits, |server| {
        let crowd: Vec<RawPeer> = (0..30).map(|_| RawPeer::connect(server.address())).collect();
        for byte in &caller_hello()[..5] {
            for peer in &crowd {
                let _ = peer.write(&[*byte]);
            }
        }
        let visitor = Member::join(server.address(), "visitor");
        visitor.leave();
    });
}

#[test]
fn who_goes_on_talking_after_a_refusal_is_cut_off() {
    /// More than all buffers between the two can hold.
    const PLENTY: usize = 64 << 20;
    nobody_else_notices(without_rate_limit(), |server| {
        let peer = RawPeer::connect(server.address());
        peer.write(b"GET / HTTP/1.1\r\n").unwrap();
        let chunk = [b'x'; 64 << 10];
        let mut sent = 0;
        while peer.write(&chunk).is_ok() {
            sent += chunk.len();
            assert!(sent < PLENTY, "the server reads on and on");
        }
    });
}

#[test]
fn a_member_without_a_callback_connection_is_shown_out() {
    let server = TestServer::with_limits(short());
    let mut ann = Member::join(server.address(), "ann");
    let mut deaf = RawPeer::connect_call(server.address()).unwrap();
    deaf.join("deaf", raw::random_token()).unwrap();
    // Busy all the time, and yet nothing can be delivered to it.
    let until = Instant::now() + WATCHDOG_TIMEOUT;
    while deaf.ask(&Request::Ping).is_ok() {
        assert!(Instant::now() < until, "it may stay as it is");
    }
    let left = ann
        .hear("the deaf one to leave", |kind| matches!(kind, EventKind::Left { name, .. } if name == "deaf"));
    assert!(
        matches!(&left.kind, EventKind::Left { reason: Some(why), .. } if why == "no callback connection"),
        "{left:?}"
    );
    ann.say("on we go");
}
