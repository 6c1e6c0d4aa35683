//! A deadline for a whole frame: what step 6 shows, for the steps behind it.

use crate::connection::begun;
use std::io::{Read, Result};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long a client may say nothing. It pings every 5 s.
const IDLE_TIME: Duration = Duration::from_secs(15);
/// How long a frame may take that has begun.
const FRAME_TIME: Duration = Duration::from_secs(1);
/// How long a read may take at the deadline. What has come by then is read, and a time of zero is an error.
const SHORTEST_TIME: Duration = Duration::from_millis(1);

/// What reads one frame.
pub struct Frame<'a> {
    stream: &'a TcpStream,
    /// When all of it must be here.
    deadline: Instant,
}

/// Waits for the first byte of the next frame. The end of the stream has none, and is read with the frame.
///
/// # Blocking
/// On the client, for [`IDLE_TIME`] at most.
///
/// # Errors
/// When the time is over, or the connection is lost.
pub fn next_frame(stream: &TcpStream) -> Result<Frame<'_>> {
    stream.set_read_timeout(Some(IDLE_TIME))?;
    begun(stream)?;
    Ok(Frame { stream, deadline: Instant::now() + FRAME_TIME })
}

impl Read for Frame<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.stream.set_read_timeout(Some(left.max(SHORTEST_TIME)))?;
        self.stream.read(buffer)
    }
}
