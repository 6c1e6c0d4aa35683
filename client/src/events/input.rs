//! What goes into a session, except for the options, and its outcome.

use super::utterance::Utterance;
use chat_common::handshake::passphrase::Passphrase;
use crossbeam_channel::Receiver;

/// One thing that a person or a program wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// To say something, as it is.
    Say {
        /// What to say. A text that is longer than the room allows becomes several messages.
        utterance: Utterance,
        /// The id of the message, if its author may say it again after a lost reply. The ids of a
        /// session rise, and the last message is accepted once, however often it comes. The text is not
        /// split.
        message_id: Option<u64>,
    },
    /// Something of all these, with an id that comes back in what becomes of it: see [`UiEvent::Of`].
    ///
    /// [`UiEvent::Of`]: crate::UiEvent::Of
    WithId {
        /// The id.
        id: InputId,
        /// What is wanted.
        input: Box<Input>,
    },
    /// To reply to the last private message.
    Reply(String),
    /// To have this name from now on.
    Rename(String),
    /// To know who is here, or those of them whose name contains this.
    Who(Option<String>),
    /// To see the last messages again.
    History {
        /// How many.
        count: u32,
        /// Only those with a lower sequence. `None` is all.
        before: Option<u64>,
    },
    /// To find the messages with this text.
    Search(String),
    /// To hide the messages of a person, or to see them again. `None` asks who is hidden.
    Ignore(Option<String>),
    /// To be an operator of the room, with this passphrase or that of the options.
    Operate(Option<Passphrase>),
    /// A command for the server, from an operator. For anybody else it is a mistake.
    Command {
        /// The command, as it was typed.
        line: String,
        /// What is wrong with it for anybody else. The text is the reason.
        mistake: String,
    },
    /// The answer to [`UiEvent::AskName`](crate::UiEvent::AskName), or to the question for the passphrase.
    /// Without a question it is forgotten.
    Answer(String),
    /// Something that is not valid. The text is the reason.
    Mistake(String),
    /// To leave, even if the client would stay after the end of the input.
    Leave,
    /// The end of the input. The client sends what came before and then leaves, unless it has to stay.
    /// Dropping the sender has the same meaning.
    End,
    /// The input cannot be read any more. The client sends what came before and then leaves, even if it would
    /// stay after the end of the input. It ends as [`Outcome::Failed`] with this reason.
    Failed(String),
}

impl Input {
    /// Says this to everybody.
    pub fn message(text: impl Into<String>) -> Input {
        Utterance::Message(text.into()).into()
    }

    /// The same with this id, if there is one.
    pub fn with_id(self, id: Option<InputId>) -> Input {
        match id {
            Some(id) => Input::WithId { id, input: Box::new(self) },
            None => self,
        }
    }

    /// The same without its id.
    pub fn without_id(&self) -> &Input {
        match self {
            Input::WithId { input, .. } => input.without_id(),
            input => input,
        }
    }
}

/// What a program calls something that it wants. It means nothing to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputId {
    /// Any text.
    Text(String),
    /// A whole number below 2^53.
    Number(u64),
}

impl From<Utterance> for Input {
    fn from(utterance: Utterance) -> Input {
        Input::Say { utterance, message_id: None }
    }
}

/// A request to leave. It does not wait in line behind the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Leave now, for example after a signal. Unsent messages stay unsent.
    Now,
    /// Send what has been read, then leave, because nobody reads the output any more.
    WhenSent,
    /// End now and do not leave. The session goes on at the server, and another run can resume it.
    Detach,
}

/// What the client receives from. Both channels should be bounded: a full `input_rx` slows a fast pipe down.
#[derive(Clone, Debug)]
pub struct Channels {
    /// What the person or the program wants, in order.
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
