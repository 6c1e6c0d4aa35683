//! The file of a transcript, of either program. Lines are appended as long as the program runs.
//!
//! - A file that is moved or removed, as when logs are rotated, MUST go on in a new one.
//! - To open a named pipe MUST NOT wait for a reader, which may never come.
//! - A line that a power cut has left without its end MUST NOT swallow the next one.

use crate::program::{
    given_file::{PAUSE, WITHOUT_WAITING},
    kept_file::leads_to,
};
use log::{info, warn};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// What the system says of a pipe that nobody reads.
const NO_READER: i32 = 6;
/// How long a writer that does not wait for the reader of a pipe does so all the same: a reader that is only
/// slow takes something in this time.
const PATIENCE: Duration = Duration::from_secs(1);

/// How to write to a named pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipeUse {
    /// A write waits for a reader, without a limit. For a thread that nobody waits for.
    Waits,
    /// A pipe that nobody reads is an error, and so is a reader that takes nothing for a second.
    Fails,
}

/// The open file of a transcript.
#[derive(Debug)]
pub struct TranscriptFile {
    file: File,
    path: PathBuf,
    pipe_use: PipeUse,
}

impl TranscriptFile {
    /// Opens the file, and keeps what it already has.
    ///
    /// # Blocking
    /// On the file system. Not on the reader of a named pipe.
    ///
    /// # Errors
    /// When the file cannot be opened or written. Names it.
    pub fn open(path: &Path, pipe_use: PipeUse) -> io::Result<TranscriptFile> {
        let file = open_file(path, pipe_use).map_err(|error| {
            let why = format!("cannot write the transcript {}: {error}", path.display());
            io::Error::new(error.kind(), why)
        })?;
        Ok(TranscriptFile { file, path: path.to_owned(), pipe_use })
    }

    /// The path that the file was opened with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Goes on in a new file if the old one was moved or removed, as when logs are rotated.
    fn follow_path(&mut self) -> io::Result<()> {
        if !self.file.metadata()?.is_file() || leads_to(&self.path, &self.file) {
            return Ok(());
        }
        self.file = open_file(&self.path, self.pipe_use)?;
        info!("the transcript {} was moved or removed, and goes on in a new file", self.path.display());
        Ok(())
    }
}

impl Write for TranscriptFile {
    /// Writes to the file that has the path now.
    ///
    /// # Blocking
    /// On the disk. On the reader of a pipe, as its [`PipeUse`] says.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.follow_path()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if Instant::now() >= deadline {
                        return Err(io::Error::new(ErrorKind::TimedOut, "its reader takes nothing"));
                    }
                    thread::sleep(PAUSE);
                }
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn open_file(path: &Path, pipe_use: PipeUse) -> io::Result<File> {
    let kind = fs::metadata(path).ok().map(|metadata| metadata.file_type());
    let is_pipe = kind.is_some_and(|kind| kind.is_fifo());
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    let without_waiting = options.clone().custom_flags(WITHOUT_WAITING).open(path);
    let nobody_reads =
        is_pipe && without_waiting.as_ref().is_err_and(|error| error.raw_os_error() == Some(NO_READER));
    let mut file = match (is_pipe, pipe_use) {
        (true, PipeUse::Waits) => {
            if nobody_reads {
                warn!("nobody reads the pipe {} yet", path.display());
            }
            // A pipe that is open in both directions waits for no reader. A reader that is there already
            // would see its end if the first one were closed before.
            options.read(true).open(path)?
        }
        (true, PipeUse::Fails) if nobody_reads => {
            return Err(io::Error::new(ErrorKind::BrokenPipe, "nobody reads this pipe"));
        }
        _ => without_waiting?,
    };
    if kind.is_some_and(|kind| kind.is_file()) && ends_inside_line(path) {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

/// Whether the last line of a file has no end, as after a power cut. What cannot be read counts as whole.
fn ends_inside_line(path: &Path) -> bool {
    let last = || {
        let mut byte = [0];
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut byte)?;
        io::Result::Ok(byte[0])
    };
    last().is_ok_and(|byte| byte != b'\n')
}
