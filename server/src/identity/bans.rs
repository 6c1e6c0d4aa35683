//! The addresses and names that the operator has banned.
//!
//! The listener, the broadcaster and the threads of operators use the list. Only operators wait for its file.
//! Nothing blocks while it holds the lock of the list.

use super::{ban::Ban, ban_file::BanFile, by_name::ByName, terms::Terms};
use chat_common::trace;
use std::{
    collections::BTreeMap,
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
    /// Held while the file is read and written, so that the list and the file change together. It comes
    /// before the lock of the list.
    file: Option<Mutex<BanFile>>,
}

#[derive(Debug, Default)]
struct List {
    addresses: BTreeMap<Ban, Terms>,
    names: ByName<Terms>,
}

impl List {
    /// Returns whether the list has all of a ban.
    fn has(&self, ban: &Ban) -> bool {
        match ban {
            Ban::Address(_) => self.addresses.get(ban).is_some_and(Terms::hold),
            Ban::Name(name) => self.names.get(name).is_some_and(Terms::hold),
        }
    }

    /// Adds a ban. It takes the place of the same one with other terms.
    fn add(&mut self, ban: &Ban, terms: &Terms) {
        match ban {
            Ban::Address(_) => drop(self.addresses.insert(ban.clone(), terms.clone())),
            Ban::Name(name) => self.names.insert(name, terms.clone()),
        }
    }

    /// Returns the terms on which an address is banned, if it is.
    fn of_address(&self, address: IpAddr) -> Option<&Terms> {
        if self.addresses.is_empty() {
            return None;
        }
        Ban::all_around(address).filter_map(|ban| self.addresses.get(&ban)).find(|terms| terms.hold())
    }

