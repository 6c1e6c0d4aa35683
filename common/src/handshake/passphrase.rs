//! A passphrase: that of a closed room, or that of the operators. It never blocks.

use super::state;
use crate::text::text_file::{without_end, MARK};
use std::{fmt, hint::black_box, path::Path};

/// The longest passphrase, in bytes. Nobody types more, and a file that was named by mistake is noticed.
const MAX_BYTES: usize = 1024;

/// A passphrase. `Debug` hides it.
#[derive(Clone)]
pub struct Passphrase {
    words: String,
    #[cfg(all(feature = "closed", feature = "seeded-bugs"))]
    pub(super) used_as_key: Option<KeyUse>,
}

/// When the handshake of a call connection uses a passphrase that is its pre-shared key.
#[cfg(all(feature = "closed", feature = "seeded-bugs"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// In its first message.
    Early,
    /// In its last message.
    Late,
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Takes the same time for all passphrases, so it tells nobody how much of a wrong one is right.
impl PartialEq for Passphrase {
    fn eq(&self, other: &Passphrase) -> bool {
        let [own, other] = [&self.words, &other.words].map(String::as_bytes);
        let byte = |bytes: &[u8], index: usize| bytes.get(index).copied().unwrap_or_default();
        let differ = |sum: u8, index: usize| black_box(sum | byte(own, index) ^ byte(other, index));
        (0..MAX_BYTES).fold(u8::from(own.len() != other.len()), differ) == 0
    }
}

impl Eq for Passphrase {}

impl Passphrase {
    /// Reads the first line of a file. `what` is the word for the file.
    ///
    /// # Blocking
    /// On the disk, and on the writer of a pipe.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no passphrase. One line for people.
    pub fn read(path: &Path, what: &str) -> Result<Passphrase, String> {
        let line = state::read_first_line(path)
            .map_err(|error| format!("cannot read {what} {}: {error}", path.display()))?;
        Passphrase::new(&line).map_err(|why| format!("{what} {}: {why}", path.display()))
    }

    /// Takes the first line of `text` as the passphrase, without a byte order mark.
    ///
    /// In a passphrase of ASCII letters and white space alone, capital letters count as small ones, and any
    /// white space between two words counts as one space. Every byte of another passphrase counts.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn new(text: &str) -> Result<Passphrase, String> {
        let text = text.strip_prefix(MARK).unwrap_or(text);
        let line = without_end(text.split_inclusive('\n').next().unwrap_or_default());
        let words = if is_plain(line) { fold(line) } else { line.to_owned() };
        match words.len() {
            0 => Err("the passphrase is empty".to_owned()),
            length if length > MAX_BYTES => {
                Err(format!("the passphrase has {length} bytes, and {MAX_BYTES} are the most"))
            }
            _ => Ok(Passphrase {
                words,
                #[cfg(all(feature = "closed", feature = "seeded-bugs"))]
                used_as_key: None,
            }),
        }
    }

    /// Returns the words of the passphrase.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// Returns whether capital letters and the number of spaces make no difference.
    pub fn is_folded(&self) -> bool {
        is_plain(&self.words)
    }

    /// Returns whether it has letters beyond ASCII. Unicode writes most letters with an accent in two ways,
    /// which look the same: as one character, or as a letter and a mark.
    pub fn has_two_spellings(&self) -> bool {
        !self.words.is_ascii()
    }

    /// The bug "passphrase as pre-shared key": no exchange takes place.
    #[cfg(all(feature = "closed", feature = "seeded-bugs"))]
    #[must_use]
    pub fn used_as_key(self, when: KeyUse) -> Passphrase {
        Passphrase { used_as_key: Some(when), ..self }
    }

    /// Returns whether the handshake has the bug, and uses the passphrase in its first message.
    #[cfg(all(feature = "closed", feature = "seeded-bugs"))]
    pub(super) fn is_early_key(&self) -> bool {
        self.used_as_key == Some(KeyUse::Early)
    }
}

/// Whether the line has ASCII letters and white space alone.
fn is_plain(line: &str) -> bool {
    line.chars().all(|c| c.is_ascii_alphabetic() || c.is_whitespace())
}

fn fold(line: &str) -> String {
    line.split_whitespace().map(str::to_ascii_lowercase).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_plain_letters_may_be_typed_in_any_case_with_any_white_space() {
        for typed in ["Lamp  River", " \tLAMP\u{a0}\u{3000}river \r\n", "\u{feff}lamp river", "lamp river\r"]
        {
            let passphrase = Passphrase::new(typed).unwrap();
            assert_eq!(passphrase.words(), "lamp river", "{typed:?}");
            assert!(passphrase.is_folded() && !passphrase.has_two_spellings());
        }
    }

    #[test]
    fn every_byte_counts_of_a_passphrase_with_another_character() {
        for words in ["Lamp  7", " lamp-river ", "Zoë  Lamp", "zoe\u{308}", "lamp\u{200b}river", "Ａ", "ı K"]
        {
            for typed in [words.to_owned(), format!("\u{feff}{words}\r\n"), format!("{words}\nmore")] {
                assert_eq!(Passphrase::new(&typed).unwrap().words(), words, "{typed:?}");
            }
            let passphrase = Passphrase::new(words).unwrap();
            assert!(!passphrase.is_folded(), "{words}");
            assert_eq!(passphrase.has_two_spellings(), !words.is_ascii(), "{words}");
        }
    }

    #[test]
    fn an_empty_passphrase_and_a_long_one_are_refused() {
        for wrong in ["", "  \n lamp", "\u{feff}", "\u{feff}\r\n", &"x".repeat(MAX_BYTES + 1)] {
            assert!(Passphrase::new(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_passphrase_is_only_itself() {
        let [words, same, longer, other] =
            ["lamp river", "LAMP  river", "lamp river 7", "lamp rivet"].map(|w| Passphrase::new(w).unwrap());
        assert_eq!(words, same);
        for different in [longer, other] {
            assert_ne!(words, different);
            assert_ne!(different, words);
        }
    }
}
