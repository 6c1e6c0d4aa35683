//! Where a passphrase comes from: that of a closed room, or that of the operators. Runs on the main thread.

use chat_common::handshake::passphrase::Passphrase;
use std::path::PathBuf;

/// Where a passphrase comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassphraseSource {
    /// An environment variable.
    Given(Passphrase),
    /// The first line of this file.
    File(PathBuf),
}

impl PassphraseSource {
    /// Takes the passphrase in an environment variable.
    ///
    /// # Errors
    /// When it is none. One line for people.
    pub fn given(words: &str, variable: &str) -> Result<PassphraseSource, String> {
        // What took the place of bytes that are no text is no part of a passphrase.
        if words.contains(char::REPLACEMENT_CHARACTER) {
            return Err(format!("{variable} is not text in UTF-8"));
        }
        let passphrase = Passphrase::new(words).map_err(|why| format!("{variable}: {why}"))?;
        Ok(PassphraseSource::Given(passphrase))
    }

    /// Returns the passphrase. `what` is the word for its file.
    ///
    /// # Blocking
    /// On the disk, and on a file that is a pipe.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no passphrase. One line for people.
    pub fn read(&self, what: &str) -> Result<Passphrase, String> {
        match self {
            PassphraseSource::Given(passphrase) => Ok(passphrase.clone()),
            PassphraseSource::File(path) => Passphrase::read(path, what),
        }
    }
}
