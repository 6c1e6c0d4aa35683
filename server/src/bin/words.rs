//! Passphrases that the server makes up: four words of a list. Runs on the main thread.
//!
//! The list has 2^10 words, so four of them are 40 bits. That is enough because nobody can try them without
//! the running server (SPAKE2), and the server allows few guesses. An address has 5 guesses a minute, 2.6
//! million a year, and half of 2^40 takes it 200,000 years. All addresses together have no limit, and need
//! none: 1,000 guesses a second, which take 12,000 addresses, are 3e10 a year, and half of 2^40 takes them 17
//! years.

use chat_common::{handshake::state, wire::token::Token};
use std::{io, path::Path};

/// Short common words, no two of which differ in one letter alone.
const LIST: &str = include_str!("words.txt");
/// The number of words in the list is 2 to the power of this.
const BITS: u32 = 10;
/// The words of a passphrase.
const COUNT: u32 = 4;

/// Returns a new passphrase.
///
/// # Errors
/// When the system has no random bytes.
pub(crate) fn made_up() -> io::Result<String> {
    let words: Vec<&str> = LIST.split_whitespace().collect();
    let number = Token::random()?.to_u64();
    let chosen = (0..COUNT).map(|place| words[(number >> (place * BITS)) as usize % (1 << BITS)]);
    Ok(chosen.collect::<Vec<_>>().join(" "))
}

/// Makes a file with a new passphrase, for its owner alone, unless there is one. Returns whether it did.
///
/// # Blocking
/// On the file system.
///
/// # Errors
/// When the file cannot be written, or the system has no random bytes. One line for people.
pub(crate) fn make_file(path: &Path) -> Result<bool, String> {
    if path.exists() {
        return Ok(false);
    }
    let words = made_up().map_err(|error| format!("no random bytes: {error}"))?;
    match state::secret(path).create(&words) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(format!("cannot write {}: {error}", path.display())),
        Ok(()) => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether one letter makes one word of the other: changed, added, or taken away.
    fn is_one_slip(one: &str, other: &str) -> bool {
        let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
        match long.len() - short.len() {
            0 => short.bytes().zip(long.bytes()).filter(|(one, other)| one != other).count() <= 1,
            1 => (0..long.len()).any(|at| [&long[..at], &long[at + 1..]].concat() == short),
            _ => false,
        }
    }

    #[test]
    fn the_list_has_1024_short_words_and_no_slip_makes_one_of_another() {
        let words: Vec<&str> = LIST.split_whitespace().collect();
        assert_eq!(words.len(), 1 << BITS);
        for (at, word) in words.iter().enumerate() {
            assert!((3..=6).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase()), "{word}");
            let alike = words[..at].iter().find(|other| is_one_slip(other, word));
            assert_eq!(alike, None, "{word}");
        }
    }

    #[test]
    fn a_passphrase_has_four_words_of_the_list_and_is_another_each_time() {
        let made = [(); 2].map(|()| made_up().unwrap());
        assert_ne!(made[0], made[1]);
        for passphrase in made {
            assert_eq!(passphrase.split(' ').count(), 4);
            assert!(
                passphrase.split(' ').all(|word| LIST.lines().any(|other| other == word)),
                "{passphrase}"
            );
        }
    }
}
