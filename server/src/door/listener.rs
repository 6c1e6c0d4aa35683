//! The accept loop. It gives each connection a thread, or refuses it. Runs on the main thread.
//!
//! It MUST NOT wait for a peer, but for a tenth of a second when the descriptors are used up. Only shutdown
//! ends it.
//!
//! Go: `rpc.Accept` returns at the first error of `Accept`, and then the server accepts nobody. One
//! failed `accept` without a free file descriptor is enough.
//!
//! ```go
//! conn, err := lis.Accept()
//! if err != nil { log.Print("rpc.Serve: accept:", err.Error()); return }
//! go server.ServeConn(conn)
//! ```

use super::{admission::Slot, Door};
use crate::settings::Limits;
use chat_common::{
    program::{
        shutdown::Shutdown,
        tasks::{self, Task},
    },
    trace::{self, Slice},
    wire::{error::is_out_of_descriptors, hello::answer_bytes, status::Status, stream::Stream},
};
use log::{warn, Level};
use std::{
    fs::File,
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    sync::Arc,
    thread::{self, Scope},
    time::{Duration, Instant},
};

/// The pause after a failed `accept`. It doubles with each further failure, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Accepts connections until shutdown is requested. It calls `serve` for each, on a new thread, and at
/// the end waits for all these threads.
///
/// # Blocking
/// On `accept`, which [`Shutdown::request`] wakes, and up to one second after a failed `accept`. At the
/// end on the threads of the connections. After half of `drain_timeout` it closes their streams, which
/// ends them.
pub(crate) fn accept_loop(
    door: &Door,
    limits: &Limits,
    shutdown: &Shutdown,
    listener: &TcpListener,
    serve: impl Fn(Arc<Stream>, Slot) + Sync,
) {
    thread::scope(|scope| {
        // A scope waits for its threads without a deadline.
        let (task, serving) = tasks::begin();
        let reception = Reception { door, limits, scope, serve: &serve, task };
        let mut reserve = ReserveFd(None);
        let mut pause = FIRST_PAUSE;
        while !shutdown.is_requested() {
            // This comes first, so that the next free descriptor is the reserve's.
            reserve.take_back();
            let accept = Slice::begin("accept");
            let accepted = listener.accept();
            drop(accept);
            match accepted {
                Ok(_) if shutdown.is_requested() => {}
                Ok((socket, peer)) => {
                    pause = FIRST_PAUSE;
                    let stream = Stream::new(socket);
                    if reserve.take_back() {
                        reception.admit(stream, peer);
                    } else {
                        reserve.refuse(door, stream, peer);
                    }
                }
                // The listener was shut down.
                Err(_) if shutdown.is_requested() => {}
                // The peer has closed the connection, or a signal came. Neither needs a pause.
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(error) if is_out_of_descriptors(&error) && reserve.refuse_one(door, listener) => {}
                Err(error) => {
                    warn!("cannot accept: {error}; trying again in {} ms", pause.as_millis());
                    shutdown.sleep(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        door.admission.stop_reading();
        drop(reception);
        // The second half of the time is for delivering what the connections have sent.
        if !serving.wait_until(shutdown.deadline(limits.drain_timeout / 2)) {
            warn!("some connections did not end in time");
            door.admission.stop_all();
        }
    });
}

/// What an accepted connection meets.
struct Reception<'scope, 'env, S> {
    door: &'env Door,
    limits: &'env Limits,
    scope: &'scope Scope<'scope, 'env>,
    serve: &'env S,
    /// Each connection's thread holds a clone.
    task: Task,
}

impl<S: Fn(Arc<Stream>, Slot) + Sync> Reception<'_, '_, S> {
    /// Gives a connection a place and a thread, or refuses it with a status.
    fn admit(&self, stream: Stream, peer: SocketAddr) {
        let (door, serve, stream) = (self.door, self.serve, Arc::new(stream));
        let refuse = |status: Status, why: &str| refuse(door, &stream, peer, status, why);
        // This check comes first, because it costs least, and a flood meets it.
        let now = Instant::now();
        // The guests have that limit, and so have the connections before the first key.
        let is_gateway = door.gateways.as_ref().is_some_and(|gateways| gateways.have(peer.ip(), now));
        if !is_gateway && !door.hosts.of(peer.ip(), now).connects.try_take(now) {
            return refuse(Status::Busy, "too many new connections");
        }
        let admission = &door.admission;
        let banned = door.bans.of_address(peer.ip());
        let has_words = banned.as_ref().is_some_and(|terms| !terms.behind().is_empty());
        let admitted = match banned {
            Some(_) => Err(Status::Banned),
            None => admission.admit(&stream, peer, is_gateway, now),
        };
        // Only the refusal of a Join has space for the reason of a ban.
        let operates = |status| match door.operators.is_some() || has_words {
            true => admission.admit_to_reserve(&stream, peer, status, now),
            false => Err(status),
        };
        let slot = match admitted.or_else(operates) {
            Ok(slot) => slot,
            Err(Status::Banned) => return refuse(Status::Banned, "banned"),
            Err(status) => return refuse(status, &status.to_string()),
        };
        let (own, task) = (Arc::clone(&stream), self.task.clone());
        let builder = thread::Builder::new().name("connection".to_owned());
        // `Scope::spawn` would panic when the system cannot start a thread.
        let spawned = builder.stack_size(self.limits.thread_stack.0).spawn_scoped(
            self.scope,
            trace::starts(format_args!("connection from {peer}"), move || {
                let _held_to_the_end = task;
                serve(own, slot);
            }),
        );
        if let Err(error) = spawned {
            refuse(Status::Busy, &format!("no thread: {error}"));
        }
    }
}

/// Refuses a connection without a thread of its own, and logs `why`. Never blocks on the peer.
fn refuse(door: &Door, stream: &Stream, peer: SocketAddr, status: Status, why: &str) {
    door.log(peer.ip(), Level::Warn, format_args!("{peer}: refused: {why}"));
    if let Err(error) = stream.dismiss(&answer_bytes(status)) {
        door.log(peer.ip(), Level::Debug, format_args!("{peer}: while refusing: {error}"));
    }
}

/// A file descriptor in reserve. With it the server can refuse a connection when all others are in use.
/// `None` when it was not to be had.
struct ReserveFd(Option<OwnedFd>);

impl ReserveFd {
    /// Takes the reserve again if it is not there. Returns whether it is there now. Never blocks.
    fn take_back(&mut self) -> bool {
        self.0 = self.0.take().or_else(|| File::open("/dev/null").ok().map(OwnedFd::from));
        self.0.is_some()
    }

    /// Frees the reserve, and refuses one waiting connection with it. Returns whether it did. Never blocks.
    fn refuse_one(&mut self, door: &Door, listener: &TcpListener) -> bool {
        self.0 = None;
        // The connection of the failed `accept` is still in the backlog, so `accept` finds it at once. If
        // its peer has gone, a blocking `accept` would wait here without the reserve, so the listener
        // must not block.
        if listener.set_nonblocking(true).is_err() {
            return false;
        }
        let accepted = listener.accept();
        // The opposite call has just worked, so this one cannot fail.
        let _ = listener.set_nonblocking(false);
        let Ok((socket, peer)) = accepted else {
            self.take_back();
            return false;
        };
        self.refuse(door, Stream::new(socket), peer);
        true
    }

    /// Refuses a connection, and keeps its descriptor as the reserve. The descriptor is never free in
    /// between, so no other thread can take it. The peer sees the end of the stream, as if it were closed.
    fn refuse(&mut self, door: &Door, stream: Stream, peer: SocketAddr) {
        refuse(door, &stream, peer, Status::Busy, "no free file descriptor");
        stream.shut_down();
        self.0 = Some(stream.into());
    }
}
