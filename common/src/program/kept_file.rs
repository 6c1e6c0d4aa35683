//! A small file that people may edit, and that a program changes as well: one entry on each line. The bans
//! and the names of a room are kept like this, and the rooms that a client knows. A secret is made once like
//! this.
//!
//! An empty line or a line that begins with `#` is not an entry, whatever its encoding is.
//!
//! Requirements, for every thread that calls this:
//! - A change MUST keep every other line, the order, the mode and the owner. A symbolic link stays one: the
//!   file that it leads to is changed.
//! - A crash or a full disk MUST leave the old text or the new one. So a new file is written beside the old
//!   one, synced, and renamed over it.
//! - Two programs MUST NOT lose each other's lines. So a change needs the lock. That is a file of its own,
//!   because each change, and many an editor, puts a new file in the place of the kept one.
//! - Reading MUST NOT wait for another program, or without an end. So only a regular file of a limited length
//!   is read.

use crate::{
    text::{
        text_file::{invalid, without_mark, MARK},
        units::show_size,
    },
    wire::token::Token,
};
use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{fchown, DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// How often a lock is taken if somebody removes it again and again.
const LOCK_ATTEMPTS: usize = 100;

/// A file, by the path that a person gave.
#[derive(Clone, Debug)]
pub struct KeptFile {
    path: PathBuf,
    max_bytes: usize,
    mode: u32,
}

/// A file that no other program changes while this lives. The system frees the lock with the process, however
/// that ends.
#[derive(Debug)]
pub struct LockedFile {
    file: KeptFile,
    /// Where the file is, without symbolic links.
    path: PathBuf,
    lock: File,
    take: Take,
}

/// How a lock is taken: a client waits for the others, and a server does not.
type Take = fn(&File) -> Result<(), TryLockError>;

/// The bits of a mode that let people read and write.
const READ_AND_WRITE: u32 = 0o666;

impl KeptFile {
    /// A file that may have `max_bytes`. One that is made new has this mode, less what the user's mask takes
    /// away.
    pub fn new(path: PathBuf, max_bytes: usize, mode: u32) -> KeptFile {
        KeptFile { path, max_bytes, mode }
    }

    /// Reads the file.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When it is too long or is not a regular file; otherwise whatever the system reports, such as
    /// [`ErrorKind::NotFound`].
    pub fn read(&self) -> io::Result<Lines> {
        let metadata = fs::metadata(&self.path)?;
        // To open a pipe would wait for its other end.
        if !metadata.is_file() {
            return Err(invalid("it is not a regular file"));
        }
        let mut text = Vec::new();
        File::open(&self.path)?.take(self.max_bytes as u64 + 1).read_to_end(&mut text)?;
        if text.len() > self.max_bytes {
            return Err(invalid(&format!("it has more than {}", show_size(self.max_bytes as u64))));
        }
        without_mark(&text)?;
        Ok(Lines { text, metadata: Some(metadata) })
    }

    /// Makes the file, with one line.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] when there is such a file, or a link that leads to none; otherwise
    /// whatever the system reports.
    pub fn create(&self, line: &str) -> io::Result<()> {
        let mut lines = Lines::default();
        lines.add(line);
        // Unlike a rename, a link does not replace a file.
        self.write_beside(&self.path, &lines, |new, path| fs::hard_link(new, path))
    }

    /// Makes the file `to`, with everything that this one has.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// As [`KeptFile::read`] and [`KeptFile::create`].
    pub fn copy_to(&self, to: &KeptFile) -> io::Result<()> {
        let lines = Lines { metadata: None, ..self.read()? };
        to.write_beside(&to.path, &lines, |new, path| fs::hard_link(new, path))
    }

    /// Locks the file for a change.
    ///
    /// # Blocking
    /// On another program that changes the file, for some milliseconds.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn lock(self) -> io::Result<LockedFile> {
        let path = resolve(&self.path)?;
        let take: Take = |lock| lock.lock().map_err(TryLockError::Error);
        let lock = self.take_lock(&path, take)?;
        Ok(LockedFile { file: self, path, lock, take })
    }

    /// Locks the file for the life of a server. Calls `take` with each entry, and checks that a new version
    /// of the file can take its place. A missing file is an empty one. `what` is its name for people.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// Names the file and what is wrong with it: another server has it, it cannot be used, or `take` does not
    /// take an entry, whose line then has its number.
    pub fn claim(
        self,
        what: &str,
        mut take: impl FnMut(&str) -> Result<(), String>,
    ) -> io::Result<LockedFile> {
        let name = format!("{what} {}", self.path.display());
        let claim = || {
            let path = resolve(&self.path)?;
            let lock = self.take_lock(&path, File::try_lock)?;
            let locked = LockedFile { file: self, path, lock, take: File::try_lock };
            let lines = locked.read()?;
            for (number, entry) in lines.entries() {
                take(&entry).map_err(|why| invalid(&format!("line {number}: {why}")))?;
            }
            locked.check_replaceable(&lines)?;
            Ok(locked)
        };
        claim()
            .map_err(|error: io::Error| io::Error::new(error.kind(), format!("cannot use {name}: {error}")))
    }

    /// Takes the lock of the file at `path`. Returns the open file of the lock.
    fn take_lock(&self, path: &Path, take: Take) -> io::Result<File> {
        let lock_path = lock_path(path);
        let in_lock = |error: io::Error| {
            io::Error::new(error.kind(), format!("its lock {}: {error}", lock_path.display()))
        };
        if fs::metadata(&lock_path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(in_lock(invalid("it is not a regular file")));
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(self.mode);
        for _ in 0..LOCK_ATTEMPTS {
            let lock = options.open(&lock_path).map_err(in_lock)?;
            // Not every file system has locks.
            if let Err(TryLockError::WouldBlock) = take(&lock) {
                let why = "another server has it; such a file belongs to one server at a time";
                return Err(io::Error::new(ErrorKind::ResourceBusy, why));
            }
            // Somebody may have removed or moved it meanwhile.
            if leads_to(&lock_path, &lock) {
                return Ok(lock);
            }
        }
        Err(in_lock(ErrorKind::ResourceBusy.into()))
    }

    /// Writes a new file into the folder of `path`, and lets `publish` give it that name. Nobody may do more
    /// with it than with the old file.
    fn write_beside(
        &self,
        path: &Path,
        lines: &Lines,
        publish: fn(&Path, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let old = lines.metadata.as_ref();
        let new_path = new_path(path)?;
        let file = create_new(&new_path, old.map_or(self.mode, MetadataExt::mode))?;
        let write = || {
            if let Some(old) = old {
                // Only root may give a file away, and only a member of a group may give it to the group.
                // Otherwise the new file is ours, as any file that we write.
                let _ = fchown(&file, None, Some(old.gid()));
                let _ = fchown(&file, Some(old.uid()), None);
                file.set_permissions(old.permissions())?;
            }
            (&file).write_all(&lines.text)?;
            file.sync_all()?;
            publish(&new_path, path)
        };
        let written = write();
        // After a rename it is gone. What matters is the first error.
        let _ = fs::remove_file(&new_path);
        written?;
        // A folder that may be changed and not read cannot be synced.
        File::open(path.with_file_name(".")).map_or(Ok(()), |folder| folder.sync_all())
    }
}

impl LockedFile {
    /// Changes the lines, and replaces the file if they are others then. A missing file is an empty one.
    /// Returns what `change` returns.
    ///
    /// # Blocking
    /// On the file system. Where somebody has removed the lock that [`KeptFile::lock`] took, also on another
    /// program that changes the file, for some milliseconds.
    ///
    /// # Errors
    /// When the file cannot be read or written, would be too long, or belongs to another server by now. It is
    /// then as before.
    pub fn change<R>(&mut self, change: impl FnOnce(&mut Lines) -> R) -> io::Result<R> {
        if resolve(&self.file.path)? != self.path {
            return Err(invalid("the path leads to another file than before"));
        }
        // Somebody may have removed or moved the file of the lock, and another program may have locked a new
        // one.
        if !leads_to(&lock_path(&self.path), &self.lock) {
            self.lock = self.file.take_lock(&self.path, self.take)?;
        }
        let mut lines = self.read()?;
        let before = lines.text.clone();
        let result = change(&mut lines);
        if lines.text == before {
            return Ok(result);
        }
        if lines.text.len() > self.file.max_bytes {
            let most = show_size(self.file.max_bytes as u64);
            return Err(invalid(&format!("it would have more than {most}")));
        }
        let replaced = self.file.write_beside(&self.path, &lines, |new, path| fs::rename(new, path));
        replaced.map(|()| result).map_err(|error| match error.kind() {
            ErrorKind::ResourceBusy => is_mount(),
            _ => error,
        })
    }

    fn read(&self) -> io::Result<Lines> {
        match self.file.read() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Lines::default()),
            read => read,
        }
    }

    /// Checks that a new version of the file could take its place.
    fn check_replaceable(&self, lines: &Lines) -> io::Result<()> {
        let new_path = new_path(&self.path)?;
        // A link cannot cross from one mount into another, and tells more than a new file.
        let linked = lines.metadata.as_ref().map(|_| fs::hard_link(&self.path, &new_path));
        match linked {
            Some(Ok(())) => {}
            Some(Err(error)) if error.kind() == ErrorKind::CrossesDevices => return Err(is_mount()),
            // Not every file system has such links, and not every file may have one.
            Some(Err(_)) | None => drop(create_new(&new_path, self.file.mode)?),
        }
        fs::remove_file(&new_path)
    }
}

