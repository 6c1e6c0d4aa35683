//! `make picture`: draws the picture of a session that the README shows, from what the real programs put on a real terminal.
//!
//! A server, Sara at a pseudo-terminal, Tom and Ida, and a script that reports once through a pipe. The session goes on when
//! everybody has seen what they should, never after a time, so it is the same each time. Only the clock would differ: the time
//! in front of a line is replaced by one of an afternoon of ours. `picture FILE` writes to FILE, which is how the test of the
//! picture compares them.

use chat_tests::{
    process::{repository, Program},
    svg::{self, Run},
    terminal::Person,
};
use std::{env, fs, io, path::PathBuf};

/// Rows and columns of the terminal: rows enough for the session, columns few enough to be read in a README.
const SIZE: (u16, u16) = (24, 76);

/// The hour in the picture, its first minute, and how many lines are said in a minute.
const HOUR: u16 = 14;
const FIRST_MINUTE: usize = 2;
const LINES_A_MINUTE: usize = 3;

fn main() -> io::Result<()> {
    let path =
        env::args_os().nth(1).map_or_else(|| repository().join("tests/picture/session.svg"), PathBuf::from);

    let (_server, address) = Program::server(&[]);
    let mut ida = Program::joined_client(address, "Ida");
    ida.types("the release candidate is up, please try it");
    ida.types("/who");
    ida.sees("1 here");

    let mut sara = Person::joins(address, SIZE, "Sara");
    sara.sees("(earlier)");
    let mut tom = Program::joined_client(address, "Tom");
    sara.sees("[Tom] joined");
    tom.types("it runs fine here, on a laptop from 2011");
    sara.sees("2011");
    sara.types("what does the build say?\n");
    tom.sees("what does the build say?");

    let mut script = Program::client(address, "ci", &["--send", "build 512 is green: 214 tests passed"]);
    assert_eq!(script.exits(), Some(0));
    sara.sees("[ci] left");
    tom.types("/me pours a coffee for everybody");
    sara.sees("for everybody");
    ida.types("Sara, shall we tag it today?");
    sara.sees("today?");
    tom.types("/msg Sara there is cake in the kitchen, do not tell Ida");
    sara.sees("tell Ida");
    sara.types("/reply not a word\n");
    sara.sees("[to Tom, privately] not a word");
    sara.types("/who\n");
    sara.sees("3 here");

    let half_typed = "yes, and I can type on while you two wri";
    sara.types(half_typed);
    sara.sees_typed(half_typed);
    tom.types("did I just tear the line that you are typing?");
    sara.sees("are typing?");
    ida.types("no, ours go above it, and hers stays whole");
    sara.sees("stays whole");
    sara.still_has(half_typed);

    let picture = sara.screen().look(|screen| {
        let cells = screen.cells();
        let mut rows = svg::rows(cells);
        set_clock(&mut rows);
        svg::draw("chat-client --name Sara", SIZE.1, &rows, cells.cursor_position())
    });
    fs::write(path, picture)
}

/// Replaces the time at the beginning of each line by that of the picture's own clock.
fn set_clock(rows: &mut [Vec<Run>]) {
    let stamps = rows.iter_mut().filter_map(|row| row.first_mut()).filter(|run| is_stamp(run));
    for (line, run) in stamps.enumerate() {
        let time = format!("{HOUR:02}:{:02}", FIRST_MINUTE + line / LINES_A_MINUTE);
        run.text.replace_range(..time.len(), &time);
    }
}

/// Whether this run begins with the time, as in `08:15`.
fn is_stamp(run: &Run) -> bool {
    let begin =
        run.text.bytes().chain([b' ']).take(6).map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    run.dim && run.column == 0 && begin.eq(*b"00:00 ")
}
