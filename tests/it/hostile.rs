//! Hostile input of any kind ends at most the connection that it came on, within a deadline. The other
//! members go on.

use chat_common::{
    handshake::callback::public_session_id,
    wire::{
        codec::encode_into,
        error::RpcError,
        hello::{answer_bytes, read_answer, Hello, Role},
        protocol::{Callback, CallbackReply, Cause, EventKind, Join, Reply, Request},
        status::Status,
        token::Token,
    },
};
use chat_server::Limits;
use chat_tests::{
    checker::assert_clean,
    member::{Callbacks, Member},
    raw::{self, caller_hello, RawPeer},
    sealing,
    server::{without_rate_limit, TestServer},
    watchdog::poll,
};
use std::{net::TcpListener, sync::Arc, time::Duration};

/// Runs `attack` between two messages of ann, and checks that bob receives both.
fn others_go_on_during(limits: Limits, attack: impl FnOnce(&TestServer)) {
    let server = TestServer::with_limits(limits);
    let mut ann = Member::join(server.address(), "ann");
    let bob = Member::join(server.address(), "bob");
    ann.say("before");
    attack(&server);
    let end = ann.say("after");
    bob.hear_up_to(end);
    // The leave of the attacker may still be on its way to them.
    assert_clean(|| [ann.history().left_early(), bob.history().left_early()]);
    server.stop();
}

/// Limits that end a slow or silent connection soon.
fn short_timeouts() -> Limits {
    let short = Duration::from_millis(200);
    Limits { hello_timeout: short, join_timeout: short, frame_timeout: short, ..without_rate_limit() }
}

#[test]
fn a_peer_of_another_protocol_is_told_what_to_use_and_closed() {
    others_go_on_during(without_rate_limit(), |server| {
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
            assert!(answer.contains("chat-client"), "{answer:?} does not name the client");
        }
    });
}

#[test]
fn a_client_of_an_unknown_version_is_told_which_one_the_server_speaks() {
    others_go_on_during(without_rate_limit(), |server| {
        let peer = RawPeer::connect(server.address());
        let hello = Hello { lowest: 7, highest: 9, ..sealing::hello(Role::Call, Token::NONE) };
        peer.write(&hello.to_bytes()).unwrap();
        let error = read_answer(&mut &peer.read_until_closed()[..]).unwrap_err();
        assert!(matches!(error, RpcError::Refused { status: Status::WrongVersion, version: 3 }), "{error:?}");
    });
}

#[test]
fn wrong_roles_and_unknown_tokens_are_refused() {
    others_go_on_during(without_rate_limit(), |server| {
        for (role, token, expected) in [
            (Role::Callback, Token::NONE, Status::WrongRole),
            (Role::OpenedCallback, Token::NONE, Status::UnknownToken),
            (Role::OpenedCallback, raw::random_token(), Status::UnknownToken),
        ] {
            let peer = RawPeer::connect(server.address());
            peer.write(&sealing::hello(role, token).to_bytes()).unwrap();
            let error = read_answer(&mut &peer.read_until_closed()[..]).unwrap_err();
            assert!(matches!(error, RpcError::Refused { status, .. } if status == expected), "{error:?}");
        }
        for role in [0, 9, 77] {
            let mut hello = caller_hello();
            hello[12] = role;
            let peer = RawPeer::connect(server.address());
            peer.write(&hello).unwrap();
            assert_eq!(peer.read_until_closed(), answer_bytes(Status::WrongRole), "role {role}");
        }
    });
}

#[test]
fn a_silent_connection_is_closed() {
    others_go_on_during(short_timeouts(), |server| {
        assert_eq!(RawPeer::connect(server.address()).read_until_closed(), b"");
        let quiet_after_hello = RawPeer::connect_call(server.address()).unwrap();
        assert_eq!(quiet_after_hello.read_until_closed(), b"");
    });
}

#[test]
fn a_hello_sent_byte_by_byte_does_not_extend_its_deadline() {
    others_go_on_during(short_timeouts(), |server| {
        let peer = RawPeer::connect(server.address());
        // The whole hello takes 2.9 s. The pause between two bytes is shorter than the deadline of 200 ms.
        let _ = peer.write_byte_by_byte(&caller_hello(), Duration::from_millis(100));
        assert_eq!(peer.read_until_closed(), b"");
    });
}

#[test]
fn a_frame_sent_byte_by_byte_does_not_extend_its_deadline() {
    others_go_on_during(short_timeouts(), |server| {
        let mut peer = RawPeer::connect_call(server.address()).unwrap();
        peer.join("slow", raw::random_token()).unwrap();
        let frame = [&60_000_u32.to_le_bytes()[..], &vec![b'x'; 60_000]].concat();
        assert!(
            peer.write_byte_by_byte(&frame, Duration::from_micros(500)).is_err(),
            "the server closes before the end of the frame"
        );
    });
}

