//! `make picture`: draws the picture of a session that the README shows, with the real programs.
//!
//! The session has a server, Sara at a pseudo-terminal, Tom and Ida, and a script that reports once through a
//! pipe. Each step waits until a client has seen the line that it should, and never for a time, so the
//! picture is the same each time. Only the times in front of the lines would differ, so this program replaces
//! them. `picture FILE` writes to FILE; the test of the picture compares that file with the one in the
//! repository.

use chat_tests::{
    process::{repository, Program},
    svg::{self, Run},
    terminal::TerminalUser,
};
use std::{env, fs, io, path::PathBuf};

/// Rows and columns of the terminal. The rows hold the whole session, and a README has space for the columns.
const SIZE: (u16, u16) = (24, 76);

/// The times in the picture: they start at 14:02, and three lines share a minute, so that it looks like a
/// talk.
const HOUR: u16 = 14;
const FIRST_MINUTE: usize = 2;
const LINES_PER_MINUTE: usize = 3;

fn main() -> io::Result<()> {
    let path =
        env::args_os().nth(1).map_or_else(|| repository().join("tests/picture/session.svg"), PathBuf::from);

    let (_server, address) = Program::server_that_forgets(&[]);
    let mut ida = Program::joined_client(address, "Ida");
    ida.types("the release candidate is up, please try it");
    ida.types("/who");
    ida.sees("1 here");

    let mut sara = TerminalUser::join(address, SIZE, "Sara");
    sara.sees("(earlier)");
    let mut tom = Program::joined_client(address, "Tom");
    sara.sees("[Tom] joined");
    tom.types("it runs fine here, on a laptop from 2011");
    sara.sees("2011");
    sara.types("what does the build say?\n");
    tom.sees("what does the build say?");

    let mut script = Program::client(address, "ci", &["--send", "build 512 is green: 214 tests passed"]);
    assert_eq!(script.exits(), Some(0));
    sara.sees("tests passed");
    tom.types("/me pours a coffee for everybody");
    sara.sees("for everybody");
    ida.types("Sara, shall we tag it today?");
    sara.sees("today?");
    tom.types("/msg Sara there is cake in the kitchen, do not tell Ida");
    sara.sees("tell Ida");
    sara.types("/reply not a word\n");
    sara.sees("[to Tom, privately] not a word");
    sara.types("/who\n");
    sara.sees("3 in all");

    let half_typed = "yes, and I can type on while you two wri";
    sara.types(half_typed);
    sara.sees_typed(half_typed);
    tom.types("did I just tear the line that you are typing?");
    sara.sees("are typing?");
    ida.types("no, ours go above it, and hers stays whole");
    sara.sees("stays whole");
    sara.still_sees_typed(half_typed);

    let picture = sara.screen().read_with(|screen| {
        let cells = screen.cells();
        let mut rows = svg::rows(cells);
        replace_times(&mut rows);
        svg::draw("chat-client --name Sara", SIZE.1, &rows, cells.cursor_position())
    });
    fs::write(path, picture)
}

/// Replaces the time at the start of each line, so that two pictures of one session are equal.
fn replace_times(rows: &mut [Vec<Run>]) {
    let times = rows.iter_mut().filter_map(|row| row.first_mut()).filter(|run| starts_with_time(run));
    for (line, run) in times.enumerate() {
        let time = format!("{HOUR:02}:{:02}", FIRST_MINUTE + line / LINES_PER_MINUTE);
        run.text.replace_range(..time.len(), &time);
    }
}

/// Whether this run starts with a time such as `08:15`.
fn starts_with_time(run: &Run) -> bool {
    let start =
        run.text.bytes().chain([b' ']).take(6).map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    run.dim && run.column == 0 && start.eq(*b"00:00 ")
}
