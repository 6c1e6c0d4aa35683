//! Waiting with a watchdog: every wait in these tests ends, and one that ends badly says what it waited for.
//!
//! Waits are for events, never for a time: the limit is generous, so that a slow machine is only slow.

use std::{
    fmt::Debug,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before a test gives up on it. Nothing here takes a tenth of it on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How much of what was seen a failed wait prints.
const MOST_PRINTED: usize = 4000;

/// A value that one thread changes and another waits on.
#[derive(Debug, Default)]
pub struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Watched<T> {
    /// Begins with `value`.
    pub fn new(value: T) -> Watched<T> {
        Watched { value: Mutex::new(value), changed: Condvar::new() }
    }

    /// Changes the value and wakes everybody who waits on it.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Looks at the value as it is now.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    /// Waits until `ready` answers something, `patience` at the longest.
    pub fn wait_at_most<R>(
        &self,
        patience: Duration,
        mut ready: impl FnMut(&mut T) -> Option<R>,
    ) -> Option<R> {
        let until = Instant::now() + patience;
        let mut value = self.lock();
        loop {
            if let Some(result) = ready(&mut value) {
                return Some(result);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            value = self.changed.wait_timeout(value, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        // A test that fails while it holds the value should fail with its own message, not with one about poison.
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Debug> Watched<T> {
    /// Waits until `ready` answers something.
    ///
    /// # Panics
    /// After [`PATIENCE`], with what it waited for and what it saw.
    pub fn wait<R>(&self, what: &str, ready: impl FnMut(&mut T) -> Option<R>) -> R {
        self.wait_at_most(PATIENCE, ready)
            .unwrap_or_else(|| panic!("waited {PATIENCE:?} for {what}, and saw {}", tail(&*self.lock())))
    }
}

/// Looks again and again at something that cannot notify us, such as another process in /proc.
///
/// # Panics
/// After [`PATIENCE`], with what it waited for.
pub fn poll<R>(what: &str, mut probe: impl FnMut() -> Option<R>) -> R {
    const PAUSE: Duration = Duration::from_millis(5);
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(result) = probe() {
            return result;
        }
        assert!(Instant::now() < until, "waited {PATIENCE:?} for {what}");
        thread::sleep(PAUSE);
    }
}

/// The end of what was seen, which is where the trouble usually is.
fn tail(seen: &impl Debug) -> String {
    let seen = format!("{seen:#?}");
    let mut start = seen.len().saturating_sub(MOST_PRINTED);
    while !seen.is_char_boundary(start) {
        start += 1;
    }
    seen[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_the_event_it_is_for() {
        let count = Watched::new(0);
        thread::scope(|scope| {
            scope.spawn(|| (0..10).for_each(|_| count.change(|count| *count += 1)));
            assert_eq!(count.wait("ten", |count| (*count == 10).then_some(*count)), 10);
        });
    }

    #[test]
    fn a_wait_for_nothing_ends_too() {
        assert_eq!(Watched::new(0).wait_at_most(Duration::from_millis(1), |_| None::<()>), None);
    }
}
