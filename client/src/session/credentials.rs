//! What a client needs for a closed room, and where it is read from. Runs on the main thread.

use crate::session::{known_rooms, passphrase_source::PassphraseSource};
use chat_common::handshake::{credentials::Credentials, passphrase::Passphrase, state};
use std::path::{Path, PathBuf};

/// The file of the client's own key, in the directory for state.
const CLIENT_KEY: &str = "client_key";

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
    /// Whether to ask a person for the passphrase: where the room is closed and there are no credentials,
    /// after a wrong one that was typed, and in the room when that has another one. It needs `state`.
    pub asks_passphrase: bool,
    /// The file of the passphrase. It is read again when the room has another passphrase than before.
    pub passphrase_file: Option<PathBuf>,
}

/// Reads the passphrase and the keys that the options name, so that the client can join a closed room.
///
/// # Blocking
/// On the disk, and on a passphrase file that is a pipe.
///
/// # Errors
/// When a file or the directory for state cannot be used. One line for people.
pub fn load_credentials(
    access: &mut AccessOptions,
    passphrase: Option<&PassphraseSource>,
) -> Result<(), String> {
    let Some(passphrase) = passphrase else { return Ok(()) };
    if let PassphraseSource::File(path) = passphrase {
        access.passphrase_file = Some(path.clone());
    }
    let passphrase = passphrase.read("the passphrase file")?;
    access.credentials = Some(with_own_key(passphrase, access.state.as_deref())?);
    Ok(())
}

/// Returns the credentials with this passphrase and the client's own key.
pub(super) fn with_own_key(passphrase: Passphrase, state: Option<&Path>) -> Result<Credentials, String> {
    let state = state.ok_or("there is no directory for the client's key; --state DIR names one")?;
    let key = state::load_key(state, CLIENT_KEY)?;
    // So a damaged file is noticed before the passphrase is used.
    known_rooms::key_of(state, "")?;
    Ok(Credentials { passphrase, key })
}