    fn iter(&self) -> impl Iterator<Item = (Ban, Terms)> + '_ {
        let addresses = self.addresses.iter().map(|(ban, terms)| (ban.clone(), terms.clone()));
        let names = self.names.iter().map(|(name, terms)| (Ban::Name(name.to_owned()), terms.clone()));
        addresses.chain(names).filter(|(_, terms)| terms.hold())
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
        for (ban, terms) in &bans {
            list.add(ban, terms);
        }
        Ok(Bans { list: Mutex::new(list), file: Some(Mutex::new(file)) })
    }

    /// Returns whether a ban is there already.
    pub(crate) fn has(&self, ban: &Ban) -> bool {
        self.lock().has(ban)
    }

    /// Adds a ban. [`Bans::save`] writes it to the file.
    pub(crate) fn add(&self, ban: &Ban, terms: &Terms) {
        self.lock().add(ban, terms);
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
    /// When the file cannot be read or written. The ban then holds until the file is read again.
    pub(crate) fn save(&self, ban: &Ban, terms: &Terms) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut file = lock(file);
        // Another operator may have had the file read again, after the room took the ban and before this.
        self.add(ban, terms);
        file.add(ban, terms)
    }

    /// Removes a ban. Returns false when there was none.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read or written. The ban is then back after a restart.
    pub(crate) fn remove(&self, ban: &Ban) -> io::Result<bool> {
        let mut file = self.file.as_ref().map(lock);
        let was_listed = match ban {
            Ban::Address(_) => self.lock().addresses.remove(ban).is_some(),
            Ban::Name(name) => self.lock().names.remove(name),
        };
        // A ban that somebody has written into the file meanwhile is not in the list.
        let was_in_file = file.as_mut().map_or(Ok(false), |file| file.remove(ban))?;
        Ok(was_listed || was_in_file)
    }

    /// Reads the file again, which somebody may have changed. The members who are here stay.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it is not a ban. The list is then as before.
    pub(crate) fn reload(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut file = lock(file);
        let bans = file.read()?;
        let mut list = List::default();
        bans.iter().for_each(|(ban, terms)| list.add(ban, terms));
        *self.lock() = list;
        Ok(())
    }

    /// Returns all bans and their terms, addresses first.
    pub(crate) fn list(&self) -> Vec<(Ban, Terms)> {
        self.lock().iter().collect()
    }

    /// Returns the bans that cover everybody whom `ban` covers.
    pub(crate) fn including(&self, ban: &Ban) -> Vec<(Ban, Terms)> {
        self.lock().iter().filter(|(other, _)| other.includes(ban)).collect()
    }

    /// Returns the terms on which `address` is banned, if it is. It searches the list for each network around
    /// the address: 33 searches for IPv4, 129 for IPv6. With 100,000 bans they take 1 and 7 us, with ten 0.6
    /// and 2 us.
    pub(crate) fn of_address(&self, address: IpAddr) -> Option<Terms> {
        self.lock().of_address(address).cloned()
    }

    /// Returns the reason for the client, if `name` or `address` is banned.
    pub(crate) fn reason(&self, name: &str, address: IpAddr) -> Option<String> {
        let list = self.lock();
        if let Some(terms) = list.names.find(name).find(|terms| terms.hold()) {
            return Some(format!("the name {name} is banned from the room{}", terms.behind()));
        }
        let terms = list.of_address(address)?;
        Some(format!("this address is banned from the room{}", terms.behind()))
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
        bans.add(&ban(word), &Terms::default());
        bans.save(&ban(word), &Terms::default()).unwrap();
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
        assert!(bans.of_address("::ffff:192.0.2.7".parse().unwrap()).is_some());
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
        let is_banned = |address: &str| bans.of_address(address.parse().unwrap()).is_some();
        assert!(is_banned("192.168.77.1") && is_banned("2001:db8::77"));
        assert!(!is_banned("192.169.0.1") && !is_banned("2001:db8:0:1::77"));
        let including = bans.including(&ban("192.168.1.7")).into_iter().map(|(ban, _)| ban);
        assert!(including.eq(["192.168.0.0/16", "192.168.1.0/24"].map(ban)));
    }

    #[test]
    fn a_file_that_is_read_again_before_a_ban_is_in_it_ends_no_ban() {
        let folder = Folder::new();
        let bans = Bans::load(folder.path("bans")).unwrap();
        bans.add(&ban("tom"), &Terms::default());
        bans.reload().unwrap();
        bans.save(&ban("tom"), &Terms::default()).unwrap();
        assert!(bans.has(&ban("tom")));
    }

    #[test]
    fn a_ban_that_was_written_into_the_file_by_hand_can_be_removed() {
        let folder = Folder::new();
        let bans = Bans::load(folder.path("bans")).unwrap();
        fs::write(folder.path("bans"), "name tom\n").unwrap();
        assert!(bans.remove(&ban("Tom")).unwrap());
        assert!(!bans.remove(&ban("Tom")).unwrap());
    }

    #[test]
    fn a_ban_that_has_ended_keeps_nobody_out_and_the_others_say_why() {
        let bans = Bans::default();
        let past = Terms { until: Some(1), ..Terms::default() };
        let terms = Terms { until: None, reason: "too loud".to_owned() };
        for (word, terms) in [("192.0.2.7", &past), ("Ann", &past), ("192.0.2.8", &terms), ("Bob", &terms)] {
            bans.add(&ban(word), terms);
        }
        let reason = |name: &str, last: u8| bans.reason(name, [192, 0, 2, last].into());
        assert_eq!((reason("Ann", 7), bans.list().len(), bans.has(&ban("Ann"))), (None, 2, false));
        assert_eq!(reason("Bob", 7).unwrap(), "the name Bob is banned from the room: too loud");
        assert_eq!(reason("Ann", 8).unwrap(), "this address is banned from the room: too loud");
        // A ban with other terms takes the place of the same one, also after a change of another.
        bans.add(&ban("bob"), &past);
        assert_eq!(reason("Bob", 7), None);
        bans.add(&ban("BOB"), &terms);
        bans.add(&ban("Zed"), &terms);
        assert!(bans.remove(&ban("zed")).unwrap() && reason("Bob", 7).is_some());
        assert_eq!(bans.list().len(), 2);
    }
}
