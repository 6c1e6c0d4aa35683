//! The server of rpc-chat: one chat room. This file starts all threads and stops them.
//!
//! # The folders
//!
//! A folder imports only from folders below it in this table.
//!
//! | folder | content | threads |
//! |---|---|---|
//! | `main.rs`, `lib.rs` | start and stop | `main` |
//! | `operator` | the operator's commands and the statistics | `console`, `stats` |
//! | `member` | a connection: hello, Join, requests | `connection`, one for each accepted connection |
//! | `room` | the list of members, and what each command does | `broadcaster` |
//! | `delivery` | the calls of a client's `Receive` | `recipient`, `flush`, `fanout` |
//! | `door` | accepts connections; limits, bans and names | `main` |
//! | `log` | every event, in one order | none of its own |
//! | `settings` | the limits and the command line | none of its own |
//!
//! # The path of a message
//!
//! Sara types `hello`, and Tom reads `[Sara] hello`. Tom has received everything before it.
//!
//! In Sara's client:
//!
//! 1. `client/src/input/mod.rs`: `read_lines_loop` reads the line and passes it on. Thread `stdin`.
//! 2. `client/src/session/connection.rs`: `call_loop` takes the line. Thread `main`.
//! 3. `client/src/session/send_queue.rs`: `push_utterance` gives the message its id.
//! 4. `client/src/session/connection.rs`: `call_loop` calls `Broadcast`.
//!
//! In the server:
//!
//! 5. `server/src/member/connection.rs`: `serve_member` reads the request. Thread `connection`.
//! 6. `server/src/member/service.rs`: `say` checks the text and sends `Command::Say` into the channel.
//! 7. `server/src/room/broadcaster.rs`: `broadcast_loop` takes the command, and all commands that wait behind
//!    it, as one round. Thread `broadcaster`.
//! 8. `server/src/room/apply.rs`: `say` stages the event, which gets the next sequence number.
//! 9. `server/src/room/broadcaster.rs`: `publish` appends the staged events to the log. It also writes
//!    `Accepted` to Sara: before step 10, or after step 12 in a small and quiet room.
//! 10. `server/src/delivery/fanout.rs`: `take_part` goes through the recipients. In a large and quiet room
//!     the thread `fanout` does a part of this.
//! 11. `server/src/delivery/send_window.rs`: `send` checks that Tom is up to date, and that his window has
//!     space.
//! 12. `server/src/delivery/recipient.rs`: `send` writes the call of `Receive` to Tom's socket.
//!
//! In Tom's client, on the thread `callback`:
//!
//! 13. `client/src/session/listener.rs`: `serve` reads the call.
//! 14. `client/src/session/inbox.rs`: `receive` checks that the event is new.
//! 15. `client/src/screen/mod.rs`: `show` writes the line.
//!
//! If step 11 finds that Tom is not up to date, or that his window is full, his thread `recipient` writes the
//! event later, after Tom's next answer (`delivery::recipient`).
//!
//! # The threads
//!
//! | thread | how many | blocks in | is woken by |
//! |---|---|---|---|
//! | `main`: `door::listener::accept_loop` | 1 | `accept` | a new connection; at shutdown our own |
//! | `connection`: `member::connection` | 1 for each connection | `read` | its client; `shut_down` |
//! | `broadcaster`: `room::broadcaster` | 1 | the channel | a command; the drop of the last sender |
//! | `fanout`: `delivery::fanout` | 1 | its channel | a round in a quiet room; the broadcaster's end |
//! | `recipient`: `delivery::recipient` | 1 for each recipient | `read` | its client; `shut_down` |
//! | `flush`: `delivery::Deliveries` | 1 for each full send buffer | `write` | its client; `shut_down` |
//! | `stats`: `operator::stats::stats_loop` | 1 | a sleep | one minute; shutdown |
//! | `console`: `operator::console` | 1 or none | a read of standard input | the operator |
//!
//! Commands flow one way: from the connections to the broadcaster, then to the log, then to the recipients. A
//! sender that needs an answer sends a channel for it, with space for that one answer. So the broadcaster
//! never waits for a sender, and no two threads wait for each other.
//!
//! # How it stops
//!
//! 1. A thread calls [`Shutdown::request`]. `accept` returns, and no new connection is served.
//! 2. Every call connection is shut down for reading. Its thread serves the requests that have arrived, and
//!    ends.
//! 3. After the last of them the `Room` is dropped, and the channel's sender with it. The broadcaster
//!    carries out the commands that are left.
//! 4. The broadcaster appends the room's end to the log. A recipient's thread ends when its client has
//!    acknowledged that event.
//! 5. The threads of all recipients have ended, so the broadcaster ends, and [`Server::run`] returns.
//!
//! All steps share one deadline, `drain_timeout` after step 1. At half of it the server shuts down the
//! connections that are left. At the deadline it closes the recipients that are left.

