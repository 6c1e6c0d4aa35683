//! How one connection to the room ended. Plain values.

use chat_common::wire::{error::RpcError, status::Status};
use std::io::ErrorKind;

/// Why one connection ended, if the client has not left. The texts are reasons for people.
pub(crate) enum ConnectionEnd {
    /// The client must not try again.
    Failed(String),
    /// The client had joined, and then lost the connection.
    Lost(Loss),
    /// The client could not join, because of this.
    NotJoined(Obstacle, String),
    /// The room is closed, and the person may know its passphrase. Nothing was tried.
    #[cfg(feature = "closed")]
    NeedsPassphrase,
    /// The room has another passphrase than the one that the client has tried.
    #[cfg(feature = "closed")]
    WrongPassphrase(String),
}

/// What keeps the client out of the room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    NoWay,
    /// The server is too busy to let the client join.
    Busy,
    /// Another member has the name. It may be free later.
    NameTaken,
    /// The client never gets the name.
    NameRefused,
}

/// Why a connection was lost.
#[derive(Debug, Default)]
pub(crate) struct Loss {
    /// The reason, for people.
    pub(crate) reason: String,
    /// Whether the other side closed the connection, as the server does when it removes a member. Otherwise
    /// it is silent, or there is no way to it.
    pub(crate) closed: bool,
}

impl ConnectionEnd {
    /// For one of the two connections that could not be opened.
    pub(crate) fn not_opened(error: &RpcError, reason: String) -> ConnectionEnd {
        match error {
            RpcError::Refused {
                status: Status::Banned | Status::WrongVersion | Status::Closed | Status::Unknown,
                ..
            } => ConnectionEnd::Failed(reason),
            RpcError::Refused { .. } => ConnectionEnd::NotJoined(Obstacle::Busy, reason),
            _ => ConnectionEnd::NotJoined(Obstacle::NoWay, reason),
        }
    }
}

impl From<RpcError> for ConnectionEnd {
    /// For the call connection that could not be opened.
    fn from(error: RpcError) -> ConnectionEnd {
        ConnectionEnd::not_opened(&error, error.to_string())
    }
}

impl From<RpcError> for Loss {
    fn from(error: RpcError) -> Loss {
        let closed = match &error {
            RpcError::Closed | RpcError::Truncated => true,
            RpcError::Io(error) => matches!(
                error.kind(),
                ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
            ),
            _ => false,
        };
        Loss { reason: error.to_string(), closed }
    }
}