#[test]
fn a_frame_that_is_no_request_ends_the_connection() {
    let mut receive = Vec::new();
    encode_into(&Callback::Receive { answer: true, events: vec![] }, &mut receive).unwrap();
    let frames: [(u32, &[u8]); 7] = [
        // One is longer than a member's frame may be, the other has the greatest length that can be written.
        (65_537, b"x"),
        (u32::MAX, b""),
        // Random bytes, no bytes, a request with a byte too many, and a valid call of the other direction.
        (8, b"garbage!"),
        (0, b""),
        (5, &[2, 0, 0, 0, 0]),
        (receive.len() as u32, &receive),
        // The text announces more bytes than the frame has.
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
            |kind| matches!(kind, EventKind::Left { name: left, .. } if *left == name),
        );
        assert!(
            matches!(&left.kind, EventKind::Left { reason: Some(reason), .. } if reason == "protocol error"),
            "{left:?}"
        );
    }
    assert_eq!(ann.who(), ["ann"]);
}

#[test]
fn an_incomplete_frame_ends_the_connection() {
    others_go_on_during(without_rate_limit(), |server| {
        let mut peer = RawPeer::connect_call(server.address()).unwrap();
        peer.join("halfway", raw::random_token()).unwrap();
        peer.write_frame(100, b"not a hundred bytes").unwrap();
        peer.stop_writing();
        assert_eq!(peer.read_until_closed(), b"");
    });
}

#[test]
fn a_frame_before_the_join_is_limited_to_1_kib() {
    others_go_on_during(without_rate_limit(), |server| {
        let peer = RawPeer::connect_call(server.address()).unwrap();
        peer.write_frame(1025, b"").unwrap();
        assert_eq!(peer.read_until_closed(), b"");
    });
}

#[test]
fn requests_out_of_turn_are_refused() {
    others_go_on_during(without_rate_limit(), |server| {
        let mut peer = RawPeer::connect_call(server.address()).unwrap();
        let cause = |reply| match reply {
            Ok(Reply::Refused(refusal)) => refusal.cause,
            other => panic!("{other:?}"),
        };
        let speech = Request::Broadcast { message_id: 1, repeated: false, text: "me first".to_owned() };
        assert_eq!(cause(peer.ask(&speech)), Cause::OutOfTurn);
        peer.join("latecomer", raw::random_token()).unwrap();
        let again = Join::new("again", raw::random_token(), 0);
        assert_eq!(cause(peer.ask(&Request::Join(again))), Cause::OutOfTurn);
    });
}

#[test]
fn f13_a_port_that_is_not_the_clients_own_is_not_dialled() {
    let server = TestServer::start();
    for port in [1, 22, 1023, server.address().port()] {
        let mut peer = RawPeer::connect_call(server.address()).unwrap();
        let join = Join::new("x", raw::random_token(), port);
        match peer.join_with(join) {
            Err(Reply::Refused(refusal)) => assert_eq!(refusal.cause, Cause::InvalidPort, "port {port}"),
            other => panic!("{other:?} for port {port}"),
        }
    }
}

#[test]
fn f13_the_server_dials_the_address_the_client_came_from_and_shows_its_token() {
    // The protocol has no field for an address, so the server cannot dial any other address.
    let server = TestServer::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut peer = RawPeer::connect_call(server.address()).unwrap();
    let token = raw::random_token();
    let call = Arc::clone(peer.connection.stream());
    let joined = std::thread::scope(|scope| {
        let callback = scope.spawn(|| {
            // A closed room shows that it knows the token; the hello only names the session.
            RawPeer::serve(&listener, Some((&call, token)))
        });
        let join = Join::new("x", token, port);
        let joined = peer.join_with(join).unwrap();
        // The connection stays open until the server has replied to the Join.
        let (hello, _open) = callback.join().unwrap();
        assert_eq!((hello.role, hello.token), (Role::Callback, public_session_id(&call, token)));
        joined
    });
    assert!(joined.called_back);
}

