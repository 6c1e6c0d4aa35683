//! The operators' passphrase, and where it is taken. Any thread may compare; nothing blocks under the lock.

use chat_common::{
    handshake::{passphrase::Passphrase, state},
    program::given_file::is_read_once,
    wire::protocol::OPERATORS_PASSPHRASE_BYTES,
};
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What operators in the room show.
#[derive(Debug)]
pub(crate) struct Operators {
    file: PathBuf,
    /// Whether an open room takes the passphrase from other machines, too. Others could read it.
    pub(crate) in_clear: bool,
    passphrase: Mutex<Passphrase>,
}

impl Operators {
    /// Reads the passphrase in the first line of `file`, and warns if others may read the file.
    ///
    /// # Blocking
    /// On the file system, and on the writer of a pipe.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no passphrase. One line for people.
    pub(crate) fn load(file: PathBuf, in_clear: bool) -> Result<Operators, String> {
        let passphrase = Mutex::new(read_and_warn(&file)?);
        Ok(Operators { file, in_clear, passphrase })
    }

    /// Reads the file again. A pipe is read only once.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// As [`Operators::load`]. The passphrase is then as before.
    pub(crate) fn reload(&self) -> Result<(), String> {
        if !is_read_once(&self.file) {
            let passphrase = read_and_warn(&self.file)?;
            *self.lock() = passphrase;
        }
        Ok(())
    }

    /// Returns whether these are the words of the passphrase. Comparing takes the same time for all words.
    ///
    /// The words of a file that has changed are right at once. Otherwise a service could not change its
    /// passphrase: what reloads it shows the one that is in the file.
    ///
    /// # Blocking
    /// On the file system, where the words are not those that were read last.
    pub(crate) fn is_right(&self, words: &str) -> bool {
        let Ok(shown) = Passphrase::new(words) else { return false };
        let is_known = shown == *self.lock();
        is_known || self.is_in_file(shown)
    }

    /// Returns whether the file has this passphrase by now. It is then the one that is right.
    ///
    /// Anybody who guesses comes here, so nothing is logged, and nobody waits for the writer of a pipe.
    fn is_in_file(&self, shown: Passphrase) -> bool {
        let is_there = !is_read_once(&self.file) && read(&self.file).is_ok_and(|read| read == shown);
        if is_there {
            *self.lock() = shown;
        }
        is_there
    }

    fn lock(&self) -> MutexGuard<'_, Passphrase> {
        self.passphrase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the passphrase, and warns if others may read the file.
fn read_and_warn(file: &Path) -> Result<Passphrase, String> {
    let passphrase = read(file)?;
    // The passphrase was read, so a failure to look at the mode is no reason to end.
    let _ = state::warn_of_readers(file, "the operators' passphrase");
    Ok(passphrase)
}

fn read(file: &Path) -> Result<Passphrase, String> {
    let passphrase = Passphrase::read(file, "the operators' file")?;
    match passphrase.words().len() {
        0..=OPERATORS_PASSPHRASE_BYTES => Ok(passphrase),
        length => Err(format!(
            "the operators' file {}: the passphrase has {length} bytes, and {OPERATORS_PASSPHRASE_BYTES} \
             are the most",
            file.display()
        )),
    }
}
