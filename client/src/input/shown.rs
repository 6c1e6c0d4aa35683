//! What a screen shows: what comes from the session, and what is about the terminal alone. No I/O.

use crate::{events::UiEvent, settings::Bell};

/// One thing to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// What happens in the room and to the connection.
    Session(UiEvent),
    /// What is about the terminal, and the session knows nothing of.
    Terminal(TerminalEvent),
}

/// What happens at the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminalEvent {
    /// Show the list of commands.
    Help,
    /// Clear the screen.
    Clear,
    /// Set the bell. With `None`, only show the current mode.
    Bell(Option<Bell>),
    /// Something about the line that a person edits. The text is one line of help.
    Hint(String),
    /// Ctrl-C was typed. A second one leaves.
    CtrlCLeaves,
    /// The client has ended, and Enter ends the program.
    EnterLeaves,
    /// A question waits until the line is complete that the person may be typing.
    EnterAsks,
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

impl From<UiEvent> for Shown {
    fn from(event: UiEvent) -> Shown {
        Shown::Session(event)
    }
}

impl From<TerminalEvent> for Shown {
    fn from(event: TerminalEvent) -> Shown {
        Shown::Terminal(event)
    }
}
