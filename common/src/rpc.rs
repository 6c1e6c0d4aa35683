//! Calls and replies over one TCP connection, each under a total deadline.
//!
//! A [`Connection`] belongs to one thread, and requests and replies alternate strictly on it. Only
//! [`Connection::stream`] is shared: another thread may shut it down, and that wakes the owner with an error.
//!
//! Go: an `rpc.Client` multiplexes calls by sequence number with a reader goroutine per connection; here a thread is
//! the connection's, so there is nothing to multiplex.
//!
//! ```go
//! err := client.Call("ChatServer.Join", request, &reply) // waits as long as the peer likes
//! ```
//! ```no_run
//! # use chat_common::{protocol::{Reply, Request}, rpc::Connection};
//! # use std::time::Duration;
//! # fn ask(connection: &mut Connection) -> Result<(), chat_common::error::RpcError> {
//! let reply: Reply = connection.call(&Request::Who, Duration::from_secs(5))?; // at most five seconds, whatever comes
//! # Ok(()) }
//! ```

use crate::{
    codec::decode,
    error::RpcError,
    frame::{encode_frame, read_frame},
    hello::{answer_bytes, read_answer, read_hello, Hello, Role, HIGHEST_VERSION, HTTP_REFUSAL},
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

/// Small, because every member of the room has two of them; longer frames are read past it, straight into place.
const READ_BUFFER_BYTES: usize = 512;

/// What [`Connection::wait`] has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Bytes to read.
    Ready,
    /// The end of the stream.
    Ended,
    /// Nothing before the deadline.
    Silence,
}

/// One end of a connection whose hello is done, or about to be.
#[derive(Debug)]
pub struct Connection {
    stream: Arc<Stream>,
    reader: BufReader<TimedReader>,
    /// The longest payload taken, in bytes.
    frame_limit: u32,
    inbound: Vec<u8>,
    outbound: Vec<u8>,
}

impl Connection {
    /// Wraps a stream; frames above `frame_limit` bytes are refused.
    pub fn new(stream: Arc<Stream>, frame_limit: u32) -> Connection {
        let reader = TimedReader { stream: Arc::clone(&stream), deadline: Instant::now() };
        Connection {
            reader: BufReader::with_capacity(READ_BUFFER_BYTES, reader),
            stream,
            frame_limit,
            inbound: Vec::new(),
            outbound: Vec::new(),
        }
    }

    /// The stream below, for shutting it down from another thread.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Takes frames up to `frame_limit` bytes from now on.
    pub fn set_frame_limit(&mut self, frame_limit: u32) {
        self.frame_limit = frame_limit;
    }

    /// Says hello as the side that dialled, and reads the answer: the version to use.
    ///
    /// # Blocking
    /// On the peer, `timeout` at the longest.
    ///
    /// # Errors
    /// [`RpcError::Refused`] when the peer says no.
    pub fn greet(&mut self, role: Role, token: Token, timeout: Duration) -> Result<u16, RpcError> {
        let deadline = Instant::now() + timeout;
        let sent = self.stream.write_all(&Hello::new(role, token).to_bytes(), deadline);
        self.reader.get_mut().deadline = deadline;
        // A busy server answers without reading and closes, so its answer counts for more than our failed write.
        match (read_answer(&mut self.reader), sent) {
            (Err(RpcError::Closed | RpcError::Io(_)), Err(error)) => Err(error.into()),
            (answer, _) => answer,
        }
    }

    /// Reads the hello of the side that dialled; [`Connection::welcome`] or [`Connection::refuse`] answers it.
    /// `Ok(None)` means that it left without a word.
    ///
    /// # Blocking
    /// On the peer, `timeout` at the longest.
    ///
    /// # Errors
    /// As [`read_hello`]. Whoever is no rpc-chat peer, or speaks none of our versions, has been told so.
    pub fn read_hello(&mut self, timeout: Duration) -> Result<Option<Hello>, RpcError> {
        self.reader.get_mut().deadline = Instant::now() + timeout;
        match read_hello(&mut self.reader) {
            Ok(Some(hello)) if hello.common_version().is_none() => {
                self.refuse(Status::WrongVersion);
                Err(RpcError::Refused { status: Status::WrongVersion, version: hello.highest })
            }
            Err(RpcError::NotRpcChat) => {
                self.close_with(HTTP_REFUSAL);
                Err(RpcError::NotRpcChat)
            }
            Err(RpcError::Refused { status, version }) => {
                self.refuse(status);
                Err(RpcError::Refused { status, version })
            }
            other => other,
        }
    }