/// What a file has: lines, of which some are entries.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    text: Vec<u8>,
    /// `None` when there is no file yet.
    metadata: Option<Metadata>,
}

impl Lines {
    /// Returns each entry with the number of its line.
    pub fn entries(&self) -> impl Iterator<Item = (usize, String)> + '_ {
        (1..).zip(lines(&self.text)).filter_map(|(number, line)| Some((number, entry(line)?)))
    }

    /// Adds an entry at the end.
    pub fn add(&mut self, entry: &str) {
        if !self.text.is_empty() && !self.text.ends_with(b"\n") {
            self.text.push(b'\n');
        }
        self.text.extend(format!("{entry}\n").bytes());
    }

    /// Removes the entries that `is_meant` chooses. Returns whether there were any.
    pub fn remove(&mut self, is_meant: impl Fn(&str) -> bool) -> bool {
        let stays = |line: &&[u8]| !entry(line).is_some_and(|entry| is_meant(&entry));
        let kept: Vec<u8> = lines(&self.text).filter(stays).flatten().copied().collect();
        let was_there = kept.len() < self.text.len();
        self.text = kept;
        was_there
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

/// Makes a folder where there is none, and those above it. When this returns, it is there after a crash.
///
/// # Blocking
/// On the file system.
///
/// # Errors
/// Whatever the system reports.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // A folder is there after a crash only if the one above it was synced.
    for folder in missing {
        let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Returns a path in the same folder that no file has.
fn new_path(path: &Path) -> io::Result<PathBuf> {
    Ok(path.with_file_name(format!(".rpc-chat-kept-{:016x}", Token::random()?.to_u64())))
}

/// Returns the path of the lock of the file at `path`.
fn lock_path(path: &Path) -> PathBuf {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    lock_path.into()
}

/// Returns whether the path leads to this open file or folder. The number of the file's links would not say
/// so: the file may have another name by now.
pub fn leads_to(path: &Path, file: &File) -> bool {
    let id = |metadata: Metadata| (metadata.dev(), metadata.ino());
    fs::metadata(path).is_ok_and(|there| file.metadata().is_ok_and(|open| id(there) == id(open)))
}

fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode & READ_AND_WRITE).open(path)
}

