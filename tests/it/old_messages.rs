//! What memory no longer holds is read from the journal: whole, or with the gaps told. Real programs; the
//! journals are in temporary folders.

use chat_common::wire::protocol::{Event, EventKind, Join, Reply, Request};
use chat_tests::{
    folder::Folder,
    member::Member,
    process::{binary, Program},
    raw::{self, RawPeer},
};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

/// Starts a server with a journal in this folder.
fn start(folder: &Folder, arguments: &[&str]) -> (Program, SocketAddr) {
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0", "--journal", &folder.file("journal"), "--rate-burst", "0"]);
    Program::start_server(command.args(arguments))
}

/// The files of the journal, in order.
fn files(folder: &Folder) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.file("journal")).unwrap().map(|entry| entry.unwrap().path());
    let is_file = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "journal");
    let mut files: Vec<PathBuf> = entries.filter(is_file).collect();
    files.sort();
    files
}

/// Flips a bit in the second batch of a file that is neither the first nor in use. The first batch has no
/// message: it opens the file.
fn rot(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes[2 * 4096 + 100] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// Lets ann say `count` numbers. Every other message is long, so that a page often has space for a short one.
fn say_numbers(server: SocketAddr, count: usize) {
    let mut ann = Member::join(server, "ann");
    for number in 0..count {
        ann.say(&format!("number {number} {}", "x".repeat(10 + number % 2 * 300)));
    }
    ann.leave();
}

/// The numbers among the lines of a client, in their order.
fn numbers(client: &Program) -> Vec<usize> {
    let number = |line: &String| line.split_once("number ")?.1.split([' ', '"']).next()?.parse().ok();
    client.lines().iter().filter_map(number).collect()
}

#[test]
fn history_and_search_leave_out_nothing_where_memory_holds_more_than_one_page() {
    let folder = Folder::new();
    let (_server, address) = start(&folder, &["--log-messages", "1201"]);
    say_numbers(address, 1500);
    let mut bob = Program::client(address, "Bob", &["--json", "--stay"]);
    bob.sees("\"connected\"");
    bob.types("/search number 1");
    bob.sees("\"event\":\"found\"");
    // 1, 10 to 19, 100 to 199, and 1000 to 1499.
    let found = bob.line_starting_with("{\"event\":\"found\"");
    assert!(found.contains("\"total\":611,\"complete\":true"), "{found}");

    let mut cem = Program::joined_client(address, "Cem");
    cem.types("/history 1400");
    cem.types("/who");
    cem.sees("2 here: Bob, Cem");
    assert_eq!(numbers(&cem), (100..1500).collect::<Vec<_>>());
}

#[test]
fn what_rots_in_a_file_while_the_server_runs_is_told_and_the_rest_is_there() {
    let folder = Folder::new();
    let (server, address) = start(&folder, &["--log-messages", "20", "--segment-size", "64KiB"]);
    say_numbers(address, 200);
    rot(&files(&folder)[2]);

    // One batch holds one of ann's messages, and perhaps what else happened then.
    let lost =
        |shown: &[usize]| -> Vec<usize> { (0..200).filter(|number| !shown.contains(number)).collect() };
    let newcomer = Program::client(address, "Bob", &["--history", "500", "--stay"]);
    newcomer.sees("number 199");
    newcomer.sees("messages missed ---");
    let shown = numbers(&newcomer);
    assert_eq!((lost(&shown).len(), shown.is_sorted()), (1, true), "{shown:?}");

    let mut cem = Program::client(address, "Cem", &["--json", "--stay"]);
    cem.sees("\"connected\"");
    cem.types("/search number");
    cem.sees("\"event\":\"found\"");
    let found = cem.line_starting_with("{\"event\":\"found\"");
    assert!(found.contains("\"total\":199,\"complete\":false"), "{found}");

    let mut dan = Program::joined_client(address, "Dan");
    dan.types("/history 500");
    dan.types("/who");
    dan.sees("3 here: Bob, Cem, Dan");
    dan.sees("messages missed ---");
    assert_eq!(numbers(&dan), shown);

    let file = files(&folder)[2].file_name().unwrap().to_string_lossy().into_owned();
    let told = server.error_output().lines().filter(|line| line.contains(&file)).count();
    assert_eq!(told, 1, "{}", server.error_output());
    server.logs(&format!("{file}: 8192: this batch is damaged"));
}

/// A server that lets an address read little of its files: 20 pieces at once, and then so many a second.
fn start_frugal(folder: &Folder, pieces: &str) -> (Program, SocketAddr) {
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0", "--journal", &folder.file("journal"), "--log-messages", "10"]);
    command.args(["--segment-size", "64KiB", "--address-burst", "20", "--address-rate", pieces]);
    command.args(["--drain-timeout", "30s"]);
    Program::start_server(&mut command)
}

#[test]
fn a_history_in_which_nothing_is_found_for_long_says_how_far_it_is_and_goes_on_there() {
    let folder = Folder::new();
    {
        let (_server, address) = start(&folder, &[]);
        let mut ann = Member::join(address, "ann");
        let _bob = Member::join(address, "bob");
        ann.say("the first");
        for number in 0..600 {
            ann.say_privately("bob", &format!("{number}"));
        }
    }
    // The others' private messages fill some 40 pieces of the files.
    let (_server, address) = start_frugal(&folder, "1");
    let mut cem = Member::join(address, "cem");
    let mut ask = |before| match cem.ask(&Request::History { count: 9, before }).unwrap() {
        Reply::History { events } => events,
        other => panic!("{other:?}"),
    };
    let events = ask(None);
    let [Event { sequence, kind: EventKind::Missed { first, messages: false }, .. }] = events[..] else {
        panic!("{events:?}");
    };
    assert!(sequence == first && first > 100, "{events:?}");
    let events = ask(Some(first));
    assert!(events[0].sequence < first, "{events:?}");
}

#[test]
fn nothing_is_read_for_a_send_only_client() {
    let folder = Folder::new();
    let (server, address) = start(&folder, &["--log-messages", "20", "--segment-size", "64KiB"]);
    say_numbers(address, 200);
    rot(&files(&folder)[2]);
    let join = |name, send_only| Join { history: 500, send_only, ..Join::new(name, raw::random_token(), 0) };
    let mut sender = RawPeer::connect_call(address).unwrap();
    sender.join_with(join("sender", true)).unwrap();
    assert!(!server.error_output().contains("damaged"), "{}", server.error_output());
    // A member finds the damage on its way back.
    let mut member = RawPeer::connect_call(address).unwrap();
    member.join_with(join("member", false)).unwrap();
    server.logs("this batch is damaged");
}

#[test]
fn a_newcomer_whose_address_has_to_wait_for_its_history_gets_all_of_it() {
    let folder = Folder::new();
    {
        let (_server, address) = start(&folder, &[]);
        say_numbers(address, 500);
    }
    let (_server, address) = start_frugal(&folder, "20");
    let bob = Program::client(address, "Bob", &["--history", "500", "--stay"]);
    bob.sees("number 499");
    assert_eq!(numbers(&bob), (0..500).collect::<Vec<_>>());
    assert!(!bob.output().contains("lost"), "{}", bob.output());
}

#[test]
fn a_server_that_stops_delivers_what_a_member_would_have_to_wait_for() {
    const COUNT: usize = 2000;
    let folder = Folder::new();
    let mut bob = {
        let (_server, address) = start(&folder, &[]);
        let mut bob = Member::join(address, "bob");
        bob.disconnect();
        say_numbers(address, COUNT);
        bob
    };
    // At a piece a second, all of it would take more than a minute.
    let (mut server, address) = start_frugal(&folder, "1");
    bob.set_server(address);
    bob.resume().unwrap();
    server.signal("TERM");
    bob.hear("the end of the room", |kind| matches!(kind, EventKind::Ended { .. }));
    assert_eq!(bob.texts().len(), COUNT);
    assert_eq!(server.exits(), Some(0));
}
