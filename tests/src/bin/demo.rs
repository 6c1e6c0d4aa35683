//! `make demo`: the real server and three real clients talk, and the outputs are printed side by side.
//!
//! Each step waits until every client has printed the lines that it should, and never for a time. The exit
//! code is 0 only when no client printed anything else.
#![allow(clippy::print_stdout, reason = "the output is the demo")]

use chat_tests::process::Program;
use std::{net::SocketAddr, process::ExitCode};

/// Characters in a column. Three columns fit into 100.
const WIDTH: usize = 32;

/// One of the three clients.
struct Participant {
    name: &'static str,
    program: Program,
    /// The lines that the client should have printed by now.
    expected: Vec<String>,
    /// How many of its lines this program has printed.
    printed: usize,
}

impl Participant {
    fn join(server: SocketAddr, name: &'static str) -> Participant {
        let program = Program::joined_client(server, name);
        Participant { name, program, expected: vec!["Connected! Start typing...".to_owned()], printed: 0 }
    }
}

fn main() -> ExitCode {
    let (mut server, address) = Program::server(&[]);
    println!("A server at {address}, and three clients. Lines with `>` are typed, the others are shown.\n");
    println!("{}", row(["Ann", "Bob", "Cem"].map(str::to_owned)));
    println!("{}", row([(); 3].map(|()| "-".repeat(WIDTH - 2))));

    let mut participants = Vec::new();
    for name in ["Ann", "Bob", "Cem"] {
        participants.push(Participant::join(address, name));
        let joined = participants.len() - 1;
        others_should_see(&mut participants, joined, &format!("User [{name}] joined"));
    }
    for (speaker, line, seen) in [
        (0, "hello, both of you", "[Ann] hello, both of you"),
        (1, "hi Ann, hi Cem", "[Bob] hi Ann, hi Cem"),
        (2, "/me waves", "* Cem waves"),
        (0, "nobody hears their own echo", "[Ann] nobody hears their own echo"),
    ] {
        type_in(&mut participants, speaker, line);
        others_should_see(&mut participants, speaker, seen);
    }
    type_in(&mut participants, 2, "/msg Ann between us two");
    participants[0].expected.push("[Cem, privately] between us two".to_owned());
    participants[2].expected.push("[to Ann, privately] between us two".to_owned());
    print_new_lines(&mut participants);
    type_in(&mut participants, 1, "exit");
    participants[1].expected.push("Bye!".to_owned());
    others_should_see(&mut participants, 1, "User [Bob] left");

    println!("\nThe server gets SIGTERM and tells the clients that are still there:\n");
    server.signal("TERM");
    let stopped = server.exits() == Some(0);
    for participant in [0, 2] {
        participants[participant].program.sees("shutting down");
    }
    for participant in &mut participants {
        let lines = participant.program.lines();
        participant.expected.extend(lines.iter().skip(participant.expected.len()).cloned());
    }
    print_new_lines(&mut participants);

    let correct = participants
        .iter()
        .filter(|participant| participant.program.lines().starts_with(&participant.expected))
        .count();
    println!(
        "\n{correct} of 3 clients showed exactly the expected lines, in order; the server stopped {}.",
        match stopped {
            true => "in good order",
            false => "badly",
        }
    );
    if correct == 3 && stopped {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Expects this line next from every client except the author's, and prints what is new.
fn others_should_see(participants: &mut [Participant], author: usize, line: &str) {
    for (_, participant) in participants.iter_mut().enumerate().filter(|(index, _)| *index != author) {
        participant.expected.push(line.to_owned());
    }
    print_new_lines(participants);
}

/// Prints a line in the author's column and types it into that client.
fn type_in(participants: &mut [Participant], author: usize, line: &str) {
    let mut columns = [const { String::new() }; 3];
    for part in wrapped(&format!("> {line}")) {
        columns[author] = part;
        println!("{}", row(columns.clone()));
    }
    participants[author].program.types(line);
}

/// Waits until every client has printed its expected lines, and prints the new ones side by side.
fn print_new_lines(participants: &mut [Participant]) {
    let mut new_lines: Vec<Vec<String>> = Vec::new();
    for participant in &mut *participants {
        if let Some(last) = participant.expected.last() {
            participant.program.sees(last);
        }
        let lines = participant.program.lines();
        if lines != participant.expected[..lines.len().min(participant.expected.len())] {
            println!("{} should show {:?} and shows {lines:?}", participant.name, participant.expected);
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
        println!("{}", row([column(0), column(1), column(2)]));
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

fn row(columns: [String; 3]) -> String {
    columns.map(|text| format!("{text:<WIDTH$}")).concat().trim_end().to_owned()
}
