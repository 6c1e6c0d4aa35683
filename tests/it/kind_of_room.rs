//! The rooms of a run with `CHAT_ROOM=closed` are closed, and those that a test asks to be open are open.
//! Otherwise all other scenarios would run in open rooms once more, and nobody would notice.

use chat_common::wire::{error::RpcError, hello::Role, status::Status, token::Token};
use chat_tests::{
    process::{binary, Program},
    raw::RawPeer,
    room::Kind,
    server::TestServer,
    watchdog::WATCHDOG_TIMEOUT,
};
use std::{net::SocketAddr, process::Command};

/// Whether the server takes a connection without a passphrase.
fn is_open(server: SocketAddr) -> bool {
    match RawPeer::connect(server).connection.greet(Role::Call, Token::NONE, WATCHDOG_TIMEOUT) {
        Ok(_) => true,
        Err(RpcError::Refused { status: Status::Closed, .. }) => false,
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn the_rooms_of_a_closed_run_are_closed_and_those_that_must_be_open_are_open() {
    let closed = Kind::of_this_run().closed;
    let server = TestServer::start();
    assert_eq!(is_open(server.address()), !closed);
    let (_server, address) = Program::server(&[]);
    assert_eq!(is_open(address), !closed);
    let (_server, address) = Program::server_that_forgets(&[]);
    assert_eq!(is_open(address), !closed);
    let server = TestServer::that_is_open();
    assert!(is_open(server.address()));
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0"]);
    let (_server, address) = Program::start_server_that_is_open(&mut command);
    assert!(is_open(address));
}
