//! How far something is that takes longer than a second: one row of a terminal, which is gone when it is
//! done. Runs on the thread that does the work, and waits for the terminal only at the end.

use super::rows::CLEAR_ROW;
use crate::program::background_writer::{BackgroundWriter, FORCED_EXIT_TIMEOUT};
use std::{
    env,
    io::{self, IsTerminal},
    sync::OnceLock,
    time::{Duration, Instant},
};

/// Work that is done before shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// A row that changes more often cannot be read.
const REDRAW: Duration = Duration::from_millis(200);

/// The terminal of this process for all of its work. A process whose work nobody watches has none.
static TERMINAL: OnceLock<BackgroundWriter> = OnceLock::new();

/// Shows from now on how far the work of this process is. `terminal` writes to a terminal.
pub fn show_on(terminal: BackgroundWriter) {
    // A process has one standard error.
    let _ = TERMINAL.set(terminal);
}

/// Shows it on standard error, if that is a terminal that can move its cursor.
pub fn show_on_stderr() {
    if moves_cursor(&io::stderr()) {
        // Without a thread nothing is shown.
        let _ = BackgroundWriter::start("progress", io::stderr()).map(show_on);
    }
}

/// Whether a stream is a terminal that can move its cursor.
pub fn moves_cursor(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var("TERM").is_ok_and(|term| !term.is_empty() && term != "dumb")
}

/// A piece of work. Dropping it removes what is shown.
pub struct Progress {
    what: &'static str,
    terminal: Option<BackgroundWriter>,
    next: Instant,
    is_shown: bool,
}

impl Progress {
    /// Begins a piece of work.
    pub fn begin(what: &'static str) -> Progress {
        let (terminal, next) = (TERMINAL.get().cloned(), Instant::now() + PATIENCE);
        Progress { what, terminal, next, is_shown: false }
    }

    /// Shows that `done` of `all` parts are done, if it is time for that. Never blocks.
    pub fn at(&mut self, done: usize, all: usize) {
        let Some(terminal) = self.terminal.as_ref().filter(|_| Instant::now() >= self.next) else { return };
        let percent = done * 100 / all.max(1);
        terminal.write_text(&format!("{CLEAR_ROW}{}: {done} of {all} ({percent} %)", self.what));
        self.next = Instant::now() + REDRAW;
        self.is_shown = true;
    }

    /// Removes what is shown, so that a line can be printed in its place.
    ///
    /// # Blocking
    /// On the terminal, for [`FORCED_EXIT_TIMEOUT`] at most.
    pub fn hide(&mut self) {
        if let Some(terminal) = self.terminal.as_ref().filter(|_| self.is_shown) {
            terminal.write_text(CLEAR_ROW);
            terminal.finish(FORCED_EXIT_TIMEOUT);
        }
        (self.is_shown, self.next) = (false, Instant::now());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.hide();
    }
}
