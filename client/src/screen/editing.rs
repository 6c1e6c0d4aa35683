//! Shows the line that a person edits: erases it before a message and draws it again behind.
//!
//! The thread `stdin` changes the line, and the threads that show events write around it. Each change is one
//! write under the screen's lock, so that no thread ever sees half of it.

use crate::screen::{output::Output, typed_line::TypedLine, Screen};

/// The terminal marks a paste at its beginning and its end.
const PASTE_MARKS_ON: &str = "\x1b[?2004h";
const PASTE_MARKS_OFF: &str = "\x1b[?2004l";
/// What a client that a signal ends writes behind the typed line.
pub(crate) const LAST_WORDS: &str = "\x1b[?2004l\n";

/// What a typed line is, once it is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompleteLine {
    /// Something for the room, or a command.
    Said,
    /// The answer to a question.
    Answer,
    /// A passphrase, which is not shown.
    Passphrase,
}

impl Screen {
    /// Begins to show a typed line if the client has the terminal, and otherwise at
    /// [`Screen::go_on_editing`]. Calls `on_resize` when the size of the terminal has changed and when the
    /// client goes on after a stop.
    ///
    /// # Blocking
    /// On the terminal, like everything here that draws.
    pub(crate) fn start_editing(&self, has_terminal: bool, on_resize: impl Fn() + Send + Sync + 'static) {
        let mut output = self.lock();
        output.size.on_change(on_resize);
        if has_terminal {
            output.typed_line = Some(TypedLine::default());
            output.write_edited(PASTE_MARKS_ON);
        } else {
            output.paused_line = Some(TypedLine::default());
        }
    }

    /// Draws the line as it is now. `cursor` is in bytes.
    pub(crate) fn draw_typed_line(&self, prompt: &str, text: &str, cursor: usize) {
        let mut output = self.lock();
        let (prompt, text, cursor) = if output.hides_typing { ("", "", 0) } else { (prompt, text, cursor) };
        let Some(line) = &mut output.typed_line else { return };
        if (line.prompt.as_str(), line.text.as_str(), line.cursor) == (prompt, text, cursor) {
            return;
        }
        prompt.clone_into(&mut line.prompt);
        text.clone_into(&mut line.text);
        line.cursor = cursor;
        output.redraw();
    }

    /// Draws the line again, after the terminal has changed.
    pub(crate) fn redraw_typed_line(&self) {
        self.lock().redraw();
    }

    /// Returns what the typed line will be when it is complete.
    pub(crate) fn kind_of_typed_line(&self) -> CompleteLine {
        let output = self.lock();
        match &output.typed_line {
            _ if output.hides_typing => CompleteLine::Passphrase,
            Some(line) if !line.question.is_empty() => CompleteLine::Answer,
            _ => CompleteLine::Said,
        }
    }

    /// The line is complete: it stays on the screen, and an empty one begins.
    pub(crate) fn end_typed_line(&self) {
        let mut output = self.lock();
        let size = output.size();
        if let Some(mut line) = output.typed_line.as_mut().map(std::mem::take) {
            output.write_edited(&line.last_sight(size));
        }
    }

    /// The shell gets the terminal. The line stays above what the shell writes.
    pub(crate) fn pause_editing(&self) {
        let mut output = self.lock();
        let size = output.size();
        if let Some(mut line) = output.typed_line.take() {
            let last = line.last_sight(size) + PASTE_MARKS_OFF;
            output.paused_line = Some(line);
            output.write_edited(&last);
        }
    }

    /// The shell has the terminal already, and the cursor is in a row of its own.
    pub(crate) fn lose_terminal(&self) {
        let mut output = self.lock();
        let columns = output.size.columns();
        if let Some(mut line) = output.typed_line.take() {
            // It is not known where it was drawn.
            line.erase(columns);
            output.paused_line = Some(line);
        }
    }

    /// The client has the terminal again.
    pub(crate) fn go_on_editing(&self) {
        let mut output = self.lock();
        if let Some(line) = output.paused_line.take() {
            output.typed_line = Some(line);
            output.write_edited(PASTE_MARKS_ON);
            output.redraw();
        }
    }

    /// Takes the typed line from the screen for good, unless another thread is writing.
    pub(crate) fn try_stop_editing(&self) {
        let Ok(mut output) = self.output.try_lock() else { return };
        let end = output.end_editing();
        output.write_edited(&end);
    }
}

impl Output {
    /// Returns what to write so that the rows stand above the typed line, if there is one.
    pub(crate) fn around_edited_line(&mut self, rows: &str) -> Option<String> {
        let size = self.size();
        let line = self.typed_line.as_mut().filter(|_| !rows.is_empty())?;
        Some(line.erase(size.1) + rows + &line.draw(size))
    }

    /// Puts a question before the typed line, if there is one on the screen. Returns what to write.
    pub(crate) fn ask_in_edited_line(&mut self, question: &str) -> Option<String> {
        let (size, hidden) = (self.size(), self.hides_typing);
        self.paused_line.iter_mut().for_each(|line| question.clone_into(&mut line.question));
        let line = self.typed_line.as_mut()?;
        question.clone_into(&mut line.question);
        let erased = line.erase(size.1);
        if hidden {
            line.prompt.clear();
            line.text.clear();
            line.cursor = 0;
        }
        Some(erased + &line.draw(size))
    }

    /// The client leaves, and shows the typed line no more. Returns what to write.
    pub(crate) fn end_editing(&mut self) -> String {
        let columns = self.size.columns();
        let erased = self.typed_line.take().map(|mut line| line.erase(columns) + PASTE_MARKS_OFF);
        erased.unwrap_or_default()
    }

    fn redraw(&mut self) {
        let size = self.size();
        if let Some(line) = &mut self.typed_line {
            let drawn = line.erase(size.1) + &line.draw(size);
            self.write_edited(&drawn);
        }
    }

    fn write_edited(&mut self, text: &str) {
        let written = self.write_stdout(text);
        self.on_written(written);
    }

    fn size(&self) -> (usize, usize) {
        (self.size.rows(), self.size.columns())
    }
}

impl TypedLine {
    /// Draws the line with the cursor behind it, and ends it.
    fn last_sight(&mut self, size: (usize, usize)) -> String {
        let (erased, cursor) = (self.erase(size.1), self.cursor);
        self.cursor = self.text.len();
        let drawn = self.draw(size);
        self.cursor = cursor;
        // What is drawn next begins in a new row.
        self.erase(size.1);
        format!("{erased}{drawn}\n")
    }
}
