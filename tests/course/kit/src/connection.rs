//! The calls of one client, piece by piece. [`serve`](crate::serve) is made of this.
//!
//! The servers of the first lesson leave it to `serve`. Those of the second write their own, because their
//! faults are on the thread of a connection: a panic, a wait without end, a stop, a reply that is lost.
//!
//! Each function reads from what it is given, and waits as long as that does. A `TcpStream` waits for ever.
//!
//! Go: `Greet`, `ReadRequest` and `WriteReply` in `go/wire`.

pub use chat_common::wire::error::RpcError;
pub use chat_common::wire::protocol::{Cause, Join, Refusal, Reply, Request};

use crate::{trace::Slice, Client, Message};
use chat_common::wire::hello::{answer_bytes, read_answer, read_hello, Hello, Role};
use chat_common::wire::protocol::{EventKind, Joined, FRAME_BYTES};
use chat_common::wire::{codec::decode, frame, status::Status, token::Token};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Accepts the next client.
///
/// # Blocking
/// Until a client connects.
///
/// # Errors
/// As [`TcpListener::accept`].
pub fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let _accept = Slice::begin("accept");
    let (stream, _) = listener.accept()?;
    // Each frame is one write, and the peer waits for it.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Waits for the first byte of what comes next, and leaves it there. The end of a stream has none.
///
/// # Errors
/// When the stream's timeout is over, or the connection is lost.
pub fn begun(stream: &TcpStream) -> io::Result<()> {
    let _reads = Slice::begin("reads");
    stream.peek(&mut [0]).map(drop)
}

/// Reads a client's hello, and answers it.
///
/// # Errors
/// When the peer is not a client that calls this server without a seal, or when it is lost.
pub fn greet(mut from: impl Read, mut to: impl Write) -> Result<(), RpcError> {
    let hello = read_hello(&mut from)?.ok_or(RpcError::Closed)?;
    let is_call = hello.role == Role::Call && !hello.sealed;
    to.write_all(&answer_bytes(if is_call { Status::Welcome } else { Status::WrongRole }))?;
    is_call.then_some(()).ok_or(RpcError::NotRpcChat)
}

/// Reads a client's next request.
///
/// # Errors
/// [`RpcError::Closed`] when the client has closed the connection. After any error the connection is lost.
pub fn read_request(mut from: impl Read) -> Result<Request, RpcError> {
    let _reads = Slice::begin("reads");
    let mut bytes = Vec::new();
    if !frame::read_frame(&mut from, FRAME_BYTES, &mut bytes)? {
        return Err(RpcError::Closed);
    }
    Ok(decode(&bytes)?)
}

/// Sends the reply to the last request.
///
/// # Errors
/// After any error the connection is lost.
pub fn write_reply(mut to: impl Write, reply: &Reply) -> Result<(), RpcError> {
    let mut bytes = Vec::new();
    frame::encode_frame(reply, &mut bytes)?;
    Ok(to.write_all(&bytes)?)
}

impl Client {
    /// Whether this is the same connection of the same client.
    pub fn is(&self, other: &Client) -> bool {
        Arc::ptr_eq(&self.calls, &other.calls)
    }

    /// Dials the client's own endpoint, on the host that it calls from. The longest wait of a read or a write
    /// there is `timeout`; without one it is for ever.
    ///
    /// # Errors
    /// When the client is not there.
    pub fn call_back(
        join: &Join,
        calls: &Arc<TcpStream>,
        timeout: Option<Duration>,
    ) -> Result<Client, RpcError> {
        let address = SocketAddr::new(calls.peer_addr()?.ip(), join.port);
        let callback = timeout.map_or_else(
            || TcpStream::connect(address),
            |timeout| TcpStream::connect_timeout(&address, timeout),
        )?;
        callback.set_nodelay(true)?;
        callback.set_read_timeout(timeout)?;
        callback.set_write_timeout(timeout)?;
        (&callback).write_all(&Hello::new(Role::Callback, join.token).to_bytes())?;
        read_answer(&mut &callback)?;
        let (name, calls, callback) = (join.name.clone(), Arc::clone(calls), Arc::new(callback));
        Ok(Client { name, joined: 0, calls, callback, one_call_at_a_time: Arc::default() })
    }
}

impl Message {
    /// A client that lost its connection has resumed its session.
    pub fn back(name: &str, sequence: u64) -> Message {
        Message::new(name, sequence, EventKind::Back { name: name.to_owned() })
    }
}

/// The client whose first request this is, called back as [`Client::call_back`] does. The error is the reply
/// that refuses it.
///
/// # Errors
/// When it is no Join, or the Join of a session, or when nobody is there to be called.
pub fn joining(request: Request, calls: &Arc<TcpStream>, timeout: Option<Duration>) -> Result<Client, Reply> {
    if matches!(&request, Request::Join(join) if join.resume.is_some()) {
        return Err(refused(Cause::UnknownSession, "this server has no sessions"));
    }
    called_back(request, calls, timeout).map(|(_, client)| client)
}

/// As [`joining`], on a server that has sessions.
///
/// # Errors
/// When it is no Join, or when nobody is there to be called.
pub fn called_back(
    request: Request,
    calls: &Arc<TcpStream>,
    timeout: Option<Duration>,
) -> Result<(Join, Client), Reply> {
    let Request::Join(join) = request else {
        return Err(refused(Cause::OutOfTurn, "the first request is Join"));
    };
    match Client::call_back(&join, calls, timeout) {
        Ok(client) => Ok((join, client)),
        Err(error) => Err(refused(Cause::InvalidPort, format!("cannot call you back: {error}"))),
    }
}

/// The reply to the Join of a client whose join has this sequence.
pub fn joined(sequence: u64) -> Reply {
    /// A random number: a client knows by it that the server was started again.
    static ROOM: OnceLock<u64> = OnceLock::new();
    let room = *ROOM.get_or_init(|| Token::random().map_or(0, Token::to_u64));
    Reply::Joined(Joined { room, sequence, called_back: true, text_limit: 4096, kept_for: None, motd: None })
}

/// The reply to a request for which a server of the course needs no room.
pub fn reply_to(request: &Request) -> Reply {
    match request {
        Request::Ping => Reply::Pong,
        // A client on a terminal asks, and waits for what it is told here before it leaves.
        Request::History { .. } => Reply::History { events: Vec::new() },
        Request::Join(_) => refused(Cause::OutOfTurn, "you have joined already"),
        _ => refused(Cause::Unsupported, "this server only passes messages on"),
    }
}

/// The reply that the server has not done what was asked.
pub fn refused(cause: Cause, why: impl Into<String>) -> Reply {
    Reply::Refused(Refusal::new(cause, why))
}
