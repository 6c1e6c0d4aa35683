//! The addresses and names that the operator has banned.
//!
//! The listener, the broadcaster and the console use the list on their own threads. Only the console changes
//! it, and waits for its file. Nothing blocks while it holds the lock.

use super::{ban::Ban, ban_file::BanFile, by_name::ByName};
use chat_common::trace;
use std::{
    collections::BTreeSet,
    io,
    net::IpAddr,
    path::PathBuf,
    sync::{Mutex, MutexGuard},
};

/// The list of bans and its file.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    /// Protects the list, not the file.
    list: Mutex<List>,
    /// Held while the file is read and written.
    file: Option<Mutex<BanFile>>,
}

#[derive(Debug, Default)]
struct List {
    addresses: BTreeSet<Ban>,
    names: ByName<()>,
}

impl List {
    /// Returns whether the list has all of a ban.
    fn has(&self, ban: &Ban) -> bool {
        match ban {
            Ban::Address(_) => self.addresses.contains(ban),
            Ban::Name(name) => self.names.covers(name),
        }
    }

    fn add(&mut self, ban: &Ban) {
        match ban {
            Ban::Address(_) => drop(self.addresses.insert(ban.clone())),
            Ban::Name(name) if self.names.covers(name) => {}
            Ban::Name(name) => self.names.insert(name, ()),
        }
    }

    fn iter(&self) -> impl Iterator<Item = Ban> + '_ {
        self.addresses.iter().cloned().chain(self.names.iter().map(|(name, ())| Ban::Name(name.to_owned())))
    }
}

impl Bans {
    /// Reads the bans from the file at `path`, and keeps later changes there. A missing file is an empty
    /// list.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When another server has the file, it cannot be read, a line of it is not a ban, or it cannot be
    /// written. The server must not start then: a missing ban would let somebody in, and a new ban would be
    /// lost.
    pub(crate) fn load(path: PathBuf) -> io::Result<Bans> {
        let (file, bans) = BanFile::load(path)?;
        let mut list = List::default();
        for ban in &bans {
            list.add(ban);
        }
        Ok(Bans { list: Mutex::new(list), file: Some(Mutex::new(file)) })
    }

    /// Returns whether a ban is there already.
    pub(crate) fn has(&self, ban: &Ban) -> bool {
        self.lock().has(ban)
    }

    /// Adds a ban. [`Bans::save`] writes it to the file.
    pub(crate) fn add(&self, ban: &Ban) {
        self.lock().add(ban);
    }

    /// Returns whether the bans are kept in a file.
    pub(crate) fn have_file(&self) -> bool {
        self.file.is_some()
    }

    /// Writes a ban to the file.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read or written. The ban then holds until the server ends.
    pub(crate) fn save(&self, ban: &Ban) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| lock(file).add(ban))
    }

    /// Removes a ban. Returns false when there was none.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read or written. The ban is then back after a restart.
    pub(crate) fn remove(&self, ban: &Ban) -> io::Result<bool> {
        let was_listed = match ban {
            Ban::Address(_) => self.lock().addresses.remove(ban),
            Ban::Name(name) => self.lock().names.remove(name),
        };
        // A ban that somebody has written into the file meanwhile is not in the list.
        let was_in_file = self.file.as_ref().map_or(Ok(false), |file| lock(file).remove(ban))?;
        Ok(was_listed || was_in_file)
    }

    /// Returns all bans, addresses first.
    pub(crate) fn list(&self) -> Vec<Ban> {
        self.lock().iter().collect()
    }

    /// Returns the bans that cover everybody whom `ban` covers.
    pub(crate) fn including(&self, ban: &Ban) -> Vec<Ban> {
        self.lock().iter().filter(|other| other.includes(ban)).collect()
    }

    /// Returns whether `address` is banned. It searches the list for each network that the address is in:
    /// 33 searches for IPv4, 129 for IPv6. With 100,000 bans they take 1 and 7 us, with ten 0.6 and 2 us.
    pub(crate) fn covers_address(&self, address: IpAddr) -> bool {
        let list = self.lock();
        Ban::all_around(address).any(|ban| list.addresses.contains(&ban))
    }

    /// Returns the reason for the client, if `name` or `address` is banned.
    pub(crate) fn reason(&self, name: &str, address: IpAddr) -> Option<String> {
        if self.lock().names.find(name).next().is_some() {
            return Some(format!("the name {name} is banned from the room"));
        }
        self.covers_address(address).then(|| "this address is banned from the room".to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        lock(&self.list)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    trace::lock(mutex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::Folder;
    use std::fs;

    fn ban(word: &str) -> Ban {
        Ban::of(word).unwrap()
    }

    /// Adds a ban as the room and the console do. Returns false when it was there already.
    fn add(bans: &Bans, word: &str) -> bool {
        let is_new = !bans.has(&ban(word));
        bans.add(&ban(word));
        bans.save(&ban(word)).unwrap();
        is_new
    }

    #[test]
    fn bans_survive_a_restart() {
        let folder = Folder::new();
        let load = || Bans::load(folder.path("bans")).unwrap();
        let bans = load();
        assert!(add(&bans, "192.0.2.7"));
        assert!(add(&bans, "Sara"));
        assert!(!add(&bans, "SARA"), "the same name in another case");
        assert!(add(&bans, "2001:db8::1"));
        assert!(bans.remove(&ban("2001:db8::2")).unwrap(), "the same host");
        drop(bans);

        let bans = load();
        assert!(bans.covers_address("::ffff:192.0.2.7".parse().unwrap()));
        let is_banned = |name: &str| bans.reason(name, [198, 51, 100, 1].into()).is_some();
        assert!(is_banned("sARa") && !is_banned("Tom"));
        assert_eq!(bans.list().len(), 2);
        // A name that looks the same is banned with it, and ends the ban with it.
        assert!(add(&bans, "Bill"));
        assert!(is_banned("BiII") && is_banned("bi1l") && !is_banned("Will"));
        assert!(bans.remove(&ban("BiII")).unwrap() && !is_banned("Bill"));
        assert_eq!(fs::read_to_string(folder.path("bans")).unwrap(), "address 192.0.2.7\nname Sara\n");
    }

    #[test]
    fn a_banned_network_keeps_all_its_addresses_out() {
        let bans = Bans::default();
        for word in ["192.168.0.0/16", "2001:db8::1", "192.168.1.0/24"] {
            assert!(add(&bans, word));
        }
        let is_banned = |address: &str| bans.covers_address(address.parse().unwrap());
        assert!(is_banned("192.168.77.1") && is_banned("2001:db8::77"));
        assert!(!is_banned("192.169.0.1") && !is_banned("2001:db8:0:1::77"));
        assert_eq!(bans.including(&ban("192.168.1.7")), [ban("192.168.0.0/16"), ban("192.168.1.0/24")]);
    }

    #[test]
    fn a_ban_that_was_written_into_the_file_by_hand_can_be_removed() {
        let folder = Folder::new();
        let bans = Bans::load(folder.path("bans")).unwrap();
        fs::write(folder.path("bans"), "name tom\n").unwrap();
        assert!(bans.remove(&ban("Tom")).unwrap());
        assert!(!bans.remove(&ban("Tom")).unwrap());
    }
}
