//! The passphrase of a room, and SPAKE2, which turns it into a strong key. This is the only file that names
//! spake2. It never blocks.
//!
//! SPAKE2 is a password-authenticated key exchange: both sides get the same key if they know the same
//! passphrase, and somebody who takes part in one exchange can try one passphrase with it.

use crate::text::text_file::{without_end, MARK};
use spake2::{Ed25519Group, Identity, Password, Spake2};
use std::fmt;

/// The length of a message of SPAKE2 in bytes: the side's letter and a point of the curve.
pub(super) const MESSAGE_BYTES: usize = 33;
/// The names of the two sides in the exchange. They never change.
const CLIENT: &[u8] = b"rpc-chat client";
const SERVER: &[u8] = b"rpc-chat server";
/// The longest passphrase, in bytes. Nobody types more, and a file that was named by mistake is noticed.
const MAX_BYTES: usize = 1024;

/// The passphrase of a closed room. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase {
    words: String,
    #[cfg(feature = "seeded-bugs")]
    used_as_key: Option<KeyUse>,
}

/// When the handshake of a call connection uses a passphrase that is its pre-shared key.
#[cfg(feature = "seeded-bugs")]
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

/// A side of one exchange.
pub(super) enum Exchange {
    Spake2(Spake2<Ed25519Group>),
    #[cfg(feature = "seeded-bugs")]
    Key([u8; 32]),
}

impl Passphrase {
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
                #[cfg(feature = "seeded-bugs")]
                used_as_key: None,
            }),
        }
    }

    /// Returns the passphrase, to be shown to the operator who has made it up.
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
    #[cfg(feature = "seeded-bugs")]
    #[must_use]
    pub fn used_as_key(self, when: KeyUse) -> Passphrase {
        Passphrase { used_as_key: Some(when), ..self }
    }

    /// Returns whether the handshake has the bug, and uses the passphrase in its first message.
    #[cfg(feature = "seeded-bugs")]
    pub(super) fn is_early_key(&self) -> bool {
        self.used_as_key == Some(KeyUse::Early)
    }

    /// Begins an exchange as the client. Returns its state and the message for the server.
    pub(super) fn begin_as_client(&self) -> (Exchange, Vec<u8>) {
        self.begin(Spake2::start_a)
    }

    /// Begins an exchange as the server. Returns its state and the message for the client.
    pub(super) fn begin_as_server(&self) -> (Exchange, Vec<u8>) {
        self.begin(Spake2::start_b)
    }

    fn begin(
        &self,
        start: impl FnOnce(&Password, &Identity, &Identity) -> (Spake2<Ed25519Group>, Vec<u8>),
    ) -> (Exchange, Vec<u8>) {
        #[cfg(feature = "seeded-bugs")]
        if self.used_as_key.is_some() {
            let mut key = [0; 32];
            self.words.bytes().zip(&mut key).for_each(|(byte, place)| *place = byte);
            return (Exchange::Key(key), vec![0; MESSAGE_BYTES]);
        }
        let names = [CLIENT, SERVER].map(Identity::new);
        let (state, message) = start(&Password::new(self.words.as_bytes()), &names[0], &names[1]);
        (Exchange::Spake2(state), message)
    }
}

/// Whether the line has ASCII letters and white space alone.
fn is_plain(line: &str) -> bool {
    line.chars().all(|c| c.is_ascii_alphabetic() || c.is_whitespace())
}

fn fold(line: &str) -> String {
    line.split_whitespace().map(str::to_ascii_lowercase).collect::<Vec<_>>().join(" ")
}

impl Exchange {
    /// Takes the peer's message, and returns the key. Sides with different passphrases get different keys.
    /// Returns `None` if the message is not one of the other side.
    pub(super) fn finish(self, message: &[u8; MESSAGE_BYTES]) -> Option<[u8; 32]> {
        match self {
            Exchange::Spake2(state) => state.finish(message).ok()?.try_into().ok(),
            #[cfg(feature = "seeded-bugs")]
            Exchange::Key(key) => Some(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(client: &str, server: &str) -> [Option<[u8; 32]>; 2] {
        let [client, server] = [client, server].map(|words| Passphrase::new(words).unwrap());
        let (client, hello) = client.begin_as_client();
        let (server, answer) = server.begin_as_server();
        assert_eq!([hello.len(), answer.len()], [MESSAGE_BYTES; 2]);
        [client.finish(&answer.try_into().unwrap()), server.finish(&hello.try_into().unwrap())]
    }

    #[test]
    fn the_same_passphrase_gives_the_same_key_and_each_exchange_another() {
        let [client, server] = keys("lamp river", "lamp river\r\nnot the first line");
        assert!(client.is_some() && client == server);
        assert_ne!(keys("lamp river", "lamp river")[0], client);
    }

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
    fn another_passphrase_gives_another_key() {
        let [client, server] = keys("lamp river 7", "lamp  river 7");
        assert!(client.is_some() && server.is_some() && client != server);
    }

    #[test]
    fn a_message_that_was_turned_back_is_refused() {
        let (client, hello) = Passphrase::new("lamp").unwrap().begin_as_client();
        assert_eq!(client.finish(&hello.try_into().unwrap()), None);
    }

    #[test]
    fn an_empty_passphrase_and_a_long_one_are_refused() {
        for wrong in ["", "  \n lamp", "\u{feff}", "\u{feff}\r\n", &"x".repeat(MAX_BYTES + 1)] {
            assert!(Passphrase::new(wrong).is_err(), "{wrong:?}");
        }
    }
}
