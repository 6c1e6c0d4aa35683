//! The secrets of a closed room, at the start: reads the passphrase or makes one up, and reads the room's
//! key. Runs on the main thread.

use crate::words;
use chat_common::handshake::{credentials::Credentials, passphrase::Passphrase, state};
use chat_server::ClosedFlags;
use log::{info, warn};
use std::{env, io, path::Path};

/// The file of the state directory that holds the room's key.
const KEY_FILE: &str = "room_key";
/// The file of the state directory that holds a passphrase which was made up.
const PASSPHRASE_FILE: &str = "passphrase";

/// Reads or makes the secrets of a closed room. Returns them, and the lines for standard output: the
/// passphrase, if the server has made it up, and the fingerprint. Returns `None` for an open room.
///
/// # Blocking
/// On the file system.
///
/// # Errors
/// When a file cannot be read or written, or holds no passphrase or key. One line for people.
pub(crate) fn open(closed: &ClosedFlags) -> Result<Option<(Credentials, String)>, String> {
    if !closed.made_up && closed.passphrase_file.is_none() {
        return Ok(None);
    }
    let directory = match &closed.state {
        Some(directory) => directory.clone(),
        None => state::default_directory(&|name| env::var(name).ok())?,
    };
    let key = state::load_key(&directory, KEY_FILE)?;
    let (passphrase, mut lines) = match &closed.passphrase_file {
        Some(file) => (read(file).map_err(|why| format!("{}: {why}", file.display()))?, String::new()),
        None => {
            let passphrase = made_up(closed.state.as_deref())?;
            let line = format!("The passphrase is: {}\n", passphrase.words());
            (passphrase, line)
        }
    };
    if passphrase.has_two_spellings() {
        warn!(
            "the passphrase has accents or other letters beyond ASCII; some can be written in two ways \
             that look the same, and only one of them opens the room; words of plain letters are safer"
        );
    }
    lines += &format!("The room's key is {}\n", key.public.fingerprint());
    Ok(Some((Credentials { passphrase, key }, lines)))
}

/// Returns a passphrase that the server has made up. It stays the same where the operator has named a
/// directory.
fn made_up(directory: Option<&Path>) -> Result<Passphrase, String> {
    let Some(directory) = directory else {
        info!("the passphrase is new at each start; --state DIR keeps it");
        return Passphrase::new(&words::made_up().map_err(|error| format!("no random bytes: {error}"))?);
    };
    let path = directory.join(PASSPHRASE_FILE);
    words::make_file(&path)?;
    read(&path).map_err(|why| format!("{}: {why}", path.display()))
}

/// Reads the passphrase in the first line of a file, and warns if others may read the file.
fn read(path: &Path) -> Result<Passphrase, String> {
    let line = || -> io::Result<String> {
        state::warn_of_readers(path, "the passphrase")?;
        state::read_first_line(path)
    };
    Passphrase::new(&line().map_err(|error| format!("cannot read the passphrase: {error}"))?)
}
