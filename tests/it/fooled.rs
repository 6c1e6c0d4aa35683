//! Nobody is fooled about who said what, and nothing that was said is hidden or promised in vain.

use chat_common::wire::{
    hello::{answer_bytes, Hello, Role, HELLO_BYTES},
    protocol::{Callback, Cause, Event, EventKind, Join, Place, Reply, Request},
    status::Status,
    token::Token,
};
use chat_server::Limits;
use chat_tests::{
    history::text_of,
    member::Member,
    process::Program,
    raw::{self, RawPeer},
    sealing,
    server::{without_rate_limit, TestServer},
    watchdog::poll,
};
use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

fn broadcast(message_id: u64, text: &str) -> Request {
    Request::Broadcast { message_id, repeated: false, text: text.to_owned() }
}

/// Joins as `name`, with both connections.
fn join(server: SocketAddr, name: &str) -> (RawPeer, RawPeer) {
    let mut call = RawPeer::connect_call(server).unwrap();
    let token = raw::random_token();
    call.join(name, token).unwrap();
    let callback = call.connect_callback(server, token).unwrap();
    (call, callback)
}

#[test]
fn words_of_all_scripts_and_flags_are_shown_as_they_are_and_what_turns_a_line_around_is_not() {
    let (_server, address) = Program::server(&[]);
    let tom = Program::joined_client(address, "Tom");
    let mut ann = Program::joined_client(address, "Ann");
    for text in [
        "می\u{200c}خواهم",
        "ශ්\u{200d}රී ලංකා",
        "അവന്\u{200d} വന്നു",
        "दर्\u{200d}या",
        "see \u{200f}שלום\u{200e} there",
        "Donau\u{ad}dampf",
        "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f} 1",
    ] {
        ann.types(text);
        tom.sees(&format!("[Ann] {text}\n"));
    }
    ann.types("a\u{202e}b\u{2066}c\u{200b}d\u{e0067}");
    tom.sees("[Ann] a\\u{202e}b\\u{2066}c\\u{200b}d\\u{e0067}\n");
}

#[test]
fn accepted_is_said_only_of_a_message_that_was_said() {
    let server = TestServer::start();
    let bob = Member::join(server.address(), "bob");
    let (mut ann, _callback) = join(server.address(), "ann");
    let five = ann.ask(&broadcast(5, "five")).unwrap();
    assert!(matches!(five, Reply::Accepted { .. }), "{five:?}");
    let action = Request::Action { message_id: 5, repeated: false, text: "five".to_owned() };
    let (to, text) = ("bob".to_owned(), "five".to_owned());
    let private = Request::Private { message_id: 5, repeated: false, to, text };
    for request in [broadcast(4, "four"), broadcast(5, "another five"), action, private] {
        match ann.ask(&request).unwrap() {
            Reply::Refused(refusal) => assert_eq!(refusal.cause, Cause::OutOfOrder, "{request:?}"),
            other => panic!("{other:?} to {request:?}"),
        }
    }
    assert_eq!(ann.ask(&broadcast(5, "five")).unwrap(), five, "the same message again");
    ann.ask(&broadcast(6, "six")).unwrap();
    bob.hear_text("six");
    assert_eq!(bob.texts(), ["five", "six"]);
}

#[test]
fn nobody_hides_a_message_from_a_client_by_using_its_numbers() {
    let server = TestServer::start();
    let witness = Member::join(server.address(), "witness");
    let mut ann = Program::joined_client(server.address(), "Ann");
    ann.types("hello");
    let heard = witness.hear_text("hello");
    let EventKind::Message { message_id, .. } = heard.kind else { panic!("{heard:?}") };
    let (mut mallory, _callback) = join(server.address(), "Mallory");
    mallory.ask(&broadcast(message_id, "everybody but Ann reads this")).unwrap();
    mallory.ask(&broadcast(message_id + 1, "and this")).unwrap();
    ann.sees("[Mallory] everybody but Ann reads this\n[Mallory] and this\n");
}

#[test]
fn a_bot_that_begins_at_the_same_number_in_each_session_is_heard_each_time() {
    let server = TestServer::with_limits(Limits { hold_name: Duration::ZERO, ..without_rate_limit() });
    let ann = Program::joined_client(server.address(), "Ann");
    for report in 1..=4 {
        let (mut ci, callback) = join(server.address(), "ci");
        ci.ask(&broadcast(1, "the build is green")).unwrap();
        // It does not say goodbye.
        drop((ci, callback));
        let reports = || ann.output().matches("[ci] the build is green\n").count();
        poll("the bot's report", || (reports() == report).then_some(()));
        // Its name is free when the server has noticed.
        poll("the bot's leave", || (ann.output().matches("User [ci] left").count() == report).then_some(()));
    }
}

