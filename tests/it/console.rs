//! The operator's commands and files, tested on the real programs.

use chat_common::wire::{
    frame::encode_frame,
    protocol::{Cause, Join, Reply, Request},
};
use chat_tests::{
    folder::Folder,
    process::{binary, server_address, Program},
    raw::{self, RawPeer},
    room::{Kind, Room},
    stuck::StuckOutput,
    watchdog::{poll, WATCHDOG_TIMEOUT},
};
use std::{
    fs,
    process::{Command, Stdio},
};

#[test]
fn who_and_stats_show_the_members_and_the_state_of_the_room() {
    let (mut server, address) = Program::server(&["--console"]);
    server.types("/who");
    server.sees("nobody is here\n");
    let mut sara = Program::joined_client(address, "Sara");
    let tom = Program::joined_client(address, "Tom");
    sara.types("hello");
    tom.sees("[Sara] hello\n");
    server.types("/who");
    server.sees("Sara  127.0.0.1\nTom   127.0.0.1\n2 here\n");
    server.types("/stats");
    let stats = server.line_starting_with("members ");
    for part in
        ["members 2", "messages 1", "deliveries ", "slowest recipient none behind", "log 1 to 3", "threads "]
    {
        assert!(stats.contains(part), "{part} in {stats:?}");
    }
    server.types("/help");
    for command in ["/who", "/say", "/kick", "/mute", "/unmute", "/ban", "/unban", "/bans", "/stats", "/stop"]
    {
        server.sees(command);
    }
}

#[test]
fn a_notice_of_the_operator_cannot_be_taken_for_a_message_of_a_member() {
    let (mut server, address) = Program::server(&["--console"]);
    let sara = Program::joined_client(address, "Sara");
    server.types("/say the printer is on fire");
    sara.sees("Server: the printer is on fire\n");
    server.types("/say");
    server.sees("usage: /say TEXT");
    server.types("hello?");
    server.sees("\"hello?\" is no command of the server");
    server.types(&format!("/say {}", "x".repeat(5000)));
    server.sees("the text has 5000 bytes, and 4096 are the most\n");
}

#[test]
fn a_removed_member_reads_the_reason_and_may_join_again() {
    let (mut server, address) = Program::server(&["--console"]);
    let sara = Program::joined_client(address, "Sara");
    let mut tom = Program::joined_client(address, "Tom");
    server.types("/kick tom too loud");
    server.sees(
        "removed: Tom (127.0.0.1); a ban of this machine's own address 127.0.0.1 would hit 1 other here\n",
    );
    sara.sees("User [Tom] left (removed: too loud)\n");
    tom.logs("the operator removed you from the room: too loud");
    assert_eq!(tom.exits(), Some(1));
    let _again = Program::joined_client(address, "Tom");
    sara.sees("User [Tom] joined\n");
    server.types("/kick Nobody");
    server.sees("nobody here to remove\n");
    server.types(&format!("/kick Tom {}", "x".repeat(70_000)));
    server.sees("the text has 70000 bytes, and 4096 are the most\n");
}

#[test]
fn a_banned_name_stays_out_over_a_restart_until_the_ban_is_removed() {
    let folder = Folder::new();
    let file = folder.file("bans");
    let flags = ["--console", "--ban-file", &file];
    let (mut server, address) = Program::server(&flags);
    let mut tom = Program::joined_client(address, "Tom");
    server.types("/ban Tom");
    server.sees(
        "banned: name Tom (in every spelling that counts as the same name, or looks the same); removed: Tom \
         (127.0.0.1)\n",
    );
    assert_eq!(tom.exits(), Some(1));
    server.types("/stop");
    assert_eq!(server.exits(), Some(0));

    let (mut server, address) = Program::server(&flags);
    let mut tom = Program::client(address, "TOM", &[]);
    tom.logs("the name TOM is banned from the room");
    assert_eq!(tom.exits(), Some(1));
    server.types("/bans");
    server.sees("name Tom\n");
    server.types("/unban tom");
    server.sees("no longer banned: name tom\n");
    let _tom = Program::joined_client(address, "Tom");
    assert_eq!(fs::read_to_string(&file).unwrap(), "");
}

