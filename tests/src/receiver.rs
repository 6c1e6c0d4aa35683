//! The half of a [member](crate::member) that is called: it accepts the server's connection and serves `Receive` on it, on a thread of
//! its own, and puts what comes into the member's history.

use crate::{
    history::{Person, Seen},
    watchdog::{Watched, PATIENCE},
};
use chat_common::{
    hello::Role,
    protocol::{Callback, CallbackReply, FRAME_BYTES},
    rpc::Connection,
    status::Status,
    stream::Stream,
    token::Token,
};
use std::{
    net::TcpListener,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

/// Serves the callback connection that is open; ends when that is shut down.
#[derive(Debug)]
pub(crate) struct Receiver {
    stream: Arc<Stream>,
    thread: JoinHandle<()>,
}

impl Receiver {
    /// Serves this connection for this person.
    pub(crate) fn start(connection: Connection, person: Arc<Watched<Person>>) -> Receiver {
        let stream = Arc::clone(connection.stream());
        let thread = spawn("member-receive", move || receive_loop(connection, &person));
        Receiver { stream, thread }
    }

    /// Shuts the connection down and waits for the thread.
    pub(crate) fn end(self) {
        self.stream.shut_down();
        self.thread.join().expect("the receiving thread does not panic");
    }
}

/// The first connection that shows this token, or nothing when somebody leaves without a word: that is the member
/// herself, who no longer expects a call.
pub(crate) fn accept_callback(listener: &TcpListener, token: Token) -> Option<Connection> {
    while let Ok((socket, _)) = listener.accept() {
        let mut connection = Connection::new(Arc::new(Stream::new(socket)), FRAME_BYTES);
        match connection.read_hello(PATIENCE) {
            Ok(Some(hello)) if hello.role == Role::Callback && hello.token == token => {
                return connection.welcome(&hello, PATIENCE).is_ok().then_some(connection);
            }
            Ok(Some(_)) => connection.refuse(Status::UnknownToken),
            Ok(None) => return None,
            Err(_) => {}
        }
    }
    None
}

/// Serves `Receive` until the connection ends.
fn receive_loop(mut connection: Connection, person: &Watched<Person>) {
    while let Ok(Some(Callback::Receive { answer, events })) = connection.next_request(PATIENCE, PATIENCE) {
        let at = Instant::now();
        person.change(|person| {
            let visit = person.visits.last_mut().expect("who receives has joined");
            visit.seen.extend(events.into_iter().map(|event| Seen { at, event }));
        });
        if answer && connection.reply(&CallbackReply::Received, PATIENCE).is_err() {
            break;
        }
    }
}

/// A thread with this name.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    thread::Builder::new().name(name.to_owned()).stack_size(256 * 1024).spawn(body).unwrap()
}
