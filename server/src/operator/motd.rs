//! The message of the day: a text for everybody who joins. The main thread reads it at the start, and an
//! operator's `/reload` again.

use chat_common::{
    program::given_file::{is_read_once, GivenFile},
    text::{invisible::trim, text_file, units::show_size},
};
use std::{
    fmt::Display,
    io::Read,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A file with the message of the day may have this much white space after the text, in bytes. Files end
/// with a line end, or with some.
const MOTD_WHITE_SPACE: usize = 1024;

/// The message of the day, and its file.
#[derive(Debug)]
pub(crate) struct Motd {
    file: Option<PathBuf>,
    max_bytes: usize,
    text: Mutex<Option<String>>,
}

impl Motd {
    /// Reads the message of the day, if there is a file. Its text may have `max_bytes`.
    ///
    /// # Blocking
    /// On the file system, and on the writer of a pipe.
    ///
    /// # Errors
    /// When the file cannot be read, or the text is too long. One line for people.
    pub(crate) fn load(file: Option<PathBuf>, max_bytes: usize) -> Result<Motd, String> {
        let text = file.as_deref().map_or(Ok(None), |file| read(file, max_bytes))?;
        Ok(Motd { file, max_bytes, text: Mutex::new(text) })
    }

    /// Reads the file again. A pipe is read only once.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// As [`Motd::load`]. The text is then as before.
    pub(super) fn reload(&self) -> Result<(), String> {
        let Some(file) = self.file.as_deref().filter(|file| !is_read_once(file)) else { return Ok(()) };
        let text = read(file, self.max_bytes)?;
        *self.lock() = text;
        Ok(())
    }

    /// Returns the text, if there is one.
    pub(crate) fn text(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the message of the day, without the white space at its end. Returns `None` if nothing else is there.
///
/// It reads no more than fits, because the file may be endless.
fn read(file: &Path, max_bytes: usize) -> Result<Option<String>, String> {
    let cannot_read = |why: &dyn Display| format!("cannot read {}: {why}", file.display());
    // Each line may end with two bytes.
    let limit = max_bytes.saturating_mul(2).saturating_add(MOTD_WHITE_SPACE);
    let mut bytes = Vec::new();
    GivenFile::open(file)
        .and_then(|open| open.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| cannot_read(&error))?;
    if bytes.len() > limit {
        return Err(cannot_read(&format!("it has more than {limit} bytes")));
    }
    let text = text_file::decode(&bytes).map_err(|error| cannot_read(&error))?;
    let text = text.trim_end();
    if text.len() > max_bytes {
        return Err(format!(
            "the message of the day is longer than --max-text {}",
            show_size(max_bytes as u64)
        ));
    }
    Ok(Some(text.to_owned()).filter(|text| !trim(text).is_empty()))
}
