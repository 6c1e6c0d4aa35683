//! Waits with a watchdog: every wait in these tests ends, and a wait that fails says what it waited for.
//!
//! A test waits for an event and never for a time. The limit is generous, so a slow machine does not fail a
//! test. A machine that stands still does not either: a minute in which nobody could run counts as a second.

use std::{
    fmt::Debug,
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        Condvar, Mutex, MutexGuard, PoisonError,
    },
    thread,
    time::{Duration, Instant},
};

/// The longest that a test waits for one thing. On an idle machine nothing takes a tenth of this.
pub const WATCHDOG_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a wait may take that time while something changes.
const MOST_TIMEOUTS: usize = 5;

/// The longest time between two looks that counts in full.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// The pause between two looks at a thing that cannot notify us.
const PAUSE: Duration = Duration::from_millis(5);

/// A failed wait prints at most this many bytes of the value.
const MAX_PRINTED_BYTES: usize = 4000;

/// Counts the time in which the waiting thread could run.
#[derive(Debug)]
struct Watchdog {
    left: Duration,
    looked: Instant,
}

impl Watchdog {
    fn new(timeout: Duration) -> Watchdog {
        Watchdog { left: timeout, looked: Instant::now() }
    }

    /// Returns what is left of the timeout. Comes every [`LONGEST_LOOK`] at least.
    fn left(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.looked).min(LONGEST_LOOK);
        self.looked = now;
        self.left = self.left.saturating_sub(passed);
        self.left
    }
}

/// A value that one thread updates while another waits for it to become right.
#[derive(Debug, Default)]
pub struct Shared<T> {
    /// Protects the value alone. No thread does I/O while it holds this lock.
    value: Mutex<T>,
    changed: Condvar,
    updates: AtomicUsize,
}

impl<T> Shared<T> {
    /// Starts with `value`.
    pub fn new(value: T) -> Shared<T> {
        Shared { value: Mutex::new(value), changed: Condvar::new(), updates: AtomicUsize::new(0) }
    }

    /// Updates the value and wakes every thread that waits on it.
    pub fn update<R>(&self, update: impl FnOnce(&mut T) -> R) -> R {
        let result = update(&mut self.lock());
        self.updates.fetch_add(1, Relaxed);
        self.changed.notify_all();
        result
    }

    /// Reads the value as it is now.
    pub fn read_with<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.lock())
    }

    /// Waits until `ready` returns `Some`. Returns `None` when `timeout` has passed.
    pub fn wait_within<R>(&self, timeout: Duration, mut ready: impl FnMut(&mut T) -> Option<R>) -> Option<R> {
        let mut watchdog = Watchdog::new(timeout);
        let mut value = self.lock();
        loop {
            if let Some(result) = ready(&mut value) {
                return Some(result);
            }
            let left = watchdog.left(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.changed.wait_timeout(value, left.min(LONGEST_LOOK));
            value = waited.unwrap_or_else(PoisonError::into_inner).0;
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
    /// After [`WATCHDOG_TIMEOUT`], with `description` and the value. While the value changes, a slow machine
    /// is on its way, and has that time again.
    pub fn wait<R>(&self, description: &str, mut ready: impl FnMut(&mut T) -> Option<R>) -> R {
        for _ in 0..MOST_TIMEOUTS {
            let before = self.updates.load(Relaxed);
            if let Some(result) = self.wait_within(WATCHDOG_TIMEOUT, &mut ready) {
                return result;
            }
            if self.updates.load(Relaxed) == before {
                break;
            }
        }
        panic!("waited {WATCHDOG_TIMEOUT:?} for {description}; the value is {}", tail(&*self.lock()))
    }
}

/// Calls `probe` again and again until it returns `Some`.
///
/// It is for things that cannot notify us, such as another process in /proc.
///
/// # Panics
/// After [`WATCHDOG_TIMEOUT`], with `description`.
pub fn poll<R>(description: &str, mut probe: impl FnMut() -> Option<R>) -> R {
    poll_result(description, || probe().ok_or("nothing yet"))
}

/// Calls `probe` again and again until it returns `Ok`.
///
/// # Panics
/// After [`WATCHDOG_TIMEOUT`], with `description` and the last error.
pub fn poll_result<R, E: Debug>(description: &str, mut probe: impl FnMut() -> Result<R, E>) -> R {
    let mut watchdog = Watchdog::new(WATCHDOG_TIMEOUT);
    loop {
        match probe() {
            Ok(result) => return result,
            Err(error) if watchdog.left(Instant::now()).is_zero() => {
                panic!("waited {WATCHDOG_TIMEOUT:?} for {description}: {error:#?}")
            }
            Err(_) => thread::sleep(PAUSE),
        }
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

    #[test]
    fn an_hour_in_which_the_machine_stands_still_ends_no_wait() {
        let mut watchdog = Watchdog::new(WATCHDOG_TIMEOUT);
        let woken = watchdog.looked + Duration::from_secs(3600);
        assert_eq!(watchdog.left(woken), WATCHDOG_TIMEOUT - LONGEST_LOOK);
        let looks = (1..=60).map(|second| watchdog.left(woken + Duration::from_secs(second)));
        assert_eq!(looks.filter(|left| !left.is_zero()).count(), 58);
    }
}
