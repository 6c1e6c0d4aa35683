//! Threads, locks and channels: those of std and of crossbeam, with a trace of who waits for whom.
//!
//! Without `--trace` each function does what its namesake does. A lock is not returned as a `Result`, and a
//! thread has a name.
//!
//! Go: the keyword `go`, `sync.Mutex`, `sync.WaitGroup`, `sync.Cond`, and `chan`.

use crate::trace::{self, Slice, Wake};
use crossbeam_channel as crossbeam;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{self, Arc, TryLockError};
use std::thread::{self, JoinHandle};

const FOR_THE_CHANNEL: &str = "waits for the channel";
const HAS_THREADS: &str = "the system has a thread left";
const NOT_POISONED: &str = "no thread has panicked with this lock";
const HAS_INNER: &str = "a guard in use is locked";

fn builder(name: &str) -> thread::Builder {
    /// As in the real server: enough for each step, and small when there are a thousand threads.
    const STACK_BYTES: usize = 128 * 1024;
    // The system's names end at a zero.
    thread::Builder::new().name(name.replace('\0', "?")).stack_size(STACK_BYTES)
}

/// Starts a thread. It never waits for it.
///
/// # Panics
/// When the system has no thread left.
pub fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    builder(name).spawn(trace::starts(format_args!("{name}"), work)).expect(HAS_THREADS)
}

/// Starts threads that may borrow what lives longer than [`scope`].
pub struct Scope<'scope, 'env> {
    inner: &'scope thread::Scope<'scope, 'env>,
    threads: Arc<Threads>,
}

/// The threads of a scope.
struct Threads {
    /// How many run, and one more while the scope may start others.
    running: AtomicUsize,
    last_wakes: sync::Mutex<Wake>,
}

/// Runs `work`, which may start threads, and returns when all of them have ended.
///
/// # Blocking
/// On the slowest of the threads.
///
/// # Panics
/// When `work` or one of the threads panics.
pub fn scope<'env, T>(work: impl for<'scope> FnOnce(&Scope<'scope, 'env>) -> T) -> T {
    let threads = Arc::new(Threads { running: AtomicUsize::new(1), last_wakes: sync::Mutex::default() });
    let (result, waits) = thread::scope(|inner| {
        let result = work(&Scope { inner, threads: Arc::clone(&threads) });
        let has_threads = threads.running.fetch_sub(1, SeqCst) > 1;
        (result, has_threads.then(|| Slice::begin("waits for the scope's threads")))
    });
    if let Some(waits) = waits {
        waits.woken_by(*threads.last_wakes.lock().expect(NOT_POISONED));
    }
    result
}

impl<'scope> Scope<'scope, '_> {
    /// Starts a thread.
    ///
    /// # Panics
    /// When the system has no thread left.
    pub fn spawn<T: Send + 'scope>(&self, name: &str, work: impl FnOnce() -> T + Send + 'scope) {
        let threads = Arc::clone(&self.threads);
        threads.running.fetch_add(1, SeqCst);
        let work = move || {
            work();
            if threads.running.fetch_sub(1, SeqCst) == 1 {
                *threads.last_wakes.lock().expect(NOT_POISONED) = Slice::begin("ends").wake();
            }
        };
        builder(name)
            .spawn_scoped(self.inner, trace::starts(format_args!("{name}"), work))
            .expect(HAS_THREADS);
    }
}

/// Those that sleep at one lock, condition or channel.
#[derive(Default)]
struct Sleepers {
    count: AtomicUsize,
    /// The arrows to those that are woken and have not run yet.
    woken_by: sync::Mutex<Vec<Wake>>,
}

/// A thread that sleeps until the value is dropped.
struct Sleep<'a>(&'a Sleepers, Slice);

impl Sleepers {
    fn sleep(&self, name: &'static str) -> Sleep<'_> {
        self.count.fetch_add(1, SeqCst);
        Sleep(self, Slice::begin(name))
    }

    /// Draws arrows to `most` of those that sleep. Whoever calls it wakes them while it has the slice.
    fn wake(&self, name: &'static str, most: usize) -> Option<Slice> {
        if !trace::is_on() || self.count.load(SeqCst) == 0 {
            return None;
        }
        let mut woken_by = self.woken_by.lock().expect(NOT_POISONED);
        let asleep = self.count.load(SeqCst).saturating_sub(woken_by.len());
        let wakes = (asleep > 0).then(|| Slice::begin(name))?;
        woken_by.extend((0..asleep.min(most)).map(|_| wakes.wake()));
        Some(wakes)
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, SeqCst);
        let wake = self.0.woken_by.lock().expect(NOT_POISONED).pop();
        self.1.woken_by(wake.unwrap_or_default());
    }
}

