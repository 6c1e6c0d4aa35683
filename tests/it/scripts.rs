//! The real client in a pipe: what scripts can rely on.

use chat_common::wire::protocol::{Joined, Reply, Request};
use chat_tests::{
    folder::Folder,
    process::{binary, knows_the_rooms, Program},
    raw::RawPeer,
    room::{connected, connected_lines, kept_field, Kind},
    watchdog::{poll, WATCHDOG_TIMEOUT},
};
use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Command, Stdio},
};

/// The command of a client with these arguments. The environment of the test does not influence it.
fn client(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("chat-client"));
    command.args(arguments);
    for variable in ["CHAT_SERVER", "CHAT_NAME", "NO_COLOR", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command
}

/// Runs the client to its end with this input. Returns the exit code, the standard output and the standard
/// error.
fn run(command: &mut Command, input: &str) -> (Option<i32>, String, String) {
    let mut client = Program::start("client", command);
    client.types_exactly(input);
    client.ends_input();
    let code = client.exits();
    (code, client.output(), client.error_output())
}

/// Runs the client as [`run`] does, with this server and this name.
fn run_as(server: SocketAddr, name: &str, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    run(client(&["--server", &server.to_string(), "--name", name]).args(arguments), input)
}

#[test]
fn f4_end_of_input_sends_what_was_said_and_ends_the_client() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    let (code, out, err) = run(&mut client(&["--server", &address.to_string()]), "Piper\nhi\n");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, format!("Enter your name: \n{}Bye!\n", connected()));
    ann.sees("User [Piper] left\n");
    assert!(
        ann.output().ends_with("User [Piper] joined\n[Piper] hi\nUser [Piper] left\n"),
        "{}",
        ann.output()
    );
}

#[test]
fn f11_empty_lines_are_not_sent() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    assert_eq!(run_as(address, "Piper", &[], "\n\nfirst\n  \n\r\nlast").0, Some(0));
    ann.sees("User [Piper] left\n");
    assert!(ann.output().contains("joined\n[Piper] first\n[Piper] last\nUser"), "{}", ann.output());
}

#[test]
fn f10_what_a_terminal_would_obey_is_shown_as_characters() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    assert_eq!(run_as(address, "Piper", &[], "a\x1b[2Jb\u{202e}c\n").0, Some(0));
    ann.sees("[Piper] a\\u{1b}[2Jb\\u{202e}c\n");
}

#[test]
fn send_takes_one_message_from_the_command_line_or_from_the_whole_input() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    assert_eq!(run_as(address, "ci", &["--send", "/build 512 is green"], "not this").0, Some(0));
    ann.sees("[ci] /build 512 is green\n");
    assert_eq!(run_as(address, "ci", &["--send", "-"], "one\n\nUser [Ann] left\n\n").0, Some(0));
    ann.sees("[ci] one\n    \n    User [Ann] left\n");
}

#[test]
fn a_text_over_the_limit_is_sent_in_parts() {
    let (_server, address) = Program::server(&["--max-text", "1KiB"]);
    let ann = Program::joined_client(address, "Ann");
    let long = "é".repeat(2500);
    assert_eq!(run_as(address, "ci", &[], &long).0, Some(0));
    ann.sees("User [ci] left\n");
    let heard: String =
        ann.lines().iter().filter_map(|line| line.strip_prefix("[ci] ").map(str::to_owned)).collect();
    assert_eq!(heard, long);
}

