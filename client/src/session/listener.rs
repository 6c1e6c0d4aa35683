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

use crate::session::{connection_end::Loss, inbox::Inbox};
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
    net::{IpAddr, TcpListener},
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
/// The stack of a thread `callback`, in bytes. A program may have hundreds of clients, one for each guest.
const CALLBACK_STACK: usize = 256 << 10;
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
    /// Its lock comes before that of `stop`.
    streams: Mutex<Streams>,
}

/// Protected by one lock: the open streams, and which of them is the server's.
#[derive(Default)]
struct Streams {
    open: Vec<Arc<Stream>>,
    server: Option<Arc<Stream>>,
}

impl Streams {
    fn shut_down_all(&self) {
        self.open.iter().for_each(|stream| stream.shut_down());
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
    pub(crate) fn listen<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> io::Result<u16> {
        let (mut address, server) = (self.call.local_addr()?, self.call.peer_addr()?.ip());
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
        timeout: Duration,
    ) -> Result<(), RpcError> {
        {
            let mut streams = self.lock();
            streams.server = None;
            streams.shut_down_all();
        }
        let stream = Arc::new(Stream::connect(self.call.peer_addr()?, timeout)?);
        let mut connection = Connection::new(Arc::clone(&stream), FRAME_BYTES);
        callback::dial(&mut connection, Role::OpenedCallback, &self.call, self.token, timeout)?;
        if !self.register(&stream, usize::MAX) {
            return Err(RpcError::Closed);
        }
        // The server's own callback may have arrived meanwhile. This connection replaces it.
        self.lock().server = Some(stream);
        Ok(self.start_callback(scope, connection, |_| Ok(()))?)
    }

    /// Whether the server's callback connection is open.
    pub(crate) fn is_serving(&self) -> bool {
        self.lock().server.is_some()
    }

    /// Wakes all threads of this side, so that they end.
    pub(crate) fn close(&self) {
        // In this order: a stream that is registered later sees the request.
        self.stop.request();
        self.lock().shut_down_all();
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
                Ok((socket, peer)) => {
                    let stream = Arc::new(Stream::new(socket));
                    if self.register(&stream, MAX_CONNECTIONS) {
                        let connection = Connection::new(Arc::clone(&stream), FRAME_BYTES);
                        let verify = |connection: &mut Connection| self.verify(connection);
                        if let Err(error) = self.start_callback(scope, connection, verify) {
                            log::warn!("no thread for the connection from {peer}: {error}");
                            self.remove(&stream, RpcError::Closed);
                        }
                    }
                }
                Err(error) => {
                    log::warn!("cannot accept the server's callback: {error}");
                    if self.stop.sleep(ACCEPT_PAUSE) {
                        return;
                    }
                }
            }
        }
    }

    /// Starts the thread `callback`, which serves the connection if `verify` takes it.
    fn start_callback<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        mut connection: Connection,
        verify: impl FnOnce(&mut Connection) -> Result<(), RpcError> + Send + 'scope,
    ) -> io::Result<()> {
        let callback = move || {
            let end = match verify(&mut connection).and_then(|()| self.serve(&mut connection)) {
                Ok(()) => RpcError::Closed,
                Err(error) => error,
            };
            log::debug!("a callback connection ended: {end}");
            self.remove(connection.stream(), end);
        };
        let builder = thread::Builder::new().name("callback".into());
        builder.stack_size(CALLBACK_STACK).spawn_scoped(scope, callback).map(drop)
    }

    /// Checks that the connection is from our server.
    fn verify(&self, connection: &mut Connection) -> Result<(), RpcError> {
        let hello = connection.read_hello(HELLO_TIMEOUT)?.ok_or(RpcError::Closed)?;
        if let Some(status) = refusal(&hello, &self.call, self.token) {
            connection.refuse(status);
            return Err(RpcError::Refused { status, version: hello.highest });
        }
        let stream = Arc::clone(connection.stream());
        // This comes before the server is answered, because the main thread asks for it right after that.
        let admit = || match Arc::ptr_eq(self.lock().server.get_or_insert(Arc::clone(&stream)), &stream) {
            true => Ok(()),
            false => Err(Status::Busy),
        };
        callback::accept(connection, &hello, &self.call, self.token, admit, FRAME_TIMEOUT)
    }

    /// Serves `Receive` until the connection ends.
    ///
    /// # Blocking
    /// On the main thread, until it has joined or failed. Then on the server, 15 s at most without a frame,
    /// and on the screen.
    ///
    /// # Errors
    /// When the server does not close the connection in order.
    fn serve(&self, connection: &mut Connection) -> Result<(), RpcError> {
        self.joining.wait();
        if self.stop.is_requested() {
            return Ok(());
        }
        while let Some(Callback::Receive { answer, events }) =
            connection.next_request(SILENCE_TIMEOUT, FRAME_TIMEOUT)?
        {
            if events.is_empty() {
                self.inbox.receive_nothing();
            }
            events.into_iter().for_each(|event| self.inbox.receive(event));
            if answer {
                connection.reply(&CallbackReply::Received, FRAME_TIMEOUT)?;
            }
        }
        Ok(())
    }

    /// Adds a stream, so that [`Callbacks::close`] can wake its thread. Returns false if it is not wanted.
    fn register(&self, stream: &Arc<Stream>, max_open: usize) -> bool {
        let mut streams = self.lock();
        let is_wanted = !self.stop.is_requested() && streams.open.len() < max_open;
        if is_wanted {
            streams.open.push(Arc::clone(stream));
        }
        is_wanted
    }

    fn remove(&self, stream: &Arc<Stream>, end: RpcError) {
        let mut streams = self.lock();
        // The field `server` may hold the stream, and would keep it open.
        stream.shut_down();
        streams.open.retain(|other| !Arc::ptr_eq(other, stream));
        let is_servers = streams.server.as_ref().is_some_and(|server| Arc::ptr_eq(server, stream));
        if is_servers && !self.stop.is_requested() {
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
        Role::Call | Role::OpenedCallback | Role::GuestCall => Some(Status::WrongRole),
    }
}
