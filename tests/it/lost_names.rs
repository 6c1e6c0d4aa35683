//! A name stands for a person: whose connection is lost keeps it for a while, and who leaves gives it up.

use crate::journal::Place;
use chat_common::wire::protocol::{Cause, EventKind, Join, Refusal, Reply, Request};
use chat_tests::{
    member::{Member, MemberError},
    process::Program,
    proxy::Proxy,
    raw::{random_token, RawPeer},
    room::Kind,
    server::TestServer,
};
use std::net::SocketAddr;

/// Whether the members of this run have keys. All members of the harness have the same one, so each may have
/// the names of the others.
fn members_have_keys() -> bool {
    let closed = Kind::of_this_run().closed;
    if closed {
        println!("skipped: `closed_server` has a test for the keys of a closed room");
    }
    closed
}

/// Joins under this name from an address of this machine, as a client that nobody knows.
fn join_from(from: &str, server: SocketAddr, name: &str, send_only: bool) -> Result<RawPeer, Refusal> {
    let mut call = RawPeer::connect_from(from.parse().unwrap(), server).unwrap();
    call.say_hello().unwrap();
    match call.join_with(Join { send_only, ..Join::new(name, random_token(), 0) }) {
        Ok(_) => Ok(call),
        Err(Reply::Refused(refusal)) => Err(refusal),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn nobody_takes_the_name_of_a_member_whose_connection_is_cut_and_it_comes_back() {
    if members_have_keys() {
        return;
    }
    let server = TestServer::start();
    let proxy = Proxy::start(server.address());
    let mut alice = Member::join(server.address(), "alice");
    let mut bob = Member::join_without_listener(proxy.address(), "bob");
    proxy.cut();
    alice.hear("bob's leave", |kind| matches!(kind, EventKind::Left { name, .. } if name == "bob"));
    for from in ["127.0.0.1", "127.0.0.2"] {
        for send_only in [false, true] {
            let refusal = join_from(from, server.address(), "Bob", send_only).unwrap_err();
            assert_eq!(refusal.cause, Cause::NameTaken);
            assert!(refusal.text.contains("; the name is free again in "), "{refusal}");
        }
    }
    let rename = Request::Rename { name: "bob".to_owned() };
    match alice.ask(&rename) {
        Ok(Reply::Refused(refusal)) | Err(MemberError::Refused(refusal)) => {
            assert_eq!(refusal.cause, Cause::NameTaken);
        }
        other => panic!("{other:?}"),
    }
    bob.reconnect();
    alice.say_privately("bob", "for you alone");
    bob.hear_text("for you alone");
    assert_eq!(bob.history().sessions.len(), 1, "the session is the same");
}

#[test]
fn a_program_that_is_killed_has_its_name_at_once_where_it_is_alone_on_its_machine() {
    if members_have_keys() {
        return;
    }
    let server = TestServer::start();
    let alice = Member::join(server.address(), "alice");
    for round in 0..3 {
        let bot = join_from("127.0.0.2", server.address(), "bot", false).unwrap();
        drop(bot);
        alice.hear(&format!("the bot's leave {round}"), {
            let mut left = 0;
            move |kind| {
                left += usize::from(matches!(kind, EventKind::Left { name, .. } if name == "bot"));
                left > round
            }
        });
    }
    let refusal = join_from("127.0.0.3", server.address(), "bot", false).unwrap_err();
    assert_eq!(refusal.cause, Cause::NameTaken);
}

#[test]
fn after_a_restart_the_names_of_the_room_wait_for_those_who_had_them() {
    let place = Place::new();
    let mut server = place.start(&[]);
    let _ann = Member::join(place.address(), "ann");
    let mut bob = Member::join(place.address(), "bob");
    server.signal("KILL");
    server.exits();
    let _server = place.start(&[]);
    let refusal = join_from("127.0.0.2", place.address(), "bob", false).unwrap_err();
    assert!(refusal.text.contains("; the name is free again in "), "{refusal}");
    bob.reconnect();
    assert_eq!(bob.history().sessions.len(), 1, "the session is the same");
}

#[test]
fn a_script_that_leaves_may_join_again_at_once_under_its_name() {
    let server = TestServer::start();
    let _alice = Member::join(server.address(), "alice");
    for round in 0..300 {
        let mut script = join_from("127.0.0.1", server.address(), "script", round % 2 == 0)
            .unwrap_or_else(|refusal| panic!("round {round}: {refusal}"));
        assert_eq!(script.ask(&Request::Leave).unwrap(), Reply::Left);
        // This one leaves while the server still gets the callback connection that it has just opened.
        Member::join_without_listener(server.address(), "script").leave();
    }
}

#[test]
fn a_client_that_waits_gets_the_name_of_its_predecessor_when_that_is_free() {
    let (_server, address) = Program::server(&["--hold-name", "1s"]);
    let ann = Program::joined_client(address, "Ann");
    let bot = Program::joined_client(address, "bot");
    bot.signal("KILL");
    ann.sees("User [bot] left (connection lost)\n");
    let again = Program::client(address, "bot", &["--wait", "60s"]);
    again.sees("Connected!");
    ann.sees_times("User [bot] joined\n", 2);
}