    /// Accepts the peer's hello, in the highest version that both speak.
    ///
    /// # Errors
    /// When the peer is gone.
    pub fn welcome(&mut self, hello: &Hello, timeout: Duration) -> Result<(), RpcError> {
        let version = hello.common_version().unwrap_or(HIGHEST_VERSION);
        Ok(self.stream.write_all(&answer_bytes(Status::Welcome, version), Instant::now() + timeout)?)
    }

    /// Refuses the peer's hello; the connection is over.
    pub fn refuse(&mut self, status: Status) {
        self.close_with(&answer_bytes(status, HIGHEST_VERSION));
    }

    /// Sends last words so that they arrive: closing with unread bytes would make the system send a reset, which
    /// can overtake them. So what the peer still sends is read, for a second and 64 KiB at the most.
    fn close_with(&mut self, last_words: &[u8]) {
        const PATIENCE: Duration = Duration::from_secs(1);
        const MOST_BYTES: u64 = 64 * 1024;
        let deadline = Instant::now() + PATIENCE;
        if self.stream.write_all(last_words, deadline).is_ok() {
            self.stream.shut_down_writing();
            self.reader.get_mut().deadline = deadline;
            let _ = std::io::copy(&mut (&mut self.reader).take(MOST_BYTES), &mut std::io::sink());
        }
        self.stream.shut_down();
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Blocking
    /// On the peer, `timeout` at the longest for both together.
    ///
    /// # Errors
    /// After any error the connection is lost, and whether the peer has acted on the request is unknown.
    pub fn call<Q: Serialize, R: DeserializeOwned>(
        &mut self,
        request: &Q,
        timeout: Duration,
    ) -> Result<R, RpcError> {
        let deadline = Instant::now() + timeout;
        self.send(request, deadline)?;
        self.receive(deadline)?.ok_or(RpcError::Closed)
    }

    /// Waits until the peer has sent something, without reading it. It looks at least once, however late it is: what has
    /// come already counts, even if this process was stopped meanwhile.
    ///
    /// # Blocking
    /// On the peer, until `deadline` at the longest. Nothing is lost by a deadline that passes here.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn wait(&mut self, deadline: Instant) -> Result<Wait, RpcError> {
        const A_LOOK: Duration = Duration::from_millis(1);
        self.reader.get_mut().deadline = deadline.max(Instant::now() + A_LOOK);
        match self.reader.fill_buf() {
            Ok([]) => Ok(Wait::Ended),
            Ok(_) => Ok(Wait::Ready),
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(Wait::Silence),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for a request: `idle` for its first byte, and then `frame` for the rest. `Ok(None)` is the clean end.
    ///
    /// # Blocking
    /// On the peer, `idle` and `frame` at the longest.
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

    /// Sends the reply to the request that was read last.
    ///
    /// # Blocking
    /// On the peer's reading, `timeout` at the longest.
    ///
    /// # Errors
    /// After any error the connection is lost.
    pub fn reply<R: Serialize>(&mut self, reply: &R, timeout: Duration) -> Result<(), RpcError> {
        self.send(reply, Instant::now() + timeout)
    }

    fn send<T: Serialize>(&mut self, value: &T, deadline: Instant) -> Result<(), RpcError> {
        encode_frame(value, &mut self.outbound)?;
        Ok(self.stream.write_all(&self.outbound, deadline)?)
    }

    /// Reads one frame. `Ok(None)` is the clean end.
    ///
    /// # Blocking
    /// On the peer, until `deadline` at the longest.
    ///
    /// # Errors
    /// After any error the connection is lost.
    pub fn receive<T: DeserializeOwned>(&mut self, deadline: Instant) -> Result<Option<T>, RpcError> {
        self.reader.get_mut().deadline = deadline;
        if !read_frame(&mut self.reader, self.frame_limit, &mut self.inbound)? {
            return Ok(None);
        }
        Ok(Some(decode(&self.inbound)?))
    }
}
