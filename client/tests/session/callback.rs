//! The callback connection: which connections the client accepts, and what it does if the server cannot dial
//! it.

use crate::harness::{
    dial, joined_reply, message_event, next_request, receive_call, refuse, reply, run_client, stream_to,
    TEST_TIMEOUT,
};
use chat_client::UiEvent;
use chat_common::wire::{
    error::RpcError,
    hello::Role,
    protocol::{CallbackReply, Cause, Join, Request},
    status::Status,
    token::Token,
};
use std::net::TcpStream;

#[test]
fn a_stranger_is_refused_and_does_not_delay_the_server() {
    run_client(
        |_| {},
        |harness| {
            let (mut call, join) = harness.accept_join();
            let _silent: Vec<TcpStream> = (0..3).map(|_| stream_to(&join)).collect();
            let forged = Join { token: Token::from_bytes([7; 16]), ..join.clone() };
            assert!(matches!(dial(&forged), Err(RpcError::Refused { status: Status::UnknownToken, .. })));
            let mut callback = dial(&join).unwrap();
            // There is only one callback connection, even for the right token.
            assert!(matches!(dial(&join), Err(RpcError::Refused { status: Status::Busy, .. })));
            reply(&mut call, &joined_reply(1, true));
            let _: CallbackReply = callback.call(&receive_call(6), TEST_TIMEOUT).unwrap();
            harness.stop(&mut call);
        },
    );
}

#[test]
fn a_client_that_cannot_be_dialled_opens_the_callback_and_receives_the_same_events() {
    run_client(
        |options| options.member.dials = true,
        |harness| {
            let (mut call, join) = harness.accept_join();
            assert_eq!(join.port, 0);
            reply(&mut call, &joined_reply(1, false));
            let (mut callback, role, token) = harness.accept();
            assert_eq!((role, token), (Role::OpenedCallback, join.token));
            assert!(matches!(harness.next_event(), UiEvent::Connected { .. }));
            assert_eq!(harness.next_event(), UiEvent::OpenedCallback);
            let _: CallbackReply = callback.call(&receive_call(6), TEST_TIMEOUT).unwrap();
            assert_eq!(harness.next_event(), UiEvent::Event { event: message_event(6), earlier: false });
            harness.stop(&mut call);
        },
    );
}

#[test]
fn after_an_invalid_port_the_client_joins_without_a_port() {
    run_client(
        |_| {},
        |harness| {
            let (mut call, join) = harness.accept_join();
            assert_ne!(join.port, 0);
            refuse(&mut call, Cause::InvalidPort);
            let Request::Join(join) = next_request(&mut call) else {
                panic!("the client sends another Join")
            };
            assert_eq!(join.port, 0);
            reply(&mut call, &joined_reply(1, false));
            let (_callback, role, _) = harness.accept();
            assert_eq!(role, Role::OpenedCallback);
            harness.stop(&mut call);
        },
    );
}
