//! The connection on which the client is called: who may call, and what is done where nobody can.

use crate::stage::{answers, asks, dial, joined, message, play, receive, refuses, stream_to, PATIENCE};
use chat_client::settings::{channels::Stop, shown::Shown};
use chat_common::{
    error::RpcError,
    hello::Role,
    protocol::{CallbackReply, Cause, Join, Request},
    status::Status,
    token::Token,
};
use std::net::TcpStream;

#[test]
fn strangers_are_turned_away_and_do_not_keep_the_server_waiting() {
    play(
        |_| {},
        |stage| {
            let (mut call, join) = stage.join();
            let _silent: Vec<TcpStream> = (0..3).map(|_| stream_to(&join)).collect();
            let forged = Join { token: Token::from_bytes([7; 16]), ..join.clone() };
            assert!(matches!(dial(&forged), Err(RpcError::Refused { status: Status::UnknownToken, .. })));
            let mut callback = dial(&join).unwrap();
            // There is one callback, whoever knows the token.
            assert!(matches!(dial(&join), Err(RpcError::Refused { status: Status::Busy, .. })));
            answers(&mut call, &joined(1, true));
            let _: CallbackReply = callback.call(&receive(6), PATIENCE).unwrap();
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn a_client_that_cannot_be_dialled_dials_and_is_served_the_same_way() {
    play(
        |options| options.listen = false,
        |stage| {
            let (mut call, join) = stage.join();
            assert_eq!(join.port, 0);
            answers(&mut call, &joined(1, false));
            let (mut callback, role, token) = stage.accept();
            assert_eq!((role, token), (Role::OpenedCallback, join.token));
            assert!(matches!(stage.sees(), Shown::Connected { .. }));
            assert_eq!(stage.sees(), Shown::OpenedCallback);
            let _: CallbackReply = callback.call(&receive(6), PATIENCE).unwrap();
            assert_eq!(stage.sees(), Shown::Event { event: message(6), earlier: false });
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn a_port_that_the_server_does_not_dial_is_done_without() {
    play(
        |_| {},
        |stage| {
            let (mut call, join) = stage.join();
            assert_ne!(join.port, 0);
            refuses(&mut call, Cause::InvalidPort);
            let Request::Join(join) = asks(&mut call) else { panic!("another Join") };
            assert_eq!(join.port, 0);
            answers(&mut call, &joined(1, false));
            let (_callback, role, _) = stage.accept();
            assert_eq!(role, Role::OpenedCallback);
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}
