//! rpc-chat's server: the room.
//!
//! # Threads, and who wakes whom
//!
//! | thread | how many | sleeps in | is woken by |
//! |---|---|---|---|
//! | `main`: [`door::listener::accept_loop`] | 1 | `accept` | a caller; at shutdown a connection of our own |
//! | `connection`: [`member::connection::serve_connection`] | 1 for each accepted connection | `read` | its client; [`delivery::session::Line::end`] |
//! | `broadcaster`: [`room::broadcaster::broadcast_loop`] | 1 | the channel | a command; the end of the last sender |
//! | `helper`: [`delivery::fanout::helper_loop`] | 1 | a channel | the broadcaster, when a quiet room has many to tell; its end |
//! | `delivery`: [`delivery::recipient::delivery_loop`] | 1 for each recipient | `read` | its client's answer; [`delivery::session::Line::end`] |
//! | `push`: [`delivery::recipient::Deliveries::push`] | 1 for a recipient whose network takes no more at the moment | `write` | its network; [`delivery::session::Line::end`] |
//! | `stats`: [`operator::stats::stats_loop`] | 1 | the clock | a minute; shutdown |
//! | `console`: [`operator::console::console_loop`] | 1, if wanted | a read of standard input | the operator |
//!
//! Commands flow one way: connections to broadcaster to log to recipients. The broadcaster's answers go back through a channel that the
//! connection brought along, with room for the one answer it waits for, so no cycle can fill up.
//!
//! # The order in which it stops
//!
//! 1. Somebody calls [`Shutdown::request`]; `accept` wakes, and nobody new is accepted.
//! 2. Every call connection is shut down for reading: what has arrived is still served, and then its thread ends.
//! 3. With the last connection the channel's last sender is gone; the broadcaster carries out what is left.
//! 4. It appends the room's end to the log; each delivery ends when its recipient has answered for that.
//! 5. The deliveries' scope ends, the broadcaster with it, and [`Server::run`] returns.
//!
//! Steps 2 to 5 share one deadline, `drain_timeout`; what has not ended by then is cut off, connections at half of it.

pub mod delivery;
pub mod door;
pub mod log;
pub mod member;
pub mod operator;
pub mod room;
pub mod settings;

pub use settings::{limits, options, seeded};

use crate::{
    door::{admission::Admission, bans::Bans, complaints::Complaints},
    log::SharedLog,
    operator::stats::Stats,
    room::{
        command::{Command, Report},
        registry::Registry,
    },
    settings::{limits::Limits, seeded::Seeded},
};
use ::log::info;
use chat_common::{shutdown::Shutdown, token::Token};
use crossbeam_channel::Sender;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    },
    thread,
    time::Instant,
};

/// What the threads of a server share.
#[derive(Debug)]
pub struct Shared {
    /// Who is here.
    pub registry: Registry,
    /// What has happened.
    pub log: SharedLog,
    /// Who holds a connection.
    pub admission: Arc<Admission>,
    /// Who may not come in.
    pub bans: Bans,
    /// The limits in force.
    pub limits: Limits,
    /// What is counted.
    pub stats: Stats,
    /// What has been logged about whom.
    pub complaints: Complaints,
    /// The wish to stop.
    pub shutdown: Arc<Shutdown>,
    /// What everybody who joins is told.
    pub motd: Option<String>,
    /// What is wrong with it on purpose: nothing, outside tests.
    pub seeded: Seeded,
    /// The random number of this run.
    pub room: u64,
    /// The number of the next session. 0 is nobody's.
    next_session: AtomicU64,
    /// The way into the channel for those who are no connection. Taken away when the room begins to end.
    commands_tx: Mutex<Option<Sender<Command>>>,
    /// When the room began to end.
    drain_began: OnceLock<Instant>,
}

impl Shared {
    /// A number that no session has had.
    pub fn next_session_id(&self) -> u64 {
        self.next_session.fetch_add(1, Relaxed)
    }

    /// Starts the drain's clock, and closes the channel to those who are no connection.
    pub fn begin_drain(&self) {
        self.drain_began.get_or_init(Instant::now);
        *self.lock_commands_tx() = None;
    }

    /// When connections that still serve what has come are cut off: at half of the drain, so that the rest of it is for delivering
    /// what they have brought.
    pub fn connections_end_by(&self) -> Instant {
        self.drain_began() + self.limits.drain_timeout / 2
    }

    /// When deliveries that are still under way are cut off.
    pub fn drained_by(&self) -> Instant {
        self.drain_began() + self.limits.drain_timeout
    }

