//! The modes of a terminal that passes every key on at once, the keys for signals as well, and echoes none.

use crate::{input::TerminalModes, screen::LAST_WORDS};
use nix::sys::termios::{InputFlags, LocalFlags, SpecialCharacterIndices, Termios};

pub(crate) fn raw_mode() -> TerminalModes {
    TerminalModes::new(make_raw, LAST_WORDS)
}

fn make_raw(modes: &mut Termios) {
    // Output processing stays, so that a line of the log still begins in the first column.
    modes.input_flags -= InputFlags::BRKINT
        | InputFlags::ICRNL
        | InputFlags::INLCR
        | InputFlags::IGNCR
        | InputFlags::ISTRIP
        | InputFlags::IXON;
    modes.local_flags -= LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::IEXTEN | LocalFlags::ISIG;
    modes.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
    modes.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
}
