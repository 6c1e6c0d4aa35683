//! One stream to a peer: bytes with deadlines, over a socket. Runs on its caller's thread.
//!
//! This is the only file that reads from a socket or writes to one. In a closed room a stream is sealed: what
//! is written is sealed here, and [`TimedReader`] opens what is read, so the files above see plain bytes.
//!
//! std's socket timeouts are per system call, so a peer that sends one byte at a time resets them for ever. A
//! deadline here is for a whole frame: each system call gets only the time that is left.
//!
//! Go: `SetReadDeadline` is absolute and enough by itself; net/rpc never calls it.

use crate::trace::Slice;
#[cfg(feature = "closed")]
use crate::wire::seal::{opener::Opener, Seal};
#[cfg(feature = "closed")]
use std::sync::OnceLock;
use std::{
    borrow::Cow,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{
        atomic::{AtomicU32, Ordering::Relaxed},
        Arc,
    },
    time::{Duration, Instant},
};

/// How long [`Stream::try_write`] waits for space in the send buffer. std has no non-blocking write on a
/// socket whose reads block, so it asks for the shortest timeout. The system rounds it up to ticks of its
/// clock, to some 8 ms on common kernels.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// A connected socket. One thread reads from it. Any thread may write to it or shut it down.
#[derive(Debug)]
pub struct Stream {
    /// Invariant: the write timeout is [`SHORTEST_WAIT`], except while [`Stream::write_all`] waits.
    socket: TcpStream,
    /// The read timeout of the socket in milliseconds, as the thread that reads has set it last.
    read_timeout: AtomicU32,
    /// Set once, between a handshake and what follows it.
    #[cfg(feature = "closed")]
    seal: OnceLock<Seal>,
}

/// The part of a write that the system did not take, as it must go on the wire. The stream is lost if nobody
/// writes it with [`Stream::write_rest`] before anything else.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Unsent(Vec<u8>);

impl Unsent {
    /// Returns what follows the first `taken` bytes, or `None` if nothing does.
    pub fn after(bytes: &[u8], taken: usize) -> Option<Unsent> {
        let rest = bytes.get(taken..).filter(|rest| !rest.is_empty())?;
        let mut unsent = Vec::new();
        if unsent.try_reserve_exact(rest.len()).is_ok() {
            unsent.extend_from_slice(rest);
        }
        Some(Unsent(unsent))
    }

    /// Returns whether there was no memory to keep it. The stream is then lost.
    pub fn lacks_memory(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Stream {
    /// Takes over a connected socket. It turns Nagle's algorithm off, because a frame goes out in one write
    /// and the peer waits for it.
    pub fn new(socket: TcpStream) -> Stream {
        // A socket that refuses an option is broken, and the next read or write reports it.
        let _ = socket.set_nodelay(true);
        let _ = socket.set_write_timeout(Some(SHORTEST_WAIT));
        Stream {
            socket,
            read_timeout: AtomicU32::new(0),
            #[cfg(feature = "closed")]
            seal: OnceLock::new(),
        }
    }

    /// Returns the two ends of a stream inside this process, so that tests of what speaks the wire need no
    /// network. The ends have no addresses. All else is as on a connection: the deadlines, a full buffer, and
    /// the end of the stream.
    ///
    /// # Errors
    /// When the process has no free file descriptors.
    pub fn pair() -> io::Result<[Stream; 2]> {
        let (near, far) = UnixStream::pair()?;
        // Only the type differs. The system reads, writes and shuts down both kinds of socket alike.
        Ok([near, far].map(|end| Stream::new(OwnedFd::from(end).into())))
    }

    /// Seals everything that is written from now on. The caller has no unsent bytes, and no other thread
    /// writes yet.
    #[cfg(feature = "closed")]
    pub(crate) fn set_seal(&self, seal: Seal) {
        self.seal.set(seal).expect("a stream has one handshake");
    }

    /// Returns the seal of a stream in a closed room, after its handshake.
    #[cfg(feature = "closed")]
    pub fn seal(&self) -> Option<&Seal> {
        self.seal.get()
    }

    /// Returns whether the stream is sealed, as all are in a closed room after their handshakes.
    pub fn is_sealed(&self) -> bool {
        #[cfg(feature = "closed")]
        return self.seal.get().is_some();
        #[cfg(not(feature = "closed"))]
        false
    }

    /// Returns `bytes` as they go on the wire. What is returned must be written, in the order of the calls.
    fn to_wire<'a>(&self, bytes: &'a [u8]) -> io::Result<Cow<'a, [u8]>> {
        #[cfg(feature = "closed")]
        if let Some(seal) = self.seal.get() {
            return seal.seal(bytes).map(Cow::Owned);
        }
        Ok(Cow::Borrowed(bytes))
    }

