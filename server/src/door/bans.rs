//! The addresses and names that the operator has banned, and the file in which the bans survive a
//! restart.
//!
//! The listener, the broadcaster and the console use the list on their own threads. Only the console
//! writes the file. Nothing blocks while it holds the lock.
//!
//! The file has one ban on each line: `address 192.0.2.7` or `name sara`. Empty lines and lines that
//! begin with `#` are ignored.

use super::name::fold;
use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File},
    io::{self, ErrorKind, Write},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The list of bans and its file.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    /// Protects the list, not the file.
    list: Mutex<BTreeSet<Ban>>,
    file: Option<PathBuf>,
}

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ban {
    /// A banned address.
    Address(IpAddr),
    /// A banned name, in its folded form.
    Name(String),
}

impl Ban {
    /// Returns the ban that an operator's word means: of an address if the word is one, otherwise of a
    /// name. Returns `None` when it can be neither, such as a range of addresses.
    pub(crate) fn of(word: &str) -> Option<Ban> {
        match word.parse::<IpAddr>() {
            Ok(address) => Some(Ban::Address(address.to_canonical())),
            // A name can look like a number with dots, but a mistyped address is more likely.
            Err(_) if word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.') => None,
            Err(_) if word.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c)) => {
                Some(Ban::Name(fold(word)))
            }
            Err(_) => None,
        }
    }

    /// Returns whether it bans a client with this name or address.
    pub(crate) fn covers(&self, name: &str, address: IpAddr) -> bool {
        match self {
            Ban::Address(banned) => *banned == address.to_canonical(),
            Ban::Name(banned) => *banned == fold(name),
        }
    }
}

impl fmt::Display for Ban {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ban::Address(address) => write!(f, "address {address}"),
            Ban::Name(name) => write!(f, "name {name}"),
        }
    }
}

impl Bans {
    /// Reads the bans from `file`, and keeps later changes there. A missing file is an empty list.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read, a line of it is not a ban, or the file cannot be written. The server
    /// must not start then: a missing ban would let somebody in, and a new ban would be lost.
    pub(crate) fn load(file: PathBuf) -> io::Result<Bans> {
        let unusable = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot use the ban file {}: {error}", file.display()))
        };
        let list = read(&file).map_err(unusable)?;
        Ok(Bans { list: Mutex::new(list), file: Some(file) })
    }

    /// Adds a ban. Returns false when it was there already.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be written. The ban then holds until the server ends.
    pub(crate) fn add(&self, ban: Ban) -> io::Result<bool> {
        self.change(|list| list.insert(ban))
    }

    /// Removes a ban. Returns false when there was none.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be written. The ban is then back after a restart.
    pub(crate) fn remove(&self, ban: &Ban) -> io::Result<bool> {
        self.change(|list| list.remove(ban))
    }

    /// Returns all bans, addresses first.
    pub(crate) fn list(&self) -> Vec<Ban> {
        self.lock().iter().cloned().collect()
    }

    /// Returns whether `address` is banned.
    pub(crate) fn covers_address(&self, address: IpAddr) -> bool {
        self.lock().contains(&Ban::Address(address.to_canonical()))
    }

    /// Returns the reason for the client, if `name` or `address` is banned.
    pub(crate) fn reason(&self, name: &str, address: IpAddr) -> Option<String> {
        if self.lock().contains(&Ban::Name(fold(name))) {
            return Some(format!("the name {name} is banned from the room"));
        }
        self.covers_address(address).then(|| "this address is banned from the room".to_owned())
    }

    /// Changes the list, and writes the file if the list is different now. It does not hold the lock
    /// while it writes. Only the console calls this, on one thread, so no two writes can overlap.
    fn change(&self, change: impl FnOnce(&mut BTreeSet<Ban>) -> bool) -> io::Result<bool> {
        let changed = change(&mut self.lock());
        if let (true, Some(file)) = (changed, &self.file) {
            write_atomically(file, &self.list())?;
        }
        Ok(changed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Ban>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the bans from a file, and checks that a new version of it can be written.
fn read(file: &Path) -> io::Result<BTreeSet<Ban>> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let mut list = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        match line.split_once(' ').and_then(|(kind, word)| Some((kind, Ban::of(word.trim())?))) {
            Some(("address", ban @ Ban::Address(_)) | ("name", ban @ Ban::Name(_))) => {
                list.insert(ban);
            }
            _ if line.is_empty() || line.starts_with('#') => {}
            _ => {
                let why = format!("line {number} is neither \"address ADDRESS\" nor \"name NAME\": {line:?}");
                return Err(io::Error::new(ErrorKind::InvalidData, why));
            }
        }
    }
    let new_file = new_file(file);
    File::create(&new_file)?;
    fs::remove_file(new_file)?;
    Ok(list)
}

/// Writes a new file and renames it over the old one. A reader finds the old list or the new list, never
/// a part of one.
fn write_atomically(file: &Path, bans: &[Ban]) -> io::Result<()> {
    let new_file = new_file(file);
    let text: String = bans.iter().map(|ban| format!("{ban}\n")).collect();
    let mut new = File::create(&new_file)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()?;
    fs::rename(&new_file, file)
}

/// Returns the name of the new file, in the same folder.
fn new_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_survive_a_restart() {
        let file = std::env::temp_dir().join(format!("rpc-chat-bans-{}", std::process::id()));
        let bans = Bans::load(file.clone()).unwrap();
        assert!(bans.add(Ban::of("192.0.2.7").unwrap()).unwrap());
        assert!(bans.add(Ban::of("Sara").unwrap()).unwrap());
        assert!(!bans.add(Ban::of("SARA").unwrap()).unwrap(), "the same name in another case");
        assert!(bans.add(Ban::of("2001:db8::1").unwrap()).unwrap());
        assert!(bans.remove(&Ban::of("2001:db8::1").unwrap()).unwrap());

        let bans = Bans::load(file.clone()).unwrap();
        assert!(bans.covers_address("::ffff:192.0.2.7".parse().unwrap()));
        let elsewhere = [198, 51, 100, 1].into();
        assert!(bans.reason("sARa", elsewhere).is_some());
        assert!(bans.reason("Tom", elsewhere).is_none());
        assert_eq!(bans.list().len(), 2);
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_range_of_addresses_is_not_taken_for_a_name() {
        for word in ["10.0.0.0/8", "999.1.1.1", "10.0.0.*", "a b"] {
            assert_eq!(Ban::of(word), None, "{word}");
        }
    }

    #[test]
    fn the_error_for_a_bad_line_has_its_number() {
        let file = std::env::temp_dir().join(format!("rpc-chat-bad-bans-{}", std::process::id()));
        fs::write(&file, "# kept\n\nname ann\naddress nowhere\n").unwrap();
        let error = Bans::load(file.clone()).unwrap_err().to_string();
        assert!(error.contains("line 4"), "{error}");
        fs::remove_file(file).unwrap();
    }
}
