//! Keeps strangers from filling the log: one line for each address and second, however much it does.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const INTERVAL: Duration = Duration::from_secs(1);
/// Addresses remembered at the most; beyond that nothing is logged until a second has passed for some of them.
const MOST_ADDRESSES: usize = 4096;

/// When each address was last complained about.
#[derive(Debug, Default)]
pub struct Complaints(Mutex<HashMap<IpAddr, Instant>>);

impl Complaints {
    /// Whether a line about `address` may be logged now.
    pub fn may_log(&self, address: IpAddr) -> bool {
        self.may_log_at(address, Instant::now())
    }

    fn may_log_at(&self, address: IpAddr, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(&address).is_some_and(|then| now.duration_since(*then) < INTERVAL) {
            return false;
        }
        if last.len() >= MOST_ADDRESSES {
            last.retain(|_, then| now.duration_since(*then) < INTERVAL);
        }
        let room = last.len() < MOST_ADDRESSES;
        if room {
            last.insert(address, now);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_each_address_and_second() {
        let complaints = Complaints::default();
        let (one, two): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let start = Instant::now();
        assert!(complaints.may_log_at(one, start));
        assert!(!complaints.may_log_at(one, start));
        assert!(complaints.may_log_at(two, start));
        assert!(complaints.may_log_at(one, start + INTERVAL));
    }

    #[test]
    fn memory_is_bounded() {
        let complaints = Complaints::default();
        let start = Instant::now();
        for n in 0..2 * MOST_ADDRESSES as u32 {
            complaints.may_log_at(IpAddr::from(n.to_be_bytes()), start);
        }
        assert_eq!(complaints.0.lock().unwrap().len(), MOST_ADDRESSES);
        assert!(complaints.may_log_at([255, 0, 0, 1].into(), start + INTERVAL));
    }
}