#[test]
fn a_message_that_was_not_sent_gives_exit_code_one_and_a_reason() {
    let (_server, address) = Program::server(&[]);
    let _ann = Program::joined_client(address, "Ann");
    for (name, input, reason) in [
        ("ann", "hi\n", "taken"),
        ("system", "hi\n", "reserved"),
        ("Tom", "/no such command\n", "/no"),
        ("Tom", "/msg Nobody hi\n", "Nobody"),
        ("Tom", "/nick Ann\n", "taken"),
    ] {
        let (code, _, err) = run_as(address, name, &[], input);
        assert_eq!(code, Some(1), "{name} {input}");
        assert!(err.contains(reason), "{err}");
    }
    let nowhere =
        client(&["--server", "127.0.0.1:1", "--name", "Tom"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(1));
    let reason = String::from_utf8(nowhere.stderr).unwrap();
    assert!(
        reason.starts_with("chat-client: cannot join at 127.0.0.1:1: ") && reason.lines().count() == 1,
        "{reason}"
    );
}

#[test]
fn wrong_usage_gives_one_line_and_exit_code_two() {
    for arguments in [
        &["--bogus"][..],
        &["hello"],
        &["--server"],
        &["--server", "no where"],
        &["--history", "some"],
        &["--color", "blue"],
        &["--bell", "loud"],
        &["--send", "hi"],
        &["--send", "-", "--name", "ci"],
    ] {
        let (code, out, err) = run(&mut client(arguments), "");
        assert_eq!((code, out.as_str(), err.lines().count()), (Some(2), "", 1), "{arguments:?} {err}");
    }
    for (argument, begin) in [("--help", "Joins a room"), ("--version", "chat-client ")] {
        let (code, out, err) = run(&mut client(&[argument]), "");
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(out.starts_with(begin), "{out}");
    }
}

#[test]
fn the_environment_replaces_missing_flags() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    let mut command = client(&[]);
    command.env("CHAT_SERVER", address.to_string()).env("CHAT_NAME", "Eve");
    assert_eq!(run(&mut command, "hi\n").0, Some(0));
    ann.sees("[Eve] hi\nUser [Eve] left\n");
    assert_eq!(run(command.args(["--name", "Flag"]), "hi\n").0, Some(0));
    ann.sees("[Flag] hi\n");
}

#[test]
fn a_client_with_stay_reads_on_after_the_end_of_input_until_a_signal() {
    let (_server, address) = Program::server(&[]);
    let mut reader = Program::client(address, "log", &["--stay"]);
    reader.ends_input();
    reader.sees("Connected! Start typing...");
    assert_eq!(run_as(address, "Tom", &[], "hello\n").0, Some(0));
    reader.sees("[Tom] hello\nUser [Tom] left\n");
    reader.signal("INT");
    assert_eq!(reader.exits(), Some(0));
    assert!(reader.output().ends_with("\nBye!\n"), "{}", reader.output());
}

#[test]
fn a_closed_output_ends_the_client_quietly() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    let mut command = client(&["--server", &address.to_string(), "--name", "head", "--stay"]);
    let _folder = knows_the_rooms(&mut command);
    let mut head =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(head.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "Connected! Start typing...\n");
    assert_eq!(run_as(address, "Tom", &[], "hello\n").0, Some(0));
    ann.sees("User [head] left\n");
    let end = head.wait_with_output().unwrap();
    assert_eq!((end.status.code(), end.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn an_output_that_cannot_be_written_gives_exit_code_one() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    let server = address.to_string();
    for arguments in [&["--server", &server, "--name", "Tom", "--send", "heard", "--stay"][..], &["--help"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = client(arguments);
        let _folder = knows_the_rooms(&mut command);
        let end = command.stdin(Stdio::null()).stdout(full).output().unwrap();
        let reason = String::from_utf8(end.stderr).unwrap();
        assert_eq!(end.status.code(), Some(1), "{reason}");
        assert!(reason.starts_with("chat-client: cannot write: ") && reason.lines().count() == 1, "{reason}");
    }
    ann.sees("[Tom] heard\n");
}

#[test]
fn an_input_that_cannot_be_read_gives_exit_code_one_and_one_sentence() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    let server = address.to_string();
    for arguments in [
        &["--name", "Tom"][..],
        &["--name", "Tom", "--stay"],
        &["--name", "Tom", "--json"],
        &["--name", "Tom", "--send", "-"],
        // Without a name, the first line would be the name.
        &[],
    ] {
        // A folder cannot be read.
        let folder = File::open("/").unwrap();
        let mut command = client(&["--server", &server]);
        let _keeps = knows_the_rooms(&mut command);
        let end = command.args(arguments).stdin(folder).output().unwrap();
        let reason = String::from_utf8(end.stderr).unwrap();
        assert_eq!(end.status.code(), Some(1), "{arguments:?} {reason}");
        let start = "chat-client: cannot read standard input: ";
        assert!(reason.starts_with(start) && reason.lines().count() == 1, "{arguments:?} {reason}");
    }
    ann.sees("User [Tom] left\n");
}

#[test]
fn a_transcript_that_cannot_be_written_gives_exit_code_one_and_one_sentence() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    let start = "chat-client: cannot write the transcript ";
    for file in ["/dev/full", "/"] {
        let (code, _, reason) = run_as(address, "Tom", &["--log", file], "heard\nall the same\n");
        assert_eq!(code, Some(1), "{reason}");
        assert!(reason.starts_with(&format!("{start}{file}: ")) && reason.lines().count() == 1, "{reason}");
    }
    // A chat does not end with its transcript.
    ann.sees("[Tom] all the same\nUser [Tom] left\n");
}

