//! Shows the line that a person edits: erases it before a message and draws it again behind.
//!
//! The thread `stdin` changes the line, and the threads that show events write around it. Each change is one
//! write under the screen's lock, so that no thread ever sees half of it.

use crate::screen::{typed_line::TypedLine, Screen, State, CLEAR, PROMPT};
use crate::settings::{Stop, UiEvent};

/// The terminal marks a paste at its beginning and its end.
const PASTE_MARKS_ON: &str = "\x1b[?2004h";
const PASTE_MARKS_OFF: &str = "\x1b[?2004l";

impl Screen {
    /// Begins to show a typed line, and calls `on_resize` when the size of the terminal has changed and when
    /// the client goes on after a stop.
    ///
    /// # Blocking
    /// On the terminal, like everything here that draws.
    pub(crate) fn start_editing(&self, on_resize: impl Fn() + Send + Sync + 'static) {
        let mut state = self.lock();
        state.width.on_change(on_resize);
        state.typed_line = Some(TypedLine::default());
        self.write(&mut state, PASTE_MARKS_ON);
    }

    /// Draws the line as it is now. `cursor` is in bytes.
    pub(crate) fn draw_typed_line(&self, prompt: &str, text: &str, cursor: usize) {
        let mut state = self.lock();
        let Some(line) = &mut state.typed_line else { return };
        if (line.prompt.as_str(), line.text.as_str(), line.cursor) == (prompt, text, cursor) {
            return;
        }
        prompt.clone_into(&mut line.prompt);
        text.clone_into(&mut line.text);
        line.cursor = cursor;
        self.redraw(&mut state);
    }

    /// Draws the line again, after the terminal has changed.
    pub(crate) fn redraw_typed_line(&self) {
        self.redraw(&mut self.lock());
    }

    /// The line is complete: it stays on the screen, and an empty one begins. Returns whether it has answered
    /// a question.
    pub(crate) fn end_typed_line(&self) -> bool {
        let mut state = self.lock();
        let size = state.size();
        let Some(line) = &mut state.typed_line else { return false };
        let answers = !line.question.is_empty();
        let last = line.last_sight(size);
        *line = TypedLine::default();
        self.write(&mut state, &last);
        answers
    }

    /// The shell gets the terminal. The line stays above what the shell writes.
    pub(crate) fn pause_editing(&self) {
        let mut state = self.lock();
        let size = state.size();
        if let Some(mut line) = state.typed_line.take() {
            let last = line.last_sight(size) + PASTE_MARKS_OFF;
            state.paused_line = Some(line);
            self.write(&mut state, &last);
        }
    }

    /// The client has the terminal again.
    pub(crate) fn go_on_editing(&self) {
        let mut state = self.lock();
        if let Some(line) = state.paused_line.take() {
            state.typed_line = Some(line);
            self.write(&mut state, PASTE_MARKS_ON);
            self.redraw(&mut state);
        }
    }

    /// Takes the typed line from the screen for good, unless another thread is writing.
    pub(crate) fn try_stop_editing(&self) {
        let Ok(mut state) = self.state.try_lock() else { return };
        let columns = state.width.cells();
        if let Some(mut line) = state.typed_line.take() {
            let erased = line.erase(columns) + PASTE_MARKS_OFF;
            self.write(&mut state, &erased);
        }
    }

    fn redraw(&self, state: &mut State) {
        let size = state.size();
        if let Some(line) = &mut state.typed_line {
            let drawn = line.erase(size.1) + &line.draw(size);
            self.write(state, &drawn);
        }
    }

    fn write(&self, state: &mut State, text: &str) {
        if let Err(error) = state.write_stdout(text) {
            state.write_error = Some(error);
            // Without output there is no reason to stay.
            let _ = self.stop_tx.try_send(Stop::WhenSent);
        }
    }
}

impl State {
    /// Puts what an event writes around the typed line, if there is one: all of it in one write.
    pub(crate) fn around_typed_line(&mut self, event: &UiEvent, writes: Vec<String>) -> Vec<String> {
        let size = self.size();
        let Some(line) = &mut self.typed_line else { return writes };
        if writes.is_empty() {
            return writes;
        }
        let mut out = line.erase(size.1);
        match event {
            UiEvent::AskName => line.question = PROMPT.into(),
            UiEvent::Clear => out = CLEAR.into(),
            _ => out += &writes.concat(),
        }
        if *event == UiEvent::Bye {
            self.typed_line = None;
            out += PASTE_MARKS_OFF;
        } else {
            out += &line.draw(size);
        }
        vec![out]
    }

    fn size(&self) -> (usize, usize) {
        (self.width.rows(), self.width.cells())
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
