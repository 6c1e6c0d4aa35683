//! Reads standard input: line by line in a loop, as JSON objects, or all of it as one message. `typing.rs`
//! reads a terminal. `person.rs` knows what a line means.
//!
//! The loop runs on the thread `stdin`. Nobody joins that thread, because std cannot wake a blocked read.

mod colors;
mod command;
#[cfg(any(feature = "closed", feature = "edit"))]
mod hidden_input;
#[cfg(not(any(feature = "closed", feature = "edit")))]
#[path = "no_hidden_input.rs"]
mod hidden_input;
mod json;
mod keys;
mod objects;
mod paste_guard;
mod person;
mod shown;
#[cfg(any(feature = "closed", feature = "edit"))]
mod terminal_modes;
mod typed;
mod typing;

pub(crate) use command::commands;
#[cfg(feature = "edit")]
pub(crate) use command::{false_slash, is_for_one_person, verbs};
pub use json::{parse_nested_object, parse_object, Value};
pub use objects::{parse_line, read_objects_loop, Mistake};
pub use person::{Asks, Person};
pub use shown::{Shown, TerminalEvent};
#[cfg(feature = "edit")]
pub(crate) use terminal_modes::TerminalModes;
pub use typed::Typed;
pub use typing::{guard_pastes_loop, read_typed_loop};

use crate::{
    input::{colors::WithoutColors, command::is_for_everybody},
    settings::EMPTY_MESSAGE_ERROR,
};
use chat_common::text::{
    invisible::trim,
    text_file::{with_plain_ends, without_end, without_mark},
};
use std::{
    borrow::Cow,
    io::{self, BufRead, BufReader, Read},
};

/// A longer line is passed on in pieces, so that input without line ends cannot fill the memory. In bytes.
const MAX_PIECE_BYTES: usize = 64 * 1024;
/// The memory holds one message from standard input until it is sent. In bytes.
const MAX_MESSAGE_BYTES: u64 = 1024 * 1024;

/// Passes each line on, until the end of the input or of the client, or until the input cannot be read. The
/// colours of a program's output are left out.
///
/// # Blocking
/// On `reader`, without a limit, and on `pass`, which returns false after the end of the client.
pub fn read_lines_loop(reader: impl Read, mut pass: impl FnMut(Typed) -> bool) {
    if let Err(error) = read_lines(BufReader::new(WithoutColors::new(reader)), &mut pass) {
        // A line that the error cuts is not sent.
        pass(Typed::Failed(cannot_read(&error)));
    }
}

fn read_lines(mut reader: impl BufRead, pass: &mut impl FnMut(Typed) -> bool) -> io::Result<()> {
    let mut bytes = Vec::new();
    let (mut inside_line, mut is_first, mut is_refused) = (false, true, false);
    loop {
        let free = (MAX_PIECE_BYTES - bytes.len()) as u64;
        (&mut reader).take(free).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            pass(Typed::End);
            return Ok(());
        }
        let cut = bytes.len() == MAX_PIECE_BYTES && !bytes.ends_with(b"\n");
        let rest = bytes.split_off(if cut { complete_characters(&bytes) } else { bytes.len() });
        let text = to_text(if std::mem::take(&mut is_first) { without_mark(&bytes)? } else { &bytes });
        // A piece that ends inside a line has no line end, whatever its last character is.
        let line = if cut { &*text } else { without_end(&text) }.to_owned();
        // The rest of a command would be said to everybody, and not to the one whom it names.
        is_refused = if inside_line { is_refused } else { cut && !is_for_everybody(&line) };
        // Only the first piece of a line can be a command.
        let goes_on = match inside_line {
            false if is_refused => {
                pass(Typed::Mistake(format!("a command has at most {MAX_PIECE_BYTES} bytes")))
            }
            false => pass(Typed::Line(line)),
            true => is_refused || pass(Typed::Text(line)),
        };
        if !goes_on {
            return Ok(());
        }
        inside_line = cut;
        bytes = rest;
    }
}

/// Reads a line with its line end, and its first `limit` bytes at most: a program may leave a terminal in a
/// mode in which lines have no end. Returns whether the input has ended.
fn read_line(reader: &mut impl BufRead, limit: usize, line: &mut Vec<u8>) -> io::Result<bool> {
    let limit = limit as u64;
    let mut rest = Vec::new();
    let mut read = reader.take(limit).read_until(b'\n', line)?;
    let mut complete = line.ends_with(b"\n");
    // Less than the limit is the end of the input. A terminal would go on after its end, so it is not asked
    // again.
    while !complete && read as u64 == limit {
        rest.clear();
        read = reader.take(limit).read_until(b'\n', &mut rest)?;
        complete = rest.ends_with(b"\n");
    }
    Ok(!complete)
}

/// Why standard input gave no message.
#[derive(Debug)]
pub enum MessageError {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is too long, or empty. One line for people.
    Invalid(String),
}

