//! Plain rows in a pipe or a file: one for each line, however long, and errors on standard error.

use crate::screen::{streams::Streams, styled_line::StyledLine, viewer::Viewer};
use chat_common::terminal::{color::paint, wrap::INDENT};

/// A pipe or a file.
pub(crate) struct Pipe {
    pub(crate) color: bool,
    pub(crate) questions: Questions,
}

impl Pipe {
    pub(crate) fn show(&mut self, lines: &[StyledLine], viewer: &Viewer, streams: &mut Streams) {
        streams.warn_of(lines);
        let next_line = format!("\n{INDENT}");
        let mut text = String::new();
        for line in lines.iter().filter(|line| !line.is_error) {
            for (style, span) in viewer.with_time(line) {
                text += &paint(&style, &span, self.color).replace('\n', &next_line);
            }
            text.push('\n');
        }
        self.questions.print(&text, streams);
    }
}

/// Asks where nobody types: no echo of an answer ends the row of a question.
pub(crate) struct Questions {
    on_stderr: bool,
    /// Whether the last output was a question.
    is_last: bool,
}

impl Questions {
    /// `on_stderr` is whether they go to standard error.
    pub(crate) fn new(on_stderr: bool) -> Questions {
        Questions { on_stderr, is_last: false }
    }

    pub(crate) fn ask(&mut self, question: &str, streams: &mut Streams) {
        if self.on_stderr {
            return streams.warn(question);
        }
        self.print(question, streams);
        self.is_last = true;
    }

    /// Prints a text in a row of its own.
    pub(crate) fn print(&mut self, text: &str, streams: &mut Streams) {
        let line_end = if !text.is_empty() && std::mem::take(&mut self.is_last) { "\n" } else { "" };
        streams.print(&format!("{line_end}{text}"));
    }
}
