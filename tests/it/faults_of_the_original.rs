//! What the Go original does wrong, F1 to F14, done to our real programs: each row of the table in README has its test here,
//! or in the file that the table names.

use chat_common::{
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

/// The lines that are people's messages.
fn messages(client: &Program) -> Vec<String> {
    client.lines().into_iter().filter(|line| line.starts_with('[')).collect()
}

#[test]
fn f01_the_server_dials_the_address_that_the_client_came_from() {
    // Not the loopback address that everybody tries first: a client that registered "localhost" would go unheard.
    let mut command = Command::new(binary("chat-server"));
    let (_server, address) = Program::start_server(command.args(["--listen", "127.0.0.2:0"]));
    let address = SocketAddr::new([127, 0, 0, 2].into(), address.port());
    let sara = Program::joined_client(address, "Sara");
    let mut ali = Program::joined_client(address, "Ali");
    ali.types("hello");
    sara.sees("[Ali] hello");
    assert!(!sara.output().contains("could not dial"), "the server has dialled: {}", sara.output());
}

#[test]
fn f02_three_pipes_at_once_reach_everybody_once_and_in_one_order() {
    const LINES: usize = 500;
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let listeners: Vec<Program> =
        (0..7).map(|number| Program::joined_client(address, &format!("listener{number}"))).collect();
    // They stay after their last line, to hear the end of the others.
    let mut pipers = ["Ann", "Bob", "Cid"].map(|name| Program::client(address, name, &["--stay"]));
    // All are in before anybody speaks, so that all hear all of it.
    pipers.iter().for_each(|piper| piper.sees("Connected!"));
    for (piper, letter) in pipers.iter_mut().zip(["a", "b", "c"]) {
        let lines: String = (0..LINES).map(|number| format!("{letter}{number}\n")).collect();
        piper.types_exactly(&lines);
        piper.ends_input();
    }
    let ends = ["Ann] a", "Bob] b", "Cid] c"].map(|begin| format!("[{begin}{}\n", LINES - 1));
    for listener in &listeners {
        ends.iter().for_each(|end| listener.sees(end));
    }
    let order = messages(&listeners[0]);
    assert_eq!(order.len(), 3 * LINES, "every line arrives");
    assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 3 * LINES, "none arrives twice");
    for (name, letter) in [("Ann", "a"), ("Bob", "b"), ("Cid", "c")] {
        let own: Vec<String> = order.iter().filter(|line| line.contains(name)).cloned().collect();
        let sent: Vec<String> = (0..LINES).map(|number| format!("[{name}] {letter}{number}")).collect();
        assert_eq!(own, sent, "{name}'s own order");
    }
    for listener in &listeners[1..] {
        assert!(messages(listener) == order, "all see one order");
    }
    for (piper, (name, own_end)) in pipers.iter().zip([("[Ann]", 0), ("[Bob]", 1), ("[Cid]", 2)]) {
        ends.iter().enumerate().filter(|(number, _)| *number != own_end).for_each(|(_, end)| piper.sees(end));
        let others: Vec<String> = order.iter().filter(|line| !line.starts_with(name)).cloned().collect();
        assert!(messages(piper) == others, "{name} sees the same order without her own");
    }
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
    // It is the end of the connection that tells, and not one of the timers, the shortest of which is five seconds.
    assert!(killed.elapsed() < Duration::from_secs(4), "told after {:?}", killed.elapsed());
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
    let held = (server.threads(), server.descriptors());
    stopped.signal("CONT");
    assert!(held.0 <= threads && held.1 <= descriptors, "{held:?} instead of {threads} and {descriptors}");
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
    assert!(second.error_output().contains("taken"), "{:?} says why", second.error_output());
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
        assert!(client.error_output().contains("name"), "{name}: {:?} says why", client.error_output());
    }
}

#[test]
fn f08_a_killed_server_is_told_and_nothing_typed_meanwhile_is_lost() {
    let (server, address) = Program::server(&[]);
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
    let (_server, _) = Program::start_server(command.args(["--listen", &address.to_string()]));
    sara.sees("the room was restarted");
    ali.sees("the room was restarted");
    // Whoever of the two is back first.
    ali.sees("[Sara] typed into the void");
}

/// A server of the test's own, on which a real client joins: where it listens, and both connections.
fn impostor_room(listener: &TcpListener) -> (SocketAddr, RawPeer, RawPeer) {
    let (stream, peer) = listener.accept().unwrap();
    let mut call = RawPeer::from_stream(stream);
    let hello = call.connection.read_hello(WATCHDOG_TIMEOUT).unwrap().unwrap();
    call.connection.welcome(&hello, WATCHDOG_TIMEOUT).unwrap();
    let Some(Request::Join(join)) = call.connection.next_request(WATCHDOG_TIMEOUT, WATCHDOG_TIMEOUT).unwrap()
    else {
        panic!("the first request is a Join");
    };
    let port = SocketAddr::new(peer.ip(), join.port);
    let mut callback = RawPeer::connect(port);
    callback.connection.greet(Role::Callback, join.token, WATCHDOG_TIMEOUT).unwrap();
    let joined = Joined { room: 1, sequence: 1, called_back: true, text_limit: 4096, motd: None };
    call.connection.reply(&Reply::Joined(joined), WATCHDOG_TIMEOUT).unwrap();
    (port, call, callback)
}

#[test]
fn f13_a_strangers_receive_is_not_shown() {
    let said = |text: &str| Callback::Receive {
        answer: true,
        events: vec![Event {
            sequence: 2,
            time: 0,
            kind: EventKind::Message { author: "Sara".to_owned(), message_id: 1, text: text.to_owned() },
        }],
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Program::client(listener.local_addr().unwrap(), "Ali", &[]);
    let (port, _call, mut callback) = impostor_room(&listener);
    client.sees("Connected!");
    for role in [Role::Callback, Role::Call, Role::OpenedCallback] {
        let mut stranger = RawPeer::connect(port);
        let answer = stranger.connection.greet(role, Token::from_bytes([7; 16]), WATCHDOG_TIMEOUT);
        assert!(answer.is_err(), "a stranger is welcome as {role:?}");
        let _ = stranger.connection.reply(&said("forged"), WATCHDOG_TIMEOUT);
        stranger.read_until_closed();
    }
    callback.connection.reply(&said("genuine"), WATCHDOG_TIMEOUT).unwrap();
    client.sees("[Sara] genuine");
    assert!(!client.output().contains("forged"));
}

#[test]
fn f14_a_peer_that_stops_answering_is_given_up() {
    let fast = [
        "--ping-after",
        "300ms",
        "--receive-timeout",
        "300ms",
        "--dead-after",
        "1s",
        "--frame-timeout",
        "1s",
    ];
    let (_server, address) = Program::server(&fast);
    let proxy = Proxy::start(address);
    let sara = Program::client(address, "Sara", &[]);
    sara.sees("Connected!");
    // Ali's cable is pulled: his connections stay open and nothing goes through them any more.
    let ali = Program::client(proxy.address(), "Ali", &["--no-listen"]);
    ali.sees("Connected!");
    sara.sees("User [Ali] joined");
    proxy.set_faults(Faults::both(Fault::StopReading));
    sara.sees("User [Ali] left (not responding)");
}
