//! The server of rpc-chat: one chat room. This file starts all threads and stops them.
//!
//! # The folders
//!
//! A folder imports only from folders below it in this table.
//!
//! | folder | content | threads |
//! |---|---|---|
//! | `main.rs`, `lib.rs` | start and stop | `main` |
//! | `operator` | the operator's commands, statistics and transcript | `console`, `stats`, `transcript` |
//! | `member` | a connection: hello, Join, requests | `connection`, one for each accepted connection |
//! | `room` | the list of members, and what each command does | `broadcaster` |
//! | `delivery` | the calls of a client's `Receive` | `recipient`, `flush`, `fanout` |
//! | `door` | accepts connections; limits and rates of hosts | `main` |
//! | `identity` | names, hosts, bans | none of its own |
//! | `order` | the place of each round: in memory or in a journal; the log that all read | `journal-fill` |
//! | `log` | the newest events, in memory | none of its own |
//! | `settings` | the limits and the command line | none of its own |
//!
//! # The way of a message
//!
//! Sara types `hello`, and Tom reads `[Sara] hello`. Tom has received everything before it. A test follows
//! this list through the code: each function calls the next one, or hands something over to it.
//!
//! In Sara's client:
//!
//! 1. `client/src/input/typing.rs`: `read_typed_loop`, `read_typed` read the line. Thread `stdin`. Hands over
//!    `Typed::Line`.
//! 2. `client/src/input/typing.rs`: `guard_pastes_loop` waits for some 20 ms: a line that more lines follow
//!    was pasted. Thread `paste`.
//! 3. `client/src/input/person.rs`: `pass`, `pass_on`, `take` see that it is not a command. Hands over
//!    `input_tx`.
//! 4. `client/src/session/calls.rs`: `call_loop` is the session. Thread `main`.
//! 5. `client/src/session/client.rs`: `take`, `take_as`, `say`.
//! 6. `client/src/session/send_queue.rs`: `push_utterance` gives the message its id. Hands over `Request`.
//! 7. `client/src/session/calls.rs`: `call_loop` takes it from the queue.
//! 8. `common/src/wire/rpc.rs`: `call` writes Broadcast to the socket, and waits for the reply. Hands over
//!    `request`.
//!
//! In the server:
//!
//! 9. `server/src/member/connection.rs`: `serve_member` reads the request. Thread `connection`.
//! 10. `server/src/member/service.rs`: `answer`, `say` check the text.
//! 11. `server/src/member/join.rs`: `send` makes the command.
//! 12. `server/src/room/mod.rs`: `try_send`.
//! 13. `server/src/room/channel.rs`: `try_send` refuses it if the channel is full. Hands over `commands_tx`.
//! 14. `server/src/room/broadcaster.rs`: `run_to_the_end`, `run_round`, `decide` take the command, and all
//!     that wait behind it, as one round. Thread `broadcaster`.
//! 15. `server/src/room/round.rs`: `apply` decides one command after the other.
//! 16. `server/src/room/messages.rs`: `say` decides that it is new, and that Sara may speak.
//! 17. `server/src/log/staged.rs`: `push_message` stages the event, which gets the next sequence number.
//! 18. `server/src/room/broadcaster.rs`: `place` asks for the round's place in the order.
//! 19. `server/src/order/mod.rs`: `place` gives it at once, or where there is a journal ...
//! 20. `server/src/order/journal/mod.rs`: `commit` ... when the disk has the round.
//! 21. `server/src/room/broadcaster.rs`: `publish`. From here on others see it.
//! 22. `server/src/order/shared_log.rs`: `append` puts the events into the log.
//! 23. `server/src/room/effects.rs`: `write_replies` writes Accepted to Sara. In a small and quiet room this
//!     comes after step 27.
//! 24. `server/src/delivery/fanout.rs`: `write`, `take_part` go through the recipients.
//! 25. `server/src/delivery/recipient.rs`: `send`.
//! 26. `server/src/delivery/send_window.rs`: `send` checks that Tom is up to date, and that his window has
//!     space.
//! 27. `common/src/wire/stream.rs`: `try_write` writes the call of Receive to Tom's socket. Hands over
//!     `events`.
//!
//! In Tom's client:
//!
//! 28. `client/src/session/listener.rs`: `serve` reads the call. Thread `callback`.
//! 29. `client/src/session/inbox.rs`: `receive` checks that the event is new.
//! 30. `client/src/screen/mod.rs`: `show`.
//! 31. `client/src/screen/output.rs`: `show` writes the line.
//!
//! In a client with the editor, `edit_loop` in `client/src/editor/mod.rs` does step 1. In a large and quiet
//! room the thread `fanout` takes a part of step 24. If step 26 finds that Tom is not up to date, or that his
//! window is full, his thread `recipient` writes the event later, after Tom's next answer
//! (`delivery::recipient`).
//!
//! # The threads
//!
//! | thread | how many | blocks in | is woken by |
//! |---|---|---|---|
//! | `main`: `door::listener::accept_loop` | 1 | `accept` | a new connection; the shutdown of the listener |
//! | `connection`: `member::connection` | 1 for each connection | `read`; a rate | its client; `shut_down` |
//! | `broadcaster`: `room::broadcaster` | 1 | the channel; the journal | a command; the last sender's drop |
//! | `fanout`: `delivery::fanout` | 1 | its channel | a round in a quiet room; the broadcaster's end |
//! | `recipient`: `delivery::recipient` | 1 for each recipient | `read` | its client; `shut_down` |
//! | `flush`: `delivery::Deliveries` | 1 for each full send buffer | `write` | its client; `shut_down` |
//! | `journal-fill`: `order::journal` | 1 or none | the disk; its channel | the disk; a new file in use |
//! | `transcript`: `operator::transcript` | 1 or none | a write; its channel | the file; an append |
//! | `stats`: `operator::stats::stats_loop` | 1 | a sleep | one minute; shutdown |
//! | `console`: `operator::console` | 1 or none | a read of standard input | the operator |
//! | `log`, `output`: `background_writer` in chat-common | 1 each | a write; its channel | a reader; a line |
//! | `width`: `width` in chat-common | 1 on a terminal | a read from a shell | a new width of the terminal |
//!
//! No thread but `log` and `output` waits for a reader of standard error or of standard output, and none but
//! `transcript` for its file. With a journal the broadcaster waits for its own disk, once for each round.
//! Those who read what memory no longer holds wait for the disk on their own threads, one at a time, and
//! their hosts pay for it (`order::journal::archive`). The threads `log`, `output` and `width` belong to the
//! program, and a server in another program does not have them.
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
//! 5. The threads of all recipients have ended, so the broadcaster ends, and with it the channel to the
//!    transcript. That writes what is left, and [`Server::run`] returns.
//!
//! All steps share one deadline, `drain_timeout` after step 1. At half of it the server shuts down the
//! connections that are left. At the deadline it closes the recipients that are left.

