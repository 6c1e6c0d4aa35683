//! One stream to a peer: bytes with deadlines, over a socket.
//!
//! This is the only file that reads from a socket or writes to one. A stream that seals what it carries would be made here, and
//! nothing above would notice.
//!
//! std's socket timeouts are per system call, so a peer that trickles a byte at a time resets them for ever. Here a deadline is for
//! a whole frame: the time left is computed anew before each system call.
//!
//! Go: `SetReadDeadline` is absolute and enough by itself; net/rpc never calls it.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long [`Stream::try_write`] waits for room. std cannot write without blocking on a socket whose reads block, so this is the
/// shortest wait there is. The system rounds it up to ticks of its clock: some 8 ms on common kernels.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// A connected socket. One thread reads from it; any thread may write to it or shut it down.
#[derive(Debug)]
pub struct Stream {
    /// Invariant: its write timeout is [`SHORTEST_WAIT`], except while [`Stream::write_all`] waits.
    socket: TcpStream,
}

impl Stream {
    /// Takes over a connected socket. Nagle's algorithm is turned off: a frame goes out in one write, and somebody waits for it.
    pub fn new(socket: TcpStream) -> Stream {
        // A socket that refuses an option is broken, and the next read or write says so.
        let _ = socket.set_nodelay(true);
        let _ = socket.set_write_timeout(Some(SHORTEST_WAIT));
        Stream { socket }
    }

    /// Connects to `address`.
    ///
    /// # Blocking
    /// On the peer, `timeout` at the longest.
    ///
    /// # Errors
    /// As the system reports.
    pub fn connect(address: SocketAddr, timeout: Duration) -> io::Result<Stream> {
        TcpStream::connect_timeout(&address, timeout).map(Stream::new)
    }

    /// Reads what has come, and waits for something to come until `deadline`. 0 bytes are the end.
    ///
    /// # Blocking
    /// On the peer, until `deadline` at the longest. [`Stream::shut_down`] wakes it.
    ///
    /// # Errors
    /// `TimedOut` when the deadline passes; nothing is lost by that.
    pub fn read(&self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        retry_until(deadline, |left| {
            self.socket.set_read_timeout(Some(left))?;
            (&self.socket).read(buffer)
        })
    }

    /// Writes as much of `bytes` as the system takes now, which may be nothing: how many bytes it took.
    ///
    /// # Blocking
    /// Where the system's send buffer is full, for one or two ticks of its clock, some 8 ms. Never on the peer.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match (&self.socket).write(bytes) {
            Err(error) if is_passing(&error) => Ok(0),
            result => result,
        }
    }

    /// Writes all of `bytes`.
    ///
    /// # Blocking
    /// On the peer's reading, until `deadline` at the longest. [`Stream::shut_down`] wakes it.
    ///
    /// # Errors
    /// `TimedOut` when the deadline passes; how much has been written is then unknown, so the stream is lost.
    pub fn write_all(&self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        let mut rest = &bytes[self.try_write(bytes)?..];
        if rest.is_empty() {
            return Ok(()); // The usual case: no timeout had to be set.
        }
        while !rest.is_empty() {
            let count = retry_until(deadline, |left| {
                self.socket.set_write_timeout(Some(left))?;
                (&self.socket).write(rest)
            })?;
            if count == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            rest = &rest[count..];
        }
        self.socket.set_write_timeout(Some(SHORTEST_WAIT))
    }

    /// Sends `last_words` to a peer that has just connected, and ends the stream, without waiting: the send buffer of a new
    /// connection takes a few bytes at once.
    ///
    /// # Errors
    /// When the peer is gone already.
    pub fn dismiss(&self, last_words: &[u8]) -> io::Result<()> {
        /// A hello is one read. A peer that has sent so much that these do not reach its end gets a reset.
        const READS: usize = 4;
        self.socket.set_nonblocking(true)?;
        (&self.socket).write_all(last_words)?;
        self.socket.shutdown(Shutdown::Write)?;
        // What has come already is read, because closing a socket with unread bytes sends a reset instead of an end.
        for _ in 0..READS {
            if (&self.socket).read(&mut [0; 256])? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Ends the stream in both directions, which wakes every thread that waits on it.
    pub fn shut_down(&self) {
        self.shut_down_direction(Shutdown::Both);
    }

    /// Ends the incoming direction: what has arrived can still be read, and then comes the end.
    pub fn shut_down_reading(&self) {
        self.shut_down_direction(Shutdown::Read);
    }

    /// Ends the outgoing direction: the peer reads what was written, and then the end.
    pub fn shut_down_writing(&self) {
        self.shut_down_direction(Shutdown::Write);
    }

    fn shut_down_direction(&self, direction: Shutdown) {
        // It fails only where the stream has ended already.
        let _ = self.socket.shutdown(direction);
    }

    /// The address of this side.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The address of the peer.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }
}

/// Reads from a stream until a deadline, for whoever wants an `impl Read`.
#[derive(Debug)]
pub(crate) struct TimedReader {
    pub(crate) stream: Arc<Stream>,
    /// When reading gives up.
    pub(crate) deadline: Instant,
}

impl Read for TimedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer, self.deadline)
    }
}

/// Runs one system call with the time that is left, again when a signal or an early timeout cuts it short.
/// (A process that was stopped and continued sees EINTR from any socket call that has a timeout.)
fn retry_until(
    deadline: Instant,
    mut attempt: impl FnMut(Duration) -> io::Result<usize>,
) -> io::Result<usize> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        match attempt(left) {
            Err(error) if is_passing(&error) => {}
            done => return done,
        }
    }
}

/// Whether a system call merely ended early.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
