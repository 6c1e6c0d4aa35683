//! rpc-chat's server: the room.
//!
//! # The house
//!
//! Each folder holds what one kind of thread does. A folder imports only from the ones below it in this table.
//!
//! | folder | what | its thread |
//! |---|---|---|
//! | `main.rs`, `lib.rs` | starts and stops everything | `main` |
//! | [`operator`] | the console and the statistics | `console`, `stats` |
//! | [`member`] | a connection: hello, Join, requests | `connection`, one for each accepted connection |
//! | [`room`] | who is here, and what each command does | `broadcaster` |
//! | [`delivery`] | the calls to a client's `Receive` | `recipient`, one for each member |
//! | [`door`] | accept, and who may come in | `main` |
//! | [`log`] | every event in one order | none: memory |
//! | [`settings`] | limits and the command line | none |
//!
//! # The path of a message
//!
//! Sara types `hello`, and Tom reads `[Sara] hello`.
//!
//! | | file | function | thread |
//! |---|---|---|---|
//! | 1 | `client/src/input/mod.rs` | `lines_loop` reads the line and sends it to the session | Sara's `stdin` |
//! | 2 | `client/src/session/connection.rs` | `call_loop` gives it an id and calls `Broadcast` | Sara's `main` |
//! | 3 | `server/src/member/connection.rs` | `serve_member` reads the request | her `connection` |
//! | 4 | `server/src/member/service.rs` | `say` checks it and sends `Command::Say` through the channel | |
//! | 5 | `server/src/room/broadcaster.rs` | `broadcast_loop` takes it, with all that waits beside it, as one round | `broadcaster` |
//! | 6 | `server/src/room/apply.rs` | `say` gives it the next sequence number, in a staged batch | |
//! | 7 | `server/src/room/broadcaster.rs` | `publish` appends the batch to the log and writes `Accepted` to Sara | |
//! | 8 | `server/src/delivery/send_window.rs` | `send` finds that Tom is up to date and has room | |
//! | 9 | `server/src/delivery/recipient.rs` | `send` writes the call of Tom's `Receive` to his socket | |
//! | 10 | `client/src/session/callbacks.rs` | `serve` reads the call | Tom's `callback` |
//! | 11 | `client/src/session/inbox.rs` | `take` sees that it is new | |
//! | 12 | `client/src/screen/mod.rs` | `show` writes the line | |
//!
//! If Tom is not up to date in step 8, his `recipient` thread writes the event when he has answered for earlier ones
//! ([`delivery::recipient`]).
//!
//! # Threads, and who wakes whom
//!
//! | thread | how many | sleeps in | is woken by |
//! |---|---|---|---|
//! | `main`: [`door::listener::accept_loop`] | 1 | `accept` | a caller; at shutdown a connection of our own |
//! | `connection`: [`member::connection::serve_connection`] | 1 for each accepted connection | `read` | its client; closing its pair |
//! | `broadcaster`: [`room::broadcaster::broadcast_loop`] | 1 | the channel | a command; the end of the last sender |
//! | `recipient`: [`delivery::recipient`] | 1 for each recipient | `read` | its client's answer; closing its pair |
//! | `flush`: [`delivery::Deliveries`] | 1 for a recipient whose send buffer is full | `write` | its network; closing its pair |
//! | `stats`: [`operator::stats::stats_loop`] | 1 | the clock | a minute; shutdown |
//! | `console`: [`operator::console`] | 1, if wanted | a read of standard input | the operator |
//!
//! Commands flow one way: from connections through the broadcaster and the log to recipients. The broadcaster answers through a
//! channel that the sender brings along, with room for the one answer it waits for, so no cycle can fill up.
//!
//! # The order in which it stops
//!
//! 1. Somebody calls [`Shutdown::request`]; `accept` wakes, and nobody new is accepted.
//! 2. Every call connection is shut down for reading: what has arrived is still served, and then its thread ends.
//! 3. With the last connection the [`Room`] is dropped, and with it the channel's sender; the broadcaster carries out what is left.
//! 4. It appends the room's end to the log; each recipient's thread ends when its client has answered for that.
//! 5. The deliveries' scope ends, the broadcaster with it, and [`Server::run`] returns.
//!
//! Steps 2 to 5 share one deadline, `drain_timeout`; what has not ended by then is cut off, connections at half of it.

