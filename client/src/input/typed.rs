//! What comes from a keyboard or a pipe, before anybody asks what it means. No I/O.

use crate::input::TerminalEvent;

/// One piece of standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line without its line end: a message, a `/command`, or the answer to a question.
    Line(String),
    /// A message that is sent as it is, even if it begins with `/`. It may have several lines.
    Text(String),
    /// A line that means nothing, because of this.
    Mistake(String),
    /// Something about the input itself, to be shown.
    Notice(TerminalEvent),
    /// The end of the input.
    End,
    /// The input cannot be read any more, because of this.
    Failed(String),
}