#[test]
fn a_client_in_a_pipe_shows_history_only_when_asked() {
    let (_server, address) = Program::server(&[]);
    let _ann = Program::joined_client(address, "Ann");
    assert_eq!(run_as(address, "Tom", &[], "one\ntwo\nthree\n").0, Some(0));
    let (_, out, _) = run_as(address, "Bot", &[], "");
    assert_eq!(out, connected() + "Bye!\n");
    let (_, out, _) = run_as(address, "Curious", &["--history", "2"], "");
    assert_eq!(out, connected() + "(earlier) [Tom] two\n(earlier) [Tom] three\nBye!\n");
}

#[test]
fn a_client_leaves_when_all_of_the_history_that_it_asked_for_is_printed() {
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let ann = Program::joined_client(address, "Ann");
    let said: Vec<String> = (0..3000).map(|number| format!("message {number}")).collect();
    assert_eq!(run_as(address, "Tom", &[], &said.join("\n")).0, Some(0));
    ann.sees("User [Tom] left\n");
    let said_at = |line: &str| line.split_once("[Tom] message ")?.1.parse().ok();
    for (arguments, input, runs) in [
        (&["--history", "3"][..], "", 20),
        (&["--history", "3", "--quiet"], "/quit\n", 10),
        (&["--history", "3000"], "", 3),
        (&["--history", "3000", "--send", "hi"], "", 3),
    ] {
        let asked: usize = arguments[1].parse().unwrap();
        for _ in 0..runs {
            let (code, out, err) = run_as(address, "Bot", arguments, input);
            let shown: Vec<usize> = out.lines().filter_map(said_at).collect();
            // What was said since counts, too.
            let since = out.matches("[Bot] hi").count();
            assert!(code == Some(0) && shown.len() + since == asked, "{arguments:?}: {out}{err}");
            assert!(shown.last() == Some(&2999) && shown.is_sorted(), "{out}");
        }
    }
}

#[test]
fn a_transcript_has_a_line_with_date_and_time_for_each_event() {
    let (_server, address) = Program::server(&[]);
    let folder = Folder::new();
    let file = folder.file("log");
    let mut reader = Program::client(address, "Log", &["--log", &file]);
    reader.sees("Connected!");
    assert_eq!(run_as(address, "Tom", &["--send", "-", "--history", "1"], "one\ntwo").0, Some(0));
    reader.sees("User [Tom] left");
    reader.types("mine");
    reader.ends_input();
    assert_eq!(reader.exits(), Some(0));
    let transcript = std::fs::read_to_string(&file).unwrap();
    let words: Vec<&str> = transcript
        .lines()
        .map(|line| {
            // A line is such as "2026-11-23 08:05:09 [Tom] hello".
            let (time, words) = line.split_at(20);
            assert!(time.chars().all(|c| c.is_ascii_digit() || "- :".contains(c)), "{line}");
            words
        })
        .collect();
    let expected = ["User [Tom] joined", "[Tom] one\\ntwo", "User [Tom] left", "[Log] mine", "Bye!"];
    let connected = connected_lines();
    assert_eq!(words[..connected.len()], connected);
    assert_eq!(words[connected.len()..], expected);
}

