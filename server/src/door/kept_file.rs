//! A file of the operator's that the server changes as well: one entry on each line. The bans are kept like
//! this, and the names of a closed room.
//!
//! An empty line or a line that begins with `#` is no entry, whatever its encoding is.
//!
//! The file belongs to the operator, who may edit it while the server runs. So a change reads it again, and
//! keeps every other line, the order, the mode and the owner. A symbolic link stays one: the file that it
//! leads to is changed. Another server may have the same file: whoever changes it has its lock meanwhile.

use chat_common::{
    text_file::{without_mark, MARK},
    token::Token,
};
use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{fchown, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// A file, by the path that the operator gave.
#[derive(Debug)]
pub(super) struct KeptFile {
    path: PathBuf,
    /// The greatest length. A device that never ends is noticed.
    max_bytes: usize,
}

/// What the system gives a new file, less what the user's mask takes away.
const USUAL_MODE: u32 = 0o666;

/// What was read: the file itself, without symbolic links on the way.
pub(super) struct Contents {
    path: PathBuf,
    /// `None` when there is no file yet.
    metadata: Option<Metadata>,
    text: Vec<u8>,
    max_bytes: usize,
    /// The file, locked, if it was read for a change.
    locked: Option<File>,
}

impl KeptFile {
    pub(super) fn new(path: PathBuf, max_bytes: usize) -> KeptFile {
        KeptFile { path, max_bytes }
    }

    /// Calls `take` with each entry, and checks that a new version of the file can be written. `what` is the
    /// name of the file for people.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// Names the file and what is wrong with it: also the first entry that `take` does not take, with the
    /// number of its line.
    pub(super) fn load(
        &self,
        what: &str,
        mut take: impl FnMut(&str) -> Result<(), String>,
    ) -> io::Result<()> {
        let mut load = || {
            let contents = self.read()?;
            for (number, line) in (1..).zip(lines(&contents.text)) {
                entry(line)
                    .map_or(Ok(()), |entry| take(&entry))
                    .map_err(|why| io::Error::new(ErrorKind::InvalidData, format!("line {number}: {why}")))?;
            }
            let (new_path, _new_file) = contents.create_new()?;
            fs::remove_file(new_path)
        };
        load().map_err(|error: io::Error| {
            let why = format!("cannot use {what} {}: {error}", self.path.display());
            io::Error::new(error.kind(), why)
        })
    }

    /// Removes the entries that `is_meant` chooses. Returns whether there were any.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(super) fn remove(&self, is_meant: impl Fn(&str) -> bool) -> io::Result<bool> {
        if regular_file(&resolve(&self.path)?)?.is_none() {
            return Ok(false);
        }
        let mut contents = self.read_to_change()?;
        let stays = |line: &&[u8]| !entry(line).is_some_and(|entry| is_meant(&entry));
        let kept: Vec<u8> = lines(&contents.text).filter(stays).flatten().copied().collect();
        let was_there = kept.len() < contents.text.len();
        if was_there {
            contents.text = kept;
            contents.replace()?;
        }
        Ok(was_there)
    }

    /// Reads the file. A missing file is an empty one.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read, is too long, or is not a regular file.
    fn read(&self) -> io::Result<Contents> {
        let (path, max_bytes) = (resolve(&self.path)?, self.max_bytes);
        let (metadata, mut text) = (regular_file(&path)?, Vec::new());
        if metadata.is_some() {
            File::open(&path)?.take(max_bytes as u64 + 1).read_to_end(&mut text)?;
        }
        if text.len() > max_bytes {
            return Err(invalid(&format!("it has more than {} MiB", max_bytes >> 20)));
        }
        without_mark(&text)?;
        Ok(Contents { path, metadata, text, max_bytes, locked: None })
    }

    /// Reads the file for a change, and makes it where there is none. No other server changes it before the
    /// contents are dropped.
    ///
    /// # Blocking
    /// On the file system, and on another server that changes the file.
    ///
    /// # Errors
    /// As [`KeptFile::read`], and when it cannot be made.
    pub(super) fn read_to_change(&self) -> io::Result<Contents> {
        let path = resolve(&self.path)?;
        loop {
            let file = match regular_file(&path)? {
                Some(_) => File::open(&path)?,
                None => OpenOptions::new().write(true).create(true).mode(USUAL_MODE).open(&path)?,
            };
            // Not every file system has locks.
            let _ = file.lock();
            let contents = self.read()?;
            // Whoever had the lock before may have put a new file in the place of this one.
            let inode = file.metadata()?.ino();
            if contents.metadata.as_ref().is_some_and(|there| there.ino() == inode) {
                return Ok(Contents { locked: Some(file), ..contents });
            }
        }
    }
}

