//! The client's own endpoint: accepts the server's callback and serves `Receive`.
//!
//! The `listener` thread accepts; each connection gets a `callback` thread, which first finds out who is there. So a
//! stranger that says nothing cannot keep the true server waiting. What is received is shown by the thread that received it,
//! as in the Go original; the reply follows when it has been shown, which is all the flow control there is.
//!
//! Who is let in: the host that we called, with the token that we made. Another host is closed at once, another token
//! is told so. Where the server cannot dial us, the session dials it, and that stream is served just the same.
//!
//! Go: `go rpc.ServeConn(conn)` serves whoever connects, for ever; a scope, a limit and a token take its place here.

use crate::session::inbox::Inbox;
use chat_common::{
    error::RpcError,
    hello::Role,
    protocol::{Callback, CallbackReply, FRAME_BYTES},
    rpc::Connection,
    shutdown::Shutdown,
    status::Status,
    stream::Stream,
    token::Token,
};
use crossbeam_channel::{Receiver, Sender};
use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, Scope},
    time::Duration,
};

/// A server says its hello as soon as it is connected.
const HELLO_TIMEOUT: Duration = Duration::from_secs(2);
/// The server pings after five silent seconds; three times that is the end of the callback.
const SILENCE: Duration = Duration::from_secs(15);
/// One frame, or one reply.
const FRAME_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that are served or looked at, at the same time. Only one is the server; the rest are strangers on its host.
const MOST_CONNECTIONS: usize = 8;
/// A pause after `accept` has failed, so that a lack of descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The callback side of one connection to the room.
pub(crate) struct Callbacks<'a> {
    token: Token,
    inbox: &'a Inbox<'a>,
    /// Closed by the session when it has shown that it joined; nothing is shown before.
    gate: Receiver<Infallible>,
    /// Tells the session that the callback connection is gone, and why.
    lost: Sender<String>,
    stop: Shutdown,
    open: Mutex<Open>,
}

/// Protected by one lock: which streams are open, and which of them is the server's.
#[derive(Default)]
struct Open {
    next: u64,
    streams: Vec<(u64, Arc<Stream>)>,
    serving: Option<u64>,
    closed: bool,
}

