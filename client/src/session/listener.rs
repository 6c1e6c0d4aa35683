//! The client's endpoint for the callback connection: accepts it and serves `Receive`.
//!
//! The thread `listener` accepts connections. Each connection gets a thread `callback`, which first checks
//! the hello. So a stranger that sends nothing cannot delay the server. The thread that receives an event
//! also shows it, as in the Go original. The reply follows after that, and this is the only flow control.
//!
//! The client accepts a connection only from the host that it called, and only with its own token. It closes
//! a connection from another host at once, and refuses another token. If the server cannot dial the client,
//! the main thread dials the server, and the same code serves that stream.
//!
//! Go: `go rpc.ServeConn(conn)` serves every connection without an end; here are a scope, a limit and a
//! token.

use crate::session::{inbox::Inbox, loss::Loss};
use chat_common::{
    handshake::callback::{self, public_session_id},
    program::{shutdown::Shutdown, tasks::Tasks},
    wire::{
        error::RpcError,
        hello::{Hello, Role},
        protocol::{Callback, CallbackReply, FRAME_BYTES},
        rpc::Connection,
        status::Status,
        stream::Stream,
        token::Token,
    },
};
use crossbeam_channel::Sender;
use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, Scope},
    time::Duration,
};

/// A server sends its hello as soon as it is connected.
const HELLO_TIMEOUT: Duration = Duration::from_secs(2);
/// The server pings after 5 s without an event. The callback ends after three times that.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(15);
/// The limit for one frame, and for one reply.
const FRAME_TIMEOUT: Duration = Duration::from_secs(5);
/// How many connections are open at the same time. Only one is the server. The others are strangers on its
/// host.
const MAX_CONNECTIONS: usize = 8;
/// The pause after a failed `accept`, so that a lack of file descriptors does not make a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The callback side of one connection to the room.
pub(crate) struct Callbacks<'a> {
    /// The call connection, to which a callback connection belongs.
    call: Arc<Stream>,
    token: Token,
    inbox: &'a Inbox<'a>,
    /// Ends when the main thread has shown the join. Before that, no event is shown.
    joining: Tasks,
    /// Tells the main thread why the callback connection ended.
    lost_tx: Sender<Loss>,
    stop: Shutdown,
    streams: Mutex<Streams>,
}

/// Protected by one lock: the open streams, and which of them is the server's.
#[derive(Default)]
struct Streams {
    last_id: u64,
    open: Vec<(u64, Arc<Stream>)>,
    /// The id of the server's stream.
    server: Option<u64>,
    closed: bool,
}

impl Streams {
    fn shut_down_all(&self) {
        self.open.iter().for_each(|(_, stream)| stream.shut_down());
    }
}

