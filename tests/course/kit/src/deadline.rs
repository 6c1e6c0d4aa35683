//! A deadline for all of what is read or written: what step 6 shows, for the steps behind it.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A stream until one moment. The timeouts of a `TcpStream` are for each read and each write.
pub struct Within<'a>(&'a TcpStream, Instant);

/// Returns this stream for as long as `timeout`.
pub fn within(timeout: Duration, stream: &TcpStream) -> Within<'_> {
    Within(stream, Instant::now() + timeout)
}

impl Within<'_> {
    /// How long it still is.
    fn left(&self) -> Result<Duration> {
        let left = self.1.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left).ok_or(ErrorKind::TimedOut.into())
    }
}

impl Read for Within<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.0.set_read_timeout(Some(self.left()?))?;
        self.0.read(buffer)
    }
}

impl Write for Within<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.set_write_timeout(Some(self.left()?))?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
