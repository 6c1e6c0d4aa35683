//! Calling a client back: dials the listener that it announced, on the address that its call connection comes from and on no other.

use crate::settings::limits::Limits;
use chat_common::{error::RpcError, hello::Role, rpc::Connection, stream::Stream, token::Token};
use std::{net::SocketAddr, sync::Arc, time::Instant};

/// Ports below this one belong to the system's services; no client of ours listens there.
const FIRST_PORT: u16 = 1024;

/// Whether a client at `peer` can have its listener on `port`. 0, for none, always passes.
///
/// # Errors
/// What is wrong with it, for the client.
pub(super) fn check_port(port: u16, peer: SocketAddr, call: &Stream) -> Result<(), String> {
    if port == 0 {
        return Ok(());
    }
    if port < FIRST_PORT {
        return Err(format!(
            "port {port} is below {FIRST_PORT}; announce the port of your own listener, or 0"
        ));
    }
    let is_our_own = call.local_addr().is_ok_and(|own| own.port() == port && own.ip() == peer.ip());
    if is_our_own {
        return Err(format!("port {port} is the server's own; announce the port of your own listener, or 0"));
    }
    Ok(())
}

/// Dials a client's listener and shows it its token.
///
/// # Blocking
/// On the client's network, for the dial timeout at the longest.
///
/// # Errors
/// When nobody answers there, or somebody who does not know the token.
pub(super) fn call_back(
    peer: SocketAddr,
    port: u16,
    token: Token,
    limits: &Limits,
) -> Result<Connection, RpcError> {
    // A dial that is under way cannot be cut off, and a shutdown should not have to wait for it.
    let timeout = limits.dial_timeout.min(limits.drain_timeout);
    let deadline = Instant::now() + timeout;
    let mut address = peer; // With its scope, which an IPv6 link-local address needs.
    address.set_port(port);
    let stream = Stream::connect(address, timeout)?;
    let mut connection = Connection::new(Arc::new(stream), limits.max_frame.0 as u32);
    connection.greet(Role::Callback, token, deadline.saturating_duration_since(Instant::now()))?;
    Ok(connection)
}
