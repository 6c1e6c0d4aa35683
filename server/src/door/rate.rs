//! How fast a client may send requests: a token bucket for each connection. A client over its limit is not
//! refused. The thread of its connection waits before its next read, and TCP slows the client down.
//!
//! A bucket outlives its connection until it is full again. A new connection gets the emptiest bucket of its
//! host that no connection holds. A new bucket is made only if there is none, so a host never has more
//! buckets than connections at one time. A client that leaves and joins gains nothing by that.

use super::host::Host;
use crate::settings::Limits;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The table of buckets is not searched for unused ones while it has fewer hosts than this.
const FEW_HOSTS: usize = 64;

/// The buckets of all hosts.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// Invariant: only connections hold clones of a bucket, and a clone is made only under the lock. So a
    /// bucket with one owner is free.
    by_host: HashMap<Host, Vec<Arc<Bucket>>>,
    /// The number of hosts at which the unused buckets of all hosts are removed. It is twice the number that
    /// were left the last time, so the work for each new host is constant on average.
    sweep_at: usize,
}

/// A token bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Tokens at once; 0 turns the limit off.
    burst: f64,
    /// Tokens a second after that.
    per_second: f64,
    /// The tokens, and when they were counted.
    tokens: Mutex<(f64, Instant)>,
}

impl Buckets {
    /// Returns the bucket for a new connection of `host`. It looks at each bucket of that host, which takes
    /// some 30 us for 1,000 of them.
    pub(super) fn bucket(&self, limits: &Limits, host: Host, now: Instant) -> Arc<Bucket> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.by_host.len() >= table.sweep_at {
            table.by_host.retain(|_, buckets| {
                buckets.retain(|bucket| is_needed(bucket, now));
                !buckets.is_empty()
            });
            table.sweep_at = (2 * table.by_host.len()).max(FEW_HOSTS);
        }
        let own = table.by_host.entry(host).or_default();
        own.retain(|bucket| is_needed(bucket, now));
        let free = own.iter().filter(|bucket| !is_held(bucket));
        let emptiest = free.min_by(|one, other| one.count(now).0.total_cmp(&other.count(now).0));
        if let Some(bucket) = emptiest {
            return Arc::clone(bucket);
        }
        let bucket = Arc::new(Bucket::new(limits.rate_burst, limits.rate, now));
        own.push(Arc::clone(&bucket));
        bucket
    }
}

/// Returns whether a connection holds the bucket. The table itself is its first owner.
fn is_held(bucket: &Arc<Bucket>) -> bool {
    Arc::strong_count(bucket) > 1
}

/// Returns whether the bucket must be kept. A free bucket that is full is as good as a new one.
fn is_needed(bucket: &Arc<Bucket>, now: Instant) -> bool {
    is_held(bucket) || !bucket.is_full(now)
}

impl Bucket {
    /// Returns a full bucket. A `burst` of 0 turns its limit off.
    pub(super) fn new(burst: usize, per_second: usize, now: Instant) -> Bucket {
        let (burst, per_second) = (burst as f64, per_second as f64);
        Bucket { burst, per_second, tokens: Mutex::new((burst, now)) }
    }

    /// Takes `cost` tokens, and returns how long to wait before the next request.
    ///
    /// A cost above the burst counts as the burst. So a caller that waits each time waits no longer than an
    /// empty bucket needs to fill: 4 s with the default limits.
    pub(crate) fn take(&self, now: Instant, cost: u32) -> Duration {
        let mut tokens = self.count(now);
        if self.is_off() {
            return Duration::ZERO;
        }
        tokens.0 -= f64::from(cost).min(self.burst);
        Duration::from_secs_f64((-tokens.0 / self.per_second).max(0.0))
    }

    /// Takes one token if there is one. Returns whether there was.
    pub(super) fn try_take(&self, now: Instant) -> bool {
        let mut tokens = self.count(now);
        let has_token = self.is_off() || tokens.0 >= 1.0;
        if has_token {
            tokens.0 -= 1.0;
        }
        has_token
    }

