//! How fast members may send: a token bucket for each. Over it nothing is refused; the connection's thread waits before its next
//! read, and TCP slows the sender down.
//!
//! A bucket outlives its connection until it is full again, so that a client cannot fill it by coming back.

use crate::settings::limits::Limits;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Addresses for which unused buckets are kept before the full ones are dropped.
const ADDRESSES_KEPT: usize = 1024;

/// The buckets that nobody uses and that are not full.
#[derive(Debug)]
pub(crate) struct Buckets {
    unused: Mutex<HashMap<IpAddr, Vec<Bucket>>>,
    /// Requests at once; 0 turns the limit off.
    burst: f64,
    /// Requests a second after that.
    per_second: f64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// A bucket in use. Dropping it leaves the bucket to the next connection from the same address.
#[derive(Debug)]
pub(crate) struct Rate<'a> {
    buckets: &'a Buckets,
    address: IpAddr,
    bucket: Bucket,
}

impl Buckets {
    pub(crate) fn new(limits: &Limits) -> Buckets {
        let (burst, per_second) = (limits.rate_burst as f64, limits.rate as f64);
        Buckets { unused: Mutex::default(), burst, per_second }
    }

    /// A bucket for a connection from `address`: the emptiest that an earlier one has left there, or else a full one.
    pub(crate) fn rate(&self, address: IpAddr) -> Rate<'_> {
        self.rate_at(address, Instant::now())
    }

    fn rate_at(&self, address: IpAddr, now: Instant) -> Rate<'_> {
        let mut unused = self.lock();
        let left = unused.remove(&address).map_or_else(Vec::new, |buckets| self.not_full(buckets, now));
        let emptiest =
            left.iter().enumerate().min_by(|(_, one), (_, other)| one.tokens.total_cmp(&other.tokens));
        let bucket = match emptiest.map(|(index, bucket)| (index, *bucket)) {
            Some((index, bucket)) => {
                let mut left = left;
                left.swap_remove(index);
                unused.insert(address, left);
                bucket
            }
            None => Bucket { tokens: self.burst, filled: now },
        };
        Rate { buckets: self, address, bucket }
    }

    /// The buckets as they are now, without those that have become full.
    fn not_full(&self, mut buckets: Vec<Bucket>, now: Instant) -> Vec<Bucket> {
        buckets.iter_mut().for_each(|bucket| bucket.refill(self, now));
        buckets.retain(|bucket| bucket.tokens < self.burst);
        buckets
    }

    fn put_back(&self, address: IpAddr, bucket: Bucket, now: Instant) {
        let mut unused = self.lock();
        if unused.len() >= ADDRESSES_KEPT {
            let all = std::mem::take(&mut *unused);
            let kept = all.into_iter().map(|(address, buckets)| (address, self.not_full(buckets, now)));
            *unused = kept.filter(|(_, buckets)| !buckets.is_empty()).collect();
        }
        unused.entry(address).or_default().push(bucket);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Vec<Bucket>>> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    fn refill(&mut self, buckets: &Buckets, now: Instant) {
        let refill = now.saturating_duration_since(self.filled).as_secs_f64() * buckets.per_second;
        self.tokens = (self.tokens + refill).min(buckets.burst);
        self.filled = now;
    }
}

impl Rate<'_> {
    /// Takes one token, and returns how long to wait before the next request.
    pub(crate) fn take(&mut self) -> Duration {
        self.take_at(Instant::now())
    }

    fn take_at(&mut self, now: Instant) -> Duration {
        if self.buckets.burst < 1.0 {
            return Duration::ZERO;
        }
        self.bucket.refill(self.buckets, now);
        self.bucket.tokens -= 1.0;
        Duration::from_secs_f64((-self.bucket.tokens / self.buckets.per_second).max(0.0))
    }
}

impl Drop for Rate<'_> {
    fn drop(&mut self) {
        if self.bucket.tokens < self.buckets.burst {
            self.buckets.put_back(self.address, self.bucket, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn buckets(rate_burst: usize, rate: usize) -> Buckets {
        Buckets::new(&Limits { rate_burst, rate, ..Limits::default() })
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let buckets = buckets(3, 10);
        let mut now = Instant::now();
        let mut rate = buckets.rate_at(HERE, now);
        for _ in 0..3 {
            assert_eq!(rate.take_at(now), Duration::ZERO);
        }
        for _ in 0..5 {
            let wait = rate.take_at(now);
            assert!(wait > Duration::from_millis(99) && wait < Duration::from_millis(101), "{wait:?}");
            now += wait;
        }
        assert_eq!(rate.take_at(now + Duration::from_secs(60)), Duration::ZERO);
    }

    #[test]
    fn no_burst_means_no_limit() {
        let buckets = buckets(0, 50);
        let mut rate = buckets.rate(HERE);
        for _ in 0..1000 {
            assert_eq!(rate.take(), Duration::ZERO);
        }
    }

    #[test]
    fn a_client_that_comes_back_finds_its_bucket_as_it_left_it() {
        let buckets = buckets(10, 1);
        let now = Instant::now();
        for uses in [10, 0] {
            let mut rate = buckets.rate_at(HERE, now);
            for _ in 0..uses {
                assert_eq!(rate.take_at(now), Duration::ZERO);
            }
            assert!(!rate.take_at(now).is_zero(), "the burst is used up");
        }
        // Somebody who joins beside it has a bucket of his own.
        let _first = buckets.rate_at(HERE, now);
        assert_eq!(buckets.rate_at(HERE, now).take_at(now), Duration::ZERO);
    }

    #[test]
    fn a_bucket_is_forgotten_when_it_is_full() {
        let buckets = buckets(10, 1);
        let now = Instant::now();
        buckets.rate_at(HERE, now).take_at(now);
        drop(buckets.rate_at(HERE, now + Duration::from_secs(60)));
        assert!(buckets.lock().is_empty());
    }
}
