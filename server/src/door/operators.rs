//! The operators' passphrase, and where it is taken. Any thread may compare; nothing blocks under the lock.

use chat_common::handshake::{passphrase::Passphrase, state};
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The longest passphrase of operators, in bytes: it has space in a frame before a Join.
const MAX_BYTES: usize = 512;

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
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no passphrase. One line for people.
    pub(crate) fn load(file: PathBuf, in_clear: bool) -> Result<Operators, String> {
        let passphrase = Mutex::new(read(&file)?);
        Ok(Operators { file, in_clear, passphrase })
    }

    /// Reads the file again.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// As [`Operators::load`]. The passphrase is then as before.
    pub(crate) fn reload(&self) -> Result<(), String> {
        let passphrase = read(&self.file)?;
        *self.lock() = passphrase;
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
        let is_known = || shown == *self.lock();
        is_known() || self.reload().is_ok() && is_known()
    }

    fn lock(&self) -> MutexGuard<'_, Passphrase> {
        self.passphrase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(file: &Path) -> Result<Passphrase, String> {
    let passphrase = Passphrase::read(file, "the operators' file")?;
    // The passphrase was read, so a failure to look at the mode is no reason to end.
    let _ = state::warn_of_readers(file, "the operators' passphrase");
    match passphrase.words().len() {
        0..=MAX_BYTES => Ok(passphrase),
        length => {
            let file = file.display();
            Err(format!(
                "the operators' file {file}: the passphrase has {length} bytes, and {MAX_BYTES} are the most"
            ))
        }
    }
}
