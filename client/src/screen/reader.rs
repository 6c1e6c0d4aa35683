//! Notices that nobody reads standard output any more, as after `| head -1`, without a write.
//!
//! The thread `reader` looks twice a second, and only where standard output is a pipe. It copies nothing into
//! the pipe: std does that with the system call `splice` on Linux, which fails for a pipe that nobody reads.
//! std has no `poll`. On another system the copy succeeds, and the next write is what notices.

use crate::events::Stop;
use crossbeam_channel::Sender;
use std::{
    fs::File,
    io::{self, ErrorKind},
    os::{
        fd::AsFd,
        unix::{fs::FileTypeExt, net::UnixStream},
    },
    thread,
    time::Duration,
};

/// A client that nobody reads ends within a second. Each look takes two system calls.
const PAUSE: Duration = Duration::from_millis(500);

/// Starts the thread `reader`, which is never joined, if standard output is a pipe. When nobody reads it any
/// more, `stop_tx` gets a [`Stop::WhenSent`].
///
/// # Errors
/// When the system gives no descriptor or no thread.
pub(crate) fn watch(stop_tx: Sender<Stop>) -> io::Result<()> {
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    if !output.metadata()?.file_type().is_fifo() {
        return Ok(());
    }
    // Its other end is dropped here, so it is at its end. From a file, std does not copy by `splice`.
    let (nothing, _) = UnixStream::pair()?;
    thread::Builder::new().name("reader".into()).spawn(move || watch_loop(&nothing, &output, &stop_tx))?;
    Ok(())
}

/// The whole life of the thread `reader`.
///
/// # Blocking
/// In the pause. On the reader, while the pipe is full.
fn watch_loop(mut nothing: &UnixStream, mut output: &File, stop_tx: &Sender<Stop>) {
    loop {
        match io::copy(&mut nothing, &mut output) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                // A full channel already has a request to stop.
                let _ = stop_tx.try_send(Stop::WhenSent);
                return;
            }
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                return log::debug!("cannot tell whether somebody reads the output: {error}");
            }
            Ok(_) | Err(_) => thread::sleep(PAUSE),
        }
    }
}
