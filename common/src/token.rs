//! The secret that a client makes for its session, by which it knows its server's callback.

use serde::{Deserialize, Serialize};
use std::{fmt, fs::File, io, io::Read};

/// 16 random bytes. Its `Debug` form hides them, and `==` takes the same time wherever two tokens differ.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Token([u8; Token::BYTES]);

impl Token {
    /// The length of a token.
    pub const BYTES: usize = 16;
    /// The place holder in the hello of a call connection, which has no session yet.
    pub const NONE: Token = Token([0; Token::BYTES]);

    /// A new token from the operating system's random source.
    ///
    /// # Errors
    /// When the system has no readable `/dev/urandom`.
    pub fn random() -> io::Result<Token> {
        let mut bytes = [0; Token::BYTES];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Token(bytes))
    }

    /// The token with these bytes.
    pub const fn from_bytes(bytes: [u8; Token::BYTES]) -> Token {
        Token(bytes)
    }

    /// The bytes that go on the wire.
    pub const fn as_bytes(&self) -> &[u8; Token::BYTES] {
        &self.0
    }

    /// The first eight bytes as a number: a cheap random `u64` where no secret is needed.
    pub fn to_u64(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Token) -> bool {
        // No early exit: how long a comparison takes must not tell how many bytes were guessed right.
        self.0.iter().zip(other.0).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