/// A value that one thread at a time may use.
#[derive(Default)]
pub struct Mutex<T> {
    inner: sync::Mutex<T>,
    sleepers: Sleepers,
}

impl<T> Mutex<T> {
    /// Returns a lock around this value.
    pub fn new(value: T) -> Mutex<T> {
        Mutex { inner: sync::Mutex::new(value), sleepers: Sleepers::default() }
    }

    /// Locks it until the returned guard is dropped.
    ///
    /// # Blocking
    /// Until whoever has locked it unlocks it.
    ///
    /// # Panics
    /// When a thread has panicked while it had locked it.
    pub fn lock(&self) -> Guard<'_, T> {
        let inner = self.inner.try_lock().or_else(|error| match error {
            TryLockError::Poisoned(error) => Err(error),
            TryLockError::WouldBlock => {
                let _sleep = self.sleepers.sleep("waits for the lock");
                self.inner.lock()
            }
        });
        Guard { inner: Some(inner.expect(NOT_POISONED)), sleepers: &self.sleepers }
    }
}

#[cfg(test)]
impl<T> Mutex<T> {
    /// Returns how many threads wait for it.
    pub(crate) fn sleepers(&self) -> usize {
        self.sleepers.count.load(SeqCst)
    }
}

/// A locked [`Mutex`].
pub struct Guard<'a, T> {
    /// `None` only while a [`Condvar`] has it, and while it is dropped.
    inner: Option<sync::MutexGuard<'a, T>>,
    sleepers: &'a Sleepers,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.inner.as_ref().expect(HAS_INNER)
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect(HAS_INNER)
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        let _unlocks = self.sleepers.wake("unlocks", 1);
        self.inner = None;
    }
}

/// Lets threads sleep until something about a [`Mutex`]'s value has changed.
#[derive(Default)]
pub struct Condvar {
    inner: sync::Condvar,
    sleepers: Sleepers,
}

impl Condvar {
    /// Unlocks, sleeps until somebody notifies, and locks again. It may also wake without a reason.
    ///
    /// # Blocking
    /// Until [`Condvar::notify_all`].
    ///
    /// # Panics
    /// As [`Mutex::lock`].
    pub fn wait<'a, T>(&self, mut guard: Guard<'a, T>) -> Guard<'a, T> {
        let _sleep = self.sleepers.sleep("waits for the condition");
        let inner = self.inner.wait(guard.inner.take().expect(HAS_INNER));
        guard.inner = Some(inner.expect(NOT_POISONED));
        guard
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) {
        let _notifies = self.sleepers.wake("notifies", usize::MAX);
        self.inner.notify_all();
    }
}

/// Returns the two ends of a channel in which any number of values can wait.
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    ends(crossbeam::unbounded())
}

/// Returns the two ends of a channel in which this many values can wait.
pub fn bounded<T>(length: usize) -> (Sender<T>, Receiver<T>) {
    ends(crossbeam::bounded(length))
}

fn ends<T>((tx, rx): (crossbeam::Sender<T>, crossbeam::Receiver<T>)) -> (Sender<T>, Receiver<T>) {
    let sleepers = Arc::<Sleepers>::default();
    (Sender { inner: tx, sleepers: Arc::clone(&sleepers) }, Receiver { inner: rx, sleepers })
}

/// The end of a channel that is sent to. The channel ends when its last sender is dropped.
#[derive(Clone)]
pub struct Sender<T> {
    inner: crossbeam::Sender<T>,
    /// The receiver, when it sleeps.
    sleepers: Arc<Sleepers>,
}

