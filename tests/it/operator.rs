//! What the operator can do to members and what is kept of the room, tested on the real programs.

use chat_common::wire::protocol::{Cause, EventKind, Reply, Request};
use chat_tests::{
    folder::Folder,
    member::Member,
    process::{binary, Program},
    raw::{self, RawPeer},
    room::room_key_line,
    watchdog::poll,
};
use std::{fs, net::SocketAddr, process::Command};

/// A server with a console that keeps a transcript in this file.
fn server_with_transcript(file: &str, flags: &[&str]) -> (Program, SocketAddr) {
    Program::server(&[&["--console", "--transcript", file], flags].concat())
}

/// The lines of a transcript without their times.
fn lines(file: &str) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| {
            let (time, words) = line.split_at_checked(20).unwrap_or_else(|| panic!("{line:?} has no time"));
            let form: String = time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
            assert_eq!(form, "9999-99-99T99:99:99Z", "{line:?}");
            words.trim_start().to_owned()
        })
        .collect()
}

#[test]
fn the_log_and_who_show_where_everybody_comes_from_in_the_order_of_people() {
    let (mut server, address) = Program::server(&["--console"]);
    let _late = Program::joined_client(address, "pupil_159");
    let mut early = Program::joined_client(address, "Pupil_16");
    server.logs("pupil_159 joined from 127.0.0.1\n");
    early.types("/nick pupil_17");
    server.logs("Pupil_16 is now pupil_17, from 127.0.0.1\n");
    server.types("/who");
    server.sees("pupil_17   127.0.0.1\npupil_159  127.0.0.1\n2 here\n");
    server.types("/who IL_17");
    server.sees("pupil_17  127.0.0.1  here for ");
    server.sees("1 of 2 here\n");
    server.types("/kick pupil_17");
    server.logs("pupil_17 left (removed) from 127.0.0.1\n");
}

#[test]
fn a_muted_member_reads_on_and_says_nothing_until_the_mute_ends() {
    let (mut server, address) = Program::server(&["--console"]);
    let tom = Program::joined_client(address, "Tom");
    let mut sara = Program::joined_client(address, "Sara");
    server.types("/mute sara 10m");
    server.sees("muted: Sara for 10m; /unmute Sara ends it\n");
    server.logs("the operator has muted Sara for 10m\n");
    sara.sees("Server: the operator has muted you for 10m; you can read on, and leave\n");
    sara.types("no");
    sara.types("/me waves");
    sara.types("/msg Tom no");
    sara.types("/nick Sal");
    poll("four refusals", || {
        (sara.error_output().matches("--- refused: the operator has muted you for ").count() == 4)
            .then_some(())
    });
    // A new session with the same name is muted too, and is told so.
    sara.types("exit");
    assert_eq!(sara.exits(), Some(1), "a message of hers was refused");
    let mut sara = Program::joined_client(address, "SARA");
    sara.sees("Server: the operator has muted you for ");
    server.types("/mute");
    server.sees("\nsara for ");
    server.types("/unmute Sara");
    server.sees("no longer muted: Sara\n");
    sara.sees("Server: you are no longer muted\n");
    sara.types("yes");
    tom.sees("[SARA] yes\n");
    assert!(!tom.output().contains("no\n") && !tom.output().contains("Server:"), "{}", tom.output());
    for (typed, answer) in [
        ("/mute", "nobody is muted; /mute NAME [TIME] mutes a member\n"),
        ("/mute Tom 10x", "\"10x\" is not a time such as"),
        ("/mute 192.0.2.7", "\"192.0.2.7\" is no name"),
        ("/unmute Tom", "not muted: Tom; /mute lists who is\n"),
        ("/unmute", "usage: /unmute NAME|*  let the member, or everybody, speak again\n"),
        ("/Unmute Zed", "not muted: Zed; /mute lists who is\n"),
        ("/mute Nobody", "muted: Nobody without a time limit; nobody here has this name now"),
    ] {
        server.types(typed);
        server.sees(answer);
    }
}

