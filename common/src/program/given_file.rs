//! A file that a person names to be read, such as the message of the day: a file, a pipe of a shell as in
//! `--motd <(date)`, or a named pipe.
//!
//! To open a named pipe waits for a writer, which may never come. So it is opened without waiting, and a
//! named pipe that nobody writes to is an error. Where somebody does, the reader waits for the text, as any
//! program does: a password manager takes its time.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
    thread,
    time::Duration,
};

/// The flag `O_NONBLOCK` of the system. With it, the open of a pipe does not wait for the other end. std has
/// no name for it.
pub const WITHOUT_WAITING: i32 = match () {
    () if cfg!(all(target_os = "linux", any(target_arch = "mips", target_arch = "mips64"))) => 0x80,
    () if cfg!(all(target_os = "linux", any(target_arch = "sparc", target_arch = "sparc64"))) => 0x4000,
    () if cfg!(target_os = "linux") => 0x800,
    () => 4,
};
/// std cannot wait for a pipe that was opened without waiting, so this looks again after a pause.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);

/// Returns whether a file can be read only once. A pipe may have a writer that writes no more, and standard
/// input has what is said to the room behind a passphrase.
pub fn is_read_once(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

/// An open file. It is read from its beginning to its end.
#[derive(Debug)]
pub struct GivenFile {
    file: File,
    /// Whether this is a named pipe from which nothing has come yet.
    is_silent_pipe: bool,
}

impl GivenFile {
    /// Opens a file, and waits for nobody.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn open(path: &Path) -> io::Result<GivenFile> {
        let file = OpenOptions::new().read(true).custom_flags(WITHOUT_WAITING).open(path)?;
        // The pipe of a shell has had a writer, which may have ended without a word. It is in no folder.
        let is_silent_pipe = file.metadata()?.file_type().is_fifo() && fs::canonicalize(path).is_ok();
        Ok(GivenFile { file, is_silent_pipe })
    }
}

impl Read for GivenFile {
    /// # Blocking
    /// On the writer of a pipe. Its end wakes the reader.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
                Ok(0) if self.is_silent_pipe && !bytes.is_empty() => {
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, "nobody writes to this pipe"));
                }
                Ok(count) => {
                    self.is_silent_pipe &= count == 0;
                    return Ok(count);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        env,
        io::{pipe, Write},
        os::fd::AsRawFd,
        process::Command,
    };

    #[test]
    fn the_pipe_of_a_shell_may_be_empty() {
        let (reader, writer) = pipe().unwrap();
        drop(writer);
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        // Another system may not tell it from a pipe with a name.
        let read = GivenFile::open(Path::new(&path)).unwrap().read_to_end(&mut Vec::new());
        assert!(cfg!(not(target_os = "linux")) || matches!(read, Ok(0)), "{read:?}");
    }

    #[test]
    fn a_pipe_without_a_writer_is_an_error_and_one_with_a_slow_writer_is_read_to_its_end() {
        let path = env::temp_dir().join(format!("chat-given-{}", std::process::id()));
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let read = || {
            let mut text = String::new();
            GivenFile::open(&path)?.read_to_string(&mut text)?;
            io::Result::Ok(text)
        };
        assert_eq!(read().unwrap_err().to_string(), "nobody writes to this pipe");
        // A pipe that is open in both directions waits for nobody.
        let mut writer = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut first = [0; 4];
                let mut file = GivenFile::open(&path).unwrap();
                file.read_exact(&mut first).unwrap();
                let mut rest = String::new();
                file.read_to_string(&mut rest).unwrap();
                (first, rest)
            });
            thread::sleep(3 * PAUSE);
            writer.write_all(b"word").unwrap();
            writer.write_all(b"s\n").unwrap();
            drop(writer);
            assert_eq!(reader.join().unwrap(), (*b"word", "s\n".to_owned()));
        });
        fs::remove_file(&path).unwrap();
    }
}
