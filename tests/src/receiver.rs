//! The half of a [member](crate::member) that the server calls.
//!
//! It accepts the server's connection and serves `Receive` on a thread of its own. What it receives goes into
//! the member's history.

use crate::{
    history::{Delivery, MemberHistory},
    watchdog::{Shared, WATCHDOG_TIMEOUT},
};
use chat_common::{
    handshake::callback,
    wire::{
        hello::Role,
        protocol::{Callback, CallbackReply, FRAME_BYTES},
        rpc::Connection,
        status::Status,
        stream::Stream,
        token::Token,
    },
};
use std::{
    net::TcpListener,
    sync::{
        atomic::{AtomicBool, Ordering::SeqCst},
        Arc,
    },
    thread::{self, JoinHandle},
    time::Instant,
};

/// Small, because a soak test runs many members. The thread's deepest work is to decode one frame.
const STACK_BYTES: usize = 256 * 1024;

/// The thread that serves one callback connection. It ends when that connection is shut down.
#[derive(Debug)]
pub(crate) struct Receiver {
    stream: Arc<Stream>,
    thread: JoinHandle<()>,
}

impl Receiver {
    /// Starts to serve `connection`, and records what it receives in `history`.
    pub(crate) fn start(connection: Connection, history: Arc<Shared<MemberHistory>>) -> Receiver {
        let stream = Arc::clone(connection.stream());
        let thread = spawn("member-receive", move || receive_loop(connection, &history));
        Receiver { stream, thread }
    }

    /// Whether the connection has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Shuts the connection down and waits for the thread.
    pub(crate) fn stop(self) {
        self.stream.shut_down();
        self.thread.join().expect("the receiving thread does not panic");
    }
}

/// Accepts connections until one shows that it is for the session with this call connection and this token,
/// and returns that one.
///
/// Returns `None` when no call is `expected` any more and a peer closes without a hello. That peer is the
/// member itself. It has connected for nothing when the server refused its Join after the call.
///
/// # Blocking
/// On `accept`, without a limit: the member wakes it by connecting to the listener.
pub(crate) fn accept_callback(
    listener: &TcpListener,
    call: &Stream,
    token: Token,
    expected: &AtomicBool,
) -> Option<Connection> {
    let shown = callback::public_session_id(call, token);
    while let Ok((socket, _)) = listener.accept() {
        let mut connection = Connection::new(Arc::new(Stream::new(socket)), FRAME_BYTES);
        match connection.read_hello(WATCHDOG_TIMEOUT) {
            Ok(Some(hello)) if hello.role == Role::Callback && hello.token == shown => {
                let admit = || Ok(());
                let accepted =
                    callback::accept(&mut connection, &hello, call, token, admit, WATCHDOG_TIMEOUT);
                return accepted.is_ok().then_some(connection);
            }
            Ok(Some(_)) => connection.refuse(Status::UnknownToken),
            Ok(None) if !expected.load(SeqCst) => return None,
            Ok(None) | Err(_) => {}
        }
    }
    None
}

/// Serves `Receive` until the connection ends.
fn receive_loop(mut connection: Connection, history: &Shared<MemberHistory>) {
    while let Ok(Some(Callback::Receive { answer, events })) =
        connection.next_request(WATCHDOG_TIMEOUT, WATCHDOG_TIMEOUT)
    {
        let at = Instant::now();
        history.update(|history| {
            let session = history.sessions.last_mut().expect("a member joins before it receives");
            session.deliveries.extend(events.into_iter().map(|event| Delivery { at, event }));
        });
        if answer && connection.reply(&CallbackReply::Received, WATCHDOG_TIMEOUT).is_err() {
            break;
        }
    }
}

/// Starts a thread with this name.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(body).unwrap()
}
