//! Wraps lines into rows for a terminal. No I/O.
//!
//! The first column is for the client's own lines and for the names of authors; the next rows of a text are
//! indented. So a row is never wider than the terminal, and no text of a person begins in the first column.

use crate::{
    terminal::{
        cells::{cells_of, MAX_CHARACTER_CELLS},
        color::{paint, Style},
    },
    text::clusters::continues,
};

/// The beginning of each further row of a text, so that it cannot look like a line of its own.
pub const INDENT: &str = "    ";

/// How many rows of what a person says are shown. Its text may be thousands of line ends, and they would
/// scroll away everything else.
pub const MAX_ROWS: usize = 40;

/// Wraps a line of these spans into rows for a terminal of `width` cells: between words, if that leaves no
/// large gap. After `max_rows` comes one row more, which says how many are not shown.
pub fn wrap(spans: &[(Style, String)], width: usize, with_color: bool, max_rows: usize) -> Vec<String> {
    // One cell stays free, because terminals differ when the cursor is after the last cell.
    let max_cells = width.saturating_sub(1).max(INDENT.len() + MAX_CHARACTER_CELLS);
    let characters: Vec<(char, &Style)> =
        spans.iter().flat_map(|(style, text)| text.chars().map(move |c| (c, style))).collect();
    let (mut rows, mut hidden_rows) = (Vec::new(), 0);
    let (mut rest, mut indent) = (Some(&characters[..]), "");
    while let Some(characters) = rest {
        let (end, next) = row_end(characters, max_cells - indent.len());
        if rows.len() < max_rows {
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
                    None => {
                        let cut = picture_start(characters, index);
                        (cut, Some(cut))
                    }
                }
            }
            ' ' => space = Some(index),
            _ => {}
        }
    }
    (characters.len(), None)
}

/// Returns where to cut a row that is full at `index`, so that no cut splits what a reader sees as one
/// character. A character that is wider than a row is split at `index`.
fn picture_start(characters: &[(char, &Style)], index: usize) -> usize {
    let splits = |at: usize| continues(characters[..at].iter().rev().map(|(c, _)| *c), characters[at].0);
    (1..=index).rev().find(|at| !splits(*at)).unwrap_or(index)
}

fn paint_all(characters: &[(char, &Style)], with_color: bool) -> String {
    let spans = characters.chunk_by(|(_, one), (_, other)| one == other);
    spans.map(|span| paint(span[0].1, &span.iter().map(|(c, _)| c).collect::<String>(), with_color)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(spans: &[(Style, &str)]) -> Vec<(Style, String)> {
        spans.iter().map(|(style, text)| (style.clone(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_long_line_becomes_rows_that_fit_and_are_indented() {
        let line = line(&[(Style::Name("Sara".into()), "[Sara]"), (Style::Text, " 0123456789")]);
        assert_eq!(wrap(&line, 11, false, MAX_ROWS), ["[Sara]", "    012345", "    6789"]);
        assert_eq!(wrap(&line, 80, false, MAX_ROWS), ["[Sara] 0123456789"]);
    }

    #[test]
    fn words_are_not_split_if_that_leaves_no_large_gap() {
        assert_eq!(
            wrap(&line(&[(Style::Text, "one two three four")]), 14, false, MAX_ROWS),
            ["one two three", "    four"]
        );
        assert_eq!(
            wrap(&line(&[(Style::Text, "one two threefour")]), 14, false, MAX_ROWS),
            ["one two", "    threefour"]
        );
        assert_eq!(
            wrap(&line(&[(Style::Text, "a threefourfive")]), 11, false, MAX_ROWS),
            ["a threefou", "    rfive"]
        );
    }

    #[test]
    fn a_line_end_begins_an_indented_row() {
        assert_eq!(
            wrap(&line(&[(Style::Text, "one\n\ntwo")]), 80, false, MAX_ROWS),
            ["one", "    ", "    two"]
        );
    }

    #[test]
    fn wide_characters_take_two_cells_and_marks_none() {
        assert_eq!(wrap(&line(&[(Style::Text, "漢字漢字漢")]), 9, false, MAX_ROWS), ["漢字漢字", "    漢"]);
        assert_eq!(
            wrap(
                &line(&[(Style::Text, "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}")]),
                7,
                false,
                MAX_ROWS
            )
            .len(),
            1
        );
    }

    #[test]
    fn a_text_shows_forty_rows_and_how_many_more() {
        let rows = wrap(&line(&[(Style::Text, &"\n".repeat(4_095))]), 80, false, MAX_ROWS);
        assert_eq!(rows.len(), 41);
        assert_eq!(rows[39..], ["    ", "    (more rows: 4056)"]);
        let numbers: Vec<String> = (1..=40).map(|number| number.to_string()).collect();
        let rows = wrap(&line(&[(Style::Text, &numbers.join("\n"))]), 80, false, MAX_ROWS);
        assert_eq!((rows.len(), rows[39].as_str()), (40, "    40"));
    }

    #[test]
    fn each_row_has_its_own_color_sequences() {
        let rows = wrap(&line(&[(Style::Dim, "0123456789")]), 8, true, MAX_ROWS);
        assert_eq!(rows, ["\x1b[2m0123456\x1b[0m", "    \x1b[2m789\x1b[0m"]);
    }

    #[test]
    fn even_a_terminal_of_width_zero_gets_the_whole_text() {
        let all = wrap(&line(&[(Style::Text, "漢字\u{17d8}\u{17d8}abc")]), 0, false, MAX_ROWS).concat();
        assert_eq!(all.replace(' ', ""), "漢字\u{17d8}\u{17d8}abc");
    }

    #[test]
    fn a_joined_picture_is_not_split_between_two_rows() {
        let family = "👨\u{200d}👩\u{200d}👧";
        let rows = wrap(&line(&[(Style::Text, &format!("abcdefgh{family}"))]), 12, false, MAX_ROWS);
        assert_eq!(rows, ["abcdefgh", &format!("    {family}")]);
        // Nothing is lost of one that fits into no row.
        let long = ["👨"; 20].join("\u{200d}");
        assert_eq!(wrap(&line(&[(Style::Text, &long)]), 12, false, MAX_ROWS).concat().replace(' ', ""), long);
    }
}
