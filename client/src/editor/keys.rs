//! Turns the bytes of a keyboard into keys. No I/O.
//!
//! A terminal sends a character as itself, Ctrl with a letter as one byte below 32, and other keys as a
//! sequence that begins with ESC. It marks a paste at its beginning and at its end, where it was asked to.

use crate::editor::line::Motion;

/// A longer sequence is no key that a terminal has. Its rest is skipped.
const MAX_SEQUENCE_BYTES: usize = 16;
/// A longer paste is not taken at all.
pub(crate) const MAX_PASTE_BYTES: usize = 1024 * 1024;
const PASTE_END: &[u8] = b"\x1b[201~";

/// What one key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Character(char),
    Enter,
    Tab,
    /// To move the cursor.
    Go(Motion),
    /// To delete what the cursor would pass.
    Delete(Motion),
    PutBack,
    Up,
    Down,
    Search,
    Cancel,
    Redraw,
    Interrupt,
    /// Ctrl-D.
    End,
    Suspend,
    Paste(String),
    /// A paste of more than [`MAX_PASTE_BYTES`].
    PasteTooLong,
}

/// What the bytes so far are the beginning of.
#[derive(Debug, Default)]
pub(crate) enum Keys {
    #[default]
    Ground,
    Escape,
    /// Behind `ESC [` or `ESC O`.
    Sequence(Vec<u8>),
    /// Behind `ESC ]` and the like: a text for the terminal, up to BEL or `ESC \\`. Whether the last byte was
    /// ESC.
    Text(bool),
    /// The first bytes of a character.
    Character(Vec<u8>),
    /// A paste, with its end mark as soon as that has come, and whether it is too long. Its beginning is
    /// forgotten then.
    Paste(Vec<u8>, bool),
}

impl Keys {
    /// Takes the next byte. Returns a key if it completes one.
    pub(crate) fn take(&mut self, byte: u8) -> Option<Key> {
        match std::mem::take(self) {
            Keys::Ground => self.begin(byte),
            Keys::Escape => match byte {
                b'[' | b'O' => self.wait(Keys::Sequence(Vec::new())),
                b']' | b'P' | b'X' | b'^' | b'_' => self.wait(Keys::Text(false)),
                b'b' | b'B' => Some(Key::Go(Motion::WordBefore)),
                b'f' | b'F' => Some(Key::Go(Motion::WordAfter)),
                0x7f | 0x08 => Some(Key::Delete(Motion::WordBefore)),
                0x1b => self.wait(Keys::Escape),
                // A control character after a lone ESC is a key of its own.
                0..=31 => self.begin(byte),
                _ => None,
            },
            Keys::Sequence(mut sequence) => {
                if sequence.len() < MAX_SEQUENCE_BYTES {
                    sequence.push(byte);
                }
                match byte {
                    // The Linux console sends `ESC [ [ A` for F1.
                    b'[' if sequence.len() == 1 => self.wait(Keys::Sequence(sequence)),
                    0x40..=0x7e => self.end_sequence(&sequence),
                    0x20..=0x3f => self.wait(Keys::Sequence(sequence)),
                    _ => self.begin(byte),
                }
            }
            Keys::Text(escaped) => match byte {
                0x07 => None,
                b'\\' if escaped => None,
                // A person has typed these keys, and no terminal sends them inside a text.
                b'\r' | b'\n' | 0x03 | 0x04 => self.begin(byte),
                _ => self.wait(Keys::Text(byte == 0x1b)),
            },
            Keys::Character(mut bytes) => {
                bytes.push(byte);
                match std::str::from_utf8(&bytes) {
                    Ok(text) => text.chars().next().map(Key::Character),
                    Err(error) if error.error_len().is_none() => self.wait(Keys::Character(bytes)),
                    Err(_) if byte.is_ascii() => self.begin(byte),
                    Err(_) => Some(Key::Character(char::REPLACEMENT_CHARACTER)),
                }
            }
            Keys::Paste(mut bytes, mut too_long) => {
                bytes.push(byte);
                if let Some(text) = bytes.strip_suffix(PASTE_END) {
                    let text = String::from_utf8_lossy(text).into_owned();
                    return Some(if too_long { Key::PasteTooLong } else { Key::Paste(text) });
                }
                if bytes.len() > MAX_PASTE_BYTES + PASTE_END.len() {
                    too_long = true;
                    bytes.drain(..bytes.len() - PASTE_END.len());
                }
                self.wait(Keys::Paste(bytes, too_long))
            }
        }
    }

    /// No key is complete yet.
    fn wait(&mut self, begun: Keys) -> Option<Key> {
        *self = begun;
        None
    }

    fn begin(&mut self, byte: u8) -> Option<Key> {
        match byte {
            0x1b => self.wait(Keys::Escape),
            // Some terminals and most scripts send a line feed for Enter.
            b'\r' | b'\n' => Some(Key::Enter),
            b'\t' => Some(Key::Tab),
            0x7f | 0x08 => Some(Key::Delete(Motion::CharacterBefore)),
            0..=31 => control(byte | 0x40),
            32..=126 => Some(Key::Character(byte.into())),
            _ => self.wait(Keys::Character(vec![byte])),
        }
    }

