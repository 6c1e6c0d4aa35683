//! The faults of the Go original, F1 to F14, tested on our real programs.
//!
//! The table in tests/README.md names the test of each fault. Those that are not here are in the file of
//! their subject.

use chat_common::wire::{
    hello::Role,
    protocol::{Callback, Event, EventKind, Joined, Reply, Request},
    token::Token,
};
use chat_tests::{
    process::{binary, Program},
    proxy::{Fault, Faults, Proxy},
    raw::RawPeer,
    watchdog::WATCHDOG_TIMEOUT,
};
use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpListener},
    process::Command,
    time::{Duration, Instant},
};

/// The lines of the output that are messages.
fn messages(client: &Program) -> Vec<String> {
    client.lines().into_iter().filter(|line| line.starts_with('[')).collect()
}

#[test]
fn f01_the_server_dials_the_address_that_the_client_came_from() {
    // This is not the usual loopback address. A server that dialled 127.0.0.1 would not reach the clients.
    let mut command = Command::new(binary("chat-server"));
    let (_server, address) = Program::start_server(command.args(["--listen", "127.0.0.2:0"]));
    let address = SocketAddr::new([127, 0, 0, 2].into(), address.port());
    let sara = Program::joined_client(address, "Sara");
    let mut ali = Program::joined_client(address, "Ali");
    ali.types("hello");
    sara.sees("[Ali] hello");
    assert!(!sara.output().contains("could not dial"), "the server could not dial: {}", sara.output());
}

#[test]
fn f02_three_pipes_at_once_reach_everybody_once_and_in_one_order() {
    const LINES: usize = 500;
    eprintln!("Ann, Bob and Cid each read {LINES} lines from a pipe, at the same time. Seven others listen.");
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let listeners: Vec<Program> =
        (0..7).map(|number| Program::joined_client(address, &format!("listener{number}"))).collect();
    // They stay after their last line, so that they hear the last lines of the others.
    let mut speakers = ["Ann", "Bob", "Cid"].map(|name| Program::client(address, name, &["--stay"]));
    // All join before the first line is typed, so that all hear every line.
    speakers.iter().for_each(|speaker| speaker.sees("Connected!"));
    for (speaker, letter) in speakers.iter_mut().zip(["a", "b", "c"]) {
        let lines: String = (0..LINES).map(|number| format!("{letter}{number}\n")).collect();
        speaker.types_exactly(&lines);
        speaker.ends_input();
    }
    let last_lines = ["Ann] a", "Bob] b", "Cid] c"].map(|start| format!("[{start}{}\n", LINES - 1));
    for listener in &listeners {
        last_lines.iter().for_each(|line| listener.sees(line));
    }
    let order = messages(&listeners[0]);
    assert_eq!(order.len(), 3 * LINES, "every line arrives");
    assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 3 * LINES, "no line arrives twice");
    for (name, letter) in [("Ann", "a"), ("Bob", "b"), ("Cid", "c")] {
        let own: Vec<String> = order.iter().filter(|line| line.contains(name)).cloned().collect();
        let sent: Vec<String> = (0..LINES).map(|number| format!("[{name}] {letter}{number}")).collect();
        assert_eq!(own, sent, "the order of {name}'s own lines");
    }
    for listener in &listeners[1..] {
        assert!(messages(listener) == order, "all listeners see one order");
    }
    for (speaker, (name, own)) in speakers.iter().zip([("[Ann]", 0), ("[Bob]", 1), ("[Cid]", 2)]) {
        for (number, line) in last_lines.iter().enumerate() {
            if number != own {
                speaker.sees(line);
            }
        }
        let others: Vec<String> = order.iter().filter(|line| !line.starts_with(name)).cloned().collect();
        assert!(messages(speaker) == others, "{name} sees the same order without its own lines");
    }
    let turns = order.windows(2).filter(|pair| pair[0][..4] != pair[1][..4]).count();
    eprintln!(
        "  Each listener has all {} lines once. The speakers took turns {turns} times, and all ten clients \
         show the same turns.",
        order.len()
    );
}

#[test]
fn f03_a_killed_client_is_told_to_the_others_at_once() {
    let (_server, address) = Program::server(&[]);
    let sara = Program::joined_client(address, "Sara");
    let ali = Program::joined_client(address, "Ali");
    sara.sees("User [Ali] joined");
    let killed = Instant::now();
    ali.signal("KILL");
    sara.sees("User [Ali] left (connection lost)\n");
    // The server notices the end of the connection itself. Its shortest timer would need five seconds.
    assert!(killed.elapsed() < Duration::from_secs(4), "Sara learns it after {:?}", killed.elapsed());
}

#[test]
fn f05_a_stopped_client_costs_nothing_and_gets_all_of_it_in_order() {
    const LINES: usize = 300;
    let (server, address) = Program::server(&["--rate-burst", "0"]);
    let sara = Program::joined_client(address, "Sara");
    let stopped = Program::joined_client(address, "Stopped");
    let mut ali = Program::joined_client(address, "Ali");
    ali.types("before");
    stopped.sees("[Ali] before");
    sara.sees("[Ali] before");
    let (threads, descriptors) = (server.threads(), server.descriptors());
    stopped.signal("STOP");
    for number in 0..LINES {
        ali.types(&format!("{number}"));
    }
    ali.types("after");
    sara.sees("[Ali] after");
    let during = (server.threads(), server.descriptors());
    stopped.signal("CONT");
    assert!(
        during.0 <= threads && during.1 <= descriptors,
        "{during:?} instead of {threads} and {descriptors}"
    );
    stopped.sees("[Ali] after");
    assert_eq!(messages(&stopped), messages(&sara));
    assert_eq!(messages(&sara).len(), LINES + 2);
}

