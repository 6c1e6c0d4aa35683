//! The text that a person edits, and the cursor in it. No I/O.
//!
//! The cursor steps over what a reader sees as one character: a letter with its marks, or a picture made of
//! several emoji.

use chat_common::text::clusters::{end_after, start_before};

/// The longest typed line. The same as for a line from a pipe. In bytes.
pub(crate) const MAX_LINE_BYTES: usize = 64 * 1024;

/// A place in the line, as seen from the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    CharacterBefore,
    CharacterAfter,
    WordBefore,
    WordAfter,
    Start,
    End,
}

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
        debug_assert!(self.text.is_char_boundary(self.cursor), "{} in {:?}", self.cursor, self.text);
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

    /// Moves the cursor.
    pub(crate) fn go(&mut self, to: Place) {
        self.cursor = self.find(to);
    }

    /// Deletes what stands between the cursor and a place. It can be put back, unless it is one character.
    pub(crate) fn delete(&mut self, to: Place) {
        let place = self.find(to);
        let deleted = self.cut(place.min(self.cursor), place.max(self.cursor));
        if !matches!(to, Place::CharacterBefore | Place::CharacterAfter) {
            self.deleted = deleted;
        }
    }

    /// Replaces what stands between `start` and the cursor.
    pub(crate) fn replace_from(&mut self, start: usize, text: &str) -> bool {
        let before = self.cut(start, self.cursor);
        let fits = self.insert(text);
        fits || !self.insert(&before)
    }

    fn cut(&mut self, start: usize, end: usize) -> String {
        self.cursor = start;
        self.text.drain(start..end).collect()
    }

    /// Returns where a place is. In bytes.
    fn find(&self, place: Place) -> usize {
        let (before, after) = self.text.split_at(self.cursor);
        match place {
            Place::CharacterBefore => start_before(&self.text, self.cursor),
            Place::CharacterAfter => end_after(&self.text, self.cursor),
            Place::WordBefore => {
                let space = before.trim_end().char_indices().rfind(|(_, c)| c.is_whitespace());
                space.map_or(0, |(at, c)| at + c.len_utf8())
            }
            Place::WordAfter => {
                let word = after.trim_start();
                self.text.len() - word.len() + word.find(char::is_whitespace).unwrap_or(word.len())
            }
            Place::Start => 0,
            Place::End => self.text.len(),
        }
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
            line.go(Place::CharacterBefore);
            line.go(Place::CharacterBefore);
            assert_eq!(line.cursor(), 1, "{character}");
            line.go(Place::CharacterAfter);
            assert_eq!(line.cursor(), 1 + character.len(), "{character}");
            line.delete(Place::CharacterBefore);
            assert_eq!((line.text(), line.cursor()), ("xy", 1), "{character}");
            line.set(&text);
            line.set_cursor(1);
            line.delete(Place::CharacterAfter);
            assert_eq!((line.text(), line.cursor()), ("xy", 1), "{character}");
        }
    }

    #[test]
    fn words_are_skipped_deleted_and_put_back() {
        let mut line = line("one two  three");
        line.go(Place::WordBefore);
        line.go(Place::WordBefore);
        assert_eq!(line.cursor(), 4);
        line.go(Place::WordAfter);
        assert_eq!(line.cursor(), 7);
        line.delete(Place::WordBefore);
        assert_eq!(line.text(), "one   three");
        line.go(Place::End);
        line.put_back();
        assert_eq!(line.text(), "one   threetwo");
        line.delete(Place::Start);
        assert_eq!((line.text(), line.cursor()), ("", 0));
    }

    #[test]
    fn a_full_line_takes_nothing_more() {
        let mut line = line(&"x".repeat(MAX_LINE_BYTES));
        assert!(!line.insert("y"));
        line.delete(Place::CharacterBefore);
        assert!(line.insert("y") && line.text().len() == MAX_LINE_BYTES);
    }
}
