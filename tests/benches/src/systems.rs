//! The systems that are compared: how each is started, and what it speaks.

use crate::{
    process::{build, free_address, is_installed, Server},
    wire::Protocol,
};
use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

/// Everything that the load generator can be pointed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// The server of this repository, as users run it but for the rate limit and the cap on connections.
    RpcChat,
    /// `tests/go-twin`, a goroutine per recipient per message.
    GoTwin,
    /// `tests/go-twin -strategy log`, a goroutine per recipient.
    GoTwinLog,
    /// Redis pub/sub.
    Redis,
    /// NATS core.
    Nats,
    /// An IRC server.
    Ngircd,
    /// [`strategies`](crate::strategies): a scope per message.
    ScopePerMessage,
    /// A scope per batch.
    ScopePerBatch,
    /// A thread per recipient with a cursor, and nothing else of the real server.
    Cursor,
    /// A thread per recipient per message, which nobody waits for: it would outgrow the system under load, so it is not measured.
    ThreadPerMessage,
}

/// Ours, and what a user would pick instead.
pub const RIVALS: [System; 6] =
    [System::RpcChat, System::GoTwin, System::GoTwinLog, System::Redis, System::Nats, System::Ngircd];
/// Ours, and other ways of writing it in Rust.
pub const STRATEGIES: [System; 4] =
    [System::ScopePerMessage, System::ScopePerBatch, System::Cursor, System::RpcChat];

impl System {
    /// As it is called in results and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            System::RpcChat => "rpc-chat",
            System::GoTwin => "go-twin",
            System::GoTwinLog => "go-twin-log",
            System::Redis => "redis",
            System::Nats => "nats",
            System::Ngircd => "ngircd",
            System::ScopePerMessage => "scope-per-message",
            System::ScopePerBatch => "scope-per-batch",
            System::Cursor => "cursor",
            System::ThreadPerMessage => "thread-per-message",
        }
    }

    /// The system of that name.
    pub fn named(name: &str) -> Option<System> {
        RIVALS.into_iter().chain(STRATEGIES).find(|system| system.name() == name)
    }

    /// What it speaks.
    pub fn protocol(self) -> Protocol {
        match self {
            System::GoTwin | System::GoTwinLog => Protocol::Gob,
            System::Redis => Protocol::Redis,
            System::Nats => Protocol::Nats,
            System::Ngircd => Protocol::Irc,
            System::RpcChat
            | System::ScopePerMessage
            | System::ScopePerBatch
            | System::Cursor
            | System::ThreadPerMessage => Protocol::RpcChat,
        }
    }

    /// The program that must be installed.
    fn needs(self) -> Option<&'static str> {
        match self {
            System::GoTwin | System::GoTwinLog => Some("go"),
            System::Redis => Some("redis-server"),
            System::Nats => Some("nats-server"),
            System::Ngircd => Some("ngircd"),
            _ => None,
        }
    }

    /// Builds it where it is ours; false, with a word, where something is not installed.
    ///
    /// # Errors
    /// When a build fails.
    pub fn prepare(self) -> io::Result<bool> {
        if let Some(program) = self.needs().filter(|program| !is_installed(program)) {
            crate::tell(&format!("{}: skipped, {program} is not installed", self.name()));
            return Ok(false);
        }
        match self {
            System::RpcChat => {
                let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
                let mut command = Command::new(cargo);
                command.args(["build", "--release", "--quiet", "--package", "chat-server"]);
                build(command.current_dir(repository()), Path::new("chat-server"))?;
            }
            System::GoTwin | System::GoTwinLog => {
                let mut command = Command::new("go");
                command.args(["build", "-o"]).arg(beside_us("go-twin")?).arg(".");
                build(command.current_dir(repository().join("tests/go-twin")), Path::new("tests/go-twin"))?;
            }
            _ => {}
        }
        Ok(true)
    }

    /// Starts it on a free loopback port.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(self) -> io::Result<Server> {
        let address = free_address()?;
        let listen = address.to_string();
        let with_args = |program: PathBuf, args: &[&str]| {
            let mut command = Command::new(program);
            command.args(args);
            command
        };
        let command = match self {
            System::RpcChat => with_args(
                beside_us("chat-server")?,
                &["--listen", &listen, "--rate-burst", "0", "--max-connections", "10000"],
            ),
            System::GoTwin => {
                with_args(beside_us("go-twin")?, &["-listen", &listen, "-strategy", "goroutines"])
            }
            System::GoTwinLog => with_args(beside_us("go-twin")?, &["-listen", &listen, "-strategy", "log"]),
            System::Redis => with_args("redis-server".into(), &[&config("redis", address)?]),
            System::Nats => with_args("nats-server".into(), &["-c", &config("nats", address)?]),
            System::Ngircd => with_args("ngircd".into(), &["-n", "-f", &config("ngircd", address)?]),
            System::ScopePerMessage | System::ScopePerBatch | System::Cursor | System::ThreadPerMessage => {
                with_args(env::current_exe()?, &["serve", self.name(), &listen])
            }
        };
        Server::start(command, address)
    }

    /// What a rival says its version is, for the results.
    pub fn version(self) -> Option<String> {
        let (program, flag) = match self {
            System::GoTwin | System::GoTwinLog => ("go", "version"),
            System::Redis => ("redis-server", "--version"),
            System::Nats => ("nats-server", "--version"),
            System::Ngircd => ("ngircd", "--version"),
            _ => return None,
        };
        Some(crate::results::first_line(Command::new(program).arg(flag)))
    }
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A program in the directory that this one was built into.
fn beside_us(program: &str) -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(program))
}

/// Writes the configuration that the repository keeps for `server`, with the port filled in, where the server can read it.
fn config(server: &str, address: SocketAddr) -> io::Result<String> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("config/{server}.conf"));
    let text = fs::read_to_string(kept)?.replace("@PORT@", &address.port().to_string());
    let path = beside_us(&format!("bench-{server}.conf"))?;
    fs::write(&path, text)?;
    Ok(path.to_string_lossy().into_owned())
}