#[test]
fn json_prints_one_object_per_line_for_every_event() {
    let (_server, address) = Program::server(&[]);
    assert_eq!(run_as(address, "Ann", &[], "long ago\n").0, Some(0));
    let mut json = Program::client(address, "Json", &["--json", "--history", "1"]);
    json.sees("\"event\":\"history\"");
    let lines = "/me waves\n/msg Json psst\n/nick Sal\na \"b\"\\ \u{1b}é🦀\n";
    assert_eq!(run_as(address, "Sara", &[], lines).0, Some(0));
    json.sees("\"event\":\"left\"");
    json.types("/who");
    json.sees("\"event\":\"people\"");
    json.types("mine");
    json.ends_input();
    assert_eq!(json.exits(), Some(0));
    let mut lines: Vec<String> = json.lines().iter().map(|line| with_placeholders(line)).collect();
    lines[0] = lines[0].replace(&format!("{}}}", kept_field()), "}");
    if Kind::of_this_run().closed {
        let remembered = lines.remove(1);
        let start = r#"{"event":"connection","state":"remembered","time":T,"key":""#;
        assert!(remembered.starts_with(start), "{remembered}");
    }
    assert_eq!(
        lines,
        [
            concat!(
                r#"{"event":"connection","state":"connected","time":T,"sequence":4,"#,
                r#""name":"Json","room":R,"text_limit":4096}"#
            ),
            r#"{"event":"history","kind":"message","sequence":2,"time":T,"author":"Ann","text":"long ago"}"#,
            r#"{"event":"joined","sequence":5,"time":T,"name":"Sara"}"#,
            r#"{"event":"action","sequence":6,"time":T,"author":"Sara","text":"waves"}"#,
            r#"{"event":"private","sequence":7,"time":T,"author":"Sara","text":"psst"}"#,
            r#"{"event":"renamed","sequence":8,"time":T,"from":"Sara","to":"Sal"}"#,
            r#"{"event":"message","sequence":9,"time":T,"author":"Sal","text":"a \"b\"\\ \u001bé🦀"}"#,
            r#"{"event":"left","sequence":10,"time":T,"name":"Sal"}"#,
            r#"{"event":"people","total":1,"names":["Json"]}"#,
            r#"{"event":"accepted","sequence":11,"kind":"message","text":"mine","time":T}"#,
            r#"{"event":"connection","state":"left","time":T}"#,
        ]
    );
}

/// Replaces what differs from run to run: the times, which must be RFC 3339, and the room's number.
fn with_placeholders(line: &str) -> String {
    let mut line = line.to_owned();
    for (key, letter) in [("\"time\":", "T"), ("\"room\":", "R")] {
        if let Some(start) = line.find(key).map(|at| at + key.len()) {
            let end = start + 1 + line[start + 1..].find('"').unwrap() + 1;
            let value = line[start + 1..end - 1].to_owned();
            if letter == "T" {
                let shape: String = value.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
                assert_eq!(shape, "0000-00-00T00:00:00.000Z");
            }
            line.replace_range(start..end, letter);
        }
    }
    line
}

#[test]
fn colours_are_printed_only_when_asked_for() {
    let (_server, address) = Program::server(&[]);
    for (arguments, colored) in
        [(&["--color", "always"][..], true), (&["--color", "auto"], false), (&[], false)]
    {
        let (_, out, _) = run_as(address, "Tom", arguments, "");
        assert_eq!(out.contains('\x1b'), colored, "{arguments:?} {out:?}");
    }
}

#[test]
fn a_signal_ends_a_client_that_waits_for_input_or_for_a_server() {
    let (server, address) = Program::server(&[]);
    let mut waiting = Program::joined_client(address, "Ann");
    waiting.signal("INT");
    assert_eq!(waiting.exits(), Some(0));
    assert!(waiting.output().ends_with("Bye!\n"));
    let mut lost = Program::joined_client(address, "Bob");
    drop(server);
    lost.sees("connection lost");
    lost.signal("TERM");
    assert_eq!(lost.exits(), Some(0));
    assert!(lost.output().ends_with("Bye!\n"));
}

