//! Calls and replies over one connection, each with one deadline for all of it.
//!
//! A [`Connection`] belongs to one thread. Requests and replies alternate strictly on it. Other threads may
//! only use [`Connection::stream`]: when one of them shuts it down, the owner wakes with an error or with the
//! end of the stream.
//!
//! Go: an `rpc.Client` multiplexes calls by sequence number, with a reader goroutine per connection. Here
//! each connection has a thread of its own, so there is nothing to multiplex.
//!
//! ```go
//! err := client.Call("ChatServer.Join", request, &reply) // waits as long as the peer likes
//! ```
//! ```no_run
//! # use chat_common::wire::{protocol::{Reply, Request}, rpc::Connection};
//! # use std::time::Duration;
//! # fn ask(connection: &mut Connection) -> Result<(), chat_common::wire::error::RpcError> {
//! let reply: Reply = connection.call(&Request::Who, Duration::from_secs(5))?; // waits five seconds at most
//! # Ok(()) }
//! ```

use crate::wire::{
    codec::decode,
    error::RpcError,
    frame::{encode_frame, has_memory_for, read_frame, KEPT_BYTES},
    hello::{answer_bytes, read_answer, read_hello, Hello, Role, HTTP_REFUSAL},
    status::Status,
    stream::{Stream, TimedReader},
    token::Token,
};
use serde::{de::DeserializeOwned, Serialize};
use std::{
    io::{BufRead, BufReader, ErrorKind, Read},
    sync::Arc,
    time::{Duration, Instant},
};

/// The size of the read buffer. It is small because every member has two. A longer frame bypasses the buffer.
const READ_BUFFER_BYTES: usize = 512;

/// What ended a [`Connection::wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// There are bytes to read.
    Ready,
    /// The peer has ended the stream.
    Ended,
    /// Nothing came before the deadline.
    Silence,
}

/// One end of a connection, from its hello to its end.
#[derive(Debug)]
pub struct Connection {
    stream: Arc<Stream>,
    reader: BufReader<TimedReader>,
    /// The longest payload that this end accepts, in bytes.
    frame_limit: u32,
    inbound: Vec<u8>,
    outbound: Vec<u8>,
    /// The bytes of the frames since the last [`Connection::take_traffic`].
    traffic: usize,
}

impl Connection {
    /// Takes over a stream. A payload of more than `frame_limit` bytes is an error.
    pub fn new(stream: Arc<Stream>, frame_limit: u32) -> Connection {
        let reader = TimedReader::new(Arc::clone(&stream));
        Connection {
            reader: BufReader::with_capacity(READ_BUFFER_BYTES, reader),
            stream,
            frame_limit,
            inbound: Vec::new(),
            outbound: Vec::new(),
            traffic: 0,
        }
    }

    /// Returns the stream, so that another thread can shut it down.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Accepts payloads of up to `frame_limit` bytes from now on.
    pub fn set_frame_limit(&mut self, frame_limit: u32) {
        self.frame_limit = frame_limit;
    }

    /// Returns how many bytes of frames were read and written since the last call of this function.
    pub fn take_traffic(&mut self) -> usize {
        std::mem::take(&mut self.traffic)
    }

    /// Sends a hello as the side that dials, and reads the answer.
    ///
    /// # Blocking
    /// On the peer, for `timeout` at most. [`Stream::shut_down`] wakes it.
    ///
    /// # Errors
    /// [`RpcError::Refused`] when the peer refuses the hello. After any error the connection is lost.
    pub fn greet(&mut self, role: Role, token: Token, timeout: Duration) -> Result<(), RpcError> {
        self.send_hello(&Hello::new(role, token), Instant::now() + timeout)
    }

    /// Sends a hello as [`Connection::greet`] does.
    pub(crate) fn send_hello(&mut self, hello: &Hello, deadline: Instant) -> Result<(), RpcError> {
        let sent = self.stream.write_all(&hello.to_bytes(), deadline);
        self.reader.get_mut().deadline = deadline;
        // A busy server answers and closes without reading. Our write may then fail, but the answer says why.
        match (read_answer(&mut self.reader), sent) {
            (Err(RpcError::Closed | RpcError::Io(_)), Err(error)) => Err(error.into()),
            (answer, _) => answer,
        }
    }

