//! `--trace FILE`: what each thread waits for, and who wakes it, in the format of Chrome's trace viewer. Runs
//! on the thread that it tells about.
//!
//! Perfetto (<https://ui.perfetto.dev>) shows the file: a lane for each thread, a slice for each wait, an
//! arrow for each wake, a mark for each step of a message. Each thread writes its own events, and each event
//! at once. So a program that is killed leaves the waits that never ended.
//!
//! A trace costs microseconds for each event. A program with a trace shows who waits for whom, and not how
//! fast it is. Without the feature `trace` all of this is empty, and costs nothing.

use std::fmt::{Arguments, Display};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::{path::Path, time::Instant};

static TRACE: OnceLock<Trace> = OnceLock::new();
static NEXT_THREAD: AtomicU64 = AtomicU64::new(1);
#[cfg(feature = "trace")]
static NEXT_WAKE: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The number of this thread's lane.
    static THREAD: u64 = NEXT_THREAD.fetch_add(1, Relaxed);
}

struct Trace {
    file: File,
    start: Instant,
}

/// Writes all events from now on to this file, in the place of what is in it. The lane of this thread gets
/// the name `thread`.
///
/// # Errors
/// When the file cannot be written.
pub fn open(path: &Path, thread: &str) -> io::Result<()> {
    // With `append`, events of two threads never overwrite each other.
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.set_len(0)?;
    // The format allows that the array does not end, and that a comma follows its last event.
    file.write_all(b"[\n")?;
    let _ = TRACE.set(Trace { file, start: Instant::now() });
    name_thread(thread);
    Ok(())
}

/// Whether there is a trace. Without one, this check is all that an event costs.
#[inline]
pub fn is_on() -> bool {
    cfg!(feature = "trace") && TRACE.get().is_some()
}

#[inline]
fn write(kind: char, name: impl Display, fields: Arguments<'_>) {
    if is_on() {
        write_event(kind, &name, fields);
    }
}

#[cold]
fn write_event(kind: char, name: &dyn Display, fields: Arguments<'_>) {
    let Some(trace) = TRACE.get() else { return };
    // A thread that ends has no number any more, and tells nothing.
    let Ok(thread) = THREAD.try_with(|thread| *thread) else { return };
    let time = trace.start.elapsed().as_nanos();
    let head = format_args!("\"ph\":\"{kind}\",\"name\":\"{name}\",\"pid\":1,\"tid\":{thread}");
    let line = format!("{{{head},\"ts\":{}.{:03}{fields}}},\n", time / 1000, time % 1000);
    // The room goes on without its trace, as when the disk is full.
    let _ = (&trace.file).write_all(line.as_bytes());
}

/// Gives the lane of this thread a name.
#[inline]
pub fn name_thread(name: &str) {
    if is_on() {
        // A name comes from a client. In a text of JSON, two characters end or change what follows.
        let name = name.replace(['"', '\\'], "?").replace(char::is_control, "?");
        write('M', "thread_name", format_args!(",\"args\":{{\"name\":\"{name}\"}}"));
    }
}

/// Marks a step of the message with this sequence: `accepted`, `passed on`, `delivered`.
#[inline]
pub fn mark(name: &str, sequence: u64) {
    write('i', name, format_args!(",\"s\":\"t\",\"args\":{{\"sequence\":{sequence}}}"));
}

/// Returns what a new thread runs: `work`, and before it the arrow from the thread that calls this.
#[inline]
pub fn starts<T>(name: Arguments<'_>, work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let starts = Slice::begin("starts a thread");
    let (wake, name) = (starts.wake(), is_on().then(|| name.to_string()));
    move || {
        if let Some(name) = name {
            name_thread(&name);
            Slice::begin("begins").woken_by(wake);
        }
        work()
    }
}

/// Locks a mutex, also after a panic under it. A wait for it is a slice.
///
/// # Blocking
/// Until whoever has locked it unlocks it.
#[inline]
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    if is_on() {
        if let Err(TryLockError::WouldBlock) = mutex.try_lock().map(drop) {
            let _waits = Slice::begin("waits for the lock");
            return mutex.lock().unwrap_or_else(PoisonError::into_inner);
        }
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An arrow to a thread that is woken, which needs it to end the arrow. Without a trace it is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wake(#[cfg(feature = "trace")] u64);

/// Something that this thread does now. It ends when the value is dropped.
#[derive(Debug)]
#[must_use]
pub struct Slice(&'static str);

impl Slice {
    /// Begins it.
    #[inline]
    pub fn begin(name: &'static str) -> Slice {
        write('B', name, format_args!(""));
        Slice(name)
    }

    /// Begins an arrow to the thread that this one wakes.
    #[inline]
    pub fn wake(&self) -> Wake {
        #[cfg(feature = "trace")]
        if is_on() {
            let wake = NEXT_WAKE.fetch_add(1, Relaxed);
            write('s', "wakes", format_args!(",\"id\":{wake}"));
            return Wake(wake);
        }
        Wake::default()
    }

    /// Ends an arrow, if it is one.
    #[inline]
    #[cfg_attr(not(feature = "trace"), expect(unused_variables, reason = "there are no arrows"))]
    pub fn woken_by(&self, wake: Wake) {
        #[cfg(feature = "trace")]
        if wake.0 != 0 {
            write('f', "wakes", format_args!(",\"bp\":\"e\",\"id\":{}", wake.0));
        }
    }
}

impl Drop for Slice {
    #[inline]
    fn drop(&mut self) {
        write('E', self.0, format_args!(""));
    }
}
