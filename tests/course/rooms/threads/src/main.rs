//! What a thread costs, and what a goroutine costs: memory while it waits, time to start it, time to wake it.
//!
//! The main thread measures. The Go half is in `go`.
// The output is for the person who runs the program.
#![allow(clippy::print_stdout)]

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::{mpsc::sync_channel, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// The number of threads: a large room on one machine.
const MANY: usize = 10_000;
/// The server's stack size. Only the pages that a thread uses take memory.
const STACK_BYTES: usize = 128 * 1024;
/// The number of repetitions. More do not change the mean.
const ROUNDS: u32 = 5_000;

fn main() -> io::Result<()> {
    let go = build_go_half();
    memory(go.as_deref())?;
    time(go.as_deref())
}

/// Measures the memory of ten thousand parked threads, and of as many goroutines.
fn memory(go: Option<&Path>) -> io::Result<()> {
    let (resident, kernel, reserved) = parked_threads()?;
    let each = |bytes: u64| bytes as f64 / MANY as f64 / 1024.0;
    println!("{MANY} that wait, each:");
    println!(
        "  a thread     {:5.1} KiB resident, {:.1} KiB in the kernel, and {:.0} KiB of addresses",
        each(resident),
        each(kernel),
        each(reserved),
    );
    verify(each(resident + kernel) < 64.0, "a parked thread costs less than 64 KiB")?;
    if let Some(go) = go {
        let (bytes, threads) = run_go_half(go, "parked", MANY as u64)?;
        println!(
            "  a goroutine  {:5.1} KiB resident, and {threads} more threads for all of them",
            each(bytes)
        );
        verify(each(bytes) < each(resident + kernel), "a parked goroutine costs less than a parked thread")?;
    }
    Ok(())
}

/// Returns the resident memory, the kernel's memory (stacks and page tables) and the address space that
/// parked threads take, in bytes. The kernel reports its stacks for the whole machine, so other processes
/// that start or end distort that figure.
fn parked_threads() -> io::Result<(u64, u64, u64)> {
    let before = Memory::now()?;
    let gate = (Mutex::new(0), Condvar::new());
    let during = thread::scope(|scope| {
        let park = || {
            let mut parked = gate.0.lock().unwrap_or_else(PoisonError::into_inner);
            *parked += 1;
            gate.1.notify_all();
            // A number above MANY releases all threads.
            drop(gate.1.wait_while(parked, |parked| *parked <= MANY));
        };
        let spawned = (0..MANY).try_for_each(|number| {
            let builder = thread::Builder::new().name(format!("parked-{number}")).stack_size(STACK_BYTES);
            builder.spawn_scoped(scope, park).map(drop)
        });
        let during = spawned.and_then(|()| {
            let parked = gate.0.lock().unwrap_or_else(PoisonError::into_inner);
            drop(gate.1.wait_while(parked, |parked| *parked < MANY));
            Memory::now()
        });
        // This releases the threads even after a failed spawn, because the scope would wait for ever
        // otherwise.
        *gate.0.lock().unwrap_or_else(PoisonError::into_inner) += MANY + 1;
        gate.1.notify_all();
        during
    })?;
    Ok((
        during.resident.saturating_sub(before.resident),
        during.kernel.saturating_sub(before.kernel),
        during.reserved.saturating_sub(before.reserved),
    ))
}

/// What this process uses at one moment, in bytes.
struct Memory {
    resident: u64,
    kernel: u64,
    reserved: u64,
}

impl Memory {
    fn now() -> io::Result<Memory> {
        let (status, machine) =
            (fs::read_to_string("/proc/self/status")?, fs::read_to_string("/proc/meminfo")?);
        let bytes = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0) * 1024
        };
        Ok(Memory {
            resident: bytes(&status, "VmRSS:"),
            kernel: bytes(&machine, "KernelStack:") + bytes(&status, "VmPTE:"),
            reserved: bytes(&status, "VmSize:"),
        })
    }
}

/// Measures the time to start and join a thread, and the time to wake one that waits; then the same for
/// goroutines.
fn time(go: Option<&Path>) -> io::Result<()> {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        thread::scope(|scope| {
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || {}).map(drop)
        })?;
    }
    let started = start.elapsed() / ROUNDS;
    let woken = wake_and_hear_back()?;
    println!("To start one and wait for its end, and to wake one and hear back:");
    println!("  a thread     {started:>9.1?} {woken:>9.1?}");
    // A round trip is two wake-ups.
    verify(woken / 2 < started, "to wake a thread costs less than to start one, so keep one per recipient")?;
    if let Some(go) = go {
        let (started_go, woken_go) = run_go_half(go, "spawn", ROUNDS.into())?;
        let [started_go, woken_go] = [started_go, woken_go].map(Duration::from_nanos);
        println!("  a goroutine  {started_go:>9.1?} {woken_go:>9.1?}");
        verify(started_go * 5 < started, "to start a goroutine costs a fraction of a thread's start")?;
    }
    Ok(())
}

/// Returns how long it takes to wake a thread that waits for a channel, and to be woken by its answer.
fn wake_and_hear_back() -> io::Result<Duration> {
    let (ask_tx, ask_rx) = sync_channel::<()>(0);
    let (answer_tx, answer_rx) = sync_channel::<()>(0);
    thread::scope(|scope| {
        thread::Builder::new().name("woken".into()).spawn_scoped(scope, move || {
            for () in ask_rx {
                // The asking thread reads each answer before it drops its ends of the channels.
                let _ = answer_tx.send(());
            }
        })?;
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let _ = ask_tx.send(());
            let _ = answer_rx.recv();
        }
        drop(ask_tx);
        Ok(start.elapsed() / ROUNDS)
    })
}

/// Builds the Go half, into the folder of this program. Returns nothing if that cannot be done.
fn build_go_half() -> Option<PathBuf> {
    let program = env::current_exe().ok()?.with_file_name("course-room-threads-go");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(".");
    let built = go.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("go")).status();
    if !built.is_ok_and(|status| status.success()) {
        println!("The Go half is skipped, because there is no Go here.");
        return None;
    }
    Some(program)
}

/// Runs the Go half, and returns the two numbers that it prints.
fn run_go_half(go: &Path, command: &str, count: u64) -> io::Result<(u64, u64)> {
    let printed = Command::new(go).args([command, &count.to_string()]).output()?.stdout;
    let printed = String::from_utf8_lossy(&printed);
    let mut numbers = printed.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(second))) => Ok((first, second)),
        _ => Err(io::Error::other(format!("the Go half printed {printed:?}"))),
    }
}

/// Prints whether the figures show a claim.
///
/// # Errors
/// When they do not.
fn verify(shown: bool, claim: &str) -> io::Result<()> {
    let claim = format!("{}: {claim}", if shown { "shown" } else { "NOT SHOWN" });
    println!("{claim}");
    shown.then_some(()).ok_or_else(|| io::Error::other(claim))
}
