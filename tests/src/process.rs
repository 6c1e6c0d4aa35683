//! The real programs as child processes. The harness reads their output, and kills them at the end of the
//! test.

use crate::{
    folder::Folder,
    room::{client_environment, Kind, Room},
    watchdog::{poll, Shared},
};
use chat_common::program::{flags, signals};
use std::{
    collections::BTreeSet,
    env,
    ffi::OsStr,
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Once},
    thread::{self, JoinHandle},
};

/// The environment variable in which a client finds a passphrase.
pub(crate) const PASSPHRASE_VARIABLE: &str = "CHAT_PASSPHRASE";

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    out: Arc<Shared<Output>>,
    err: Arc<Shared<Output>>,
    readers: Vec<JoinHandle<()>>,
    /// What a server has from the harness.
    room: Option<Room>,
    /// What a client keeps.
    _folder: Folder,
}

/// What a program has written to one of its two outputs so far.
#[derive(Debug, Default)]
struct Output {
    text: String,
    ended: bool,
}

impl Program {
    /// Starts any command. Failures name it `name`.
    pub fn start(name: &str, command: &mut Command) -> Program {
        Program::start_with(name, command, Stdio::piped(), Stdio::piped())
    }

    /// Starts any command with these two outputs. The harness reads those of them that are piped.
    ///
    /// A client among its children knows the rooms of this run, if [`in_the_open`] was not called.
    pub fn start_with(name: &str, command: &mut Command, stdout: Stdio, stderr: Stdio) -> Program {
        static HEEDS_SIGNALS: Once = Once::new();
        HEEDS_SIGNALS.call_once(signals::heed_stopping);
        let folder = knows_the_rooms(command);
        let mut child =
            command.stdin(Stdio::piped()).stdout(stdout).stderr(stderr).spawn().unwrap_or_else(|error| {
                panic!("{name} does not start: {}: {error}", command.get_program().display())
            });
        // A command keeps its side of the outputs open, and their readers wait for the end of all sides.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let (out, err) = (Arc::default(), Arc::default());
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|stdout| read_all(stdout, &out)));
        readers.extend(child.stderr.take().map(|stderr| read_all(stderr, &err)));
        let (name, stdin) = (name.to_owned(), child.stdin.take());
        Program { name, child, stdin, out, err, readers, room: None, _folder: folder }
    }

    /// Reads the standard output from now on, which was not piped.
    pub fn reads_output(&mut self, from: impl Read + Send + 'static) {
        self.readers.push(read_all(from, &self.out));
    }

    /// Reads the standard error from now on, which was not piped.
    pub fn reads_error_output(&mut self, from: impl Read + Send + 'static) {
        self.readers.push(read_all(from, &self.err));
    }

    /// Starts a server on a free port of 127.0.0.1 with these further arguments, and waits until it accepts.
    /// Its room is of the kind of this run.
    pub fn server(arguments: &[&str]) -> (Program, SocketAddr) {
        Program::start_server(server_command().args(arguments))
    }

    /// Starts a server as [`Program::server`] does, which has no journal in any case.
    pub fn server_that_forgets(arguments: &[&str]) -> (Program, SocketAddr) {
        Program::start_server_that_forgets(server_command().args(arguments))
    }

    /// Starts a server with this command and waits until it accepts. The address that it returns is the
    /// server's port on 127.0.0.1.
    ///
    /// The arguments for the kind of room come last, so a script of a shell must pass on what it gets.
    pub fn start_server(command: &mut Command) -> (Program, SocketAddr) {
        Program::start_server_with(command, Stdio::piped())
    }

    /// Starts a server as [`Program::start_server`] does, which has no journal in any case.
    pub fn start_server_that_forgets(command: &mut Command) -> (Program, SocketAddr) {
        Program::start_server_in(Room::that_forgets(), command, Stdio::piped())
    }

    /// Starts a server as [`Program::start_server`] does, which has no passphrase in any case.
    pub fn start_server_that_is_open(command: &mut Command) -> (Program, SocketAddr) {
        Program::start_server_in(Room::that_is_open(), command, Stdio::piped())
    }

    /// Starts a server as [`Program::start_server`] does, with this standard error.
    pub fn start_server_with(command: &mut Command, stderr: Stdio) -> (Program, SocketAddr) {
        let has = |flag: &str| command.get_args().any(|argument| argument.to_string_lossy().contains(flag));
        let given = Kind { journal: has("--journal"), closed: has("--passphrase-file") || has("--closed") };
        Program::start_server_in(Room::beside(given), command, stderr)
    }

    fn start_server_in(room: Room, command: &mut Command, stderr: Stdio) -> (Program, SocketAddr) {
        let command = command.args(room.arguments());
        let mut server = Program::start_with("server", command, Stdio::piped(), stderr);
        server.room = Some(room);
        Program::wait_for_server(server)
    }

    fn wait_for_server(server: Program) -> (Program, SocketAddr) {
        let address = server_address(&server.line_starting_with("Server running at "));
        (server, address)
    }

    /// Starts a server in which system calls fail or wait, as these arguments of strace say. Returns `None`
    /// where that is not possible.
    pub fn server_under_strace(strace: &[&str], arguments: &[&str]) -> Option<(Program, SocketAddr)> {
        Some(Program::start_server(&mut under_strace(strace, arguments)?))
    }

    /// Starts a server as [`Program::server_under_strace`] does, which has no journal in any case.
    pub fn server_under_strace_that_forgets(
        strace: &[&str],
        arguments: &[&str],
    ) -> Option<(Program, SocketAddr)> {
        Some(Program::start_server_that_forgets(&mut under_strace(strace, arguments)?))
    }

    /// Starts a client with this server, this name and these further arguments. Does not wait until it has
    /// joined.
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

    /// Types this line and Enter.
    pub fn types(&mut self, line: &str) {
        self.types_exactly(&format!("{line}\n"));
    }

    /// Types exactly this text. The text is lost when the program has ended.
    pub fn types_exactly(&mut self, text: &str) {
        self.types_bytes(text.as_bytes());
    }

    /// Types exactly these bytes, which may be no text. They are lost when the program has ended.
    pub fn types_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("the test has not closed the input");
        let _ = stdin.write_all(bytes).and_then(|()| stdin.flush());
    }

    /// Closes the program's input.
    pub fn ends_input(&mut self) {
        self.stdin = None;
    }

    /// Waits until the standard output contains `wanted`.
    ///
    /// # Panics
    /// After the watchdog's timeout, or when the output ends without it.
    pub fn sees(&self, wanted: &str) {
        self.wait_for(&self.out, wanted, |text| text.contains(wanted).then_some(()));
    }

    /// Waits until the standard error contains `wanted`.
    ///
    /// # Panics
    /// As [`Program::sees`].
    pub fn logs(&self, wanted: &str) {
        self.wait_for(&self.err, wanted, |text| text.contains(wanted).then_some(()));
    }

    /// Waits until the standard output contains `wanted` this many times, at least.
    ///
    /// # Panics
    /// As [`Program::sees`].
    pub fn sees_times(&self, wanted: &str, times: usize) {
        let (mut found, mut read) = (0, 0);
        self.wait_for(&self.out, wanted, |text| {
            // What was found is not read again for each piece of a long output.
            while let Some(at) = text[read..].find(wanted) {
                (found, read) = (found + 1, read + at + wanted.len());
            }
            (found >= times).then_some(())
        });
    }

    /// Waits for the first whole line of the standard output that starts with `start`, and returns it.
    ///
    /// # Panics
    /// As [`Program::sees`].
    pub fn line_starting_with(&self, start: &str) -> String {
        self.wait_for(&self.out, start, |text| {
            let whole = &text[..text.rfind('\n')?];
            whole.lines().find(|line| line.starts_with(start)).map(str::to_owned)
        })
    }

    fn wait_for<R>(
        &self,
        output: &Shared<Output>,
        wanted: &str,
        mut find: impl FnMut(&str) -> Option<R>,
    ) -> R {
        let found = output.wait(&format!("{} to write {wanted:?}", self.name), |output| {
            find(&output.text).map(Ok).or(output.ended.then_some(Err(())))
        });
        found.unwrap_or_else(|()| {
            let (out, err) = (self.output(), self.error_output());
            panic!("{} ended and did not write {wanted:?}; it wrote {out:?} and logged {err:?}", self.name)
        })
    }

    /// All that the program has written to its standard output so far.
    pub fn output(&self) -> String {
        self.out.read_with(|output| output.text.clone())
    }

    /// All that the program has written to its standard error so far.
    pub fn error_output(&self) -> String {
        self.err.read_with(|output| output.text.clone())
    }

    /// The lines of the standard output so far. The last one may be incomplete.
    pub fn lines(&self) -> Vec<String> {
        self.output().lines().map(str::to_owned).collect()
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends the program a signal, such as `TERM`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args(["-s", signal, &self.pid().to_string()]).status().unwrap();
        assert!(status.success(), "kill -s {signal} {} failed", self.pid());
    }

    /// Ends the strace under which the program runs. Its calls go on as usual then.
    pub fn end_strace(&self) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let tracer =
            status.lines().find_map(|line| line.strip_prefix("TracerPid:")).unwrap_or_default().trim();
        assert_ne!(tracer, "0", "{} runs under strace", self.name);
        assert!(Command::new("kill").args(["-s", "KILL", tracer]).status().unwrap().success());
    }

    /// Waits until the program has ended by itself and returns its exit code, or `None` when a signal ended
    /// it.
    ///
    /// # Panics
    /// After the watchdog's timeout.
    pub fn exits(&mut self) -> Option<i32> {
        let description = format!("{} to end", self.name);
        let status = poll(&description, || self.has_exited());
        for reader in self.readers.drain(..) {
            poll("all that has its outputs to end", || reader.is_finished().then_some(()));
            reader.join().expect("the reading thread does not panic");
        }
        status.code()
    }

    /// Returns how the program has ended, or `None` while it runs.
    pub fn has_exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// How many threads the program has.
    pub fn threads(&self) -> usize {
        count_entries(&format!("/proc/{}/task", self.pid()))
    }

    /// How many file descriptors the program has open.
    pub fn descriptors(&self) -> usize {
        count_entries(&format!("/proc/{}/fd", self.pid()))
    }

    /// The resident memory of the program, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line =
            status.lines().find(|line| line.starts_with("VmRSS:")).expect("a running process has memory");
        let kib: usize = line.split_whitespace().nth(1).and_then(|digits| digits.parse().ok()).unwrap();
        kib * 1024
    }

    /// The processor time that the program has used, in clock ticks (hundredths of a second on Linux).
    pub fn processor_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // The name in brackets may hold spaces, so we count after it: the first field there is field 3 of
        // proc(5). Fields 14 and 15 are the times in user and in system mode.
        let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 1..].split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The program may have ended already. Either way, no process is left after this.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Nobody waits for the readers. Where a test fails, programs that this one has started may still have
        // its outputs, and wait for a server that the same test stops later.
    }
}

