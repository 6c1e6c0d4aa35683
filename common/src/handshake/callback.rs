//! How the callback connection of a session begins: in the open, or sealed as its call connection is. Runs on
//! the thread that owns the connection.
//!
//! Either side may dial it, so both programs have both ends.

#[cfg(feature = "closed")]
use crate::handshake::sealed;
use crate::wire::{
    error::RpcError,
    hello::{Hello, Role},
    rpc::Connection,
    status::Status,
    stream::Stream,
    token::Token,
};
use std::time::Duration;

/// Returns what the hello shows of the session with this token: the token, or in a closed room the public
/// name of the call connection.
#[cfg_attr(not(feature = "closed"), expect(unused_variables, reason = "nothing is sealed"))]
pub fn public_session_id(call: &Stream, token: Token) -> Token {
    #[cfg(feature = "closed")]
    if let Some(seal) = call.seal() {
        return seal.channel();
    }
    token
}

/// Opens the callback connection of the session with this call connection and this token. `role` says which
/// side dials.
///
/// # Blocking
/// On the peer, for `timeout` at most. Shutting the stream down wakes it.
///
/// # Errors
/// When the peer does not know the session. After any error the connection is lost.
#[cfg_attr(not(feature = "closed"), expect(unused_variables, reason = "nothing is sealed"))]
pub fn dial(
    connection: &mut Connection,
    role: Role,
    call: &Stream,
    token: Token,
    timeout: Duration,
) -> Result<(), RpcError> {
    #[cfg(feature = "closed")]
    if let Some(seal) = call.seal() {
        return sealed::dial_callback(connection, role, seal, token, timeout);
    }
    connection.greet(role, token, timeout)
}

/// Accepts a callback connection after its hello, which named the session with this call connection and this
/// token. `admit` runs once it is known that the session's peer dials, and before the peer learns that; its
/// error refuses the peer.
///
/// # Blocking
/// On the peer, for `timeout` at most. Shutting the stream down wakes it.
///
/// # Errors
/// When the peer does not know the session's token, or `admit` fails. After any error the connection is lost.
#[cfg_attr(not(feature = "closed"), expect(unused_variables, reason = "the hello has shown the token"))]
pub fn accept(
    connection: &mut Connection,
    hello: &Hello,
    call: &Stream,
    token: Token,
    admit: impl FnOnce() -> Result<(), Status>,
    timeout: Duration,
) -> Result<(), RpcError> {
    #[cfg(feature = "closed")]
    if let Some(seal) = call.seal() {
        // The answer may have gone out before the handshake, so it is too late for a status.
        return sealed::accept_callback(connection, hello, seal, token, || admit().is_ok(), timeout);
    }
    if let Err(status) = admit() {
        connection.refuse(status);
        return Err(RpcError::Refused { status, version: hello.highest });
    }
    connection.welcome(timeout)
}
