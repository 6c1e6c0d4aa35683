//! A panic in the server ends the one client it was for; everybody else loses nothing.

use chat_common::protocol::EventKind;
use chat_server::{
    seeded::{Bug, Seeded},
    Settings,
};
use chat_tests::{
    checker::assert_clean,
    member::Member,
    server::{without_rate_limit, TestServer},
};

fn server_with(bug: Bug) -> TestServer {
    let settings =
        Settings { limits: without_rate_limit(), seeded: Seeded::with(bug), ..Settings::default() };
    TestServer::with_settings("127.0.0.1:0", settings)
}

/// Dan makes the thread that serves him panic; ann and bob go on, and dan may come back.
fn survives(bug: Bug) {
    let server = server_with(bug);
    let mut ann = Member::join(server.address(), "ann");
    let bob = Member::join(server.address(), "bob");
    let mut dan = Member::join(server.address(), "dan");
    ann.say("before");
    assert!(dan.try_say("panic").is_err(), "his connection ends");
    let left = ann.hear("dan to leave", |kind| matches!(kind, EventKind::Left { name, .. } if name == "dan"));
    assert!(
        matches!(&left.kind, EventKind::Left { reason: Some(why), .. } if why == "internal error"),
        "{left:?}"
    );
    ann.say("after");
    bob.hear_text("after");
    dan.reconnect();
    let end = ann.say("and with him again");
    bob.hear_up_to(end);
    dan.hear_up_to(end);
    assert_eq!(ann.who(), ["ann", "bob", "dan"]);
    assert_clean(&[ann.history(), bob.history(), dan.history()]);
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
        end = ann.say_until_accepted(&format!("{number}"));
    }
    bob.reconnect();
    while bob.hear_within(std::time::Duration::from_millis(100), end).is_none() {
        bob.reconnect();
    }
    assert_clean(&[ann.history().left_early(), bob.history().left_early()]);
    assert_eq!(bob.texts().len(), 100);
    server.stop();
}
