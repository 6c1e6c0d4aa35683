//! What a person can set, and what the program is asked to do. Plain values, for any thread.

use super::limits::{Bytes, Limits};
#[cfg(feature = "closed")]
use chat_common::handshake::credentials::Credentials;
use chat_common::{handshake::gateway::GatewayKey, program::background_writer::BackgroundWriter};
use std::{path::PathBuf, time::Duration};

/// Loopback, so that nobody opens a server to the network by accident.
pub(super) const DEFAULT_LISTEN: &str = "127.0.0.1:1234";

/// The settings of a server.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// All limits.
    pub limits: Limits,
    /// The file with the message of the day: a text for everybody who joins. At most `limits.max_text` bytes.
    pub motd: Option<PathBuf>,
    /// Who may come in.
    pub door: DoorSettings,
    /// Who has the operator's commands.
    pub operators: OperatorSettings,
    /// Where and how the room survives a restart.
    pub journal: JournalSettings,
    /// The file to which everything that is said to everybody is appended. Everybody who joins is told so.
    pub transcript: Option<PathBuf>,
    /// The secrets of a closed room. `None` is an open room.
    #[cfg(feature = "closed")]
    pub closed: Option<Credentials>,
}

/// Who may come in, and under which name. The default is everybody.
#[derive(Clone, Debug, Default)]
pub struct DoorSettings {
    /// The file in which the bans survive a restart.
    pub ban_file: Option<PathBuf>,
    /// The file in which the names of a closed room stay with those who had them first. `None` if names
    /// belong to nobody.
    pub names: Option<PathBuf>,
    /// The key of the gateways that may speak for their guests. `None` if none may.
    pub gateway_key: Option<GatewayKey>,
}

/// Who has the operator's commands: nobody by default.
#[derive(Clone, Debug, Default)]
pub struct OperatorSettings {
    /// Where the replies to the operator's commands go. The server then reads the commands from standard
    /// input. `None` is a server without a console.
    pub console: Option<BackgroundWriter>,
    /// The file whose first line is the operators' passphrase. `None` if nobody in the room can be one.
    pub file: Option<PathBuf>,
    /// Whether an open room takes the operators' passphrase from other machines.
    pub in_clear: bool,
}

/// Where the journal is, and how it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// The directory of the journal. `None` is a room that lives in memory alone.
    pub directory: Option<PathBuf>,
    /// For how long events are kept; 0 is without end.
    pub keep: Duration,
    /// The most bytes of all files; 0 is without a limit.
    pub keep_size: Bytes,
    /// The length of a file.
    pub segment_size: Bytes,
}

impl Default for JournalSettings {
    fn default() -> JournalSettings {
        let keep = Duration::from_secs(30 * 86_400);
        JournalSettings { directory: None, keep, keep_size: Bytes(1 << 30), segment_size: Bytes(16 << 20) }
    }
}

/// What the command line says of a running server.
#[derive(Debug)]
pub struct Options {
    /// The address to listen on, as `HOST:PORT`.
    pub listen: String,
    /// How the room is closed.
    pub closed: ClosedFlags,
    /// Whether to read the operator's commands from standard input even if it is not a terminal.
    pub console: bool,
    /// The file for the trace.
    pub trace: Option<PathBuf>,
    /// The file with the key of the gateways.
    pub gateway_key: Option<PathBuf>,
    /// What the flags have set. What is in other files, and what the program knows itself, is missing.
    pub settings: Settings,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: DEFAULT_LISTEN.to_owned(),
            closed: ClosedFlags::default(),
            console: false,
            trace: None,
            gateway_key: None,
            settings: Settings::default(),
        }
    }
}

/// How a room is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosedFlags {
    /// Whether the server makes the passphrase up.
    pub made_up: bool,
    /// The file whose first line is the passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// The directory of the room's key, if it is not the usual one.
    pub state: Option<PathBuf>,
}

/// What the program is asked to do.
#[derive(Debug)]
pub enum Invocation {
    /// Run the server.
    Run(Box<Options>),
    /// Print this text and exit.
    Print(String),
    /// Check the journal in this directory, and exit.
    Check(PathBuf),
    /// Cut the journal in this directory where it is damaged, and exit.
    Repair(PathBuf),
    /// Print the journal in this directory, and exit.
    Export {
        /// The directory.
        directory: PathBuf,
        /// Leave out what is older than this.
        since: Option<Duration>,
        /// Print private messages as well.
        private: bool,
    },
}