pub(crate) mod delivery;
pub(crate) mod door;
pub(crate) mod identity;
pub(crate) mod log;
pub(crate) mod member;
pub(crate) mod operator;
pub(crate) mod order;
pub(crate) mod room;
pub(crate) mod settings;

use crate::{
    door::{accept_loop, Door, Gateways, Operators},
    identity::{Bans, KeptNames},
    member::{serve_connection, Service},
    operator::{stats_loop, Commands, Console, Motd, Transcript},
    room::{broadcast_loop, Past, Room},
};
use ::log::debug;
use chat_common::{
    program::{
        background_writer::EXIT_TIMEOUT,
        flags::Program,
        shutdown::Shutdown,
        transcript_file::{PipeUse, TranscriptFile},
    },
    terminal::foreground::ForegroundInput,
    trace,
};
use crossbeam_channel::bounded;
pub use order::journal::{
    export::export,
    tool::{check, repair_journal, Check},
};
#[cfg(feature = "seeded-bugs")]
pub use settings::seeded;
pub use settings::{
    parse, Bytes, ClosedFlags, CommandLine, DoorSettings, Invocation, JournalSettings, Limits,
    OperatorSettings, Options, Settings,
};
use std::{
    io::{self, BufReader, IsTerminal},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Instant,
};

/// What members are told of a room with a transcript: the file is kept without end.
const KEPT_FOR_EVER: u64 = u64::MAX;

/// A server with a bound listener. It serves nothing before [`Server::run`].
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    settings: Settings,
    door: Arc<Door>,
    motd: Motd,
    transcript: Option<TranscriptFile>,
    shutdown: Arc<Shutdown>,
    past: Past,
}

/// Returns the command line of `chat-server`, with all flags and the operator's commands.
pub fn program() -> Program<CommandLine> {
    settings::program(operator::commands())
}

