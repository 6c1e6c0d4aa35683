//! The seam between the journal and where it is stored: a directory of files, or the model of a disk that
//! the tests crash.
//!
//! Each function waits for the disk, and for nothing else.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
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
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// `None` only reads, while a server may write.
    owned: Option<Owned>,
}

/// What the one server of a directory has open.
#[derive(Debug)]
struct Owned {
    /// Locked while this lives. The system lets go of it with the process, however that ends.
    _lock: File,
    /// The directory itself. It stays open, because a process may have no descriptor left when a name must be
    /// synced.
    directory: File,
}

/// The file that the one server of a directory locks.
const LOCK: &str = "lock";

impl Directory {
    /// Makes the directory where there is none, and locks it.
    ///
    /// # Errors
    /// When another server has the directory, or whatever the system reports.
    pub(crate) fn open(path: PathBuf) -> io::Result<Directory> {
        let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        // A folder is there after a crash only if the one above it was synced.
        for folder in missing {
            let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
            File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        let mut options = OpenOptions::new();
        let lock = options.create(true).append(true).mode(0o600).open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {
                let directory = File::open(&path)?;
                Ok(Directory { path, owned: Some(Owned { _lock: lock, directory }) })
            }
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::other("another server has it; a journal belongs to one server at a time"))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Returns a directory for reading alone, while a server may write to it.
    pub(crate) fn read_only(path: PathBuf) -> Directory {
        Directory { path, owned: None }
    }
}

impl Disk for Directory {
    type File = File;

    fn names(&self) -> io::Result<Vec<String>> {
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        fs::read_dir(&self.path)?.map(name).collect()
    }

    fn open(&self, name: &str) -> io::Result<File> {
        // Without the lock nothing is written, and a copy may be for reading alone.
        OpenOptions::new().read(true).write(self.owned.is_some()).open(self.path.join(name))
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600).open(self.path.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        match &self.owned {
            Some(owned) => owned.directory.sync_all(),
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
        self.sync_data()
    }
}
