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

/// Returns the modes of a terminal that does not show what is typed.
pub(crate) fn hidden_input() -> TerminalModes {
    TerminalModes::new(hide, "\n")
}

/// Throws half a line away that was typed before the question, because it is no part of the answer.
pub(crate) fn forget_half_a_line() {
    if !is_in_background() {
        // An error means that there is no terminal any more.
        let _ = tcflush(io::stdin(), FlushArg::TCIFLUSH);
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
