//! Opens the callback connection to a client: dials the port that the client announced. It uses the
//! address of the call connection and no other, so a client cannot make the server dial other machines.
//! Runs on the thread of the call connection.

use crate::{identity::Origin, settings::Limits};
use chat_common::{
    handshake::callback,
    wire::{error::RpcError, hello::Role, rpc::Connection, stream::Stream, token::Token},
};
use std::{sync::Arc, time::Instant};

/// The lowest port that a client may announce. Lower ports belong to services of the system.
const FIRST_PORT: u16 = 1024;

/// Checks that a client from `origin` can have its listener on `port`. Port 0 means no listener, and is
/// always right.
///
/// # Errors
/// What is wrong with the port, for the client.
pub(super) fn check_port(port: u16, origin: Origin, call: &Stream) -> Result<(), String> {
    if port == 0 {
        return Ok(());
    }
    if port < FIRST_PORT {
        return Err(format!(
            "port {port} is below {FIRST_PORT}; announce the port of your own listener, or 0"
        ));
    }
    if call.local_addr().is_ok_and(|own| own.port() == port && own.ip() == origin.peer.ip()) {
        return Err(format!("port {port} is the server's own; announce the port of your own listener, or 0"));
    }
    Ok(())
}

/// Dials a client's listener, and shows it the client's token.
///
/// # Blocking
/// On the client's network, for the dial timeout at most.
///
/// # Errors
/// When nothing listens at that port, the listener refuses the token, or the time is over.
pub(super) fn call_back(
    origin: Origin,
    port: u16,
    call: &Stream,
    token: Token,
    limits: &Limits,
) -> Result<Connection, RpcError> {
    // A dial cannot be stopped, so it must not take longer than a shutdown may.
    let timeout = limits.dial_timeout.min(limits.drain_timeout / 2);
    let deadline = Instant::now() + timeout;
    let mut address = origin.peer; // This keeps the scope of an IPv6 link-local address.
    address.set_port(port);
    let stream = Stream::connect(address, timeout)?;
    let mut connection = Connection::new(Arc::new(stream), limits.max_frame.0 as u32);
    let left = deadline.saturating_duration_since(Instant::now());
    callback::dial(&mut connection, Role::Callback, call, token, left)?;
    Ok(connection)
}
