//! What each kind of rows on a terminal can do.

use crate::screen::streams::Streams;
use std::time::Instant;

pub(crate) const RING: &str = "\x07";
/// Moves the cursor to the first row, and erases all of them.
pub(crate) const CLEAR: &str = "\x1b[H\x1b[2J";

/// How rows come on a terminal.
pub(crate) trait Rows {
    /// Writes rows. There is at least one.
    fn write(&mut self, rows: &[String], streams: &mut Streams);

    /// Writes the row for Ctrl-C or the goodbye in the place of the typed line, where the system may have
    /// thrown that away.
    fn write_over(&mut self, rows: &[String], _text: &str, streams: &mut Streams) {
        self.write(rows, streams);
    }

    /// Writes a question. The person types the answer behind it.
    fn ask(&mut self, question: &str, streams: &mut Streams);

    /// The last question needs no answer any more.
    fn take_question_back(&mut self, _streams: &mut Streams) {}

    fn ring(&mut self, streams: &mut Streams) {
        streams.print(RING);
    }

    /// Clears the terminal. Returns whether it can be cleared.
    fn clear(&mut self, streams: &mut Streams) -> bool {
        streams.print(CLEAR);
        true
    }

    /// When rows that wait have to be written.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Writes the rows that wait.
    fn flush(&mut self, _streams: &mut Streams) {}

    /// The client leaves.
    fn end(&mut self, _streams: &mut Streams) {}
}
