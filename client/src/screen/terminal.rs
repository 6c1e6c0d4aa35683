//! Lines on a terminal where somebody types: a new line goes *above* the one being typed, which stays whole.
//!
//! The terminal stays in its ordinary line mode, so it is the system that edits the line, and nobody can ask it what stands
//! there. Nobody needs to: the row with the cursor is moved down by one, whatever is in it, and the new row is put in its
//! place. For each row:
//!
//! | sequence | does |
//! |---|---|
//! | VT | down by one; on the last row everything scrolls up, which makes room |
//! | `ESC 7` | remembers this place: it is where the cursor will have to be |
//! | `CSI A`, `CSI G` | up again, on the typed row; first column |
//! | `CSI ?7l` | no wrapping, should we be wrong about a width |
//! | `CSI L` | inserts a row: the typed one moves down |
//! | | the row |
//! | `CSI ?7h`, `ESC 8` | wrapping again; the place that was remembered |
//!
//! No line end and no carriage return among them: the system's terminal driver writes up to such a character at once, and
//! what the person types may be echoed behind it, in the middle of our sequence. A row goes out in one piece.
//!
//! A typed line that is longer than the terminal has rows of its own, and nobody can ask how many: the new row then goes
//! above the last of them. Each of them stays whole, and what Enter sends is the whole line. (Where the typed line ends exactly
//! at the right edge, the next key may be echoed over its last cell: terminals forget that they were about to wrap.)

