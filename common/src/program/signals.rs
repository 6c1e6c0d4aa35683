//! What std cannot ask the system for: what a signal does, whether the terminal is ours, and the limit of
//! file descriptors. Any thread may call it, and nothing here blocks.
//!
//! This is the only file with unsafe code, and every function that it offers is safe to call. The functions
//! of the system that it declares are those of POSIX. Linux and macOS agree on their types, but for what
//! stands under `cfg` here. The sizes of two structs differ: such a struct has more bytes here than in any
//! of these systems, and only the system reads and writes it. The numbers are those of x86, ARM, RISC-V and
//! POWER; Linux on MIPS and SPARC has others.
//!
//! # What both programs do with signals
//!
//! - INT, TERM and HUP ask to stop, through the package ctrlc. One of them that is ignored at the start, as
//!   HUP under `nohup` or INT behind a shell's `&`, stays ignored.
//! - XFSZ is ignored: a file that reaches `ulimit -f` is then an error of the write, like a full disk.
//! - TTIN and TTOU are ignored: the system then stops nobody who uses the terminal from the background. A
//!   read fails there (see [`foreground`](crate::terminal::foreground)), and a write succeeds. A thread
//!   that sets modes of the terminal must ask [`is_in_background`] first.
//! - A signal that ends the client gives the terminal back first, while the client has changed its modes.
//!
//! Programs that are started inherit what is ignored. Ours start `sh`, `stty`, `date` and `cat`, which write
//! no files.

#![allow(unsafe_code)]

use std::{
    ffi::{c_int, c_short, c_void},
    ops::RangeInclusive,
    sync::{
        atomic::{AtomicBool, Ordering::SeqCst},
        Once, OnceLock,
    },
};

const HUP: c_int = 1;
const INT: c_int = 2;
const TERM: c_int = 15;
const TTIN: c_int = 21;
const TTOU: c_int = 22;
const XFSZ: c_int = 25;
/// What ctrlc handles.
const STOPPING: [c_int; 3] = [HUP, INT, TERM];

/// What ends a process by default and can be handled. KILL cannot be. SEGV and BUS are std's: after a stack
/// overflow it says so, and ends the process with ABRT. PIPE is ignored by std.
const DEADLY: [c_int; 12] = [HUP, INT, 3, 4, 5, 6, 8, 14, TERM, 24, 26, 27];
/// USR1, USR2, STKFLT, and from IO on also PWR, SYS and those for real time. The C library keeps some of
/// these for itself.
#[cfg(target_os = "linux")]
const MORE_DEADLY: [RangeInclusive<c_int>; 4] = [10..=10, 12..=12, 16..=16, 29..=64];
/// EMT, SYS, USR1, USR2.
#[cfg(not(target_os = "linux"))]
const MORE_DEADLY: [RangeInclusive<c_int>; 3] = [7..=7, 12..=12, 30..=31];

/// What a signal does, as `signal` takes and returns it: one of these two, or the address of a handler.
type Disposition = usize;
const DEFAULT: Disposition = 0;
const IGNORED: Disposition = 1;
/// The system knows no such signal, or does not give it to programs.
const NONE: Disposition = Disposition::MAX;

#[cfg(target_os = "linux")]
const SIG_BLOCK: c_int = 0;
#[cfg(not(target_os = "linux"))]
const SIG_BLOCK: c_int = 1;
const TCSANOW: c_int = 0;
const POLLOUT: c_short = 4;
const STDIN: c_int = 0;
const STDOUT: c_int = 1;

#[cfg(target_os = "linux")]
const RLIMIT_NOFILE: c_int = 7;
#[cfg(not(target_os = "linux"))]
const RLIMIT_NOFILE: c_int = 8;
/// glibc's `getrlimit` has this type on machines of 32 bits, too. musl and macOS have 64 bits everywhere.
#[cfg(all(target_os = "linux", not(target_env = "musl")))]
type Rlim = std::ffi::c_ulong;
#[cfg(not(all(target_os = "linux", not(target_env = "musl"))))]
type Rlim = u64;
/// macOS allows no process more, whatever its hard limit says.
#[cfg(not(target_os = "linux"))]
const OPEN_MAX: Rlim = 10_240;

