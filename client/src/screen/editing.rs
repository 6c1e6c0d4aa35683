//! What the editor does with the screen. Only in a build with the feature `edit`.
//!
//! The thread `stdin` calls it, and at the end any thread.

use crate::screen::{
    edited_rows::EditedRows,
    output::{Output, Sink},
    rows::Rows,
    streams::Streams,
    terminal::TerminalRows,
    Screen,
};

impl Screen {
    /// Begins to edit on this terminal if the client has it, and otherwise when it has.
    pub(crate) fn start_editing(&self, has_terminal: bool) {
        let Output { sink, streams, .. } = &mut *self.lock();
        if let Sink::Terminal(terminal) = sink {
            terminal.rows = TerminalRows::Edited(EditedRows::begin(has_terminal, self.size.clone(), streams));
        }
    }

    /// Changes the edited line on the screen.
    ///
    /// # Blocking
    /// On the terminal.
    pub(crate) fn edit<T: Default>(&self, change: impl FnOnce(&mut EditedRows, &mut Streams) -> T) -> T {
        edit(&mut self.lock(), change)
    }

    /// Takes the edited line from the screen for good, unless another thread is writing.
    pub(crate) fn try_stop_editing(&self) {
        if let Ok(mut output) = self.output.try_lock() {
            edit(&mut output, EditedRows::end);
        }
    }
}

fn edit<T: Default>(output: &mut Output, change: impl FnOnce(&mut EditedRows, &mut Streams) -> T) -> T {
    let Sink::Terminal(terminal) = &mut output.sink else { return T::default() };
    match &mut terminal.rows {
        TerminalRows::Edited(rows) => change(rows, &mut output.streams),
        TerminalRows::Lines(_) | TerminalRows::Plain(_) => T::default(),
    }
}