/// Returns all of the input as one message, without the line ends at its end, and without colours.
///
/// # Blocking
/// On `reader`, until its end.
///
/// # Errors
/// When the input cannot be read, is too long, or is empty.
pub fn read_message(reader: impl Read) -> Result<String, MessageError> {
    let mut bytes = Vec::new();
    WithoutColors::new(reader)
        .take(MAX_MESSAGE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(MessageError::Unreadable)?;
    if bytes.len() as u64 > MAX_MESSAGE_BYTES {
        return Err(MessageError::Invalid(format!("--send - takes at most {MAX_MESSAGE_BYTES} bytes")));
    }
    let bytes = without_mark(&bytes).map_err(MessageError::Unreadable)?;
    match with_plain_ends(&to_text(bytes)).trim_end_matches(['\n', '\r']) {
        text if trim(text).is_empty() => Err(MessageError::Invalid(EMPTY_MESSAGE_ERROR.into())),
        text => Ok(text.to_owned()),
    }
}

/// Returns the sentence for a person whose input cannot be read.
pub fn cannot_read(error: &io::Error) -> String {
    format!("cannot read standard input: {error}")
}

/// Decodes UTF-8. Other people's terminals expect text, so invalid bytes are replaced, with a warning.
fn to_text(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    if matches!(text, Cow::Owned(_)) {
        log::warn!("the input is not UTF-8; invalid bytes are sent as \u{fffd}");
    }
    text
}

/// Returns how many of these bytes are complete characters, because a cut must not split a character.
fn complete_characters(bytes: &[u8]) -> usize {
    let is_start = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    match bytes.iter().rposition(is_start) {
        // The last character may be incomplete, so it goes with the next piece.
        Some(start) if start > 0 && bytes.len() - start <= 4 => start,
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(input: impl Read) -> Vec<Typed> {
        let mut pieces = Vec::new();
        read_lines_loop(input, |piece| {
            pieces.push(piece);
            true
        });
        pieces
    }

    fn line(text: &str) -> Typed {
        Typed::Line(text.into())
    }

    #[test]
    fn lines_may_end_with_or_without_a_carriage_return() {
        assert_eq!(pieces(&b""[..]), [Typed::End]);
        assert_eq!(pieces(&b"a\r\n\nb"[..]), [line("a"), line(""), line("b"), Typed::End]);
        assert_eq!(pieces(&b"\xff!\n"[..]), [line("\u{fffd}!"), Typed::End]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        assert_eq!(
            pieces(&b"\xef\xbb\xbf/who\r\n\xef\xbb\xbfb"[..]),
            [line("/who"), line("\u{feff}b"), Typed::End]
        );
        assert_eq!(read_message(&b"\xef\xbb\xbfone\r\ntwo\r\n"[..]).unwrap(), "one\ntwo");
        assert!(matches!(read_message(&b"\xef\xbb\xbf\r\n"[..]), Err(MessageError::Invalid(_))));
    }

    #[test]
    fn the_colours_of_a_program_are_in_no_line_and_in_no_message() {
        let printed = &b"\x1b[01;34mfolder\x1b[0m\n\x1b[31m/who\x1b[m\n\x1b[2J\n"[..];
        assert_eq!(pieces(printed), [line("folder"), line("/who"), line("\u{1b}[2J"), Typed::End]);
        assert_eq!(read_message(printed).unwrap(), "folder\n/who\n\u{1b}[2J");
        assert!(matches!(read_message(&b"\x1b[1m\n\x1b[0m"[..]), Err(MessageError::Invalid(_))));
    }

    #[test]
    fn text_in_utf_16_is_not_read_and_the_reason_says_how_to_save_it() {
        let reason = "it is text in UTF-16 or UTF-32; save it as UTF-8";
        let failed = Typed::Failed(format!("cannot read standard input: {reason}"));
        assert_eq!(pieces(&b"\xff\xfeh\0i\0\n\0"[..]), [failed]);
        match read_message(&b"\xfe\xff\0h\0i"[..]) {
            Err(MessageError::Unreadable(error)) => assert_eq!(error.to_string(), reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_input_that_fails_gives_what_came_before_and_the_reason() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let pieces = pieces((&b"a\n"[..]).chain(Broken));
        let failed = Typed::Failed("cannot read standard input: broken".into());
        assert_eq!(pieces, [line("a"), failed]);
    }

    #[test]
    fn one_message_is_not_empty_and_has_a_maximum_length() {
        assert_eq!(read_message(&b"one\n\ntwo\r\n\n"[..]).unwrap(), "one\n\ntwo");
        let why = |reader: &mut dyn Read| match read_message(reader) {
            Err(MessageError::Invalid(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(why(&mut &b" \n"[..]).contains("not empty"));
        assert!(why(&mut io::repeat(b'x')).contains("at most 1048576 bytes"));
    }

    #[test]
    fn a_very_long_line_arrives_in_pieces_and_loses_nothing() {
        let long = "é🦀/".repeat(MAX_PIECE_BYTES / 3);
        let pieces = pieces(format!("//{long}\nnext").as_bytes());
        let texts: Vec<&str> = pieces
            .iter()
            .map(|piece| match piece {
                Typed::Line(text) | Typed::Text(text) => text.as_str(),
                _ => "",
            })
            .collect();
        let (last, first) = texts[..texts.len() - 1].split_last().unwrap();
        assert_eq!((first.concat(), *last), (format!("//{long}"), "next"));
        assert!(matches!(pieces[0], Typed::Line(_)) && matches!(pieces[1], Typed::Text(_)));
        assert_eq!(pieces[pieces.len() - 2], line("next"));
    }

    #[test]
    fn nothing_of_a_very_long_command_is_said_to_everybody() {
        let long = "x".repeat(3 * MAX_PIECE_BYTES);
        let refused = Typed::Mistake("a command has at most 65536 bytes".into());
        for command in ["/msg Bob ", " /msg Bob ", "/me ", "/nonsense "] {
            let input = format!("{command}{long}\nnext");
            assert_eq!(pieces(input.as_bytes()), [refused.clone(), line("next"), Typed::End], "{command}");
        }
        // This one has as much as fits.
        let command = format!("/msg Bob {}\n", &long[..MAX_PIECE_BYTES - 10]);
        assert_eq!(pieces(command.as_bytes()), [line(command.trim_end()), Typed::End]);
    }
}