#[test]
fn a_signal_before_everything_is_sent_gives_exit_code_one_and_says_so() {
    // The server reads slowly, so most lines wait.
    let (_server, address) = Program::server(&["--rate-burst", "1", "--rate", "10"]);
    let ann = Program::joined_client(address, "Ann");
    for run in 0..8 {
        let name = format!("Piper{run}");
        let mut piper = Program::client(address, &name, &[]);
        piper.types(&"line\n".repeat(100));
        ann.sees(&format!("[{name}] line\n"));
        piper.signal("TERM");
        assert_eq!(piper.exits(), Some(1), "{}", piper.output());
        let error = piper.error_output();
        // Where the server takes longer to reply than a signal waits, the client does not know the number.
        let knows = error.contains("--- lines that were not sent: ")
            && error.ends_with("chat-client: not everything was sent\n");
        assert!(knows || error.contains("stopped by a signal before everything was sent"), "{error}");
    }
}

#[test]
fn a_signal_during_a_call_gives_exit_code_one() {
    // The test plays the server, so it knows when the client waits for a reply.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut ann = Program::client(listener.local_addr().unwrap(), "Ann", &["--no-listen"]);
    let (_, mut call) = RawPeer::serve(&listener, None);
    let Some(Request::Join(join)) = call.connection.next_request(WATCHDOG_TIMEOUT, WATCHDOG_TIMEOUT).unwrap()
    else {
        panic!("the first request is no Join");
    };
    let joined =
        Joined { room: 1, sequence: 1, called_back: false, text_limit: 4096, kept_for: None, motd: None };
    call.connection.reply(&Reply::Joined(joined), WATCHDOG_TIMEOUT).unwrap();
    let _callback = RawPeer::serve(&listener, Some((call.connection.stream(), join.token)));
    ann.types("hi");
    poll("a request that is no ping", || {
        let request = call.connection.next_request(WATCHDOG_TIMEOUT, WATCHDOG_TIMEOUT).unwrap();
        if request == Some(Request::Ping) {
            call.connection.reply(&Reply::Pong, WATCHDOG_TIMEOUT).unwrap();
            return None;
        }
        request
    });
    ann.signal("INT");
    assert_eq!(ann.exits(), Some(1));
    assert!(!ann.output().contains("Bye!"), "{}", ann.output());
}

#[test]
fn a_transcript_that_is_moved_or_removed_goes_on_in_a_new_file() {
    let (_server, address) = Program::server(&[]);
    let folder = Folder::new();
    let [file, moved] = ["log", "log.1"].map(|name| folder.file(name));
    let mut tom = Program::joined_client(address, "Tom");
    let mut ann = Program::client(address, "Ann", &["--log", &file]);
    tom.sees("User [Ann] joined");
    let has = |file: &str, text: &str| {
        std::fs::read_to_string(file).unwrap_or_default().contains(text).then_some(())
    };
    let mut says = |text: &str| {
        tom.types(text);
        poll(text, || has(&file, &format!("[Tom] {text}\n")));
    };
    says("before");
    std::fs::rename(&file, &moved).unwrap();
    says("after");
    assert!(has(&moved, "[Tom] before").is_some() && has(&moved, "[Tom] after").is_none());
    std::fs::remove_file(&file).unwrap();
    says("at last");
    assert!(has(&file, "[Tom] after").is_none());
    // What cannot be written ends the transcript, and not the chat.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    tom.types("still here");
    ann.sees("[Tom] still here\n");
    ann.ends_input();
    assert_eq!(ann.exits(), Some(1));
    let start = format!("chat-client: cannot write the transcript {file}: Is a directory");
    let error = ann.error_output();
    assert!(error.starts_with(&start) && error.lines().count() == 1, "{error}");
}

#[test]
fn the_question_for_the_name_goes_to_standard_error_where_standard_output_is_a_file() {
    let (_server, address) = Program::server(&[]);
    let folder = Folder::new();
    for path in [folder.file("out"), "/dev/null".to_owned()] {
        let out = File::options().write(true).create(true).truncate(true).open(&path).unwrap();
        let mut command = client(&["--server", &address.to_string()]);
        let mut ann = Program::start_with("Ann", &mut command, out.into(), Stdio::piped());
        ann.logs("Enter your name: ");
        ann.types("Ann");
        ann.ends_input();
        assert_eq!(ann.exits(), Some(0));
        assert_eq!(ann.error_output(), "Enter your name: ");
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(path == "/dev/null" || written == connected() + "Bye!\n", "{written}");
    }
}
