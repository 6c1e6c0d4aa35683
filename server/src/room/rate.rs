//! How fast one member may send: a token bucket. Over it nothing is refused; the connection's thread waits before its next read,
//! and TCP slows the sender down.

use crate::settings::limits::Limits;
use std::time::{Duration, Instant};

/// One member's bucket.
#[derive(Debug)]
pub struct Rate {
    tokens: f64,
    filled: Instant,
    burst: f64,
    per_second: f64,
}

impl Rate {
    /// A full bucket.
    pub fn new(limits: &Limits, now: Instant) -> Rate {
        let burst = limits.rate_burst as f64;
        Rate { tokens: burst, filled: now, burst, per_second: limits.rate as f64 }
    }

    /// Takes one token, and answers how long to wait before going on.
    pub fn take(&mut self, now: Instant) -> Duration {
        if self.burst < 1.0 {
            return Duration::ZERO;
        }
        let refill = now.duration_since(self.filled).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + refill).min(self.burst) - 1.0;
        self.filled = now;
        Duration::from_secs_f64((-self.tokens / self.per_second).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let limits = Limits { rate_burst: 3, rate: 10, ..Limits::default() };
        let mut now = Instant::now();
        let mut rate = Rate::new(&limits, now);
        for _ in 0..3 {
            assert_eq!(rate.take(now), Duration::ZERO);
        }
        for _ in 0..5 {
            let wait = rate.take(now);
            assert!(wait > Duration::from_millis(99) && wait < Duration::from_millis(101), "{wait:?}");
            now += wait;
        }
        assert_eq!(rate.take(now + Duration::from_secs(60)), Duration::ZERO);
    }

    #[test]
    fn no_burst_means_no_limit() {
        let mut rate = Rate::new(&Limits { rate_burst: 0, ..Limits::default() }, Instant::now());
        for _ in 0..1000 {
            assert_eq!(rate.take(Instant::now()), Duration::ZERO);
        }
    }
}
