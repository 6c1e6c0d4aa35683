//! Keeps what a person types off the terminal while it is a passphrase. Any thread may call it.
//!
//! It is for a terminal in its ordinary line mode. The editor echoes nothing in any case. While the client is
//! in the background, the terminal is another program's, and nothing here touches it.

use chat_common::program::signals::{is_in_background, terminal_changes, terminal_is_back};
use nix::sys::termios::{
    tcflush, tcgetattr, tcsetattr, FlushArg, LocalFlags, SetArg, SpecialCharacterIndices, Termios,
};
use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A key with this code does nothing.
#[cfg(target_os = "linux")]
const NO_KEY: u8 = 0;
#[cfg(not(target_os = "linux"))]
const NO_KEY: u8 = 0xff;

/// Whether the terminal shows what is typed.
#[derive(Debug, Default)]
pub(crate) struct HiddenInput {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the client asks for a passphrase.
    is_asked: bool,
    /// The modes of the terminal before they were changed, while they are.
    original: Option<Termios>,
}

impl HiddenInput {
    /// Hides what is typed, until [`HiddenInput::restore`].
    pub(crate) fn hide(&self) {
        self.lock().is_asked = true;
        if let Err(error) = self.set_hidden() {
            log::warn!("the terminal shows what you type: {error}");
        }
    }

    fn set_hidden(&self) -> io::Result<()> {
        let mut state = self.lock();
        if !state.is_asked || is_in_background() {
            return Ok(());
        }
        if let Some(modes) = &state.original {
            return set(&hidden(modes));
        }
        let modes = tcgetattr(io::stdin())?;
        // Half a line that was typed before the question is no part of the answer.
        tcflush(io::stdin(), FlushArg::TCIFLUSH)?;
        terminal_changes("\n");
        set(&hidden(&modes))?;
        state.original = Some(modes);
        Ok(())
    }

    /// Hides again what is typed, if it is to be hidden. For a client that goes on after a stop, or is in the
    /// foreground again: a shell may have had the terminal meanwhile.
    pub(crate) fn hide_again(&self) {
        // An error means that there is no terminal any more.
        let _ = self.set_hidden();
    }

    /// Gives the terminal back as it was. More calls do no harm.
    pub(crate) fn restore(&self) {
        let mut state = self.lock();
        state.is_asked = false;
        if let Some(modes) = state.original.take().filter(|_| !is_in_background()) {
            // An error means that there is no terminal any more.
            let _ = set(&modes);
        }
        terminal_is_back();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hidden(original: &Termios) -> Termios {
    let mut hidden = original.clone();
    hidden.local_flags -= LocalFlags::ECHO | LocalFlags::ECHOE | LocalFlags::ECHOK;
    // The cursor goes to the next row after the passphrase.
    hidden.local_flags |= LocalFlags::ECHONL;
    // These would give the terminal to a shell without an echo. Ctrl-C leaves.
    hidden.control_chars[SpecialCharacterIndices::VQUIT as usize] = NO_KEY;
    hidden.control_chars[SpecialCharacterIndices::VSUSP as usize] = NO_KEY;
    hidden
}

/// Sets them at once, because a terminal whose output is stopped would never be drained.
fn set(modes: &Termios) -> io::Result<()> {
    Ok(tcsetattr(io::stdin(), SetArg::TCSANOW, modes)?)
}
