//! `--trace FILE`: what each thread waits for, and who wakes it, in the format of Chrome's trace viewer.
//!
//! Perfetto (<https://ui.perfetto.dev>) shows the file: a lane for each thread, a slice for each wait, an
//! arrow for each wake, a mark for each step of a message. Each thread writes its own events, and each event
//! at once. So a program that is killed leaves the waits that never ended.
//!
//! A trace costs microseconds for each event. A program with a trace shows who waits for whom, and not how
//! fast it is.

use std::fmt::{Arguments, Display};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{sync::OnceLock, time::Instant};

static TRACE: OnceLock<Trace> = OnceLock::new();
static NEXT_THREAD: AtomicU64 = AtomicU64::new(1);
static NEXT_WAKE: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The number of this thread's lane.
    static THREAD: u64 = NEXT_THREAD.fetch_add(1, Relaxed);
}

struct Trace {
    file: File,
    start: Instant,
}

/// Writes all events from now on to this file.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn open(path: &str) -> io::Result<()> {
    // With `append`, events of two threads never overwrite each other.
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.set_len(0)?;
    // The format allows that the array does not end, and that a comma follows its last event.
    file.write_all(b"[\n")?;
    let _ = TRACE.set(Trace { file, start: Instant::now() });
    name_thread("accept");
    Ok(())
}

/// Whether there is a trace. Without one, this check is all that an event costs.
pub(crate) fn is_on() -> bool {
    TRACE.get().is_some()
}

fn write(kind: char, name: impl Display, fields: Arguments<'_>) {
    let Some(trace) = TRACE.get() else { return };
    let (thread, time) = (THREAD.with(|thread| *thread), trace.start.elapsed().as_nanos());
    let head = format_args!("\"ph\":\"{kind}\",\"name\":\"{name}\",\"pid\":1,\"tid\":{thread}");
    let line = format!("{{{head},\"ts\":{}.{:03}{fields}}},\n", time / 1000, time % 1000);
    // The room goes on without its trace, as when the disk is full.
    let _ = (&trace.file).write_all(line.as_bytes());
}

/// Gives the lane of this thread a name.
pub fn name_thread(name: &str) {
    // A name comes from a client. In a text of JSON, two characters end or change what follows.
    let name = name.replace(['"', '\\'], "?").replace(char::is_control, "?");
    write('M', "thread_name", format_args!(",\"args\":{{\"name\":\"{name}\"}}"));
}

/// Marks a step of the message with this sequence: `accepted`, `passed on`, `delivered`.
pub fn mark(name: &str, sequence: u64) {
    write('i', name, format_args!(",\"s\":\"t\",\"args\":{{\"sequence\":{sequence}}}"));
}

/// Something that this thread does now. It ends when the value is dropped.
pub(crate) struct Slice(&'static str);

impl Slice {
    pub(crate) fn begin(name: &'static str) -> Slice {
        write('B', name, format_args!(""));
        Slice(name)
    }

    /// Begins an arrow to the thread that this one wakes. Returns its number, which that thread needs, or 0
    /// without a trace.
    pub(crate) fn wake(&self) -> u64 {
        if !is_on() {
            return 0;
        }
        let wake = NEXT_WAKE.fetch_add(1, Relaxed);
        write('s', "wakes", format_args!(",\"id\":{wake}"));
        wake
    }

    /// Ends the arrow with this number. The number 0 is that of no arrow.
    pub(crate) fn woken_by(&self, wake: u64) {
        if wake != 0 {
            write('f', "wakes", format_args!(",\"bp\":\"e\",\"id\":{wake}"));
        }
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        write('E', self.0, format_args!(""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{bounded, scope, spawn, Condvar, Mutex};
    use std::{collections::HashMap, env, fs, sync::Arc, thread};

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
        let path = env::temp_dir().join(format!("course-trace-{}", std::process::id()));
        open(path.to_str().unwrap()).unwrap();
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
