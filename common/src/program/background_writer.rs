//! A writer that never waits for its reader: a thread of its own writes to the real stream.
//!
//! It is for the log and for the lines of a console. The reader of such an output can stop: a pager pauses,
//! Ctrl-S stops a terminal, a collector hangs. Then a write to the stream blocks, and everybody who waits for
//! the writer waits as well. So here:
//!
//! - A write MUST NOT block. It sends a piece through a bounded channel, or leaves it out.
//! - What is left out MUST be counted, and the output says the number at the place where lines are missing.
//! - The memory MUST be bounded, by `QUEUED_PIECES` times `MAX_PIECE_BYTES`.
//!
//! An error of the stream, such as a closed pipe or a full disk, ends nothing: the lines count as left out,
//! and the next line is tried again.
//!
//! Go: `log.Print` writes to standard error under a mutex, so one stopped reader stops every goroutine that
//! logs.

use crate::program::{
    on_drop::OnDrop,
    tasks::{self, Task},
};
use crossbeam_channel::{bounded, Receiver, Sender};
use std::{
    io::{self, Write},
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        Arc,
    },
    thread,
    time::{Duration, Instant},
};

/// How many pieces wait for the reader. A server that loses a thousand members at once logs as many lines.
const QUEUED_PIECES: usize = 1024;
/// A longer write is several pieces. Most lines have some hundred bytes. With [`QUEUED_PIECES`] this bounds
/// the memory to 4 MiB.
const MAX_PIECE_BYTES: usize = 4 * 1024;
/// How long a process that ends in good order waits for the reader of an output.
pub const EXIT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a process that has to end at once waits for the reader of an output.
pub const FORCED_EXIT_TIMEOUT: Duration = Duration::from_millis(300);

/// Writes to a stream through a thread. Clones write to the same stream.
///
/// As [`Write`], it takes everything and never fails.
#[derive(Clone, Debug)]
pub struct BackgroundWriter {
    pieces_tx: Sender<Piece>,
    /// The lines that were left out after the newest piece in the channel.
    left_out: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Piece {
    Bytes {
        /// How many lines are missing before these bytes.
        left_out: u64,
        bytes: Vec<u8>,
    },
    /// Somebody waits until everything before this piece is written, which ends the task.
    Finish(Task),
}

impl BackgroundWriter {
    /// Starts the thread `name`, which writes to `stream`. It is never joined, because nothing wakes it from
    /// a write that blocks. It ends with the last clone, or with the process.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(name: &str, stream: impl Write + Send + 'static) -> io::Result<BackgroundWriter> {
        let (pieces_tx, pieces_rx) = bounded(QUEUED_PIECES);
        let left_out = Arc::new(AtomicU64::new(0));
        let writer = BackgroundWriter { pieces_tx, left_out: Arc::clone(&left_out) };
        let output = CountingOutput::new(stream);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || write_loop(output, &pieces_rx, &left_out))?;
        Ok(writer)
    }

    /// Writes a text. Never blocks.
    pub fn write_text(&self, text: &str) {
        text.as_bytes().chunks(MAX_PIECE_BYTES).for_each(|bytes| self.send(bytes));
    }

    /// Waits until everything that was written before is in the stream.
    ///
    /// # Blocking
    /// On the reader of the stream, for `timeout` at most.
    pub fn finish(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let (writing, tasks) = tasks::begin();
        // A piece that finds no place comes back and is dropped here, which ends the wait at once.
        let _ = self.pieces_tx.send_deadline(Piece::Finish(writing), deadline);
        tasks.wait_until(deadline);
    }

    /// Returns a guard that calls [`BackgroundWriter::finish`] with `timeout` when it is dropped, also after
    /// a panic.
    pub fn finish_on_drop(&self, timeout: Duration) -> OnDrop<impl FnMut()> {
        let writer = self.clone();
        OnDrop(move || writer.finish(timeout))
    }

    fn send(&self, bytes: &[u8]) {
        let left_out = self.left_out.swap(0, Relaxed);
        if self.pieces_tx.try_send(Piece::Bytes { left_out, bytes: bytes.to_vec() }).is_err() {
            self.left_out.fetch_add(left_out + count_lines(bytes), Relaxed);
        }
    }
}

impl Write for BackgroundWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(MAX_PIECE_BYTES)];
        self.send(bytes);
        Ok(bytes.len())
    }

    /// Does nothing, because each piece is flushed.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The whole life of the thread.
///
/// # Blocking
/// On the channel; a piece wakes it, and so does the drop of the last writer. On the reader of the stream,
/// without a limit.
fn write_loop(mut output: CountingOutput<impl Write>, pieces_rx: &Receiver<Piece>, left_out: &AtomicU64) {
    for piece in pieces_rx {
        let finishing = match piece {
            Piece::Bytes { left_out, bytes } => {
                output.left_out += left_out;
                // Nobody is left who could be told. The output itself says what is missing.
                let _ = output.write(&bytes);
                None
            }
            Piece::Finish(finishing) => Some(finishing),
        };
        // No later piece may ever come that says the number.
        if finishing.is_some() || pieces_rx.is_empty() {
            output.left_out += left_out.swap(0, Relaxed);
            let _ = output.say_left_out();
        }
    }
}

