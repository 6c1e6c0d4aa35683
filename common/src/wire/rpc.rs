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
    io::{self, BufRead, BufReader, ErrorKind, Read},
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
        self.send_hello(&Hello::new(role, token), &[], Instant::now() + timeout)
    }

    /// Sends a hello, and `first_message` together with it, and reads the answer to the hello.
    pub(crate) fn send_hello(
        &mut self,
        hello: &Hello,
        first_message: &[u8],
        deadline: Instant,
    ) -> Result<(), RpcError> {
        let sent = self.stream.write_all(&[&hello.to_bytes()[..], first_message].concat(), deadline);
        // A busy server answers and closes without reading. Our write may then fail, but the answer says why.
        match (self.read_answer(deadline), sent) {
            (Err(RpcError::Closed | RpcError::Io(_)), Err(error)) => Err(error.into()),
            (answer, _) => answer,
        }
    }

    /// Reads the answer to a hello, or the verdict at the end of a handshake, which has the same form.
    pub(crate) fn read_answer(&mut self, deadline: Instant) -> Result<(), RpcError> {
        read_answer(self.until(deadline))
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
        let hello = read_hello(self.until(Instant::now() + timeout));
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
            let _ = io::copy(&mut self.until(deadline).take(READ_LIMIT_BYTES), &mut io::sink());
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
    /// It checks the socket once more after the deadline: if this process was stopped for a while, bytes that
    /// came in time still count.
    ///
    /// # Blocking
    /// On the peer, until `deadline` or for one millisecond, whichever is later, and for another millisecond.
    /// [`Stream::shut_down`] wakes it. No bytes are lost when the deadline passes.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn wait(&mut self, deadline: Instant) -> Result<Wait, RpcError> {
        const SHORTEST_CHECK: Duration = Duration::from_millis(1);
        let shortest = || Instant::now() + SHORTEST_CHECK;
        self.until(deadline.max(shortest()));
        let begun = self.has_begun().or_else(|error| match error.kind() {
            // If this process was stopped while it waited, it has not looked since.
            ErrorKind::TimedOut => {
                self.until(shortest());
                self.has_begun()
            }
            _ => Err(error),
        });
        match begun {
            Ok(false) => Ok(Wait::Ended),
            Ok(true) => Ok(Wait::Ready),
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(Wait::Silence),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for a byte. `Ok(false)` is the end of the stream.
    fn has_begun(&mut self) -> io::Result<bool> {
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

    /// Reads exactly as many bytes as `bytes` has, which are not a frame.
    pub(crate) fn read_bytes(&mut self, bytes: &mut [u8], deadline: Instant) -> Result<(), RpcError> {
        Ok(self.until(deadline).read_exact(bytes)?)
    }

    /// Returns how many bytes have been read from the stream and not been returned yet.
    #[cfg(feature = "closed")]
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.reader.buffer().len()
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

    /// Returns the reader. From now on its reads fail with `TimedOut` after `deadline`.
    fn until(&mut self, deadline: Instant) -> &mut BufReader<TimedReader> {
        self.reader.get_mut().deadline = deadline;
        &mut self.reader
    }

    /// Sends a value, such as a request whose reply [`Connection::receive`] takes later.
    ///
    /// # Blocking
    /// On the peer's reading, until `deadline` at most. [`Stream::shut_down`] wakes it.
    ///
    /// # Errors
    /// After any error the connection is lost.
    pub fn send<T: Serialize>(&mut self, value: &T, deadline: Instant) -> Result<(), RpcError> {
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
        self.until(deadline);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::protocol::{Reply, Request, FRAME_BYTES};
    use crossbeam_channel::{bounded, RecvTimeoutError};
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(30);
    /// When a wait of [`SHORT`] has ended on a slow machine, too.
    const SOON: Duration = Duration::from_secs(10);

    /// Runs a test with the two ends of an open connection, and with those of a sealed one.
    fn with_ends(test: impl Fn(Connection, Connection)) {
        let ends = || Stream::pair().unwrap().map(|stream| Connection::new(Arc::new(stream), FRAME_BYTES));
        let [near, far] = ends();
        test(near, far);
        #[cfg(feature = "closed")]
        {
            let ([mut near, mut far], [one, other]) =
                (ends(), crate::wire::seal::noise::tests::pair(1 << 24));
            near.set_seal(one);
            far.set_seal(other);
            test(near, far);
        }
    }

    fn frame(request: &Request) -> Vec<u8> {
        let mut frame = Vec::new();
        encode_frame(request, &mut frame).unwrap();
        frame
    }

    fn rename() -> Request {
        Request::Rename { name: "Ann".to_owned() }
    }

    #[test]
    fn a_frame_that_comes_in_single_bytes_is_read_whole() {
        with_ends(|near, mut far| {
            for byte in frame(&rename()) {
                near.stream().write_all(&[byte], Instant::now() + LONG).unwrap();
            }
            assert_eq!(far.next_request(LONG, LONG).unwrap(), Some(rename()));
        });
    }

    #[test]
    fn a_frame_that_trickles_in_has_one_deadline_for_all_of_it() {
        with_ends(|near, mut far| {
            let (stop_tx, stop_rx) = bounded::<()>(0);
            thread::scope(|scope| {
                scope.spawn(move || {
                    let mut bytes = 1_000_u32.to_le_bytes().into_iter().chain(std::iter::repeat(0));
                    while stop_rx.recv_timeout(SHORT / 10) == Err(RecvTimeoutError::Timeout) {
                        let byte = bytes.next().unwrap();
                        near.stream().write_all(&[byte], Instant::now() + LONG).unwrap();
                    }
                });
                let begun = Instant::now();
                let read = far.next_request::<Request>(LONG, SHORT);
                assert!(matches!(read, Err(RpcError::TimedOut)), "{read:?}");
                assert!((SHORT..SOON).contains(&begun.elapsed()));
                drop(stop_tx);
            });
        });
    }

    #[test]
    fn an_end_between_two_frames_is_an_end_and_one_inside_a_frame_is_an_error() {
        let frame = frame(&rename());
        for cut in 0..=frame.len() {
            with_ends(|near, mut far| {
                near.stream().write_all(&frame[..cut], Instant::now() + LONG).unwrap();
                near.stream().shut_down_writing();
                let mut next = || far.next_request::<Request>(LONG, LONG);
                match cut {
                    0 => assert_eq!(next().unwrap(), None),
                    _ if cut == frame.len() => {
                        assert_eq!([next(), next()].map(Result::unwrap), [Some(rename()), None]);
                    }
                    _ => assert!(matches!(next(), Err(RpcError::Truncated)), "{cut}"),
                }
            });
        }
    }

    #[test]
    fn silence_ends_a_wait_and_not_the_connection() {
        with_ends(|mut near, mut far| {
            assert_eq!(far.wait(Instant::now()).unwrap(), Wait::Silence);
            let read = far.next_request::<Request>(SHORT, LONG);
            assert!(matches!(read, Err(RpcError::TimedOut)), "{read:?}");
            near.send(&rename(), Instant::now() + LONG).unwrap();
            assert_eq!(far.wait(Instant::now() + LONG).unwrap(), Wait::Ready);
            assert_eq!(far.next_request(LONG, LONG).unwrap(), Some(rename()));
        });
    }

    #[test]
    fn a_shutdown_wakes_a_reader_on_either_side() {
        for ours in [true, false] {
            with_ends(|mut near, far| {
                let stream = Arc::clone(if ours { near.stream() } else { far.stream() });
                thread::scope(|scope| {
                    let reading = scope.spawn(|| near.wait(Instant::now() + LONG));
                    stream.shut_down();
                    assert_eq!(reading.join().unwrap().unwrap(), Wait::Ended);
                });
            });
        }
    }

    #[test]
    fn a_peer_that_does_not_read_holds_a_writer_until_the_deadline_or_a_shutdown() {
        with_ends(|near, far| {
            let stream = near.stream();
            let unsent =
                (0..1000).find_map(|_| stream.try_write(&[0; 16_000]).unwrap()).expect("the pipe is full");
            let begun = Instant::now();
            let written = stream.write_rest(&unsent, begun + SHORT).map_err(|error| error.kind());
            assert_eq!(written, Err(ErrorKind::TimedOut));
            assert!((SHORT..SOON).contains(&begun.elapsed()));
            thread::scope(|scope| {
                let writing = scope.spawn(|| stream.write_all(&[0; 1 << 20], Instant::now() + LONG));
                stream.shut_down();
                let error = writing.join().unwrap().unwrap_err();
                assert_ne!(error.kind(), ErrorKind::TimedOut);
            });
            drop(far);
        });
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_before_it_comes() {
        with_ends(|near, mut far| {
            far.set_frame_limit(9);
            near.stream().write_all(&10_u32.to_le_bytes(), Instant::now() + LONG).unwrap();
            let read = far.next_request::<Request>(LONG, LONG);
            assert!(matches!(read, Err(RpcError::TooLong { length: 10, limit: 9 })), "{read:?}");
        });
    }

    #[test]
    fn a_call_gets_its_reply_and_no_reply_is_an_error() {
        with_ends(|mut near, mut far| {
            thread::scope(|scope| {
                let serving = scope.spawn(move || {
                    let requests: [Option<Request>; 2] = [(); 2].map(|()| {
                        let request = far.next_request(LONG, LONG).unwrap();
                        if request == Some(Request::Ping) {
                            far.reply(&Reply::Pong, LONG).unwrap();
                        }
                        request
                    });
                    requests
                });
                assert_eq!(near.call::<_, Reply>(&Request::Ping, LONG).unwrap(), Reply::Pong);
                let ended = near.call::<_, Reply>(&Request::Leave, LONG);
                assert!(matches!(ended, Err(RpcError::Closed)), "{ended:?}");
                assert_eq!(serving.join().unwrap(), [Some(Request::Ping), Some(Request::Leave)]);
            });
        });
    }
}
