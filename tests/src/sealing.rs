//! How the harness's own peers open and accept call connections: as in an open room, or sealed where the room
//! of this run is closed. Runs on the thread that owns the connection.
//!
//! A callback connection follows its call connection. So a test that drives a peer by hand reads the same for
//! both kinds of room.

#[cfg(feature = "closed")]
use crate::secrets::Secrets;
use crate::{room::Kind, watchdog::WATCHDOG_TIMEOUT};
#[cfg(feature = "closed")]
use chat_common::handshake::sealed;
use chat_common::wire::{
    error::RpcError,
    hello::{Hello, Role},
    rpc::Connection,
    token::Token,
};
use std::net::IpAddr;

/// Returns the hello of this role as the room of this run wants it.
pub fn hello(role: Role, token: Token) -> Hello {
    let hello = Hello::new(role, token);
    match Kind::of_this_run().closed {
        true => hello.sealed(),
        false => hello,
    }
}

/// Opens a call connection, as a client does, for this guest if there is one.
pub(crate) fn greet_call(connection: &mut Connection, guest: Option<IpAddr>) -> Result<(), RpcError> {
    #[cfg(feature = "closed")]
    if let Some(secrets) = Secrets::of_this_run() {
        let is_the_rooms = |key: &_| *key == secrets.room.key.public;
        let opened = sealed::dial_call(connection, guest, &secrets.client, is_the_rooms, WATCHDOG_TIMEOUT);
        return opened.map(drop);
    }
    let hello = Hello::call(guest);
    connection.greet(hello.role, hello.token, WATCHDOG_TIMEOUT)
}

/// Accepts a call connection with this hello, as a server does.
#[cfg_attr(not(feature = "closed"), expect(unused_variables, reason = "only a handshake repeats it"))]
pub(crate) fn welcome_call(connection: &mut Connection, hello: &Hello) -> Result<(), RpcError> {
    #[cfg(feature = "closed")]
    if let Some(secrets) = Secrets::of_this_run() {
        return sealed::accept_call(connection, hello, &secrets.room, |_| true, WATCHDOG_TIMEOUT);
    }
    connection.welcome(WATCHDOG_TIMEOUT)
}
