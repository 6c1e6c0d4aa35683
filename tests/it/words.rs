//! What the client says before it has joined, and to whom it says what: `--help`, `--to`, the words of a
//! server that is not there.

use chat_tests::{
    process::{binary, knows_the_rooms, Program},
    room::connected,
    server::TestServer,
    watchdog::poll,
};
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Command, Stdio},
};

/// Runs the client to its end. Returns the exit code, the standard output and the standard error.
fn run(server: SocketAddr, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut ci = Program::client(server, "ci", arguments);
    ci.ends_input();
    let code = ci.exits();
    (code, ci.output(), ci.error_output())
}

#[test]
fn a_message_that_is_sent_and_all_is_well_prints_nothing() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    let silent = (Some(0), String::new(), String::new());
    assert_eq!(run(address, &["--send", "to all"]), silent);
    assert_eq!(run(address, &["--send", "to Ann", "--to", "ann"]), silent);
    ann.sees("[ci] to all\n[ci, privately] to Ann\n");
    let (code, out, _) = run(address, &["--json", "--send", "hi"]);
    // A closed room is remembered at the first visit.
    let lines = out.lines().filter(|line| !line.contains("\"state\":\"remembered\""));
    let states: Vec<&str> = lines.map(|line| line.split('"').nth(3).unwrap()).collect();
    assert_eq!((code, states), (Some(0), vec!["connection", "accepted", "connection"]), "{out}");
    // With more to read, it is a member as any other, and says so.
    let (code, out, _) = run(address, &["--send", "more", "--history", "1"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("Connected! Start typing...\n") && out.ends_with("Bye!\n"), "{out}");
}

#[test]
fn a_private_message_reaches_one_person_alone_in_parts_if_it_is_long() {
    let (_server, address) = Program::server(&["--max-text", "1KiB"]);
    let (ann, bob) = (Program::joined_client(address, "Ann"), Program::joined_client(address, "Bob"));
    let long = "é".repeat(2500);
    assert_eq!(run(address, &["--to", "Ann", "--send", &long]).0, Some(0));
    assert_eq!(run(address, &["--send", "the end"]).0, Some(0));
    for person in [&ann, &bob] {
        person.sees("[ci] the end\n");
    }
    let private = |person: &Program| -> String {
        let lines = person.lines();
        lines.iter().filter_map(|line| line.strip_prefix("[ci, privately] ")).collect()
    };
    assert_eq!((private(&ann), private(&bob)), (long, String::new()));
}

#[test]
fn a_text_that_looks_like_a_private_message_is_not_said_to_all() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    for text in ["/msg Ann secret", "  /msg Ann secret", "/reply secret", "\n/msg Ann secret"] {
        let (code, out, error) = run(address, &["--send", text]);
        assert_eq!((code, out.as_str(), error.lines().count()), (Some(2), "", 1), "{error}");
        assert!(error.contains("--to NAME") && error.contains("begins with //"), "{error}");
    }
    assert_eq!(run(address, &["--send", "//msg is a command"]).0, Some(0));
    let mut literal = Program::client(address, "ci", &["--send", "-"]);
    literal.types_exactly("/msg from standard input");
    literal.ends_input();
    assert_eq!(literal.exits(), Some(0));
    ann.sees("[ci] /msg from standard input\n");
    let said = connected() + "[ci] /msg is a command\n[ci] /msg from standard input\n";
    assert_eq!(ann.output(), said);
}

#[test]
fn a_message_to_nobody_gives_exit_code_one_and_the_reason() {
    let (_server, address) = Program::server(&[]);
    for nobody in ["Nobody", &"x".repeat(300)] {
        let (code, out, error) = run(address, &["--to", nobody, "--send", "hi"]);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(error.starts_with("--- ") && error.contains("name") | error.contains("called"), "{error}");
    }
}

#[test]
fn a_client_ends_soon_after_its_reader_though_nothing_is_said() {
    if !cfg!(target_os = "linux") {
        println!("skipped: another system cannot tell without a write");
        return;
    }
    let server = TestServer::start();
    let mut command = Command::new(binary("chat-client"));
    command.args(["--server", &server.address().to_string(), "--name", "head", "--stay"]);
    let _folder = knows_the_rooms(&mut command);
    let mut head =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(head.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    // Its input stays open and nobody says anything, so it writes nothing more by itself.
    drop(reader);
    let status = poll("the client to end", || head.try_wait().unwrap());
    let end = head.wait_with_output().unwrap();
    assert_eq!((status.code(), String::from_utf8(end.stderr).unwrap().as_str()), (Some(0), ""));
}
