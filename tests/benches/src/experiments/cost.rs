//! The cost of threads and of goroutines: memory while they wait, time to start one, and time to wake one.

use super::verify;
use crate::{
    print_line,
    process::{build, is_installed, status_field},
    systems::repository,
};
use crossbeam_channel::bounded;
use std::{
    env, fs, io,
    process::Command,
    sync::{Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// The number of threads: a large room on one machine.
const MANY: usize = 10_000;
/// The server's stack size. Only the pages that a thread uses take memory.
const STACK_BYTES: usize = 128 * 1024;
/// The number of repetitions. More do not change the mean.
const ROUNDS: u32 = 5_000;

/// Measures the memory of ten thousand parked threads, and of as many goroutines.
pub(super) fn ten_thousand() -> io::Result<()> {
    let (resident, kernel, reserved) = parked_threads()?;
    let each = |bytes: u64| bytes as f64 / MANY as f64 / 1024.0;
    print_line(&format!(
        "a parked thread    {:5.1} KiB resident and {:.1} KiB in the kernel, \
         with {:.0} KiB of address space",
        each(resident),
        each(kernel),
        each(reserved),
    ));
    verify(each(resident + kernel) < 64.0, "a parked thread costs less than 64 KiB")?;
    if let Some((bytes, threads)) = run_go_half("parked", MANY as u64)? {
        print_line(&format!(
            "a parked goroutine {:5.1} KiB resident, and {threads} more OS threads for all of them",
            each(bytes)
        ));
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
        let status = fs::read_to_string("/proc/self/status")?;
        let machine = fs::read_to_string("/proc/meminfo")?;
        Ok(Memory {
            resident: status_field(&status, "VmRSS:")? * 1024,
            kernel: (status_field(&machine, "KernelStack:")? + status_field(&status, "VmPTE:")?) * 1024,
            reserved: status_field(&status, "VmSize:")? * 1024,
        })
    }
}

/// Measures the time to start and join a thread, and the time to wake one that waits; then the same for
/// goroutines.
pub(super) fn spawn_cost() -> io::Result<()> {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        thread::scope(|scope| {
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || {}).map(drop)
        })?;
    }
    let spawned = start.elapsed() / ROUNDS;

    let (ask_tx, ask_rx) = bounded::<()>(0);
    let (answer_tx, answer_rx) = bounded::<()>(0);
    let woken = thread::scope(|scope| {
        thread::Builder::new().name("woken".into()).spawn_scoped(scope, move || {
            for () in ask_rx {
                // The asking thread reads every answer before it drops its ends of the channels, so this
                // cannot fail.
                let _ = answer_tx.send(());
            }
        })?;
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let _ = ask_tx.send(());
            let _ = answer_rx.recv();
        }
        drop(ask_tx);
        Ok::<Duration, io::Error>(start.elapsed() / ROUNDS)
    })?;
    print_line(&format!(
        "a thread           {spawned:>9.1?} to start and join, {woken:>9.1?} to wake and hear back"
    ));
    // A round trip is two wake-ups.
    verify(woken / 2 < spawned, "waking a thread costs less than starting one, so keep one per recipient")?;
    if let Some((spawned_go, woken_go)) = run_go_half("spawn", ROUNDS.into())? {
        let [spawned_go, woken_go] = [spawned_go, woken_go].map(Duration::from_nanos);
        print_line(&format!(
            "a goroutine        {spawned_go:>9.1?} to start and join, {woken_go:>9.1?} to wake and hear back"
        ));
        verify(spawned_go * 5 < spawned, "starting a goroutine costs a fraction of starting a thread")?;
    }
    Ok(())
}

/// Builds and runs the Go half, and returns the two numbers that it prints. Returns none if Go is not
/// installed, and prints that.
fn run_go_half(command: &str, count: u64) -> io::Result<Option<(u64, u64)>> {
    if !is_installed("go") {
        print_line("the Go half is skipped because go is not installed");
        return Ok(None);
    }
    let program = env::current_exe()?.with_file_name("go-cost");
    let source = repository().join("tests/go-twin");
    build(
        Command::new("go").args(["build", "-o"]).arg(&program).arg("./cost").current_dir(&source),
        &source,
    )?;
    let printed = Command::new(&program).args([command, &count.to_string()]).output()?.stdout;
    let printed = String::from_utf8_lossy(&printed);
    let mut numbers = printed.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(second))) => Ok(Some((first, second))),
        _ => Err(io::Error::other(format!("the Go half printed {printed:?}"))),
    }
}