fn is_mount() -> io::Error {
    let why =
        "it is a mount of its own, so no new version can take its place; mount the folder, not the file";
    io::Error::new(ErrorKind::ResourceBusy, why)
}

/// Returns the path without symbolic links. The file itself may be missing, also behind a link.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let found = fs::canonicalize(path);
    let Some(name) = path.file_name() else { return found };
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = path.with_file_name(".");
            match fs::read_link(path) {
                // This ends, because a circle of links is another error.
                Ok(target) => resolve(&folder.join(target)),
                Err(_) => Ok(fs::canonicalize(folder)?.join(name)),
            }
        }
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        env,
        os::unix::fs::{symlink, PermissionsExt},
    };

    /// A folder for the files of one test. Dropping it removes it.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Folder {
            let name = format!("rpc-chat-kept-{:016x}", Token::random().unwrap().to_u64());
            let folder = env::temp_dir().join(name);
            fs::create_dir(&folder).unwrap();
            Folder(folder)
        }

        fn file(&self, name: &str) -> KeptFile {
            KeptFile::new(self.0.join(name), 1 << 20, READ_AND_WRITE)
        }

        fn claim(&self, name: &str) -> io::Result<LockedFile> {
            self.file(name).claim("the file", |entry| match entry {
                "bad" => Err("it is bad".to_owned()),
                _ => Ok(()),
            })
        }

        fn write(&self, name: &str, text: impl AsRef<[u8]>) {
            fs::write(self.0.join(name), text).unwrap();
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.0.join(name)).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn add(file: &mut LockedFile, entry: &str) -> io::Result<()> {
        file.change(|lines| lines.add(entry))
    }

    #[test]
    fn a_change_keeps_the_mode_of_the_file_and_leaves_nothing_but_the_lock_behind() {
        let folder = Folder::new();
        folder.write("file", "one\n");
        folder.write("file.new", "mine");
        for mode in [0o600, 0o640, 0o666] {
            fs::set_permissions(folder.0.join("file"), fs::Permissions::from_mode(mode)).unwrap();
            add(&mut folder.claim("file").unwrap(), "another").unwrap();
            let kept = fs::metadata(folder.0.join("file")).unwrap().permissions().mode();
            assert_eq!(kept & 0o777, mode);
        }
        assert_eq!(folder.read("file"), "one\nanother\nanother\nanother\n");
        assert_eq!(folder.read("file.new"), "mine");
        assert_eq!(folder.names(), ["file", "file.lock", "file.new"]);
    }

    #[test]
    fn a_symbolic_link_stays_one_and_its_target_changes() {
        let folder = Folder::new();
        fs::create_dir(folder.0.join("real")).unwrap();
        // The first change makes the file that the link leads to.
        symlink("real/file", folder.0.join("link")).unwrap();
        for (entry, text) in [("one", "one\n"), ("two", "one\ntwo\n")] {
            add(&mut folder.file("link").lock().unwrap(), entry).unwrap();
            assert!(fs::symlink_metadata(folder.0.join("link")).unwrap().is_symlink());
            assert_eq!(folder.read("real/file"), text);
        }
        assert_eq!(folder.names(), ["link", "real"]);
        // A link that leads elsewhere by now would lead to a file that is not locked.
        let mut file = folder.claim("link").unwrap();
        fs::remove_file(folder.0.join("link")).unwrap();
        symlink("real/other", folder.0.join("link")).unwrap();
        assert!(add(&mut file, "three").unwrap_err().to_string().contains("leads to another file"));
    }

    #[test]
    fn a_file_has_one_server_at_a_time_whatever_becomes_of_the_file() {
        let folder = Folder::new();
        let mut file = folder.claim("file").unwrap();
        symlink("file", folder.0.join("link")).unwrap();
        let is_refused = |name: &str| {
            let error = folder.claim(name).unwrap_err().to_string();
            assert!(error.starts_with("cannot use the file ") && error.contains(name), "{error}");
            assert!(error.contains("another server has it"), "{error}");
        };
        is_refused("file");
        add(&mut file, "one").unwrap();
        is_refused("link");
        // Many an editor does this.
        folder.write("edited", "two\n");
        fs::rename(folder.0.join("edited"), folder.0.join("file")).unwrap();
        is_refused("file");
        add(&mut file, "three").unwrap();
        assert_eq!(folder.read("file"), "two\nthree\n");
        drop(file);
        folder.claim("link").unwrap();
    }

    #[test]
    fn a_lock_that_was_moved_away_is_a_lock_no_more() {
        let folder = Folder::new();
        let mut first = folder.claim("file").unwrap();
        fs::rename(folder.0.join("file.lock"), folder.0.join("moved")).unwrap();
        let mut second = folder.claim("file").unwrap();
        assert_eq!(add(&mut first, "one").unwrap_err().kind(), ErrorKind::ResourceBusy);
        add(&mut second, "two").unwrap();
        assert_eq!(folder.read("file"), "two\n");
    }

    #[test]
    fn a_program_that_waits_for_a_lock_also_waits_where_somebody_moved_it() {
        let folder = Folder::new();
        let mut first = folder.file("file").lock().unwrap();
        fs::rename(folder.0.join("file.lock"), folder.0.join("moved")).unwrap();
        let mut second = folder.file("file").lock().unwrap();
        std::thread::scope(|scope| {
            let late = scope.spawn(move || add(&mut first, "late"));
            add(&mut second, "early").unwrap();
            drop(second);
            late.join().unwrap().unwrap();
        });
        assert_eq!(folder.read("file"), "early\nlate\n");
    }

    #[test]
    fn only_a_regular_file_of_a_limited_length_is_read_and_reading_waits_for_nobody() {
        let folder = Folder::new();
        folder.write("long", "#\n".repeat(1 << 19));
        let error = add(&mut folder.claim("long").unwrap(), "one").unwrap_err().to_string();
        assert!(error.contains("it would have more than 1MiB"), "{error}");
        folder.write("too-long", "#".repeat((1 << 20) + 1));
        folder.write("bad", "# good\n\nbad\n");
        fs::create_dir(folder.0.join("folder")).unwrap();
        symlink("circle", folder.0.join("circle")).unwrap();
        // Nobody has the other ends of these pipes.
        for pipe in ["pipe", "locked-by-pipe.lock"] {
            let made = std::process::Command::new("mkfifo").arg(folder.0.join(pipe)).status().unwrap();
            assert!(made.success());
        }
        for (name, reason) in [
            ("too-long", "it has more than 1MiB"),
            ("bad", "line 3: it is bad"),
            ("folder", "not a regular file"),
            ("circle", "circle"),
            ("pipe", "not a regular file"),
            ("locked-by-pipe", "locked-by-pipe.lock: it is not a regular file"),
            ("nowhere/file", "No such file"),
        ] {
            let error = folder.claim(name).unwrap_err().to_string();
            assert!(error.starts_with("cannot use the file ") && error.contains(name), "{error}");
            assert!(error.contains(reason), "{error}");
        }
        assert!(folder.file("/dev/zero").read().unwrap_err().to_string().contains("not a regular file"));
    }

    #[test]
    fn a_file_of_any_encoding_or_system_is_read_and_its_other_lines_stay() {
        let folder = Folder::new();
        folder.write("windows", "\u{feff}# mine\r\none\r\n\u{feff}two\r\n");
        let entries: Vec<_> = folder.file("windows").read().unwrap().entries().collect();
        assert_eq!(entries, [(2, "one".to_owned()), (3, "two".to_owned())]);
        let mut file = folder.claim("windows").unwrap();
        assert!(file.change(|lines| lines.remove(|entry| entry == "two")).unwrap());
        assert_eq!(folder.read("windows"), "\u{feff}# mine\r\none\r\n");
        folder.write("latin-1", b"# caf\xe9\none\n");
        add(&mut folder.claim("latin-1").unwrap(), "two").unwrap();
        assert_eq!(fs::read(folder.0.join("latin-1")).unwrap(), b"# caf\xe9\none\ntwo\n");
    }

    #[test]
    fn a_file_that_is_made_replaces_no_other_and_a_change_of_nothing_writes_nothing() {
        let folder = Folder::new();
        let file = folder.file("file");
        assert_eq!(file.read().unwrap_err().kind(), ErrorKind::NotFound);
        file.clone().lock().unwrap().change(|lines| assert_eq!(lines.entries().count(), 0)).unwrap();
        assert_eq!(folder.names(), ["file.lock"]);
        file.create("one").unwrap();
        assert_eq!(file.create("two").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(folder.read("file"), "one\n");
        folder.write("file", "# mine\r\none\n");
        let copy = KeptFile::new(folder.0.join("copy"), 1 << 20, 0o600);
        file.copy_to(&copy).unwrap();
        assert_eq!(file.copy_to(&copy).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(folder.read("copy"), "# mine\r\none\n");
        assert_eq!(fs::metadata(folder.0.join("copy")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(folder.names(), ["copy", "file", "file.lock"]);
    }
}