    fn end_sequence(&mut self, sequence: &[u8]) -> Option<Key> {
        match sequence {
            b"A" => Some(Key::Up),
            b"B" => Some(Key::Down),
            b"C" => Some(Key::Go(Motion::CharacterAfter)),
            b"D" => Some(Key::Go(Motion::CharacterBefore)),
            b"H" | b"1~" | b"7~" => Some(Key::Go(Motion::Start)),
            b"F" | b"4~" | b"8~" => Some(Key::Go(Motion::End)),
            b"3~" => Some(Key::Delete(Motion::CharacterAfter)),
            b"1;5C" | b"1;3C" => Some(Key::Go(Motion::WordAfter)),
            b"1;5D" | b"1;3D" => Some(Key::Go(Motion::WordBefore)),
            b"200~" => self.wait(Keys::Paste(Vec::new(), false)),
            _ => None,
        }
    }
}

/// The key for Ctrl with this letter. Letters that readline uses mean the same here.
fn control(letter: u8) -> Option<Key> {
    Some(match letter {
        b'A' => Key::Go(Motion::Start),
        b'B' => Key::Go(Motion::CharacterBefore),
        b'C' => Key::Interrupt,
        b'D' => Key::End,
        b'E' => Key::Go(Motion::End),
        b'F' => Key::Go(Motion::CharacterAfter),
        b'G' => Key::Cancel,
        b'K' => Key::Delete(Motion::End),
        b'L' => Key::Redraw,
        b'N' => Key::Down,
        b'P' => Key::Up,
        b'R' => Key::Search,
        b'U' => Key::Delete(Motion::Start),
        b'W' => Key::Delete(Motion::WordBefore),
        b'Y' => Key::PutBack,
        b'Z' => Key::Suspend,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut keys = Keys::default();
        bytes.iter().filter_map(|byte| keys.take(*byte)).collect()
    }

    #[test]
    fn sequences_are_keys_and_never_text() {
        assert_eq!(
            keys(b"\x1b[A\x1bOB\x1b[1;5C\x1b[3~\x1bb"),
            [
                Key::Up,
                Key::Down,
                Key::Go(Motion::WordAfter),
                Key::Delete(Motion::CharacterAfter),
                Key::Go(Motion::WordBefore)
            ]
        );
        // A function key, the report of a mouse, and a sequence without end leave nothing behind.
        for unknown in ["\x1b[15~x", "\x1b[<0;12;3Mx", "\x1b[[Ax", &format!("\x1b[{}mx", "1;".repeat(100))] {
            assert_eq!(keys(unknown.as_bytes()), [Key::Character('x')], "{unknown:?}");
        }
        assert_eq!(keys(b"\x1b\x03"), [Key::Interrupt]);
        // The title of a window, and a color that a terminal reports.
        for text in ["\x1b]0;title\x07x", "\x1b]11;rgb:0/0/0\x1b\\x", "\x1bP1$r0m\x1b\\x"] {
            assert_eq!(keys(text.as_bytes()), [Key::Character('x')], "{text:?}");
        }
        assert_eq!(keys(b"\x1b]\x03"), [Key::Interrupt], "nobody is locked out by a text without an end");
    }

    #[test]
    fn a_character_of_several_bytes_is_one_key() {
        assert_eq!(keys("é🦀".as_bytes()), [Key::Character('é'), Key::Character('🦀')]);
        assert_eq!(keys(b"\xc3x"), [Key::Character('x')]);
        assert_eq!(keys(b"\xff\xffx").last(), Some(&Key::Character('x')));
    }

    #[test]
    fn a_paste_is_one_key_whatever_it_has_inside() {
        assert_eq!(
            keys(b"\x1b[200~a\r\x03\x1b[A\x1b[201~b"),
            [Key::Paste("a\r\x03\x1b[A".into()), Key::Character('b')]
        );
    }

    #[test]
    fn a_paste_that_is_too_long_is_skipped_to_its_end() {
        let mut bytes = b"\x1b[200~".to_vec();
        bytes.resize(MAX_PASTE_BYTES + 100, b'x');
        bytes.extend_from_slice(b"\x1b[201~y");
        assert_eq!(keys(&bytes), [Key::PasteTooLong, Key::Character('y')]);
        // The mark begins within what is taken, and ends behind it.
        for more in 0..=PASTE_END.len() {
            let mut bytes = b"\x1b[200~".to_vec();
            bytes.resize(bytes.len() + MAX_PASTE_BYTES + more, b'x');
            bytes.extend_from_slice(b"\x1b[201~y");
            assert_eq!(keys(&bytes).last(), Some(&Key::Character('y')), "{more}");
        }
    }
}
