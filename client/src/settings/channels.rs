//! What goes into a visit to the room and what comes out of it: input, wishes to leave, everything to show, the outcome.

use crate::settings::shown::Shown;
use crossbeam_channel::Receiver;

/// What comes in from the person or the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A line without its end: a message, or a `/command`.
    Line(String),
    /// A text to be said as it is, whatever it begins with; it may have several lines.
    Text(String),
    /// The end of input: what came before is sent, and then the client leaves (unless it stays).
    /// A sender that is dropped says the same.
    End,
}

/// A wish to leave that does not wait its turn behind the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Leave now; what has not been sent is not sent (Ctrl-C).
    Now,
    /// Send what has been read, then leave (nobody reads our output any more).
    WhenSent,
}

/// Where [`run`] hears from. Both channels should be bounded; a full `input` is what holds a fast pipe back.
#[derive(Clone, Debug)]
pub struct Wires {
    /// What is typed.
    pub input: Receiver<Input>,
    /// Wishes to leave.
    pub stop: Receiver<Stop>,
}

/// Where everything that a person can be told goes to. It is called from the session's thread and from the callback's,
/// one event at a time, and may block: then nothing more is taken from the server.
pub type Show<'a> = &'a (dyn Fn(Shown) + Sync);

/// How a visit to the room ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The person left; all that was to be sent has been accepted, or they did not care to wait.
    Left,
    /// Could not join, was refused, or was lost for good; the reason has been shown.
    Failed(String),
}
