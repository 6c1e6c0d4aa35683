//! Who may not come in: addresses and names that the operator has banned, and the file that keeps them over restarts.
//!
//! The file has one ban a line, `address 192.0.2.7` or `name sara`; empty lines and those that begin with `#` are passed over.

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

/// The bans, shared by the listener, the connections and the console.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    list: Mutex<BTreeSet<Ban>>,
    file: Option<PathBuf>,
}

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ban {
    /// Nobody from this address.
    Address(IpAddr),
    /// Nobody under this name, which is folded.
    Name(String),
}

impl Ban {
    /// What an operator's word stands for: an address if it is one, otherwise a name. `None` when it can be neither, as a range of
    /// addresses.
    pub(crate) fn of(word: &str) -> Option<Ban> {
        match word.parse::<IpAddr>() {
            Ok(address) => Some(Ban::Address(address.to_canonical())),
            // Names that look like numbers with dots are possible, and more likely mistyped addresses.
            Err(_) if word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.') => None,
            Err(_) if word.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c)) => {
                Some(Ban::Name(fold(word)))
            }
            Err(_) => None,
        }
    }

    /// Whether it covers somebody.
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
    /// The bans that `file` holds, and keeps from now on. A file that is not there yet is empty.
    ///
    /// # Errors
    /// When it cannot be read, a line of it is no ban, or nothing can be written there: starting without a ban that was given would let
    /// somebody in, and one that is given later should be kept.
    pub(crate) fn load(file: PathBuf) -> io::Result<Bans> {
        let text = match fs::read_to_string(&file) {
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
                    let why =
                        format!("line {number} is neither \"address ADDRESS\" nor \"name NAME\": {line:?}");
                    return Err(io::Error::new(ErrorKind::InvalidData, why));
                }
            }
        }
        let beside = beside(&file);
        File::create(&beside)?;
        fs::remove_file(beside)?;
        Ok(Bans { list: Mutex::new(list), file: Some(file) })
    }

    /// Adds a ban. False when it was there.
    ///
    /// # Errors
    /// When the file cannot be written; the ban holds all the same, until the server ends.
    pub(crate) fn add(&self, ban: Ban) -> io::Result<bool> {
        self.change(|list| list.insert(ban))
    }

    /// Removes a ban. False when there was none.
    ///
    /// # Errors
    /// When the file cannot be written; the ban is gone all the same, until the server ends.
    pub(crate) fn remove(&self, ban: &Ban) -> io::Result<bool> {
        self.change(|list| list.remove(ban))
    }

    /// All bans, addresses first.
    pub(crate) fn list(&self) -> Vec<Ban> {
        self.lock().iter().cloned().collect()
    }

    /// Whether connections from `address` are refused.
    pub(crate) fn covers_address(&self, address: IpAddr) -> bool {
        self.lock().contains(&Ban::Address(address.to_canonical()))
    }

    /// What somebody who comes from `address` and wants to be called `name` is told, if that is banned.
    pub(crate) fn reason(&self, name: &str, address: IpAddr) -> Option<String> {
        let list = self.lock();
        if list.contains(&Ban::Name(fold(name))) {
            return Some(format!("the name {name} is banned from the room"));
        }
        let banned = list.contains(&Ban::Address(address.to_canonical()));
        banned.then(|| "this address is banned from the room".to_owned())
    }

    /// Changes the list and, if that made a difference, the file. The lock is not held over the writing; only the console
    /// writes, and it is one thread.
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

/// Writes beside the file and renames over it, so that whoever reads finds the old list or the new one, whole.
fn write_atomically(file: &Path, bans: &[Ban]) -> io::Result<()> {
    let beside = beside(file);
    let text: String = bans.iter().map(|ban| format!("{ban}\n")).collect();
    let mut new = File::create(&beside)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()?;
    fs::rename(&beside, file)
}

fn beside(file: &Path) -> PathBuf {
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
    fn a_line_that_is_no_ban_is_named() {
        let file = std::env::temp_dir().join(format!("rpc-chat-bad-bans-{}", std::process::id()));
        fs::write(&file, "# kept\n\nname ann\naddress nowhere\n").unwrap();
        let error = Bans::load(file.clone()).unwrap_err().to_string();
        assert!(error.contains("line 4"), "{error}");
        fs::remove_file(file).unwrap();
    }
}
