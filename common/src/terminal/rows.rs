//! Rows on a terminal. Where a person types, a new row goes above the line being typed, which stays complete.
//!
//! The text of a person must never wrap by itself (see [`wrap`](super::wrap)). Two guards stand against that:
//! a row is never wider than the terminal, and the terminal does not wrap while the row is written.
//!
//! The terminal stays in its ordinary line mode: the system edits the typed line, and the program cannot read
//! it. The program does not need to. It moves the row with the cursor down by one, and puts the new row in
//! its place. For each row:
//!
//! | sequence | effect |
//! |---|---|
//! | VT | moves down by one; on the last row everything scrolls up |
//! | `ESC 7` | saves this cursor position, which is the final one |
//! | `CSI A`, `CSI G` | moves up to the typed row, and to its first column |
//! | `CSI ?7l` | turns wrapping off, in case the computed width is wrong |
//! | `CSI L` | inserts a row; the typed row moves down |
//! | | the row |
//! | `CSI ?7h`, `ESC 8` | turns wrapping on; restores the saved position |
//!
//! There is no line end and no carriage return in it. The system's terminal driver writes up to such a
//! character at once, and could echo a typed key after it, in the middle of the sequence. Each row is written
//! in one piece.
//!
//! A typed line that is longer than the terminal is wide takes several rows, and the program cannot know how
//! many. The new row then goes above the last of them. Each typed row stays complete, and Enter sends the
//! complete line. If the typed line ends exactly at the right edge, the next key may be echoed over its last
//! cell. Terminals cause this: they forget that the next character has to wrap.

/// Moves to the first column and deletes the row, which may have half a typed line. For the last line of all.
pub const CLEAR_ROW: &str = "\x1b[G\x1b[K";

/// Returns the sequence that puts a row above the line being typed.
pub fn above_typed_line(row: &str) -> String {
    format!("\x0b\x1b7\x1b[A\x1b[G{}\x1b8", unwrapped(&format!("\x1b[L{row}")))
}

/// Returns the sequence that writes a row without wrapping, in case the computed width is wrong.
pub fn unwrapped(row: &str) -> String {
    format!("\x1b[?7l{row}\x1b[?7h")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_never_wraps_by_itself() {
        for row in [unwrapped("text"), above_typed_line("text")] {
            let (before, after) = row.split_once("text").unwrap();
            assert!(before.contains("\x1b[?7l") && after.contains("\x1b[?7h"), "{row:?}");
        }
    }
}
