//! Waits for a thing that may never happen: until it has happened, or until the room is *at rest*.
//!
//! A room is at rest when all threads of the server and of the judge sleep in two looks, and none of them has
//! run in between. Then nothing is on its way, and what has not arrived will not arrive. So a frozen room is
//! found in a tenth of a second, and no test waits for a timeout.
//!
//! It looks at all threads, and chooses none by its name: a new thread has its parent's name until it runs.
//!
//! A server that looks again and again whether it may go on never rests, and where there is no `/proc`, as on
//! macOS, nobody can see whether it does. There the room is at rest when nothing has happened for a time.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// The time between the two looks. Linux delays the acknowledgement of a packet for 40 ms, and a server that
/// writes a frame in two pieces may wait for it. That is slow, but it is not rest.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// The time before the first look, in which most things happen.
const BEFORE_FIRST_LOOK: Duration = Duration::from_millis(20);

/// How often we ask whether it has happened.
const PAUSE: Duration = Duration::from_millis(1);

/// A room in which nothing has happened for this long is at rest, where there is no `/proc`.
const SILENCE: Duration = Duration::from_secs(2);

/// The same for a server that never sleeps for long. It is longer, because the machine may be busy.
const SILENCE_OF_THE_RESTLESS: Duration = Duration::from_secs(8);

/// The folder in which the system shows the threads of this process.
const OWN_THREADS: &str = "/proc/self/task";

/// Waits until `happened` is true, and returns true; or until the room is at rest, and returns false.
///
/// `processes` returns the numbers of the server's processes. `progress` returns a number that changes while
/// the room works.
///
/// # Blocking
/// As long as there is progress.
pub fn happens_before_rest(
    processes: impl Fn() -> Vec<u32>,
    mut happened: impl FnMut() -> bool,
    progress: impl Fn() -> usize,
) -> bool {
    let silence = if Path::new(OWN_THREADS).exists() { SILENCE_OF_THE_RESTLESS } else { SILENCE };
    let (mut before, mut pause) = (None, BEFORE_FIRST_LOOK);
    // The pauses count, and not the clock: a machine that stands still is no silence.
    let (mut silent, mut reached) = (Duration::ZERO, progress());
    loop {
        if happens_within(pause, &mut happened) {
            return true;
        }
        silent += pause;
        if progress() != reached {
            (silent, reached) = (Duration::ZERO, progress());
        }
        let now = look(&processes());
        if (now.is_some() && now == before) || silent > silence {
            return happened();
        }
        (before, pause) = (now, BETWEEN_LOOKS);
    }
}

/// Waits until `happened` is true. Returns false when that takes longer.
fn happens_within(timeout: Duration, happened: &mut impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !happened() {
        if start.elapsed() >= timeout {
            return false;
        }
        thread::sleep(PAUSE);
    }
    true
}

/// Whether all threads of these processes sleep now. Where there is no `/proc`, nobody can see that one runs.
pub fn sleep(processes: &[u32]) -> bool {
    let folders = processes.iter().map(|process| PathBuf::from(format!("/proc/{process}/task")));
    !Path::new(OWN_THREADS).exists() || sleepers(&folders.collect::<Vec<_>>()).is_some()
}

/// A thread that sleeps: its folder in `/proc`, and how often it has stopped running. A thread that runs and
/// sleeps again has another count.
type Sleeper = (PathBuf, u64);

/// Looks at all threads of these processes and of this one, except the thread that looks. Returns `None` when
/// one of them runs.
fn look(processes: &[u32]) -> Option<Vec<Sleeper>> {
    let mut folders = vec![PathBuf::from(OWN_THREADS)];
    folders.extend(processes.iter().map(|process| PathBuf::from(format!("/proc/{process}/task"))));
    sleepers(&folders)
}

/// The threads with these folders, except the thread that looks. Returns `None` when one of them runs.
fn sleepers(folders: &[PathBuf]) -> Option<Vec<Sleeper>> {
    let this = fs::read_link("/proc/thread-self").ok()?;
    let mut sleepers = Vec::new();
    // A process that has ended has no folder, and no thread that runs.
    for thread in folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        let thread = thread.path();
        if thread.file_name() != this.file_name() {
            // A thread that ends while we look has run.
            sleepers.push((thread.clone(), switches(&fs::read_to_string(thread.join("status")).ok()?)?));
        }
    }
    sleepers.sort_unstable();
    Some(sleepers)
}

/// Returns how often the thread with this status has stopped running, or `None` when it runs.
fn switches(status: &str) -> Option<u64> {
    let mut switches = 0;
    for line in status.lines() {
        match line.split_once(":\t")? {
            // Asleep, stopped by a signal, or ended.
            ("State", state) if !state.starts_with(['S', 'T', 't', 'Z', 'X']) => return None,
            ("voluntary_ctxt_switches" | "nonvoluntary_ctxt_switches", count) => {
                switches += count.parse::<u64>().ok()?;
            }
            _ => {}
        }
    }
    Some(switches)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASLEEP: &str = "Name:\tann\nState:\tS (sleeping)\nVmRSS:\t      12 kB\nSigQ:\t0/31\n\
                          voluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t4\n";

    #[test]
    fn a_thread_sleeps_or_runs() {
        assert_eq!(switches(ASLEEP), Some(7));
        assert_eq!(switches(&ASLEEP.replace("S (sleeping)", "R (running)")), None);
        assert_eq!(switches(&ASLEEP.replace("S (sleeping)", "D (disk sleep)")), None);
    }
}