    fn drain_began(&self) -> Instant {
        self.drain_began.get().copied().unwrap_or_else(Instant::now)
    }

    /// Sends a command that no member has sent. False when the room is ending.
    ///
    /// # Blocking
    /// On the broadcaster, which never blocks.
    pub fn command(&self, command: Command) -> bool {
        let commands_tx = self.lock_commands_tx().clone();
        commands_tx.is_some_and(|commands_tx| commands_tx.send(command).is_ok())
    }

    /// How the recipients are doing; nothing when the room is ending.
    ///
    /// # Blocking
    /// On the broadcaster, which never blocks.
    pub fn report(&self) -> Report {
        let (report_tx, report_rx) = crossbeam_channel::bounded(1);
        self.command(Command::Report(report_tx));
        report_rx.recv().unwrap_or_default()
    }

    fn lock_commands_tx(&self) -> MutexGuard<'_, Option<Sender<Command>>> {
        self.commands_tx.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server that has its port and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    console: bool,
    shared: Arc<Shared>,
}

/// What a room is to be like.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The limits.
    pub limits: Limits,
    /// What everybody who joins is told.
    pub motd: Option<String>,
    /// A file that keeps the bans over restarts.
    pub ban_file: Option<PathBuf>,
    /// Whether standard input has the operator's commands.
    pub console: bool,
    /// What is wrong with it on purpose: nothing, outside tests.
    pub seeded: Seeded,
}

impl Server {
    /// Wraps a listener that the caller has bound; `shutdown` stops what [`Server::run`] starts.
    ///
    /// # Errors
    /// When the settings do not go together, the ban file cannot be read, or the system has no random bytes.
    pub fn new(listener: TcpListener, settings: Settings, shutdown: Arc<Shutdown>) -> io::Result<Server> {
        let Settings { limits, motd, ban_file, console, seeded } = settings;
        limits.check().map_err(invalid)?;
        if motd.as_ref().is_some_and(|motd| motd.len() > limits.max_text.0) {
            return Err(invalid(format!(
                "the message of the day is longer than --max-text {}",
                limits.max_text
            )));
        }
        shutdown.wakes(listener.local_addr()?);
        let shared = Shared {
            registry: Registry::new(&limits),
            log: SharedLog::new(&limits, seeded),
            admission: Admission::new(&limits),
            bans: ban_file.map_or_else(|| Ok(Bans::default()), load_bans)?,
            stats: Stats::default(),
            complaints: Complaints::default(),
            shutdown,
            motd,
            seeded,
            room: Token::random()?.to_u64(),
            next_session: AtomicU64::new(1),
            commands_tx: Mutex::default(),
            drain_began: OnceLock::new(),
            limits,
        };
        Ok(Server { listener, console, shared: Arc::new(shared) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// As the system reports.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until shutdown is asked for and all is delivered.
    ///
    /// # Blocking
    /// For as long as the room is open.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn run(self) -> io::Result<()> {
        let Server { listener, console, shared } = self;
        let table = shared.limits.table();
        let limits: Vec<String> =
            table.into_iter().map(|(flag, value, _)| format!("{flag} {value}")).collect();
        info!("limits: {}", limits.join(", "));
        let (commands_tx, commands_rx) = crossbeam_channel::bounded(shared.limits.queue);
        *shared.lock_commands_tx() = Some(commands_tx.clone());
        if console {
            let shared = Arc::clone(&shared);
            let life = move || operator::console::console_loop(&shared, io::stdin().lock(), io::stdout());
            thread::Builder::new().name("console".to_owned()).spawn(life)?;
        }
        let shared = &*shared;
        thread::scope(|scope| {
            let broadcast = move || room::broadcaster::broadcast_loop(shared, &commands_rx);
            let started = spawn_scoped(scope, "stats", move || operator::stats::stats_loop(shared))
                .and_then(|()| spawn_scoped(scope, "broadcaster", broadcast));
            if started.is_ok() {
                door::listener::accept_loop(shared, &listener, commands_tx);
            } else {
                shared.shutdown.request(); // Should the other one have started, it ends, and the scope with it.
            }
            started
        })
    }
}

fn spawn_scoped<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: &str,
    life: impl FnOnce() + Send + 'scope,
) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, life).map(drop)
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn load_bans(file: PathBuf) -> io::Result<Bans> {
    let shown = file.display().to_string();
    Bans::load(file)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot use the ban file {shown}: {error}")))
}
