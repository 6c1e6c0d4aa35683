//! The names of a closed room that stay with the client that had them first. Any thread may use the list;
//! only [`KeptNames::save`] and [`KeptNames::forget`] wait for the file.
//!
//! The file has one name on each line, and the public key of the client that it belongs to: `Sara 4f2a...`,
//! with 64 hexadecimal digits. [`kept_file`](chat_common::program::kept_file) says what else the file may
//! have, and what a change of it keeps. No other server has the file, because two lists of names would give
//! the same name to two keys.
//!
//! A name belongs to a key as soon as its member is in the room for everybody. The thread of the connection
//! saves it afterwards. Threads that save at the same moment share one write.

use super::{
    alike::{fold, is_alike},
    by_name::ByName,
    client_key::ClientKey,
    NEW_FILE_MODE,
};
use chat_common::{
    program::kept_file::{KeptFile, LockedFile},
    text::excerpt::excerpt,
};
use log::warn;
use std::{
    io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The most names. Without a limit, a member could take one name after the other and fill the memory and
/// the disk.
const MAX_NAMES: usize = 10_000;
/// The greatest length of the file. It has space for [`MAX_NAMES`] names and for comments.
const MAX_BYTES: usize = 4 << 20;

/// The names and their file. The lock of the file comes before that of the list.
#[derive(Debug)]
pub(crate) struct KeptNames {
    /// Protects the list, not the file. Nothing blocks while it is held.
    list: Mutex<List>,
    /// Held while the file is read and written.
    file: Mutex<LockedFile>,
}

#[derive(Debug, Default)]
struct List {
    /// The keys by the names, each as it was first written. Names that look the same have one key.
    keys: ByName<ClientKey>,
    /// The names that are not in the file yet, and their keys.
    unsaved: Vec<(String, ClientKey)>,
    /// Whether the operator knows that no more names are kept.
    is_full: bool,
}

impl KeptNames {
    /// Reads the names from the file at `path`, and keeps new ones there. A missing file is an empty list.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When another server has the file, it cannot be read or written, or a line of it is not a name and a
    /// key. The server must not start then: somebody could take the name of that line.
    pub(crate) fn load(path: PathBuf) -> io::Result<KeptNames> {
        let mut list = List::default();
        let file = KeptFile::new(path, MAX_BYTES, NEW_FILE_MODE);
        let file = file.claim("the names file", |entry| list.add_entry(entry))?;
        Ok(KeptNames { list: Mutex::new(list), file: Mutex::new(file) })
    }

    /// Returns whether a client with this key may have the name. One without a key may have a name that
    /// belongs to nobody.
    pub(crate) fn is_free_for(&self, name: &str, key: Option<&ClientKey>) -> bool {
        self.list().is_free_for(name, key)
    }

    /// Binds a name to the key, unless it is bound. The caller has checked it.
    pub(crate) fn bind(&self, name: &str, key: ClientKey) {
        let mut list = self.list();
        if list.keys.covers(name) {
            return;
        }
        if list.keys.len() < MAX_NAMES {
            list.keys.insert(name, key);
            list.unsaved.push((name.to_owned(), key));
        } else if !std::mem::replace(&mut list.is_full, true) {
            warn!("{MAX_NAMES} names are kept, and that is the most; new names belong to nobody");
        }
    }

    /// Writes the names that are not in the file yet.
    ///
    /// # Blocking
    /// On the file system, and on others who do the same.
    ///
    /// # Errors
    /// When the file cannot be read or written. The names then hold until the server ends, and are written
    /// with the next ones.
    pub(crate) fn save(&self) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let unsaved = std::mem::take(&mut self.list().unsaved);
        if unsaved.is_empty() {
            return Ok(());
        }
        let written = file.change(|lines| {
            // The operator may have written a name into the file meanwhile. That line counts at the next
            // start.
            let mut there = ByName::default();
            for (_, entry) in lines.entries() {
                parse(&entry).into_iter().for_each(|(name, key)| there.insert(name, key));
            }
            let is_new = |name: &str, key| !there.covers(name) && there.find(name).all(|owner| *owner == key);
            let new = unsaved.iter().filter(|(name, key)| is_new(name, *key));
            new.for_each(|(name, key)| lines.add(&format!("{name} {}", key.to_hex())));
        });
        if written.is_err() {
            self.list().unsaved.extend(unsaved);
        }
        written
    }

    /// Lets everybody have the name again, in every spelling. Returns false when it belonged to nobody.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read or written. The name then belongs to its key again after a restart.
    pub(crate) fn forget(&self, name: &str) -> io::Result<bool> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let was_listed = self.list().remove(name);
        // A name that somebody has written into the file meanwhile is not in the list.
        let is_meant = |entry: &str| parse(entry).is_ok_and(|(there, _)| is_alike(there, name));
        let was_in_file = file.change(|lines| lines.remove(is_meant))?;
        Ok(was_listed || was_in_file)
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    fn is_free_for(&self, name: &str, key: Option<&ClientKey>) -> bool {
        self.keys.find(name).all(|owner| Some(owner) == key)
    }

    /// Adds an entry of the file.
    fn add_entry(&mut self, entry: &str) -> Result<(), String> {
        let (name, key) = parse(entry)?;
        if !self.is_free_for(name, Some(&key)) {
            return Err(format!("the name {name:?} belongs to another key in a line before"));
        }
        if self.keys.len() >= MAX_NAMES {
            return Err(format!("{MAX_NAMES} names are the most"));
        }
        self.keys.insert(name, key);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> bool {
        self.unsaved.retain(|(other, _)| !is_alike(other, name));
        let was_there = self.keys.remove(name);
        self.is_full &= self.keys.len() >= MAX_NAMES;
        was_there
    }
}

/// Returns the name and the key in an entry of the file.
fn parse(entry: &str) -> Result<(&str, ClientKey), String> {
    let mut words = entry.split_whitespace();
    let (name, key) = (words.next().unwrap_or_default(), words.next().and_then(ClientKey::from_hex));
    match (key, words.next()) {
        (Some(key), None) if !fold(name).is_empty() => Ok((name, key)),
        _ => Err(format!("{:?} is not \"NAME KEY\" with a key of 64 hexadecimal digits", excerpt(entry))),
    }
}

#[cfg(feature = "closed")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::Folder;
    use chat_common::wire::seal::KeyPair;
    use std::{fs, thread};

    fn load(folder: &Folder) -> io::Result<KeptNames> {
        KeptNames::load(folder.path("names"))
    }

    fn key() -> ClientKey {
        KeyPair::generate().unwrap().public
    }

    fn refused(names: &KeptNames, name: &str, key: &ClientKey) -> bool {
        !names.is_free_for(name, Some(key))
    }

    #[test]
    fn a_name_stays_with_its_first_key_over_a_restart_in_every_spelling_until_it_is_forgotten() {
        let folder = Folder::new();
        let (mine, other) = (key(), key());
        let names = load(&folder).unwrap();
        for name in ["Bill", "Zoë"] {
            assert!(!refused(&names, name, &mine));
            names.bind(name, mine);
        }
        names.save().unwrap();
        drop(names);
        let names = load(&folder).unwrap();
        for name in ["Bill", "BILL", "BiII", "zoë"] {
            assert!(refused(&names, name, &other) && !refused(&names, name, &mine), "{name}");
        }
        assert!(!refused(&names, "Will", &other));
        assert!(names.forget("bill").unwrap());
        assert!(!names.forget("bill").unwrap());
        let is_free = |names: &KeptNames| {
            assert!(!refused(names, "Bill", &other) && !refused(names, "BiII", &other));
            assert!(refused(names, "Zoë", &other));
        };
        is_free(&names);
        drop(names);
        is_free(&load(&folder).unwrap());
    }

    #[test]
    fn names_that_two_threads_save_are_all_in_the_file_and_no_other_server_has_it() {
        const NAMES: usize = 50;
        let folder = Folder::new();
        let names = &load(&folder).unwrap();
        assert!(load(&folder).unwrap_err().to_string().contains("another server has it"));
        thread::scope(|scope| {
            for thread in 0..2 {
                let save = move || {
                    for number in 0..NAMES {
                        names.bind(&format!("n{thread}x{number}"), key());
                        names.save().unwrap();
                    }
                };
                thread::Builder::new().name("connection".into()).spawn_scoped(scope, save).unwrap();
            }
        });
        let kept = fs::read_to_string(folder.path("names")).unwrap();
        assert_eq!(kept.lines().count(), 2 * NAMES);
    }

    #[test]
    fn a_line_that_is_no_name_and_key_is_named_with_its_number() {
        let folder = Folder::new();
        let (one, two) = (key().to_hex(), key().to_hex());
        for (line, reason) in [
            ("Sara".to_owned(), "is not"),
            (format!("Sara {}", &one[1..]), "is not"),
            (format!("Sara {one} {two}"), "is not"),
            (format!("ANN {two}"), "belongs to another key"),
        ] {
            fs::write(folder.path("names"), format!("# kept\n\nann {one}\n{line}\n")).unwrap();
            let error = load(&folder).unwrap_err().to_string();
            assert!(error.contains("cannot use the names file") && error.contains("line 4"), "{error}");
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_saved_holds_and_is_saved_with_the_next() {
        let folder = Folder::new();
        let names = load(&folder).unwrap();
        names.bind("Ann", key());
        fs::create_dir(folder.path("names")).unwrap();
        names.save().unwrap_err();
        assert!(refused(&names, "Ann", &key()));
        fs::remove_dir(folder.path("names")).unwrap();
        names.bind("Bob", key());
        names.save().unwrap();
        drop(names);
        let names = load(&folder).unwrap();
        assert!(refused(&names, "Ann", &key()) && refused(&names, "Bob", &key()));
    }

    #[test]
    fn the_number_of_names_has_a_limit_and_further_names_are_free() {
        let folder = Folder::new();
        let (names, mine, other) = (load(&folder).unwrap(), key(), key());
        (0..MAX_NAMES + 2).for_each(|number| names.bind(&format!("n{number}"), mine));
        names.save().unwrap();
        drop(names);
        let names = load(&folder).unwrap();
        assert!(refused(&names, &format!("n{}", MAX_NAMES - 1), &other));
        assert!(!refused(&names, &format!("n{MAX_NAMES}"), &other));
    }
}
