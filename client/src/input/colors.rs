//! Takes the colours out of what a program prints, such as `ls --color=always`. On the thread that reads
//! standard input.
//!
//! A colour is `ESC [ 0 1 ; 3 4 m`: the sequence SGR, with semicolons or colons between its numbers. It may
//! begin with U+009B or the single byte 9B in the place of `ESC [`. Everything else stays as it is, other
//! escape sequences too, and so does a colour that the input ends in.

use std::io::{self, Read};

/// A colour has up to some 20 bytes, and several can stand in one sequence. What is longer is none, so that
/// no input fills the memory here. In bytes.
const LONGEST_COLOR: usize = 256;

const ESCAPE: u8 = 0x1b;
/// The control character CSI as a single byte. In UTF-8 it stands behind [`CONTROL`].
const CSI: u8 = 0x9b;
/// The first byte of the control characters from U+0080 on.
const CONTROL: u8 = 0xc2;

/// A reader without the colours of another one.
pub(crate) struct WithoutColors<R> {
    reader: R,
    /// The begin of what may become a colour.
    held: Vec<u8>,
    /// How many bytes are missing of a character. In one, the byte 9B is a part of it.
    missing: usize,
    /// What was read, has no colours any more, and was not asked for yet.
    ready: Vec<u8>,
}

impl<R: Read> WithoutColors<R> {
    pub(crate) fn new(reader: R) -> WithoutColors<R> {
        WithoutColors { reader, held: Vec::new(), missing: 0, ready: Vec::new() }
    }
}

impl<R: Read> Read for WithoutColors<R> {
    /// # Blocking
    /// On the other reader, until it has a byte that belongs to no colour, or has ended.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() {
            // What is held makes the result longer than what was read.
            let read = self.reader.read(buffer)?;
            if read == 0 {
                self.ready.append(&mut self.held);
                break;
            }
            buffer[..read].iter().for_each(|byte| self.take(*byte));
        }
        let count = self.ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.ready[..count]);
        self.ready.drain(..count);
        Ok(count)
    }
}

impl<R> WithoutColors<R> {
    fn take(&mut self, byte: u8) {
        let numbers = match self.held[..] {
            [ESCAPE, b'[', ref numbers @ ..] | [CONTROL, CSI, ref numbers @ ..] | [CSI, ref numbers @ ..] => {
                Some(numbers.len())
            }
            _ => None,
        };
        let goes_on = match (numbers, &self.held[..], byte) {
            (Some(_), _, b'm') => return self.held.clear(),
            (Some(length), _, b'0'..=b'9' | b';' | b':') => length < LONGEST_COLOR,
            (None, [ESCAPE], b'[') | (None, [CONTROL], CSI) => true,
            _ => false,
        };
        if !goes_on {
            self.ready.append(&mut self.held);
        }
        let begins = matches!(byte, ESCAPE | CONTROL) || byte == CSI && self.missing == 0;
        if goes_on || begins {
            self.held.push(byte);
        } else {
            self.ready.push(byte);
        }
        self.missing = match byte {
            0x80..0xc0 => self.missing.saturating_sub(1),
            0xc0..0xe0 => 1,
            0xe0..0xf0 => 2,
            0xf0.. => 3,
            _ => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    /// Gives one byte at a time, as a slow pipe may.
    struct Single<'b>(&'b [u8]);

    impl Read for Single<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(1);
            self.0.read(&mut buffer[..count])
        }
    }

    fn without_colors(bytes: &[u8]) -> Vec<u8> {
        let read = |reader: &mut dyn Read| {
            let mut left = Vec::new();
            reader.read_to_end(&mut left).unwrap();
            left
        };
        let left = read(&mut WithoutColors::new(bytes));
        assert_eq!(read(&mut WithoutColors::new(Single(bytes))), left, "wherever a read ends");
        assert_eq!(read(&mut BufReader::with_capacity(3, WithoutColors::new(bytes))), left);
        left
    }

    #[test]
    fn colours_go_and_everything_else_stays() {
        for (printed, said) in [
            ("\u{1b}[01;34mfolder\u{1b}[0m  file", "folder  file"),
            ("\u{1b}[m\u{1b}[38;2;1;2;3mtrue\u{1b}[39m", "true"),
            ("\u{1b}[38:2::1:2:3mcolons\u{1b}[4:3m", "colons"),
            ("\u{9b}31mred\u{9b}0m", "red"),
            ("é\u{9b}1mé", "éé"),
            // 9B is a part of these characters.
            ("四0m\u{6db}1m🧛2m\u{15b}", "四0m\u{6db}1m🧛2m\u{15b}"),
            ("\u{1b}[2J\u{1b}[K\u{1b}[1;1H", "\u{1b}[2J\u{1b}[K\u{1b}[1;1H"),
            ("\u{1b}[?25l\u{1b}[>4;2m\u{1b}[1 q", "\u{1b}[?25l\u{1b}[>4;2m\u{1b}[1 q"),
            ("\u{1b}]0;title\u{7}\u{1b}(B\u{1b}m[31m", "\u{1b}]0;title\u{7}\u{1b}(B\u{1b}m[31m"),
            ("\u{1b}\u{1b}[1ma\u{1b}[3\u{1b}[1mb", "\u{1b}a\u{1b}[3b"),
            ("\u{1b}[31\nm", "\u{1b}[31\nm"),
            ("the end is cut \u{1b}[0", "the end is cut \u{1b}[0"),
            ("\u{1b}", "\u{1b}"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(without_colors(printed.as_bytes())).unwrap(), said, "{printed:?}");
        }
        // The single byte is no UTF-8, but what is left of it is.
        assert_eq!(
            without_colors(b"a\x9b31mred\x9bm\xc3\xa9\x9b1m\xe5\x9b\x9b2m"),
            b"ared\xc3\xa9\xe5\x9b\x9b2m"
        );
    }

    #[test]
    fn no_input_fills_the_memory_with_what_may_become_a_colour() {
        let long = [b"\x1b[".to_vec(), vec![b'1'; 10_000], b"m".to_vec()].concat();
        let mut reader = WithoutColors::new(&long[..]);
        assert_eq!(without_colors(&long), long);
        let mut buffer = [0; 1024];
        assert!(reader.read(&mut buffer).unwrap() > 0 && reader.held.capacity() <= 4 * LONGEST_COLOR);
    }
}
