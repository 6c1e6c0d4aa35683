//! Why a connection to the room was lost. A plain value.

use chat_common::wire::error::RpcError;
use std::io::ErrorKind;

/// Why a connection was lost.
#[derive(Debug, Default)]
pub(crate) struct Loss {
    /// The reason, for people.
    pub(crate) reason: String,
    /// Whether the other side closed the connection, as the server does when it removes a member. Otherwise
    /// it is silent, or there is no way to it.
    pub(crate) closed: bool,
}

impl From<&RpcError> for Loss {
    fn from(error: &RpcError) -> Loss {
        let closed = match error {
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
