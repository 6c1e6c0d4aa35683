//! The modes of the terminal on standard input, while the client needs others: an editor gets every key at
//! once and echoes none, and a passphrase is not shown. Any thread may call it.
//!
//! Nothing here changes them while the client is in the background: the terminal is another program's then.

use chat_common::program::signals::{is_in_background, terminal_changes, terminal_is_back};
use nix::sys::termios::{tcgetattr, tcsetattr, SetArg, Termios};
use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The terminal's modes as they were before, and which ones it has now.
#[derive(Debug)]
pub(crate) struct TerminalModes {
    /// Makes the client's modes of the original ones.
    change: fn(&mut Termios),
    /// What a deadly signal writes behind the typed line.
    last_words: &'static str,
    /// Protects the modes, so that two threads never set them at once. No lock is taken under it.
    modes: Mutex<Modes>,
}

#[derive(Debug)]
struct Modes {
    /// Unknown until the client is in the foreground: a shell that edits a line has changed them.
    original: Option<Termios>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The terminal has its own modes, and may get ours.
    Original,
    /// The terminal has our modes, or gets them in the foreground.
    Changed,
    /// The terminal has its own modes, and keeps them.
    Closed,
}

impl TerminalModes {
    /// Changes nothing yet.
    pub(crate) fn new(change: fn(&mut Termios), last_words: &'static str) -> TerminalModes {
        let modes = Modes { original: None, phase: Phase::Original };
        TerminalModes { change, last_words, modes: Mutex::new(modes) }
    }

    /// The terminal gets our modes. Returns whether it has them.
    pub(crate) fn enter(&self) -> io::Result<bool> {
        self.set_ours(|phase| phase != Phase::Closed)
    }

    /// Sets the modes once more, if the terminal should have them. A shell may have changed them meanwhile.
    pub(crate) fn enter_again(&self) -> io::Result<bool> {
        self.set_ours(|phase| phase == Phase::Changed)
    }

    fn set_ours(&self, may_set: fn(Phase) -> bool) -> io::Result<bool> {
        let mut modes = self.lock();
        if !may_set(modes.phase) {
            return Ok(false);
        }
        modes.phase = Phase::Changed;
        if is_in_background() {
            return Ok(false);
        }
        let original = match modes.original.take() {
            Some(original) => original,
            None => tcgetattr(io::stdin())?,
        };
        let mut ours = original.clone();
        (self.change)(&mut ours);
        modes.original = Some(original);
        terminal_changes(self.last_words);
        set(&ours).map(|()| true)
    }

    /// The terminal has its own modes until the next [`TerminalModes::enter`].
    pub(crate) fn leave(&self) -> io::Result<()> {
        self.restore(Phase::Original)
    }

    /// The terminal has its own modes, for good.
    #[cfg(feature = "edit")]
    pub(crate) fn close(&self) -> io::Result<()> {
        self.restore(Phase::Closed)
    }

    fn restore(&self, phase: Phase) -> io::Result<()> {
        let mut modes = self.lock();
        // The modes of a closed terminal are another program's by now.
        let were_ours = std::mem::replace(&mut modes.phase, phase) == Phase::Changed;
        let restored = match &modes.original {
            Some(original) if were_ours && !is_in_background() => set(original),
            _ => Ok(()),
        };
        terminal_is_back();
        restored
    }

    fn lock(&self) -> MutexGuard<'_, Modes> {
        self.modes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets them at once, because a terminal whose output is stopped would never be drained.
fn set(modes: &Termios) -> io::Result<()> {
    Ok(tcsetattr(io::stdin(), SetArg::TCSANOW, modes)?)
}
