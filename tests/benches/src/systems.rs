//! The systems that are compared: how each is built and started, and its protocol. Runs on the main thread.

use crate::{
    process::{build, free_address, is_installed, Server},
    wire::{tls, Protocol, PASSPHRASE},
};
use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The file of the certificate, beside the program.
const CERTIFICATE: &str = "bench-certificate.pem";
/// The file of its key.
const KEY: &str = "bench-key.pem";

/// A system that the load generator can measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// The server of this repository with its defaults, except the rate limit and the limit on connections.
    RpcChat,
    /// The same with a journal, beside the program.
    Journal,
    /// The same in a closed room.
    Closed,
    /// The same in a closed room and with a journal.
    ClosedJournal,
    /// Another build of rpc-chat's server: the program that `$CHAT_SERVER_BEFORE` names.
    Before,
    /// The least that a fan-out over TCP can do.
    Floor,
    /// The same, and it acknowledges each message.
    FloorAcknowledged,
    /// `tests/go-twin`, a goroutine per recipient per message.
    GoTwin,
    /// `tests/go-twin -strategy log`, a goroutine per recipient.
    GoTwinLog,
    /// Redis pub/sub.
    Redis,
    /// Redis Streams in memory.
    RedisStream,
    /// Redis Streams with `appendfsync always`: accepted means on the disk.
    RedisStreamAlways,
    /// Redis pub/sub in TLS.
    RedisTls,
    /// NATS core.
    Nats,
    /// NATS core in TLS.
    NatsTls,
    /// An IRC server.
    Ngircd,
    /// An IRC server in TLS.
    NgircdTls,
    /// A step of the course, 0 to 4, which sends no notices of joins.
    Step(usize),
}

/// rpc-chat, the floor, and the systems that a user might choose instead.
pub const COMPARED: [System; 7] = [
    System::RpcChat,
    System::Floor,
    System::GoTwin,
    System::GoTwinLog,
    System::Redis,
    System::Nats,
    System::Ngircd,
];
/// rpc-chat without and with a journal, and the nearest that Redis has to both.
pub const DURABLE: [System; 4] =
    [System::RpcChat, System::Journal, System::RedisStream, System::RedisStreamAlways];
/// rpc-chat open and closed, the others with TLS, and Redis with neither TLS nor a disk.
pub const SEALED: [System; 7] = [
    System::RpcChat,
    System::Closed,
    System::ClosedJournal,
    System::Redis,
    System::RedisTls,
    System::NatsTls,
    System::NgircdTls,
];
/// The same without ngIRCd, which waits for acknowledgements of TCP in a quiet room, and then measures that.
pub const SEALED_AND_PROMPT: [System; 6] = [
    System::RpcChat,
    System::Closed,
    System::ClosedJournal,
    System::Redis,
    System::RedisTls,
    System::NatsTls,
];
/// rpc-chat, and the steps of the course that lead to it. Step 1 is not among them, because under load its
/// threads exceed the limits of the system.
pub const STRATEGIES: [System; 4] = [System::Step(2), System::Step(3), System::Step(4), System::RpcChat];
/// The steps' names.
const STEPS: [&str; 5] = ["step-0", "step-1", "step-2", "step-3", "step-4"];

