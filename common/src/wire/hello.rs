//! The hello that opens every connection. Runs on its caller's thread, and never writes to a stream itself.
//!
//! The side that dials sends a [`Hello`]. The side that accepts answers with a status and a version.
//!
//! Invariant: the layout never changes, so that an old program and a new one can always refuse each other
//! clearly. For the same reason it does not depend on the codec.

use crate::wire::{error::RpcError, protocol::VERSION, status::Status, token::Token};
use std::io::{self, ErrorKind, Read};

/// The first eight bytes in both directions.
pub(crate) const MAGIC: [u8; 8] = *b"RPC-CHAT";
/// The lowest protocol version that this build speaks.
pub(crate) const LOWEST_VERSION: u16 = VERSION;
/// The highest protocol version that this build speaks.
pub const HIGHEST_VERSION: u16 = VERSION;
/// The length of a hello in bytes: magic, lowest version, highest version, role, token.
pub const HELLO_BYTES: usize = 8 + 2 + 2 + 1 + Token::BYTES;
/// The length of the answer to a hello in bytes: magic, status, version.
pub(crate) const ANSWER_BYTES: usize = 8 + 1 + 2;

/// The answer to a peer that does not speak rpc-chat. It is HTTP, because browsers and probes show it, and
/// because a person with telnet can read it.
pub(crate) const HTTP_REFUSAL: &[u8] = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\
    Connection: close\r\n\r\nThis port speaks the rpc-chat protocol; join with chat-client.\r\n";

/// The purpose of a connection. Its number is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Client to server. The client calls Join and the other requests.
    Call = 1,
    /// Server to client. The server calls Receive. The hello carries the session's token.
    Callback = 2,
    /// Client to server, for a client that the server cannot dial. The server calls Receive on it, too. The
    /// hello carries the session's token.
    OpenedCallback = 3,
}

/// What is added to the number of a role on the wire when the connection is to be sealed.
const SEALED: u8 = 3;

/// The first bytes of the side that dials, as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The lowest version that this side speaks.
    pub lowest: u16,
    /// The highest version that this side speaks.
    pub highest: u16,
    /// The purpose of the connection.
    pub role: Role,
    /// Whether the connection is to be sealed, as in a closed room. A handshake then follows the answer.
    pub sealed: bool,
    /// The session's token; [`Token::NONE`] for [`Role::Call`]. In a closed room the token is not shown, and
    /// this is the public name of the call connection.
    pub token: Token,
}

impl Hello {
    /// Returns a hello with the versions that this build speaks.
    pub const fn new(role: Role, token: Token) -> Hello {
        Hello { lowest: LOWEST_VERSION, highest: HIGHEST_VERSION, role, sealed: false, token }
    }

    /// Returns the same hello for a connection that is to be sealed.
    pub const fn sealed(self) -> Hello {
        Hello { sealed: true, ..self }
    }

    /// Returns the bytes that go on the wire.
    pub fn to_bytes(self) -> [u8; HELLO_BYTES] {
        let mut bytes = [0; HELLO_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&self.lowest.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.highest.to_le_bytes());
        bytes[12] = self.role as u8 + if self.sealed { SEALED } else { 0 };
        bytes[13..].copy_from_slice(self.token.as_bytes());
        bytes
    }

    /// Returns the highest version that both sides speak.
    pub(crate) fn common_version(&self) -> Option<u16> {
        let highest = self.highest.min(HIGHEST_VERSION);
        (highest >= self.lowest.max(LOWEST_VERSION)).then_some(highest)
    }
}

