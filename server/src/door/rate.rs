//! A token bucket: how often something may happen. Any thread may take tokens; it never blocks.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How fast the tokens of a bucket come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    /// Tokens at once. With less than one the limit is off.
    burst: f64,
    /// Tokens a second after that.
    per_second: f64,
}

/// A token bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    /// The tokens, and when they were counted. Less than none are owed.
    tokens: Mutex<(f64, Instant)>,
}

impl Rate {
    /// A rate that limits nothing.
    pub(super) const OFF: Rate = Rate::new(0, 1);

    /// A `burst` of 0 turns the limit off.
    pub(super) const fn new(burst: usize, per_second: usize) -> Rate {
        Rate { burst: burst as f64, per_second: per_second as f64 }
    }

    /// A rate of less than one token a second.
    pub(super) const fn per_minute(burst: usize, per_minute: usize) -> Rate {
        Rate { burst: burst as f64, per_second: per_minute as f64 / 60.0 }
    }

    fn is_off(self) -> bool {
        self.burst < 1.0
    }
}

impl Bucket {
    /// Returns a full bucket.
    pub(super) fn new(rate: Rate, now: Instant) -> Bucket {
        Bucket { rate, tokens: Mutex::new((rate.burst, now)) }
    }

    /// Takes `cost` tokens, and returns how long to wait until they have come.
    ///
    /// A cost above the burst counts as the burst. So a caller that waits each time, and is alone, waits no
    /// longer than an empty bucket needs to fill.
    pub(super) fn take(&self, now: Instant, cost: u32) -> Duration {
        if self.rate.is_off() {
            return Duration::ZERO;
        }
        let mut tokens = self.count(now);
        tokens.0 -= f64::from(cost).min(self.rate.burst);
        Duration::from_secs_f64((-tokens.0 / self.rate.per_second).max(0.0))
    }

    /// Takes one token if there is one. Returns whether there was.
    pub(super) fn try_take(&self, now: Instant) -> bool {
        if self.rate.is_off() {
            return true;
        }
        let mut tokens = self.count(now);
        let has_token = tokens.0 >= 1.0;
        if has_token {
            tokens.0 -= 1.0;
        }
        has_token
    }

    /// Returns whether there is a token.
    pub(super) fn has_token(&self, now: Instant) -> bool {
        self.rate.is_off() || self.count(now).0 >= 1.0
    }

    /// Puts one token back that was taken for nothing.
    pub(super) fn give_back(&self, now: Instant) {
        let mut tokens = self.count(now);
        tokens.0 = (tokens.0 + 1.0).min(self.rate.burst);
    }

    /// Returns whether nothing is taken from it now.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.tokens(now) >= self.rate.burst
    }

    /// Returns the tokens that there are, or a number below 0 if some are owed.
    pub(super) fn tokens(&self, now: Instant) -> f64 {
        self.count(now).0
    }

    /// Counts the tokens as they are now.
    fn count(&self, now: Instant) -> MutexGuard<'_, (f64, Instant)> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let new = now.saturating_duration_since(tokens.1).as_secs_f64() * self.rate.per_second;
        *tokens = ((tokens.0 + new).min(self.rate.burst), now.max(tokens.1));
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(burst: usize, per_second: usize, now: Instant) -> Bucket {
        Bucket::new(Rate::new(burst, per_second), now)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut now = Instant::now();
        let bucket = bucket(3, 10, now);
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
        let slow = bucket(10, 10, now);
        assert_eq!(slow.take(now, 10), Duration::ZERO);
        assert_eq!(slow.take(now, 5), Duration::from_millis(500));
        let full = bucket(10, 10, now);
        assert_eq!(full.take(now, u32::MAX), Duration::ZERO, "a full bucket pays for any request");
        assert_eq!(full.take(now, u32::MAX), Duration::from_secs(1));
    }

    #[test]
    fn what_is_owed_comes_back_at_the_rate_and_what_is_given_back_at_once() {
        let now = Instant::now();
        let bucket = bucket(5, 1, now);
        for _ in 0..8 {
            bucket.take(now, 1);
        }
        assert!(!bucket.try_take(now + Duration::from_millis(3500)));
        let now = now + Duration::from_secs(4);
        assert!(bucket.try_take(now));
        bucket.give_back(now);
        assert!(bucket.try_take(now) && !bucket.try_take(now));
        (0..9).for_each(|_| bucket.give_back(now));
        assert_eq!(bucket.tokens(now), 5.0, "and no more than full");
    }

    #[test]
    fn no_burst_means_no_limit() {
        let now = Instant::now();
        let bucket = Bucket::new(Rate::OFF, now);
        for _ in 0..1000 {
            assert_eq!(bucket.take(now, 70), Duration::ZERO);
            assert!(bucket.try_take(now));
        }
    }
}
