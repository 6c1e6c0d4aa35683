//! Rows on a terminal. Where a person types, a new row goes above the line being typed, which stays complete.
//!
//! The first column is for the client's own lines and for the names of authors; the next rows of a text are
//! indented. So the text of a person must never wrap by itself. Two guards stand against that: a row is never
//! wider than the terminal, and the terminal does not wrap while the row is written.
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

/// How many rows of one line are shown. Its text may be thousands of line ends, and they would scroll away
/// everything else.
const MAX_ROWS: usize = 40;
/// The cells of the widest character.
const MAX_CHARACTER_CELLS: usize = 3;

/// Returns the sequence that puts a row above the line being typed.
pub(crate) fn above_typed_line(row: &str) -> String {
    format!("\x0b\x1b7\x1b[A\x1b[G{}\x1b8", unwrapped(&format!("\x1b[L{row}")))
}

/// Returns the sequence that writes a row without wrapping, in case the computed width is wrong.
pub(crate) fn unwrapped(row: &str) -> String {
    format!("\x1b[?7l{row}\x1b[?7h")
}

/// Wraps a line into rows for a terminal of `width` cells: between words, if that leaves no large gap. After
/// [`MAX_ROWS`] comes one row more, which says how many are not shown.
pub(crate) fn wrap(line: &StyledLine, width: usize, with_color: bool) -> Vec<String> {
    // One cell stays free, because terminals differ when the cursor is after the last cell.
    let max_cells = width.saturating_sub(1).max(INDENT.len() + MAX_CHARACTER_CELLS);
    let characters: Vec<(char, &Style)> =
        line.spans.iter().flat_map(|(style, text)| text.chars().map(move |c| (c, style))).collect();
    let (mut rows, mut hidden_rows) = (Vec::new(), 0);
    let (mut rest, mut indent) = (Some(&characters[..]), "");
    while let Some(characters) = rest {
        let (end, next) = row_end(characters, max_cells - indent.len());
        if rows.len() < MAX_ROWS {
            rows.push(indent.to_owned() + &paint_all(&characters[..end], with_color));
        } else {
            hidden_rows += 1;
        }
        rest = next.map(|next| &characters[next..]);
        indent = INDENT;
    }
    if hidden_rows > 0 {
        let more = format!("(more rows: {hidden_rows})");
        rows.push(indent.to_owned() + &paint(&Style::Dim, &more, with_color));
    }
    rows
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

/// Returns how many cells a character takes. Where terminals differ, it is the larger number, because a row
/// may be shorter. A test compares it with the data of Unicode, for every character.
///
/// Unicode leaves some widths open ("ambiguous": Greek, Cyrillic, frames, and more). These
/// count as one cell, as in every terminal that is not set to an old East Asian encoding. Such a terminal
/// cuts the row at its edge.
pub(crate) fn cells_of(c: char) -> usize {
    match c as u32 {
        // East Asian letters, signs and punctuation, in whole blocks, for the Unicode to come.
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xa960..=0xa97c
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe10..=0xfe19
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x16fe0..=0x18dff
        | 0x1aff0..=0x1b2ff
        | 0x1d300..=0x1d37f
        | 0x20000..=0x3ffff => 2,
        // Emoji and symbols. Many are wide in some terminals alone.
        0x231a..=0x23ff | 0x25fd..=0x25fe | 0x2600..=0x27bf | 0x2b00..=0x2bff | 0x1f000..=0x1ffff => 2,
        // Two Khmer signs that stand for more than one letter.
        0x17a4 => 2,
        0x17d8 => 3,
        // The variation selector 16 makes a narrow emoji wide.
        0xfe0f => 1,
        // Marks with a width of their own: those of halfwidth Katakana, and vowel signs of India that stand
        // beside their letter, which only some terminals draw into the letter's cell.
        0x2d7f
        | 0xff9e..=0xff9f
        | 0x9be
        | 0x9d7
        | 0xb3e
        | 0xb57
        | 0xbbe
        | 0xbd7
        | 0xcc0
        | 0xcc2
        | 0xcc7..=0xcc8
        | 0xcca..=0xccb
        | 0xcd5..=0xcd6
        | 0xd3e
        | 0xd57
        | 0xdcf
        | 0xddf
        | 0x1171e => 1,
        _ if is_mark(c) => 0,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::escape::escape_text;

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
    fn no_character_takes_more_cells_than_are_counted() {
        use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
        for c in ('\0'..=char::MAX).filter(|&c| escape_text(&format!("a{c}")).ends_with(c)) {
            let number = u32::from(c);
            assert!((1..=MAX_CHARACTER_CELLS).contains(&cells_of(c)) || is_mark(c), "{number:x}");
            assert!(Some(cells_of(c)) >= c.width(), "{number:x} takes {:?}", c.width());
            let emoji = format!("{c}\u{fe0f}");
            assert!(emoji.chars().map(cells_of).sum::<usize>() >= emoji.width(), "{number:x} as an emoji");
        }
    }

    #[test]
    fn usual_texts_take_exactly_the_cells_that_are_counted() {
        use unicode_width::UnicodeWidthStr;
        for text in [
            "Grüße, Zoë! naïve Łódź Nguyễn",
            "Привет, мир",
            "Γειά σου Κόσμε",
            "გამარჯობა բարեւ",
            "שלום עולם",
            "مرحبا بالعالم",
            "नमस्ते दुनिया",
            "สวัสดีชาวโลก",
            "漢字かな交じり文、カタカナ。",
            "안녕하세요",
            "🦀🎉",
            "e\u{301}",
        ] {
            assert_eq!(text.chars().map(cells_of).sum::<usize>(), text.width(), "{text}");
        }
    }

    #[test]
    fn a_text_shows_forty_rows_and_how_many_more() {
        let rows = wrap(&line(&[(Style::Text, &"\n".repeat(4_095))]), 80, false);
        assert_eq!(rows.len(), 41);
        assert_eq!(rows[39..], ["    ", "    (more rows: 4056)"]);
        let numbers: Vec<String> = (1..=40).map(|number| number.to_string()).collect();
        let rows = wrap(&line(&[(Style::Text, &numbers.join("\n"))]), 80, false);
        assert_eq!((rows.len(), rows[39].as_str()), (40, "    40"));
    }

    #[test]
    fn a_row_never_wraps_by_itself() {
        for row in [unwrapped("text"), above_typed_line("text")] {
            let (before, after) = row.split_once("text").unwrap();
            assert!(before.contains("\x1b[?7l") && after.contains("\x1b[?7h"), "{row:?}");
        }
    }

    #[test]
    fn each_row_has_its_own_color_sequences() {
        let rows = wrap(&line(&[(Style::Dim, "0123456789")]), 8, true);
        assert_eq!(rows, ["\x1b[2m0123456\x1b[0m", "    \x1b[2m789\x1b[0m"]);
    }

    #[test]
    fn even_a_terminal_of_width_zero_gets_the_whole_text() {
        let all = wrap(&line(&[(Style::Text, "漢字\u{17d8}\u{17d8}abc")]), 0, false).concat();
        assert_eq!(all.replace(' ', ""), "漢字\u{17d8}\u{17d8}abc");
    }
}