impl<'a> Callbacks<'a> {
    pub(crate) fn new(
        call: &Arc<Stream>,
        token: Token,
        inbox: &'a Inbox<'a>,
        joining: Tasks,
        lost_tx: Sender<Loss>,
    ) -> Callbacks<'a> {
        let (call, stop, streams) = (Arc::clone(call), Shutdown::new(), Mutex::default());
        Callbacks { call, token, inbox, joining, lost_tx, stop, streams }
    }

    /// Listens on a free port of the local address of the call connection, which is the address that the
    /// server dials. Returns the port.
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
        let port = listener.local_addr()?.port();
        self.stop.wakes(&listener)?;
        thread::Builder::new()
            .name("listener".into())
            .spawn_scoped(scope, move || self.listener_loop(scope, &listener, server))?;
        Ok(port)
    }

    /// Opens the callback connection from this side. Closes any callback connection that the server opened.
    ///
    /// # Blocking
    /// On the server, for at most `timeout` to connect and `timeout` for the hello.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the connection.
    pub(crate) fn dial<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        server: SocketAddr,
        timeout: Duration,
    ) -> Result<(), RpcError> {
        {
            let mut streams = self.lock();
            streams.server = None;
            streams.shut_down_all();
        }
        let mut connection = Connection::new(Arc::new(Stream::connect(server, timeout)?), FRAME_BYTES);
        callback::dial(&mut connection, Role::OpenedCallback, &self.call, self.token, timeout)?;
        let Some(id) = self.register(connection.stream(), usize::MAX) else { return Err(RpcError::Closed) };
        // The server's own callback may have arrived meanwhile. This connection replaces it.
        self.lock().server = Some(id);
        thread::Builder::new().name("callback".into()).spawn_scoped(scope, move || {
            let end = self.serve(&mut connection);
            self.remove(id, &end);
        })?;
        Ok(())
    }

    /// Whether the server's callback connection is open.
    pub(crate) fn is_serving(&self) -> bool {
        self.lock().server.is_some()
    }

    pub(crate) fn close(&self) {
        {
            let mut streams = self.lock();
            streams.closed = true;
            streams.shut_down_all();
        }
        self.stop.request();
    }

    /// The whole life of the thread `listener`.
    ///
    /// # Blocking
    /// In `accept`, until [`Callbacks::close`] wakes it.
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
                Ok((socket, peer)) => self.start_callback(scope, Arc::new(Stream::new(socket)), peer),
                Err(error) => {
                    log::warn!("cannot accept the server's callback: {error}");
                    if self.stop.sleep(ACCEPT_PAUSE) {
                        return;
                    }
                }
            }
        }
    }

    fn start_callback<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        stream: Arc<Stream>,
        peer: SocketAddr,
    ) {
        let Some(id) = self.register(&stream, MAX_CONNECTIONS) else { return };
        let started = thread::Builder::new().name("callback".into()).spawn_scoped(scope, move || {
            let mut connection = Connection::new(stream, FRAME_BYTES);
            let end = match self.verify(&mut connection, id) {
                Ok(()) => self.serve(&mut connection),
                Err(error) => error,
            };
            log::debug!("callback from {peer} ended: {end}");
            self.remove(id, &end);
        });
        if let Err(error) = started {
            log::warn!("no thread for the connection from {peer}: {error}");
            self.remove(id, &RpcError::Closed);
        }
    }

    /// Checks that the connection is from our server.
    fn verify(&self, connection: &mut Connection, id: u64) -> Result<(), RpcError> {
        let hello = connection.read_hello(HELLO_TIMEOUT)?.ok_or(RpcError::Closed)?;
        if let Some(status) = refusal(&hello, &self.call, self.token) {
            connection.refuse(status);
            return Err(RpcError::Refused { status, version: hello.highest });
        }
        // This comes before the server is answered, because the main thread asks for it right after that.
        let admit = || match *self.lock().server.get_or_insert(id) == id {
            true => Ok(()),
            false => Err(Status::Busy),
        };
        callback::accept(connection, &hello, &self.call, self.token, admit, FRAME_TIMEOUT)
    }

    /// Serves `Receive` until the connection ends. Returns the reason of the end.
    ///
    /// # Blocking
    /// On the main thread, until it has joined or failed. Then on the server, 15 s at
    /// most without a frame, and on the screen.
    fn serve(&self, connection: &mut Connection) -> RpcError {
        self.joining.wait();
        if self.lock().closed {
            return RpcError::Closed;
        }
        loop {
            match connection.next_request(SILENCE_TIMEOUT, FRAME_TIMEOUT) {
                Ok(Some(Callback::Receive { answer, events })) => {
                    if events.is_empty() {
                        self.inbox.receive_nothing();
                    }
                    events.into_iter().for_each(|event| self.inbox.receive(event));
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

    /// Adds a stream, so that [`Callbacks::close`] can wake its thread. Returns its id, or `None` if it is
    /// not wanted.
    fn register(&self, stream: &Arc<Stream>, max_open: usize) -> Option<u64> {
        let mut streams = self.lock();
        if streams.closed || streams.open.len() >= max_open {
            return None;
        }
        streams.last_id += 1;
        let id = streams.last_id;
        streams.open.push((id, Arc::clone(stream)));
        Some(id)
    }

    fn remove(&self, id: u64, end: &RpcError) {
        let mut streams = self.lock();
        streams.open.retain(|(other, _)| *other != id);
        if streams.server == Some(id) && !streams.closed {
            // A full channel already has a reason. The first one makes the main thread end this connection.
            let _ = self.lost_tx.try_send(Loss::from(end));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        // Each field is valid after any panic.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a connection from `peer` can be from our server, which we reach at `server`. On loopback the
/// system chooses the source address, so there every loopback address is accepted.
fn same_host(peer: IpAddr, server: IpAddr) -> bool {
    let (peer, server) = (peer.to_canonical(), server.to_canonical());
    peer == server || (peer.is_loopback() && server.is_loopback())
}

/// Returns why a connection with this hello cannot be the server's callback, if it cannot. It is not known to
/// be the server's before [`callback::accept`] has succeeded.
fn refusal(hello: &Hello, call: &Stream, token: Token) -> Option<Status> {
    match hello.role {
        Role::Callback if hello.sealed != call.is_sealed() => Some(Status::WrongRole),
        Role::Callback if hello.token != public_session_id(call, token) => Some(Status::UnknownToken),
        Role::Callback => None,
        Role::Call | Role::OpenedCallback => Some(Status::WrongRole),
    }
}
