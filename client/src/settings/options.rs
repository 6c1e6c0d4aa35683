//! What a person can set, as plain values. `arguments.rs` reads them from the command line.

#[cfg(feature = "closed")]
use super::credentials::{Credentials, PassphraseSource};
use std::{path::PathBuf, time::Duration};

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
    /// The mode's name in `--bell` and `/bell`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Bell::Off => "off",
            Bell::Mention => "mention",
            Bell::All => "all",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Bell> {
        [Bell::Off, Bell::Mention, Bell::All].into_iter().find(|bell| bell.name() == name)
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

/// How the client shows events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScreenOptions {
    /// JSON instead of text for people.
    pub json: bool,
    /// Whether text has colors.
    pub color: bool,
    /// Whether standard output is a terminal that understands escape sequences.
    pub terminal: bool,
    /// Whether standard output is a terminal on which one line follows the other: it understands no escape
    /// sequences, or the person wants none.
    pub plain: bool,
    /// Whether standard output is a file. Then questions go to standard error.
    pub file: bool,
    /// Whether to print nothing but what others say.
    pub quiet: bool,
    /// What stands before each line.
    pub time: TimeFormat,
    /// Whether a person types on that terminal. Then messages go above the line being typed.
    pub typing: bool,
    /// When the terminal rings.
    pub bell: Bell,
    /// The file that gets a transcript.
    pub log: Option<PathBuf>,
}

/// How the client joins.
#[derive(Clone, Debug)]
pub struct JoinOptions {
    /// The server's address, as `HOST:PORT`. An IPv6 address stands in brackets.
    pub server: String,
    /// The person's name. Without one, the first line of input is the name.
    pub name: Option<String>,
    /// Whether to take the name with a number where somebody has it: `ci-2` for `ci`. The highest is 99.
    pub numbered: bool,
    /// How many earlier messages to ask for.
    pub history: u32,
    /// Whether a person types. Then the client asks again after a refused name, and `/quit` does not wait for
    /// a lost server.
    pub interactive: bool,
    /// Whether to stay in the room after the end of input.
    pub stay: bool,
    /// How long to try to join, and to come back: where there is no server, where it is busy, and where
    /// somebody else has the name. With 0 there is one attempt to join, and none to come back. An attempt
    /// that has begun in time goes on to its own limit. With `None` a program makes one attempt to join, for
    /// 5 s where the server is busy, and then comes back without a limit; a person's client also waits for a
    /// busy server without a limit.
    pub wait: Option<Duration>,
    /// Whether the client comes only to speak. Then nobody is told of it, and it receives nothing. It has no
    /// callback connection.
    pub visitor: bool,
    /// Whether the server may dial the client. Otherwise the client opens the callback connection.
    pub listen: bool,
    /// What a closed room wants to see. With `None` the room must be open.
    #[cfg(feature = "closed")]
    pub credentials: Option<Credentials>,
    /// Where the client keeps its own key and the keys of rooms. With `None` it remembers no room, and takes
    /// any key that a room has when it joins.
    #[cfg(feature = "closed")]
    pub state: Option<PathBuf>,
    /// Whether a known room may have a new key, which takes the place of the old one.
    #[cfg(feature = "closed")]
    pub accept_new_key: bool,
    /// Whether to ask a person for the passphrase where the room is closed and there are no credentials. It
    /// needs `state`.
    #[cfg(feature = "closed")]
    pub asks_passphrase: bool,
}

impl JoinOptions {
    /// Options for a program: no history, and the client leaves at the end of input.
    pub fn new(server: impl Into<String>) -> JoinOptions {
        JoinOptions {
            server: server.into(),
            name: None,
            numbered: false,
            history: 0,
            interactive: false,
            stay: false,
            wait: None,
            visitor: false,
            listen: true,
            #[cfg(feature = "closed")]
            credentials: None,
            #[cfg(feature = "closed")]
            state: None,
            #[cfg(feature = "closed")]
            accept_new_key: false,
            #[cfg(feature = "closed")]
            asks_passphrase: false,
        }
    }
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
    /// Where the passphrase of a closed room comes from.
    #[cfg(feature = "closed")]
    pub passphrase: Option<PassphraseSource>,
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// Join a room.
    Run(Box<Options>),
    /// Print the help and exit.
    Help,
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
