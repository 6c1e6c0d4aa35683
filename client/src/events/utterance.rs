//! What this client says in the room. No I/O.

/// Something that this client says in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Utterance {
    /// A message to everybody.
    Message(String),
    /// An action, such as `* Sara waves`.
    Action(String),
    /// A message to one person.
    Private {
        /// The recipient's name.
        to: String,
        /// The message.
        text: String,
    },
}

impl Utterance {
    /// The text, without the recipient.
    pub fn text(&self) -> &str {
        match self {
            Utterance::Message(text) | Utterance::Action(text) | Utterance::Private { text, .. } => text,
        }
    }

    /// The same with another text.
    pub(crate) fn with_text(&self, text: &str) -> Utterance {
        let text = text.to_owned();
        match self {
            Utterance::Message(_) => Utterance::Message(text),
            Utterance::Action(_) => Utterance::Action(text),
            Utterance::Private { to, .. } => Utterance::Private { to: to.clone(), text },
        }
    }
}