#[test]
fn a_member_that_never_reads_replies_is_removed_and_delays_nobody() {
    let server = TestServer::with_limits(short_timeouts());
    let mut ann = Member::join(server.address(), "ann");
    let bob = Member::join(server.address(), "bob");
    let long = "x".repeat(4000);
    for number in 0..50 {
        ann.say(&format!("{number} {long}"));
    }
    let mut peer = RawPeer::connect_call(server.address()).unwrap();
    let token = raw::random_token();
    peer.join("deaf", token).unwrap();
    // Otherwise the server may remove it for that, where it fills the buffers more slowly.
    let _callback = peer.connect_callback(server.address(), token).unwrap();
    let mut request = Vec::new();
    chat_common::wire::frame::encode_frame(&Request::History { count: 50, before: None }, &mut request)
        .unwrap();
    // Each reply has 64 KiB, so the buffers on the way fill, and the server closes.
    let mut requests = 0;
    while peer.write(&request).is_ok() {
        requests += 1;
        assert!(requests < 1_000_000, "the server still reads after {requests} requests");
    }
    let left =
        ann.hear("deaf to leave", |kind| matches!(kind, EventKind::Left { name, .. } if name == "deaf"));
    assert!(
        matches!(&left.kind, EventKind::Left { reason: Some(reason), .. } if reason == "not responding"),
        "{left:?}"
    );
    bob.hear_up_to(ann.say("after"));
    assert_clean(|| [ann.history(), bob.history()]);
}

#[test]
fn an_answer_without_a_call_ends_the_recipient() {
    let server = TestServer::start();
    let ann = Member::join(server.address(), "ann");
    let mut call = RawPeer::connect_call(server.address()).unwrap();
    let token = raw::random_token();
    call.join("eager", token).unwrap();
    let mut callback = call.connect_callback(server.address(), token).unwrap();
    callback.connection.reply(&CallbackReply::Received, Duration::from_secs(60)).unwrap();
    ann.hear("eager to leave", |kind| matches!(kind, EventKind::Left { name, .. } if name == "eager"));
}

#[test]
fn random_bytes_on_the_callback_connection_end_the_recipient() {
    let server = TestServer::start();
    let ann = Member::join(server.address(), "ann");
    let mut call = RawPeer::connect_call(server.address()).unwrap();
    let token = raw::random_token();
    call.join("noisy", token).unwrap();
    let callback = call.connect_callback(server.address(), token).unwrap();
    let _ = callback.write(&[0xff; 4096]);
    ann.hear("noisy to leave", |kind| matches!(kind, EventKind::Left { name, .. } if name == "noisy"));
}

#[test]
fn many_silent_connections_do_not_prevent_a_join() {
    let limits = Limits { max_unjoined: 8, max_connections: 64, ..without_rate_limit() };
    others_go_on_during(limits, |server| {
        let _crowd: Vec<RawPeer> = (0..200).map(|_| RawPeer::connect(server.address())).collect();
        // The system may hold some of these back while the accept loop is slow, and give them to the server
        // after the newcomer. Each of them may take the newcomer's place, so the newcomer tries again, as the
        // client does.
        let newcomer = poll("the newcomer to join", || {
            Member::try_join(server.address(), "newcomer", Callbacks::Listen).ok()
        });
        newcomer.leave();
    });
}

#[test]
fn many_incomplete_hellos_do_not_prevent_a_join() {
    let limits = Limits { max_unjoined: 8, max_connections: 64, ..without_rate_limit() };
    others_go_on_during(limits, |server| {
        let crowd: Vec<RawPeer> = (0..30).map(|_| RawPeer::connect(server.address())).collect();
        for byte in &caller_hello()[..5] {
            for peer in &crowd {
                let _ = peer.write(&[*byte]);
            }
        }
        let newcomer = Member::join(server.address(), "newcomer");
        newcomer.leave();
    });
}

#[test]
fn a_peer_that_goes_on_writing_after_a_refusal_is_cut_off() {
    /// More than all buffers between the peer and the server can hold.
    const MORE_THAN_BUFFERS: usize = 64 << 20;
    others_go_on_during(without_rate_limit(), |server| {
        let peer = RawPeer::connect(server.address());
        peer.write(b"GET / HTTP/1.1\r\n").unwrap();
        let chunk = [b'x'; 64 << 10];
        let mut sent = 0;
        while peer.write(&chunk).is_ok() {
            sent += chunk.len();
            assert!(sent < MORE_THAN_BUFFERS, "the server still reads after {sent} bytes");
        }
    });
}

#[test]
fn a_member_without_a_callback_connection_is_removed() {
    let server = TestServer::with_limits(short_timeouts());
    let mut ann = Member::join(server.address(), "ann");
    let mut deaf = RawPeer::connect_call(server.address()).unwrap();
    deaf.join("deaf", raw::random_token()).unwrap();
    // The member is active all the time, but the server cannot deliver anything to it.
    poll("the server to remove the member", || deaf.ask(&Request::Ping).err());
    let left =
        ann.hear("deaf to leave", |kind| matches!(kind, EventKind::Left { name, .. } if name == "deaf"));
    assert!(
        matches!(&left.kind, EventKind::Left { reason: Some(r), .. } if r == "no callback connection"),
        "{left:?}"
    );
    ann.say("still here");
}