    /// Connects to `address`.
    ///
    /// # Blocking
    /// On the peer, for `timeout` at most.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn connect(address: SocketAddr, timeout: Duration) -> io::Result<Stream> {
        TcpStream::connect_timeout(&address, timeout).map(Stream::new)
    }

    /// Reads the bytes that have come, or waits for some. Returns their number; 0 is the end of the stream.
    ///
    /// A timeout is in whole milliseconds, and set only when it is another than before. A thread that waits
    /// for one request after the other then needs one system call for each, and not two.
    ///
    /// # Blocking
    /// On the peer, until a millisecond after `deadline` at most. [`Stream::shut_down`] wakes it.
    ///
    /// # Errors
    /// `TimedOut` when the deadline passes. No bytes are lost then.
    pub fn read(&self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let _reads = Slice::begin("reads");
        retry_until(deadline, |left| {
            let timeout = left.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u32::MAX);
            if self.read_timeout.load(Relaxed) != timeout {
                self.socket.set_read_timeout(Some(Duration::from_millis(timeout.into())))?;
                self.read_timeout.store(timeout, Relaxed);
            }
            (&self.socket).read(buffer)
        })
    }

    /// Writes as many of `bytes` as fit into the system's send buffer now. Returns the rest, if there is one.
    ///
    /// # Blocking
    /// When the send buffer is full: for one or two ticks of the system's clock, some 8 ms. The peer cannot
    /// make it longer.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<Option<Unsent>> {
        let _writes = Slice::begin("writes");
        let bytes = self.to_wire(bytes)?;
        let taken = self.write_now(&bytes)?;
        Ok(Unsent::after(&bytes, taken))
    }

    /// Writes what the system takes at once. Returns how many bytes that were.
    fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        match (&self.socket).write(bytes) {
            Err(error) if ended_early(&error) => Ok(0),
            result => result,
        }
    }

    /// Writes all of `bytes`. Returns whether it waited, because the system did not take all of them at once.
    ///
    /// # Blocking
    /// On the peer's reading, until `deadline` at most. [`Stream::shut_down`] wakes it.
    ///
    /// # Errors
    /// `TimedOut` when the deadline passes. Part of the bytes may be written then, so the stream is lost.
    pub fn write_all(&self, bytes: &[u8], deadline: Instant) -> io::Result<bool> {
        self.write_wire(&self.to_wire(bytes)?, deadline)
    }

    /// Writes what the system did not take before.
    ///
    /// # Blocking
    /// As [`Stream::write_all`].
    ///
    /// # Errors
    /// As [`Stream::write_all`].
    pub fn write_rest(&self, unsent: &Unsent, deadline: Instant) -> io::Result<()> {
        self.write_wire(&unsent.0, deadline).map(drop)
    }

    fn write_wire(&self, bytes: &[u8], deadline: Instant) -> io::Result<bool> {
        let _writes = Slice::begin("writes");
        let mut rest = &bytes[self.write_now(bytes)?..];
        if rest.is_empty() {
            return Ok(false); // The usual case. It needs no system call to set a timeout.
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
        self.socket.set_write_timeout(Some(SHORTEST_WAIT)).map(|()| true)
    }

    /// Sends `last_bytes` to a peer that has just connected, and ends the stream. It never blocks, because a
    /// few bytes always fit into the send buffer of a new connection.
    ///
    /// # Errors
    /// When the peer has already closed the connection.
    pub fn dismiss(&self, last_bytes: &[u8]) -> io::Result<()> {
        /// A hello needs one read. A peer that has sent more than these reads consume gets a reset.
        const READS: usize = 4;
        self.socket.set_nonblocking(true)?;
        (&self.socket).write_all(last_bytes)?;
        self.socket.shutdown(Shutdown::Write)?;
        // Closing a socket with unread bytes sends a reset instead of an end, so read what has come.
        for _ in 0..READS {
            if (&self.socket).read(&mut [0; 256])? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Ends the stream in both directions. This wakes every thread that waits on it.
    pub fn shut_down(&self) {
        // It fails only when the stream has already ended.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Ends the incoming direction. The bytes that have come can still be read; after them comes the end.
    pub fn shut_down_reading(&self) {
        let _ = self.socket.shutdown(Shutdown::Read);
    }

    /// Ends the outgoing direction. The peer reads what was written, and then the end.
    pub fn shut_down_writing(&self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Returns the address of this side.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Returns the address of the peer.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }
}

impl From<Stream> for OwnedFd {
    fn from(stream: Stream) -> OwnedFd {
        stream.socket.into()
    }
}

/// Reads from a stream until a deadline, for functions that take an `impl Read`.
#[derive(Debug)]
pub(crate) struct TimedReader {
    stream: Arc<Stream>,
    /// When a read fails with `TimedOut`.
    pub(crate) deadline: Instant,
    /// Opens what is read, once the stream is sealed.
    #[cfg(feature = "closed")]
    opener: Opener,
}

impl TimedReader {
    /// Returns a reader whose deadline is now.
    pub(crate) fn new(stream: Arc<Stream>) -> TimedReader {
        TimedReader {
            stream,
            deadline: Instant::now(),
            #[cfg(feature = "closed")]
            opener: Opener::default(),
        }
    }

    /// Opens everything that is read from now on, and before that `read`, which has been read already.
    #[cfg(feature = "closed")]
    pub(crate) fn open_from(&mut self, read: Vec<u8>) {
        self.opener = Opener::new(read);
    }

    /// For a sealed stream: waits until a byte has come, and returns true. `Ok(false)` is the end of the
    /// stream. Returns `None` for a stream that is not sealed.
    ///
    /// A byte of a record is enough. Otherwise a peer could hold its reader without a deadline for the frame.
    #[cfg(feature = "closed")]
    pub(crate) fn wait_sealed(&mut self) -> Option<io::Result<bool>> {
        let TimedReader { stream, deadline, opener } = self;
        stream.seal()?;
        Some(opener.has_begun(|buffer| stream.read(buffer, *deadline)))
    }
}

impl Read for TimedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(feature = "closed")]
        if let Some(seal) = self.stream.seal() {
            return self.opener.read(seal, buffer, |buffer| self.stream.read(buffer, self.deadline));
        }
        self.stream.read(buffer, self.deadline)
    }
}

/// Runs one system call with the time that is left. Repeats it when a signal or an early timeout ends it.
///
/// In a process that was stopped and continued, any socket call with a timeout fails with EINTR.
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
            Err(error) if ended_early(&error) => {}
            done => return done,
        }
    }
}

/// Returns whether a system call only ended early.
fn ended_early(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