/// The command of a server on a free port of 127.0.0.1.
fn server_command() -> Command {
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0"]);
    command
}

/// Lets a client that this command starts know the rooms of this run. The harness calls it for each program
/// that it starts itself. Returns the folder in which the client keeps things.
#[must_use = "it is removed when it is dropped"]
pub fn knows_the_rooms(command: &mut Command) -> Folder {
    let folder = Folder::new();
    for (variable, value) in client_environment(&folder) {
        let is_set = command.get_envs().any(|(name, _)| name == variable);
        if !is_set {
            command.env(variable, value);
        }
    }
    folder
}

/// Lets a client that this command starts go into open rooms, in any run: a client with a passphrase does
/// not.
pub fn in_the_open(command: &mut Command) -> &mut Command {
    command.env_remove(PASSPHRASE_VARIABLE)
}

/// The command of a server under strace, where that works.
fn under_strace(strace: &[&str], arguments: &[&str]) -> Option<Command> {
    let works = installed("strace")
        && Command::new("strace")
            .args(["-qq", "-o", "/dev/null", "-e", "inject=getppid:error=EPERM", "true"])
            .status()
            .is_ok_and(|status| status.success());
    // With -D the child process is the server itself, so dropping it kills the server and not strace.
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-o", "/dev/null"]).args(strace).arg(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0"]).args(arguments);
    works.then_some(command)
}

