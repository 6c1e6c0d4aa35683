//! The real programs as child processes: built once, their output watched, killed when a test is done with them.

use crate::watchdog::{poll, Watched};
use std::{
    env,
    ffi::OsStr,
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, OnceLock},
    thread::{self, JoinHandle},
};

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    out: Arc<Watched<Output>>,
    err: Arc<Watched<Output>>,
    readers: Vec<JoinHandle<()>>,
}

/// What a program has written to one of its outputs.
#[derive(Debug, Default)]
struct Output {
    text: String,
    ended: bool,
}

impl Program {
    /// Starts any command; `name` is for messages.
    pub fn start(name: &str, command: &mut Command) -> Program {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let (out, err) = (Arc::default(), Arc::default());
        let readers = vec![
            read_all(child.stdout.take().expect("it is piped"), &out),
            read_all(child.stderr.take().expect("it is piped"), &err),
        ];
        Program { name: name.to_owned(), stdin: child.stdin.take(), child, out, err, readers }
    }

    /// Starts a server on a free port of this address with these further arguments, and waits until it accepts.
    pub fn server_at(host: &str, arguments: &[&str]) -> (Program, SocketAddr) {
        let mut command = Command::new(binary("chat-server"));
        command.args(["--listen", &format!("{host}:0")]).args(arguments);
        Program::serve(&mut command)
    }

    /// The same, on 127.0.0.1.
    pub fn server(arguments: &[&str]) -> (Program, SocketAddr) {
        Program::server_at("127.0.0.1", arguments)
    }

    /// Starts this command, which is a server, and waits until it accepts on 127.0.0.1.
    pub fn serve(command: &mut Command) -> (Program, SocketAddr) {
        let server = Program::start("server", command);
        let line = server.line("Server running at ");
        let port = line.trim_start_matches("Server running at ").trim_end_matches(" ...");
        let port = port.parse().unwrap_or_else(|_| panic!("{line:?} names no port"));
        (server, (Ipv4Addr::LOCALHOST, port).into())
    }

    /// Starts a client that joins this server under this name, with these further arguments.
    pub fn client(server: SocketAddr, name: &str, arguments: &[&str]) -> Program {
        let mut command = Command::new(binary("chat-client"));
        command.args(["--server", &server.to_string(), "--name", name]).args(arguments);
        Program::start(name, &mut command)
    }

    /// Starts a client and waits until it has joined.
    pub fn joined_client(server: SocketAddr, name: &str) -> Program {
        let client = Program::client(server, name, &[]);
        client.sees("Connected! Start typing...");
        client
    }

    /// Types a line.
    pub fn types(&mut self, line: &str) {
        self.types_all(&format!("{line}\n"));
    }

