//! A panic in the server ends the one client it was for; everybody else loses nothing.

use chat_common::protocol::EventKind;
use chat_server::{
    seeded::{Bug, Seeded},
    Limits,
};
use chat_tests::{
    checker::assert_clean,
    member::Member,
    server::{unhurried, TestServer},
};

fn server_with(bug: Bug) -> TestServer {
    TestServer::with(Limits { seeded: Seeded::with(bug), ..unhurried() })
}

/// Dan makes the thread that serves him panic; ann and bob go on, and dan may come back.
fn survives(bug: Bug) {
    let server = server_with(bug);
    let mut ann = Member::join(server.address(), "ann");
    let bob = Member::join(server.address(), "bob");
    let mut dan = Member::join(server.address(), "dan");
    ann.say("before");
    assert!(dan.try_say("panic").is_err(), "his connection ends");
    let left = ann.hear("dan to leave", |what| matches!(what, EventKind::Left { name, .. } if name == "dan"));
    assert!(
        matches!(&left.kind, EventKind::Left { reason: Some(why), .. } if why == "internal error"),
        "{left:?}"
    );
    ann.say("after");
    bob.hear_text("after");
    dan.come_back();
    let end = ann.say("and with him again");
    bob.hear_up_to(end);
    dan.hear_up_to(end);
    assert_eq!(ann.who(), ["ann", "bob", "dan"]);
    assert_clean(&[ann.so_far(), bob.so_far(), dan.so_far()]);
    server.stop();
}

#[test]
fn a_panic_in_a_handler_ends_that_client_alone() {
    survives(Bug::PanicInHandler);
}

#[test]
fn a_panic_while_the_registry_is_locked_ends_that_client_alone() {
    survives(Bug::PanicUnderLock);
}

#[test]
fn a_panic_in_a_delivery_ends_that_recipient_alone() {
    // Every delivery panics at its first answer, so everybody is thrown out now and then: and comes back, and loses nothing.
    let server = server_with(Bug::PanicInDelivery);
    let mut ann = Member::join(server.address(), "ann");
    let mut bob = Member::join(server.address(), "bob");
    let mut end = 0;
    for number in 0..100 {
        end = ann.insist(&format!("{number}"));
    }
    bob.come_back();
    while bob.hear_at_most(std::time::Duration::from_millis(100), end).is_none() {
        bob.come_back();
    }
    assert_clean(&[ann.so_far().gone(), bob.so_far().gone()]);
    assert_eq!(bob.texts().len(), 100);
    server.stop();
}