/// The server's port on 127.0.0.1, from the first line of its standard output.
pub fn server_address(line: &str) -> SocketAddr {
    let port = line.trim_end().trim_start_matches("Server running at ").trim_end_matches(" ...");
    let port = port.parse().unwrap_or_else(|_| panic!("there is no port in {line:?}"));
    (Ipv4Addr::LOCALHOST, port).into()
}

fn read_all(mut from: impl Read + Send + 'static, output: &Arc<Shared<Output>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    thread::Builder::new()
        .name("program-output".to_owned())
        .spawn(move || {
            let mut buffer = [0; 4096];
            let mut pending = Vec::new();
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                pending.extend_from_slice(&buffer[..count]);
                // A read may end within a character. The first half then waits for the second.
                let complete = match std::str::from_utf8(&pending) {
                    Ok(_) => pending.len(),
                    Err(error) if error.error_len().is_none() => error.valid_up_to(),
                    Err(_) => pending.len(),
                };
                let text: Vec<u8> = pending.drain(..complete).collect();
                output.update(|output| output.text.push_str(&String::from_utf8_lossy(&text)));
            }
            output.update(|output| output.ended = true);
        })
        .unwrap()
}

fn count_entries(folder: &str) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Whether this program is in one of the folders of `$PATH`.
pub fn installed(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// The root folder of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the repository")
}

/// The flags of `chat-client` or of `chat-server`, each with its two hyphens.
pub fn flags_of(program: &str) -> BTreeSet<String> {
    fn names<S>(program: &flags::Program<S>) -> BTreeSet<String> {
        program.flags.iter().map(|flag| flag.name().to_owned()).collect()
    }
    match program {
        "chat-client" => names(&chat_client::program()),
        _ => names(&chat_server::program()),
    }
}

/// The path of `chat-server` or `chat-client`, as cargo has built it for the tests.
///
/// # Panics
/// When it is not there. `cargo test` builds it, and `cargo run` of another program does not.
pub fn binary(name: &str) -> PathBuf {
    let built = profile_folder().join(name.replace("chat-", "tested-"));
    assert!(built.is_file(), "cargo build --package chat-tests --bins makes {}", built.display());
    built
}

/// The folder of the profile with which this test was built, such as `.../target/debug`. The test is a file
/// in it, or in a folder in it.
pub fn profile_folder() -> PathBuf {
    let this = env::current_exe().unwrap();
    let is_profile =
        |folder: &&Path| matches!(folder.file_name().and_then(OsStr::to_str), Some("debug" | "release"));
    this.ancestors().find(is_profile).expect("Cargo names the folder of a test after its profile").to_owned()
}

/// The folder in which cargo builds.
pub fn target_folder() -> PathBuf {
    profile_folder().parent().expect("the folder of a profile is in the target folder").to_owned()
}
