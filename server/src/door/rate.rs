//! How fast a client may send requests: a token bucket for each. A client over its limit is not refused. The
//! thread of its connection waits before its next read, and TCP slows the client down.
//!
//! A bucket belongs to a session, whatever connection that is on. A client that joins anew gets the emptiest
//! bucket that an earlier session from its address has left. So no client fills its bucket by coming back.

use crate::settings::Limits;
use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// All buckets that are in use or not full, with the address that they were made for.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<Vec<(IpAddr, Arc<Bucket>)>>);

/// A token bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Requests at once; 0 turns the limit off.
    burst: f64,
    /// Requests a second after that.
    per_second: f64,
    /// The tokens, and when they were counted.
    tokens: Mutex<(f64, Instant)>,
}

impl Buckets {
    /// Returns a bucket for a new connection from `address`.
    pub(super) fn bucket(&self, limits: &Limits, address: IpAddr, now: Instant) -> Arc<Bucket> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_unused = |bucket: &Arc<Bucket>| Arc::strong_count(bucket) == 1;
        // An unused bucket that is full is as good as a new one.
        all.retain(|(_, bucket)| !is_unused(bucket) || bucket.count(now).0 < bucket.burst);
        let left = all.iter().filter(|(owner, bucket)| *owner == address && is_unused(bucket));
        let emptiest = left.min_by(|(_, one), (_, other)| one.count(now).0.total_cmp(&other.count(now).0));
        if let Some((_, bucket)) = emptiest {
            return Arc::clone(bucket);
        }
        let (burst, per_second) = (limits.rate_burst as f64, limits.rate as f64);
        let bucket = Arc::new(Bucket { burst, per_second, tokens: Mutex::new((burst, now)) });
        all.push((address, Arc::clone(&bucket)));
        bucket
    }
}

impl Bucket {
    /// Takes one token, and returns how long to wait before the next request.
    pub(crate) fn take(&self, now: Instant) -> Duration {
        let mut tokens = self.count(now);
        if self.burst < 1.0 {
            return Duration::ZERO;
        }
        tokens.0 -= 1.0;
        Duration::from_secs_f64((-tokens.0 / self.per_second).max(0.0))
    }

    /// Counts the tokens as they are now.
    fn count(&self, now: Instant) -> MutexGuard<'_, (f64, Instant)> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let new = now.saturating_duration_since(tokens.1).as_secs_f64() * self.per_second;
        *tokens = ((tokens.0 + new).min(self.burst), now);
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn limits(rate_burst: usize, rate: usize) -> Limits {
        Limits { rate_burst, rate, ..Limits::default() }
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut now = Instant::now();
        let bucket = Buckets::default().bucket(&limits(3, 10), HERE, now);
        for _ in 0..3 {
            assert_eq!(bucket.take(now), Duration::ZERO);
        }
        for _ in 0..5 {
            let wait = bucket.take(now);
            assert!(wait > Duration::from_millis(99) && wait < Duration::from_millis(101), "{wait:?}");
            now += wait;
        }
        assert_eq!(bucket.take(now + Duration::from_secs(60)), Duration::ZERO);
    }

    #[test]
    fn no_burst_means_no_limit() {
        let now = Instant::now();
        let bucket = Buckets::default().bucket(&limits(0, 50), HERE, now);
        for _ in 0..1000 {
            assert_eq!(bucket.take(now), Duration::ZERO);
        }
    }

    #[test]
    fn a_client_that_comes_back_gets_its_bucket_as_it_left_it() {
        let (buckets, limits, now) = (Buckets::default(), limits(10, 1), Instant::now());
        for uses in [10, 0] {
            let bucket = buckets.bucket(&limits, HERE, now);
            for _ in 0..uses {
                assert_eq!(bucket.take(now), Duration::ZERO);
            }
            assert!(!bucket.take(now).is_zero(), "the burst is used up");
        }
        // A second client from the same address, at the same time, has its own bucket.
        let _first = buckets.bucket(&limits, HERE, now);
        assert_eq!(buckets.bucket(&limits, HERE, now).take(now), Duration::ZERO);
    }

    #[test]
    fn a_bucket_that_nobody_uses_is_forgotten_when_it_is_full() {
        let (buckets, limits, now) = (Buckets::default(), limits(10, 1), Instant::now());
        buckets.bucket(&limits, HERE, now).take(now);
        let _later = buckets.bucket(&limits, HERE, now + Duration::from_secs(60));
        assert_eq!(buckets.0.lock().unwrap().len(), 1);
    }
}
