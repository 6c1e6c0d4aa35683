//! The rows of the line being edited, and the sequences that erase and draw them. No I/O.
//!
//! Each row is shorter than the terminal is wide, and ends with a line end of ours. So the terminal never
//! wraps it, and the client always knows in which row the cursor is. Where terminals differ about the width
//! of a character, the cursor is still right: its place is found by writing the row once more, up to the
//! cursor.

use chat_common::{
    terminal::{cells::cells_of, rows::unwrapped},
    text::{clusters::continues, escape::characters},
};
use std::ops::Range;

/// Even a very narrow terminal shows something. In cells.
const MIN_ROW_CELLS: usize = 4;

/// The copy of the typed line that the screen draws.
#[derive(Debug, Default)]
pub(crate) struct EditedLine {
    /// A question of the client, such as the one for a name. It stays until a line answers it.
    pub(crate) question: String,
    /// What the editor puts before the line.
    pub(crate) prompt: String,
    pub(crate) text: String,
    /// In bytes.
    pub(crate) cursor: usize,
    /// What was drawn last: the cells of each row above the cursor, and of the cursor's row before it.
    drawn_above: Vec<usize>,
    drawn_before: usize,
}

/// One row, and how many cells it takes.
#[derive(Clone, Debug, Default)]
struct Row {
    text: String,
    cells: usize,
}

/// What a row has wholly or not at all.
struct Piece {
    shown: Row,
    /// Whether the cursor is before it.
    has_cursor: bool,
    ends_row: bool,
}

/// All rows of the line, and where the cursor is.
struct Layout {
    rows: Vec<Row>,
    cursor_row: usize,
    /// The cursor's row, up to the cursor.
    before: Row,
}

impl EditedLine {
    pub(crate) fn set(&mut self, prompt: &str, text: &str, cursor: usize) {
        prompt.clone_into(&mut self.prompt);
        text.clone_into(&mut self.text);
        self.cursor = cursor;
    }

    /// Returns the sequence that erases what was drawn. `columns` is the width now: a terminal that became
    /// narrower has wrapped the rows again.
    pub(crate) fn erase(&mut self, columns: usize) -> String {
        let columns = columns.max(1);
        let above = self.drawn_above.drain(..).map(|cells| cells.div_ceil(columns).max(1)).sum::<usize>();
        let up = above + std::mem::take(&mut self.drawn_before) / columns;
        format!("\r{}\x1b[J", move_up(up))
    }

    /// Returns the sequence that draws the line, on a terminal of this size on which it is not drawn yet. A
    /// line that is higher than the terminal is shown in part, around the cursor.
    pub(crate) fn draw(&mut self, (rows, columns): (usize, usize)) -> String {
        let layout = self.layout(columns.saturating_sub(1).max(MIN_ROW_CELLS));
        let visible = visible(layout.rows.len(), layout.cursor_row, rows.saturating_sub(1).max(1));
        let cursor_row = layout.cursor_row - visible.start;
        let rows = &layout.rows[visible];
        self.drawn_above = rows[..cursor_row].iter().map(|row| row.cells).collect();
        self.drawn_before = layout.before.cells;
        let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        let mut drawn = texts.join("\r\n");
        let below = rows.len() - 1 - cursor_row;
        if below > 0 || layout.before.text.len() < rows[cursor_row].text.len() {
            drawn += &format!("{}\r{}", move_up(below), layout.before.text);
        }
        unwrapped(&drawn)
    }

    /// Returns the sequence that draws the line once more, with the cursor behind it, and ends it.
    pub(crate) fn last_sight(&mut self, size: (usize, usize)) -> String {
        let (erased, cursor) = (self.erase(size.1), self.cursor);
        self.cursor = self.text.len();
        let drawn = self.draw(size);
        self.cursor = cursor;
        // What is drawn next begins in a new row.
        self.erase(size.1);
        format!("{erased}{drawn}\n")
    }

    fn layout(&self, max_cells: usize) -> Layout {
        let mut layout = Layout { rows: vec![Row::default()], cursor_row: 0, before: Row::default() };
        for Piece { shown, has_cursor, ends_row } in self.pieces(max_cells) {
            if layout.rows.last().is_some_and(|row| row.cells + shown.cells > max_cells) {
                layout.rows.push(Row::default());
            }
            if has_cursor {
                layout.put_cursor();
            }
            if ends_row {
                layout.rows.push(Row::default());
            } else if let Some(row) = layout.rows.last_mut() {
                row.add(&shown);
            }
        }
        layout
    }