pub(crate) mod delivery;
pub(crate) mod door;
pub(crate) mod log;
pub(crate) mod member;
pub(crate) mod operator;
pub(crate) mod room;
pub(crate) mod settings;

use crate::{
    door::{accept_loop, Bans, Door},
    member::{serve_connection, Service},
    operator::{stats_loop, Console},
    room::{broadcast_loop, Room},
};
use ::log::info;
use chat_common::shutdown::Shutdown;
#[cfg(feature = "seeded-bugs")]
pub use settings::seeded;
pub use settings::{options, Bytes, Limits};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    thread,
};

/// A server with a bound listener. It serves nothing before [`Server::run`].
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    settings: Settings,
    door: Arc<Door>,
    shutdown: Arc<Shutdown>,
}

/// The settings of a server.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// All limits.
    pub limits: Limits,
    /// The message of the day: a text for everybody who joins. At most `limits.max_text` bytes.
    pub motd: Option<String>,
    /// The file in which the bans survive a restart.
    pub ban_file: Option<PathBuf>,
    /// Whether the server reads the operator's commands from standard input.
    pub console: bool,
}

impl Server {
    /// Returns a server for a listener that the caller has bound. `shutdown` stops [`Server::run`].
    ///
    /// # Blocking
    /// On the file system, for the ban file.
    ///
    /// # Errors
    /// When the settings contradict each other, or the ban file cannot be read or written.
    pub fn new(listener: TcpListener, settings: Settings, shutdown: Arc<Shutdown>) -> io::Result<Server> {
        let Settings { limits, motd, ban_file, .. } = &settings;
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        limits.check().map_err(invalid)?;
        if motd.as_ref().is_some_and(|motd| motd.len() > limits.max_text.0) {
            let why = format!("the message of the day is longer than --max-text {}", limits.max_text);
            return Err(invalid(why));
        }
        shutdown.wakes(listener.local_addr()?);
        let bans = ban_file.clone().map_or_else(|| Ok(Bans::default()), Bans::load)?;
        let door = Arc::new(Door::new(bans, limits));
        Ok(Server { listener, settings, door, shutdown })
    }

    /// Returns the address that the server listens on.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until shutdown is requested and every event is delivered.
    ///
    /// # Blocking
    /// Until the room has ended. [`Shutdown::request`] wakes it; from then on it takes at most
    /// `drain_timeout`.
    ///
    /// # Errors
    /// When the system cannot start a thread, or has no random bytes.
    pub fn run(self) -> io::Result<()> {
        let Server { listener, settings: Settings { limits, motd, console, .. }, door, shutdown } = self;
        let (limits, door, shutdown) = (&limits, &door, &shutdown);
        info!("limits: {}", limits.summary());
        let (room, broadcaster) = Room::open(limits, door, shutdown)?;
        let room = Arc::new(room);
        if console {
            let (door, shutdown) = (Arc::clone(door), Arc::clone(shutdown));
            let console =
                Console { room: Arc::downgrade(&room), door, shutdown, max_text: limits.max_text.0 };
            let run = move || console.run_loop(io::stdin().lock(), io::stdout());
            thread::Builder::new().name("console".to_owned()).spawn(run)?;
        }
        thread::scope(|scope| {
            let weak_room = Arc::downgrade(&room);
            let named = |name: &str| thread::Builder::new().name(name.to_owned());
            let stats = move || stats_loop(&weak_room, shutdown);
            let started = named("stats")
                .spawn_scoped(scope, stats)
                .and_then(|_| named("broadcaster").spawn_scoped(scope, || broadcast_loop(&broadcaster)));
            match &started {
                Ok(_) => {
                    let motd = motd.as_deref();
                    let service = Service { room: &room, door, limits, shutdown, motd };
                    let serve = |stream, peer, slot| serve_connection(&service, stream, peer, slot);
                    accept_loop(door, limits, shutdown, &listener, serve);
                }
                // If `stats` has started, this ends it, so that the scope can end.
                Err(_) => shutdown.request(),
            }
            drop(room); // This drops the last sender of the channel, so the broadcaster ends.
            started.map(drop)
        })
    }
}
