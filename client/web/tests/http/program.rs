//! The program: what it says at its start, its exit codes, and its end.

use crate::harness::{command, Gateway, Page};
use chat_tests::{member::Member, process::Program, server::TestServer};
use std::net::TcpListener;

#[test]
fn a_busy_port_and_wrong_flags_are_said_in_one_sentence() {
    let server = TestServer::start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    for (arguments, code, words) in [
        (&["--listen", &listen][..], 1, "another program listens there; --listen takes another port"),
        (&["--listen", "8080"], 2, "--listen needs HOST:PORT"),
        (&["--nonsense"], 2, "unknown argument \"--nonsense\"; see --help"),
    ] {
        let mut program = Program::start("gateway", &mut command(server.address(), arguments));
        assert_eq!(program.exits(), Some(code), "{arguments:?}");
        let error = program.error_output();
        assert!(error.starts_with("chat-web: ") && error.contains(words), "{error}");
        assert_eq!((error.lines().count(), program.output().as_str()), (1, ""), "{error}");
    }
}

#[test]
fn without_a_server_the_gateway_waits_and_says_so() {
    let server = TestServer::start();
    let address = server.address();
    server.stop();
    let gateway = Gateway::start(address, &[]);
    gateway.program.logs("chat-web: waiting for the server: is the server running?");
    let _server = TestServer::bind(&address.to_string(), chat_tests::server::without_rate_limit());
    let _ann = Page::join(&gateway, "Ann");
}

#[test]
fn at_a_signal_the_guests_leave_and_their_pages_are_told() {
    let server = TestServer::start();
    let mut gateway = Gateway::start(server.address(), &[]);
    let tom = Member::join(server.address(), "Tom");
    let mut pages: Vec<Page> = ["Ann", "Bob"].iter().map(|name| Page::join(&gateway, name)).collect();
    gateway.program.signal("TERM");
    for page in &mut pages {
        page.sees("the end", |line| line["state"] == "left");
        assert!(std::iter::from_fn(|| page.stream.next()).all(|line| line["event"] != "message"));
    }
    assert_eq!(gateway.program.exits(), Some(0));
    let history = format!("{:?}", tom.leave());
    assert!(!history.contains("connection lost"), "{history}");
}

#[test]
fn the_help_is_printed_for_a_person_who_asks() {
    let server = TestServer::start();
    let mut program = Program::start("gateway", &mut command(server.address(), &["--help"]));
    assert_eq!(program.exits(), Some(0));
    assert!(program.output().starts_with("Lets everybody with a browser into a room"));
}
