//! A socket with one deadline for a whole frame or call.
//!
//! std's socket timeouts are per system call, so a peer that trickles a byte at a time resets them for ever. Here the
//! time left is computed anew before each read and write.
//!
//! Go: `SetReadDeadline` is absolute and enough by itself; net/rpc never calls it.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

/// Reads from a stream until `deadline`.
#[derive(Debug)]
pub struct TimedReader {
    stream: Arc<TcpStream>,
    /// When reading gives up.
    pub deadline: Instant,
}

impl TimedReader {
    /// Reads from `stream` with `deadline`.
    pub fn new(stream: Arc<TcpStream>, deadline: Instant) -> TimedReader {
        TimedReader { stream, deadline }
    }
}

impl Read for TimedReader {
    /// # Blocking
    /// On the peer, until `deadline` at the longest. Shutting the stream down wakes it.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        retry_until(self.deadline, |left| {
            self.stream.set_read_timeout(Some(left))?;
            (&*self.stream).read(buffer)
        })
    }
}

/// Writes all of `bytes` before `deadline`.
///
/// # Blocking
/// On the peer's reading, until `deadline` at the longest.
///
/// # Errors
/// `TimedOut` when the deadline passes; how much has been written is then unknown, so the stream is lost.
pub fn write_all(stream: &TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = retry_until(deadline, |left| {
            stream.set_write_timeout(Some(left))?;
            (&*stream).write(bytes)
        })?;
        if count == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        bytes = &bytes[count..];
    }
    Ok(())
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
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
                ) => {}
            done => return done,
        }
    }
}
