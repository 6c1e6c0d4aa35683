//! What a client needs for a closed room. Plain values, for any thread.

use chat_common::handshake::{credentials::Credentials, passphrase::Passphrase};
use std::path::PathBuf;

/// How a client joins a closed room.
#[derive(Clone, Debug, Default)]
pub struct AccessOptions {
    /// What a closed room wants to see. With `None` the room must be open.
    pub credentials: Option<Credentials>,
    /// Where the client keeps its own key and the keys of rooms. With `None` it remembers no room, and takes
    /// any key that a room has when it joins.
    pub state: Option<PathBuf>,
    /// Whether a known room may have a new key, which takes the place of the old one.
    pub accept_new_key: bool,
    /// Whether to ask a person for the passphrase where the room is closed and there are no credentials. It
    /// needs `state`.
    pub asks_passphrase: bool,
}

/// Where the passphrase comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassphraseSource {
    /// An environment variable.
    Given(Passphrase),
    /// The first line of this file.
    File(PathBuf),
}
