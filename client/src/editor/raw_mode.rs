//! The modes of the terminal: while a person edits, it passes every key on at once and echoes none.
//!
//! Nothing here changes them while the client is in the background: the terminal is another program's then.

use crate::screen::LAST_WORDS;
use chat_common::program::signals::{is_in_background, terminal_changes, terminal_is_back};
use nix::sys::termios::{
    tcgetattr, tcsetattr, InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios,
};
use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The terminal's modes as they were before, and which ones it has now.
#[derive(Debug)]
pub(crate) struct RawMode {
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
    Raw,
    /// The terminal has its own modes, and keeps them.
    Closed,
}

impl RawMode {
    /// Reads the terminal's modes, and changes nothing yet.
    ///
    /// # Errors
    /// When standard input is not a terminal.
    pub(crate) fn of_stdin() -> io::Result<RawMode> {
        let found = tcgetattr(io::stdin())?;
        let original = (!is_in_background()).then_some(found);
        Ok(RawMode { modes: Mutex::new(Modes { original, phase: Phase::Original }) })
    }

    /// The terminal passes each key on, and the keys for signals as well. Returns whether it does.
    pub(crate) fn enter(&self) -> io::Result<bool> {
        let mut modes = self.lock();
        if modes.phase == Phase::Closed || is_in_background() {
            return Ok(false);
        }
        let original = match modes.original.take() {
            Some(original) => original,
            None => tcgetattr(io::stdin())?,
        };
        let raw = raw(&original);
        (modes.original, modes.phase) = (Some(original), Phase::Raw);
        terminal_changes(LAST_WORDS);
        set(&raw)?;
        Ok(true)
    }

    /// Sets the modes once more, if the terminal should have them. A shell may have changed them meanwhile.
    pub(crate) fn enter_again(&self) -> io::Result<()> {
        let modes = self.lock();
        match &modes.original {
            Some(original) if modes.phase == Phase::Raw && !is_in_background() => set(&raw(original)),
            _ => Ok(()),
        }
    }

    /// The terminal has its own modes until the next [`RawMode::enter`].
    pub(crate) fn leave(&self) -> io::Result<()> {
        self.restore(Phase::Original)
    }

    /// The terminal has its own modes, for good.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.restore(Phase::Closed)
    }

    fn restore(&self, phase: Phase) -> io::Result<()> {
        let mut modes = self.lock();
        // The modes of a closed terminal are another program's by now.
        let was_raw = std::mem::replace(&mut modes.phase, phase) == Phase::Raw;
        let restored = match &modes.original {
            Some(original) if was_raw && !is_in_background() => set(original),
            _ => Ok(()),
        };
        terminal_is_back();
        restored
    }

    fn lock(&self) -> MutexGuard<'_, Modes> {
        self.modes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn raw(original: &Termios) -> Termios {
    let mut raw = original.clone();
    // Output processing stays, so that a line of the log still begins in the first column.
    raw.input_flags -= InputFlags::BRKINT
        | InputFlags::ICRNL
        | InputFlags::INLCR
        | InputFlags::IGNCR
        | InputFlags::ISTRIP
        | InputFlags::IXON;
    raw.local_flags -= LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::IEXTEN | LocalFlags::ISIG;
    raw.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
    raw.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
    raw
}

/// Sets them at once, because a terminal whose output is stopped would never be drained.
fn set(modes: &Termios) -> io::Result<()> {
    Ok(tcsetattr(io::stdin(), SetArg::TCSANOW, modes)?)
}
