//! A closed room: who knows the passphrase talks as in an open one, and nobody else comes in.

use chat_client::{Channels, Credentials, Input, JoinOptions, Outcome, UiEvent};
use chat_common::{
    closed::{KeyPair, Passphrase},
    error::RpcError,
    hello::Role,
    rpc::Connection,
    status::Status,
    stream::Stream,
    token::Token,
};
use chat_server::{ClosedRoom, Settings};
use chat_tests::server::TestServer;
use crossbeam_channel::{bounded, unbounded, Receiver};
use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

const LONG: Duration = Duration::from_secs(60);

fn closed_server(passphrase: &str) -> TestServer {
    let passphrase = Passphrase::new(passphrase).unwrap();
    let closed = Some(ClosedRoom { passphrase, key: KeyPair::generate().unwrap() });
    TestServer::with_settings("127.0.0.1:0", Settings { closed, ..Settings::default() })
}

/// Runs a client until its lines are sent and it has left, and returns what it showed.
fn client(server: SocketAddr, name: &str, passphrase: &str, listen: bool) -> (Outcome, Vec<UiEvent>) {
    let (input_tx, input_rx) = unbounded();
    let (_stop_tx, stop_rx) = bounded(1);
    let passphrase = Passphrase::new(passphrase).unwrap();
    let options = JoinOptions {
        name: Some(name.to_owned()),
        listen,
        credentials: Some(Credentials { passphrase, key: KeyPair::generate().unwrap() }),
        ..JoinOptions::new(server.to_string())
    };
    let (shown_tx, shown_rx): (_, Receiver<UiEvent>) = unbounded();
    input_tx.send(Input::Line("hello".to_owned())).unwrap();
    input_tx.send(Input::End).unwrap();
    let outcome = chat_client::run(&options, &Channels { input_rx, stop_rx }, &|event| {
        let _ = shown_tx.send(event);
    });
    (outcome, shown_rx.try_iter().collect())
}

#[test]
fn who_knows_the_passphrase_talks_and_both_kinds_of_callback_work() {
    let server = closed_server("lamp river");
    for (name, listen) in [("ann", true), ("bob", false)] {
        let (outcome, shown) = client(server.address(), name, "lamp river", listen);
        assert_eq!(outcome, Outcome::Left, "{shown:?}");
    }
    server.stop();
}

#[test]
fn who_has_another_passphrase_or_none_stays_outside() {
    let server = closed_server("lamp river");
    let (outcome, _) = client(server.address(), "eve", "lamp rivet", true);
    assert!(matches!(outcome, Outcome::Failed(why) if why.contains("passphrase")));
    for role in [Role::Call, Role::OpenedCallback] {
        let stream = Stream::connect(server.address(), LONG).unwrap();
        let mut connection = Connection::new(Arc::new(stream), 1024);
        let refused = connection.greet(role, Token::NONE, LONG).unwrap_err();
        assert!(matches!(refused, RpcError::Refused { status: Status::Closed, .. }), "{refused:?}");
    }
    server.stop();
}

#[test]
fn a_client_with_a_passphrase_does_not_go_on_in_the_open() {
    let server = TestServer::that_is_open();
    let (outcome, _) = client(server.address(), "ann", "lamp river", true);
    assert!(matches!(outcome, Outcome::Failed(_)));
    server.stop();
}

#[test]
fn a_message_reaches_the_others_over_sealed_connections() {
    let server = closed_server("lamp river");
    let (input_tx, input_rx) = unbounded();
    let (stop_tx, stop_rx) = bounded(1);
    let options = JoinOptions {
        name: Some("bob".to_owned()),
        stay: true,
        credentials: Some(Credentials {
            passphrase: Passphrase::new("lamp river").unwrap(),
            key: KeyPair::generate().unwrap(),
        }),
        ..JoinOptions::new(server.address().to_string())
    };
    let (shown_tx, shown_rx) = unbounded();
    thread::scope(|scope| {
        scope.spawn(|| {
            chat_client::run(&options, &Channels { input_rx, stop_rx }, &|event| {
                let _ = shown_tx.send(format!("{event:?}"));
            })
        });
        let until = |words: &str| loop {
            let shown = shown_rx.recv_timeout(LONG).unwrap_or_else(|_| panic!("no {words}"));
            if shown.contains(words) {
                return;
            }
        };
        until("Connected");
        assert_eq!(client(server.address(), "ann", "lamp river", true).0, Outcome::Left);
        until("hello");
        stop_tx.send(chat_client::Stop::Now).unwrap();
        drop(input_tx);
    });
    server.stop();
}
