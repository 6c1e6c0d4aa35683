//! A closed room: who knows the passphrase talks as in an open one, and nobody else comes in.

use chat_client::{Channels, JoinOptions, Outcome};
use chat_common::wire::{error::RpcError, hello::Role, status::Status, token::Token};
use chat_tests::{
    closed::{self, join_options, passphrase, run_client},
    raw::RawPeer,
    server::TestServer,
    watchdog::WATCHDOG_TIMEOUT,
};
use crossbeam_channel::{bounded, unbounded};
use std::thread;

const WORDS: &str = "lamp river";

#[test]
fn who_knows_the_passphrase_talks_and_both_kinds_of_callback_work() {
    let server = closed::server(WORDS);
    for (name, listen) in [("ann", true), ("bob", false)] {
        let (outcome, shown) = run_client(server.address(), name, passphrase(WORDS), listen, "hello");
        assert_eq!(outcome, Outcome::Left, "{shown:?}");
    }
    server.stop();
}

#[test]
fn who_has_another_passphrase_or_none_stays_outside() {
    let server = closed::server(WORDS);
    let (outcome, _) = run_client(server.address(), "eve", passphrase("lamp rivet"), true, "hello");
    assert!(matches!(outcome, Outcome::Failed(why) if why.contains("passphrase")));
    for role in [Role::Call, Role::OpenedCallback] {
        let mut peer = RawPeer::connect(server.address());
        let refused = peer.connection.greet(role, Token::NONE, WATCHDOG_TIMEOUT).unwrap_err();
        assert!(matches!(refused, RpcError::Refused { status: Status::Closed, .. }), "{refused:?}");
    }
    server.stop();
}

#[test]
fn a_client_with_a_passphrase_does_not_go_on_in_the_open() {
    let server = TestServer::that_is_open();
    let (outcome, _) = run_client(server.address(), "ann", passphrase(WORDS), true, "hello");
    assert!(matches!(outcome, Outcome::Failed(_)));
    server.stop();
}

#[test]
fn a_message_reaches_the_others_over_sealed_connections() {
    let server = closed::server(WORDS);
    let (input_tx, input_rx) = unbounded();
    let (stop_tx, stop_rx) = bounded(1);
    let options = JoinOptions { stay: true, ..join_options(server.address(), "bob", passphrase(WORDS)) };
    let (shown_tx, shown_rx) = unbounded();
    thread::scope(|scope| {
        scope.spawn(|| {
            chat_client::run(&options, &Channels { input_rx, stop_rx }, &|event| {
                let _ = shown_tx.send(format!("{event:?}"));
            })
        });
        let until = |words: &str| loop {
            let shown = shown_rx.recv_timeout(WATCHDOG_TIMEOUT).unwrap_or_else(|_| panic!("no {words}"));
            if shown.contains(words) {
                return;
            }
        };
        until("Connected");
        assert_eq!(run_client(server.address(), "ann", passphrase(WORDS), true, "hello").0, Outcome::Left);
        until("hello");
        stop_tx.send(chat_client::Stop::Now).unwrap();
        drop(input_tx);
    });
    server.stop();
}
