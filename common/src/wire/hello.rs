//! The hello that opens every connection. Runs on its caller's thread, and never writes to a stream itself.
//!
//! The side that dials sends a [`Hello`]. The side that accepts answers with a status and a version.
//!
//! Invariant: the layout never changes, so that an old program and a new one can always refuse each other
//! clearly. For the same reason it does not depend on the codec.

use crate::wire::{error::RpcError, protocol::VERSION, status::Status, token::Token};
use std::{
    io::{ErrorKind, Read},
    net::{IpAddr, Ipv6Addr},
};

/// The first eight bytes in both directions.
pub(crate) const MAGIC: [u8; 8] = *b"RPC-CHAT";
/// The length of a hello in bytes: magic, lowest version, highest version, role, token.
pub const HELLO_BYTES: usize = 8 + 2 + 2 + 1 + Token::BYTES;
/// The length of the answer to a hello in bytes: magic, status, version.
const ANSWER_BYTES: usize = 8 + 1 + 2;

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
    /// As [`Role::Call`], for a guest of a gateway. The hello carries the guest's address. The gateway shows
    /// its key after the welcome.
    GuestCall = 7,
}

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
    /// this is the public name of the call connection. For [`Role::GuestCall`] these are the bytes of an
    /// address, which [`Hello::guest`] returns.
    pub token: Token,
}

impl Hello {
    /// Returns a hello with the version that this build speaks.
    pub const fn new(role: Role, token: Token) -> Hello {
        Hello { lowest: VERSION, highest: VERSION, role, sealed: false, token }
    }

    /// Returns a hello for a call connection: of this guest, or of the side that dials.
    pub fn call(guest: Option<IpAddr>) -> Hello {
        match guest {
            None => Hello::new(Role::Call, Token::NONE),
            Some(IpAddr::V4(guest)) => Hello::call(Some(guest.to_ipv6_mapped().into())),
            Some(IpAddr::V6(guest)) => Hello::new(Role::GuestCall, Token::from_bytes(guest.octets())),
        }
    }

    /// Returns the address of the guest for whom a gateway opens the connection, if it is such a connection.
    pub fn guest(&self) -> Option<IpAddr> {
        let address = Ipv6Addr::from(*self.token.as_bytes());
        (self.role == Role::GuestCall).then(|| address.to_canonical())
    }

    /// Returns the number of the role on the wire.
    const fn role_number(&self) -> u8 {
        match (self.sealed, self.role) {
            (false, role) => role as u8,
            (true, Role::GuestCall) => 8,
            (true, role) => role as u8 + 3,
        }
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
        bytes[12] = self.role_number();
        bytes[13..].copy_from_slice(self.token.as_bytes());
        bytes
    }
}

