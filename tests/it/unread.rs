//! Nobody in the room waits for whoever reads the log, the console's replies or a client's errors.

use chat_common::wire::protocol::EventKind;
use chat_tests::{
    member::Member,
    process::{binary, server_address, Program},
    raw::RawPeer,
    room::{Kind, Room},
    stuck::StuckOutput,
};
use std::{
    net::SocketAddr,
    process::{Command, Stdio},
};

/// More than the log keeps for its reader, see `QUEUED_PIECES` in chat-common.
const MANY: usize = 3000;

fn server_command() -> Command {
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0", "--rate-burst", "0", "--console"]).env("RUST_LOG", "trace");
    command
}

/// Members join and leave, so many strangers are refused that the log gets more lines than it keeps, and
/// messages arrive.
fn a_lively_room(server: &mut Program, address: SocketAddr) {
    /// The server logs this many lines at once about one address.
    const LINES_OF_AN_ADDRESS: usize = 60;
    server.types("/ban 127.0.1.0/24");
    server.sees("banned: address 127.0.1.0/24");
    let mut ann = Member::join(address, "ann");
    let bob = Member::join(address, "bob");
    for number in 0..10 {
        Member::join(address, &format!("guest{number}")).leave();
    }
    for number in 0..MANY {
        let host = [127, 0, 1, (number / LINES_OF_AN_ADDRESS) as u8].into();
        RawPeer::connect_from(host, address).unwrap().read_until_closed();
    }
    let end = ann.say("hello");
    bob.hear_up_to(end);
    bob.hear_text("hello");
}

#[test]
fn a_log_that_nobody_reads_delays_neither_the_room_nor_its_stop() {
    let log = StuckOutput::full().unwrap();
    let (mut server, address) = Program::start_server_with(&mut server_command(), log.stdio().unwrap());
    a_lively_room(&mut server, address);
    server.signal("TERM");
    assert_eq!(server.exits(), Some(0));
}

#[test]
fn a_log_that_is_read_again_says_how_many_lines_are_missing() {
    let log = StuckOutput::full().unwrap();
    let (mut server, address) = Program::start_server_with(&mut server_command(), log.stdio().unwrap());
    a_lively_room(&mut server, address);
    server.reads_error_output(log.into_reader());
    server.logs("--- lines left out here: ");
    // What comes later is complete.
    let _late = Member::join(address, "late");
    server.logs("late joined");
    server.signal("TERM");
    assert_eq!(server.exits(), Some(0));
    assert!(server.error_output().trim_end().ends_with("stopped"), "{}", tail(&server.error_output()));
}

#[test]
fn replies_of_the_console_that_nobody_reads_delay_neither_the_room_nor_its_stop() {
    let mut output = StuckOutput::new().unwrap();
    let room = Room::beside(Kind::default());
    let mut command = server_command();
    let command = command.args(room.arguments());
    let mut server = Program::start_with("server", command, output.stdio().unwrap(), Stdio::piped());
    let address = server_address(&output.line().unwrap());
    output.fill().unwrap();
    let ann = Member::join(address, "ann");
    for _ in 0..MANY {
        server.types("/help");
    }
    // The console reads on behind all these replies that nobody has read.
    server.types("/say still here");
    ann.hear(
        "the operator's notice",
        |kind| matches!(kind, EventKind::Notice { text } if text == "still here"),
    );
    server.reads_output(output.into_reader());
    server.sees("--- lines left out here: ");
    server.types("/who");
    server.sees("ann  127.0.0.1\n1 here\n");
    server.signal("TERM");
    assert_eq!(server.exits(), Some(0), "{}", tail(&server.error_output()));
}

#[test]
fn a_client_whose_errors_nobody_reads_shows_messages_and_leaves() {
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let errors = StuckOutput::full().unwrap();
    let mut command = Command::new(binary("chat-client"));
    command.args(["--server", &address.to_string(), "--name", "Tom"]).env("RUST_LOG", "trace");
    let mut tom = Program::start_with("tom", &mut command, Stdio::piped(), errors.stdio().unwrap());
    tom.sees("Connected!");
    for _ in 0..MANY {
        tom.types("/no such command");
    }
    tom.types("done");
    let mut sara = Member::join(address, "Sara");
    sara.say("hello Tom");
    tom.sees("[Sara] hello Tom\n");
    tom.types("/who");
    tom.sees("2 here: Sara, Tom");
    tom.ends_input();
    // The client says that some lines were no commands, and nobody reads that.
    assert_eq!(tom.exits(), Some(1));
}

fn tail(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

#[test]
fn a_client_whose_messages_nobody_reads_says_why_a_signal_ends_it_with_one() {
    let (_server, address) = Program::server(&[]);
    let ann = Member::join(address, "ann");
    let output = StuckOutput::full().unwrap();
    let mut command = Command::new(binary("chat-client"));
    command.args(["--server", &address.to_string(), "--name", "Tom"]);
    let mut tom = Program::start_with("tom", &mut command, output.stdio().unwrap(), Stdio::piped());
    ann.hear("tom's join", |kind| matches!(kind, EventKind::Joined { name } if name == "Tom"));
    tom.signal("TERM");
    assert_eq!(tom.exits(), Some(1));
    let expected = "chat-client: stopped by a signal before everything was sent and shown\n";
    assert_eq!(tom.error_output(), expected);
}