    /// Reads the hello of the side that dialled. [`Connection::welcome`] or [`Connection::refuse`] answers
    /// it. `Ok(None)` means that the stream ended before its first byte.
    ///
    /// # Blocking
    /// On the peer, for `timeout` at most, and for one more second after an error that the peer is told.
    /// [`Stream::shut_down`] wakes it.
    ///
    /// # Errors
    /// As [`read_hello`]. When the bytes are not a hello that this build accepts, this function has already
    /// told the peer so, and closed the connection.
    pub fn read_hello(&mut self, timeout: Duration) -> Result<Option<Hello>, RpcError> {
        self.reader.get_mut().deadline = Instant::now() + timeout;
        let hello = read_hello(&mut self.reader);
        match &hello {
            Err(RpcError::NotRpcChat) => self.close_with(HTTP_REFUSAL),
            Err(RpcError::Refused { status, .. }) => self.refuse(*status),
            _ => {}
        }
        hello
    }

    /// Accepts the peer's hello.
    ///
    /// # Blocking
    /// On the peer's reading, for `timeout` at most. [`Stream::shut_down`] wakes it.
    ///
    /// # Errors
    /// When the connection is broken, or the deadline passes.
    pub fn welcome(&mut self, timeout: Duration) -> Result<(), RpcError> {
        self.write_bytes(&answer_bytes(Status::Welcome), Instant::now() + timeout)
    }

    /// Refuses the peer's hello, and closes the connection.
    ///
    /// # Blocking
    /// On the peer, for one second at most. [`Stream::shut_down`] wakes it.
    pub fn refuse(&mut self, status: Status) {
        self.close_with(&answer_bytes(status));
    }

