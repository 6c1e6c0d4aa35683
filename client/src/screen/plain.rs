//! A terminal on which one line follows the other: for screen readers, for serial lines, and for terminals
//! without escape sequences. No I/O.
//!
//! Nothing moves the cursor here, so what is shown cannot go above the line being typed, and a row must not
//! hold half of a typed line and then a message. The client cannot know whether something is typed: in line
//! mode the system keeps it until Enter. So where a person types, what is shown begins with a line end,
//! always. What is typed stays on its own row, complete for the system, and Enter sends all of it. (Ctrl-R
//! makes the system show it again on a new row.)
//!
//! Where nothing was typed, that line end is an empty row. A [`Batch`] has one for all lines that come within
//! [`BATCH_TIME`], so that a history or a burst does not become a row of text and an empty one in turn.

use std::time::{Duration, Instant};

/// How long the first line of a batch waits for more. A person does not notice it.
const BATCH_TIME: Duration = Duration::from_millis(100);
/// A longer batch is written at once, so that a burst does not fill the memory. In bytes.
const MAX_BATCH_BYTES: usize = 64 * 1024;

/// Lines that are written together.
#[derive(Default)]
pub(crate) struct Batch {
    text: String,
    due: Option<Instant>,
}

impl Batch {
    /// Adds complete lines.
    pub(crate) fn push(&mut self, text: &str, now: Instant) {
        self.due.get_or_insert(now + BATCH_TIME);
        self.text.push_str(text);
        if self.text.len() >= MAX_BATCH_BYTES {
            self.due = Some(now);
        }
    }

    /// When to write it. `None` if it is empty.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Returns all of it, with its line end at the beginning, and is empty then.
    pub(crate) fn take(&mut self) -> String {
        let Batch { text, due } = std::mem::take(self);
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
        let (mut batch, now) = (Batch::default(), Instant::now());
        assert_eq!((batch.due(), batch.take().as_str()), (None, ""));
        batch.push("one\n", now);
        batch.push("two\n", now + BATCH_TIME / 2);
        assert_eq!(batch.due(), Some(now + BATCH_TIME));
        assert_eq!((batch.take().as_str(), batch.due()), ("\none\ntwo\n", None));
    }

    #[test]
    fn a_large_batch_does_not_wait() {
        let (mut batch, now) = (Batch::default(), Instant::now());
        batch.push(&"x".repeat(MAX_BATCH_BYTES), now);
        assert_eq!(batch.due(), Some(now));
    }
}
