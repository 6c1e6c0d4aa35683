//! How one connection to the room ended. A plain value.

use crate::{events::Outcome, session::loss::Loss};
use chat_common::wire::{error::RpcError, status::Status};

/// How one connection ended. The texts are reasons for people.
pub(crate) enum ConnectionEnd {
    /// The client ends, too.
    Finished(Outcome),
    /// The client had joined, and then lost the connection.
    Lost(Loss),
    /// The client could not join, because of this.
    NotJoined(Obstacle, String),
    /// The room is closed, and the person may know its passphrase. Nothing was tried.
    #[cfg(feature = "closed")]
    NeedsPassphrase,
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

impl ConnectionEnd {
    /// For a client that must not try again.
    pub(crate) fn failed(reason: String) -> ConnectionEnd {
        ConnectionEnd::Finished(Outcome::Failed(reason))
    }

    /// For one of the two connections that could not be opened.
    pub(crate) fn not_opened(error: &RpcError, reason: String) -> ConnectionEnd {
        match error {
            RpcError::Refused {
                status: Status::Banned | Status::WrongVersion | Status::Closed | Status::Unknown,
                ..
            } => ConnectionEnd::failed(reason),
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
