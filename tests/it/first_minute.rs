//! What a person reads between the start of the client and the first message: whether there is a server, and
//! who is here.

use chat_tests::{
    member::Member,
    process::{binary, Program},
    room::connected,
    terminal::{Screen, TerminalUser, ENTER},
};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Command,
};

/// The end of the line that says who is here.
const HELP: &str = "/help lists what you can do ---";

/// An address at which nobody listens now.
fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// The text of the row with this in it.
fn row(person: &TerminalUser, wanted: &str) -> String {
    person.screen().wait(wanted, |screen| screen.rows().into_iter().find(|row| row.contains(wanted)))
}

#[test]
fn a_person_at_a_terminal_reads_who_is_here_and_how_to_go_on() {
    let (_server, address) = Program::server(&[]);
    let size = (24, 100);
    let sara = TerminalUser::join(address, size, "Sara");
    assert!(row(&sara, HELP).ends_with(&format!(" --- you are Sara; nobody else is here; {HELP}")));
    let tom = TerminalUser::join(address, size, "Tom");
    assert!(row(&tom, HELP).ends_with(&format!(" --- you are Tom; here: Sara; {HELP}")));
    let _others: Vec<Member> =
        (10..22).map(|number| Member::join(address, &format!("Zed_{number}"))).collect();
    let zoe = TerminalUser::join(address, size, "Zoe");
    assert!(row(&zoe, HELP).ends_with(&format!(" --- you are Zoe; here: Sara, Tom and 12 more; {HELP}")));
    let written = zoe.screen().read_with(Screen::written);
    let [connected, here] = ["Connected!", "you are Zoe"].map(|line| written.find(line).unwrap());
    assert!(connected < here, "{written}");
}

#[test]
fn the_line_comes_with_plain_too_and_wraps_in_a_narrow_window() {
    let (_server, address) = Program::server(&[]);
    let _tom = Member::join(address, "Tom");
    let plain = TerminalUser::start(address, (24, 100), &["--name", "Ann", "--plain"], &[]);
    plain.sees("--- you are Ann; here: Tom; /help lists what you can do ---");
    let narrow = TerminalUser::start(address, (24, 30), &["--name", &"W".repeat(24), "--time", "off"], &[]);
    narrow.sees("here: Ann, Tom; /help lists what you can do ---");
}

#[test]
fn a_script_and_a_quiet_client_read_nothing_of_it() {
    let (_server, address) = Program::server(&[]);
    let tom = Member::join(address, "Tom");
    for arguments in [&[][..], &["--json"], &["--quiet"], &["--history", "5"]] {
        let mut ci = Program::client(address, "ci", arguments);
        ci.ends_input();
        assert_eq!(ci.exits(), Some(0));
        assert!(!ci.output().contains("you are") && !ci.output().contains("people"), "{}", ci.output());
    }
    let mut quiet = TerminalUser::start(address, (24, 100), &["--name", "Ann", "--quiet"], &[]);
    quiet.types(&format!("/quit{ENTER}"));
    assert_eq!(quiet.exits(), 0);
    assert!(!quiet.screen().read_with(Screen::written).contains("you are"));
    drop(tom);
}

#[test]
fn a_missing_server_is_the_news_before_a_name_is_asked_for() {
    let mut ann = TerminalUser::start(free_address(), (24, 100), &[], &[]);
    ann.sees("chat-client: cannot join at 127.0.0.1:");
    assert_eq!(ann.exits(), 1);
    assert!(!ann.screen().read_with(Screen::written).contains("Enter your name"));
    let mut ci =
        Program::start("the client", Command::new(binary("chat-client")).args(["--server", "127.0.0.1:1"]));
    ci.types("Ann");
    assert_eq!((ci.exits(), ci.output().as_str()), (Some(1), ""));
    assert_eq!(ci.error_output().lines().count(), 1, "{}", ci.error_output());
}

#[test]
fn a_client_that_waits_for_its_server_says_so_and_asks_for_a_name_when_it_is_there() {
    let address = free_address();
    let mut ann = TerminalUser::start(address, (24, 100), &["--wait", "5m"], &[]);
    ann.sees("--- cannot join yet: is the server running?");
    let mut command = Command::new(binary("chat-server"));
    let _server = Program::start_server(command.args(["--listen", &address.to_string()]));
    ann.sees_typed("Enter your name:");
    ann.types(&format!("Ann{ENTER}"));
    ann.sees(HELP);
}

#[test]
fn the_server_and_the_others_read_nothing_of_a_person_who_only_thinks_about_a_name() {
    let (server, address) = Program::server(&[]);
    let tom = Program::joined_client(address, "Tom");
    let mut ann = TerminalUser::start(address, (24, 100), &[], &[("TERM", "dumb")]);
    ann.sees_typed("Enter your name:");
    ann.types("\x04");
    assert_eq!(ann.exits(), 0);
    let _bob = Member::join(address, "Bob");
    tom.sees("User [Bob] joined\n");
    server.logs("Bob");
    assert_eq!(tom.output(), connected() + "User [Bob] joined\n");
    let log = server.error_output();
    let of_others = log.lines().filter(|line| !line.contains("Tom") && !line.contains("Bob"));
    assert!(of_others.clone().all(|line| line.contains("INFO") && !line.contains("127.0.0.1")), "{log}");
}