/// A stream, and what it lacks. What could not be written is counted, and the stream says the number at the
/// place where it is missing, as soon as it can be written again.
#[derive(Debug)]
pub struct CountingOutput<W> {
    stream: W,
    /// How many lines are missing after what was written last.
    left_out: u64,
    /// Whether the last byte was no line end.
    inside_line: bool,
}

impl<W: Write> CountingOutput<W> {
    /// Returns an output that lacks nothing.
    pub fn new(stream: W) -> CountingOutput<W> {
        CountingOutput { stream, left_out: 0, inside_line: false }
    }

    /// Returns how many lines are missing after what was written last.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Writes lines, or counts them as missing.
    ///
    /// # Blocking
    /// On the reader of the stream, or its disk.
    ///
    /// # Errors
    /// Why the stream did not take them.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // While the number cannot be written, later lines are left out as well, so it stays in its place.
        let written = self.say_left_out().and_then(|()| self.put(bytes));
        if written.is_err() {
            self.left_out += count_lines(bytes);
        }
        written
    }

    fn say_left_out(&mut self) -> io::Result<()> {
        if self.left_out == 0 {
            return Ok(());
        }
        let line_end = if self.inside_line { "\n" } else { "" };
        let notice = format!(
            "{line_end}--- lines left out here: {}, because nobody read this output, or it could not be \
             written ---\n",
            self.left_out
        );
        self.put(notice.as_bytes())?;
        self.left_out = 0;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.stream.write_all(bytes).and_then(|()| self.stream.flush());
        // After an error, a part of the bytes may be written.
        self.inside_line = written.is_err() || !bytes.ends_with(b"\n");
        written
    }
}

/// Counts the lines that are missing without these bytes. A part of a line counts as one.
fn count_lines(bytes: &[u8]) -> u64 {
    let line_ends = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    line_ends.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// A stream whose reader is the test. A write blocks until the test takes its bytes.
    struct Pipe(Sender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pipe() -> (Pipe, Receiver<Vec<u8>>) {
        let (tx, rx) = bounded(0);
        (Pipe(tx), rx)
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_counted_where_it_is_missing() {
        let (pipe, pipe_rx) = pipe();
        let writer = BackgroundWriter::start("test", pipe).unwrap();
        let written = 3 * QUEUED_PIECES;
        (0..written).for_each(|number| writer.write_text(&format!("line {number}\n")));
        // The last number is said although nothing more is written.
        let (mut next, mut kept) = (0, 0);
        while next < written {
            let line = String::from_utf8(pipe_rx.recv_timeout(MINUTE).unwrap()).unwrap();
            if let Some(count) = line.strip_prefix("--- lines left out here: ") {
                next += count.split(',').next().unwrap().parse::<usize>().unwrap();
            } else {
                assert_eq!(line, format!("line {next}\n"));
                (next, kept) = (next + 1, kept + 1);
            }
        }
        assert_eq!(next, written);
        // The thread may have taken one out of the channel.
        assert!((QUEUED_PIECES..=QUEUED_PIECES + 1).contains(&kept), "{kept}");
    }

    #[test]
    fn a_finish_waits_for_all_pieces_but_not_for_a_reader_that_has_stopped() {
        let (pipe, pipe_rx) = pipe();
        let writer = BackgroundWriter::start("test", pipe).unwrap();
        writer.write_text("stuck\n");
        writer.finish(Duration::from_millis(1));
        let reader = thread::spawn(move || pipe_rx.iter().flatten().collect::<Vec<u8>>());
        let long = "x".repeat(3 * MAX_PIECE_BYTES) + "\n";
        writer.write_text(&long);
        writer.finish(MINUTE);
        drop(writer);
        assert_eq!(reader.join().unwrap(), format!("stuck\n{long}").into_bytes());
    }

    /// A stream that fails until its disk has space.
    struct Disk(Arc<AtomicU64>, Sender<Vec<u8>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.load(Relaxed) == 0 {
                return Err(io::Error::other("the disk is full"));
            }
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stream_that_fails_for_a_time_says_how_much_is_missing() {
        let (space, (tx, rx)) = (Arc::new(AtomicU64::new(0)), crossbeam_channel::unbounded());
        let writer = BackgroundWriter::start("test", Disk(Arc::clone(&space), tx)).unwrap();
        writer.write_text("one\n");
        writer.write_text("two\n");
        writer.finish(MINUTE);
        space.store(1, Relaxed);
        writer.write_text("three\n");
        writer.finish(MINUTE);
        let text = String::from_utf8(rx.try_iter().flatten().collect()).unwrap();
        let lines: Vec<&str> = text.trim_start().lines().collect();
        assert!(lines[0].starts_with("--- lines left out here: 2, "), "{text}");
        assert_eq!(lines[1..], ["three"]);
    }
}
