//! Waits with a watchdog: every wait in these tests ends, and a wait that fails says what it waited for.
//!
//! A test waits for an event and never for a time. The limit is generous, so a slow machine does not fail a
//! test.

use std::{
    fmt::Debug,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// The longest that a test waits for one thing. On an idle machine nothing takes a tenth of this.
pub const WATCHDOG_TIMEOUT: Duration = Duration::from_secs(60);

/// The pause between two looks at a thing that cannot notify us.
pub const PAUSE: Duration = Duration::from_millis(5);

/// A failed wait prints at most this many bytes of the value.
const MAX_PRINTED_BYTES: usize = 4000;

/// A value that one thread updates while another waits for it to become right.
#[derive(Debug, Default)]
pub struct Shared<T> {
    /// Protects the value alone. No thread does I/O while it holds this lock.
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Shared<T> {
    /// Starts with `value`.
    pub fn new(value: T) -> Shared<T> {
        Shared { value: Mutex::new(value), changed: Condvar::new() }
    }

    /// Updates the value and wakes every thread that waits on it.
    pub fn update<R>(&self, update: impl FnOnce(&mut T) -> R) -> R {
        let result = update(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Reads the value as it is now.
    pub fn read_with<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.lock())
    }

    /// Waits until `ready` returns `Some`. Returns `None` when `timeout` has passed.
    pub fn wait_within<R>(&self, timeout: Duration, mut ready: impl FnMut(&mut T) -> Option<R>) -> Option<R> {
        let deadline = Instant::now() + timeout;
        let mut value = self.lock();
        loop {
            if let Some(result) = ready(&mut value) {
                return Some(result);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            value = self.changed.wait_timeout(value, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        // A test that fails while it holds the lock reports its own failure, and not a poisoned lock.
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Debug> Shared<T> {
    /// Waits until `ready` returns `Some`.
    ///
    /// # Panics
    /// After [`WATCHDOG_TIMEOUT`], with `description` and the value.
    pub fn wait<R>(&self, description: &str, ready: impl FnMut(&mut T) -> Option<R>) -> R {
        self.wait_within(WATCHDOG_TIMEOUT, ready).unwrap_or_else(|| {
            panic!("waited {WATCHDOG_TIMEOUT:?} for {description}; the value is {}", tail(&*self.lock()))
        })
    }
}

/// Calls `probe` again and again until it returns `Some`.
///
/// It is for things that cannot notify us, such as another process in /proc.
///
/// # Panics
/// After [`WATCHDOG_TIMEOUT`], with `description`.
pub fn poll<R>(description: &str, mut probe: impl FnMut() -> Option<R>) -> R {
    let deadline = Instant::now() + WATCHDOG_TIMEOUT;
    loop {
        if let Some(result) = probe() {
            return result;
        }
        assert!(Instant::now() < deadline, "waited {WATCHDOG_TIMEOUT:?} for {description}");
        thread::sleep(PAUSE);
    }
}

/// The end of the printed value: the newest entries are there, and they usually show the failure.
fn tail(value: &impl Debug) -> String {
    let printed = format!("{value:#?}");
    let mut start = printed.len().saturating_sub(MAX_PRINTED_BYTES);
    while !printed.is_char_boundary(start) {
        start += 1;
    }
    printed[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_its_condition_holds() {
        let count = Shared::new(0);
        thread::scope(|scope| {
            scope.spawn(|| (0..10).for_each(|_| count.update(|count| *count += 1)));
            assert_eq!(count.wait("ten", |count| (*count == 10).then_some(*count)), 10);
        });
    }

    #[test]
    fn a_wait_whose_condition_never_holds_ends_after_its_timeout() {
        assert_eq!(Shared::new(0).wait_within(Duration::from_millis(1), |_| None::<()>), None);
    }
}