impl<T> Sender<T> {
    /// Sends a value. It is lost when there is no receiver any more.
    ///
    /// # Blocking
    /// While a bounded channel is full.
    pub fn send(&self, value: T) {
        let _sends = self.sleepers.wake("sends", 1);
        let _waits = self.inner.is_full().then(|| Slice::begin(FOR_THE_CHANNEL));
        let _ = self.inner.send(value);
    }

    /// Sends a value if there is space for it now, and a receiver. Returns whether there was.
    pub fn try_send(&self, value: T) -> bool {
        let _sends = self.sleepers.wake("sends", 1);
        self.inner.try_send(value).is_ok()
    }
}

/// The end of a channel that is received from, one value after the other, until the channel ends.
pub struct Receiver<T> {
    inner: crossbeam::Receiver<T>,
    sleepers: Arc<Sleepers>,
}

impl<T> Iterator for Receiver<T> {
    type Item = T;
    /// Returns the next value, or `None` at the end of the channel.
    ///
    /// # Blocking
    /// Until there is a value.
    fn next(&mut self) -> Option<T> {
        self.inner.try_recv().ok().or_else(|| {
            let _sleep = self.sleepers.sleep(FOR_THE_CHANNEL);
            self.inner.recv().ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashMap, env, fs, process};

    /// A lock, a condition, a channel and a scope, each with threads that sleep there.
    fn wait_everywhere() {
        let (tx, rx) = bounded(1);
        let receives = spawn("receives", move || rx.count());
        (0..20).for_each(|value| tx.send(value));
        drop(tx);
        assert_eq!(receives.join().unwrap(), 20);
        let (count, changed) = (Mutex::new(0), Condvar::default());
        scope(|scope| {
            for thread in 0..3 {
                let (count, changed) = (&count, &changed);
                scope.spawn("takes turns", move || {
                    for _ in 0..20 {
                        let mut count = count.lock();
                        while *count % 3 != thread {
                            count = changed.wait(count);
                        }
                        *count += 1;
                        drop(count);
                        changed.notify_all();
                    }
                });
            }
        });
        assert_eq!(*count.lock(), 60);
        let locked = Arc::new(count);
        let guard = locked.lock();
        let waits = spawn("waits", {
            let locked = Arc::clone(&locked);
            move || *locked.lock()
        });
        while locked.sleepers() == 0 {
            thread::yield_now();
        }
        drop(guard);
        assert_eq!(waits.join().unwrap(), 60);
    }

    fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
        let value = line.split_once(&format!("\"{name}\":"))?.1;
        Some(value.trim_start_matches('"').split(['"', ',', '}']).next().unwrap())
    }

    #[test]
    fn each_arrow_begins_and_ends_in_a_slice_and_each_wait_that_ended_has_its_end() {
        let path = env::temp_dir().join(format!("course-trace-{}", process::id()));
        trace::open(&path, "the test").unwrap();
        wait_everywhere();
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let mut slices: HashMap<&str, Vec<&str>> = HashMap::new();
        let (mut begun, mut ended, mut seen) = (HashMap::new(), 0, Vec::new());
        for line in text.lines().skip(1) {
            let lane = slices.entry(field(line, "tid").unwrap()).or_default();
            let time: f64 = field(line, "ts").unwrap().parse().unwrap();
            let name = field(line, "name").unwrap();
            match field(line, "ph").unwrap() {
                "B" => lane.push(name),
                "E" => assert_eq!(lane.pop(), Some(name)),
                "s" => {
                    assert!(!lane.is_empty(), "{line} begins in no slice");
                    begun.insert(field(line, "id").unwrap(), time);
                }
                "f" => {
                    let begin = begun.remove(field(line, "id").unwrap());
                    assert!(begin.is_some_and(|begin| begin <= time), "{line} has no beginning");
                    seen.push(*lane.last().unwrap_or_else(|| panic!("{line} ends in no slice")));
                    ended += 1;
                }
                _ => {}
            }
        }
        assert!(slices.values().all(Vec::is_empty), "{slices:?} do not end");
        assert!(ended > 20 && begun.len() < 5, "{ended} arrows end, and {begun:?} do not");
        for name in ["the lock", "the channel", "the condition", "the scope's threads"] {
            assert!(seen.contains(&format!("waits for {name}").as_str()), "nobody {name}: {seen:?}");
        }
        assert!(seen.contains(&"begins"));
    }
}
