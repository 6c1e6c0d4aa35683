//! The pause before the next attempt. It doubles up to a limit. It has a random part (jitter), so that a
//! hundred clients that lost the same server do not all come back in the same millisecond.

use chat_common::wire::token::Token;
use std::time::Duration;

/// Pauses that double from `first` to `longest`.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { first, longest, next: first }
    }

    /// Returns the next pause: a random time between half of the current step and the whole step.
    pub(crate) fn pause(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.longest);
        // Without random numbers there is no jitter. The pause is still valid.
        let random = Token::random().map_or(0, |token| token.to_u64() as u32);
        step / 2 + (step / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// Starts again with the first pause.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_can_be_reset() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_millis(350));
        let mut backoff = Backoff::new(first, longest);
        for step in [100, 200, 350, 350] {
            let pause = backoff.pause().as_millis();
            assert!((step / 2..=step).contains(&pause), "{pause} of {step}");
        }
        backoff.reset();
        assert!(backoff.pause() <= first);
    }
}
