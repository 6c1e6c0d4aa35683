//! What a person can set, as plain values. `arguments.rs` reads them from the command line.

use crate::session::{JoinOptions, PassphraseSource};
use std::path::PathBuf;

/// How many messages a terminal shows after joining, and `/history` without a number.
pub(crate) const DEFAULT_HISTORY: u32 = 20;

/// What stands before each line of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// Nothing.
    Off,
    /// The time of day.
    Time,
    /// The date and the time of day.
    Date,
}

/// When the terminal rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bell {
    /// Never.
    Off,
    /// When a message contains the person's name, or is private.
    Mention,
    /// For each message.
    All,
}

impl Bell {
    /// All modes, in the order of the words of `--bell`.
    pub(crate) const MODES: [Bell; 3] = [Bell::Off, Bell::Mention, Bell::All];

    /// The mode's name in `--bell` and `/bell`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Bell::Off => "off",
            Bell::Mention => "mention",
            Bell::All => "all",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Bell> {
        Bell::MODES.into_iter().find(|bell| bell.name() == name)
    }
}

/// Where the input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputSource {
    /// Lines from standard input.
    StdinLines,
    /// One message: all of standard input.
    StdinMessage,
    /// One message from the command line.
    Message(String),
}

/// What standard output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// For a program, which reads a JSON object a line.
    Json,
    /// A pipe or a file.
    Pipe {
        /// Whether text has colors.
        color: bool,
        /// Whether questions go to standard error, because nobody reads them here.
        asks_on_stderr: bool,
    },
    /// A terminal on which one line follows the other: it understands no escape sequences, or the person
    /// wants none.
    Plain {
        /// Whether a person types on that terminal.
        typing: bool,
    },
    /// A terminal that understands escape sequences.
    Lines {
        /// Whether text has colors.
        color: bool,
        /// Whether a person types on that terminal. Then messages go above the line being typed.
        typing: bool,
    },
    /// The same, where a person types into the editor.
    Edited {
        /// Whether text has colors.
        color: bool,
    },
}

impl Surface {
    pub(crate) fn is_terminal(self) -> bool {
        !matches!(self, Surface::Json | Surface::Pipe { .. })
    }

    /// Whether a person types there, and this client can keep what is typed off the screen.
    pub fn can_hide(self) -> bool {
        let typing = match self {
            Surface::Json | Surface::Pipe { .. } => false,
            Surface::Plain { typing } | Surface::Lines { typing, .. } => typing,
            Surface::Edited { .. } => true,
        };
        typing && cfg!(any(feature = "closed", feature = "edit"))
    }
}

/// How the client shows events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScreenOptions {
    /// What standard output is.
    pub surface: Surface,
    /// Whether to print nothing but what others say.
    pub quiet: bool,
    /// What stands before each line.
    pub time: TimeFormat,
    /// When the terminal rings.
    pub bell: Bell,
    /// The file that gets a transcript.
    pub log: Option<PathBuf>,
}

/// All options.
#[derive(Clone, Debug)]
pub struct Options {
    /// How to join.
    pub join: JoinOptions,
    /// How to show events.
    pub screen: ScreenOptions,
    /// What to send.
    pub source: InputSource,
    /// The recipient of a message from the command line. `None` says it to everybody.
    pub to: Option<String>,
    /// Whether each line of input is a JSON object.
    pub json_input: bool,
    /// Whether a paste of many lines on a terminal waits for the person's word.
    pub paste_guard: bool,
    /// Where the operators' passphrase comes from.
    pub operator: Option<PassphraseSource>,
    /// Where the passphrase of a closed room comes from.
    #[cfg(feature = "closed")]
    pub passphrase: Option<PassphraseSource>,
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// Join a room.
    Run(Box<Options>),
    /// Print this text and exit.
    Print(String),
}

/// What the program needs to know about its environment.
pub struct Environment<'a> {
    /// Whether standard input is a terminal.
    pub stdin_terminal: bool,
    /// Whether standard output is a terminal.
    pub stdout_terminal: bool,
    /// Whether standard output is a file, or a device such as `/dev/null`: nobody reads it now.
    pub stdout_file: bool,
    /// Looks up an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}
