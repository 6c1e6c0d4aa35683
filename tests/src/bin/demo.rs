//! `make demo`: the real server and three real clients talk, and their outputs are printed side by side, line
//! by line as the conversation goes on.
//!
//! Each step waits until everybody has printed the lines that it should, and never for a time. The exit code
//! is 0 only when nobody printed anything else.
#![allow(clippy::print_stdout, reason = "the output is the demo")]

use chat_tests::process::{binary, Program};
use std::{
    io::{self, IsTerminal},
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

/// Characters in a column. The four columns fit into 100.
const WIDTH: usize = 25;
/// The names of the columns.
const COLUMNS: [&str; 4] = ["the server's log", "Ann", "Bob", "Cem"];
const SERVER: usize = 0;
const ANN: usize = 1;
const BOB: usize = 2;
const CEM: usize = 3;
/// A person at a terminal has this time to read each step. The programs take milliseconds for it.
const READING_TIME: Duration = Duration::from_millis(500);

/// The server, or one of the three clients.
struct Participant {
    program: Program,
    /// Which of its outputs is shown: the server's log, or what a client prints.
    lines: fn(&Program) -> Vec<String>,
    /// Waits until that output contains a text.
    wait: fn(&Program, &str),
    /// The lines that it should have printed by now.
    expected: Vec<String>,
    /// How many of its lines this program has printed.
    printed: usize,
}

fn main() -> ExitCode {
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0"]).env("RUST_LOG", "info").env("RUST_LOG_STYLE", "never");
    let (server, address) = Program::start_server_that_forgets(&mut command);
    println!("A server at {address}, and three clients. Lines with `>` are typed, the others are shown.\n");
    println!("{}", row(COLUMNS.map(str::to_owned)));
    println!("{}", row(COLUMNS.map(|_| "-".repeat(WIDTH - 2))));

    let mut participants = vec![Participant {
        program: server,
        lines: log_lines,
        wait: Program::logs,
        expected: vec![],
        printed: 0,
    }];
    for name in &COLUMNS[ANN..] {
        let program = Program::client(address, name, &[]);
        participants.push(Participant {
            program,
            lines: Program::lines,
            wait: Program::sees,
            expected: vec!["Connected! Start typing...".to_owned()],
            printed: 0,
        });
        participants[SERVER].expected.push(format!("{name} joined from 127.0.0.1"));
        let joined = participants.len() - 1;
        other_clients_should_see(&mut participants, joined, &format!("User [{name}] joined"));
    }
    for (speaker, line, seen) in [
        (ANN, "hello, both of you", "[Ann] hello, both of you"),
        (BOB, "hi Ann, hi Cem", "[Bob] hi Ann, hi Cem"),
        (CEM, "/me waves", "* Cem waves"),
        (ANN, "nobody hears their own echo", "[Ann] nobody hears their own echo"),
    ] {
        type_in(&mut participants, speaker, line);
        other_clients_should_see(&mut participants, speaker, seen);
    }
    type_in(&mut participants, CEM, "/msg Ann between us two");
    participants[ANN].expected.push("[Cem, privately] between us two".to_owned());
    participants[CEM].expected.push("[to Ann, privately] between us two".to_owned());
    print_new_lines(&mut participants);
    type_in(&mut participants, BOB, "exit");
    participants[BOB].expected.push("Bye!".to_owned());
    participants[SERVER].expected.push("Bob left from 127.0.0.1".to_owned());
    other_clients_should_see(&mut participants, BOB, "User [Bob] left");

    println!("\nThe server gets SIGTERM and tells the clients that are still there:\n");
    participants[SERVER].program.signal("TERM");
    let stopped = participants[SERVER].program.exits() == Some(0);
    let last_words = ["stopping: delivering what was accepted", "stopped"].map(str::to_owned);
    participants[SERVER].expected.extend(last_words);
    for client in [ANN, CEM] {
        participants[client].program.sees("shutting down");
    }
    // What the clients say about the end depends on how fast they try to get back in.
    for client in &mut participants[ANN..] {
        let lines = client.program.lines();
        client.expected.extend(lines.iter().skip(client.expected.len()).cloned());
    }
    print_new_lines(&mut participants);

    let correct = participants
        .iter()
        .filter(|participant| (participant.lines)(&participant.program).starts_with(&participant.expected))
        .count();
    println!(
        "\n{correct} of 4 programs showed exactly the expected lines, in order; the server stopped {}.",
        match stopped {
            true => "in good order",
            false => "badly",
        }
    );
    if correct == participants.len() && stopped {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The lines of the server's log, without their times.
fn log_lines(server: &Program) -> Vec<String> {
    let log = server.error_output();
    log.lines().filter_map(|line| Some(line.split_once("] ")?.1.to_owned())).collect()
}

/// Expects this line next from every client except the author's, and prints what is new.
fn other_clients_should_see(participants: &mut [Participant], author: usize, line: &str) {
    for (index, participant) in participants.iter_mut().enumerate() {
        if index != SERVER && index != author {
            participant.expected.push(line.to_owned());
        }
    }
    print_new_lines(participants);
}

/// Prints a line in the author's column and types it into that client.
fn type_in(participants: &mut [Participant], author: usize, line: &str) {
    for part in wrapped(&format!("> {line}")) {
        let mut columns = [const { String::new() }; COLUMNS.len()];
        columns[author] = part;
        println!("{}", row(columns));
    }
    participants[author].program.types(line);
}

/// Waits until everybody has printed the expected lines, and prints the new ones side by side.
fn print_new_lines(participants: &mut [Participant]) {
    let mut new_lines: Vec<Vec<String>> = Vec::new();
    for (participant, name) in participants.iter_mut().zip(COLUMNS) {
        if let Some(last) = participant.expected.last() {
            (participant.wait)(&participant.program, last);
        }
        let lines = (participant.lines)(&participant.program);
        if lines != participant.expected[..lines.len().min(participant.expected.len())] {
            println!("{name} should show {:?} and shows {lines:?}", participant.expected);
        }
        new_lines.push(
            lines[participant.printed.min(lines.len())..].iter().flat_map(|line| wrapped(line)).collect(),
        );
        participant.printed = lines.len();
    }
    for line in 0..new_lines.iter().map(Vec::len).max().unwrap_or(0) {
        let column = |participant: usize| {
            new_lines.get(participant).and_then(|lines| lines.get(line)).cloned().unwrap_or_default()
        };
        println!("{}", row(std::array::from_fn(column)));
    }
    if io::stdout().is_terminal() {
        thread::sleep(READING_TIME);
    }
}

/// Splits a line between words into parts that fit into a column.
fn wrapped(line: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for word in line.split(' ') {
        match parts.last_mut() {
            Some(part) if part.is_empty() => part.push_str(word),
            Some(part) if part.len() + 1 + word.len() < WIDTH - 1 => *part += &format!(" {word}"),
            _ => parts.push(format!("  {word}")),
        }
    }
    parts
}

fn row(columns: [String; COLUMNS.len()]) -> String {
    columns.map(|text| format!("{text:<WIDTH$}")).concat().trim_end().to_owned()
}
