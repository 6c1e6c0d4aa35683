//! Who is connected over HTTP, and how many may be. The thread that accepts calls it, and each connection's
//! thread at its end.
//!
//! An address has 64 connections at most. When all places are taken, the address that has most loses one: so
//! a crowd from one address pushes out only itself.

use chat_common::wire::stream::Stream;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The most connections of one address. A browser opens six.
const MAX_OF_ADDRESS: usize = 64;
/// The most connections of all addresses. Each has a thread.
const MAX_IN_ALL: usize = 1024;

/// The open connections.
#[derive(Default)]
pub(super) struct Crowd {
    /// Each with its number and its address. Protects nothing else.
    open: Mutex<Vec<(u64, IpAddr, Arc<Stream>)>>,
}

impl Crowd {
    /// Lets a connection in, if its address may have another one. An `exempt` address may have any number.
    /// Returns whether it is in.
    pub(super) fn enter(&self, number: u64, address: IpAddr, exempt: bool, stream: &Arc<Stream>) -> bool {
        let mut open = self.lock();
        let of_address = open.iter().filter(|(_, other, _)| *other == address).count();
        if !exempt && of_address >= MAX_OF_ADDRESS {
            return false;
        }
        if open.len() >= MAX_IN_ALL {
            let mut counts: HashMap<IpAddr, usize> = HashMap::new();
            open.iter().for_each(|(_, address, _)| *counts.entry(*address).or_default() += 1);
            let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(address, _)| address);
            // The newest goes: it has the least to lose.
            let Some(at) = open.iter().rposition(|(_, address, _)| Some(*address) == most) else {
                return false;
            };
            open.remove(at).2.shut_down();
        }
        open.push((number, address, Arc::clone(stream)));
        true
    }

    /// Forgets a connection that has ended.
    pub(super) fn leave(&self, number: u64) {
        self.lock().retain(|(other, ..)| *other != number);
    }

    /// Ends all connections, so that their threads end.
    pub(super) fn shut_down(&self) {
        self.lock().iter().for_each(|(.., stream)| stream.shut_down());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u64, IpAddr, Arc<Stream>)>> {
        // The list is valid after any panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// Numbers of the connections that are in.
    fn numbers(crowd: &Crowd) -> Vec<u64> {
        crowd.lock().iter().map(|(number, ..)| *number).collect()
    }

    #[test]
    fn an_address_has_its_limit_and_the_proxy_has_none() {
        let (crowd, stream) =
            (Crowd::default(), Arc::new(Stream::pair().unwrap().into_iter().next().unwrap()));
        for number in 0..64 {
            assert!(crowd.enter(number, address(1), false, &stream));
        }
        assert!(!crowd.enter(64, address(1), false, &stream));
        assert!(crowd.enter(65, address(2), false, &stream) && crowd.enter(66, address(1), true, &stream));
        crowd.leave(3);
        crowd.leave(66);
        assert!(crowd.enter(67, address(1), false, &stream));
    }

    #[test]
    fn the_address_that_has_most_loses_its_newest_connection_when_all_places_are_taken() {
        let (crowd, stream) =
            (Crowd::default(), Arc::new(Stream::pair().unwrap().into_iter().next().unwrap()));
        let proxy = address(1);
        assert!(crowd.enter(0, address(2), false, &stream));
        (1..MAX_IN_ALL as u64).for_each(|number| assert!(crowd.enter(number, proxy, true, &stream)));
        assert!(crowd.enter(5000, address(3), false, &stream));
        let in_crowd = numbers(&crowd);
        assert_eq!(in_crowd.len(), MAX_IN_ALL);
        assert!(in_crowd.contains(&0) && !in_crowd.contains(&(MAX_IN_ALL as u64 - 1)));
    }
}
