//! How a text from a file or a pipe is read: without the mark that some editors put before it, and with the
//! line ends of every system. No I/O.
//!
//! Everything that the programs read as text goes through [`without_mark`] or [`decode`].

use std::io::{self, ErrorKind};

/// The byte order mark in UTF-8. Editors of Windows put it at the beginning of a file.
pub const MARK: &str = "\u{feff}";

/// Returns the bytes of a text without the byte order mark at its beginning.
///
/// # Errors
/// `InvalidData` when the mark is that of UTF-16 or UTF-32: one line for people.
pub fn without_mark(bytes: &[u8]) -> io::Result<&[u8]> {
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 0, 0xfe, 0xff, ..] = bytes {
        return Err(invalid("it is text in UTF-16 or UTF-32; save it as UTF-8"));
    }
    Ok(bytes.strip_prefix(MARK.as_bytes()).unwrap_or(bytes))
}

/// Decodes a text in UTF-8. Each of its lines ends with `\n`, whatever it ended with before.
///
/// # Errors
/// `InvalidData` when it is text in another encoding, or not text: one line for people.
pub fn decode(bytes: &[u8]) -> io::Result<String> {
    let bytes = without_mark(bytes)?;
    let text = std::str::from_utf8(bytes)
        .map_err(|error| invalid(&format!("byte {} is not UTF-8", error.valid_up_to() + 1)))?;
    // UTF-16 without a mark is valid UTF-8 where the letters are those of ASCII.
    if let Some(place) = text.find('\0') {
        return Err(invalid(&format!("byte {} is 0, so it is not text in UTF-8", place + 1)));
    }
    Ok(with_plain_ends(text))
}

/// Returns the text with `\n` in the place of every `\r\n`.
pub fn with_plain_ends(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// Returns a line without its end, which is `\n`, `\r\n`, or missing.
pub fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// Returns the error for a file that does not hold what it must hold.
pub(crate) fn invalid(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_and_the_line_ends_of_other_systems_are_no_part_of_a_text() {
        for (bytes, text) in [
            ("", ""),
            ("\u{feff}", ""),
            ("\u{feff}one\r\ntwo\r\n", "one\ntwo\n"),
            ("one\n\r\ntwo", "one\n\ntwo"),
            // Only the first mark is one, and only before a line end is this a part of it.
            ("\u{feff}\u{feff}a\rb", "\u{feff}a\rb"),
        ] {
            assert_eq!(decode(bytes.as_bytes()).unwrap(), text, "{bytes:?}");
        }
        for line in ["one", "one\n", "one\r\n", "one\r"] {
            assert_eq!(without_end(line), "one", "{line:?}");
        }
        assert_eq!(without_end(" \r \r\n"), " \r ");
    }

    #[test]
    fn a_text_in_another_encoding_is_refused_with_one_line() {
        let utf16: Vec<u8> = "\u{feff}lamp".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "\u{feff}lamp".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (bytes, reason) in [
            (&utf16[..], "save it as UTF-8"),
            (&big, "save it as UTF-8"),
            (&utf16[2..], "byte 2 is 0"),
            (b"\0\0\xfe\xff\0\0\0a", "save it as UTF-8"),
            (b"caf\xe9", "byte 4 is not UTF-8"),
        ] {
            let error = decode(bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.to_string().contains(reason) && !error.to_string().contains('\n'), "{error}");
        }
        without_mark(&utf16).unwrap_err();
        // What is taken as it is may have any other bytes.
        assert_eq!(without_mark(b"# caf\xe9").unwrap(), b"# caf\xe9");
    }
}