pub(crate) mod delivery;
pub(crate) mod door;
pub(crate) mod log;
pub(crate) mod member;
pub(crate) mod operator;
pub(crate) mod room;
pub(crate) mod settings;

use crate::{
    door::{bans::Bans, listener::accept_loop, Door},
    member::{connection::serve_connection, Service},
    operator::{console::Console, stats::stats_loop},
    room::{broadcaster::broadcast_loop, Room},
};
use ::log::info;
use chat_common::shutdown::Shutdown;
#[cfg(feature = "seeded-bugs")]
pub use settings::seeded;
pub use settings::{
    limits::{Bytes, Limits},
    options,
};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    thread,
};

/// A server that has its port and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    limits: Limits,
    motd: Option<String>,
    console: bool,
    door: Arc<Door>,
    shutdown: Arc<Shutdown>,
}

/// What a room is to be like.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The limits.
    pub limits: Limits,
    /// What everybody who joins is told; at most as long as a message.
    pub motd: Option<String>,
    /// A file that keeps the bans over restarts.
    pub ban_file: Option<PathBuf>,
    /// Whether standard input has the operator's commands.
    pub console: bool,
}

impl Server {
    /// Wraps a listener that the caller has bound; `shutdown` stops what [`Server::run`] starts.
    ///
    /// # Errors
    /// When the settings contradict each other, or the ban file cannot be used.
    pub fn new(listener: TcpListener, settings: Settings, shutdown: Arc<Shutdown>) -> io::Result<Server> {
        let Settings { limits, motd, ban_file, console } = settings;
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        limits.check().map_err(invalid)?;
        if motd.as_ref().is_some_and(|motd| motd.len() > limits.max_text.0) {
            let why = format!("the message of the day is longer than --max-text {}", limits.max_text);
            return Err(invalid(why));
        }
        shutdown.wakes(listener.local_addr()?);
        let bans = ban_file.map_or_else(|| Ok(Bans::default()), load_bans)?;
        let door = Arc::new(Door::new(&limits, bans));
        Ok(Server { listener, limits, motd, console, door, shutdown })
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// As the system reports.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until shutdown is asked for and everything is delivered.
    ///
    /// # Blocking
    /// For as long as the room is open.
    ///
    /// # Errors
    /// When the system has no thread to give, or no random bytes.
    pub fn run(self) -> io::Result<()> {
        let Server { listener, limits, motd, console, door, shutdown } = self;
        let (limits, door, shutdown) = (&limits, &door, &shutdown);
        info!("limits: {}", limits.summary());
        let (room, broadcaster) = Room::open(limits, door, shutdown)?;
        let room = Arc::new(room);
        if console {
            let (door, shutdown) = (Arc::clone(door), Arc::clone(shutdown));
            let console =
                Console { room: Arc::downgrade(&room), door, shutdown, max_text: limits.max_text.0 };
            let life = move || console.run_loop(io::stdin().lock(), io::stdout());
            thread::Builder::new().name("console".to_owned()).spawn(life)?;
        }
        thread::scope(|scope| {
            let weak_room = Arc::downgrade(&room);
            let started = spawn_scoped(scope, "stats", move || stats_loop(&weak_room, shutdown))
                .and_then(|()| spawn_scoped(scope, "broadcaster", || broadcast_loop(&broadcaster)));
            match &started {
                Ok(()) => {
                    let service = Service::new(&room, door, limits, shutdown, motd.as_deref());
                    let serve = |stream, peer, slot| serve_connection(&service, stream, peer, slot);
                    accept_loop(door, limits, shutdown, &listener, serve);
                }
                // If the other thread has started, this ends it, and the scope with it.
                Err(_) => shutdown.request(),
            }
            drop(room); // With its sender the channel ends, and with that the broadcaster.
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

fn load_bans(file: PathBuf) -> io::Result<Bans> {
    let shown = file.display().to_string();
    Bans::load(file)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot use the ban file {shown}: {error}")))
}