#[cfg(target_os = "linux")]
type Count = std::ffi::c_ulong;
#[cfg(not(target_os = "linux"))]
type Count = std::ffi::c_uint;

/// `sigset_t`: 128 bytes on Linux, 4 on macOS.
#[repr(C, align(16))]
struct SignalSet([u8; 256]);

/// `struct termios`: at most 80 bytes on Linux and on macOS.
#[derive(Debug)]
#[repr(C, align(16))]
struct Modes([u8; 256]);

#[repr(C)]
struct Limit {
    soft: Rlim,
    hard: Rlim,
}

#[repr(C)]
struct Polled {
    descriptor: c_int,
    events: c_short,
    found: c_short,
}

extern "C" {
    fn signal(signal: c_int, action: Disposition) -> Disposition;
    fn raise(signal: c_int) -> c_int;
    fn sigemptyset(set: *mut SignalSet) -> c_int;
    fn sigaddset(set: *mut SignalSet, signal: c_int) -> c_int;
    fn pthread_sigmask(how: c_int, set: *const SignalSet, before: *mut SignalSet) -> c_int;
    fn tcgetpgrp(terminal: c_int) -> i32;
    fn getpgrp() -> i32;
    fn tcgetattr(terminal: c_int, modes: *mut Modes) -> c_int;
    fn tcsetattr(terminal: c_int, when: c_int, modes: *const Modes) -> c_int;
    fn poll(polled: *mut Polled, count: Count, timeout_ms: c_int) -> c_int;
    fn write(descriptor: c_int, bytes: *const c_void, length: usize) -> isize;
    fn getrlimit(resource: c_int, limit: *mut Limit) -> c_int;
    fn setrlimit(resource: c_int, limit: *const Limit) -> c_int;
}

/// Sets what a signal does. Returns what it did before.
fn set(number: c_int, action: Disposition) -> Disposition {
    // SAFETY: an action is one of the two constants, what this function has returned for the same signal of a
    // process that has no other handlers for it, or the address of a handler in this file.
    unsafe { signal(number, action) }
}

/// Sends a signal to this thread.
fn send(number: c_int) {
    // SAFETY: it takes a number and touches no memory of ours.
    unsafe { raise(number) };
}

/// The signals that ask to stop and were ignored when the process began.
#[derive(Debug)]
pub struct IgnoredAtStart(Vec<c_int>);

/// Sets what signals do in both programs. Comes before any thread is started.
///
/// The signals in the returned value are blocked from now on, in this thread and in all that it starts. So
/// none of them is handled between ctrlc, which handles what was ignored, and
/// [`IgnoredAtStart::ignore_again`].
pub fn at_start() -> IgnoredAtStart {
    for number in [XFSZ, TTIN, TTOU] {
        set(number, IGNORED);
    }
    let ignored: Vec<c_int> = STOPPING.into_iter().filter(|number| is_ignored(*number)).collect();
    let mut blocked = SignalSet([0; 256]);
    // SAFETY: the set outlives the calls, and the system's own is not longer. Null asks for no former mask.
    unsafe {
        sigemptyset(&mut blocked);
        for number in &ignored {
            sigaddset(&mut blocked, *number);
        }
        pthread_sigmask(SIG_BLOCK, &blocked, std::ptr::null_mut());
    }
    IgnoredAtStart(ignored)
}

/// Lets the signals that ask to stop end this process and those that it starts, also where a shell's `&` has
/// ignored them. For a program that tests others with signals.
pub fn heed_stopping() {
    STOPPING.into_iter().for_each(|number| _ = set(number, DEFAULT));
}

impl IgnoredAtStart {
    /// Ignores them again. Comes after ctrlc has set its handlers.
    pub fn ignore_again(&self) {
        for number in &self.0 {
            set(*number, IGNORED);
        }
    }
}

/// Whether the last signal came while [`is_ignored`] looked.
static CAME: AtomicBool = AtomicBool::new(false);

/// A handler.
extern "C" fn note(_signal: c_int) {
    CAME.store(true, SeqCst);
}

