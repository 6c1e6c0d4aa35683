//! An output of a program that nobody reads, as with a paused pager or Ctrl-S on a terminal.
//!
//! It is a pair of connected sockets, because std can fill one without waiting. For the program it is the
//! same as a pipe: when it is full, a write blocks.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Stdio,
};

/// The side of the reader, who reads only when the test asks for it.
#[derive(Debug)]
pub struct StuckOutput {
    reader: UnixStream,
    writer: UnixStream,
}

impl StuckOutput {
    /// Returns an output with space.
    pub fn new() -> io::Result<StuckOutput> {
        let (reader, writer) = UnixStream::pair()?;
        Ok(StuckOutput { reader, writer })
    }

    /// Returns an output that is full, so the first write to it blocks.
    pub fn full() -> io::Result<StuckOutput> {
        let output = StuckOutput::new()?;
        output.fill()?;
        Ok(output)
    }

    /// The program's side.
    pub fn stdio(&self) -> io::Result<Stdio> {
        Ok(OwnedFd::from(self.writer.try_clone()?).into())
    }

    /// Fills the output with empty lines. The program must not write meanwhile.
    pub fn fill(&self) -> io::Result<()> {
        self.writer.set_nonblocking(true)?;
        // Large pieces first, then small ones for the space that is left.
        for piece in [&[b'\n'; 4096][..], b"\n"] {
            loop {
                match (&self.writer).write(piece) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        self.writer.set_nonblocking(false)
    }

    /// Reads one line.
    pub fn line(&mut self) -> io::Result<String> {
        let (mut line, mut byte) = (Vec::new(), [0]);
        while !line.ends_with(b"\n") {
            self.reader.read_exact(&mut byte)?;
            line.extend(byte);
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Returns the side of the reader. The end of the program is the end of the output.
    pub fn into_reader(self) -> UnixStream {
        self.reader
    }
}
