//! The accept loop: a thread for each connection, and an answer for those that cannot have one.
//!
//! It counts, spawns and goes on. Only shutdown makes it leave the loop.
//!
//! Go: `rpc.Accept` returns at the first error of accept, and then the server serves nobody. One failed `accept` for want of
//! descriptors is enough.
//!
//! ```go
//! conn, err := lis.Accept()
//! if err != nil { log.Print("rpc.Serve: accept:", err.Error()); return }
//! go server.ServeConn(conn)
//! ```

use super::{
    admission::{Admission, Slot},
    Door,
};
use crate::settings::limits::Limits;
use chat_common::{
    hello::{answer_bytes, HIGHEST_VERSION},
    shutdown::Shutdown,
    status::Status,
    stream::Stream,
};
use crossbeam_channel::{RecvTimeoutError, Sender};
use log::{debug, warn};
use std::{
    fs::File,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, Scope},
    time::Duration,
};

/// The wait after a failed accept: doubled each time from the first to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Accepts connections until shutdown is asked for, has `serve` serve each on a thread of its own, and then waits until all have
/// ended.
///
/// # Blocking
/// On `accept`, which [`Shutdown::request`] wakes; at the end on the connections, which are cut off at half of the drain.
pub(crate) fn accept_loop(
    door: &Door,
    limits: &Limits,
    shutdown: &Shutdown,
    listener: &TcpListener,
    serve: impl Fn(Arc<Stream>, SocketAddr, Slot) + Sync,
) {
    thread::scope(|scope| {
        // Nothing is ever sent. Each connection's thread holds a sender, and when the last one is dropped all connections have ended.
        // A scope waits for that too, but for ever; a channel can be waited on with a deadline.
        let (serving_tx, served_rx) = crossbeam_channel::bounded(0);
        let mut reserve = ReserveFd::new();
        let mut pause = FIRST_PAUSE;
        while !shutdown.is_requested() {
            match listener.accept() {
                Ok((socket, peer)) => {
                    pause = FIRST_PAUSE;
                    if !shutdown.is_requested() {
                        admit(door, limits, scope, Stream::new(socket), peer, &serve, &serving_tx);
                    }
                }
                Err(error) if is_about_one_caller(&error) => {}
                Err(error) => {
                    warn!("cannot accept: {error}; trying again in {} ms", pause.as_millis());
                    if is_out_of_descriptors(&error) {
                        reserve.refuse_one(listener);
                    }
                    shutdown.sleep(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        door.admission.stop_reading();
        drop(serving_tx);
        // The second half of the drain is for delivering what the connections have brought.
        if let Err(RecvTimeoutError::Timeout) =
            served_rx.recv_deadline(shutdown.deadline(limits.drain_timeout / 2))
        {
            warn!("some connections did not end in time");
            door.admission.stop_all();
        }
    });
}

/// Gives a connection its place and its thread, or tells it why not.
fn admit<'scope, 'env>(
    door: &'env Door,
    limits: &Limits,
    scope: &'scope Scope<'scope, 'env>,
    stream: Stream,
    peer: SocketAddr,
    serve: &'env (impl Fn(Arc<Stream>, SocketAddr, Slot) + Sync),
    serving_tx: &Sender<()>,
) {
    let stream = Arc::new(stream);
    let refuse = |status: Status, why: &str| {
        if door.may_log(peer.ip()) {
            warn!("{peer}: refused: {why}");
        }
        refuse(&stream, status);
    };
    if door.bans.covers_address(peer.ip()) {
        return refuse(Status::Banned, "banned");
    }
    let slot = match Admission::admit(&door.admission, &stream, peer.ip()) {
        Ok(slot) => slot,
        Err(status) => return refuse(status, &status.to_string()),
    };
    let (own, serving_tx) = (Arc::clone(&stream), serving_tx.clone());
    let builder = thread::Builder::new().name("connection".to_owned()).stack_size(limits.thread_stack.0);
    // Scope::spawn would panic when the system refuses a thread.
    let spawned = builder.spawn_scoped(scope, move || {
        let _until_the_end = serving_tx;
        serve(own, peer, slot);
    });
    if let Err(error) = spawned {
        refuse(Status::Busy, &format!("no thread: {error}"));
    }
}

/// Answers without a thread and without waiting.
fn refuse(stream: &Stream, status: Status) {
    if let Err(error) = stream.dismiss(&answer_bytes(status, HIGHEST_VERSION)) {
        debug!("while refusing: {error}");
    }
}

/// Whether `accept` failed because the caller has gone or a signal came. Neither is a reason to wait.
fn is_about_one_caller(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

/// EMFILE and ENFILE. std has no kind for them.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// A descriptor held back, so that a caller can still be refused when all others are in use.
struct ReserveFd(Option<File>);

impl ReserveFd {
    fn new() -> ReserveFd {
        ReserveFd(File::open("/dev/null").ok())
    }

    fn refuse_one(&mut self, listener: &TcpListener) {
        self.0 = None;
        // The caller that the failed accept was for is still in the backlog, so this does not wait. Should it have gone, the
        // listener must not block here: without the reserve nobody could be told anything.
        if listener.set_nonblocking(true).is_ok() {
            if let Ok((socket, _)) = listener.accept() {
                refuse(&Stream::new(socket), Status::Busy);
            }
            // Cannot fail where the opposite has just worked.
            let _ = listener.set_nonblocking(false);
        }
        *self = ReserveFd::new();
    }
}
