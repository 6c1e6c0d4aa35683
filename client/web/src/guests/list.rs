//! The list of all guests, and the secrets by which their pages are known. Any thread may call it.

use crate::guests::{guest::Guest, shared_lines::SharedLines};
use chat_common::wire::token::Token;
use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The most guests in all. Each has two connections to the server and up to three threads.
const MAX_IN_ALL: usize = 500;
/// How many older pages of a guest are remembered, so that they are told that another one has the guest.
const OLDER_PAGES: usize = 8;

/// All guests.
pub(crate) struct Guests {
    entries: Mutex<Vec<Entry>>,
    shared: Arc<SharedLines>,
    /// The most guests of one address.
    of_address: usize,
}

struct Entry {
    guest: Arc<Guest>,
    /// The secret of the page that has the guest, and the number of that page.
    page: Option<(Token, u64)>,
    /// The secrets of the pages before.
    older: VecDeque<Token>,
}

/// Whose secret it is.
pub(crate) enum Known {
    /// That of the page which has this guest, and the number of the page.
    Guest(Arc<Guest>, u64),
    /// That of an older page. Another one has the guest.
    Older,
    /// Nobody's.
    Nobody,
}

/// Why there is no place for another guest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// The address has as many as it may have.
    OfAddress,
    /// All places are taken.
    InAll,
}

impl Guests {
    /// Nobody is here. An address may have so many guests.
    pub(crate) fn new(of_address: usize) -> Guests {
        Guests { entries: Mutex::default(), shared: Arc::default(), of_address }
    }

    /// Returns the guest with this token, and whether it is a new one. A guest of an `exempt` address is not
    /// counted with others of that address.
    ///
    /// # Errors
    /// When there is no place for a new guest.
    pub(crate) fn find_or_add(
        &self,
        token: Token,
        address: IpAddr,
        exempt: bool,
    ) -> Result<(Arc<Guest>, bool), NoPlace> {
        let mut entries = self.lock();
        if let Some(entry) =
            entries.iter().find(|entry| entry.guest.token == token && !entry.guest.is_leaving())
        {
            return Ok((Arc::clone(&entry.guest), false));
        }
        let of_address = entries.iter().filter(|entry| entry.guest.address == address).count();
        if !exempt && of_address >= self.of_address {
            return Err(NoPlace::OfAddress);
        }
        if entries.len() >= MAX_IN_ALL {
            return Err(NoPlace::InAll);
        }
        let guest = Arc::new(Guest::new(token, address, Arc::clone(&self.shared)));
        entries.push(Entry { guest: Arc::clone(&guest), page: None, older: VecDeque::new() });
        Ok((guest, true))
    }

    /// Gives a guest to a page. Returns the secret by which the page is known from now on, or `None` if the
    /// guest has gone, or a newer page has it.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(crate) fn give_to_page(&self, guest: &Arc<Guest>, page: u64) -> io::Result<Option<Token>> {
        let secret = Token::random()?;
        let mut entries = self.lock();
        let Some(entry) = entries.iter_mut().find(|entry| Arc::ptr_eq(&entry.guest, guest)) else {
            return Ok(None);
        };
        if entry.page.is_some_and(|(_, newer)| newer > page) {
            return Ok(None);
        }
        entry.older.extend(entry.page.replace((secret, page)).map(|(old, _)| old));
        if entry.older.len() > OLDER_PAGES {
            entry.older.pop_front();
        }
        Ok(Some(secret))
    }

    /// Returns whose secret this is. It takes the same time wherever the secret differs from another.
    pub(crate) fn by_secret(&self, secret: Token) -> Known {
        let entries = self.lock();
        let is_known = |entry: &Entry| entry.page.filter(|(known, _)| *known == secret).map(|(_, page)| page);
        let known = entries.iter().find_map(|entry| Some((Arc::clone(&entry.guest), is_known(entry)?)));
        if let Some((guest, page)) = known {
            return Known::Guest(guest, page);
        }
        match entries.iter().any(|entry| entry.older.contains(&secret)) {
            true => Known::Older,
            false => Known::Nobody,
        }
    }

    /// Forgets a guest that has gone, or never began.
    pub(crate) fn remove(&self, guest: &Arc<Guest>) {
        self.lock().retain(|entry| !Arc::ptr_eq(&entry.guest, guest));
    }

    /// Returns all guests.
    pub(crate) fn all(&self) -> Vec<Arc<Guest>> {
        self.lock().iter().map(|entry| Arc::clone(&entry.guest)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        // The list is valid after any panic.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(byte: u8) -> Token {
        Token::from_bytes([byte; 16])
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_address_has_so_many_guests_and_an_exempt_one_any_number() {
        let guests = Guests::new(2);
        let add =
            |byte, last, exempt| guests.find_or_add(token(byte), address(last), exempt).map(|(_, new)| new);
        assert_eq!((add(1, 1, false), add(2, 1, false)), (Ok(true), Ok(true)));
        assert_eq!(add(3, 1, false), Err(NoPlace::OfAddress));
        assert_eq!((add(3, 2, false), add(4, 1, true), add(1, 1, false)), (Ok(true), Ok(true), Ok(false)));
    }

    #[test]
    fn all_places_are_taken_at_some_time() {
        let guests = Guests::new(usize::MAX);
        for number in 0..MAX_IN_ALL as u64 {
            let mut bytes = [1; 16];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            guests.find_or_add(Token::from_bytes(bytes), address(1), false).unwrap();
        }
        let full = guests.find_or_add(token(2), address(2), true);
        assert_eq!(full.map(drop), Err(NoPlace::InAll));
    }

    #[test]
    fn an_older_page_is_told_that_another_one_has_the_guest() {
        let guests = Guests::new(1);
        let (guest, _) = guests.find_or_add(token(1), address(1), false).unwrap();
        assert!(matches!(guests.by_secret(token(1)), Known::Nobody), "the token is not a page's secret");
        let first = guests.give_to_page(&guest, 1).unwrap().unwrap();
        assert!(matches!(guests.by_secret(first), Known::Guest(_, 1)));
        let second = guests.give_to_page(&guest, 2).unwrap().unwrap();
        assert!(matches!(guests.by_secret(first), Known::Older));
        assert!(matches!(guests.by_secret(second), Known::Guest(_, 2)));
        guests.remove(&guest);
        assert!(matches!(guests.by_secret(second), Known::Nobody));
        assert!(guests.give_to_page(&guest, 3).unwrap().is_none());
    }
}
