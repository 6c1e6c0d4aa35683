//! The accept loop: a thread for each connection, and an answer for those that cannot have one.
//!
//! It runs on the thread that called [`Server::run`](crate::Server::run), and is the last to know what a connection is for: it
//! counts, spawns and goes on. Nothing makes it leave the loop but shutdown.
//!
//! Go: `rpc.Accept` returns at the first error of accept, and then the server serves nobody; one failed `accept` for want of
//! descriptors is enough.
//!
//! ```go
//! conn, err := lis.Accept()
//! if err != nil { log.Print("rpc.Serve: accept:", err.Error()); return }
//! go server.ServeConn(conn)
//! ```

use crate::{
    door::admission::{Admission, Slot},
    member::connection::serve_connection,
    room::command::Command,
    Shared,
};
use chat_common::{
    hello::{answer_bytes, HIGHEST_VERSION},
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

/// Accepts connections until shutdown is asked for, and then waits until all have ended.
///
/// # Blocking
/// On `accept`, which [`Shutdown::request`](chat_common::shutdown::Shutdown::request) wakes; at the end on the connections,
/// which are cut off at half of the drain.
pub fn accept_loop(shared: &Shared, listener: &TcpListener, commands_tx: Sender<Command>) {
    thread::scope(|scope| {
        // Nothing is ever sent: each connection's thread holds a sender, and the last to be dropped says that all have ended. A scope
        // waits for that too, but for ever; a channel can be waited on with a deadline.
        let (serving_tx, served_rx) = crossbeam_channel::bounded(0);
        let mut spare = Spare::new();
        let mut pause = FIRST_PAUSE;
        while !shared.shutdown.is_requested() {
            match listener.accept() {
                Ok((socket, peer)) => {
                    pause = FIRST_PAUSE;
                    if !shared.shutdown.is_requested() {
                        take(shared, scope, Stream::new(socket), peer, &commands_tx, &serving_tx);
                    }
                }
                // The caller has gone again, or a signal came: neither is a reason to wait.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => {
                    warn!("cannot accept: {error}; trying again in {} ms", pause.as_millis());
                    if is_out_of_descriptors(&error) {
                        spare.refuse_one(listener);
                    }
                    shared.shutdown.sleep(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        // From here on things end in the order in which they are dropped.
        shared.begin_drain();
        shared.admission.stop_reading();
        drop(commands_tx);
        drop(serving_tx);
        if let Err(RecvTimeoutError::Timeout) = served_rx.recv_deadline(shared.connections_end_by()) {
            warn!("some connections did not end in time");
            shared.admission.stop_all();
        }
    });
}

/// Gives a connection its place and its thread, or says why not.
fn take<'scope, 'env>(
    shared: &'env Shared,
    scope: &'scope Scope<'scope, 'env>,
    stream: Stream,
    peer: SocketAddr,
    commands_tx: &Sender<Command>,
    serving_tx: &Sender<()>,
) {
    let stream = Arc::new(stream);
    let complain = |what: &str| {
        if shared.complaints.may_log(peer.ip()) {
            warn!("{peer}: {what}");
        }
    };
    if shared.bans.covers_address(peer.ip()) {
        return refuse(&stream, Status::Banned);
    }
    let slot: Slot = match Admission::admit(&shared.admission, &stream, peer.ip()) {
        Ok(slot) => slot,
        Err(status) => {
            complain(&format!("refused: {status}"));
            return refuse(&stream, status);
        }
    };
    let (own, commands_tx, serving_tx) = (Arc::clone(&stream), commands_tx.clone(), serving_tx.clone());
    // Scope::spawn would panic when the system refuses a thread.
    let spawned = thread::Builder::new()
        .name("connection".to_owned())
        .stack_size(shared.limits.thread_stack.0)
        .spawn_scoped(scope, move || {
            let _until_the_end = serving_tx;
            serve_connection(shared, &commands_tx, own, peer, slot);
        });
    if let Err(error) = spawned {
        complain(&format!("refused: no thread: {error}"));
        refuse(&stream, Status::Busy);
    }
}

/// Answers without a thread and without waiting.
fn refuse(stream: &Stream, status: Status) {
    if let Err(error) = stream.dismiss(&answer_bytes(status, HIGHEST_VERSION)) {
        debug!("while refusing: {error}");
    }
}

/// EMFILE and ENFILE. std has no kind for them.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// A descriptor held back, so that when all others are in use a caller can still be told so instead of waiting for nothing.
struct Spare(Option<File>);

impl Spare {
    fn new() -> Spare {
        Spare(File::open("/dev/null").ok())
    }

    fn refuse_one(&mut self, listener: &TcpListener) {
        self.0 = None;
        // The caller that the failed accept was for is still in the backlog, so this does not wait. Should it have gone, the
        // listener must not block here: without the spare nobody could be told anything.
        if listener.set_nonblocking(true).is_ok() {
            if let Ok((socket, _)) = listener.accept() {
                refuse(&Stream::new(socket), Status::Busy);
            }
            // Cannot fail where the opposite has just worked.
            let _ = listener.set_nonblocking(false);
        }
        *self = Spare::new();
    }
}
