//! How long the client tries to join and to come back, `--wait`.

use chat_common::wire::{hello::HELLO_BYTES, status::Status};
use chat_tests::{
    process::{binary, Program},
    raw::RawPeer,
    server::TestServer,
    terminal::TerminalUser,
    watchdog::WATCHDOG_TIMEOUT,
};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Command,
    time::{Duration, Instant},
};

/// An address at which nobody listens now.
fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn server_that_forgets_at(address: SocketAddr) -> Program {
    let mut command = Command::new(binary("chat-server"));
    Program::start_server_that_forgets(command.args(["--listen", &address.to_string()])).0
}

#[test]
fn a_script_may_start_before_its_server() {
    let address = free_address();
    let mut ci = Program::client(address, "ci", &["--wait", "5m"]);
    ci.types("/help");
    ci.sees("--- cannot join yet: is the server running? ");
    let _server = server_that_forgets_at(address);
    ci.sees("Connected!");
    let ann = Program::joined_client(address, "Ann");
    ci.types("in time");
    ci.ends_input();
    assert_eq!(ci.exits(), Some(0));
    ann.sees("[ci] in time\n");
    let out = ci.output();
    assert_eq!(out.matches("cannot join yet").count(), 1, "{out}");
    let [joined, help] = ["Connected!", "/who [PATTERN]"].map(|line| out.find(line).expect(line));
    assert!(joined < help, "nothing but the wait comes before the first line: {out}");
}

#[test]
fn a_client_gives_up_at_the_end_of_its_wait_and_not_before() {
    for (arguments, at_least) in [
        (&["--wait", "700ms", "--send", "hi"][..], Duration::from_millis(700)),
        (&["--wait", "0", "--send", "hi"], Duration::ZERO),
        (&["--send", "hi"], Duration::ZERO),
    ] {
        let started = Instant::now();
        let mut ci = Program::client(free_address(), "ci", arguments);
        assert_eq!(ci.exits(), Some(1));
        assert!(started.elapsed() >= at_least, "{:?}", started.elapsed());
        let error = ci.error_output();
        assert!(error.starts_with("chat-client: cannot join at 127.0.0.1:"), "{error}");
        assert!(error.contains("is the server running?") && error.lines().count() == 1, "{error}");
        assert_eq!(ci.output(), "");
    }
}

#[test]
fn a_lost_connection_is_given_up_at_the_end_of_the_wait() {
    for wait in ["0", "300ms"] {
        let (server, address) = Program::server(&[]);
        let mut ann = Program::client(address, "Ann", &["--wait", wait]);
        ann.sees("Connected!");
        drop(server);
        assert_eq!(ann.exits(), Some(1));
        let error = ann.error_output();
        assert!(error.starts_with(&format!("chat-client: cannot get back in at {address}: ")), "{error}");
    }
}

#[test]
fn a_client_with_a_wait_comes_back_in_time() {
    let (server, address) = Program::server_that_forgets(&[]);
    let mut ann = Program::client(address, "Ann", &["--wait", "5m"]);
    ann.sees("Connected!");
    drop(server);
    ann.sees("connection lost");
    let _server = server_that_forgets_at(address);
    ann.sees("connected again: the room was restarted");
    ann.ends_input();
    assert_eq!(ann.exits(), Some(0));
}

#[test]
fn a_busy_server_is_tried_again_and_a_final_refusal_ends_the_client_at_once() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut ann = Program::client(listener.local_addr().unwrap(), "Ann", &["--wait", "5m"]);
    let refuse = |status| {
        let mut peer = RawPeer::accept(&listener);
        let hello = peer.connection.read_hello(WATCHDOG_TIMEOUT).unwrap().unwrap();
        assert_eq!(hello.to_bytes().len(), HELLO_BYTES);
        peer.connection.refuse(status);
    };
    refuse(Status::Busy);
    refuse(Status::Busy);
    ann.sees("--- the server is busy; trying again ---");
    refuse(Status::Banned);
    assert_eq!(ann.exits(), Some(1));
    assert_eq!(ann.error_output(), "chat-client: this address is banned from the room\n");

    let server = TestServer::start();
    let mut bad = Program::client(server.address(), "system", &["--wait", "5m", "--send", "hi"]);
    assert_eq!(bad.exits(), Some(1));
    assert!(bad.error_output().contains("reserved"), "{}", bad.error_output());
}

#[test]
fn a_client_with_a_wait_gets_a_name_when_its_owner_leaves() {
    for arguments in [&["--wait", "5m"][..], &["--wait", "5m", "--json", "--send", "second"]] {
        let (_server, address) = Program::server(&[]);
        let ann = Program::joined_client(address, "Ann");
        let mut first = Program::joined_client(address, "bot");
        let mut second = Program::client(address, "bot", arguments);
        second.sees("the name bot is taken; choose another");
        first.types("first");
        first.ends_input();
        assert_eq!(first.exits(), Some(0));
        second.types("second");
        second.ends_input();
        assert_eq!(second.exits(), Some(0), "{}", second.error_output());
        ann.sees("[bot] second\n");
        assert_eq!(second.output().matches("is taken").count(), 1, "{}", second.output());
    }
}

#[test]
fn a_name_that_stays_taken_ends_the_client_at_the_end_of_its_wait() {
    let (_server, address) = Program::server(&[]);
    let _ann = Program::joined_client(address, "Ann");
    for (arguments, at_least) in [
        (&["--wait", "700ms"][..], Duration::from_millis(700)),
        (&["--wait", "0"], Duration::ZERO),
        (&[], Duration::ZERO),
    ] {
        let started = Instant::now();
        let mut second = Program::client(address, "Ann", arguments);
        assert_eq!(second.exits(), Some(1));
        assert!(started.elapsed() >= at_least, "{:?}", started.elapsed());
        assert_eq!(second.error_output(), "chat-client: the name Ann is taken; choose another\n");
    }
}

#[test]
fn a_person_with_a_wait_waits_for_the_name_too_and_is_then_asked_for_another_one() {
    let (_server, address) = Program::server(&[]);
    let mut ann = Program::joined_client(address, "Ann");
    let wait = |wait| TerminalUser::start(address, (24, 80), &["--name", "Ann", "--wait", wait], &[]);
    let mut second = wait("300ms");
    second.sees("--- cannot join yet: the name Ann is taken");
    second.sees("--- refused: the name Ann is taken");
    second.sees_typed("Enter your name:");
    second.types("Bea\n");
    second.sees("Start typing...");
    let third = wait("5m");
    third.sees("--- cannot join yet: the name Ann is taken");
    ann.ends_input();
    assert_eq!(ann.exits(), Some(0));
    third.sees("Start typing...");
}

#[test]
fn a_signal_while_a_script_waits_for_its_server_is_no_success() {
    let mut ci = Program::client(free_address(), "ci", &["--wait", "5m", "--json", "--send", "hi"]);
    ci.sees("\"state\":\"trying\"");
    ci.signal("TERM");
    assert_eq!(ci.exits(), Some(1));
    assert_eq!(ci.error_output(), "chat-client: stopped by a signal before it could join\n");
}
