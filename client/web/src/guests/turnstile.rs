//! Lets some guests join at a time, and the others wait in line. The server lets 64 connections of one
//! address be unjoined, and a class that scans one code comes at once.

use crossbeam_channel::{bounded, Receiver, Sender};
use std::time::Duration;

/// How many guests join at the same moment, each with up to two connections: half of what the server allows.
const AT_A_TIME: usize = 16;
/// How long a guest waits in line.
const PATIENCE: Duration = Duration::from_secs(20);

/// The places of those who join.
pub(crate) struct Turnstile {
    free_tx: Sender<()>,
    free_rx: Receiver<()>,
}

/// A place. It is free again when this is dropped.
pub(crate) struct Turn(Sender<()>);

impl Turnstile {
    /// All places are free.
    pub(crate) fn new() -> Turnstile {
        let (free_tx, free_rx) = bounded(AT_A_TIME);
        let filled = (0..AT_A_TIME).all(|_| free_tx.try_send(()).is_ok());
        debug_assert!(filled, "the channel has space for all places");
        Turnstile { free_tx, free_rx }
    }

    /// Waits for a place.
    ///
    /// # Blocking
    /// On those who join, for 20 s at most. Then it returns `None`.
    pub(crate) fn pass(&self) -> Option<Turn> {
        self.free_rx.recv_timeout(PATIENCE).ok().map(|()| Turn(self.free_tx.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // There are never more places than the channel has space for.
        let _ = self.0.try_send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn the_next_one_passes_when_a_place_is_free_again() {
        let turnstile = Turnstile::new();
        let mut turns: Vec<Turn> = (0..AT_A_TIME).map_while(|_| turnstile.pass()).collect();
        assert!(turns.len() == AT_A_TIME && turnstile.free_rx.is_empty());
        thread::scope(|scope| {
            let next = scope.spawn(|| turnstile.pass().is_some());
            turns.pop();
            assert!(next.join().unwrap());
        });
        drop(turns);
        assert_eq!(turnstile.free_rx.len(), AT_A_TIME);
    }
}
