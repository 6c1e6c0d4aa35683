//! A server as a child process: start it, read what it uses, end it. Runs on the caller's thread.
//!
//! All figures come from /proc, so they hold for a program in any language, which needs to do nothing for
//! them.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long a server may take to accept its first connection.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// What strace traces: the syncs, and a call that each thread makes once when it starts. strace lets the
/// other calls of a thread run at full speed only after the first one that is traced.
const TRACED: &str = "trace=fdatasync,fsync,rseq";

/// A running server. Dropping it ends the server.
pub struct Server {
    child: Child,
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The file in which strace writes a line for each sync of the server, if it traces it.
    trace: Option<PathBuf>,
}

/// What a process uses at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time of all its threads, with those that have ended.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub resident: u64,
    /// The number of its operating system threads.
    pub threads: u64,
    /// The number of its open file descriptors.
    pub descriptors: u64,
    /// How often it has waited for the disk, if strace traces it.
    pub syncs: Option<u64>,
}

impl Server {
    /// Starts `command`, which listens on `address`, and waits until it accepts connections.
    ///
    /// # Blocking
    /// On the server, for [`START_TIMEOUT`] at most.
    pub fn start(mut command: Command, address: SocketAddr) -> io::Result<Server> {
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(
                |error| io::Error::new(error.kind(), format!("{:?}: {error}", command.get_program())),
            )?;
        let mut server = Server { child, address, trace: None };
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(io::Error::other(format!("{:?} ended: {status}", command.get_program())));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("{:?} does not listen", command.get_program())));
            }
            // Polling is the only way: no event tells that a process in any language has called listen.
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// As [`Server::start`], under strace, which counts each sync of the server and makes it take `delay`
    /// longer. All other system calls run at full speed. strace is no parent of the server, which therefore
    /// can be measured and ended as if it were not traced.
    pub fn start_traced(command: &Command, address: SocketAddr, delay: Duration) -> io::Result<Server> {
        let trace = std::env::current_exe()?.with_file_name("bench-syncs.strace");
        let mut traced = Command::new("strace");
        traced.args(["-D", "-f", "--seccomp-bpf", "-qq", "-e", TRACED, "-o"]).arg(&trace);
        if !delay.is_zero() {
            traced.arg("-e").arg(format!("inject=fdatasync,fsync:delay_exit={}", delay.as_micros()));
        }
        traced.arg(command.get_program()).args(command.get_args());
        let mut server = Server::start(traced, address)?;
        server.trace = Some(trace);
        Ok(server)
    }

    /// Returns what the server uses now.
    pub fn usage(&self) -> io::Result<Usage> {
        let proc = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{proc}/status"))?;
        let syncs = |trace: &PathBuf| -> io::Result<u64> {
            Ok(fs::read_to_string(trace)?.matches("sync(").count() as u64)
        };
        Ok(Usage {
            syncs: self.trace.as_ref().map(syncs).transpose()?,
            cpu: cpu_time(&fs::read_to_string(format!("{proc}/stat"))?)?,
            resident: status_field(&status, "VmRSS:")? * 1024,
            threads: status_field(&status, "Threads:")?,
            descriptors: fs::read_dir(format!("{proc}/fd"))?.count() as u64,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that has already ended cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the user and system time of this process.
pub fn own_cpu() -> io::Result<Duration> {
    cpu_time(&fs::read_to_string("/proc/self/stat")?)
}

/// Returns the sum of fields 14 and 15 of /proc/PID/stat. Linux scales it to the scheduler's exact run time,
/// so it is exact to one clock tick (10 ms) for the whole process.
fn cpu_time(stat: &str) -> io::Result<Duration> {
    // The second field is the program's name in brackets, which may contain spaces.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|&i| fields.get(i)?.parse::<u64>().ok()).sum();
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

/// Returns the number that follows `name` in a file such as /proc/PID/status.
pub fn status_field(status: &str, name: &str) -> io::Result<u64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no {name} in /proc/PID/status")))
}

/// Returns a loopback address that is free now. If another program takes it first, the server does not start.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Raises the soft limit on open files to the hard limit, for this process and the servers that it starts.
pub fn raise_open_files() {
    use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        crate::print_line(&format!("cannot raise the limit on open files: {error}"));
    }
}

/// Returns whether `program` is on the path.
pub fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).chain(["/usr/sbin".into()]).any(|dir| dir.join(program).is_file())
    })
}

/// Runs a build of `what`.
///
/// # Errors
/// When the build fails; the error names `what`.
pub fn build(command: &mut Command, what: &Path) -> io::Result<()> {
    let status = command.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("building {} failed: {status}", what.display())))
    }
}
