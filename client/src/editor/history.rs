//! The lines that were typed before, in memory alone. No I/O.

use std::collections::VecDeque;

/// The oldest lines are forgotten when there are more, or when they take more bytes.
const MAX_LINES: usize = 500;
const MAX_BYTES: usize = 1024 * 1024;

/// The oldest line is the first.
#[derive(Debug, Default)]
pub(crate) struct History {
    lines: VecDeque<String>,
    bytes: usize,
    /// Which line the person looks at. `None`: the one being typed.
    shown: Option<usize>,
    /// The line being typed, while the person looks at an older one.
    draft: String,
}

impl History {
    /// Adds a line, unless it is empty or the same as the last one.
    pub(crate) fn add(&mut self, line: &str) {
        self.shown = None;
        if line.trim().is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        self.bytes += line.len();
        self.lines.push_back(line.to_owned());
        while self.lines.len() > MAX_LINES || self.bytes > MAX_BYTES {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.len());
        }
    }

    /// Returns the line before the one that is shown. `typed` is what stands there now.
    pub(crate) fn older(&mut self, typed: &str) -> Option<&str> {
        let index = self.shown.unwrap_or(self.lines.len()).checked_sub(1)?;
        if self.shown.replace(index).is_none() {
            typed.clone_into(&mut self.draft);
        }
        Some(&self.lines[index])
    }

    /// Returns the line after the one that is shown, and at last the one that was being typed.
    pub(crate) fn newer(&mut self) -> Option<&str> {
        let index = self.shown? + 1;
        self.shown = (index < self.lines.len()).then_some(index);
        Some(self.lines.get(index).unwrap_or(&self.draft))
    }

    /// The person begins another line.
    pub(crate) fn begin_line(&mut self) {
        self.shown = None;
    }

    /// Returns the newest line that contains `text` and is older than line `before`, and its index.
    pub(crate) fn find(&self, text: &str, before: Option<usize>) -> Option<(usize, &str)> {
        let before = before.unwrap_or(self.lines.len());
        let found = (0..before).rev().find(|index| self.lines[*index].contains(text))?;
        Some((found, &self.lines[found]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_being_typed_comes_back_after_older_ones() {
        let mut history = History::default();
        ["one", "two", "two", " "].into_iter().for_each(|line| history.add(line));
        assert_eq!(history.older("dra"), Some("two"));
        assert_eq!(history.older("two"), Some("one"));
        assert_eq!(history.older("one"), None);
        assert_eq!(history.newer(), Some("two"));
        assert_eq!(history.newer(), Some("dra"));
        assert_eq!(history.newer(), None);
    }

    #[test]
    fn a_search_goes_back_line_by_line() {
        let mut history = History::default();
        ["make test", "make", "ls"].into_iter().for_each(|line| history.add(line));
        assert_eq!(history.find("make", None), Some((1, "make")));
        assert_eq!(history.find("make", Some(1)), Some((0, "make test")));
        assert_eq!(history.find("make", Some(0)), None);
    }

    #[test]
    fn the_oldest_lines_are_forgotten() {
        let mut history = History::default();
        (0..1000).for_each(|count| history.add(&format!("{count}")));
        assert_eq!((history.lines.len(), history.lines[0].as_str()), (MAX_LINES, "500"));
        (0..40).for_each(|count| history.add(&format!("{count}{}", "x".repeat(MAX_BYTES / 20))));
        assert!(history.bytes <= MAX_BYTES && history.lines.len() == 19, "{}", history.lines.len());
    }
}
