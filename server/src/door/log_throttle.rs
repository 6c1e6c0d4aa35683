//! Keeps strangers from filling the log: at most one line for each address and second.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const INTERVAL: Duration = Duration::from_secs(1);
/// Addresses that are remembered. Beyond that nothing is logged until a second has passed for some of them.
const MAX_ADDRESSES: usize = 4096;

/// When each address was last logged.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle(Mutex<HashMap<IpAddr, Instant>>);

impl LogThrottle {
    /// Whether a line about `address` may be logged now.
    pub(crate) fn may_log(&self, address: IpAddr) -> bool {
        self.may_log_at(address, Instant::now())
    }

    fn may_log_at(&self, address: IpAddr, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(&address).is_some_and(|then| now.duration_since(*then) < INTERVAL) {
            return false;
        }
        if last.len() >= MAX_ADDRESSES {
            last.retain(|_, then| now.duration_since(*then) < INTERVAL);
        }
        let room = last.len() < MAX_ADDRESSES;
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
