//! Reads records from a stream, and returns the bytes that they hold. Runs on the one thread that reads the
//! stream.
//!
//! Nothing of a record is returned before all of it is here and is known to be the peer's. It keeps one
//! record at most, and an idle stream keeps none.

use super::noise::{Seal, LENGTH_BYTES, RECORD_BYTES, TAG_BYTES};
use std::io::{self, ErrorKind};

/// The least that is read at once, in bytes: more than a record with an ordinary message. A longer record is
/// read in as many steps as the system needs.
const READ_BYTES: usize = 512;

/// The records of one direction of a stream.
#[derive(Debug, Default)]
pub(crate) struct Opener {
    /// How many records were opened.
    opened: u64,
    /// What has come and is not opened yet: the beginning of a record, or a whole one and more behind it.
    sealed: Vec<u8>,
    /// What the last record held, and how much of it was returned.
    plain: Vec<u8>,
    returned: usize,
}

impl Opener {
    /// Returns an opener for a stream whose first sealed bytes have come already.
    pub(crate) fn new(sealed: Vec<u8>) -> Opener {
        Opener { sealed, ..Opener::default() }
    }

    /// Returns whether something has come: a byte of a record counts. If nothing has, it calls `read` once.
    /// `Ok(false)` is the end of the stream.
    pub(crate) fn has_begun(&mut self, read: impl FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<bool> {
        Ok(self.returned < self.plain.len()
            || !self.sealed.is_empty()
            || self.read_more(READ_BYTES, read)? > 0)
    }

    /// Puts bytes into `buffer` and returns their number; 0 is the end of the stream. It calls `read` for
    /// what is missing of a record.
    ///
    /// # Errors
    /// `InvalidData` for a record that is not the peer's next one. `UnexpectedEof` when the stream ends
    /// inside a record. What `read` reports; nothing is lost then.
    pub(crate) fn read(
        &mut self,
        seal: &Seal,
        buffer: &mut [u8],
        mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        while self.returned == self.plain.len() {
            let whole = match self.sealed.first_chunk() {
                None => LENGTH_BYTES,
                Some(length) => LENGTH_BYTES + checked_length(*length)?,
            };
            if self.sealed.len() < whole || whole == LENGTH_BYTES {
                let missing = whole - self.sealed.len();
                if self.read_more(missing.max(READ_BYTES), &mut read)? == 0 {
                    return if self.sealed.is_empty() { Ok(0) } else { Err(ErrorKind::UnexpectedEof.into()) };
                }
                continue;
            }
            let record = &self.sealed[LENGTH_BYTES..whole];
            self.plain.clear();
            self.plain.resize(record.len(), 0);
            let length = seal.open(self.opened, record, &mut self.plain).map_err(|_| {
                self.plain.clear();
                not_genuine()
            })?;
            self.plain.truncate(length);
            self.opened += 1;
            self.returned = 0;
            self.sealed.drain(..whole);
        }
        let rest = &self.plain[self.returned..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.returned += count;
        if self.returned == self.plain.len() {
            self.returned = 0;
            self.plain.clear();
            self.plain.shrink_to(READ_BYTES);
            self.sealed.shrink_to(READ_BYTES);
        }
        Ok(count)
    }

    /// Calls `read` once, for `most` bytes at most. What has come stays where it is if that fails.
    fn read_more(
        &mut self,
        most: usize,
        mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let before = self.sealed.len();
        self.sealed.resize(before + most, 0);
        let result = read(&mut self.sealed[before..]);
        self.sealed.truncate(before + result.as_ref().copied().unwrap_or(0));
        result
    }
}

/// Returns the length of a record. It is the only part that is not sealed, so it is checked before anything
/// is allocated; a length that was changed makes the record fail to open.
fn checked_length(bytes: [u8; LENGTH_BYTES]) -> io::Result<usize> {
    match u16::from_le_bytes(bytes).into() {
        length if length > TAG_BYTES && length <= RECORD_BYTES => Ok(length),
        _ => Err(not_genuine()),
    }
}

fn not_genuine() -> io::Error {
    ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use super::{super::noise::tests::pair, *};

    /// Reads everything from `bytes`, `step` bytes at a time.
    fn read_all(seal: &Seal, mut bytes: &[u8], step: usize) -> io::Result<Vec<u8>> {
        let (mut opener, mut plain, mut buffer) = (Opener::default(), Vec::new(), [0; 100]);
        loop {
            let read = |buffer: &mut [u8]| {
                let count = bytes.len().min(step).min(buffer.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                bytes = &bytes[count..];
                Ok(count)
            };
            match opener.read(seal, &mut buffer, read)? {
                0 => return Ok(plain),
                count => plain.extend_from_slice(&buffer[..count]),
            }
        }
    }

    #[test]
    fn what_is_sealed_is_read_in_pieces_of_any_length() {
        let text: Vec<u8> = (0..70_000).map(|at| (at % 251) as u8).collect();
        for step in [1, 2, 3, 511, 16_384, 100_000] {
            let [near, far] = pair(1 << 24);
            let mut sealed = near.seal(b"first").unwrap();
            sealed.extend(near.seal(&text).unwrap());
            assert_eq!(read_all(&far, &sealed, step).unwrap(), [b"first", &text[..]].concat());
        }
    }

    #[test]
    fn a_byte_that_is_changed_anywhere_is_noticed() {
        let [near, far] = pair(1 << 24);
        let sealed = near.seal(b"a short text").unwrap();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                assert!(read_all(&far, &changed, 1000).is_err(), "byte {at}, bit {bit}");
            }
        }
        assert_eq!(read_all(&far, &sealed, 1000).unwrap(), b"a short text");
    }

    #[test]
    fn a_record_that_is_repeated_left_out_moved_turned_back_or_cut_is_noticed() {
        let [near, far] = pair(1 << 24);
        let [a, b] = [&b"one"[..], b"two"].map(|text| near.seal(text).unwrap());
        for wrong in [[&a[..], &a].concat(), b.clone(), [&b[..], &a].concat(), [&a[..], &b[..9]].concat()] {
            assert!(read_all(&far, &wrong, 1000).is_err());
        }
        // The dialling side seals what only the other may open.
        assert!(read_all(&near, &a, 1000).is_err());
        assert_eq!(read_all(&far, &[a, b].concat(), 1000).unwrap(), b"onetwo");
    }

    #[test]
    fn a_record_that_has_begun_counts_and_an_end_inside_it_is_no_end() {
        let [near, far] = pair(1 << 24);
        let sealed = near.seal(b"text").unwrap();
        let mut opener = Opener::default();
        assert!(!opener.has_begun(|_| Ok(0)).unwrap());
        let first = |buffer: &mut [u8]| {
            buffer[0] = sealed[0];
            Ok(1)
        };
        assert!(opener.has_begun(first).unwrap());
        assert!(opener.has_begun(|_| panic!("a byte has come already")).unwrap());
        let error = opener.read(&far, &mut [0; 9], |_| Ok(0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
