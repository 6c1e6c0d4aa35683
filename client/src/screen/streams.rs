//! Standard output and standard error.

use crate::{events::Stop, screen::styled_line::StyledLine};
use chat_common::program::background_writer::BackgroundWriter;
use crossbeam_channel::Sender;
use std::io::{self, Write};

/// Standard output, as long as it can be written, and standard error, in order with the log.
pub(crate) struct Streams {
    pub(crate) stderr: BackgroundWriter,
    /// Gets a [`Stop::WhenSent`] when nobody reads standard output any more.
    pub(crate) stop_tx: Sender<Stop>,
    /// The error that ended the writing to standard output.
    pub(crate) error: Option<io::Error>,
}

impl Streams {
    /// Writes to standard output, in one piece.
    ///
    /// # Blocking
    /// On its reader.
    pub(crate) fn print(&mut self, text: &str) {
        if self.error.is_some() || text.is_empty() {
            return;
        }
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            self.error = Some(error);
            // Without output there is no reason to stay. A full channel has a request to stop already.
            let _ = self.stop_tx.try_send(Stop::WhenSent);
        }
    }

    /// Writes to standard error.
    pub(crate) fn warn(&self, text: &str) {
        self.stderr.write_text(text);
    }

    /// Writes those of the lines to standard error that are about errors, without a time.
    pub(crate) fn warn_of(&self, lines: &[StyledLine]) {
        let errors = lines.iter().filter(|line| line.is_error);
        self.warn(&errors.map(|line| line.text() + "\n").collect::<String>());
    }
}