/// The events of one call.
fn next_events(callback: &mut RawPeer) -> Vec<Event> {
    let call = callback.serve_receive().unwrap().expect("the server calls");
    let Callback::Receive { events, .. } = call;
    events
}

/// Joins with this Join, and returns the events up to the one with `last` as its text.
fn events_of(server: &TestServer, join: Join, last: &str) -> Vec<Event> {
    let mut call = RawPeer::connect_call(server.address()).unwrap();
    let token = join.token;
    call.join_with(join).unwrap();
    let mut callback = call.connect_callback(server.address(), token).unwrap();
    let mut events = Vec::new();
    while !events.iter().any(|event: &Event| text_of(&event.kind) == Some(last)) {
        events.extend(next_events(&mut callback));
    }
    events
}

#[test]
fn a_new_session_gets_everything_since_the_place_of_the_old_one_or_is_told_what_is_gone() {
    let limits = Limits { log_messages: 50, ..without_rate_limit() };
    let server = TestServer::that_forgets(limits);
    let mut ann = Member::join(server.address(), "ann");
    let room = {
        let mut visitor = RawPeer::connect_call(server.address()).unwrap();
        visitor.join("visitor", raw::random_token()).unwrap().room
    };
    let first = ann.say("first");
    let sequences: Vec<u64> = (0..100).map(|number| ann.say(&format!("{number}"))).collect();
    let since = |room, sequence| Join {
        since: Some(Place { room, sequence }),
        ..Join::new("bob", raw::random_token(), 0)
    };

    // Everything that bob has not received is still there.
    let place = sequences[79];
    let events = events_of(&server, since(room, place), "99");
    assert_eq!(events[0].sequence, place + 1);
    assert!(!events.iter().any(|event| matches!(event.kind, EventKind::Missed { .. })));

    // A part is gone, and bob is told exactly which.
    let events = events_of(&server, Join { name: "bob2".into(), ..since(room, first) }, "99");
    assert_eq!(events[0].kind, EventKind::Missed { first: first + 1, messages: true });
    assert_eq!(events[1].sequence, events[0].sequence + 1);

    // The place is in another room, so it means nothing here.
    let join = Join { name: "bob3".into(), history: 1, ..since(room ^ 1, first) };
    let events = events_of(&server, join, "99");
    assert!(!events.iter().any(|event| matches!(event.kind, EventKind::Missed { .. })));
}

#[test]
fn comings_and_goings_do_not_push_out_what_was_said() {
    let server = TestServer::with_limits(Limits { log_messages: 50, ..without_rate_limit() });
    let mut ann = Member::join(server.address(), "ann");
    for number in 0..50 {
        ann.say(&format!("{number}"));
    }
    for number in 0..200 {
        Member::join_without_listener(server.address(), &format!("guest{number}")).leave();
    }
    let join = Join { history: 50, ..Join::new("newcomer", raw::random_token(), 0) };
    let events = events_of(&server, join, "49");
    let texts = events.iter().filter_map(|event| text_of(&event.kind));
    let expected: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    assert_eq!(texts.collect::<Vec<_>>(), expected);
    assert!(!events.iter().any(|event| matches!(event.kind, EventKind::Missed { .. })));
}

#[test]
fn an_older_or_newer_program_is_refused_and_the_other_side_says_which_of_the_two_to_update() {
    let (server, address) = Program::server(&[]);
    for (version, what_to_do) in [(2, "; update the other program\n"), (4, "; update this program\n")] {
        let old_client = RawPeer::connect(address);
        let hello = Hello { lowest: version, highest: version, ..sealing::hello(Role::Call, Token::NONE) };
        old_client.write(&hello.to_bytes()).unwrap();
        assert_eq!(old_client.read_until_closed(), answer_bytes(Status::WrongVersion));
        server
            .logs(&format!("speaks version {version} of the rpc-chat protocol, and this program version 3"));
        server.logs(what_to_do);

        let old_server = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Program::client(old_server.local_addr().unwrap(), "Ann", &[]);
        let peer = RawPeer::accept(&old_server);
        peer.read(HELLO_BYTES).unwrap();
        let mut refusal = answer_bytes(Status::WrongVersion);
        refusal[9..].copy_from_slice(&version.to_le_bytes());
        peer.write(&refusal).unwrap();
        assert_eq!(client.exits(), Some(1));
        assert!(client.error_output().ends_with(what_to_do), "{}", client.error_output());
    }
}
