//! The text that a person edits, and the cursor in it. No I/O.
//!
//! The cursor steps over what a reader sees as one character: a letter with its marks, or a picture made of
//! several emoji.

use chat_common::text::clusters::{end_after, start_before};

/// The longest typed line. The same as for a line from a pipe. In bytes.
pub(crate) const MAX_LINE_BYTES: usize = 64 * 1024;

/// Where the cursor can go from where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Motion {
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
    pub(crate) fn go(&mut self, motion: Motion) {
        self.cursor = self.target(motion);
    }

    /// Deletes what the cursor would pass. It can be put back, unless it is one character.
    pub(crate) fn delete(&mut self, motion: Motion) {
        let target = self.target(motion);
        let deleted = self.cut(target.min(self.cursor), target.max(self.cursor));
        if !matches!(motion, Motion::CharacterBefore | Motion::CharacterAfter) {
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

    /// Returns where a motion ends. In bytes.
    fn target(&self, motion: Motion) -> usize {
        let (before, after) = self.text.split_at(self.cursor);
        match motion {
            Motion::CharacterBefore => start_before(&self.text, self.cursor),
            Motion::CharacterAfter => end_after(&self.text, self.cursor),
            Motion::WordBefore => {
                let space = before.trim_end().char_indices().rfind(|(_, c)| c.is_whitespace());
                space.map_or(0, |(at, c)| at + c.len_utf8())
            }
            Motion::WordAfter => {
                let word = after.trim_start();
                self.text.len() - word.len() + word.find(char::is_whitespace).unwrap_or(word.len())
            }
            Motion::Start => 0,
            Motion::End => self.text.len(),
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
            line.go(Motion::CharacterBefore);
            line.go(Motion::CharacterBefore);
            assert_eq!(line.cursor(), 1, "{character}");
            line.go(Motion::CharacterAfter);
            assert_eq!(line.cursor(), 1 + character.len(), "{character}");
            line.delete(Motion::CharacterBefore);
            assert_eq!((line.text(), line.cursor()), ("xy", 1), "{character}");
            line.set(&text);
            line.set_cursor(1);
            line.delete(Motion::CharacterAfter);
            assert_eq!((line.text(), line.cursor()), ("xy", 1), "{character}");
        }
    }

    #[test]
    fn words_are_skipped_deleted_and_put_back() {
        let mut line = line("one two  three");
        line.go(Motion::WordBefore);
        line.go(Motion::WordBefore);
        assert_eq!(line.cursor(), 4);
        line.go(Motion::WordAfter);
        assert_eq!(line.cursor(), 7);
        line.delete(Motion::WordBefore);
        assert_eq!(line.text(), "one   three");
        line.go(Motion::End);
        line.put_back();
        assert_eq!(line.text(), "one   threetwo");
        line.delete(Motion::Start);
        assert_eq!((line.text(), line.cursor()), ("", 0));
    }

    #[test]
    fn a_full_line_takes_nothing_more() {
        let mut line = line(&"x".repeat(MAX_LINE_BYTES));
        assert!(!line.insert("y"));
        line.delete(Motion::CharacterBefore);
        assert!(line.insert("y") && line.text().len() == MAX_LINE_BYTES);
    }
}