#[test]
fn a_mute_and_a_ban_hold_for_a_name_that_looks_the_same() {
    let (mut server, address) = Program::server(&["--console"]);
    let mut bill = Program::joined_client(address, "Bill");
    server.types("/mute Bill");
    bill.sees("Server: the operator has muted you ");
    bill.types("exit");
    assert_eq!(bill.exits(), Some(0));
    let mut bill = Program::joined_client(address, "BiII");
    bill.sees("Server: the operator has muted you ");
    server.types("/ban Bill");
    server.sees("; removed: BiII (127.0.0.1)\n");
    assert_eq!(bill.exits(), Some(1));
    for name in ["bill", "BiII", "bi1l"] {
        let mut again = Program::client(address, name, &[]);
        again.logs(&format!("the name {name} is banned from the room"));
        assert_eq!(again.exits(), Some(1));
    }
    server.types("/unban BiII");
    server.sees("no longer banned: name BiII\n");
    let _bill = Program::joined_client(address, "Bill");
    for name in ["y0u", "a11", "AII"] {
        let mut room = Program::client(address, name, &[]);
        room.logs("the name is reserved for the room itself");
        assert_eq!(room.exits(), Some(1));
    }
}

#[test]
fn messages_of_a_muted_member_that_still_wait_are_refused() {
    let (mut server, address) = Program::server(&["--console"]);
    let token = raw::random_token();
    let mut tom = RawPeer::connect_call(address).unwrap();
    tom.join("Tom", token).unwrap();
    let _callback = tom.connect_callback(address, token).unwrap();
    server.types("/mute Tom");
    server.sees("muted: Tom");
    for message_id in 1..=3 {
        let text = "no".to_owned();
        match tom.ask(&Request::Broadcast { message_id, repeated: false, text }) {
            Ok(Reply::Refused(refusal)) => assert_eq!(refusal.cause, Cause::Muted),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_transcript_keeps_what_is_said_to_everybody_and_nothing_private() {
    let folder = Folder::new();
    let file = folder.file("room.txt");
    fs::write(&file, "2026-01-01T00:00:00Z torn").unwrap();
    let (mut server, address) = server_with_transcript(&file, &[]);
    let mut sara = Program::joined_client(address, "Sara");
    let tom = Program::joined_client(address, "Tom");
    sara.types("hello");
    sara.types("/msg Tom a secret");
    tom.sees("[Sara, privately] a secret\n");
    server.types("/mute Tom");
    tom.sees("Server: the operator has muted you");
    sara.types("/me waves");
    sara.types("/nick Sal");
    sara.sees("you are [Sal] now");
    server.types("/say the end");
    sara.sees("Server: the end\n");
    let mut forger = Member::join(address, "Eve");
    forger.say("one\n2026-01-01T00:00:00Z [Sal] a lie\u{1b}[2J");
    tom.sees("a lie");
    forger.leave();
    tom.sees("User [Eve] left\n");
    server.signal("TERM");
    assert_eq!(server.exits(), Some(0));
    let expected = [
        "torn",
        "User [Sara] joined",
        "User [Tom] joined",
        "[Sara] hello",
        "* Sara waves",
        "User [Sara] is now [Sal]",
        "Server: the end",
        "User [Eve] joined",
        "[Eve] one\\n2026-01-01T00:00:00Z [Sal] a lie\\u{1b}[2J",
        "User [Eve] left",
        "--- the room has ended: the server is shutting down ---",
    ];
    assert_eq!(lines(&file), expected);
}

#[test]
fn who_joins_is_told_whether_the_room_keeps_what_is_said() {
    let folder = Folder::new();
    let kept_for = |address| {
        let mut peer = RawPeer::connect_call(address).unwrap();
        peer.join("Ann", raw::random_token()).unwrap().kept_for
    };
    let (_server, address) = server_with_transcript(&folder.file("room.txt"), &[]);
    assert_eq!(kept_for(address), Some(u64::MAX));
    let (_server, address) = Program::server_that_forgets(&[]);
    assert_eq!(kept_for(address), None);
}

#[test]
fn every_accepted_message_is_in_the_transcript_after_a_signal() {
    const MANY: usize = 20_000;
    let folder = Folder::new();
    let file = folder.file("room.txt");
    let (mut server, address) =
        server_with_transcript(&file, &["--rate-burst", "0", "--log-messages", "100000"]);
    let mut sara = Member::join(address, "Sara");
    for number in 0..MANY {
        sara.say(&format!("m{number}"));
    }
    server.signal("TERM");
    assert_eq!(server.exits(), Some(0));
    let lines = lines(&file);
    let said: Vec<&String> = lines.iter().filter(|line| line.starts_with("[Sara] ")).collect();
    assert_eq!(said.len(), MANY);
    assert!((0..MANY).all(|number| *said[number] == format!("[Sara] m{number}")));
}

#[test]
fn a_transcript_that_nobody_takes_or_whose_disk_is_full_delays_nobody() {
    let folder = Folder::new();
    let pipe = folder.file("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (file, complaint) in [
        ("/dev/full", "cannot write the transcript /dev/full: No space left on device"),
        (&pipe, "is not complete: nobody takes what is written"),
    ] {
        let flags = ["--rate-burst", "0", "--drain-timeout", "1s"];
        let (mut server, address) = server_with_transcript(file, &flags);
        let (mut sara, tom) = (Member::join(address, "Sara"), Member::join(address, "Tom"));
        // More than a pipe takes.
        let text = "x".repeat(4000);
        for _ in 0..50 {
            sara.say(&text);
        }
        sara.say("still here");
        tom.hear(
            "the last message",
            |kind| matches!(kind, EventKind::Message { text, .. } if text == "still here"),
        );
        server.signal("TERM");
        server.logs(complaint);
        assert_eq!(server.exits(), Some(0), "{file}");
    }
}

#[test]
fn what_the_log_dropped_before_it_could_be_written_is_told_in_the_transcript() {
    let folder = Folder::new();
    let pipe = folder.file("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // A journal would still have what the log drops.
    let (mut server, address) = Program::server_that_forgets(&[
        "--console",
        "--transcript",
        &pipe,
        "--rate-burst",
        "0",
        "--log-messages",
        "10",
    ]);
    let mut sara = Member::join(address, "Sara");
    let text = "x".repeat(4000);
    // More than a pipe and one batch of events take, and then more than the log keeps.
    for _ in 0..200 {
        sara.say(&text);
    }
    let mut reader = Program::start("reader", Command::new("cat").arg(&pipe));
    server.logs("is too slow and lacks events: ");
    reader.sees(", because the file was too slow ---\n");
    reader.sees("xxx\n");
    server.types("/stop");
    assert_eq!(server.exits(), Some(0));
    assert_eq!(reader.exits(), Some(0));
    assert!(reader.output().ends_with("--- the room has ended: the server is shutting down ---\n"));
}

#[test]
fn a_transcript_that_is_moved_goes_on_in_a_new_file() {
    let folder = Folder::new();
    let [file, moved] = ["room.txt", "room.txt.1"].map(|name| folder.file(name));
    let (server, address) = server_with_transcript(&file, &[]);
    let mut tom = Program::joined_client(address, "Tom");
    let has =
        |file: &str, text: &str| fs::read_to_string(file).unwrap_or_default().contains(text).then_some(());
    tom.types("before");
    poll("the first line", || has(&file, "[Tom] before"));
    fs::rename(&file, &moved).unwrap();
    tom.types("after");
    poll("the new file", || has(&file, "[Tom] after"));
    assert!(has(&moved, "[Tom] after").is_none() && has(&file, "before").is_none());
    server.logs("goes on in a new file");
}

#[test]
fn a_transcript_that_cannot_be_opened_is_named_before_the_room_opens() {
    for path in ["/", "/nonexistent/room.txt"] {
        let mut command = Command::new(binary("chat-server"));
        command.args(["--listen", "127.0.0.1:0", "--transcript", path]);
        let mut server = Program::start("server", &mut command);
        assert_eq!(server.exits(), Some(1));
        let why = format!("chat-server: cannot write the transcript {path}: ");
        assert!(server.error_output().contains(&why), "{}", server.error_output());
        assert_eq!(server.output(), "");
    }
}

#[test]
fn the_server_tells_how_others_join_in_words_that_can_be_pasted_and_nothing_else() {
    for listen in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
        let mut command = Command::new(binary("chat-server"));
        let (mut server, _) = Program::start_server_that_forgets(command.args(["--listen", listen]));
        server.sees(" join with: chat-client --server ");
        let line = poll("the whole line", || {
            server.lines().get(1).filter(|_| server.output().ends_with('\n')).cloned()
        });
        let pasted = line.split_once(": ").unwrap().1.to_owned();
        let (_, address) = pasted.rsplit_once(' ').unwrap();
        let client = Program::client(address.trim_matches('\'').parse().unwrap(), "Sara", &[]);
        client.sees("Connected! Start typing...\n");
        server.sees(&room_key_line());
        assert_eq!(server.lines().len(), 3 + room_key_line().lines().count());
        server.signal("TERM");
        assert_eq!(server.exits(), Some(0));
        let log = server.error_output();
        assert!(log.lines().next().unwrap().contains("Sara joined from "), "{log}");
    }
}
