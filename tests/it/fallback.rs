//! A client whose listener the server cannot reach opens the callback connection itself.

use chat_tests::{process::Program, proxy::Proxy};
use std::process::Command;

#[test]
fn a_client_behind_address_translation_opens_the_callback_connection_itself() {
    // The server sees the proxy's address, ::1, where nobody listens on the client's port. Address
    // translation in a network has the same effect.
    let mut command = Command::new(chat_tests::process::binary("chat-server"));
    let (_server, address) = Program::start_server(command.args(["--listen", "[::1]:0"]));
    let direct = std::net::SocketAddr::new("::1".parse().unwrap(), address.port());
    let proxy = Proxy::start(direct);
    let mut sara = Program::joined_client(direct, "Sara");
    let mut ali = Program::client(proxy.address(), "Ali", &[]);
    ali.sees("Connected! Start typing...");
    ali.sees("--- the server could not dial this client");
    sara.sees("User [Ali] joined");
    sara.types("hello");
    ali.sees("[Sara] hello");
    ali.types("hello yourself");
    sara.sees("[Ali] hello yourself");
    assert!(!sara.output().contains("could not dial"), "the server could not dial Sara");
}

#[test]
fn a_client_with_no_listen_opens_the_callback_connection_itself() {
    let (_server, address) = Program::server(&[]);
    let sara = Program::joined_client(address, "Sara");
    let mut ali = Program::client(address, "Ali", &["--no-listen"]);
    ali.sees("Connected! Start typing...");
    ali.types("hello");
    sara.sees("[Ali] hello");
}
