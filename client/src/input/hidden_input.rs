//! Keeps what a person types off the terminal while it is a passphrase. Any thread may call it.
//!
//! It is for a terminal in its ordinary line mode. The editor echoes nothing in any case.

use crate::input::terminal_modes::TerminalModes;
use chat_common::program::signals::is_in_background;
use nix::sys::termios::{tcflush, FlushArg, LocalFlags, SpecialCharacterIndices, Termios};
use std::io;

/// A key with this code does nothing.
#[cfg(target_os = "linux")]
const NO_KEY: u8 = 0;
#[cfg(not(target_os = "linux"))]
const NO_KEY: u8 = 0xff;

/// A terminal in line mode, which can hide what is typed.
pub(crate) struct HiddenInput(TerminalModes);

impl HiddenInput {
    /// Hides nothing yet.
    pub(crate) fn new() -> HiddenInput {
        HiddenInput(TerminalModes::new(hide, "\n"))
    }

    /// Hides what is typed from now on. If the passphrase was not `asked_before`, half a line that was typed
    /// before the question is thrown away, because it is no part of the answer.
    pub(crate) fn hide(&self, asked_before: bool) {
        if !asked_before && !is_in_background() {
            // An error means that there is no terminal any more.
            let _ = tcflush(io::stdin(), FlushArg::TCIFLUSH);
        }
        if let Err(error) = self.0.enter() {
            log::warn!("the terminal shows what you type: {error}");
        }
    }

    /// Hides it once more, if it should be hidden. A shell may have changed the terminal meanwhile.
    pub(crate) fn hide_again(&self) {
        let _ = self.0.enter_again();
    }

    /// Shows what is typed from now on.
    pub(crate) fn show(&self) {
        let _ = self.0.leave();
    }
}

fn hide(modes: &mut Termios) {
    modes.local_flags -= LocalFlags::ECHO | LocalFlags::ECHOE | LocalFlags::ECHOK;
    // The cursor goes to the next row after the passphrase.
    modes.local_flags |= LocalFlags::ECHONL;
    // These would give the terminal to a shell without an echo. Ctrl-C leaves.
    modes.control_chars[SpecialCharacterIndices::VQUIT as usize] = NO_KEY;
    modes.control_chars[SpecialCharacterIndices::VSUSP as usize] = NO_KEY;
}