#[test]
fn a_server_stops_while_the_console_waits_for_the_ban_file() {
    let folder = Folder::new();
    let file = folder.file("bans");
    // Each sync of a file waits longer than any wait of this test, in microseconds.
    let delay = 2 * WATCHDOG_TIMEOUT.as_micros();
    // A journal would wait for the sync of its folder before the room opens.
    let strace = ["-e", &format!("inject=fsync:delay_enter={delay}")];
    let flags = ["--console", "--ban-file", &file, "--drain-timeout", "1s"];
    let Some((mut server, address)) = Program::server_under_strace_that_forgets(&strace, &flags) else {
        println!("skipped: this machine has no strace that can make system calls wait");
        return;
    };
    server.types("/ban mallory");
    // The ban holds from before the write on.
    poll("mallory to be refused", || {
        (Program::client(address, "mallory", &[]).exits() == Some(1)).then_some(())
    });
    assert!(!server.output().contains("banned: name mallory"), "the console does not wait");
    server.signal("TERM");
    server.logs("stopped");
    // strace holds the thread that waits, and with it the whole process.
    server.end_strace();
    assert_eq!(server.exits(), Some(0));
}

#[test]
fn a_banned_address_or_network_stays_out_and_what_is_neither_is_not_taken_for_a_name() {
    let (mut server, address) = Program::server(&["--console"]);
    let mut tom = Program::joined_client(address, "Tom");
    server.types("/ban 127.0.0.1");
    server.sees("banned: address 127.0.0.1 (this address alone); removed: Tom (127.0.0.1); ");
    server.sees("this machine's own address is banned: nobody on it can join, nor through a tunnel ");
    assert_eq!(tom.exits(), Some(1));
    let mut sara = Program::client(address, "Sara", &[]);
    sara.logs("this address is banned from the room");
    assert_eq!(sara.exits(), Some(1));
    server.types("/ban 10.0.0.*");
    server.sees("\"10.0.0.*\" is neither an address nor a possible name");
    server.types("/ban 10.0.0.0/64");
    server.sees("the length after 10.0.0.0/ is a number from 0 to 32, not \"64\"");
    server.types("/ban 127.0.0.77/8");
    server.sees("banned: address 127.0.0.0/8 (16777216 addresses); nobody here to remove; ");
    server.types("/unban 127.0.0.1");
    server.sees("no longer banned: address 127.0.0.1; still banned with all of: address 127.0.0.0/8\n");
    assert_eq!(Program::client(address, "Sara", &[]).exits(), Some(1));
    server.types("/unban 127.0.0.0/8");
    server.sees("no longer banned: address 127.0.0.0/8\n");
    let _sara = Program::joined_client(address, "Sara");
}

#[test]
fn a_banned_member_whose_connection_is_lost_cannot_resume() {
    let (mut server, address) = Program::server(&["--console"]);
    let token = raw::random_token();
    let mut ann = RawPeer::connect_call(address).unwrap();
    ann.join("Ann", token).unwrap();
    drop(ann);
    server.logs("Ann left (connection lost)");
    server.types("/ban Ann");
    server.sees(
        "banned: name Ann (in every spelling that counts as the same name, or looks the same); removed: Ann \
         (127.0.0.1)\n",
    );
    let resume = Join { resume: Some(0), ..Join::new("Ann", token, 0) };
    match RawPeer::connect_call(address).unwrap().join_with(resume) {
        Err(Reply::Refused(refusal)) => assert_eq!(refusal.cause, Cause::SessionOver),
        other => panic!("the server resumed a banned session: {other:?}"),
    }
}

#[test]
fn the_room_goes_on_after_the_end_of_the_operators_input() {
    let (mut server, address) = Program::server(&["--console"]);
    server.ends_input();
    let mut sara = Program::joined_client(address, "Sara");
    let tom = Program::joined_client(address, "Tom");
    sara.types("still here");
    tom.sees("[Sara] still here\n");
}

#[test]
fn a_byte_that_is_not_utf8_does_not_end_the_console() {
    let (mut server, _) = Program::server(&["--console"]);
    server.types_bytes(b"/wh\xff\n");
    server.sees("\"/wh\u{fffd}\" is no command of the server");
    server.types("/who");
    server.sees("nobody is here\n");
}

#[test]
fn a_closed_output_does_not_end_the_console() {
    let mut output = StuckOutput::new().unwrap();
    let mut command = Command::new(binary("chat-server"));
    let room = Room::beside(Kind::default());
    command.args(["--listen", "127.0.0.1:0", "--console"]).args(room.arguments());
    let mut server = Program::start_with("server", &mut command, output.stdio().unwrap(), Stdio::piped());
    let address = server_address(&output.line().unwrap());
    drop(output);
    server.types("/who");
    server.types("/who");
    let sara = Program::joined_client(address, "Sara");
    server.types("/say still here");
    sara.sees("Server: still here\n");
    server.types("/stop");
    assert_eq!(server.exits(), Some(0));
}