use crate::screen::{
    color::{self, Tone},
    visible::is_mark,
    wording::{Line, INDENT},
};
use std::{
    fs::File,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How long an answer about the width is good for.
const WIDTH_LASTS: Duration = Duration::from_millis(100);
/// Where nobody can say how wide the terminal is.
const USUAL_WIDTH: usize = 80;

/// Puts a row above the line being typed.
pub(crate) fn above_typed_line(row: &str) -> String {
    format!("\x0b\x1b7\x1b[A\x1b[G\x1b[?7l\x1b[L{row}\x1b[?7h\x1b8")
}

/// Cuts a line into rows of a terminal that is `width` cells wide, between words where that leaves no large gap.
pub(crate) fn rows(line: &Line, width: usize, with_color: bool) -> Vec<String> {
    // One cell stays free: a cursor behind the last cell is where terminals differ.
    let most = width.saturating_sub(1).max(INDENT.len() + 2);
    let characters: Vec<(char, &Tone)> =
        line.pieces.iter().flat_map(|(tone, text)| text.chars().map(move |c| (c, tone))).collect();
    let (mut rows, mut rest, mut indent) = (Vec::new(), &characters[..], "");
    loop {
        let (end, next) = row_end(rest, most - indent.len());
        rows.push(indent.to_owned() + &paint_all(&rest[..end], with_color));
        match next {
            Some(next) => rest = &rest[next..],
            None => return rows,
        }
        indent = INDENT;
    }
}

/// Where the row that begins here ends, and where the next one begins if there is more.
fn row_end(characters: &[(char, &Tone)], room: usize) -> (usize, Option<usize>) {
    let (mut cells, mut blank) = (0, None);
    for (index, (c, _)) in characters.iter().enumerate() {
        cells += cells_of(*c);
        match c {
            '\n' => return (index, Some(index + 1)),
            ' ' if cells > room => return (index, Some(index + 1)),
            _ if cells > room => {
                return match blank.filter(|blank| blank * 3 > index) {
                    Some(blank) => (blank, Some(blank + 1)),
                    None => (index, Some(index)),
                }
            }
            ' ' => blank = Some(index),
            _ => {}
        }
    }
    (characters.len(), None)
}

fn paint_all(characters: &[(char, &Tone)], with_color: bool) -> String {
    characters
        .chunk_by(|(_, one), (_, other)| one == other)
        .map(|stretch| {
            let text: String = stretch.iter().map(|(c, _)| c).collect();
            stretch.first().map_or_else(String::new, |(_, tone)| color::paint(tone, &text, with_color))
        })
        .collect()
}

/// How many cells a character takes. Where terminals disagree, the larger: a row that is too short harms nobody.
fn cells_of(c: char) -> usize {
    match c as u32 {
        0x1100..=0x115f
        | 0x231a..=0x23ff
        | 0x2600..=0x27bf
        | 0x2b00..=0x2bff
        | 0x2e80..=0xa4cf
        | 0xa960..=0xa97c
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f000..=0x3ffff => 2,
        _ if is_mark(c) => 0,
        _ => 1,
    }
}

/// The terminal's width, asked again when the answer is old.
#[derive(Debug, Default)]
pub(crate) struct Width {
    known: Option<(usize, Instant)>,
}

impl Width {
    /// In cells.
    ///
    /// # Blocking
    /// On the program `stty`, for some milliseconds, ten times a second at most.
    pub(crate) fn cells(&mut self) -> usize {
        match self.known {
            Some((cells, asked)) if asked.elapsed() < WIDTH_LASTS => cells,
            _ => {
                let cells = ask_stty().unwrap_or(USUAL_WIDTH);
                self.known = Some((cells, Instant::now()));
                cells
            }
        }
    }
}

/// Asks `stty` for the size: std cannot, and a signal that tells of changes would need `unsafe`.
fn ask_stty() -> Option<usize> {
    let terminal = File::open("/dev/tty").ok()?;
    let output = Command::new("stty").arg("size").stdin(terminal).stderr(Stdio::null()).output().ok()?;
    let (_rows, columns) = std::str::from_utf8(&output.stdout).ok()?.trim().split_once(' ')?;
    columns.parse().ok().filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pieces: &[(Tone, &str)]) -> Line {
        let pieces = pieces.iter().map(|(tone, text)| (tone.clone(), (*text).to_owned())).collect();
        Line { pieces, trouble: false }
    }

    #[test]
    fn a_long_line_becomes_rows_that_fit_and_are_indented() {
        let line = line(&[(Tone::Name("Sara".into()), "[Sara]"), (Tone::Text, " 0123456789")]);
        assert_eq!(rows(&line, 11, false), ["[Sara]", "    012345", "    6789"]);
        assert_eq!(rows(&line, 80, false), ["[Sara] 0123456789"]);
    }

    #[test]
    fn words_stay_whole_where_that_leaves_no_large_gap() {
        assert_eq!(
            rows(&line(&[(Tone::Text, "one two three four")]), 14, false),
            ["one two three", "    four"]
        );
        assert_eq!(
            rows(&line(&[(Tone::Text, "one two threefour")]), 14, false),
            ["one two", "    threefour"]
        );
        assert_eq!(rows(&line(&[(Tone::Text, "a threefourfive")]), 11, false), ["a threefou", "    rfive"]);
    }

    #[test]
    fn a_line_end_begins_an_indented_row() {
        assert_eq!(rows(&line(&[(Tone::Text, "one\n\ntwo")]), 80, false), ["one", "    ", "    two"]);
    }

    #[test]
    fn wide_characters_take_two_cells_and_marks_none() {
        assert_eq!(rows(&line(&[(Tone::Text, "漢字漢字漢")]), 9, false), ["漢字漢字", "    漢"]);
        assert_eq!(
            rows(&line(&[(Tone::Text, "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}")]), 7, false).len(),
            1
        );
    }

    #[test]
    fn each_row_has_its_own_colours() {
        let rows = rows(&line(&[(Tone::Dim, "0123456789")]), 8, true);
        assert_eq!(rows, ["\x1b[2m0123456\x1b[0m", "    \x1b[2m789\x1b[0m"]);
    }

    #[test]
    fn a_terminal_of_no_width_still_gets_everything() {
        let all = rows(&line(&[(Tone::Text, "漢字abc")]), 0, false).concat();
        assert_eq!(all.replace(' ', ""), "漢字abc");
    }
}
