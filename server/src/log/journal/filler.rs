//! Makes the next file of the journal ahead of use, on the thread `journal-fill`.
//!
//! A full disk shows here first, while the file in use still has space. The thread then tries again each
//! second, and the room refuses messages meanwhile.

use super::{
    disk::{Disk, DiskFile},
    sector::SECTOR,
};
use crossbeam_channel::{bounded, Receiver, RecvTimeoutError, Sender};
use log::{info, warn};
use std::{
    io,
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        Arc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// The name of the file that is made ahead of use.
pub(super) const NEXT: &str = "next";
/// How many zeros are written at once, in bytes.
const CHUNK: usize = 1 << 20;
/// The pause after an attempt that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Makes a file of zeros. When this returns, the disk has them.
///
/// # Blocking
/// On the disk.
///
/// # Errors
/// Whatever the disk reports, such as that it is full.
pub(super) fn fill<D: Disk>(disk: &D, sectors: u32) -> io::Result<D::File> {
    let file = disk.create(NEXT)?;
    write_zeros(&file, 0, u64::from(sectors) * SECTOR as u64)?;
    file.sync()?;
    Ok(file)
}

/// Writes this many zeros from `offset` on.
pub(super) fn write_zeros(file: &impl DiskFile, mut offset: u64, length: u64) -> io::Result<()> {
    let (zeros, end) = (vec![0; CHUNK], offset + length);
    while offset < end {
        let part = CHUNK.min((end - offset) as usize);
        file.write_at(&zeros[..part], offset)?;
        offset += part as u64;
    }
    Ok(())
}

/// The thread, for the broadcaster.
#[derive(Debug)]
pub(super) struct Filler<D: Disk> {
    /// `None` at the end.
    wanted_tx: Option<Sender<()>>,
    filled_rx: Receiver<D::File>,
    thread: Option<JoinHandle<()>>,
    /// Whether the last attempt failed.
    pub(super) is_full: Arc<AtomicBool>,
}

impl<D: Disk> Filler<D> {
    /// Starts the thread, and makes the first file. Dropping this ends the thread and waits for its end, so
    /// that nobody has the directory any more when the journal is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(disk: Arc<D>, sectors: u32) -> io::Result<Filler<D>> {
        let (wanted_tx, wanted_rx) = bounded(1);
        let (filled_tx, filled_rx) = bounded(1);
        let is_full = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&is_full);
        let thread = thread::Builder::new()
            .name("journal-fill".to_owned())
            .spawn(move || fill_loop(&*disk, sectors, &shared, &wanted_rx, &filled_tx))?;
        let filler = Filler { wanted_tx: Some(wanted_tx), filled_rx, thread: Some(thread), is_full };
        filler.want();
        Ok(filler)
    }

    /// Asks for the next file.
    pub(super) fn want(&self) {
        // The channel has a place: a file is asked for only after the one before was taken.
        if let Some(wanted_tx) = &self.wanted_tx {
            let _ = wanted_tx.try_send(());
        }
    }

    /// Returns the next file.
    ///
    /// # Blocking
    /// On the disk, while it is being made.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn take(&self) -> io::Result<D::File> {
        let full = || io::Error::new(io::ErrorKind::StorageFull, "no space for the next file");
        loop {
            match self.filled_rx.recv_timeout(PAUSE) {
                Ok(file) => return Ok(file),
                Err(RecvTimeoutError::Timeout) if !self.is_full.load(Relaxed) => {}
                Err(_) => return Err(full()),
            }
        }
    }
}

impl<D: Disk> Drop for Filler<D> {
    fn drop(&mut self) {
        self.wanted_tx = None;
        // A thread that panicked has nothing more to say here.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The whole life of the thread.
///
/// # Blocking
/// On the disk. On the channel: a wish wakes it, and so does the end of the journal.
fn fill_loop<D: Disk>(
    disk: &D,
    sectors: u32,
    is_full: &AtomicBool,
    wanted_rx: &Receiver<()>,
    filled_tx: &Sender<D::File>,
) {
    while wanted_rx.recv().is_ok() {
        let file = loop {
            match fill(disk, sectors) {
                Ok(file) => break file,
                Err(error) => {
                    if !is_full.swap(true, Relaxed) {
                        warn!("the journal has no space for its next file, so messages are refused: {error}");
                    }
                    let _ = disk.remove(NEXT);
                    // No value comes before this one is answered: it only ends the pause early at the end.
                    if let Err(RecvTimeoutError::Disconnected) = wanted_rx.recv_timeout(PAUSE) {
                        return;
                    }
                }
            }
        };
        if is_full.swap(false, Relaxed) {
            info!("the journal has space again");
        }
        if filled_tx.send(file).is_err() {
            return;
        }
    }
}