/// Closes all callbacks when it is dropped, so that their scope can end.
pub(crate) struct CloseOnDrop<'a>(&'a Callbacks<'a>);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<'a> Callbacks<'a> {
    pub(crate) fn new(
        token: Token,
        inbox: &'a Inbox<'a>,
        gate: Receiver<Infallible>,
        lost: Sender<String>,
    ) -> Callbacks<'a> {
        Callbacks { token, inbox, gate, lost, stop: Shutdown::new(), open: Mutex::default() }
    }

    pub(crate) fn close_on_drop(&'a self) -> CloseOnDrop<'a> {
        CloseOnDrop(self)
    }

    /// Starts to listen on a free port of the address that the call connection goes out from, which is where the
    /// server will dial. Answers the port.
    ///
    /// # Errors
    /// When the system gives no port or no thread.
    pub(crate) fn listen<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        call: &Stream,
    ) -> io::Result<u16> {
        let mut address = call.local_addr()?;
        let server = call.peer_addr()?.ip();
        address.set_port(0);
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        self.stop.wakes(address);
        thread::Builder::new()
            .name("listener".into())
            .spawn_scoped(scope, move || self.listener_loop(scope, &listener, server))?;
        Ok(address.port())
    }

    /// Dials the server instead, which serves the same purpose where it cannot dial us. Whatever callback there was is closed.
    ///
    /// # Blocking
    /// On the server, `timeout` at the longest for each of the two steps.
    ///
    /// # Errors
    /// When the server cannot be reached or does not want it.
    pub(crate) fn dial<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        server: SocketAddr,
        timeout: Duration,
    ) -> Result<(), RpcError> {
        {
            let mut open = self.lock();
            open.serving = None;
            open.streams.iter().for_each(|(_, stream)| stream.shut_down());
        }
        let mut connection = Connection::new(Arc::new(Stream::connect(server, timeout)?), FRAME_BYTES);
        connection.greet(Role::OpenedCallback, self.token, timeout)?;
        let Some(id) = self.register(connection.stream(), usize::MAX) else { return Err(RpcError::Closed) };
        // Should the server's own callback have arrived meanwhile, this one is the later.
        self.lock().serving = Some(id);
        thread::Builder::new().name("callback".into()).spawn_scoped(scope, move || {
            let end = self.serve(&mut connection);
            self.forget(id, &end);
        })?;
        Ok(())
    }

    /// Whether the server's callback has arrived.
    pub(crate) fn is_serving(&self) -> bool {
        self.lock().serving.is_some()
    }

    fn close(&self) {
        {
            let mut open = self.lock();
            open.closed = true;
            open.streams.iter().for_each(|(_, stream)| stream.shut_down());
        }
        self.stop.request();
    }

    /// The whole life of the thread `listener`.
    ///
    /// # Blocking
    /// In `accept`, until [`Callbacks::close`] connects to it.
    fn listener_loop<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        listener: &TcpListener,
        server: IpAddr,
    ) {
        loop {
            let accepted = listener.accept();
            if self.stop.is_requested() {
                return;
            }
            match accepted {
                Ok((_, peer)) if !same_host(peer.ip(), server) => {
                    log::info!("ignored a connection from {peer}");
                }
                Ok((socket, peer)) => self.start(scope, Arc::new(Stream::new(socket)), peer),
                Err(error) => {
                    log::warn!("cannot accept the server's callback: {error}");
                    if self.stop.sleep(ACCEPT_PAUSE) {
                        return;
                    }
                }
            }
        }
    }

    fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, stream: Arc<Stream>, peer: SocketAddr) {
        let Some(id) = self.register(&stream, MOST_CONNECTIONS) else { return };
        let started = thread::Builder::new().name("callback".into()).spawn_scoped(scope, move || {
            let mut connection = Connection::new(stream, FRAME_BYTES);
            let end = match self.verify(&mut connection, id) {
                Ok(()) => self.serve(&mut connection),
                Err(error) => error,
            };
            log::debug!("callback from {peer} ended: {end}");
            self.forget(id, &end);
        });
        if let Err(error) = started {
            log::warn!("no thread for the connection from {peer}: {error}");
            self.forget(id, &RpcError::Closed);
        }
    }

    /// Finds out whether it is our server who has dialled.
    fn verify(&self, connection: &mut Connection, id: u64) -> Result<(), RpcError> {
        let hello = connection.read_hello(HELLO_TIMEOUT)?.ok_or(RpcError::Closed)?;
        let status = match hello.role {
            Role::Callback if hello.token != self.token => Status::UnknownToken,
            Role::Callback if self.claim(id) => return connection.welcome(&hello, FRAME_TIMEOUT),
            Role::Callback => Status::Busy,
            Role::Call | Role::OpenedCallback => Status::WrongRole,
        };
        connection.refuse(status);
        Err(RpcError::Refused { status, version: hello.highest })
    }

    /// Serves `Receive` until the connection ends; answers why it did.
    ///
    /// # Blocking
    /// On the session, which opens the gate when it has joined or given up; then on the server, 15 s without a word at the
    /// longest; and on the screen.
    fn serve(&self, connection: &mut Connection) -> RpcError {
        // Nothing is ever sent through the gate: it opens when the session drops the other end.
        let _ = self.gate.recv();
        if self.lock().closed {
            return RpcError::Closed;
        }
        loop {
            match connection.next_request(SILENCE, FRAME_TIMEOUT) {
                Ok(Some(Callback::Receive { answer, events })) => {
                    events.into_iter().for_each(|event| self.inbox.take(event));
                    if answer {
                        if let Err(error) = connection.reply(&CallbackReply::Received, FRAME_TIMEOUT) {
                            return error;
                        }
                    }
                }
                Ok(None) => return RpcError::Closed,
                Err(error) => return error,
            }
        }
    }

    /// Makes a stream known, so that [`Callbacks::close`] can wake its thread.
    fn register(&self, stream: &Arc<Stream>, most: usize) -> Option<u64> {
        let mut open = self.lock();
        if open.closed || open.streams.len() >= most {
            return None;
        }
        open.next += 1;
        let id = open.next;
        open.streams.push((id, Arc::clone(stream)));
        Some(id)
    }

    /// Makes this stream the server's, if no other is.
    fn claim(&self, id: u64) -> bool {
        let mut open = self.lock();
        let free = open.serving.is_none();
        if free {
            open.serving = Some(id);
        }
        free
    }

    fn forget(&self, id: u64, end: &RpcError) {
        let mut open = self.lock();
        open.streams.retain(|(other, _)| *other != id);
        if open.serving == Some(id) && !open.closed {
            // One word is enough; the session gives up on the whole connection when it hears it.
            let _ = self.lost.try_send(end.to_string());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Each field is valid after any panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a connection from `peer` can come from the server that we reach at `server`. On loopback the system chooses
/// the address that one calls from, so there any of its addresses will do.
fn same_host(peer: IpAddr, server: IpAddr) -> bool {
    let (peer, server) = (peer.to_canonical(), server.to_canonical());
    peer == server || (peer.is_loopback() && server.is_loopback())
}
