//! The limits of the process's memory, and what fits into them: bytes (`ulimit -v`, `prlimit --as`) and areas
//! (`vm.max_map_count`). Runs on the main thread, before the server starts.
//!
//! std ends the process when a small piece of memory cannot be had, and when the system gives a thread its
//! stack but not the few pages beside it. So a server with a limit takes only as many connections as fit for
//! certain.

use chat_server::Limits;
use log::{debug, warn};
use std::{env, fs, os::unix::process::CommandExt, process::Command};

/// What the process may take besides what the limits bound, in bytes: 16 MiB for the stacks of the eight
/// threads that a server has beside those of its clients, 8 MiB for the lines that wait for a reader, and the
/// heap's own overhead.
const RESERVE_BYTES: u64 = 32 << 20;
/// The areas of memory that a thread takes: its stack, its stack for signals, and a guard page for each.
const AREAS_OF_THREAD: u64 = 4;
/// What the process may take besides, in areas: those of the program and its libraries, the heap, and the
/// threads of connections that have not joined.
const RESERVE_AREAS: u64 = 2048;
/// The fewest connections that are worth a server.
const FEWEST_CONNECTIONS: usize = 2;
/// The variable with which glibc is told how many heaps it may have.
const HEAPS_VARIABLE: &str = "MALLOC_ARENA_MAX";

/// Lowers `--max-connections` if the process could not have the memory for all of them.
///
/// # Blocking
/// On `/proc`, where the system has it. Elsewhere no limit is found.
///
/// # Errors
/// When the memory limit leaves no room for a server. Says what to do.
pub(crate) fn fit(limits: &mut Limits) -> Result<(), String> {
    if let Some(areas) = number_in("/proc/sys/vm/max_map_count") {
        let fitting = connections_within(areas);
        if fitting < limits.max_connections {
            warn!(
                "the limit of {areas} areas of memory has room for {fitting} connections, so \
                 --max-connections is {fitting} and not {}; raise it (sysctl vm.max_map_count) for more",
                limits.max_connections
            );
            limits.max_connections = fitting;
        }
    }
    let needed = limits.memory_bytes();
    debug!("memory: at most {} MiB for these limits", mib(needed));
    let Some(limit) = limit_bytes() else { return Ok(()) };
    let in_use = value_in("/proc/self/status", "VmSize:").map_or(0, |kib| kib << 10);
    let available = limit.saturating_sub(in_use + RESERVE_BYTES);
    if needed <= available {
        return Ok(());
    }
    let for_connections = available.saturating_sub(limits.shared_memory_bytes());
    let fitting = (for_connections / limits.connection_memory_bytes()) as usize;
    if fitting < FEWEST_CONNECTIONS {
        return Err(format!(
            "the memory limit of {} MiB is too low: {} MiB are in use or in reserve, and the log and the \
             queue take {} MiB; raise the limit (ulimit -v or -d), or lower --log-size, --queue or \
             --thread-stack",
            mib(limit),
            mib(in_use + RESERVE_BYTES),
            mib(limits.shared_memory_bytes())
        ));
    }
    warn!(
        "the memory limit of {} MiB has room for {fitting} connections, so --max-connections is {fitting} \
         and not {}",
        mib(limit),
        limits.max_connections
    );
    limits.max_connections = fitting;
    Ok(())
}

/// Returns how many connections a process with so many areas of memory can serve for certain.
fn connections_within(areas: u64) -> usize {
    let fitting = areas.saturating_sub(RESERVE_AREAS) / (AREAS_OF_THREAD * Limits::THREADS_EACH as u64);
    (fitting as usize).max(FEWEST_CONNECTIONS)
}

/// Starts this program again with a single heap, if there is a memory limit. Otherwise glibc reserves 64 MiB
/// of addresses for each of the first threads, and a limit of 500 MiB is used up after eight.
///
/// It returns only if that is not necessary, or fails.
pub(crate) fn restart_with_one_heap() {
    if limit_bytes().is_none() || env::var_os(HEAPS_VARIABLE).is_some() {
        return;
    }
    let mut arguments = env::args_os();
    let error = match env::current_exe() {
        Ok(program) => {
            let mut command = Command::new(program);
            if let Some(name) = arguments.next() {
                command.arg0(name);
            }
            command.args(arguments).env(HEAPS_VARIABLE, "1").exec()
        }
        Err(error) => error,
    };
    warn!("cannot start again with one heap: {error}");
}

/// Returns the memory limit of this process, in bytes, if it has one. The limit of data counts less than the
/// limit of addresses does, so treating them alike is safe.
fn limit_bytes() -> Option<u64> {
    let limits = ["Max address space", "Max data size"];
    limits.into_iter().filter_map(|name| value_in("/proc/self/limits", name)).min()
}

/// Returns the number behind `name` in a file of `/proc`. It is `None` for "unlimited".
fn value_in(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Returns the number that a file of `/proc` holds.
fn number_in(file: &str) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}
