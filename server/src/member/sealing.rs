//! How a call connection is welcomed: in the open, or sealed where the room is closed. Runs on the thread of
//! the connection.

use super::Service;
use crate::identity::Origin;
#[cfg(feature = "closed")]
use chat_common::handshake::sealed;
use chat_common::wire::{error::RpcError, hello::Hello, rpc::Connection, status::Status};
#[cfg(feature = "closed")]
use log::Level;

/// Returns why the room does not take a connection with this hello, if it does not.
pub(super) fn refusal(service: &Service<'_>, hello: &Hello) -> Option<Status> {
    match (hello.sealed, service.door.is_closed) {
        (false, true) => Some(Status::Closed),
        (true, false) => Some(Status::WrongRole),
        _ => None,
    }
}

/// Welcomes a call connection of a client. Returns false when it was refused instead, and the
/// reason is logged.
///
/// # Blocking
/// On the client, for the limits' timeouts at most, and for a second where it is refused.
///
/// # Errors
/// When the client does not know the passphrase. After any error the connection is lost.
#[cfg_attr(not(feature = "closed"), expect(unused_variables, reason = "in an open room nobody guesses"))]
pub(super) fn welcome_call(
    service: &Service<'_>,
    connection: &mut Connection,
    hello: &Hello,
    origin: Origin,
) -> Result<bool, RpcError> {
    #[cfg(feature = "closed")]
    if let Some(credentials) = service.closed {
        let (door, timeout) = (service.door, service.limits.hello_timeout);
        let log_refusal = || {
            let line = format!("{origin}: refused: too many wrong passphrases from this address");
            door.log(origin.address, Level::Warn, line);
        };
        // This comes before the handshake, which costs more than all the rest.
        if !door.has_guess(origin.address) {
            log_refusal();
            connection.refuse(Status::Busy);
            return Ok(false);
        }
        let may_learn = |is_right| door.charge_guess(origin.address, is_right);
        return match sealed::accept_call(connection, hello, credentials, may_learn, timeout) {
            Err(RpcError::Refused { status: Status::Busy, .. }) => {
                log_refusal();
                Ok(false)
            }
            accepted => accepted.map(|()| true),
        };
    }
    connection.welcome(service.limits.frame_timeout).map(|()| true)
}