#[test]
fn a_line_without_an_end_does_not_fill_the_memory() {
    const MIB: usize = 1024 * 1024;
    let (mut server, _) = Program::server(&["--console"]);
    server.types("/who");
    server.sees("nobody is here\n");
    let before = server.memory_bytes();
    for _ in 0..64 {
        server.types_exactly(&"x".repeat(MIB));
    }
    // The server has read all of it but what fits into the pipe.
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown < 16 * MIB, "the server grew by {grown} bytes");
    server.types("");
    server.sees("a line of more than 1048576 bytes is no command of the server\n");
    server.types("/stats");
    server.sees("members 0");
}

#[test]
fn the_end_of_the_console_is_logged_with_its_reason() {
    let (mut server, _) = Program::server(&["--console"]);
    server.ends_input();
    server.logs("the console has ended: the end of its input");
    // A folder cannot be read.
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" --listen 127.0.0.1:0 --console \"$@\" </"]).arg(binary("chat-server"));
    let (server, address) = Program::start_server(&mut command);
    server.logs("the console has ended: cannot read standard input: ");
    let _sara = Program::joined_client(address, "Sara");
}

#[test]
fn the_input_is_not_read_without_a_terminal_or_the_flag() {
    let (mut server, address) = Program::server(&[]);
    server.types("/stop");
    let sara = Program::joined_client(address, "Sara");
    let _tom = Program::joined_client(address, "Tom");
    sara.sees("User [Tom] joined\n");
}

#[test]
fn every_client_that_joins_shows_the_message_of_the_day() {
    let folder = Folder::new();
    let file = folder.file("motd");
    fs::write(&file, "Be kind.\nNo spam.\n").unwrap();
    let (_server, address) = Program::server(&["--motd", &file]);
    let sara = Program::joined_client(address, "Sara");
    sara.sees("Server: Be kind.\n");
    sara.sees("No spam.\n");
}

#[test]
fn a_file_that_cannot_be_used_is_named_before_the_room_opens() {
    let folder = Folder::new();
    let file = folder.file("bans");
    fs::write(&file, "address nowhere\n").unwrap();
    for (flag, path, reason) in [
        ("--ban-file", file.as_str(), "line 1"),
        ("--ban-file", "/nonexistent/bans", "/nonexistent/bans"),
        ("--motd", "/nonexistent/motd", "/nonexistent/motd"),
        ("--motd", "/dev/zero", "/dev/zero: it has more than"),
        ("--motd", "/", "cannot read /: "),
    ] {
        let mut command = Command::new(binary("chat-server"));
        let mut server = Program::start("server", command.args(["--listen", "127.0.0.1:0", flag, path]));
        assert_eq!(server.exits(), Some(1), "{flag} {path}");
        assert!(server.error_output().contains(reason), "{:?}", server.error_output());
        assert!(!server.output().contains("Server running"), "{flag} {path}");
    }
}

#[test]
fn messages_of_a_removed_member_that_still_wait_are_not_delivered() {
    const COUNT: u64 = 200;
    // The server accepts one request a second, so most of them still wait when the operator removes Tom.
    let (mut server, address) = Program::server(&["--console", "--rate-burst", "1", "--rate", "1"]);
    let sara = Program::joined_client(address, "Sara");
    let token = raw::random_token();
    let mut tom = RawPeer::connect_call(address).unwrap();
    tom.join("Tom", token).unwrap();
    let _callback = tom.connect_callback(address, token).unwrap();
    let mut requests = Vec::new();
    for number in 1..=COUNT {
        let mut request = Vec::new();
        encode_frame(
            &Request::Broadcast { message_id: number, repeated: false, text: format!("spam {number}") },
            &mut request,
        )
        .unwrap();
        requests.extend(request);
    }
    tom.write(&requests).unwrap();
    sara.sees("[Tom] spam 1\n");
    server.types("/kick Tom enough");
    sara.sees("User [Tom] left (removed: enough)\n");
    let heard = sara.lines().iter().filter(|line| line.contains("[Tom] spam")).count();
    assert!(heard < COUNT as usize, "Sara heard all {heard} messages");
    server.types("/say quiet now");
    sara.sees("Server: quiet now\n");
    assert_eq!(sara.lines().iter().filter(|line| line.contains("[Tom] spam")).count(), heard);
}