impl System {
    /// Returns the name in results and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            System::RpcChat => "rpc-chat",
            System::Journal => "rpc-chat-journal",
            System::Closed => "rpc-chat-closed",
            System::ClosedJournal => "rpc-chat-closed-journal",
            System::Before => "before",
            System::Floor => "floor",
            System::FloorAcknowledged => "floor-acknowledged",
            System::GoTwin => "go-twin",
            System::GoTwinLog => "go-twin-log",
            System::Redis => "redis",
            System::RedisTls => "redis-tls",
            System::RedisStream => "redis-stream",
            System::RedisStreamAlways => "redis-stream-always",
            System::Nats => "nats",
            System::NatsTls => "nats-tls",
            System::Ngircd => "ngircd",
            System::NgircdTls => "ngircd-tls",
            System::Step(step) => STEPS[step],
        }
    }

    /// Returns the system with this name, if it can be measured.
    pub fn by_name(name: &str) -> Option<System> {
        COMPARED
            .into_iter()
            .chain(STRATEGIES)
            .chain(DURABLE)
            .chain(SEALED)
            .chain([System::Before, System::FloorAcknowledged, System::Step(0)])
            .find(|system| system.name() == name)
    }

    /// Returns the name of a step's package, and so of its program.
    fn step_package(self) -> String {
        format!("course-{}", self.name())
    }

    /// Returns the protocol that the system speaks.
    pub fn protocol(self) -> Protocol {
        match self {
            System::Floor => Protocol::Floor { acknowledges: false },
            System::FloorAcknowledged => Protocol::Floor { acknowledges: true },
            System::GoTwin | System::GoTwinLog => Protocol::Gob,
            System::Redis => Protocol::Redis { tls: false },
            System::RedisTls => Protocol::Redis { tls: true },
            System::RedisStream | System::RedisStreamAlways => Protocol::RedisStream,
            System::Nats => Protocol::Nats { tls: false },
            System::NatsTls => Protocol::Nats { tls: true },
            System::Ngircd => Protocol::Irc { tls: false },
            System::NgircdTls => Protocol::Irc { tls: true },
            System::Closed | System::ClosedJournal => Protocol::RpcChat { closed: true },
            System::RpcChat | System::Journal | System::Before | System::Step(_) => {
                Protocol::RpcChat { closed: false }
            }
        }
    }

    /// Returns the program that must be installed.
    fn required_program(self) -> Option<&'static str> {
        match self {
            System::GoTwin | System::GoTwinLog => Some("go"),
            System::Redis | System::RedisTls | System::RedisStream | System::RedisStreamAlways => {
                Some("redis-server")
            }
            System::Nats | System::NatsTls => Some("nats-server"),
            System::Ngircd | System::NgircdTls => Some("ngircd"),
            _ => None,
        }
    }

    /// Builds the system if this repository holds its source. If a program is not installed, or was built
    /// without TLS and needs it, prints that and returns false.
    ///
    /// # Blocking
    /// On the build.
    ///
    /// # Errors
    /// When a build fails.
    pub fn prepare(self) -> io::Result<bool> {
        if let Some(program) = self.required_program().filter(|program| !is_installed(program)) {
            crate::print_line(&format!("{}: skipped, {program} is not installed", self.name()));
            return Ok(false);
        }
        match self {
            System::RpcChat | System::Journal => build_package("chat-server", &[])?,
            System::Step(_) => build_package(&self.step_package(), &[])?,
            System::Closed | System::ClosedJournal => {
                build_package("chat-server", &["--features", "closed"])?;
                fs::copy(sibling_program("chat-server")?, sibling_program("chat-server-closed")?)?;
                // Both builds have the same name, and the open room is the one that keeps it.
                build_package("chat-server", &[])?;
            }
            System::RedisTls | System::NgircdTls if !self.starts_with_tls()? => return Ok(false),
            System::GoTwin | System::GoTwinLog => {
                let mut command = Command::new("go");
                command.args(["build", "-o"]).arg(sibling_program("go-twin")?).arg(".");
                build(command.current_dir(repository().join("tests/go-twin")), Path::new("tests/go-twin"))?;
            }
            _ => {}
        }
        Ok(true)
    }

    /// Starts the system once, because the packages of some systems are built without TLS. If it does not
    /// start, prints that and returns false.
    fn starts_with_tls(self) -> io::Result<bool> {
        let started = self.start();
        if let Err(error) = &started {
            crate::print_line(&format!("{}: skipped, it does not start with TLS: {error}", self.name()));
        }
        Ok(started.is_ok())
    }

    /// Returns the folder in which the system keeps what it must not lose. It lies beside the program, so the
    /// disk is that of the target folder.
    pub fn folder(self) -> io::Result<PathBuf> {
        sibling_program(&format!("bench-{}", self.name()))
    }

    /// Starts the system on a free loopback port, without anything that a run before has left.
    ///
    /// # Blocking
    /// As [`Server::start`].
    ///
    /// # Errors
    /// When the system does not start.
    pub fn start(self) -> io::Result<Server> {
        self.clear()?;
        self.start_again()
    }

    /// As [`System::start`], with what the run before has left.
    pub fn start_again(self) -> io::Result<Server> {
        let address = free_address()?;
        Server::start(self.command(address)?, address)
    }

    /// As [`System::start`], where each sync takes `delay` longer, and is counted.
    pub fn start_traced(self, delay: Duration) -> io::Result<Server> {
        self.clear()?;
        let address = free_address()?;
        Server::start_traced(&self.command(address)?, address, delay)
    }

    fn clear(self) -> io::Result<()> {
        let folder = self.folder()?;
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        Ok(())
    }

    /// Returns the command that starts the system on `address`.
    fn command(self, address: SocketAddr) -> io::Result<Command> {
        let listen = address.to_string();
        let with_args = |program: PathBuf, args: &[&str]| {
            let mut command = Command::new(program);
            command.args(args);
            command
        };
        let room = ["--listen", &listen, "--rate-burst", "0", "--max-connections", "10000"];
        Ok(match self {
            System::RpcChat => with_args(sibling_program("chat-server")?, &room),
            System::Journal => {
                let mut command = with_args(sibling_program("chat-server")?, &room);
                command.arg("--journal").arg(self.folder()?);
                command
            }
            System::Closed | System::ClosedJournal => {
                let passphrase = sibling_program("bench-passphrase")?;
                fs::write(&passphrase, PASSPHRASE)?;
                let mut command = with_args(sibling_program("chat-server-closed")?, &room);
                command.arg("--passphrase-file").arg(passphrase);
                command.arg("--state").arg(self.folder()?.join("state"));
                if self == System::ClosedJournal {
                    command.arg("--journal").arg(self.folder()?.join("journal"));
                }
                command
            }
            System::Before => {
                let program = env::var_os("CHAT_SERVER_BEFORE").ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "$CHAT_SERVER_BEFORE does not name the other chat-server",
                    )
                })?;
                with_args(program.into(), &room)
            }
            System::GoTwin => {
                with_args(sibling_program("go-twin")?, &["-listen", &listen, "-strategy", "goroutines"])
            }
            System::GoTwinLog => {
                with_args(sibling_program("go-twin")?, &["-listen", &listen, "-strategy", "log"])
            }
            System::Redis | System::RedisStream => {
                with_args("redis-server".into(), &[&write_config("redis", address)?])
            }
            System::RedisStreamAlways => {
                fs::create_dir_all(self.folder()?)?;
                let mut command = with_args("redis-server".into(), &[&write_config("redis", address)?]);
                command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(self.folder()?);
                command
            }
            System::RedisTls => {
                let port = address.port().to_string();
                let [certificate, key] = &write_certificate()?;
                let mut command = with_args("redis-server".into(), &[&write_config("redis", address)?]);
                command.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]);
                command.args(["--tls-cert-file", certificate, "--tls-key-file", key]);
                command
            }
            System::Nats => with_args("nats-server".into(), &["-c", &write_config("nats", address)?]),
            System::NatsTls => {
                let [certificate, key] = &write_certificate()?;
                let mut command = with_args("nats-server".into(), &["-c", &write_config("nats", address)?]);
                command.args(["--tls", "--tlscert", certificate, "--tlskey", key]);
                command
            }
            System::Ngircd => with_args("ngircd".into(), &["-n", "-f", &write_config("ngircd", address)?]),
            System::NgircdTls => {
                write_certificate()?;
                with_args("ngircd".into(), &["-n", "-f", &write_config("ngircd-tls", address)?])
            }
            System::Floor | System::FloorAcknowledged => {
                with_args(env::current_exe()?, &["serve", self.name(), &listen])
            }
            System::Step(_) => {
                let mut command = with_args(sibling_program(&self.step_package())?, &["--listen", &listen]);
                command.env("COURSE_NO_NOTICES", "1");
                command
            }
        })
    }

    /// Returns the version that a system of others reports, for the results.
    pub fn version(self) -> Option<String> {
        let (program, flag) = match self {
            System::GoTwin | System::GoTwinLog => ("go", "version"),
            System::Redis | System::RedisTls | System::RedisStream | System::RedisStreamAlways => {
                ("redis-server", "--version")
            }
            System::Nats | System::NatsTls => ("nats-server", "--version"),
            System::Ngircd | System::NgircdTls => ("ngircd", "--version"),
            _ => return None,
        };
        Some(crate::results::first_line(Command::new(program).arg(flag)))
    }
}

