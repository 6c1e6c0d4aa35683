//! Lines on a terminal where a person types: a new line goes above the line being typed, which stays
//! complete.
//!
//! The terminal stays in its ordinary line mode: the system edits the typed line, and the client cannot read
//! it. The client does not need to. It moves the row with the cursor down by one, and puts the new row in its
//! place. For each row:
//!
//! | sequence | effect |
//! |---|---|
//! | VT | moves down by one; on the last row everything scrolls up |
//! | `ESC 7` | saves this cursor position, which is the final one |
//! | `CSI A`, `CSI G` | moves up to the typed row, and to its first column |
//! | `CSI ?7l` | turns wrapping off, in case the computed width is wrong |
//! | `CSI L` | inserts a row; the typed row moves down |
//! | | the row |
//! | `CSI ?7h`, `ESC 8` | turns wrapping on; restores the saved position |
//!
//! There is no line end and no carriage return in it. The system's terminal driver writes up to such a
//! character at once, and could echo a typed key after it, in the middle of the sequence. Each row is written
//! in one piece.
//!
//! A typed line that is longer than the terminal is wide takes several rows, and the client cannot know how
//! many. The new row then goes above the last of them. Each typed row stays complete, and Enter sends the
//! complete line. If the typed line ends exactly at the right edge, the next key may be echoed over its last
//! cell. Terminals cause this: they forget that the next character has to wrap.

use crate::screen::{
    color::{paint, Style},
    escape::is_mark,
    wording::{StyledLine, INDENT},
};

/// Returns the sequence that puts a row above the line being typed.
pub(crate) fn above_typed_line(row: &str) -> String {
    format!("\x0b\x1b7\x1b[A\x1b[G\x1b[?7l\x1b[L{row}\x1b[?7h\x1b8")
}

/// Wraps a line into rows for a terminal of `width` cells: between words, if that leaves no large gap.
pub(crate) fn wrap(line: &StyledLine, width: usize, with_color: bool) -> Vec<String> {
    // One cell stays free, because terminals differ when the cursor is after the last cell.
    let max_cells = width.saturating_sub(1).max(INDENT.len() + 2);
    let characters: Vec<(char, &Style)> =
        line.spans.iter().flat_map(|(style, text)| text.chars().map(move |c| (c, style))).collect();
    let (mut rows, mut rest, mut indent) = (Vec::new(), &characters[..], "");
    loop {
        let (end, next) = row_end(rest, max_cells - indent.len());
        rows.push(indent.to_owned() + &paint_all(&rest[..end], with_color));
        match next {
            Some(next) => rest = &rest[next..],
            None => return rows,
        }
        indent = INDENT;
    }
}

/// Returns where the first row ends, and where the next row begins if there is one.
fn row_end(characters: &[(char, &Style)], max_cells: usize) -> (usize, Option<usize>) {
    let (mut cells, mut space) = (0, None);
    for (index, (c, _)) in characters.iter().enumerate() {
        cells += cells_of(*c);
        match c {
            '\n' => return (index, Some(index + 1)),
            ' ' if cells > max_cells => return (index, Some(index + 1)),
            _ if cells > max_cells => {
                return match space.filter(|space| space * 3 > index) {
                    Some(space) => (space, Some(space + 1)),
                    None => (index, Some(index)),
                }
            }
            ' ' => space = Some(index),
            _ => {}
        }
    }
    (characters.len(), None)
}

fn paint_all(characters: &[(char, &Style)], with_color: bool) -> String {
    let spans = characters.chunk_by(|(_, one), (_, other)| one == other);
    spans.map(|span| paint(span[0].1, &span.iter().map(|(c, _)| c).collect::<String>(), with_color)).collect()
}

/// Returns how many cells a character takes. Terminals differ; then it is the larger number, because a row
/// may be shorter.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(spans: &[(Style, &str)]) -> StyledLine {
        let spans = spans.iter().map(|(style, text)| (style.clone(), (*text).to_owned())).collect();
        StyledLine { spans, is_error: false }
    }

    #[test]
    fn a_long_line_becomes_rows_that_fit_and_are_indented() {
        let line = line(&[(Style::Name("Sara".into()), "[Sara]"), (Style::Text, " 0123456789")]);
        assert_eq!(wrap(&line, 11, false), ["[Sara]", "    012345", "    6789"]);
        assert_eq!(wrap(&line, 80, false), ["[Sara] 0123456789"]);
    }

    #[test]
    fn words_are_not_split_if_that_leaves_no_large_gap() {
        assert_eq!(
            wrap(&line(&[(Style::Text, "one two three four")]), 14, false),
            ["one two three", "    four"]
        );
        assert_eq!(
            wrap(&line(&[(Style::Text, "one two threefour")]), 14, false),
            ["one two", "    threefour"]
        );
        assert_eq!(wrap(&line(&[(Style::Text, "a threefourfive")]), 11, false), ["a threefou", "    rfive"]);
    }

    #[test]
    fn a_line_end_begins_an_indented_row() {
        assert_eq!(wrap(&line(&[(Style::Text, "one\n\ntwo")]), 80, false), ["one", "    ", "    two"]);
    }

    #[test]
    fn wide_characters_take_two_cells_and_marks_none() {
        assert_eq!(wrap(&line(&[(Style::Text, "漢字漢字漢")]), 9, false), ["漢字漢字", "    漢"]);
        assert_eq!(
            wrap(&line(&[(Style::Text, "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}")]), 7, false).len(),
            1
        );
    }

    #[test]
    fn each_row_has_its_own_color_sequences() {
        let rows = wrap(&line(&[(Style::Dim, "0123456789")]), 8, true);
        assert_eq!(rows, ["\x1b[2m0123456\x1b[0m", "    \x1b[2m789\x1b[0m"]);
    }

    #[test]
    fn even_a_terminal_of_width_zero_gets_the_whole_text() {
        let all = wrap(&line(&[(Style::Text, "漢字abc")]), 0, false).concat();
        assert_eq!(all.replace(' ', ""), "漢字abc");
    }
}