    /// Returns what a reader sees as one character, one after the other, and the end of the line. One that is
    /// wider than a row, or has the cursor inside, is several.
    fn pieces(&self, max_cells: usize) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        for (text, cursor) in [(&self.question, None), (&self.prompt, None), (&self.text, Some(self.cursor))]
        {
            let mut at = 0;
            for (c, stays) in characters(text) {
                let (text, before) = (shown(c, stays), text[..at].chars().rev());
                let shown = Row { cells: text.chars().map(cells_of).sum(), text };
                let has_cursor = cursor == Some(at);
                let goes_on = !has_cursor && continues(before, c);
                at += c.len_utf8();
                match pieces.last_mut().filter(|last| goes_on && last.shown.cells + shown.cells <= max_cells)
                {
                    Some(last) => last.shown.add(&shown),
                    None => pieces.push(Piece { shown, has_cursor, ends_row: c == '\n' }),
                }
            }
        }
        let has_cursor = self.cursor == self.text.len();
        pieces.push(Piece { shown: Row::default(), has_cursor, ends_row: false });
        pieces
    }
}

impl Row {
    fn add(&mut self, more: &Row) {
        self.text += &more.text;
        self.cells += more.cells;
    }
}

impl Layout {
    /// The cursor is behind what has been laid out so far.
    fn put_cursor(&mut self) {
        self.cursor_row = self.rows.len() - 1;
        self.before = self.rows[self.cursor_row].clone();
    }
}

/// How a typed character is shown. A terminal obeys some characters; those are shown as escapes.
fn shown(c: char, stays: bool) -> String {
    match c {
        '\n' => String::new(),
        '\t' => " ".repeat(4),
        _ if stays => c.into(),
        _ => c.escape_unicode().collect(),
    }
}

/// Which rows are shown, where there is room for `room` of them.
fn visible(rows: usize, cursor_row: usize, room: usize) -> Range<usize> {
    let start = (cursor_row + 1).saturating_sub(room);
    start..rows.min(start + room)
}

fn move_up(rows: usize) -> String {
    if rows == 0 {
        String::new()
    } else {
        format!("\x1b[{rows}A")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str, cursor: usize) -> EditedLine {
        EditedLine { text: text.into(), cursor, ..EditedLine::default() }
    }

    /// The rows as they are drawn, without sequences.
    fn rows(line: &EditedLine, columns: usize) -> Vec<String> {
        line.layout(columns - 1).rows.into_iter().map(|row| row.text).collect()
    }

    #[test]
    fn a_row_is_never_as_wide_as_the_terminal() {
        assert_eq!(rows(&typed("0123456789", 0), 5), ["0123", "4567", "89"]);
        assert_eq!(rows(&typed("漢字漢", 0), 5), ["漢字", "漢"]);
        assert_eq!(rows(&typed("a\n\nb\t\u{1b}", 0), 20), ["a", "", "b    \\u{1b}"]);
        assert_eq!(rows(&typed("", 0), 5), [""]);
    }

    #[test]
    fn a_picture_is_not_split_between_two_rows_unless_it_is_wider_than_one_or_the_cursor_is_inside() {
        let family = "👩\u{200d}👩\u{200d}👧";
        assert_eq!(rows(&typed(&format!("abcd{family}"), 0), 10), ["abcd", family]);
        assert_eq!(rows(&typed(family, 0), 6), ["👩\u{200d}👩\u{200d}", "👧"]);
        let flag = "🇩🇪";
        assert_eq!(rows(&typed(&format!("abcd{flag}"), 0), 8), ["abcd", flag]);
        let line = typed(&format!("abcd{flag}"), 8);
        assert_eq!(line.layout(8).before.text, "abcd🇩");
    }

    #[test]
    fn the_cursor_stands_where_the_next_character_goes() {
        let mut line = typed("0123456789", 4);
        let layout = line.layout(4);
        assert_eq!((layout.cursor_row, layout.before.text.as_str()), (1, ""));
        line.cursor = 10;
        assert_eq!(line.layout(4).before.text, "89");
        line.question = "name: ".into();
        let layout = line.layout(4);
        assert_eq!((layout.rows.len(), layout.cursor_row, layout.before.text.as_str()), (4, 3, "6789"));
    }

    #[test]
    fn what_was_drawn_is_erased_after_the_terminal_became_narrower() {
        let mut line = typed("0123456789", 10);
        line.draw((24, 6));
        assert_eq!(line.erase(6), "\r\x1b[1A\x1b[J");
        line.draw((24, 6));
        // The row of five cells takes three rows of two cells, and the cursor is in the third of its own.
        assert_eq!(line.erase(2), "\r\x1b[5A\x1b[J");
        assert_eq!(line.erase(2), "\r\x1b[J");
    }

    #[test]
    fn a_line_higher_than_the_terminal_is_shown_around_the_cursor() {
        let mut line = typed("0123456789", 10);
        let drawn = line.draw((3, 5));
        assert!(drawn.contains("4567") && drawn.contains("89") && !drawn.contains("0123"), "{drawn:?}");
        line.erase(5);
        line.cursor = 0;
        let drawn = line.draw((3, 5));
        assert!(drawn.contains("0123") && drawn.contains("4567") && !drawn.contains("89"), "{drawn:?}");
    }
}