impl Server {
    /// Returns a server for a listener that the caller has bound. `shutdown` stops [`Server::run`].
    ///
    /// # Blocking
    /// On the file system, for the files of the bans, the names and the operators, and the transcript.
    ///
    /// # Errors
    /// When the settings contradict each other, one of these files cannot be used, or the system
    /// has no free file descriptor.
    pub fn new(listener: TcpListener, settings: Settings, shutdown: Arc<Shutdown>) -> io::Result<Server> {
        let Settings { limits, motd, door: at_door, operators, journal, transcript, .. } = &settings;
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        limits.check().map_err(invalid)?;
        let motd = Motd::load(motd.clone(), limits.max_text.0).map_err(invalid)?;
        shutdown.wakes(&listener)?;
        let bans = at_door.ban_file.clone().map_or_else(|| Ok(Bans::default()), Bans::load)?;
        let mut door = Door::new(bans, limits);
        door.names = at_door.names.clone().map(KeptNames::load).transpose()?;
        door.gateways = at_door.gateway_key.map(Gateways::new);
        let OperatorSettings { file, in_clear, .. } = operators;
        let operators = file.clone().map(|file| Operators::load(file, *in_clear));
        door.operators = operators.transpose().map_err(io::Error::other)?;
        #[cfg(feature = "closed")]
        {
            door.is_closed = settings.closed.is_some();
        }
        let transcript = transcript.as_deref().map(|path| TranscriptFile::open(path, PipeUse::Waits));
        let transcript = transcript.transpose()?;
        let past = match &journal.directory {
            None => Past::none(limits)?,
            Some(path) => Past::open(path, journal, limits).map_err(io::Error::other)?,
        };
        door.fit(past.order.is_kept(), limits)?;
        let door = Arc::new(door);
        Ok(Server { listener, settings, door, motd, transcript, shutdown, past })
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
        let Server { listener, settings, door, motd, transcript, shutdown, past } = self;
        #[cfg(feature = "closed")]
        let closed = settings.closed.as_ref();
        let Settings { limits, operators, journal, .. } = settings;
        let (limits, door, shutdown) = (&limits, &door, &shutdown);
        debug!("limits: {}", limits.summary());
        let (appended_tx, appended_rx) = bounded(1);
        let appended_tx = transcript.is_some().then_some(appended_tx);
        let is_kept = past.order.is_kept();
        let (room, broadcaster) = Room::open(limits, door, shutdown, past, appended_tx);
        let room = Arc::new(room);
        let start = |file| Transcript::start(file, room.log().clone(), appended_rx);
        let transcript = transcript.map(start).transpose()?;
        let commands = Arc::new(Commands {
            room: Arc::downgrade(&room),
            door: Arc::clone(door),
            shutdown: Arc::clone(shutdown),
            motd,
            max_text: limits.max_text.0,
        });
        if let Some(output) = operators.console {
            let on_terminal = io::stdin().is_terminal();
            let console = Console { on_terminal, commands: Arc::clone(&commands), output };
            let run = move || console.run_loop(BufReader::new(ForegroundInput::new(|| {})));
            thread::Builder::new()
                .name("console".to_owned())
                .spawn(trace::starts(format_args!("console"), run))?;
        }
        let journal_keeps = is_kept.then_some(match journal.keep.as_secs() {
            0 => KEPT_FOR_EVER,
            seconds => seconds,
        });
        let kept_for = transcript.as_ref().map(|_| KEPT_FOR_EVER).or(journal_keeps);
        let ran = thread::scope(|scope| {
            let weak_room = Arc::downgrade(&room);
            let named = |name: &str| thread::Builder::new().name(name.to_owned());
            let stats = move || stats_loop(&weak_room, door, shutdown);
            let started = named("stats")
                .spawn_scoped(scope, trace::starts(format_args!("stats"), stats))
                .and_then(|_| {
                    named("broadcaster").spawn_scoped(
                        scope,
                        trace::starts(format_args!("broadcaster"), move || broadcast_loop(broadcaster)),
                    )
                });
            match &started {
                Ok(_) => {
                    let motd = &|| commands.motd.text();
                    let run_command = &|line: &str| commands.run(line);
                    let service = Service {
                        room: &room,
                        door,
                        limits,
                        shutdown,
                        run_command,
                        motd,
                        kept_for,
                        #[cfg(feature = "closed")]
                        closed,
                    };
                    let serve = |stream, slot| serve_connection(&service, stream, slot);
                    accept_loop(door, limits, shutdown, &listener, serve);
                }
                // If `stats` has started, this ends it, so that the scope can end.
                Err(_) => shutdown.request(),
            }
            drop(room); // This drops the last sender of the channel, so the broadcaster ends.
            let ended = started?.join().expect("the broadcaster catches its panics");
            ended.map_err(|error| io::Error::other(format!("the journal cannot be written: {error}")))
        });
        if let Some(transcript) = transcript {
            // It may still need a moment if the recipients have taken all the time.
            let moment = Instant::now() + EXIT_TIMEOUT;
            transcript.finish(shutdown.deadline(limits.drain_timeout).max(moment));
        }
        ran
    }
}
