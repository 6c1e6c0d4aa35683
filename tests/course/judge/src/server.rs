//! A server under judgement: a program in any language, which the judge starts, looks at and kills.
//!
//! All figures come from the system, so the program needs to do nothing for them.

use crate::rest;
use chat_tests::process::Program;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    process::{Command, ExitStatus, Stdio},
    thread,
};

/// What a server prints when it accepts connections; the port is at the end of its first word that has one.
pub const RUNNING: &str = "Server running ";

/// A server may look from time to time whether it has to end. In so many rests it would have.
pub(crate) const RESTS_BEFORE_END: usize = 8;

/// A running server. Dropping it kills it, and all that it has started.
#[derive(Debug)]
pub struct Server {
    program: Program,
    address: SocketAddr,
}

/// What a server uses at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Resident memory, in KiB.
    pub memory: u64,
    /// Threads of the system.
    pub threads: u64,
}

impl Server {
    /// Starts a server and waits until it prints on which port it accepts connections.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(command: &mut Command) -> Server {
        let program = Program::start("the server", command);
        let port = port(&program.line_starting_with(RUNNING));
        Server { program, address: (Ipv4Addr::LOCALHOST, port).into() }
    }

    /// The server's port on 127.0.0.1.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how the server has ended, or `None` while it runs.
    pub fn has_ended(&mut self) -> Option<String> {
        self.program.has_exited().map(|status| format!("the server ended with {status}"))
    }

    /// Sends the server SIGTERM. A program that has started others, as a shell does, waits for the last of
    /// them, and that one is the server.
    pub fn is_told_to_stop(&self) {
        let server = self.processes().last().map(u32::to_string);
        // A process that has ended needs no signal, and `kill` says so.
        let _ = Command::new("kill").args(["-s", "TERM"]).args(server).stderr(Stdio::null()).status();
    }

    /// Waits until the server has ended by itself. Returns `None` when the room stays at rest instead.
    pub fn ends(&mut self) -> Option<ExitStatus> {
        let (process, mut status) = (self.program.pid(), None);
        for _ in 0..RESTS_BEFORE_END {
            let mut ended = || {
                status = self.program.has_exited();
                status.is_some()
            };
            if rest::happens_before_rest(|| with_children(process), &mut ended, || 0) {
                break;
            }
        }
        status
    }

    /// Does something that may wait for the server. Returns `None` when the room comes to rest before it is
    /// done; the server is then killed, which ends the wait. `progress` is as in [`rest`].
    ///
    /// # Panics
    /// When the action panics.
    pub fn lets<R: Send>(
        &self,
        action: impl FnOnce() -> R + Send,
        progress: impl Fn() -> usize,
    ) -> Option<R> {
        thread::scope(|scope| {
            let acting = scope.spawn(action);
            let done = self.happens_before_rest(|| acting.is_finished(), progress);
            if !done {
                self.kill();
            }
            let result = acting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            done.then_some(result)
        })
    }

    /// Waits until `happened` is true, and returns true; or until the room is at rest, and returns false.
    pub fn happens_before_rest(&self, happened: impl FnMut() -> bool, progress: impl Fn() -> usize) -> bool {
        rest::happens_before_rest(|| self.processes(), happened, progress)
    }

    /// Whether all threads of the server sleep now.
    pub fn sleeps(&self) -> bool {
        rest::sleep(&self.processes())
    }

    /// The numbers of the server's processes: a command such as `cargo run` starts others.
    fn processes(&self) -> Vec<u32> {
        with_children(self.program.pid())
    }

    fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for process in self.processes() {
            let status = fs::read_to_string(format!("/proc/{process}/status"));
            let status = status.unwrap_or_else(|_| status_by_ps(process));
            usage.memory += number_after(&status, "VmRSS:");
            usage.threads += number_after(&status, "Threads:");
        }
        usage
    }

    /// What the server uses when all that was said has arrived.
    pub fn usage_at_rest(&self) -> Usage {
        self.comes_to_rest();
        self.usage()
    }

    /// Waits until the room is at rest.
    pub fn comes_to_rest(&self) {
        self.happens_before_rest(|| false, || 0);
    }

    /// Kills the server and all that it has started, and so ends every wait for it.
    pub fn kill(&self) {
        let processes = self.processes().iter().map(u32::to_string).collect::<Vec<_>>();
        // A process that has ended needs no signal, and `kill` says so.
        let _ = Command::new("kill").args(["-s", "KILL"]).args(processes).stderr(Stdio::null()).status();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The number of this process, and those of all that it has started.
fn with_children(process: u32) -> Vec<u32> {
    let mut processes = vec![process];
    let mut next = 0;
    while let Some(process) = processes.get(next) {
        let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        let children: Vec<u32> = children
            .flat_map(|line| line.split(' ').filter_map(|child| child.parse().ok()).collect::<Vec<_>>())
            .collect();
        processes.extend(children);
        next += 1;
    }
    processes
}

/// The port in a line such as `Server running on 127.0.0.1:1234` or `Server running at 1234 ...`.
fn port(line: &str) -> u16 {
    let mut words = line.split([' ', ':']).rev();
    words.find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("there is no port in {line:?}"))
}

fn number_after(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The memory of a process as a line of `/proc`, where there is no `/proc`.
fn status_by_ps(process: u32) -> String {
    let output = Command::new("ps").args(["-o", "rss=", "-p", &process.to_string()]).output();
    output.map_or_else(
        |_| String::new(),
        |output| format!("VmRSS: {}", String::from_utf8_lossy(&output.stdout)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_stands_in_the_first_line_of_each_server() {
        assert_eq!(port("Server running at 1234 ..."), 1234);
        assert_eq!(port("Server running on 127.0.0.1:40123"), 40123);
        assert_eq!(port("Server running on [::1]:40123"), 40123);
    }

    #[test]
    fn numbers_of_the_system_are_found_by_their_names() {
        assert_eq!(number_after("Name:\tx\nVmRSS:\t    4312 kB\nThreads:\t7\n", "VmRSS:"), 4312);
        assert_eq!(number_after("Name:\tx\nThreads:\t7\n", "Threads:"), 7);
    }
}
