//! Plain rows in a pipe or a file: one for each line, however long, and errors on standard error.

use crate::screen::{streams::Streams, styled_line::StyledLine, viewer::Viewer};
use chat_common::terminal::{color::paint, wrap::INDENT};

/// A pipe or a file.
pub(crate) struct Pipe {
    pub(crate) color: bool,
    /// Whether questions go to standard error, because nobody reads them here.
    pub(crate) asks_on_stderr: bool,
    /// Whether the last output was a question. A name from a pipe is not echoed after it.
    pub(crate) is_asking: bool,
}

impl Pipe {
    pub(crate) fn ask(&mut self, question: &str, streams: &mut Streams) {
        if self.asks_on_stderr {
            return streams.warn(question);
        }
        let text = behind_question(&mut self.is_asking, question);
        self.is_asking = true;
        streams.print(&text);
    }

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
        streams.print(&behind_question(&mut self.is_asking, &text));
    }
}

/// Returns a text in a row of its own, where a question may stand in the last one.
pub(crate) fn behind_question(is_asking: &mut bool, text: &str) -> String {
    let line_end = if !text.is_empty() && std::mem::take(is_asking) { "\n" } else { "" };
    format!("{line_end}{text}")
}
