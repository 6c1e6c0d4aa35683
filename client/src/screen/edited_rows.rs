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
    /// The passphrase of the room, which is not shown.
    Passphrase,
    /// The passphrase of the operators, which is not shown.
    OperatorsPassphrase,
}

impl CompleteLine {
    /// Whether nothing of it is shown.
    pub(crate) fn is_hidden(self) -> bool {
        matches!(self, CompleteLine::Passphrase | CompleteLine::OperatorsPassphrase)
    }
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
    /// What the line is, if nothing of it is shown, because it is a passphrase.
    hidden: Option<CompleteLine>,
    /// The line after a passphrase that was typed, and its cursor. It is shown when the passphrase is not
    /// asked for any more.
    next: Option<(String, usize)>,
    /// How many questions there were.
    asked: u32,
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
        self.hidden = match question {
            ASK_PASSPHRASE => Some(CompleteLine::Passphrase),
            ASK_OPERATORS => Some(CompleteLine::OperatorsPassphrase),
            _ => None,
        };
        (self.next, self.asked) = (None, self.asked.wrapping_add(1));
        self.line.set("", "", 0);
        question.clone_into(&mut self.line.question);
        match self.phase {
            Phase::Shown => self.redraw(streams),
            _ => streams.print(&format!("{question}\n")),
        }
    }

    fn take_question_back(&mut self, streams: &mut Streams) {
        self.hidden = None;
        if let Some((text, cursor)) = self.next.take() {
            self.line.set("", &text, cursor);
        }
        // The question may have come again while an answer was on its way.
        self.line.question.clear();
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
        EditedRows { line: EditedLine::default(), phase, hidden: None, next: None, asked: 0, size }
    }

    /// Draws the line as it is now. `cursor` is in bytes.
    pub(crate) fn draw(&mut self, prompt: &str, text: &str, cursor: usize, streams: &mut Streams) {
        if let Some(next) = &mut self.next {
            *next = (text.to_owned(), cursor);
        }
        let (prompt, text, cursor) = if self.hidden.is_some() { ("", "", 0) } else { (prompt, text, cursor) };
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
            Phase::Shown if self.hidden.is_none() && !self.line.question.is_empty() => CompleteLine::Answer,
            _ => self.hidden.unwrap_or_default(),
        }
    }

    /// Returns how many questions there were. A line that was begun before the last one is no answer to it.
    pub(crate) fn asked(&self) -> u32 {
        self.asked
    }

    /// The line is complete: it stays on the screen, and an empty one begins.
    pub(crate) fn end_line(&mut self, streams: &mut Streams) {
        self.next = self.hidden.map(|_| Default::default());
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

    fn size(&self) -> (usize, usize) {
        (self.size.rows(), self.size.columns())
    }
}