    /// Returns whether nothing is taken from it now.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.count(now).0 >= self.burst
    }

    fn is_off(&self) -> bool {
        self.burst < 1.0
    }

    /// Counts the tokens as they are now.
    fn count(&self, now: Instant) -> MutexGuard<'_, (f64, Instant)> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let new = now.saturating_duration_since(tokens.1).as_secs_f64() * self.per_second;
        *tokens = ((tokens.0 + new).min(self.burst), now.max(tokens.1));
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn host(number: u32) -> Host {
        Host::of(number.to_be_bytes().into())
    }

    fn limits(rate_burst: usize, rate: usize) -> Limits {
        Limits { rate_burst, rate, ..Limits::default() }
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut now = Instant::now();
        let bucket = Bucket::new(3, 10, now);
        for _ in 0..3 {
            assert_eq!(bucket.take(now, 1), Duration::ZERO);
        }
        for _ in 0..5 {
            let wait = bucket.take(now, 1);
            assert!(wait > Duration::from_millis(99) && wait < Duration::from_millis(101), "{wait:?}");
            now += wait;
        }
        assert_eq!(bucket.take(now + Duration::from_secs(60), 1), Duration::ZERO);
    }

    #[test]
    fn a_request_costs_its_tokens_and_no_wait_is_longer_than_the_bucket_needs_to_fill() {
        let now = Instant::now();
        let bucket = Bucket::new(10, 10, now);
        assert_eq!(bucket.take(now, 10), Duration::ZERO);
        assert_eq!(bucket.take(now, 5), Duration::from_millis(500));
        let bucket = Bucket::new(10, 10, now);
        assert_eq!(bucket.take(now, u32::MAX), Duration::ZERO, "a full bucket pays for any request");
        assert_eq!(bucket.take(now, u32::MAX), Duration::from_secs(1));
    }

    #[test]
    fn no_burst_means_no_limit() {
        let now = Instant::now();
        let bucket = Bucket::new(0, 50, now);
        for _ in 0..1000 {
            assert_eq!(bucket.take(now, 70), Duration::ZERO);
            assert!(bucket.try_take(now));
        }
    }

    #[test]
    fn a_client_that_comes_back_gets_its_bucket_as_it_left_it() {
        let (buckets, limits, now) = (Buckets::default(), limits(10, 1), Instant::now());
        for uses in [10, 0] {
            let bucket = buckets.bucket(&limits, host(1), now);
            for _ in 0..uses {
                assert_eq!(bucket.take(now, 1), Duration::ZERO);
            }
            assert!(!bucket.take(now, 1).is_zero(), "the burst is used up");
        }
        // A second client of the same host, at the same time, has its own bucket. So has another host.
        let _first = buckets.bucket(&limits, host(1), now);
        assert_eq!(buckets.bucket(&limits, host(1), now).take(now, 1), Duration::ZERO);
        assert_eq!(buckets.bucket(&limits, host(2), now).take(now, 1), Duration::ZERO);
    }

    #[test]
    fn a_new_connection_gets_the_emptiest_bucket_that_is_free() {
        let (buckets, limits, now) = (Buckets::default(), limits(10, 1), Instant::now());
        for uses in [2, 7, 4] {
            let held: Vec<_> = (0..3).map(|_| buckets.bucket(&limits, host(1), now)).collect();
            let fullest = held.iter().max_by(|one, other| one.count(now).0.total_cmp(&other.count(now).0));
            fullest.unwrap().take(now, uses);
        }
        let held = [(); 3].map(|()| buckets.bucket(&limits, host(1), now));
        assert_eq!(held.map(|bucket| bucket.count(now).0), [3.0, 6.0, 8.0]);
    }

    #[test]
    fn a_bucket_that_nobody_uses_is_forgotten_when_it_is_full() {
        let (buckets, limits, now) = (Buckets::default(), limits(10, 1), Instant::now());
        for number in 0..300 {
            buckets.bucket(&limits, host(number), now).take(now, 1);
        }
        let later = now + Duration::from_secs(60);
        for number in 300..1000 {
            buckets.bucket(&limits, host(number), later);
        }
        let table = buckets.0.lock().unwrap();
        let hosts = table.by_host.len();
        assert!(hosts <= FEW_HOSTS, "{hosts} hosts are left");
    }

    /// What an attacker does with one of its connections.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// Opens it, for a new session or to resume an old one. The server cannot tell them apart here.
        Join(usize),
        /// Sends a request of this cost, if the connection does not wait for an earlier one.
        Send(usize, u32),
        /// Closes it, with a Leave or without. A thread that waits ends after its wait.
        Close(usize),
        /// Lets this many milliseconds pass.
        Wait(u64),
    }

    /// The most connections that the attacker may have.
    const PLACES: usize = 4;

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            2 => (0..PLACES).prop_map(Step::Join),
            6 => (0..PLACES, 1..30u32).prop_map(|(place, cost)| Step::Send(place, cost)),
            2 => (0..PLACES).prop_map(Step::Close),
            1 => (0..300u64).prop_map(Step::Wait),
        ];
        prop::collection::vec(step, 1..400)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

        #[test]
        fn leaving_and_joining_gives_no_host_more_tokens_than_staying(
            steps in steps(), burst in 1..50usize, rate in 1..100usize,
        ) {
            let (buckets, limits) = (Buckets::default(), limits(burst, rate));
            let start = Instant::now();
            let mut now = start;
            // Each place has a bucket while its thread lives, the time until which the thread waits, and
            // whether it ends then.
            let mut places: [Option<(Arc<Bucket>, Instant, bool)>; PLACES] = Default::default();
            // The requests, and when their waits are over.
            let mut paid: Vec<(Instant, u32)> = Vec::new();
            for step in steps {
                match step {
                    Step::Wait(time) => now += Duration::from_millis(time),
                    Step::Join(place) => {
                        let bucket = || buckets.bucket(&limits, host(1), now);
                        places[place].get_or_insert_with(|| (bucket(), now, false));
                    }
                    Step::Send(place, cost) => if let Some((bucket, until, false)) = &mut places[place] {
                        if *until <= now {
                            *until = now + bucket.take(now, cost);
                            paid.push((*until, cost.min(burst as u32)));
                        }
                    },
                    Step::Close(place) => if let Some((_, _, is_closed)) = &mut places[place] {
                        *is_closed = true;
                    },
                }
                for place in &mut places {
                    if place.as_ref().is_some_and(|(_, until, is_closed)| *is_closed && *until <= now) {
                        *place = None;
                    }
                }
                let total: u32 = paid.iter().filter(|(until, _)| *until <= now).map(|(_, cost)| cost).sum();
                let seconds = (now - start).as_secs_f64();
                let most = PLACES as f64 * (burst as f64 + rate as f64 * seconds);
                // A millionth more, because tokens are counted in fractions.
                prop_assert!(f64::from(total) <= most + 1e-6, "{total} tokens, and {most} are the most");
            }
        }
    }
}
