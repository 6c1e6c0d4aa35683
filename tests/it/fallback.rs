//! A client whose listener the server cannot reach opens the callback connection itself, and chats as any other.

use chat_tests::{process::Program, proxy::Proxy};
use std::process::Command;

#[test]
fn a_client_behind_a_translated_address_falls_back_by_itself() {
    // The proxy comes from ::1, where nobody listens on the client's port: what a network that translates addresses does.
    let mut command = Command::new(chat_tests::process::binary("chat-server"));
    let (_server, address) = Program::start_server(command.args(["--listen", "[::1]:0"]));
    let inside = std::net::SocketAddr::new("::1".parse().unwrap(), address.port());
    let proxy = Proxy::start(inside);
    let mut sara = Program::joined_client(inside, "Sara");
    let mut ali = Program::client(proxy.address(), "Ali", &[]);
    ali.sees("Connected! Start typing...");
    ali.sees("--- the server could not dial this client");
    sara.sees("User [Ali] joined");
    sara.types("hello");
    ali.sees("[Sara] hello");
    ali.types("hello yourself");
    sara.sees("[Ali] hello yourself");
    assert!(!sara.output().contains("could not dial"), "Sara was dialled");
}

#[test]
fn a_client_that_does_not_want_to_be_dialled_dials() {
    let (_server, address) = Program::server(&[]);
    let sara = Program::joined_client(address, "Sara");
    let mut ali = Program::client(address, "Ali", &["--no-listen"]);
    ali.sees("Connected! Start typing...");
    ali.types("hello");
    sara.sees("[Ali] hello");
}
