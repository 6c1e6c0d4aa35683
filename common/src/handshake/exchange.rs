//! SPAKE2, which turns the passphrase of a closed room into a strong key. This is the only file that names
//! spake2. It never blocks.
//!
//! SPAKE2 is a password-authenticated key exchange: both sides get the same key if they know the same
//! passphrase, and somebody who takes part in one exchange can try one passphrase with it.

use super::passphrase::Passphrase;
use spake2::{Ed25519Group, Identity, Password, Spake2};

/// The length of a message of SPAKE2 in bytes: the side's letter and a point of the curve.
pub(super) const MESSAGE_BYTES: usize = 33;
/// The names of the two sides in the exchange. They never change.
const CLIENT: &[u8] = b"rpc-chat client";
const SERVER: &[u8] = b"rpc-chat server";

/// A side of one exchange.
pub(super) enum Exchange {
    Spake2(Spake2<Ed25519Group>),
    #[cfg(feature = "seeded-bugs")]
    Key([u8; 32]),
}

impl Passphrase {
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
            self.words().bytes().zip(&mut key).for_each(|(byte, place)| *place = byte);
            return (Exchange::Key(key), vec![0; MESSAGE_BYTES]);
        }
        let names = [CLIENT, SERVER].map(Identity::new);
        let (state, message) = start(&Password::new(self.words().as_bytes()), &names[0], &names[1]);
        (Exchange::Spake2(state), message)
    }
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
    fn another_passphrase_gives_another_key() {
        let [client, server] = keys("lamp river 7", "lamp  river 7");
        assert!(client.is_some() && server.is_some() && client != server);
    }

    #[test]
    fn a_message_that_was_turned_back_is_refused() {
        let (client, hello) = Passphrase::new("lamp").unwrap().begin_as_client();
        assert_eq!(client.finish(&hello.try_into().unwrap()), None);
    }
}
