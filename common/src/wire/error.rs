//! The errors between two peers: one variant for each cause. Plain values, for any thread.
//!
//! A refusal (a name that is taken, a full room) is a [`Reply`](crate::wire::protocol::Reply), not an error.
//! After any [`RpcError`] the stream may stand in the middle of a frame, so close it and never reuse it.

use crate::wire::{codec::CodecError, protocol::VERSION, status::Status};
use std::{error::Error, fmt, io};

/// Why a hello, a call or a reply failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum RpcError {
    /// The peer ended the stream between two frames, instead of sending a reply.
    Closed,
    /// The stream ended inside a frame or a hello.
    Truncated,
    /// The deadline passed before the whole frame was read or written.
    TimedOut,
    /// The peer announced a frame that is longer than this connection accepts.
    TooLong {
        /// The announced length, in bytes.
        length: u32,
        /// The longest payload that this connection accepts, in bytes.
        limit: u32,
    },
    /// There is no memory for a frame.
    NoMemory,
    /// The bytes of a frame are not a value of the expected type.
    Malformed(CodecError),
    /// The peer sent a reply to a call that needs none.
    UnexpectedAnswer,
    /// The peer's first bytes are not an rpc-chat hello.
    NotRpcChat,
    /// The peer refused our hello, or we refused its hello.
    Refused {
        /// The reason.
        status: Status,
        /// The highest protocol version that the peer speaks.
        version: u16,
    },
    /// What came is not what the peer of a sealed connection sent: it was changed, repeated, or moved.
    NotGenuine,
    /// The peer of a handshake has another key than it must have. Nothing that depends on the passphrase was
    /// sent to it.
    OtherKey,
    /// The operating system reported an error.
    Io(io::Error),
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RpcError::Closed => f.write_str("the peer closed the connection"),
            RpcError::Truncated => f.write_str("the connection ended inside a frame"),
            RpcError::TimedOut => f.write_str("the peer did not answer in time"),
            RpcError::TooLong { length, limit } => {
                write!(f, "a frame of {length} bytes is longer than the {limit} bytes allowed here")
            }
            RpcError::NoMemory => f.write_str("there is no memory for a frame"),
            RpcError::Malformed(_) => f.write_str("a frame does not hold a valid value"),
            RpcError::UnexpectedAnswer => f.write_str("the peer sent a reply to a call that needs none"),
            RpcError::NotRpcChat => f.write_str("the peer does not speak the rpc-chat protocol"),
            RpcError::Refused { status: Status::WrongVersion, version } => {
                let older = if *version < VERSION { "the other program" } else { "this program" };
                write!(
                    f,
                    "the other program speaks version {version} of the rpc-chat protocol, and this program \
                     version {VERSION}; update {older}"
                )
            }
            RpcError::Refused { status, .. } => fmt::Display::fmt(status, f),
            RpcError::NotGenuine => f.write_str("what came was changed on its way, or is not from the peer"),
            RpcError::OtherKey => f.write_str("the peer has another key than before"),
            RpcError::Io(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl Error for RpcError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RpcError::Malformed(error) => Some(error),
            RpcError::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Returns whether the process (EMFILE) or the system (ENFILE) has no free file descriptor. std has no error
/// kind for them.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

impl From<io::Error> for RpcError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => RpcError::Truncated,
            io::ErrorKind::OutOfMemory => RpcError::NoMemory,
            // Only a sealed stream reports it.
            io::ErrorKind::InvalidData => RpcError::NotGenuine,
            // The timeout of a socket is WouldBlock on Unix and TimedOut elsewhere.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => RpcError::TimedOut,
            _ => RpcError::Io(error),
        }
    }
}

impl From<CodecError> for RpcError {
    fn from(error: CodecError) -> Self {
        RpcError::Malformed(error)
    }
}
