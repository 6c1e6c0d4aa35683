//! The statuses with which a side answers a hello. Plain values, for any thread.

use std::fmt;

/// The answer to a hello: welcome, or the reason of a refusal. Its number is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The hello is accepted. Both sides use the version in the answer.
    Welcome = 0,
    /// The two sides have no version in common.
    WrongVersion = 1,
    /// All connections, threads or descriptors are in use. The client may try again later.
    Busy = 2,
    /// This port does not serve this role.
    WrongRole = 3,
    /// The accepting side has no session with this token.
    UnknownToken = 4,
    /// The address has too many connections. The client must close some first.
    TooMany = 5,
    /// This address is banned.
    Banned = 6,
    /// The server is shutting down.
    Stopping = 7,
    /// The room is closed: it takes only connections with a passphrase.
    Closed = 8,
    /// The handshake of a closed room failed, because the peer has another passphrase.
    WrongPassphrase = 9,
    /// A status that this build does not know. No side sends it.
    Unknown = 255,
}

impl Status {
    pub(crate) fn from_byte(byte: u8) -> Status {
        match byte {
            0 => Status::Welcome,
            1 => Status::WrongVersion,
            2 => Status::Busy,
            3 => Status::WrongRole,
            4 => Status::UnknownToken,
            5 => Status::TooMany,
            6 => Status::Banned,
            7 => Status::Stopping,
            8 => Status::Closed,
            9 => Status::WrongPassphrase,
            _ => Status::Unknown,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Welcome => "welcome",
            Status::WrongVersion => "no protocol version in common",
            Status::Busy => "the server is busy; try again in a moment",
            Status::WrongRole => "this port does not serve that kind of connection",
            Status::UnknownToken => "the session is not known here",
            Status::TooMany => "too many connections from this address",
            Status::Banned => "this address is banned from the room",
            Status::Stopping => "the server is shutting down",
            Status::Closed => "the room is closed, and this client has no passphrase for it",
            Status::WrongPassphrase => "the passphrase is not that of this room",
            Status::Unknown => {
                "the server refuses the connection for a reason that this version does not know"
            }
        })
    }
}
