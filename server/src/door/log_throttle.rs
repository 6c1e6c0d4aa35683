//! Limits the log lines about a peer: one line a second for each address, so that a peer cannot fill the
//! log. Any thread may ask; it never blocks.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The shortest time between two lines about an address.
const INTERVAL: Duration = Duration::from_secs(1);
/// The most addresses in the table. While it is full of addresses from the last second, nothing is logged
/// about others.
const MAX_ADDRESSES: usize = 4096;

/// When a line about each address was last logged. The mutex protects the table.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle(Mutex<HashMap<IpAddr, Instant>>);

impl LogThrottle {
    /// Returns whether a line about `address` may be logged at `now`, and records it.
    pub(super) fn may_log_at(&self, address: IpAddr, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(&address).is_some_and(|then| now.duration_since(*then) < INTERVAL) {
            return false;
        }
        if last.len() >= MAX_ADDRESSES {
            last.retain(|_, then| now.duration_since(*then) < INTERVAL);
        }
        let has_space = last.len() < MAX_ADDRESSES;
        if has_space {
            last.insert(address, now);
        }
        has_space
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_gets_one_line_a_second() {
        let throttle = LogThrottle::default();
        let (one, two): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let start = Instant::now();
        assert!(throttle.may_log_at(one, start));
        assert!(!throttle.may_log_at(one, start));
        assert!(throttle.may_log_at(two, start));
        assert!(throttle.may_log_at(one, start + INTERVAL));
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = LogThrottle::default();
        let start = Instant::now();
        for n in 0..2 * MAX_ADDRESSES as u32 {
            throttle.may_log_at(IpAddr::from(n.to_be_bytes()), start);
        }
        assert_eq!(throttle.0.lock().unwrap().len(), MAX_ADDRESSES);
        assert!(throttle.may_log_at([255, 0, 0, 1].into(), start + INTERVAL));
    }
}