/// Builds the server of this repository, or a step of the course.
fn build_package(package: &str, features: &[&str]) -> io::Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--quiet", "--package", package]).args(features);
    build(command.current_dir(repository()), Path::new(package))
}

/// Returns the root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the path of a program in the directory of this program.
fn sibling_program(program: &str) -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(program))
}

/// Writes the certificate of this run and its key to files, and returns their paths.
fn write_certificate() -> io::Result<[String; 2]> {
    let identity = tls::identity()?;
    let write = |name: &str, text: &str| {
        let path = sibling_program(name)?;
        fs::write(&path, text)?;
        Ok::<_, io::Error>(path.to_string_lossy().into_owned())
    };
    Ok([write(CERTIFICATE, &identity.certificate_pem)?, write(KEY, &identity.key_pem)?])
}

/// Fills the port and the files of the certificate into the repository's configuration for `server`, writes
/// it to a file, and returns the file's path.
fn write_config(server: &str, address: SocketAddr) -> io::Result<String> {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("config/{server}.conf"));
    let text = fs::read_to_string(template)?.replace("@PORT@", &address.port().to_string());
    let text = text.replace("@CERTIFICATE@", &sibling_program(CERTIFICATE)?.to_string_lossy());
    let text = text.replace("@KEY@", &sibling_program(KEY)?.to_string_lossy());
    let path = sibling_program(&format!("bench-{server}.conf"))?;
    fs::write(&path, text)?;
    Ok(path.to_string_lossy().into_owned())
}
