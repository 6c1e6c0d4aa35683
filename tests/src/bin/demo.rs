//! `make demo`: the real server and three real clients talk, and what each of them sees is printed side by side.
//!
//! It goes on when everybody has seen what they should, not after a time, and ends with exit code 0 only if nobody saw anything else.
#![allow(clippy::print_stdout, reason = "what it prints is the demo")]

use chat_tests::process::Program;
use std::{net::SocketAddr, process::ExitCode};

const WIDTH: usize = 32;

/// One of the three, with what they should have seen and how much of it has been printed.
struct Seat {
    name: &'static str,
    program: Program,
    expected: Vec<String>,
    printed: usize,
}

impl Seat {
    fn join(server: SocketAddr, name: &'static str) -> Seat {
        let program = Program::joined_client(server, name);
        Seat { name, program, expected: vec!["Connected! Start typing...".to_owned()], printed: 0 }
    }
}

fn main() -> ExitCode {
    let (mut server, address) = Program::server(&[]);
    println!(
        "A server at {address}, and three clients. `>` is what somebody types; the rest is what they see.\n"
    );
    println!("{}", row(["Ann", "Bob", "Cem"].map(str::to_owned)));
    println!("{}", row([(); 3].map(|()| "-".repeat(WIDTH - 2))));

    let mut seats = Vec::new();
    for name in ["Ann", "Bob", "Cem"] {
        seats.push(Seat::join(address, name));
        let joined = seats.len() - 1;
        seen_by_others(&mut seats, joined, &format!("User [{name}] joined"));
    }
    for (speaker, line, seen) in [
        (0, "hello, both of you", "[Ann] hello, both of you"),
        (1, "hi Ann, hi Cem", "[Bob] hi Ann, hi Cem"),
        (2, "/me waves", "* Cem waves"),
        (0, "nobody hears their own echo", "[Ann] nobody hears their own echo"),
    ] {
        type_in(&mut seats, speaker, line);
        seen_by_others(&mut seats, speaker, seen);
    }
    type_in(&mut seats, 2, "/msg Ann between us two");
    seats[0].expected.push("[Cem, privately] between us two".to_owned());
    seats[2].expected.push("[to Ann, privately] between us two".to_owned());
    print_news(&mut seats);
    type_in(&mut seats, 1, "exit");
    seats[1].expected.push("Bye!".to_owned());
    seen_by_others(&mut seats, 1, "User [Bob] left");

    println!("\nThe server is asked to stop (SIGTERM), and tells those who are still here:\n");
    server.signal("TERM");
    let stopped = server.exits() == Some(0);
    for seat in [0, 2] {
        seats[seat].program.sees("shutting down");
    }
    for seat in &mut seats {
        let lines = seat.program.lines();
        seat.expected.extend(lines.iter().skip(seat.expected.len()).cloned());
    }
    print_news(&mut seats);

    let right = seats.iter().filter(|seat| seat.program.lines().starts_with(&seat.expected)).count();
    println!(
        "\n{right} of 3 saw what they should, in this order, and nothing else; the server stopped {}.",
        match stopped {
            true => "in good order",
            false => "badly",
        }
    );
    if right == 3 && stopped {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Everybody but `author` should see this line next; the author sees nothing.
fn seen_by_others(seats: &mut [Seat], author: usize, line: &str) {
    for (_, seat) in seats.iter_mut().enumerate().filter(|(index, _)| *index != author) {
        seat.expected.push(line.to_owned());
    }
    print_news(seats);
}

fn type_in(seats: &mut [Seat], who: usize, line: &str) {
    let mut columns = [const { String::new() }; 3];
    for part in wrapped(&format!("> {line}")) {
        columns[who] = part;
        println!("{}", row(columns.clone()));
    }
    seats[who].program.types(line);
}

/// Waits until everybody has seen what they should, and prints what is new, side by side.
fn print_news(seats: &mut [Seat]) {
    let mut news: Vec<Vec<String>> = Vec::new();
    for seat in &mut *seats {
        if let Some(last) = seat.expected.last() {
            seat.program.sees(last);
        }
        let lines = seat.program.lines();
        if lines != seat.expected[..lines.len().min(seat.expected.len())] {
            println!("{} should have seen {:?} and saw {lines:?}", seat.name, seat.expected);
        }
        news.push(lines[seat.printed.min(lines.len())..].iter().flat_map(|line| wrapped(line)).collect());
        seat.printed = lines.len();
    }
    for line in 0..news.iter().map(Vec::len).max().unwrap_or(0) {
        let column =
            |seat: usize| news.get(seat).and_then(|lines| lines.get(line)).cloned().unwrap_or_default();
        println!("{}", row([column(0), column(1), column(2)]));
    }
}

/// A line in parts that fit into a column, broken between words.
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
