//! Makes the next file of the journal ahead of use, on the thread `journal-fill`.
//!
//! A full disk shows here first, while the file in use still has space (see [`space`](super::space)). The
//! thread then tries again each second, and the room refuses messages meanwhile.

use super::{
    disk::{Disk, DiskFile},
    sector::SECTOR,
};
use chat_common::trace::{self, Slice};
use crossbeam_channel::{bounded, Receiver, RecvTimeoutError, Sender};
use log::{info, warn};
use std::{
    io,
    sync::Arc,
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

/// What is known of the next file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Ready,
    /// It is being made.
    Filling,
    /// There is no space for it. The thread goes on trying.
    Full,
}

/// The thread, for the broadcaster.
#[derive(Debug)]
pub(super) struct Filler<D: Disk> {
    /// Gets the length of a file that is to be made, in sectors. `None` at the end.
    wanted_tx: Option<Sender<u32>>,
    /// Gets each file, and `None` before it if it cannot be made at once.
    filled_rx: Receiver<Option<D::File>>,
    thread: Option<JoinHandle<()>>,
    next: Next,
    file: Option<D::File>,
    /// The length of the next file, in sectors.
    sectors: u32,
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
        let thread = thread::Builder::new().name("journal-fill".to_owned()).spawn(trace::starts(
            format_args!("journal-fill"),
            move || {
                fill_loop(&*disk, &wanted_rx, &filled_tx);
            },
        ))?;
        let (wanted_tx, thread) = (Some(wanted_tx), Some(thread));
        let mut filler = Filler { wanted_tx, filled_rx, thread, next: Next::Filling, file: None, sectors };
        filler.want(sectors);
        Ok(filler)
    }

    /// Asks for the next file, in the place of one that is ready. Not while one is being made.
    pub(super) fn want(&mut self, sectors: u32) {
        (self.next, self.file, self.sectors) = (Next::Filling, None, sectors);
        // The channel has a place, because the wish before was granted.
        if let Some(wanted_tx) = &self.wanted_tx {
            let _ = wanted_tx.try_send(sectors);
        }
    }

    /// Asks for the next file anew, because there was no space for its name. The disk counts as full until
    /// the file is there.
    pub(super) fn want_again(&mut self, sectors: u32) {
        self.want(sectors);
        self.next = Next::Full;
    }

    /// Returns what is known of the next file. Never blocks.
    pub(super) fn next(&mut self) -> Next {
        while let Ok(filled) = self.filled_rx.try_recv() {
            self.learn(filled);
        }
        self.next
    }

    /// Waits until more is known of a file that is being made.
    ///
    /// # Blocking
    /// On the disk.
    pub(super) fn wait(&mut self) {
        // Without the thread there are no more files.
        let _waits = Slice::begin("waits for the channel");
        let filled = self.filled_rx.recv().unwrap_or_default();
        self.learn(filled);
    }

    fn learn(&mut self, filled: Option<D::File>) {
        self.next = if filled.is_some() { Next::Ready } else { Next::Full };
        self.file = filled;
    }

    /// Returns the length of the next file, in sectors.
    pub(super) fn sectors(&self) -> u32 {
        self.sectors
    }

    /// Returns the next file.
    ///
    /// # Blocking
    /// On the disk, while it is being made.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn take(&mut self) -> io::Result<D::File> {
        if self.next() == Next::Filling {
            self.wait();
        }
        let full = || io::Error::new(io::ErrorKind::StorageFull, "no space for the next file");
        self.file.take().ok_or_else(full)
    }
}

impl<D: Disk> Drop for Filler<D> {
    fn drop(&mut self) {
        self.wanted_tx = None;
        // The thread may wait for a place.
        self.filled_rx = crossbeam_channel::never();
        // A thread that panicked has nothing more to say here.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The whole life of the thread.
///
/// # Blocking
/// On the disk. On the channels: a wish wakes it, a file that is taken, and the end of the journal.
fn fill_loop<D: Disk>(disk: &D, wanted_rx: &Receiver<u32>, filled_tx: &Sender<Option<D::File>>) {
    while let Ok(sectors) = wanted_rx.recv() {
        let mut is_full = false;
        let file = loop {
            match fill(disk, sectors) {
                Ok(file) => break file,
                Err(error) => {
                    let _ = disk.remove(NEXT);
                    if !std::mem::replace(&mut is_full, true) {
                        warn!("the journal has no space for its next file, so messages are refused: {error}");
                        if filled_tx.send(None).is_err() {
                            return;
                        }
                    }
                    // No wish comes before this one is granted: it only ends the pause early at the end.
                    if let Err(RecvTimeoutError::Disconnected) = wanted_rx.recv_timeout(PAUSE) {
                        return;
                    }
                }
            }
        };
        if is_full {
            info!("the journal has space again");
        }
        if filled_tx.send(Some(file)).is_err() {
            return;
        }
    }
}
