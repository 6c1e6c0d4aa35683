//! The secrets of a closed room, at the start: reads the passphrase or makes one up, and reads the room's
//! key. Runs on the main thread.
//!
//! A secret is one file in the directory of `--state`, or else in that of the journal. With neither, the key
//! is in the usual directory, and a passphrase that was made up is nowhere.
//!
//! Requirements:
//! - A room MUST NOT get another key without a line that says so, because its members take it for an
//!   impostor then. So the first start with another directory copies what is in the old one, and each start
//!   with two directories that differ says which one counts.
//! - A file that is there MUST NOT be replaced.

use crate::words;
use chat_common::{
    handshake::{credentials::Credentials, passphrase::Passphrase, state},
    wire::seal::KeyPair,
};
use chat_server::ClosedFlags;
use log::{info, warn};
use std::{env, io, path::Path};

/// The file with the room's key.
const KEY_FILE: &str = "room_key";
/// The file with a passphrase that was made up.
const PASSPHRASE_FILE: &str = "passphrase";

/// The directories in which this room keeps its secrets: that of `--state`, and that of the journal. The
/// first one counts.
struct Places<'a>(Vec<&'a Path>);

/// Reads or makes the secrets of a closed room. Returns them, and the lines for standard output: the
/// passphrase, if the server has made it up, and the fingerprint. Returns `None` for an open room.
///
/// # Blocking
/// On the file system.
///
/// # Errors
/// When a file cannot be read or written, or holds no passphrase or key. One line for people.
pub(crate) fn open(
    closed: &ClosedFlags,
    journal: Option<&Path>,
) -> Result<Option<(Credentials, String)>, String> {
    if !closed.made_up && closed.passphrase_file.is_none() {
        return Ok(None);
    }
    // Before the key: a server that does not start makes nothing.
    let given = closed.passphrase_file.as_deref().map(read).transpose()?;
    let places = Places(closed.state.as_deref().into_iter().chain(journal).collect());
    let usual = state::default_directory(&|name| env::var(name).ok());
    let key = if let Some(first) = places.first() {
        // A journal of an older server has its key there.
        let older = usual.ok().filter(|_| closed.state.is_none());
        places.take_along(KEY_FILE, "key", older.as_deref())?;
        let key = load_key(first)?;
        places.leave_copies(KEY_FILE, "key");
        key
    } else {
        load_key(&usual?)?
    };
    let (passphrase, mut lines) = match given {
        Some(passphrase) => (passphrase, String::new()),
        None => {
            let passphrase = made_up(&places)?;
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

impl<'a> Places<'a> {
    fn first(&self) -> Option<&'a Path> {
        self.0.first().copied()
    }

    /// Copies the file `name` into the first place, if that has none and another place or `older` has one.
    /// `what` is the word for its secret.
    fn take_along(&self, name: &str, what: &str, older: Option<&Path>) -> Result<(), String> {
        let mut files = self.0.iter().copied().chain(older).map(|place| place.join(name));
        let Some(file) = files.next().filter(|file| !file.exists()) else { return Ok(()) };
        let Some(from) = files.find(|file| file.exists()) else { return Ok(()) };
        copy(&from, &file).map_err(|why| format!("the room's {what}: {why}"))?;
        info!("the room keeps its {what}: {} is a copy of {}", file.display(), from.display());
        Ok(())
    }

    /// Copies the file `name` of the first place into the others, so that the room keeps this secret where
    /// the first one is not named any more.
    fn leave_copies(&self, name: &str, what: &str) {
        let mut files = self.0.iter().map(|place| place.join(name));
        let Some(first) = files.next() else { return };
        for file in files {
            let entry = |file: &Path| -> io::Result<Option<String>> {
                Ok(state::secret(file).read()?.entries().next().map(|(_, entry)| entry))
            };
            let copied = match file.exists() {
                false => copy(&first, &file),
                true if entry(&first).ok() == entry(&file).ok() => Ok(()),
                true => Err(format!("{} has another one", file.display())),
            };
            if let Err(why) = copied {
                let first = first.display();
                warn!("the room's {what} is that of {first}, and without --state it is another one: {why}");
            }
        }
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    to.parent().map_or(Ok(()), state::make_directory)?;
    let copied = state::secret(from).copy_to(&state::secret(to));
    copied.map_err(|error| format!("cannot copy {} to {}: {error}", from.display(), to.display()))
}

/// Returns the room's key in this directory, and says so if it is made now.
fn load_key(directory: &Path) -> Result<KeyPair, String> {
    let file = directory.join(KEY_FILE);
    let is_new = !file.exists();
    let key = state::load_key(directory, KEY_FILE)?;
    if is_new {
        info!(
            "the room has a new key, in {}; a client that knows another one for this address refuses it",
            file.display()
        );
    }
    Ok(key)
}

/// Returns a passphrase that the server has made up. It stays the same where there is a place for it.
fn made_up(places: &Places<'_>) -> Result<Passphrase, String> {
    let Some(first) = places.first() else {
        info!("the passphrase is new at each start; --state DIR keeps it");
        return Passphrase::new(&words::made_up().map_err(|error| format!("no random bytes: {error}"))?);
    };
    places.take_along(PASSPHRASE_FILE, "passphrase", None)?;
    let path = first.join(PASSPHRASE_FILE);
    words::make_file(&path)?;
    places.leave_copies(PASSPHRASE_FILE, "passphrase");
    read(&path)
}

/// Reads the passphrase in the first line of a file, and warns if others may read the file.
fn read(path: &Path) -> Result<Passphrase, String> {
    let line = || -> io::Result<String> {
        state::warn_of_readers(path, "the passphrase")?;
        state::read_first_line(path)
    };
    let line = line().map_err(|error| format!("cannot read the passphrase: {error}"));
    line.and_then(|line| Passphrase::new(&line)).map_err(|why| format!("{}: {why}", path.display()))
}
