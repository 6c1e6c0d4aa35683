//! What a person can set, and what the program is asked to do. Plain values, for any thread.

use super::limits::{Bytes, Limits};
use std::{path::PathBuf, time::Duration};

/// Loopback, so that nobody opens a server to the network by accident.
pub(super) const DEFAULT_LISTEN: &str = "127.0.0.1:1234";

/// The options of the command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// The address to listen on, as `HOST:PORT`.
    pub listen: String,
    /// The file with the message of the day, which everybody who joins gets.
    pub motd: Option<PathBuf>,
    /// The file in which the bans survive a restart.
    pub ban_file: Option<PathBuf>,
    /// The directory in which the room survives a restart.
    pub journal: Option<PathBuf>,
    /// How the journal is kept.
    pub keeping: Keeping,
    /// The file to which everything that is said to everybody is appended.
    pub transcript: Option<PathBuf>,
    /// How the room is closed, or `None` for an open room.
    pub closed: Option<ClosedFlags>,
    /// Whether to read the operator's commands from standard input even if it is not a terminal.
    pub console: bool,
    /// All limits.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: DEFAULT_LISTEN.to_owned(),
            motd: None,
            ban_file: None,
            journal: None,
            keeping: Keeping::default(),
            transcript: None,
            closed: None,
            console: false,
            limits: Limits::default(),
        }
    }
}

/// How a room is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosedFlags {
    /// The file whose first line is the passphrase. `None` if the server makes one up.
    pub passphrase_file: Option<PathBuf>,
    /// The directory of the room's key, if it is not the usual one.
    pub state: Option<PathBuf>,
    /// The file in which names stay with those who had them first.
    pub names: Option<PathBuf>,
}

/// How the journal is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// For how long events are kept; 0 is without end.
    pub time: Duration,
    /// The most bytes of all files; 0 is without a limit.
    pub size: Bytes,
    /// The length of a file.
    pub segment_size: Bytes,
}

impl Default for Keeping {
    fn default() -> Keeping {
        let time = Duration::from_secs(30 * 86_400);
        Keeping { time, size: Bytes(1 << 30), segment_size: Bytes(16 << 20) }
    }
}

/// What the program is asked to do.
#[derive(Debug, PartialEq, Eq)]
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
