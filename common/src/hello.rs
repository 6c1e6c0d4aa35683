//! How every connection opens: a fixed greeting that is not bincode, so that a stranger gets a clear answer.
//!
//! Whoever dialled sends a [`Hello`]; whoever accepted answers with a status and its highest version. The layout
//! never changes, whatever later versions do behind it: an old program and a new one can always tell each other so.

use crate::{error::RpcError, status::Status, token::Token};
use std::io::{self, ErrorKind, Read};

/// The first eight bytes in both directions.
pub const MAGIC: [u8; 8] = *b"RPC-CHAT";
/// The lowest protocol version that this build speaks.
pub const LOWEST_VERSION: u16 = 1;
/// The highest protocol version that this build speaks.
pub const HIGHEST_VERSION: u16 = 1;
/// The length of a hello: magic, lowest version, highest version, role, token.
pub const HELLO_BYTES: usize = 8 + 2 + 2 + 1 + Token::BYTES;
/// The length of the answer to a hello: magic, status, version.
pub const ANSWER_BYTES: usize = 8 + 1 + 2;

/// What somebody who is no rpc-chat peer gets: HTTP, because browsers and probes show it, and a telnet user can read it.
pub const HTTP_REFUSAL: &[u8] = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\
    Connection: close\r\n\r\nThis port speaks the rpc-chat protocol; join with chat-client.\r\n";

/// What the dialling side wants of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Client to server: the client will call Join and the rest.
    Call = 1,
    /// Server to client: the server will call Receive; the hello carries the session's token.
    Callback = 2,
    /// Client to server, for a client that cannot be dialled: the server will call Receive on it all the same.
    /// The hello carries the session's token.
    OpenedCallback = 3,
}

/// What the dialling side says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The lowest version that it speaks.
    pub lowest: u16,
    /// The highest version that it speaks.
    pub highest: u16,
    /// What it wants.
    pub role: Role,
    /// The session's token; [`Token::NONE`] for [`Role::Call`].
    pub token: Token,
}

impl Hello {
    /// The hello of this build.
    pub const fn new(role: Role, token: Token) -> Hello {
        Hello { lowest: LOWEST_VERSION, highest: HIGHEST_VERSION, role, token }
    }

    /// The bytes that go on the wire.
    pub fn to_bytes(self) -> [u8; HELLO_BYTES] {
        let mut bytes = [0; HELLO_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&self.lowest.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.highest.to_le_bytes());
        bytes[12] = self.role as u8;
        bytes[13..].copy_from_slice(self.token.as_bytes());
        bytes
    }

    /// The highest version that both sides speak.
    pub fn common_version(&self) -> Option<u16> {
        let highest = self.highest.min(HIGHEST_VERSION);
        (highest >= self.lowest.max(LOWEST_VERSION)).then_some(highest)
    }
}

/// Reads a hello. `Ok(None)` means that the peer left without a word.
///
/// # Errors
/// [`RpcError::NotRpcChat`] as soon as a byte differs from the magic, so that a probe that sends less than a hello
/// is not waited for; a role that this build does not know is [`RpcError::Refused`] with [`Status::WrongRole`].
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
    let role = match bytes[12] {
        1 => Role::Call,
        2 => Role::Callback,
        3 => Role::OpenedCallback,
        _ => return Err(RpcError::Refused { status: Status::WrongRole, version: HIGHEST_VERSION }),
    };
    let mut token = [0; Token::BYTES];
    token.copy_from_slice(&bytes[13..]);
    Ok(Some(Hello {
        lowest: u16::from_le_bytes([bytes[8], bytes[9]]),
        highest: u16::from_le_bytes([bytes[10], bytes[11]]),
        role,
        token: Token::from_bytes(token),
    }))
}

/// The answer to a hello, as bytes. `version` is the one to use, or the highest of this build behind a refusal.
pub fn answer_bytes(status: Status, version: u16) -> [u8; ANSWER_BYTES] {
    let mut bytes = [0; ANSWER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8] = status as u8;
    bytes[9..].copy_from_slice(&version.to_le_bytes());
    bytes
}

/// Reads the answer to a hello: the version to use.
///
/// # Errors
/// [`RpcError::Refused`] with what the other side says, [`RpcError::NotRpcChat`] when it is none of ours.
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
    let version = u16::from_le_bytes([bytes[9], bytes[10]]);
    match Status::from_byte(bytes[8]) {
        Some(Status::Welcome) => Ok(version),
        Some(status) => Err(RpcError::Refused { status, version }),
        None => Err(RpcError::NotRpcChat),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_survives_the_wire() {
        let hello = Hello::new(Role::OpenedCallback, Token::from_bytes([7; 16]));
        assert_eq!(read_hello(&mut &hello.to_bytes()[..]).unwrap(), Some(hello));
    }

    #[test]
    fn a_stranger_is_known_by_its_first_wrong_byte() {
        assert!(matches!(read_hello(&mut &b"G"[..]), Err(RpcError::NotRpcChat)));
        assert!(matches!(read_hello(&mut &b"RPC-CHAR"[..]), Err(RpcError::NotRpcChat)));
        assert!(matches!(read_hello(&mut &b"RPC-CHAT\x01"[..]), Err(RpcError::Truncated)));
        assert!(matches!(read_hello(&mut &b""[..]), Ok(None)));
    }

    #[test]
    fn versions_meet_at_the_highest_in_common() {
        let speaks = |lowest, highest| {
            Hello { lowest, highest, role: Role::Call, token: Token::NONE }.common_version()
        };
        assert_eq!(speaks(1, 1), Some(1));
        assert_eq!(speaks(0, 9), Some(HIGHEST_VERSION));
        assert_eq!(speaks(HIGHEST_VERSION + 1, HIGHEST_VERSION + 3), None);
        assert_eq!(speaks(0, 0), None);
    }

    #[test]
    fn a_refusal_says_why_and_which_version() {
        let bytes = answer_bytes(Status::WrongVersion, 3);
        match read_answer(&mut &bytes[..]) {
            Err(RpcError::Refused { status: Status::WrongVersion, version: 3 }) => {}
            other => panic!("{other:?}"),
        }
    }
}