/// Returns whether a signal is ignored. One that comes meanwhile has its effect afterwards.
fn is_ignored(number: c_int) -> bool {
    let action = set(number, note as extern "C" fn(c_int) as Disposition);
    set(number, action);
    if CAME.swap(false, SeqCst) && action != IGNORED {
        send(number);
    }
    action == IGNORED
}

/// Returns whether another group of processes has the terminal that is our standard input. False where it is
/// not the terminal of this session.
pub fn is_in_background() -> bool {
    // SAFETY: both take at most a number, and touch no memory of ours.
    let (ours, foreground) = unsafe { (getpgrp(), tcgetpgrp(STDIN)) };
    foreground >= 0 && foreground != ours
}

/// The terminal on standard input as it was found.
#[derive(Debug)]
struct Found {
    modes: Modes,
    last_words: &'static str,
}

static FOUND: OnceLock<Found> = OnceLock::new();
/// Whether the terminal has other modes now.
static IS_CHANGED: AtomicBool = AtomicBool::new(false);

/// Says that the modes of the terminal on standard input are about to change. From now on a deadly signal
/// sets those that they had at the first call, and writes `last_words` to standard output.
pub fn terminal_changes(last_words: &'static str) {
    static HANDLED: Once = Once::new();
    if FOUND.get().is_none() {
        let mut modes = Modes([0; 256]);
        // SAFETY: the modes outlive the call, and the system's own are not longer.
        if unsafe { tcgetattr(STDIN, &mut modes) } != 0 {
            return;
        }
        // An error means that another thread has found the same.
        let _ = FOUND.set(Found { modes, last_words });
    }
    IS_CHANGED.store(true, SeqCst);
    HANDLED.call_once(|| DEADLY.into_iter().chain(MORE_DEADLY.into_iter().flatten()).for_each(handle));
}

/// Says that the terminal has its own modes again.
pub fn terminal_is_back() {
    IS_CHANGED.store(false, SeqCst);
}

/// Lets a deadly signal give the terminal back. One that does something else already goes on to do that.
fn handle(number: c_int) {
    let action = set(number, die as extern "C" fn(c_int) as Disposition);
    if action != DEFAULT && action != NONE {
        set(number, action);
    }
}

/// A handler: gives the terminal back, and ends the process as the signal does by default. It calls nothing
/// that a handler may not call.
extern "C" fn die(number: c_int) {
    // The terminal of another group would get modes that are not its own.
    if IS_CHANGED.swap(false, SeqCst) && !is_in_background() {
        FOUND.get().into_iter().for_each(give_back);
    }
    set(number, DEFAULT);
    // It is blocked until this handler returns.
    send(number);
}

fn give_back(Found { modes, last_words }: &Found) {
    let mut output = Polled { descriptor: STDOUT, events: POLLOUT, found: 0 };
    // SAFETY: the modes are what `tcgetattr` has filled, and all that is pointed to outlives the calls.
    unsafe {
        tcsetattr(STDIN, TCSANOW, modes);
        // A terminal that takes no output must not hold up the end.
        if poll(&mut output, 1, 0) == 1 && output.found == POLLOUT {
            write(STDOUT, last_words.as_ptr().cast(), last_words.len());
        }
    }
}

/// Raises the soft limit of open file descriptors to the hard one. Returns what it is then, or `None` if it
/// is unknown.
pub fn raise_descriptor_limit() -> Option<u64> {
    let mut limit = Limit { soft: 0, hard: 0 };
    // SAFETY: the limit outlives the call and has the system's layout.
    if unsafe { getrlimit(RLIMIT_NOFILE, &mut limit) } != 0 {
        return None;
    }
    #[cfg(target_os = "linux")]
    let most = limit.hard;
    #[cfg(not(target_os = "linux"))]
    let most = limit.hard.min(OPEN_MAX).max(limit.soft);
    let raised = Limit { soft: most, hard: limit.hard };
    // SAFETY: as above.
    let is_raised = unsafe { setrlimit(RLIMIT_NOFILE, &raised) } == 0;
    #[allow(clippy::useless_conversion, reason = "on other systems the type is shorter")]
    Some(if is_raised { most } else { limit.soft }.into())
}
