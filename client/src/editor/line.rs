//! The text that a person edits, and the cursor in it. No I/O.
//!
//! The cursor steps over what a reader sees as one character: a letter with its marks, or a picture made of
//! several emoji.

use chat_common::text::clusters::{end_after, start_before};

/// The longest typed line. The same as for a line from a pipe. In bytes.
pub(crate) const MAX_LINE_BYTES: usize = 64 * 1024;

/// Invariant: `cursor` is a character boundary of `text`.
#[derive(Debug, Default)]
pub(crate) struct Line {
    text: String,
    /// In bytes.
    cursor: usize,
    /// What the last Ctrl-K, Ctrl-U or Ctrl-W has deleted.
    deleted: String,
}

impl Line {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    /// Replaces the text. The cursor goes to its end.
    pub(crate) fn set(&mut self, text: &str) {
        text.clone_into(&mut self.text);
        self.cursor = self.text.len();
    }

    pub(crate) fn set_cursor(&mut self, cursor: usize) {
        self.cursor = cursor;
    }

    pub(crate) fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Inserts a text at the cursor. Returns whether the line has room for it.
    pub(crate) fn insert(&mut self, text: &str) -> bool {
        let fits = self.text.len() + text.len() <= MAX_LINE_BYTES;
        if fits {
            self.text.insert_str(self.cursor, text);
            self.cursor += text.len();
        }
        fits
    }

    pub(crate) fn put_back(&mut self) -> bool {
        let deleted = self.deleted.clone();
        self.insert(&deleted)
    }

    /// Nothing can be put back any more.
    pub(crate) fn forget_deleted(&mut self) {
        self.deleted.clear();
    }

    pub(crate) fn left(&mut self) {
        self.cursor = start_before(&self.text, self.cursor);
    }

    pub(crate) fn right(&mut self) {
        self.cursor = end_after(&self.text, self.cursor);
    }

    pub(crate) fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    pub(crate) fn word_right(&mut self) {
        let rest = &self.text[self.cursor..];
        let spaces = rest.len() - rest.trim_start().len();
        let word = rest[spaces..].find(char::is_whitespace).unwrap_or(rest.len() - spaces);
        self.cursor += spaces + word;
    }

    pub(crate) fn start(&mut self) {
        self.cursor = 0;
    }

    pub(crate) fn end(&mut self) {
        self.cursor = self.text.len();
    }

    pub(crate) fn delete_before(&mut self) {
        self.delete(start_before(&self.text, self.cursor), self.cursor);
    }

    pub(crate) fn delete_after(&mut self) {
        self.delete(self.cursor, end_after(&self.text, self.cursor));
    }

    pub(crate) fn delete_word(&mut self) {
        self.deleted = self.delete(self.word_before(), self.cursor);
    }

    pub(crate) fn delete_to_start(&mut self) {
        self.deleted = self.delete(0, self.cursor);
    }

    pub(crate) fn delete_to_end(&mut self) {
        self.deleted = self.delete(self.cursor, self.text.len());
    }

    /// Replaces what stands between `start` and the cursor.
    pub(crate) fn replace_from(&mut self, start: usize, text: &str) -> bool {
        let before = self.delete(start, self.cursor);
        let fits = self.insert(text);
        fits || !self.insert(&before)
    }

    fn delete(&mut self, start: usize, end: usize) -> String {
        self.cursor = start;
        self.text.drain(start..end).collect()
    }

    fn word_before(&self) -> usize {
        let before = self.text[..self.cursor].trim_end();
        before.char_indices().rev().find(|(_, c)| c.is_whitespace()).map_or(0, |(at, c)| at + c.len_utf8())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let mut line = Line::default();
        line.set(text);
        line
    }

    #[test]
    fn the_cursor_steps_over_what_a_reader_sees_as_one_character_and_so_do_both_deletions() {
        for character in
            ["a", "e\u{301}\u{302}", "👍🏽", "👩\u{200d}👩\u{200d}👧", "❤\u{fe0f}", "漢", "🇩🇪", "नि", "क्ष"]
        {
            let text = format!("x{character}y");
            let mut line = line(&text);
            line.left();
            line.left();
            assert_eq!(line.cursor(), 1, "{character}");
            line.right();
            assert_eq!(line.cursor(), 1 + character.len(), "{character}");
            line.delete_before();
            assert_eq!((line.text(), line.cursor()), ("xy", 1), "{character}");
            line.set(&text);
            line.set_cursor(1);
            line.delete_after();
            assert_eq!((line.text(), line.cursor()), ("xy", 1), "{character}");
        }
    }

    #[test]
    fn words_are_skipped_deleted_and_put_back() {
        let mut line = line("one two  three");
        line.word_left();
        line.word_left();
        assert_eq!(line.cursor(), 4);
        line.word_right();
        assert_eq!(line.cursor(), 7);
        line.delete_word();
        assert_eq!(line.text(), "one   three");
        line.end();
        line.put_back();
        assert_eq!(line.text(), "one   threetwo");
        line.delete_to_start();
        assert_eq!((line.text(), line.cursor()), ("", 0));
    }

    #[test]
    fn a_full_line_takes_nothing_more() {
        let mut line = line(&"x".repeat(MAX_LINE_BYTES));
        assert!(!line.insert("y"));
        line.delete_before();
        assert!(line.insert("y") && line.text().len() == MAX_LINE_BYTES);
    }
}