impl Contents {
    pub(super) fn entries(&self) -> impl Iterator<Item = String> + '_ {
        lines(&self.text).filter_map(entry)
    }

    /// Adds an entry at the end.
    pub(super) fn add_entry(&mut self, entry: &str) {
        if !self.text.is_empty() && !self.text.ends_with(b"\n") {
            self.text.push(b'\n');
        }
        self.text.extend(format!("{entry}\n").bytes());
    }

    /// Writes a new file and renames it over the old one. A reader finds the old text or the new one, never
    /// a part of one.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be written, or would be too long.
    pub(super) fn replace(&self) -> io::Result<()> {
        if self.text.len() > self.max_bytes {
            let why = format!("it would have more than {} MiB", self.max_bytes >> 20);
            return Err(io::Error::new(ErrorKind::InvalidData, why));
        }
        debug_assert!(self.locked.is_some(), "it was read for a change");
        let (new_path, new_file) = self.create_new()?;
        let write = || {
            if let Some(old) = &self.metadata {
                // Only root may give a file away, and only a member of a group may give it to the group.
                // Otherwise the new file is ours, as any file that we write.
                let _ = fchown(&new_file, None, Some(old.gid()));
                let _ = fchown(&new_file, Some(old.uid()), None);
                new_file.set_permissions(old.permissions())?;
            }
            (&new_file).write_all(&self.text)?;
            new_file.sync_all()?;
            fs::rename(&new_path, &self.path)
        };
        let written = write();
        if written.is_err() {
            // What matters is the first error.
            let _ = fs::remove_file(&new_path);
        }
        written
    }

    /// Creates an empty file in the same folder, with a name that no other file has. Nobody may do more with
    /// it than with the old file.
    fn create_new(&self) -> io::Result<(PathBuf, File)> {
        let path = self.path.with_file_name(format!(".rpc-chat-kept-{:016x}", Token::random()?.to_u64()));
        let mode = self.metadata.as_ref().map_or(USUAL_MODE, MetadataExt::mode);
        let file = OpenOptions::new().write(true).create_new(true).mode(mode & USUAL_MODE).open(&path)?;
        Ok((path, file))
    }
}

/// Returns what the system says of a file, or `None` if it is missing. It comes before the file
/// is opened, because opening a pipe would wait for its other end.
///
/// # Errors
/// When it is not a regular file.
fn regular_file(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Some(metadata)),
        Ok(_) => Err(invalid("it is not a regular file")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

/// Returns the path without symbolic links. The file itself may be missing, also behind a link.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let error = match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => error,
        resolved => return resolved,
    };
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Err(error),
    };
    match (fs::read_link(path), path.file_name()) {
        // This ends, because a circle of links is another error.
        (Ok(target), _) => resolve(&folder.join(target)),
        (Err(_), Some(name)) => Ok(fs::canonicalize(folder)?.join(name)),
        (Err(_), None) => Err(error),
    }
}

/// Returns the lines of a text, each with its end.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

/// Returns the entry in a line, or `None` for a line without one. A byte order mark may stand before it: of
/// the first line, or of another where files were put together.
fn entry(line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    let entry = text.strip_prefix(MARK).unwrap_or(&text).trim();
    (!entry.is_empty() && !entry.starts_with('#')).then(|| entry.to_owned())
}