#[test]
fn f06_a_second_ann_is_refused_and_the_first_hears_on() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    let mut second = Program::client(address, "ann", &[]);
    second.ends_input();
    assert_eq!(second.exits(), Some(1));
    assert!(second.error_output().contains("taken"), "{:?} does not say why", second.error_output());
    let mut bob = Program::joined_client(address, "Bob");
    bob.types("hello Ann");
    ann.sees("[Bob] hello Ann");
}

#[test]
fn f07_nobody_is_the_system_and_nobody_is_nobody() {
    let (_server, address) = Program::server(&[]);
    for name in ["SYSTEM", "System.", "server", "a b", "[Ann]", "S\u{430}ra"] {
        let mut client = Program::client(address, name, &[]);
        client.ends_input();
        assert_eq!(client.exits(), Some(1), "{name}");
        assert!(
            client.error_output().contains("name"),
            "{name}: {:?} does not say why",
            client.error_output()
        );
    }
}

#[test]
fn f08_a_killed_server_is_told_and_nothing_typed_meanwhile_is_lost() {
    let (server, address) = Program::server_that_forgets(&[]);
    let mut sara = Program::joined_client(address, "Sara");
    let ali = Program::joined_client(address, "Ali");
    sara.sees("User [Ali] joined");
    server.signal("KILL");
    drop(server);
    sara.sees("--- connection lost");
    ali.sees("--- connection lost");
    sara.types("typed into the void");
    sara.sees("--- waiting to be sent: typed into the void ---");
    let mut command = Command::new(binary("chat-server"));
    let (_server, _) = Program::start_server_that_forgets(command.args(["--listen", &address.to_string()]));
    sara.sees("the room was restarted");
    ali.sees("the room was restarted");
    // This holds in whichever order the two reconnect.
    ali.sees("[Sara] typed into the void");
}

/// Plays a server on which a real client joins. Returns the address of the client's listener, and both
/// connections.
fn accept_client(listener: &TcpListener) -> (SocketAddr, RawPeer, RawPeer) {
    let (_, mut call) = RawPeer::serve(listener, None);
    let Some(Request::Join(join)) = call.connection.next_request(WATCHDOG_TIMEOUT, WATCHDOG_TIMEOUT).unwrap()
    else {
        panic!("the first request is no Join");
    };
    let client = SocketAddr::new(call.stream.peer_addr().unwrap().ip(), join.port);
    let callback = call.call_back(client, join.token);
    let joined =
        Joined { room: 1, sequence: 1, called_back: true, text_limit: 4096, kept_for: None, motd: None };
    call.connection.reply(&Reply::Joined(joined), WATCHDOG_TIMEOUT).unwrap();
    (client, call, callback)
}

#[test]
fn f13_a_strangers_receive_is_not_shown() {
    let receive = |text: &str| Callback::Receive {
        answer: true,
        events: vec![Event {
            sequence: 2,
            time: 0,
            kind: EventKind::Message {
                author: "Sara".to_owned(),
                message_id: 1,
                repeated: false,
                text: text.to_owned(),
            },
        }],
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Program::client(listener.local_addr().unwrap(), "Ali", &[]);
    let (client_address, _call, mut callback) = accept_client(&listener);
    client.sees("Connected!");
    for role in [Role::Callback, Role::Call, Role::OpenedCallback] {
        let mut stranger = RawPeer::connect(client_address);
        let answer = stranger.connection.greet(role, Token::from_bytes([7; 16]), WATCHDOG_TIMEOUT);
        assert!(answer.is_err(), "the client accepts a stranger as {role:?}");
        let _ = stranger.connection.reply(&receive("forged"), WATCHDOG_TIMEOUT);
        stranger.read_until_closed();
    }
    callback.connection.reply(&receive("genuine"), WATCHDOG_TIMEOUT).unwrap();
    client.sees("[Sara] genuine");
    assert!(!client.output().contains("forged"));
}

#[test]
fn f14_a_peer_that_stops_answering_is_given_up() {
    let short_timeouts = [
        "--ping-after",
        "300ms",
        "--receive-timeout",
        "300ms",
        "--dead-after",
        "1s",
        "--frame-timeout",
        "1s",
    ];
    let (_server, address) = Program::server(&short_timeouts);
    let proxy = Proxy::start(address);
    let sara = Program::client(address, "Sara", &[]);
    sara.sees("Connected!");
    // The proxy plays a pulled cable: Ali's connections stay open, but nothing passes through them any more.
    let ali = Program::client(proxy.address(), "Ali", &["--no-listen"]);
    ali.sees("Connected!");
    sara.sees("User [Ali] joined");
    proxy.set_faults(Faults::both(Fault::StopReading));
    sara.sees("User [Ali] left (not responding)");
}
