//! How a call connection is welcomed: in the open, or sealed where the room is closed. Runs on the thread of
//! the connection.

use super::Service;
#[cfg(feature = "closed")]
use crate::door::NoGuess;
use crate::door::Slot;
#[cfg(feature = "closed")]
use chat_common::closed::handshake;
use chat_common::{error::RpcError, hello::Hello, rpc::Connection, status::Status};
#[cfg(feature = "closed")]
use log::Level;
use std::net::SocketAddr;

/// Returns why the room does not take a connection with this hello, if it does not.
pub(super) fn refusal(service: &Service<'_>, hello: &Hello) -> Option<Status> {
    match (hello.sealed, service.is_closed()) {
        (false, true) => Some(Status::Closed),
        (true, false) => Some(Status::WrongRole),
        _ => None,
    }
}

/// Welcomes a call connection of the client at `peer`. Returns false when it was refused instead, and the
/// reason is logged.
///
/// # Blocking
/// On the client, for the limits' timeouts at most. In a closed room also on the guesses of its address, for
/// 16 s at most; shutdown wakes it, and so does a new connection that takes the place of this one.
///
/// # Errors
/// When the client does not know the passphrase. After any error the connection is lost.
#[cfg_attr(not(feature = "closed"), expect(unused_variables, reason = "in an open room nobody guesses"))]
pub(super) fn welcome_call(
    service: &Service<'_>,
    connection: &mut Connection,
    hello: &Hello,
    peer: SocketAddr,
    slot: &Slot,
) -> Result<bool, RpcError> {
    #[cfg(feature = "closed")]
    if let (Some(closed), Some(tables)) = (service.closed, &service.door.closed) {
        let guess = match tables.guesses.borrow(peer.ip(), || !slot.is_closed()) {
            Ok(guess) => guess,
            Err(why) => {
                refuse_guess(service, connection, peer, why);
                return Ok(false);
            }
        };
        let timeout = service.limits.hello_timeout;
        let accepted = handshake::accept_call(connection, hello, &closed.passphrase, &closed.key, timeout);
        // A handshake that ends before the client's last message has told it nothing about the passphrase, so
        // it is no guess.
        if matches!(accepted, Err(RpcError::Refused { status: Status::WrongPassphrase, .. })) {
            guess.spend();
        }
        return accepted.map(|()| true);
    }
    connection.welcome(hello, service.limits.frame_timeout).map(|()| true)
}

/// Refuses a call connection that may not guess now.
///
/// # Blocking
/// On the client, for a second at most.
#[cfg(feature = "closed")]
fn refuse_guess(service: &Service<'_>, connection: &mut Connection, peer: SocketAddr, why: NoGuess) {
    match why {
        // Its stream is shut down.
        NoGuess::PlaceTaken => {}
        NoGuess::Stopping => connection.refuse(Status::Stopping),
        NoGuess::TooLong => {
            let line = format!("{peer}: refused: too many failed handshakes from this address");
            service.door.log(peer.ip(), Level::Warn, line);
            connection.refuse(Status::Busy);
        }
    }
}