    /// Sends `last_bytes` and closes the connection. When a socket closes with unread bytes, the system sends
    /// a reset, which can overtake what was written. So this function first reads what the peer still sends.
    fn close_with(&mut self, last_bytes: &[u8]) {
        /// Long enough for a peer that reads, short enough for a thread that could serve another peer.
        const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
        /// One frame of the longest kind. A peer that sends more may get the reset.
        const READ_LIMIT_BYTES: u64 = 64 * 1024;
        let deadline = Instant::now() + CLOSE_TIMEOUT;
        if self.stream.write_all(last_bytes, deadline).is_ok() {
            self.stream.shut_down_writing();
            self.reader.get_mut().deadline = deadline;
            let _ = std::io::copy(&mut (&mut self.reader).take(READ_LIMIT_BYTES), &mut std::io::sink());
        }
        self.stream.shut_down();
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Blocking
    /// On the peer, for `timeout` at most, which covers both. [`Stream::shut_down`] wakes it.
    ///
    /// # Errors
    /// After any error the connection is lost. The peer may have carried out the request or not.
    pub fn call<Q: Serialize, R: DeserializeOwned>(
        &mut self,
        request: &Q,
        timeout: Duration,
    ) -> Result<R, RpcError> {
        let deadline = Instant::now() + timeout;
        self.send(request, deadline)?;
        self.receive(deadline)?.ok_or(RpcError::Closed)
    }

    /// Waits until the peer sends something, and does not consume it.
    ///
    /// It checks the socket at least once, even after the deadline: if this process was stopped for a while,
    /// bytes that came in time still count.
    ///
    /// # Blocking
    /// On the peer, until `deadline` or for one millisecond, whichever is later. [`Stream::shut_down`] wakes
    /// it. No bytes are lost when the deadline passes.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn wait(&mut self, deadline: Instant) -> Result<Wait, RpcError> {
        const SHORTEST_CHECK: Duration = Duration::from_millis(1);
        self.reader.get_mut().deadline = deadline.max(Instant::now() + SHORTEST_CHECK);
        match self.has_begun() {
            Ok(false) => Ok(Wait::Ended),
            Ok(true) => Ok(Wait::Ready),
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(Wait::Silence),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for a byte. `Ok(false)` is the end of the stream.
    fn has_begun(&mut self) -> std::io::Result<bool> {
        #[cfg(feature = "closed")]
        if self.reader.buffer().is_empty() {
            if let Some(has_begun) = self.reader.get_mut().wait_sealed() {
                return has_begun;
            }
        }
        self.reader.fill_buf().map(|bytes| !bytes.is_empty())
    }

    /// Reads the next request. `Ok(None)` means that the stream has ended between two frames.
    ///
    /// # Blocking
    /// On the peer, for `idle` at most until the first byte, and then for `frame` at most until the last.
    /// [`Stream::shut_down`] wakes it.
    ///
    /// # Errors
    /// After any error the connection is lost.
    pub fn next_request<Q: DeserializeOwned>(
        &mut self,
        idle: Duration,
        frame: Duration,
    ) -> Result<Option<Q>, RpcError> {
        match self.wait(Instant::now() + idle)? {
            Wait::Ready => self.receive(Instant::now() + frame),
            Wait::Ended => Ok(None),
            Wait::Silence => Err(RpcError::TimedOut),
        }
    }

    /// Sends the reply to the last request.
    ///
    /// # Blocking
    /// On the peer's reading, for `timeout` at most. [`Stream::shut_down`] wakes it.
    ///
    /// # Errors
    /// After any error the connection is lost.
    pub fn reply<R: Serialize>(&mut self, reply: &R, timeout: Duration) -> Result<(), RpcError> {
        self.send(reply, Instant::now() + timeout)
    }

    /// Writes bytes that are not a frame: those of a hello or a handshake.
    pub(crate) fn write_bytes(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), RpcError> {
        Ok(self.stream.write_all(bytes, deadline).map(drop)?)
    }

    /// Reads exactly as many bytes as `bytes` has, for a handshake.
    #[cfg(feature = "closed")]
    pub(crate) fn read_bytes(&mut self, bytes: &mut [u8], deadline: Instant) -> Result<(), RpcError> {
        self.reader.get_mut().deadline = deadline;
        Ok(self.reader.read_exact(bytes)?)
    }

    /// Seals the connection from here on, in both directions. What the peer has already sent behind its last
    /// message of the handshake is sealed too, and is not lost.
    #[cfg(feature = "closed")]
    pub(crate) fn set_seal(&mut self, seal: crate::wire::seal::Seal) {
        let read = self.reader.buffer().to_vec();
        self.reader.consume(read.len());
        self.reader.get_mut().open_from(read);
        self.stream.set_seal(seal);
    }

    fn send<T: Serialize>(&mut self, value: &T, deadline: Instant) -> Result<(), RpcError> {
        encode_frame(value, &mut self.outbound)?;
        self.traffic += self.outbound.len();
        let written = self.stream.write_all(&self.outbound, deadline);
        self.outbound.clear();
        self.outbound.shrink_to(KEPT_BYTES);
        Ok(written.map(drop)?)
    }

    /// Reads one frame and decodes it. `Ok(None)` means that the stream has ended between two frames.
    ///
    /// # Blocking
    /// On the peer, until `deadline` at most. [`Stream::shut_down`] wakes it.
    ///
    /// # Errors
    /// After any error the connection is lost.
    pub fn receive<T: DeserializeOwned>(&mut self, deadline: Instant) -> Result<Option<T>, RpcError> {
        self.reader.get_mut().deadline = deadline;
        if !read_frame(&mut self.reader, self.frame_limit, &mut self.inbound)? {
            return Ok(None);
        }
        self.traffic += self.inbound.len();
        // The value holds a copy of what the frame holds.
        match has_memory_for(self.inbound.len()) {
            true => Ok(Some(decode(&self.inbound)?)),
            false => Err(RpcError::NoMemory),
        }
    }
}
