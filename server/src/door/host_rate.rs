//! How often something may happen for each host: a token bucket for each, without waiting. It limits the new
//! connections and the logged lines. Any thread may ask; it never blocks.

use super::{host::Host, rate::Bucket};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The most hosts in a table, some 500 KiB. The hosts that find no place share one bucket.
const MAX_HOSTS: usize = 4096;
/// The shortest time between two searches of a full table for buckets that are full again. One search takes
/// some 100 us.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// A token bucket for each host. All have the same burst and rate.
#[derive(Debug)]
pub(super) struct HostRate {
    /// Tokens at once; 0 turns the limit off.
    burst: usize,
    /// Tokens a second after that.
    per_second: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// The entry `None` is for all hosts that find no place.
    entries: HashMap<Option<Host>, Entry>,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    bucket: Bucket,
    /// How often there was no token since the last one was taken.
    refused: u64,
}

impl HostRate {
    pub(super) fn new(burst: usize, per_second: usize) -> HostRate {
        HostRate { burst, per_second, table: Mutex::default() }
    }

    /// Takes a token of `host`. Returns how often there was none since the last one was taken, or `None` when
    /// there is none now. For hosts that share a bucket nothing is counted.
    pub(super) fn take(&self, host: Host, now: Instant) -> Option<u64> {
        if self.burst == 0 {
            return Some(0);
        }
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let key = table.has_place_for(host, now).then_some(host);
        let new = || Entry { bucket: Bucket::new(self.burst, self.per_second, now), refused: 0 };
        let entry = table.entries.entry(key).or_insert_with(new);
        if entry.bucket.try_take(now) {
            Some(std::mem::take(&mut entry.refused))
        } else {
            entry.refused += u64::from(key.is_some());
            None
        }
    }
}

impl Table {
    /// Returns whether `host` has an entry or can get one. Makes space when the table is full: a bucket that
    /// is full is as good as none, and what was refused to its host long ago is forgotten.
    fn has_place_for(&mut self, host: Host, now: Instant) -> bool {
        if self.entries.len() < MAX_HOSTS || self.entries.contains_key(&Some(host)) {
            return true;
        }
        if self.swept.is_none_or(|swept| now.duration_since(swept) >= SWEEP_INTERVAL) {
            self.swept = Some(now);
            self.entries.retain(|_, entry| !entry.bucket.is_full(now));
        }
        self.entries.len() < MAX_HOSTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: u32) -> Host {
        Host::of(number.to_be_bytes().into())
    }

    #[test]
    fn each_host_has_its_own_burst_and_rate_and_learns_what_was_refused() {
        let rate = HostRate::new(2, 1);
        let start = Instant::now();
        let taken = |number| (0..5).filter(|_| rate.take(host(number), start).is_some()).count();
        assert_eq!((taken(1), taken(2)), (2, 2));
        let later = start + Duration::from_secs(1);
        assert_eq!(rate.take(host(1), later), Some(3));
        assert_eq!(rate.take(host(1), later), None);
    }

    #[test]
    fn memory_is_bounded_and_the_hosts_without_a_place_share_one_bucket() {
        let rate = HostRate::new(2, 1);
        let start = Instant::now();
        let many = 2 * MAX_HOSTS as u32;
        let taken = (0..many).filter(|number| rate.take(host(*number), start).is_some()).count();
        assert!((MAX_HOSTS..MAX_HOSTS + 3).contains(&taken), "{taken}");
        assert!(rate.table.lock().unwrap().entries.len() <= MAX_HOSTS + 1);
        // When the others are full again, a host gets a bucket of its own.
        let later = start + Duration::from_secs(2);
        assert!((0..2).all(|_| rate.take(host(many + 1), later).is_some()));
        assert!((0..2).all(|_| rate.take(host(many + 2), later).is_some()));
    }

    #[test]
    fn no_burst_means_no_limit_and_no_memory() {
        let rate = HostRate::new(0, 1);
        assert!((0..1000).all(|number| rate.take(host(number), Instant::now()) == Some(0)));
        assert_eq!(rate.table.lock().unwrap().entries.len(), 0);
    }
}
