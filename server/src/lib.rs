//! rpc-chat's server: the room.
//!
//! # Threads, and who wakes whom
//!
//! | thread | how many | sleeps in | is woken by |
//! |---|---|---|---|
//! | `main`: [`listener::accept_loop`] | 1 | `accept` | a caller; at shutdown a connection of our own |
//! | `connection`: [`connection::serve_connection`] | 1 for each accepted connection | `read` | its client; [`session::Line::end`] |
//! | `broadcaster`: [`broadcaster::broadcast_loop`] | 1 | the channel | a command; the end of the last sender |
//! | `delivery`: [`delivery::delivery_loop`] | 1 for each recipient | `read` | its client's answer; [`session::Line::end`] |
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
//! Steps 2 to 5 share one deadline, `drain_timeout`; what has not ended by then is cut off.

pub mod admission;
pub mod bans;
pub mod broadcaster;
pub mod complaints;
pub mod connection;
pub mod delivery;
pub mod dial;
pub mod limits;
pub mod listener;
pub mod log;
pub mod name;
pub mod options;
pub mod outbox;
pub mod rate;
pub mod registry;
pub mod seeded;
pub mod service;
pub mod session;
pub mod stats;
pub mod sync;

use crate::{
    admission::Admission, bans::Bans, complaints::Complaints, limits::Limits, log::SharedLog,
    registry::Registry, seeded::Seeded, stats::Stats,
};
use ::log::info;
use chat_common::{shutdown::Shutdown, token::Token};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        Arc, OnceLock,
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
    /// When what is still under way at shutdown is cut off.
    drained_by: OnceLock<Instant>,
}

impl Shared {
    /// A number that no session has had.
    pub fn next_session_id(&self) -> u64 {
        self.next_session.fetch_add(1, Relaxed)
    }

    /// Starts the drain's clock.
    pub fn begin_drain(&self) {
        self.drained_by();
    }

    /// When the drain is over. The first call, at the beginning of the shutdown, sets it.
    pub fn drained_by(&self) -> Instant {
        *self.drained_by.get_or_init(|| Instant::now() + self.limits.drain_timeout)
    }
}

/// A server that has its port and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    settings: Settings,
    shutdown: Arc<Shutdown>,
}

/// What a room is to be like.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The limits.
    pub limits: Limits,
    /// What everybody who joins is told.
    pub motd: Option<String>,
    /// What is wrong with it on purpose: nothing, outside tests.
    pub seeded: Seeded,
}

impl Server {
    /// Wraps a listener that the caller has bound; `shutdown` stops what [`Server::run`] starts.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn new(listener: TcpListener, settings: Settings, shutdown: Arc<Shutdown>) -> io::Result<Server> {
        shutdown.wakes(listener.local_addr()?);
        Ok(Server { listener, settings, shutdown })
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
    /// When the limits do not go together, or the system has no random bytes or no thread for the broadcaster.
    pub fn run(self) -> io::Result<()> {
        let Server { listener, settings: Settings { limits, motd, seeded }, shutdown } = self;
        limits.check().map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let table: Vec<String> =
            limits.table().into_iter().map(|(flag, value, _)| format!("{flag} {value}")).collect();
        info!("limits: {}", table.join(", "));
        let (commands_tx, commands_rx) = crossbeam_channel::bounded(limits.queue);
        let shared = Shared {
            registry: Registry::new(&limits),
            log: SharedLog::new(&limits, seeded),
            admission: Admission::new(&limits),
            bans: Bans::default(),
            stats: Stats::default(),
            complaints: Complaints::default(),
            shutdown,
            motd,
            seeded,
            room: Token::random()?.to_u64(),
            next_session: AtomicU64::new(1),
            drained_by: OnceLock::new(),
            limits,
        };
        let shared = &shared;
        thread::scope(|scope| {
            thread::Builder::new()
                .name("broadcaster".to_owned())
                .spawn_scoped(scope, move || broadcaster::broadcast_loop(shared, &commands_rx))?;
            listener::accept_loop(shared, &listener, commands_tx);
            Ok(())
        })
    }
}
