//! A send-only client comes only to speak. Nobody is told of it, and it hears nothing.

use chat_common::wire::{
    error::RpcError,
    protocol::{Cause, EventKind, Join, Joined, Reply, Request},
    status::Status,
    token::Token,
};
use chat_server::Limits;
use chat_tests::{
    member::Member,
    process::{binary, Program},
    proxy::{Fault, Faults, Proxy},
    raw::{random_token, RawPeer},
    room::{connected_lines, folder_that_knows, Kind},
    server::{without_rate_limit, TestServer},
    watchdog::poll,
};
use std::{
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

fn send_only(name: &str, token: Token) -> Join {
    Join { send_only: true, ..Join::new(name, token, 0) }
}

/// Connects and sends this Join. The error is the cause of the refusal.
fn join(server: SocketAddr, join: Join) -> Result<(RawPeer, Joined), Cause> {
    let mut peer = RawPeer::connect_call(server).unwrap();
    match peer.join_with(join) {
        Ok(joined) => Ok((peer, joined)),
        Err(Reply::Refused(refusal)) => Err(refusal.cause),
        Err(other) => panic!("{other:?}"),
    }
}

fn say(peer: &mut RawPeer, message_id: u64, text: &str) -> Reply {
    peer.ask(&Request::Broadcast { message_id, repeated: false, text: text.into() }).unwrap()
}

fn cause(reply: Reply) -> Cause {
    match reply {
        Reply::Refused(refusal) => refusal.cause,
        other => panic!("{other:?} is no refusal"),
    }
}

/// What the member has received, from whom.
fn heard(member: &Member) -> Vec<(String, String)> {
    let heard = |kind: &EventKind| match kind {
        EventKind::Message { author, text, .. }
        | EventKind::Action { author, text, .. }
        | EventKind::Private { author, text, .. } => (author.clone(), text.clone()),
        other => (String::new(), format!("{other:?}")),
    };
    member.history().events().map(|event| heard(&event.kind)).collect()
}

#[test]
fn nobody_sees_a_send_only_client_come_or_go_and_all_hear_what_it_says() {
    let server = TestServer::start();
    let mut alice = Member::join(server.address(), "alice");
    let (mut ci, joined) = join(server.address(), send_only("ci", random_token())).unwrap();
    assert!(!joined.called_back);
    assert_eq!(alice.who(), ["alice"]);
    assert!(matches!(say(&mut ci, 1, "green"), Reply::Accepted { .. }));
    let action = Request::Action { message_id: 2, repeated: false, text: "builds".into() };
    assert!(matches!(ci.ask(&action).unwrap(), Reply::Accepted { .. }));
    let (to, text) = ("alice".into(), "psst".into());
    let private = Request::Private { message_id: 3, repeated: false, to, text };
    assert!(matches!(ci.ask(&private).unwrap(), Reply::Accepted { .. }));
    assert_eq!(ci.ask(&Request::Leave).unwrap(), Reply::Left);
    drop(ci);
    // One that is lost is not announced either.
    let (mut lost, _) = join(server.address(), send_only("lost", random_token())).unwrap();
    say(&mut lost, 1, "and gone");
    drop(lost);
    let mut bob = Member::join(server.address(), "bob");
    bob.say("last");
    alice.hear_text("last");
    let said = |author: &str, text: &str| (author.to_owned(), text.to_owned());
    assert_eq!(
        heard(&alice),
        [
            said("ci", "green"),
            said("ci", "builds"),
            said("ci", "psst"),
            said("lost", "and gone"),
            said("", "Joined { name: \"bob\" }"),
            said("bob", "last"),
        ]
    );
    assert_eq!(bob.who(), ["alice", "bob"]);
}

#[test]
fn a_send_only_client_hears_nothing_and_can_do_nothing_but_speak() {
    let server = TestServer::start();
    let mut alice = Member::join(server.address(), "alice");
    let token = random_token();
    let (mut ci, _) = join(server.address(), send_only("ci", token)).unwrap();
    alice.say("is somebody there?");
    let rename = Request::Rename { name: "other".into() };
    for request in [Request::Who, Request::History { count: 9, before: None }, rename] {
        assert_eq!(cause(ci.ask(&request).unwrap()), Cause::Unsupported, "{request:?}");
    }
    let (to, text) = ("ci".into(), "psst".into());
    let private = Request::Private { message_id: u64::MAX, repeated: false, to, text };
    match alice.ask(&private) {
        Err(chat_tests::member::MemberError::Refused(refusal)) => {
            assert_eq!(refusal.cause, Cause::NobodyOfThatName);
        }
        Ok(reply) => assert_eq!(cause(reply), Cause::NobodyOfThatName),
        Err(error) => panic!("{error:?}"),
    }
    match ci.connect_callback(server.address(), token) {
        Err(RpcError::Refused { status, .. }) => assert_eq!(status, Status::UnknownToken),
        other => panic!("{other:?}"),
    }
    // A listener would be dialled.
    let with_port = Join { port: 2000, ..send_only("listener", random_token()) };
    assert_eq!(join(server.address(), with_port).unwrap_err(), Cause::InvalidPort);
    assert_eq!(ci.ask(&Request::Ping).unwrap(), Reply::Pong);
}

#[test]
fn the_name_of_a_send_only_client_is_its_own_and_follows_the_rules() {
    let server = TestServer::start();
    let _alice = Member::join(server.address(), "alice");
    let (_ci, _) = join(server.address(), send_only("ci", random_token())).unwrap();
    let refused = |joining: Join| join(server.address(), joining).unwrap_err();
    assert_eq!(refused(Join::new("CI", random_token(), 0)), Cause::NameTaken);
    assert_eq!(refused(send_only("Ci", random_token())), Cause::NameTaken);
    assert_eq!(refused(send_only("Alice", random_token())), Cause::NameTaken);
    assert_eq!(refused(send_only("system", random_token())), Cause::InvalidName);
}

#[test]
fn a_session_never_changes_between_send_only_and_member() {
    let server = TestServer::start();
    for (first, second) in [(true, false), (false, true)] {
        let token = random_token();
        let name = if first { "sender" } else { "member" };
        let joining = |send_only, resume| Join { send_only, resume, ..Join::new(name, token, 0) };
        let (connection, _) = join(server.address(), joining(first, None)).unwrap();
        // While the connection is there, and after it is lost.
        assert_eq!(join(server.address(), joining(second, Some(0))).unwrap_err(), Cause::Unsupported);
        drop(connection);
        assert_eq!(join(server.address(), joining(second, Some(0))).unwrap_err(), Cause::Unsupported);
        join(server.address(), joining(first, Some(0))).unwrap();
    }
}

#[test]
fn a_send_only_client_that_lost_a_reply_resumes_and_is_heard_once() {
    let server = TestServer::start();
    let alice = Member::join(server.address(), "alice");
    let token = random_token();
    let (mut ci, joined) = join(server.address(), send_only("ci", token)).unwrap();
    let Reply::Accepted { sequence } = say(&mut ci, 7, "once") else { panic!() };
    let resume = Join { resume: Some(0), ..send_only("ci", token) };
    let (mut again, resumed) = join(server.address(), resume).unwrap();
    assert_eq!(resumed.sequence, joined.sequence);
    assert_eq!(say(&mut again, 7, "once"), Reply::Accepted { sequence });
    say(&mut again, 8, "twice");
    alice.hear_text("twice");
    assert_eq!(alice.texts(), ["once", "twice"]);
    assert!(ci.read_until_closed().is_empty(), "the old connection is closed");
}

#[test]
fn a_send_only_client_resumes_with_the_sequence_of_its_join_before_anybody_has_spoken() {
    let server = TestServer::start();
    let token = random_token();
    let (ci, joined) = join(server.address(), send_only("ci", token)).unwrap();
    drop(ci);
    // Its join is not in the log, so the event with this sequence is not there yet.
    let resume = Join { resume: Some(joined.sequence), ..send_only("ci", token) };
    let (mut again, resumed) = join(server.address(), resume).unwrap();
    assert_eq!(resumed.sequence, joined.sequence);
    assert_eq!(say(&mut again, 1, "here again"), Reply::Accepted { sequence: joined.sequence });
}

#[test]
fn a_send_only_client_needs_no_callback_connection_and_is_given_up_when_it_is_silent() {
    let join_timeout = Duration::from_secs(2);
    let dead_after = Duration::from_secs(8);
    let server = TestServer::with_limits(Limits { join_timeout, dead_after, ..without_rate_limit() });
    let (mut ci, _) = join(server.address(), send_only("ci", random_token())).unwrap();
    let joined_at = Instant::now();
    // A member without a callback connection would be closed after this time.
    while joined_at.elapsed() < join_timeout + Duration::from_millis(300) {
        assert_eq!(ci.ask(&Request::Ping).unwrap(), Reply::Pong);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(ci.read_until_closed().is_empty());
    // Its connection is closed first, and then the room hears of it.
    poll("its name to be free", || join(server.address(), Join::new("ci", random_token(), 0)).ok());
}

#[test]
fn the_operator_sees_send_only_clients_in_the_log_and_can_remove_one() {
    let (mut server, address) = Program::server(&["--console"]);
    let token = random_token();
    let (ci, _) = join(address, send_only("ci", token)).unwrap();
    server.logs("ci came to speak, from 127.0.0.1");
    server.types("/kick ci enough");
    server.logs("ci went (removed: enough)");
    assert!(ci.read_until_closed().is_empty());
    let resume = Join { resume: Some(0), ..send_only("ci", token) };
    assert_eq!(join(address, resume).unwrap_err(), Cause::SessionOver);
    let (mut ci, _) = join(address, send_only("ci", random_token())).unwrap();
    ci.ask(&Request::Leave).unwrap();
    server.logs("ci went from 127.0.0.1\n");
    let joined = |line: &str| line.contains("ci joined") || line.contains("ci left");
    assert!(!server.error_output().lines().any(joined), "{}", server.error_output());
}

#[test]
fn a_message_of_a_send_only_client_is_heard_once_wherever_its_connection_is_cut() {
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let ann = Program::joined_client(address, "Ann");
    let proxy = Proxy::start(address);
    let mut texts = Vec::new();
    // The server's part of a conversation has some 120 bytes: its hello, and the replies to Join, to the
    // message and to Leave. In a closed room there is a handshake too, and each reply is longer by a tag.
    let bytes = if Kind::of_this_run().closed { 0..350 } else { 0..140 };
    // A client that knows the room dials again after a handshake that was cut.
    let known = folder_that_knows(proxy.address());
    for bytes in bytes.step_by(4) {
        let first = proxy.connection_count();
        let cut = move |number| match number == first {
            true => Faults { up: Fault::Pass, down: Fault::CutAfter(bytes) },
            false => Faults::default(),
        };
        proxy.plan_faults(cut);
        let text = format!("cut after {bytes} bytes");
        let server = proxy.address().to_string();
        let mut command = Command::new(binary("chat-client"));
        // Each has a name of its own, because the server may hear of the cut after the next one has come.
        let name = format!("ci{bytes}");
        command.args(["--server", &server, "--name", &name, "--wait", "60s", "--send", &text]);
        command.env("XDG_STATE_HOME", known.path());
        let mut ci = Program::start("ci", &mut command);
        assert_eq!(ci.exits(), Some(0), "{}", ci.error_output());
        assert_eq!(ci.output(), "");
        texts.push(format!("[{name}] {text}"));
    }
    ann.sees(texts.last().unwrap());
    let expected = [connected_lines(), texts].concat();
    assert_eq!(ann.lines(), expected);
}
