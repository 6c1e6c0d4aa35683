//! A panic in the server ends one client, and the others lose nothing.

use chat_common::wire::protocol::EventKind;
use chat_server::{
    seeded::{Bug, Seeded},
    Limits,
};
use chat_tests::{
    checker::assert_clean,
    member::Member,
    server::{without_rate_limit, TestServer},
};

fn server_with(bug: Bug) -> TestServer {
    TestServer::with_limits(Limits { seeded: Seeded::with(bug), ..without_rate_limit() })
}

/// Makes the thread that serves dan panic. Checks that ann and bob go on, and that dan can reconnect.
fn survives_a_panic(bug: Bug) {
    let server = server_with(bug);
    let mut ann = Member::join(server.address(), "ann");
    let bob = Member::join(server.address(), "bob");
    let mut dan = Member::join(server.address(), "dan");
    ann.say("before");
    eprintln!("Ann, Bob and Dan are in a room. The thread that serves Dan panics ({bug:?}):");
    assert!(dan.try_say("panic").is_err(), "dan's connection ends");
    let left = ann.hear("dan to leave", |kind| matches!(kind, EventKind::Left { name, .. } if name == "dan"));
    assert!(
        matches!(&left.kind, EventKind::Left { reason: Some(reason), .. } if reason == "internal error"),
        "{left:?}"
    );
    eprintln!("Ann hears that Dan left (internal error). She speaks on, and Bob hears her.");
    ann.say("after");
    bob.hear_text("after");
    dan.reconnect();
    let end = ann.say("and with dan again");
    bob.hear_up_to(end);
    dan.hear_up_to(end);
    assert_eq!(ann.who(), ["ann", "bob", "dan"]);
    assert_clean(|| [ann.history(), bob.history(), dan.history()]);
    server.stop();
    eprintln!("Dan dials again. All three have every message once and in one order; all threads have ended.");
}

#[test]
fn a_panic_in_a_handler_ends_that_client_alone() {
    survives_a_panic(Bug::PanicInHandler);
}

#[test]
fn a_panic_while_the_registry_is_locked_ends_that_client_alone() {
    survives_a_panic(Bug::PanicUnderLock);
}

#[test]
fn a_panic_in_a_delivery_ends_that_recipient_alone() {
    // Every delivery thread panics at its first answer, so both members lose their connections again and
    // again. They reconnect and lose no message.
    let server = server_with(Bug::PanicInDelivery);
    let mut ann = Member::join(server.address(), "ann");
    let mut bob = Member::join(server.address(), "bob");
    let mut end = 0;
    for number in 0..100 {
        end = ann.say_until_accepted(&format!("{number}"));
    }
    bob.reconnect_until_received(end);
    assert_clean(|| [ann.history().left_early(), bob.history().left_early()]);
    assert_eq!(bob.texts().len(), 100);
    server.stop();
}
