//! The token: a secret that a client makes for its session. A callback that shows it comes from the client's
//! server.
//!
//! Only [`Token::random`] does I/O, on its caller's thread.

use serde::{Deserialize, Serialize};
use std::{fmt, fs::File, io, io::Read};

/// 16 random bytes. `Debug` hides them. `==` takes the same time wherever two tokens differ.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Token([u8; Token::BYTES]);

impl Token {
    /// The length of a token in bytes.
    pub const BYTES: usize = 16;
    /// The placeholder in the hello of a call connection, which has no session yet.
    pub const NONE: Token = Token([0; Token::BYTES]);

    /// Returns a new token from the operating system's source of random bytes.
    ///
    /// # Errors
    /// When the system has no readable `/dev/urandom`.
    pub fn random() -> io::Result<Token> {
        let mut bytes = [0; Token::BYTES];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Token(bytes))
    }

    /// Returns the token with these bytes.
    pub const fn from_bytes(bytes: [u8; Token::BYTES]) -> Token {
        Token(bytes)
    }

    /// Returns the bytes that go on the wire.
    pub const fn as_bytes(&self) -> &[u8; Token::BYTES] {
        &self.0
    }

    /// Returns the first eight bytes as a number: a random `u64` for uses that need no secret.
    pub fn to_u64(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Token) -> bool {
        // There is no early exit, because the time of a comparison must not tell how many bytes of a guess
        // are right.
        self.0.iter().zip(other.0).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
