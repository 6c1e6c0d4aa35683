//! A terminal on which one line follows the other: for screen readers, for serial lines, and for terminals
//! without escape sequences.
//!
//! Nothing moves the cursor here, so what is shown cannot go above the line being typed, and a row must not
//! hold half of a typed line and then a message. The client cannot know whether something is typed: in line
//! mode the system keeps it until Enter. So where a person types, what is shown begins with a line end,
//! always. What is typed stays on its own row, complete for the system, and Enter sends all of it. (Ctrl-R
//! makes the system show it again on a new row.)
//!
//! Where nothing was typed, that line end is an empty row. [`PendingLines`] have one for all lines that come
//! within [`PENDING_TIME`], so that a history or a burst does not become a row of text and an empty one in
//! turn.

use crate::screen::{
    pipe::Questions,
    rows::{Rows, RING},
    streams::Streams,
};
use std::time::{Duration, Instant};

/// How long the first of pending lines waits for more. A person does not notice it.
const PENDING_TIME: Duration = Duration::from_millis(100);
/// More than this is written at once, so that a burst does not fill the memory. In bytes.
const MAX_PENDING_BYTES: usize = 64 * 1024;

/// A terminal on which one line follows the other.
pub(crate) struct PlainRows {
    typing: bool,
    pending: PendingLines,
    /// For a terminal on which nobody types.
    questions: Questions,
}

impl PlainRows {
    /// `typing` is whether a person types there, and `asks_on_stderr` where questions go if nobody does.
    pub(crate) fn new(typing: bool, asks_on_stderr: bool) -> PlainRows {
        PlainRows { typing, pending: PendingLines::default(), questions: Questions::new(asks_on_stderr) }
    }

    fn put(&mut self, text: &str, streams: &mut Streams) {
        match self.typing {
            true => self.pending.push(text, Instant::now()),
            false => self.questions.print(text, streams),
        }
    }
}

impl Rows for PlainRows {
    fn write(&mut self, rows: &[String], streams: &mut Streams) {
        self.put(&rows.iter().map(|row| format!("{row}\n")).collect::<String>(), streams);
    }

    fn ask(&mut self, question: &str, streams: &mut Streams) {
        match self.typing {
            true => streams.print(&(self.pending.take() + question)),
            false => self.questions.ask(question, streams),
        }
    }

    fn ring(&mut self, streams: &mut Streams) {
        self.put(RING, streams);
    }

    fn clear(&mut self, _streams: &mut Streams) -> bool {
        false
    }

    fn due(&self) -> Option<Instant> {
        self.pending.due
    }

    fn flush(&mut self, streams: &mut Streams) {
        streams.print(&self.pending.take());
    }
}

/// Complete lines that are written together.
#[derive(Default)]
struct PendingLines {
    text: String,
    /// When to write them. `None` if there are none.
    due: Option<Instant>,
}

impl PendingLines {
    fn push(&mut self, text: &str, now: Instant) {
        self.due.get_or_insert(now + PENDING_TIME);
        self.text.push_str(text);
        if self.text.len() >= MAX_PENDING_BYTES {
            self.due = Some(now);
        }
    }

    /// Returns all of them, with one line end before them, and is empty then.
    fn take(&mut self) -> String {
        let PendingLines { text, due } = std::mem::take(self);
        if due.is_some() {
            format!("\n{text}")
        } else {
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_come_together_have_one_line_end_before_them() {
        let (mut pending, now) = (PendingLines::default(), Instant::now());
        assert_eq!((pending.due, pending.take().as_str()), (None, ""));
        pending.push("one\n", now);
        pending.push("two\n", now + PENDING_TIME / 2);
        assert_eq!(pending.due, Some(now + PENDING_TIME));
        assert_eq!((pending.take().as_str(), pending.due), ("\none\ntwo\n", None));
    }

    #[test]
    fn a_large_pending_does_not_wait() {
        let (mut pending, now) = (PendingLines::default(), Instant::now());
        pending.push(&"x".repeat(MAX_PENDING_BYTES), now);
        assert_eq!(pending.due, Some(now));
    }
}
