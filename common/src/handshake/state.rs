//! The directory in which a program keeps its private key, and what it must not forget. Runs on the caller's
//! thread.
//!
//! The directory and its files are for their owner alone.

#[cfg(feature = "closed")]
use crate::wire::seal::KeyPair;
use crate::{
    program::{
        given_file::GivenFile,
        kept_file::{make_folder, KeptFile},
    },
    text::text_file,
};
use std::{
    fs,
    io::{self, BufRead, BufReader, ErrorKind, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// No key is longer, and no passphrase: that has 1,024 bytes at most, and a longer one must be noticed. A
/// file that was put there by mistake is not read to its end.
const MAX_FILE_BYTES: usize = 4096;
/// The mode of the files. They are for their owner alone.
pub const FILE_MODE: u32 = 0o600;
/// The bits of a file's mode that let others read it.
const OTHERS_READ: u32 = 0o044;

/// Returns the directory for a program that was told none: `$XDG_STATE_HOME/rpc-chat`, or
/// `~/.local/state/rpc-chat`. `variable` looks an environment variable up.
///
/// # Errors
/// When neither variable is set. One line for people.
pub fn default_directory(variable: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf, String> {
    // The rule of the XDG base directories: a relative path is ignored.
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let why = "neither XDG_STATE_HOME nor HOME is set; --state DIR says where keys are kept";
    Ok(state.ok_or(why)?.join("rpc-chat"))
}

/// Makes the directory if it does not exist.
///
/// # Errors
/// Whatever the system reports, with the name of the directory.
pub fn make_directory(directory: &Path) -> Result<(), String> {
    make_folder(directory)
        .map_err(|error| format!("cannot make the directory {}: {error}", directory.display()))
}

/// Warns if others on this machine may read a file that holds a secret. `what` says which secret it is.
///
/// # Errors
/// When the system does not tell.
pub fn warn_of_readers(path: &Path, what: &str) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() && metadata.permissions().mode() & OTHERS_READ != 0 {
        let path = path.display();
        log::warn!("others on this machine may read {what} in {path}; chmod 600 {path} ends that");
    }
    Ok(())
}

/// Returns the private key in the file `name` of the directory. Makes a key and the file if there is none.
///
/// # Errors
/// When the file cannot be read or written, or holds no key. One line for people.
#[cfg(feature = "closed")]
pub fn load_key(directory: &Path, name: &str) -> Result<KeyPair, String> {
    make_directory(directory)?;
    let generate = || KeyPair::generate().map(|key| key.private_to_hex());
    load_or_make(&directory.join(name), "the private key", KeyPair::from_hex, generate)
}

/// Returns the key in a file. Makes the file if there is none, with the text that `generate` returns. `what`
/// names the key for people.
///
/// # Errors
/// When the file cannot be read or written, or `parse` finds no key in it. One line for people.
pub(super) fn load_or_make<K>(
    path: &Path,
    what: &str,
    parse: fn(&str) -> Option<K>,
    generate: impl FnOnce() -> io::Result<String>,
) -> Result<K, String> {
    let file = secret(path);
    if let Some(key) = read_key(&file, path, parse)? {
        // The key was read, so a failure to look at the mode is no reason to end.
        let _ = warn_of_readers(path, what);
        return Ok(key);
    }
    let text = generate().map_err(|error| format!("no random bytes: {error}"))?;
    let cannot_write = |error: io::Error| format!("cannot write {}: {error}", path.display());
    match file.create(&text) {
        // Another program was sooner, so its key counts. A link to nothing cannot be read even now.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(cannot_write(error)),
        created => read_key(&file, path, parse)?
            .ok_or_else(|| cannot_write(created.err().unwrap_or_else(|| ErrorKind::NotFound.into()))),
    }
}

/// The file of a secret: it is made once, with one line.
pub fn secret(path: &Path) -> KeptFile {
    KeptFile::new(path.to_owned(), MAX_FILE_BYTES, FILE_MODE)
}

/// Reads the key in this file. Returns `None` if there is no such file.
fn read_key<K>(file: &KeptFile, path: &Path, parse: fn(&str) -> Option<K>) -> Result<Option<K>, String> {
    match file.read() {
        Ok(lines) => {
            let key = lines.entries().next().and_then(|(_, entry)| parse(&entry));
            let why = "holds no key; put its copy back, or remove it, and others see a new key";
            key.map(Some).ok_or_else(|| format!("{} {why}", path.display()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// Returns the first line of a file that holds a passphrase. Not a byte more is read, because the file can be
/// a pipe that is never closed, and the rest can be for others: standard input has what is said after the
/// passphrase.
///
/// # Blocking
/// On the writer, if the file is a pipe.
///
/// # Errors
/// `InvalidData` when the line is not text in UTF-8; otherwise whatever the system reports.
pub fn read_first_line(path: &Path) -> io::Result<String> {
    let mut line = Vec::new();
    // With this capacity nothing is read ahead.
    BufReader::with_capacity(1, GivenFile::open(path)?.take(MAX_FILE_BYTES as u64))
        .read_until(b'\n', &mut line)?;
    text_file::decode(&line)
}

#[cfg(feature = "closed")]
#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn temporary(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("rpc-chat-state-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn a_key_is_made_once_and_is_for_its_owner_alone() {
        let directory = temporary("once");
        let keys: Vec<_> = thread::scope(|scope| {
            let load = || load_key(&directory.join("deep"), "key").unwrap().public;
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory.join("deep")), 0o700);
        assert_eq!(mode(&directory.join("deep/key")), 0o600);
        assert_eq!(fs::read_dir(directory.join("deep")).unwrap().count(), 1);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_file_that_holds_no_key_is_named_and_left_alone() {
        let directory = temporary("damaged");
        make_directory(&directory).unwrap();
        fs::write(directory.join("key"), "12ab").unwrap();
        let why = load_key(&directory, "key").unwrap_err();
        assert!(why.contains("/key holds no key"), "{why}");
        assert_eq!(fs::read(directory.join("key")).unwrap(), b"12ab");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_link_to_nothing_is_no_place_for_a_key() {
        let directory = temporary("link");
        make_directory(&directory).unwrap();
        std::os::unix::fs::symlink("nowhere", directory.join("key")).unwrap();
        let why = load_key(&directory, "key").unwrap_err();
        assert!(why.contains("/key: "), "{why}");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "no second copy of a private key is left");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn the_directory_follows_the_environment() {
        let with = |pairs: &[(&str, &str)]| {
            let find =
                |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            default_directory(&find)
        };
        let (home, state) = (("HOME", "/home/sara"), ("XDG_STATE_HOME", "/state"));
        assert_eq!(with(&[home]).unwrap(), Path::new("/home/sara/.local/state/rpc-chat"));
        assert_eq!(with(&[home, state]).unwrap(), Path::new("/state/rpc-chat"));
        assert_eq!(with(&[home, ("XDG_STATE_HOME", "here")]).unwrap(), with(&[home]).unwrap());
        assert!(with(&[]).unwrap_err().contains("--state DIR"));
    }
}