    /// Types this very text. A program that is gone does not hear it.
    pub fn types_all(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("its input has not been ended");
        let _ = stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush());
    }

    /// Ends its input.
    pub fn ends_input(&mut self) {
        self.stdin = None;
    }

    /// Waits until its standard output contains this.
    ///
    /// # Panics
    /// After the watchdog's patience, or when the output ends without it.
    pub fn sees(&self, wanted: &str) {
        self.wait_for(&self.out, wanted, |text| text.contains(wanted).then_some(()));
    }

    /// Waits until its standard error contains this.
    ///
    /// # Panics
    /// As [`Program::sees`].
    pub fn logs(&self, wanted: &str) {
        self.wait_for(&self.err, wanted, |text| text.contains(wanted).then_some(()));
    }

    /// Waits for the first whole line of its standard output that begins so.
    ///
    /// # Panics
    /// As [`Program::sees`].
    pub fn line(&self, begin: &str) -> String {
        self.wait_for(&self.out, begin, |text| {
            let whole = &text[..text.rfind('\n')?];
            whole.lines().find(|line| line.starts_with(begin)).map(str::to_owned)
        })
    }

    fn wait_for<R>(
        &self,
        output: &Watched<Output>,
        what: &str,
        mut find: impl FnMut(&str) -> Option<R>,
    ) -> R {
        let found = output.wait(&format!("{} to write {what:?}", self.name), |output| {
            find(&output.text).map(Ok).or(output.ended.then_some(Err(())))
        });
        found.unwrap_or_else(|()| {
            let (out, err) = (self.output(), self.error_output());
            panic!("{} ended without {what:?}; it wrote {out:?} and logged {err:?}", self.name)
        })
    }

    /// All that it has written to its standard output so far.
    pub fn output(&self) -> String {
        self.out.look(|output| output.text.clone())
    }

    /// All that it has written to its standard error so far.
    pub fn error_output(&self) -> String {
        self.err.look(|output| output.text.clone())
    }

    /// The whole lines of its standard output so far.
    pub fn lines(&self) -> Vec<String> {
        self.output().lines().map(str::to_owned).collect()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args(["-s", signal, &self.pid().to_string()]).status().unwrap();
        assert!(status.success(), "kill -s {signal} {} failed", self.pid());
    }

    /// Waits until it has ended by itself: its exit code, or `None` when a signal ended it.
    ///
    /// # Panics
    /// After the watchdog's patience.
    pub fn exits(&mut self) -> Option<i32> {
        let child = &mut self.child;
        let status = poll(&format!("{} to end", self.name), || child.try_wait().unwrap());
        for reader in self.readers.drain(..) {
            reader.join().expect("reading does not panic");
        }
        status.code()
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        count(&format!("/proc/{}/task", self.pid()))
    }

    /// How many file descriptors it has open.
    pub fn descriptors(&self) -> usize {
        count(&format!("/proc/{}/fd", self.pid()))
    }

    /// Its resident memory, in bytes.
    pub fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a process has memory");
        let kib: usize = line.split_whitespace().nth(1).and_then(|digits| digits.parse().ok()).unwrap();
        kib * 1024
    }

    /// The processor time it has used, in clock ticks (hundredths of a second on Linux).
    pub fn processor_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // The name in brackets may hold spaces; the fields after it are 3 and up, of which 14 and 15 are the times.
        let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 1..].split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already; either way nothing of it is left after this.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

fn read_all(mut from: impl Read + Send + 'static, output: &Arc<Watched<Output>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    thread::Builder::new()
        .name("program-output".to_owned())
        .spawn(move || {
            let mut buffer = [0; 4096];
            let mut pending = Vec::new();
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                pending.extend_from_slice(&buffer[..count]);
                // A character may be cut in two by a read; it waits for its other half.
                let whole = match std::str::from_utf8(&pending) {
                    Ok(_) => pending.len(),
                    Err(error) if error.error_len().is_none() => error.valid_up_to(),
                    Err(_) => pending.len(),
                };
                let text: Vec<u8> = pending.drain(..whole).collect();
                output.change(|output| output.text.push_str(&String::from_utf8_lossy(&text)));
            }
            output.change(|output| output.ended = true);
        })
        .unwrap()
}

fn count(folder: &str) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Whether this program can be found on this machine.
pub fn installed(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// The folder of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the repository")
}

/// The path of one of our two programs, built by the same Cargo and in the same profile as this test.
pub fn binary(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let this = env::current_exe().unwrap();
        // .../target/debug/deps/it-0123 or .../target/release/faults
        let profile = this
            .ancestors()
            .find(|folder| matches!(folder.file_name().and_then(OsStr::to_str), Some("debug" | "release")))
            .expect("tests are built into a folder named after their profile");
        let target = profile.parent().expect("the profile's folder lies in the target folder");
        let mut build = Command::new(env!("CARGO"));
        build
            .current_dir(repository())
            .args(["build", "--quiet", "--package", "chat-server", "--package", "chat-client", "--bins"])
            .arg("--target-dir")
            .arg(target);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the programs do not build");
        profile.to_owned()
    });
    folder.join(name)
}
