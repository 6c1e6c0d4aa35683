//! What signals do to the two programs: one that was ignored stays ignored, a server that was stopped hears
//! what was said meanwhile, and no limit of a file kills.

use chat_common::wire::protocol::{Join, Reply, Request};
use chat_tests::{
    folder::Folder,
    member::Member,
    process::{binary, Program},
    raw::{random_token, RawPeer},
    watchdog::poll,
};
use std::{
    fs::{self, File},
    net::SocketAddr,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// A shell that ignores HUP and INT, and becomes this program. What follows are its arguments.
fn ignoring(program: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP INT; exec \"$0\" \"$@\""]).arg(binary(program));
    command
}

fn client_ignoring_signals(server: SocketAddr, name: &str) -> Program {
    let mut command = ignoring("chat-client");
    let client = Program::start(name, command.args(["--server", &server.to_string(), "--name", name]));
    client.sees("Connected! Start typing...");
    client
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let (mut server, address) =
        Program::start_server(ignoring("chat-server").args(["--listen", "127.0.0.1:0"]));
    let mut sara = client_ignoring_signals(address, "Sara");
    for program in [&server, &sara] {
        program.signal("HUP");
        program.signal("INT");
    }
    let mut tom = Program::joined_client(address, "Tom");
    tom.types("still here?");
    sara.sees("[Tom] still here?\n");
    // The one that was not ignored has its effect.
    sara.signal("TERM");
    tom.sees("User [Sara] left\n");
    sara.exits();
    server.signal("TERM");
    tom.sees("the room has ended");
    assert_eq!(server.exits(), Some(0));
}

/// With a `--dead-after` that is over meanwhile. What waits in the socket then was not said too late.
#[test]
fn a_server_that_was_stopped_and_goes_on_loses_nobody_who_spoke_meanwhile() {
    let (server, address) = Program::server(&["--dead-after", "2s"]);
    let mut ci = RawPeer::connect_call(address).unwrap();
    ci.join_with(Join { send_only: true, ..Join::new("ci", random_token(), 0) }).unwrap();
    server.signal("STOP");
    let reply = thread::scope(|scope| {
        let asking = scope.spawn(|| ci.ask(&Request::Ping));
        thread::sleep(Duration::from_millis(2500));
        server.signal("CONT");
        asking.join().unwrap()
    });
    assert!(matches!(reply, Ok(Reply::Pong)), "{reply:?}");
}

/// A shell in which no file grows over 8 KiB, and which becomes this program. What follows are its arguments.
fn with_short_files(program: &str) -> Command {
    let mut command = Command::new("sh");
    // In blocks of 512 bytes.
    command.args(["-c", "ulimit -f 16; exec \"$0\" \"$@\""]).arg(binary(program));
    command
}

/// Says more than fits into such a file.
fn speaks_a_lot(member: &mut Member) -> u64 {
    let text = "x".repeat(1000);
    (0..20).map(|_| member.say(&text)).last().unwrap()
}

#[test]
fn a_transcript_that_reaches_the_longest_file_is_like_one_on_a_full_disk() {
    let folder = Folder::new();
    let transcript = folder.path().join("transcript");
    let mut command = with_short_files("chat-server");
    command.args(["--listen", "127.0.0.1:0", "--rate-burst", "0", "--transcript"]).arg(&transcript);
    let (mut server, address) = Program::start_server_that_forgets(&mut command);
    let [mut ann, bob] = ["ann", "bob"].map(|name| Member::join(address, name));
    let last = speaks_a_lot(&mut ann);
    bob.hear_up_to(last);
    server.logs("cannot write the transcript");
    bob.hear_up_to(ann.say("the room goes on"));
    server.signal("TERM");
    assert_eq!(server.exits(), Some(0));
    assert!(server.error_output().contains("lacks its last lines"), "{}", server.error_output());
}

#[test]
fn a_log_that_reaches_the_longest_file_loses_lines_and_ends_nothing() {
    let folder = Folder::new();
    let log = folder.path().join("log");
    let mut command = Command::new("sh");
    let script = "ulimit -f 1; exec \"$0\" --listen 127.0.0.1:0 --rate-burst 0 \"$@\" 2>\"$LOG\"";
    command.args(["-c", script]).arg(binary("chat-server")).env("LOG", &log);
    let (_server, address) = Program::start_server_that_forgets(&mut command);
    let (mut ann, bob) = (Member::join(address, "ann"), Member::join(address, "bob"));
    let mut number = 0;
    // One block.
    poll("the log to be as long as it may be", || {
        Member::join(address, &format!("newcomer{number}")).leave();
        number += 1;
        (fs::metadata(&log).unwrap().len() == 512).then_some(())
    });
    Member::join(address, "last").leave();
    bob.hear_up_to(ann.say("the room goes on"));
}

#[test]
fn a_journal_that_may_not_have_its_first_file_is_refused_in_one_sentence() {
    let folder = Folder::new();
    let mut command = with_short_files("chat-server");
    let mut server =
        Program::start("server", command.args(["--listen", "127.0.0.1:0", "--journal"]).arg(folder.path()));
    assert_eq!(server.exits(), Some(1));
    let why = server.error_output();
    assert!(why.contains("the journal") && why.contains("File too large"), "{why}");
}

#[test]
fn a_client_whose_log_or_output_reaches_the_longest_file_says_so_and_fails() {
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let mut ann = Member::join(address, "ann");
    let folder = Folder::new();
    let log = folder.path().join("log");
    let arguments = |name| ["--server".to_owned(), address.to_string(), "--name".to_owned(), name];
    let mut command = with_short_files("chat-client");
    command.args(arguments("Sara".to_owned())).arg("--log").arg(&log);
    let mut sara = Program::start("sara", &mut command);
    sara.sees("Connected!");
    let output = File::create(folder.path().join("output")).unwrap();
    let mut command = with_short_files("chat-client");
    command.args(arguments("Tom".to_owned()));
    let mut tom = Program::start_with("tom", &mut command, output.into(), Stdio::piped());
    ann.hear("Tom", |kind| format!("{kind:?}").contains("Tom"));
    speaks_a_lot(&mut ann);
    tom.logs("chat-client: cannot write: File too large");
    assert_eq!(tom.exits(), Some(1));
    sara.logs("File too large");
    ann.say("still here");
    sara.sees("[ann] still here\n");
    sara.ends_input();
    assert_eq!(sara.exits(), Some(1));
}
