//! What an operator in the room commands, and what the server's words about it mean. Plain values.
//!
//! A [member](crate::member) gives the commands, its [history](crate::history) keeps them, and the
//! [checker](crate::checker) knows what each of them promises.

use crate::history::MemberHistory;
use std::{fmt, time::Instant};

/// The name in a mute of all but operators.
pub const EVERYBODY: &str = "*";

/// What everybody reads when that mute has ended.
pub(crate) const EVERYBODY_SPEAKS: &str = "everybody can speak again";

/// How long mutes and bans hold: longer than any test, which ends them itself.
const TIME: &str = "24h";

/// A command of an operator. No two of one check have the same reason or say the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moderation {
    /// Lets a name, or everybody, say nothing.
    Mute {
        /// The name, or [`EVERYBODY`].
        name: String,
        /// What those read whom it meets.
        reason: String,
    },
    /// Ends a mute.
    Unmute {
        /// As in `Mute`.
        name: String,
    },
    /// Removes the member with a name.
    Kick {
        /// The name.
        name: String,
        /// What the member and the others read.
        reason: String,
    },
    /// Removes the members with a name or an address, and lets nobody in who has it.
    Ban {
        /// The name or the address.
        whom: String,
        /// As in `Kick`.
        reason: String,
    },
    /// Ends a ban.
    Unban {
        /// As in `Ban`.
        whom: String,
    },
    /// Says something to everybody, as the server.
    Say {
        /// What it says.
        text: String,
    },
    /// Another command. Nobody but the operator sees anything of it.
    Look {
        /// The command.
        line: &'static str,
        /// What the reply has in it.
        reply: &'static str,
    },
}

/// A command that an operator has sent once.
#[derive(Clone, Debug)]
pub struct Given {
    /// The command.
    pub command: Moderation,
    /// Just before the operator sent it.
    pub at: Instant,
    /// `None` when the operator received none: the command may have been carried out, or not.
    pub reply: Option<CommandReply>,
}

/// The server's reply to a command.
#[derive(Clone, Debug)]
pub struct CommandReply {
    /// Just after the operator read it.
    pub at: Instant,
    /// The words, which are an error when the server has not carried out the command.
    pub words: Result<String, String>,
}

impl Moderation {
    /// Returns the name, the address or [`EVERYBODY`] that it meets.
    pub fn whom(&self) -> Option<&str> {
        match self {
            Moderation::Mute { name: whom, .. }
            | Moderation::Unmute { name: whom }
            | Moderation::Kick { name: whom, .. }
            | Moderation::Ban { whom, .. }
            | Moderation::Unban { whom } => Some(whom),
            Moderation::Say { .. } | Moderation::Look { .. } => None,
        }
    }

    /// Returns the reason, or the text, that no other command has.
    pub fn own_words(&self) -> Option<&str> {
        match self {
            Moderation::Mute { reason: words, .. }
            | Moderation::Kick { reason: words, .. }
            | Moderation::Ban { reason: words, .. }
            | Moderation::Say { text: words } => Some(words),
            Moderation::Unmute { .. } | Moderation::Unban { .. } | Moderation::Look { .. } => None,
        }
    }

    /// Returns what the reply has in it when the command is carried out.
    pub fn reply_has(&self) -> &str {
        match self {
            Moderation::Say { .. } => "said",
            Moderation::Look { reply, .. } => reply,
            _ => match self.whom() {
                Some(EVERYBODY) => "everybody",
                whom => whom.unwrap_or_default(),
            },
        }
    }

    /// Whether a notice with these words comes of this command, and may go to a member.
    pub fn notifies(&self, member: &MemberHistory, words: &str) -> bool {
        match self {
            Moderation::Say { text } => words == text,
            Moderation::Mute { name, reason } => {
                let start = match name.as_str() {
                    EVERYBODY => "the operator has muted everybody ",
                    _ => "the operator has muted you ",
                };
                words.starts_with(start) && words_behind(words) == reason && is_met(member, name)
            }
            Moderation::Unmute { name } if name == EVERYBODY => words == EVERYBODY_SPEAKS,
            Moderation::Unmute { name } => words == "you are no longer muted" && is_met(member, name),
            Moderation::Kick { .. }
            | Moderation::Ban { .. }
            | Moderation::Unban { .. }
            | Moderation::Look { .. } => false,
        }
    }

    /// Whether these words, which a member reads or the others read of it, say that this command has removed
    /// it.
    pub fn removes(&self, member: &MemberHistory, words: &str) -> bool {
        match self {
            Moderation::Kick { name: whom, reason } | Moderation::Ban { whom, reason } => {
                words_behind(words) == reason && is_met(member, whom)
            }
            _ => false,
        }
    }
}

/// Returns the words of an operator at the end of a sentence of the server.
pub fn words_behind(sentence: &str) -> &str {
    let sentence = sentence.strip_suffix("; you can read on, and leave").unwrap_or(sentence);
    sentence.rsplit_once(": ").map_or(sentence, |(_, words)| words)
}

/// Whether what meets a name, an address or everybody meets a member.
fn is_met(member: &MemberHistory, whom: &str) -> bool {
    whom == EVERYBODY
        || member.is_called(whom)
        || member.address.is_some_and(|address| address.to_string() == whom)
}

impl fmt::Display for Moderation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moderation::Mute { name, reason } => write!(f, "/mute {name} {TIME} {reason}"),
            Moderation::Unmute { name } => write!(f, "/unmute {name}"),
            Moderation::Kick { name, reason } => write!(f, "/kick {name} {reason}"),
            Moderation::Ban { whom, reason } => write!(f, "/ban {whom} {TIME} {reason}"),
            Moderation::Unban { whom } => write!(f, "/unban {whom}"),
            Moderation::Say { text } => write!(f, "/say {text}"),
            Moderation::Look { line, .. } => f.write_str(line),
        }
    }
}
