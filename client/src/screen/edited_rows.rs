//! Rows above the line that a person edits: the line is erased before them and drawn again behind.
//!
//! The thread `stdin` changes the line, and the threads that show events write around it. Each change is one
//! write under the screen's lock, so that no thread ever sees half of it.

use crate::screen::{
    edited_line::EditedLine,
    line_rows::{one_below_the_other, write_above_typed_line},
    rows::{Rows, CLEAR},
    streams::Streams,
    wording::{ASK_OPERATORS, ASK_PASSPHRASE},
};
use chat_common::terminal::shell_probe::TerminalSize;

/// The terminal marks a paste at its beginning and its end.
const PASTE_MARKS_ON: &str = "\x1b[?2004h";
const PASTE_MARKS_OFF: &str = "\x1b[?2004l";
/// What a client that a signal ends writes behind the typed line.
pub(crate) const LAST_WORDS: &str = "\x1b[?2004l\n";

/// What a typed line is, once it is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CompleteLine {
    /// Something for the room, or a command.
    #[default]
    Said,
    /// The answer to a question.
    Answer,
    /// A passphrase, which is not shown.
    Passphrase,
}

/// Where the edited line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Shown,
    /// The shell has the terminal, and is perhaps at a line there.
    Paused,
    /// The client leaves.
    Ended,
}

/// A terminal on which nothing is echoed, and the screen's copy of the edited line.
pub(crate) struct EditedRows {
    line: EditedLine,
    phase: Phase,
    /// Whether nothing of the line is shown, because it is a passphrase.
    hides_typing: bool,
    size: TerminalSize,
}

impl Rows for EditedRows {
    fn write(&mut self, rows: &[String], streams: &mut Streams) {
        match self.phase {
            Phase::Paused => write_above_typed_line(rows, streams),
            _ => self.write_around(&one_below_the_other(rows), streams),
        }
    }

    fn ask(&mut self, question: &str, streams: &mut Streams) {
        self.hides_typing = [ASK_PASSPHRASE, ASK_OPERATORS].contains(&question);
        self.set_question(question);
        match self.phase {
            Phase::Shown => self.redraw(streams),
            _ => streams.print(&format!("{question}\n")),
        }
    }

    fn take_question_back(&mut self, streams: &mut Streams) {
        self.hides_typing = false;
        // The question may have come again while an answer was on its way.
        self.set_question("");
        self.redraw(streams);
    }

    fn clear(&mut self, streams: &mut Streams) -> bool {
        self.write_around(CLEAR, streams);
        true
    }

    fn end(&mut self, streams: &mut Streams) {
        if std::mem::replace(&mut self.phase, Phase::Ended) == Phase::Shown {
            streams.print(&(self.line.erase(self.size.columns()) + PASTE_MARKS_OFF));
        }
    }
}

impl EditedRows {
    /// Shows the line if the client has the terminal, and otherwise from [`EditedRows::go_on`] on.
    pub(crate) fn begin(has_terminal: bool, size: TerminalSize, streams: &mut Streams) -> EditedRows {
        let phase = if has_terminal { Phase::Shown } else { Phase::Paused };
        if has_terminal {
            streams.print(PASTE_MARKS_ON);
        }
        EditedRows { line: EditedLine::default(), phase, hides_typing: false, size }
    }

    /// Draws the line as it is now. `cursor` is in bytes.
    pub(crate) fn draw(&mut self, prompt: &str, text: &str, cursor: usize, streams: &mut Streams) {
        let (prompt, text, cursor) = if self.hides_typing { ("", "", 0) } else { (prompt, text, cursor) };
        let line = &mut self.line;
        let is_drawn = (line.prompt.as_str(), line.text.as_str(), line.cursor) == (prompt, text, cursor);
        if self.phase == Phase::Shown && !is_drawn {
            line.set(prompt, text, cursor);
            self.redraw(streams);
        }
    }

    /// Draws the line again, where it is shown.
    pub(crate) fn redraw(&mut self, streams: &mut Streams) {
        if self.phase == Phase::Shown {
            self.write_around("", streams);
        }
    }

    /// Returns what the typed line will be when it is complete.
    pub(crate) fn kind(&self) -> CompleteLine {
        match self.phase {
            _ if self.hides_typing => CompleteLine::Passphrase,
            Phase::Shown if !self.line.question.is_empty() => CompleteLine::Answer,
            _ => CompleteLine::Said,
        }
    }

    /// The line is complete: it stays on the screen, and an empty one begins.
    pub(crate) fn end_line(&mut self, streams: &mut Streams) {
        if self.phase == Phase::Shown {
            streams.print(&self.line.last_sight(self.size()));
            self.line = EditedLine::default();
        }
    }

    /// The shell gets the terminal. The line stays above what the shell writes.
    pub(crate) fn pause(&mut self, streams: &mut Streams) {
        if self.phase == Phase::Shown {
            streams.print(&(self.line.last_sight(self.size()) + PASTE_MARKS_OFF));
            self.phase = Phase::Paused;
        }
    }

    /// The shell has the terminal already, and the cursor is in a row of its own.
    pub(crate) fn lose_terminal(&mut self) {
        if self.phase == Phase::Shown {
            // It is not known where it was drawn.
            self.line.erase(self.size.columns());
            self.phase = Phase::Paused;
        }
    }

    /// The client has the terminal again.
    pub(crate) fn go_on(&mut self, streams: &mut Streams) {
        if self.phase == Phase::Paused {
            self.phase = Phase::Shown;
            streams.print(PASTE_MARKS_ON);
            self.redraw(streams);
        }
    }

    /// Writes a text, with the line behind it where that is shown.
    fn write_around(&mut self, text: &str, streams: &mut Streams) {
        let size = self.size();
        match self.phase {
            Phase::Shown => streams.print(&(self.line.erase(size.1) + text + &self.line.draw(size))),
            _ => streams.print(text),
        }
    }

    fn set_question(&mut self, question: &str) {
        question.clone_into(&mut self.line.question);
        if self.hides_typing {
            self.line.set("", "", 0);
        }
    }

    fn size(&self) -> (usize, usize) {
        (self.size.rows(), self.size.columns())
    }
}