/// Reads a hello. `Ok(None)` means that the stream ended before its first byte.
///
/// # Blocking
/// On `reader`, as long as its own reads block.
///
/// # Errors
/// [`RpcError::NotRpcChat`] at the first byte that differs from the magic, so that a peer of another protocol
/// that sends less than a hello need not send more. [`RpcError::Refused`] with [`Status::WrongRole`] for a
/// role that this build does not know, and with [`Status::WrongVersion`] for versions that it does not speak.
pub fn read_hello(reader: &mut impl Read) -> Result<Option<Hello>, RpcError> {
    let mut bytes = [0; HELLO_BYTES];
    let mut filled = 0;
    while filled < HELLO_BYTES {
        match reader.read(&mut bytes[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(RpcError::Truncated),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        let known = filled.min(MAGIC.len());
        if bytes[..known] != MAGIC[..known] {
            return Err(RpcError::NotRpcChat);
        }
    }
    let [lowest, highest] = [8, 10].map(|at| u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let (role, sealed) = match bytes[12] {
        1 => (Role::Call, false),
        2 => (Role::Callback, false),
        3 => (Role::OpenedCallback, false),
        4 => (Role::Call, true),
        5 => (Role::Callback, true),
        6 => (Role::OpenedCallback, true),
        _ => return Err(RpcError::Refused { status: Status::WrongRole, version: highest }),
    };
    let mut token = [0; Token::BYTES];
    token.copy_from_slice(&bytes[13..]);
    let hello = Hello { lowest, highest, role, sealed, token: Token::from_bytes(token) };
    match hello.common_version() {
        Some(_) => Ok(Some(hello)),
        None => Err(RpcError::Refused { status: Status::WrongVersion, version: highest }),
    }
}

/// Returns the bytes that answer a hello. `version` is the version to use; in a refusal it is the highest
/// that this build speaks.
pub fn answer_bytes(status: Status, version: u16) -> [u8; ANSWER_BYTES] {
    let mut bytes = [0; ANSWER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8] = status as u8;
    bytes[9..].copy_from_slice(&version.to_le_bytes());
    bytes
}

/// Reads the answer to a hello, and returns the version to use.
///
/// # Blocking
/// On `reader`, as long as its own reads block.
///
/// # Errors
/// [`RpcError::Refused`] when the peer refuses. [`RpcError::NotRpcChat`] when the answer does not begin with
/// the magic. [`RpcError::Closed`] when the peer ends the stream instead.
pub fn read_answer(reader: &mut impl Read) -> Result<u16, RpcError> {
    let mut bytes = [0; ANSWER_BYTES];
    reader.read_exact(&mut bytes[..MAGIC.len()]).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => RpcError::Closed,
        _ => error.into(),
    })?;
    if bytes[..8] != MAGIC {
        return Err(RpcError::NotRpcChat);
    }
    reader.read_exact(&mut bytes[MAGIC.len()..])?;
    read_answer_bytes(&bytes)
}

/// Reads an answer as [`read_answer`] does, from its bytes.
pub(crate) fn read_answer_bytes(bytes: &[u8; ANSWER_BYTES]) -> Result<u16, RpcError> {
    if bytes[..8] != MAGIC {
        return Err(RpcError::NotRpcChat);
    }
    let version = u16::from_le_bytes([bytes[9], bytes[10]]);
    match Status::from_byte(bytes[8]) {
        Status::Welcome => Ok(version),
        status => Err(RpcError::Refused { status, version }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_survives_the_wire() {
        for role in [Role::Call, Role::Callback, Role::OpenedCallback] {
            let hello = Hello::new(role, Token::from_bytes([7; 16]));
            for hello in [hello, hello.sealed()] {
                assert_eq!(read_hello(&mut &hello.to_bytes()[..]).unwrap(), Some(hello));
            }
        }
    }

    #[test]
    fn another_protocol_is_recognised_by_its_first_wrong_byte() {
        assert!(matches!(read_hello(&mut &b"G"[..]), Err(RpcError::NotRpcChat)));
        assert!(matches!(read_hello(&mut &b"RPC-CHAR"[..]), Err(RpcError::NotRpcChat)));
        assert!(matches!(read_hello(&mut &b"RPC-CHAT\x01"[..]), Err(RpcError::Truncated)));
        assert!(matches!(read_hello(&mut &b""[..]), Ok(None)));
    }

    #[test]
    fn the_common_version_is_the_highest_that_both_speak() {
        let speaks = |lowest, highest| {
            Hello { lowest, highest, ..Hello::new(Role::Call, Token::NONE) }.common_version()
        };
        assert_eq!(speaks(2, 2), Some(2));
        assert_eq!(speaks(1, 1), None, "version 1 is served by nobody");
        assert_eq!(speaks(0, 9), Some(HIGHEST_VERSION));
        assert_eq!(speaks(HIGHEST_VERSION + 1, HIGHEST_VERSION + 3), None);
        assert_eq!(speaks(0, 0), None);
    }

    #[test]
    fn a_refusal_carries_status_and_version() {
        let bytes = answer_bytes(Status::WrongVersion, 3);
        match read_answer(&mut &bytes[..]) {
            Err(RpcError::Refused { status: Status::WrongVersion, version: 3 }) => {}
            other => panic!("{other:?}"),
        }
    }
}
