//! What a client needs for a closed room. Plain values, for any thread.

use chat_common::{handshake::passphrase::Passphrase, wire::seal::KeyPair};
use std::path::PathBuf;

/// What a client shows a closed room, and what it knows of it.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The passphrase of the room.
    pub passphrase: Passphrase,
    /// The client's own key. The room can keep a name for it.
    pub key: KeyPair,
}

/// Where the passphrase comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassphraseSource {
    /// An environment variable.
    Given(Passphrase),
    /// The first line of this file.
    File(PathBuf),
}
