//! What goes into the client, except for the options, and its outcome.

use super::utterance::Utterance;
use crossbeam_channel::Receiver;

/// One piece of input from a person or a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A line without its line end: a message, or a `/command`.
    Line(String),
    /// A message that is sent as it is, even if it begins with `/`. It may have several lines.
    Text(String),
    /// What a program says. It is sent as it is.
    Say(Utterance),
    /// The name that a program wants to have from now on.
    Rename(String),
    /// A program leaves, even if it would stay after the end of the input.
    Leave,
    /// A program's input is not valid. The text is the reason.
    Mistake(String),
    /// Something about the input itself, to be shown.
    Notice(InputNotice),
    /// The end of the input. The client sends what came before and then leaves, unless it has to stay.
    /// Dropping the sender has the same meaning.
    End,
    /// The input cannot be read any more. The client sends what came before and then leaves, even if it would
    /// stay after the end of the input. It ends as [`Outcome::Failed`] with this reason.
    Failed(String),
}

/// What becomes of something that was typed or pasted on a terminal, where it is not simply sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputNotice {
    /// Keys such as the arrows were typed. They do nothing.
    KeysIgnored,
    /// This many lines were so long that the terminal may have cut them. They are not sent.
    LinesCut(usize),
    /// This many pasted lines wait for the person's word.
    PasteHeld(usize),
    /// This many pasted lines were forgotten, as the person wished.
    PasteDropped(usize),
    /// This many pasted lines were forgotten, because they are too long to be held.
    PasteTooLong(usize),
    /// This many held lines were not sent, because the input ended or the person leaves.
    PasteUnsent(usize),
}

/// A request to leave. It does not wait in line behind the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Leave now, for example after a signal. Unsent messages stay unsent.
    Now,
    /// A person has typed Ctrl-C once. The client says that a second one leaves.
    Ask,
    /// Send what has been read, then leave, because nobody reads the output any more.
    WhenSent,
}

/// What the client receives from. Both channels should be bounded: a full `input_rx` slows a fast pipe down.
#[derive(Clone, Debug)]
pub struct Channels {
    /// Typed lines.
    pub input_rx: Receiver<Input>,
    /// Requests to leave.
    pub stop_rx: Receiver<Stop>,
}

/// How the client ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The client left, and the server has accepted everything.
    Left,
    /// A person left and did not wait until everything was sent. How much was not sent has been shown.
    LeftUnsent,
    /// The client could not join, was refused, lost the server for good, or could not read its input. The
    /// reason has been shown.
    Failed(String),
}