/// Reads a hello. `Ok(None)` means that the stream ended before its first byte.
///
/// # Blocking
/// On `reader`, as long as its own reads block.
///
/// # Errors
/// [`RpcError::NotRpcChat`] at the first byte that differs from the magic, so that a peer of another protocol
/// that sends less than a hello need not send more. [`RpcError::Refused`] with [`Status::WrongVersion`] for
/// versions that this build does not speak, and with [`Status::WrongRole`] for a role that it does not serve.
pub fn read_hello(reader: &mut impl Read) -> Result<Option<Hello>, RpcError> {
    let mut bytes = [0; HELLO_BYTES];
    if reader.read(&mut bytes[..1])? == 0 {
        return Ok(None);
    }
    for at in 0..MAGIC.len() {
        if bytes[at] != MAGIC[at] {
            return Err(RpcError::NotRpcChat);
        }
        reader.read_exact(&mut bytes[at + 1..at + 2])?;
    }
    reader.read_exact(&mut bytes[MAGIC.len() + 1..])?;
    let [lowest, highest] = [8, 10].map(|at| u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let refused = |status| Err(RpcError::Refused { status, version: highest });
    if !(lowest..=highest).contains(&VERSION) {
        return refused(Status::WrongVersion);
    }
    let (role, sealed) = match bytes[12] {
        1 => (Role::Call, false),
        2 => (Role::Callback, false),
        3 => (Role::OpenedCallback, false),
        4 => (Role::Call, true),
        5 => (Role::Callback, true),
        6 => (Role::OpenedCallback, true),
        7 => (Role::GuestCall, false),
        8 => (Role::GuestCall, true),
        _ => return refused(Status::WrongRole),
    };
    let mut token = [0; Token::BYTES];
    token.copy_from_slice(&bytes[13..]);
    Ok(Some(Hello { lowest, highest, role, sealed, token: Token::from_bytes(token) }))
}

/// Returns the bytes that answer a hello. They end with the version that this build speaks.
pub fn answer_bytes(status: Status) -> [u8; ANSWER_BYTES] {
    let mut bytes = [0; ANSWER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8] = status as u8;
    bytes[9..].copy_from_slice(&VERSION.to_le_bytes());
    bytes
}

/// Reads the answer to a hello.
///
/// # Blocking
/// On `reader`, as long as its own reads block.
///
/// # Errors
/// [`RpcError::Refused`] when the peer refuses, or answers with another version. [`RpcError::NotRpcChat`]
/// when the answer does not begin with the magic. [`RpcError::Closed`] when the peer ends the stream instead.
pub fn read_answer(reader: &mut impl Read) -> Result<(), RpcError> {
    let mut bytes = [0; ANSWER_BYTES];
    reader.read_exact(&mut bytes[..MAGIC.len()]).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => RpcError::Closed,
        _ => error.into(),
    })?;
    if bytes[..8] != MAGIC {
        return Err(RpcError::NotRpcChat);
    }
    reader.read_exact(&mut bytes[MAGIC.len()..])?;
    let version = u16::from_le_bytes([bytes[9], bytes[10]]);
    match Status::from_byte(bytes[8]) {
        Status::Welcome if version == VERSION => Ok(()),
        Status::Welcome => Err(RpcError::Refused { status: Status::WrongVersion, version }),
        status => Err(RpcError::Refused { status, version }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_survives_the_wire() {
        for role in [Role::Call, Role::Callback, Role::OpenedCallback, Role::GuestCall] {
            let hello = Hello::new(role, Token::from_bytes([7; 16]));
            for hello in [hello, hello.sealed()] {
                assert_eq!(read_hello(&mut &hello.to_bytes()[..]).unwrap(), Some(hello));
            }
        }
    }

    #[test]
    fn a_hello_for_a_guest_carries_the_address_and_no_other_hello_does() {
        for (address, number) in [("192.0.2.7", 7), ("2001:db8::7", 7), ("::", 7)] {
            let address: IpAddr = address.parse().unwrap();
            let hello = Hello::call(Some(address));
            assert_eq!((hello.guest(), hello.to_bytes()[12]), (Some(address), number));
            let sealed = read_hello(&mut &hello.sealed().to_bytes()[..]).unwrap().unwrap();
            assert_eq!((sealed.guest(), sealed.to_bytes()[12]), (Some(address), number + 1));
        }
        assert_eq!(
            Hello::call(Some([192, 0, 2, 7].into())).to_bytes()[13..],
            *b"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07"
        );
        assert_eq!((Hello::call(None).guest(), Hello::call(None).token), (None, Token::NONE));
        assert_eq!(Hello::new(Role::OpenedCallback, Token::from_bytes([7; 16])).guest(), None);
    }

    #[test]
    fn another_protocol_is_recognised_by_its_first_wrong_byte() {
        assert!(matches!(read_hello(&mut &b"G"[..]), Err(RpcError::NotRpcChat)));
        assert!(matches!(read_hello(&mut &b"RPC-CHAR"[..]), Err(RpcError::NotRpcChat)));
        assert!(matches!(read_hello(&mut &b"RPC-CHAT\x01"[..]), Err(RpcError::Truncated)));
        assert!(matches!(read_hello(&mut &b""[..]), Ok(None)));
    }

    #[test]
    fn a_version_is_spoken_by_both_sides_or_refused_in_words_that_name_the_older_program() {
        let (older, newer) = ("; update the other program", "; update this program");
        for (lowest, highest, words) in
            [(0, 0, Some(older)), (1, 2, Some(older)), (3, 3, None), (0, 9, None), (4, 9, Some(newer))]
        {
            let hello = Hello { lowest, highest, ..Hello::new(Role::Call, Token::NONE) };
            let read = read_hello(&mut &hello.to_bytes()[..]);
            assert_eq!(read.is_ok(), words.is_none(), "{lowest} to {highest}");
            if let (Err(refused), Some(words)) = (read, words) {
                assert!(matches!(refused, RpcError::Refused { status: Status::WrongVersion, .. }));
                assert!(refused.to_string().contains(&format!("version {highest} ")), "{refused}");
                assert!(refused.to_string().ends_with(words), "{refused}");
            }
        }
        // A welcome of another version is none.
        for (status, version) in [(Status::WrongVersion, 9), (Status::Welcome, 9), (Status::Welcome, 2)] {
            let mut answer = answer_bytes(status);
            answer[9] = version;
            match read_answer(&mut &answer[..]) {
                Err(RpcError::Refused { status: Status::WrongVersion, version: told }) => {
                    assert_eq!(told, u16::from(version));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
