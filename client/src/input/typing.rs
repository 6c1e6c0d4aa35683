//! What a person types on a terminal: keys that are no text, lines that the terminal cuts, and pastes.
//!
//! Two threads run here, one after the other. `stdin` reads lines and notes when each of them came; `paste`
//! collects those that come together, and asks the [`PasteGuard`] what to pass on.
//!
//! `stdin` MUST NOT wait for the client: then the lines that a person types during a long call would come
//! together, and look like a paste. So a channel with more space than a person can fill stands between the
//! two, and each line in it has its time.

use crate::input::{
    cannot_read, keys::strip_keys, paste_guard::PasteGuard, read_line, to_text, TerminalEvent, Typed,
    MAX_PIECE_BYTES,
};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::{
    borrow::Cow,
    io::{self, BufRead},
    time::{Duration, Instant},
};

/// A terminal in line mode keeps this much of a line, and throws the rest of it away. (Linux does; what is
/// typed after the limit changes nothing but the last byte.) So a line of this length may be cut. In bytes.
const CUT_LINE_BYTES: usize = 4095;
/// Lines that come within this time of each other are a burst. Nobody types a line so fast.
const FIRST_LINE_PAUSE: Duration = Duration::from_millis(20);
/// A burst that has begun ends after this time. A slow terminal, or one behind a network, passes a paste on
/// in parts.
const NEXT_LINE_PAUSE: Duration = Duration::from_millis(100);

/// Passes each typed line on, without the keys in it that are no text, until the end of the input or of the
/// client.
///
/// # Blocking
/// On `reader`, without a limit, and on `pass`, which returns false after the end of the client.
pub fn read_typed_loop(reader: impl BufRead, mut pass: impl FnMut(Typed) -> bool) {
    if let Err(error) = read_typed(reader, &mut pass) {
        pass(Typed::Failed(cannot_read(&error)));
    }
}

fn read_typed(mut reader: impl BufRead, pass: &mut impl FnMut(Typed) -> bool) -> io::Result<()> {
    let (mut keys_seen, mut ended, mut goes_on) = (false, false, true);
    while goes_on && !ended {
        let mut bytes = Vec::new();
        ended = read_line(&mut reader, MAX_PIECE_BYTES, &mut bytes)?;
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        if line.len() >= CUT_LINE_BYTES {
            goes_on = pass(Typed::Notice(TerminalEvent::LinesCut(1)));
        } else if !bytes.is_empty() {
            let line = to_text(line);
            let text = strip_keys(&line);
            if matches!(text, Cow::Owned(_)) && !std::mem::replace(&mut keys_seen, true) {
                goes_on = pass(Typed::Notice(TerminalEvent::KeysIgnored));
            }
            goes_on = goes_on && pass(Typed::Line(text.into_owned()));
        }
    }
    if ended {
        pass(Typed::End);
    }
    Ok(())
}

/// Passes on what was typed, and holds what was pasted, until the end of the input or of the client.
///
/// # Blocking
/// On the channel and on `pass`. A line waits some 20 ms, because the next one decides whether it was typed.
pub fn guard_pastes_loop(typed_rx: &Receiver<(Instant, Typed)>, mut pass: impl FnMut(Typed) -> bool) {
    let mut guard = PasteGuard::default();
    // When the burst is over. `None` without a burst.
    let mut quiet_at: Option<Instant> = None;
    loop {
        let typed = match quiet_at {
            Some(quiet_at) => typed_rx.recv_deadline(quiet_at),
            None => typed_rx.recv().map_err(RecvTimeoutError::from),
        };
        let mut passed = Vec::new();
        // The client may have been busy, so the deadline may be over for a line that came before it.
        let came = typed.as_ref().map_or_else(|_| Instant::now(), |(came, _)| *came);
        if quiet_at.is_some_and(|quiet_at| came > quiet_at) {
            passed = guard.end_burst();
            quiet_at = None;
        }
        let mut ended = false;
        match typed {
            Ok((_, Typed::Line(line))) if !line.contains('\n') => guard.add(&line),
            Ok((_, Typed::Notice(TerminalEvent::LinesCut(1)))) => guard.add_cut(),
            Ok((_, last @ (Typed::End | Typed::Failed(_)))) => {
                passed.extend(guard.end_input());
                passed.push(last);
                ended = true;
            }
            // The editor has several lines as one.
            Ok((_, edited @ (Typed::Text(_) | Typed::Line(_)))) => {
                passed.extend(guard.end_burst());
                passed.push(edited);
            }
            Ok((_, other)) => passed.push(other),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => ended = true,
        }
        quiet_at = match guard.burst_lines() {
            0 => None,
            1 => Some(quiet_at.unwrap_or(came + FIRST_LINE_PAUSE)),
            _ => Some(came + NEXT_LINE_PAUSE),
        };
        let goes_on = passed.into_iter().all(&mut pass);
        if ended || !goes_on {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_terminal_is_not_read_after_its_end() {
        // Each read of a terminal gives a line, or what Ctrl-D has ended; after that it can be read again.
        let mut reads = [&b"one\n"[..], b"two", b"", b"typed after the end"].into_iter();
        let terminal = io::BufReader::new(Reads(&mut reads));
        let mut passed = Vec::new();
        read_typed_loop(terminal, |input| {
            passed.push(input);
            true
        });
        let line = |text: &str| Typed::Line(text.into());
        assert_eq!(passed, [line("one"), line("two"), Typed::End]);
        assert_eq!(reads.count(), 1);
    }

    struct Reads<'a, I>(&'a mut I);

    impl<I: Iterator<Item = &'static [u8]>> Read for Reads<'_, I> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.next().unwrap_or_default();
            buffer[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }
    }
}
