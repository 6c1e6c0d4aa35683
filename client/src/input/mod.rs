//! Standard input: the loop that passes its lines on, and the whole of it as one message. The loop runs on the thread `stdin`,
//! which is never joined, because std cannot wake a blocked read; everybody else can end without it. What lines mean is for
//! `command.rs`.

pub(crate) mod command;

use crate::settings::{channels::Input, options::NOTHING_TO_SEND};
use crossbeam_channel::Sender;
use std::io::{self, BufRead, Read};

/// A longer line is passed on in pieces, so that a pipe without line ends cannot fill the memory. In bytes.
const LONGEST_PIECE: usize = 64 * 1024;
/// One message from standard input is kept in memory until it is sent. In bytes.
const LONGEST_WHOLE: u64 = 1024 * 1024;

/// Passes each line on, until the end of input or of the session.
///
/// # Blocking
/// On `reader`, for ever; and on the channel, because a client that cannot send stops reading.
pub fn lines_loop(mut reader: impl BufRead, input: &Sender<Input>) {
    let mut bytes = Vec::new();
    let mut inside = false;
    loop {
        let room = (LONGEST_PIECE - bytes.len()) as u64;
        match (&mut reader).take(room).read_until(b'\n', &mut bytes) {
            Ok(_) if bytes.is_empty() => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                log::error!("standard input: {error}");
                break;
            }
        }
        let cut = bytes.len() == LONGEST_PIECE && !bytes.ends_with(b"\n");
        let rest = bytes.split_off(if cut { whole_characters(&bytes) } else { bytes.len() });
        let text = to_text(&bytes);
        let line = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
        // Only the beginning of a line can be a command.
        let piece = if inside { Input::Text(line.to_owned()) } else { Input::Line(line.to_owned()) };
        if input.send(piece).is_err() {
            return;
        }
        inside = cut;
        bytes = rest;
    }
    // Where this fails the session is over already.
    let _ = input.send(Input::End);
}

/// All of the input as one message, without the line ends at its end.
///
/// # Blocking
/// On `reader`, until its end.
///
/// # Errors
/// One line for people: it cannot be read, or there is too much of it, or nothing.
pub fn whole(reader: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    reader
        .take(LONGEST_WHOLE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot read the input: {error}"))?;
    if bytes.len() as u64 > LONGEST_WHOLE {
        return Err(format!("--send - takes at most {LONGEST_WHOLE} bytes"));
    }
    let text = to_text(&bytes);
    match text.trim_end_matches(['\n', '\r']) {
        text if text.trim().is_empty() => Err(NOTHING_TO_SEND.into()),
        text => Ok(text.to_owned()),
    }
}

/// Text from bytes that should be UTF-8. What is not is replaced, with a word about it: other people's terminals expect text.
fn to_text(bytes: &[u8]) -> String {
    match String::from_utf8_lossy(bytes) {
        std::borrow::Cow::Borrowed(text) => text.to_owned(),
        std::borrow::Cow::Owned(text) => {
            log::warn!("the input is not UTF-8; what cannot be read is sent as \u{fffd}");
            text
        }
    }
}

/// How many of these bytes make whole characters: a cut must not leave a part of one at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    let is_start = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    match bytes.iter().rposition(is_start) {
        // The last character may or may not be complete; it goes with the next piece.
        Some(start) if start > 0 && bytes.len() - start <= 4 => start,
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;

    fn pieces(bytes: &[u8]) -> Vec<Input> {
        let (tx, rx) = unbounded();
        lines_loop(bytes, &tx);
        rx.try_iter().collect()
    }

    fn line(text: &str) -> Input {
        Input::Line(text.into())
    }

    #[test]
    fn lines_end_as_they_do_on_any_system() {
        assert_eq!(pieces(b""), [Input::End]);
        assert_eq!(pieces(b"a\r\n\nb"), [line("a"), line(""), line("b"), Input::End]);
        assert_eq!(pieces(b"\xff!\n"), [line("\u{fffd}!"), Input::End]);
    }

    #[test]
    fn one_message_is_neither_empty_nor_endless() {
        assert_eq!(whole(&b"one\n\ntwo\r\n\n"[..]).as_deref(), Ok("one\n\ntwo"));
        assert!(whole(&b" \n"[..]).unwrap_err().contains("not empty"));
        assert!(whole(io::repeat(b'x')).unwrap_err().contains("at most 1048576 bytes"));
    }

    #[test]
    fn an_endless_line_comes_in_pieces_and_nothing_of_it_is_lost() {
        let long = "é🦀/".repeat(LONGEST_PIECE / 3);
        let pieces = pieces(format!("/{long}\nnext").as_bytes());
        let texts: Vec<&str> = pieces
            .iter()
            .map(|piece| match piece {
                Input::Line(text) | Input::Text(text) => text.as_str(),
                Input::End => "",
            })
            .collect();
        let (last, first) = texts[..texts.len() - 1].split_last().unwrap();
        assert_eq!((first.concat(), *last), (format!("/{long}"), "next"));
        assert!(matches!(pieces[0], Input::Line(_)) && matches!(pieces[1], Input::Text(_)));
        assert_eq!(pieces[pieces.len() - 2], line("next"));
    }
}
