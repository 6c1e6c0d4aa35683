//! The seam between the journal and where it is stored: a directory of files, or the model of a disk that
//! the tests crash.
//!
//! Each function waits for the disk, and for nothing else.

use chat_common::program::{
    given_file::WITHOUT_WAITING,
    kept_file::{leads_to, make_folder},
};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    },
    path::PathBuf,
};

/// A flat directory of files.
pub(crate) trait Disk: Send + Sync + 'static {
    /// A file that is open for reading and writing.
    type File: DiskFile;
    /// Returns the names of all files, in no order.
    fn names(&self) -> io::Result<Vec<String>>;
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Makes an empty file, in the place of one with that name.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Returns when the names of all files survive a crash.
    fn sync_names(&self) -> io::Result<()>;
}

/// A file of a [`Disk`].
pub(crate) trait DiskFile: Send + Sync + 'static {
    fn length(&self) -> io::Result<u64>;
    /// Fills `bytes` from `offset` on. It is an error if the file ends before.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Returns when everything written survives a crash.
    fn sync(&self) -> io::Result<()>;
}

/// A directory that belongs to one journal. Only its owner may read it, because it holds what people say to
/// each other alone, and the secrets of sessions.
///
/// Invariant: every file is one of the directory that was opened, whatever has its path by now. Somebody may
/// move it, and the next server with that path makes a new one.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// The directory itself. It stays open, because a process may have no descriptor left when a name must be
    /// synced.
    directory: File,
    /// Locked while this lives. The system lets go of it with the process, however that ends. `None` only
    /// reads, while a server may write.
    lock: Option<File>,
}

/// The file that the one server of a directory locks.
const LOCK: &str = "lock";

impl Directory {
    /// Makes the directory where there is none, and locks it.
    ///
    /// # Errors
    /// When another server has the directory, or whatever the system reports.
    pub(crate) fn open(path: PathBuf) -> io::Result<Directory> {
        make_folder(&path)?;
        let directory = Directory::read_only(path)?;
        let another_has_it =
            || io::Error::other("another server has it; a journal belongs to one server at a time");
        // Somebody may remove the file of the lock, but not the directory. Not every file system locks one.
        if let Err(TryLockError::WouldBlock) = directory.directory.try_lock() {
            return Err(another_has_it());
        }
        let mut options = OpenOptions::new();
        // A pipe in its place must not be waited for.
        options.create(true).append(true).mode(0o600).custom_flags(WITHOUT_WAITING);
        let lock = options.open(directory.place(LOCK)?);
        let lock = lock.map_err(|error| io::Error::new(error.kind(), format!("{LOCK}: {error}")))?;
        match lock.try_lock() {
            Ok(()) => Ok(Directory { lock: Some(lock), ..directory }),
            Err(TryLockError::WouldBlock) => Err(another_has_it()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Returns a directory for reading alone, while a server may write to it.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub(crate) fn read_only(path: PathBuf) -> io::Result<Directory> {
        // With the dot this is an error, and no wait, for what is not a directory.
        let directory = File::open(path.join("."))?;
        Ok(Directory { path, directory, lock: None })
    }

    /// Returns a path of the file `name` in this directory.
    ///
    /// std has no `openat`. Linux has a path for what a process has open. Elsewhere, and where `/proc` is not
    /// there, the path of old serves while it leads to the same directory.
    ///
    /// # Errors
    /// When no path leads to the directory any more.
    fn place(&self, name: &str) -> io::Result<PathBuf> {
        let of_process = PathBuf::from(format!("/proc/self/fd/{}", self.directory.as_raw_fd()));
        let mut paths = [&of_process, &self.path].into_iter();
        let found = paths.find(|path| leads_to(path, &self.directory));
        found.map(|path| path.join(name)).ok_or_else(|| io::Error::other("the folder was moved or removed"))
    }
}

impl Disk for Directory {
    type File = File;

    fn names(&self) -> io::Result<Vec<String>> {
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        fs::read_dir(self.place(".")?)?.map(name).collect()
    }

    fn open(&self, name: &str) -> io::Result<File> {
        // Without the lock nothing is written, and a copy may be for reading alone.
        let mut options = OpenOptions::new();
        options.read(true).write(self.lock.is_some()).custom_flags(WITHOUT_WAITING);
        let file = options.open(self.place(name)?)?;
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::other("it is not a regular file")),
        }
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600).open(self.place(name)?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.place(from)?, self.place(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.place(name)?)
    }

    fn sync_names(&self) -> io::Result<()> {
        match &self.lock {
            Some(_) => self.directory.sync_all(),
            None => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()?;
        match self.metadata()?.nlink() {
            // No later server finds what is written here.
            0 => Err(io::Error::other("the file was removed")),
            _ => Ok(()),
        }
    }
}
