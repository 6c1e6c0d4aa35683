//! The basic promise of a chat: every member receives what the others say, and not what it says itself.

use chat_common::wire::protocol::{Cause, EventKind, Reply, Request};
use chat_tests::{checker::assert_clean, member::Member, server::TestServer};

#[test]
fn bob_hears_alice_and_alice_hears_no_echo() {
    let server = TestServer::start();
    let mut alice = Member::join(server.address(), "alice");
    let mut bob = Member::join(server.address(), "bob");

    alice.say("hello");
    bob.hear_text("hello");
    bob.say("hi alice");
    alice.hear_text("hi alice");

    assert_eq!(alice.texts(), ["hi alice"]);
    assert_eq!(bob.texts(), ["hello"]);
    assert_clean(|| [alice.history(), bob.history()]);
}

#[test]
fn a_message_carries_the_name_under_which_its_author_joined() {
    let server = TestServer::start();
    let mut alice = Member::join(server.address(), "alice");
    let bob = Member::join(server.address(), "bob");
    alice.say("it is me");
    let event = bob.hear_text("it is me");
    assert!(matches!(event.kind, EventKind::Message { author, .. } if author == "alice"));
}

#[test]
fn only_the_other_members_receive_a_join_and_a_leave() {
    let server = TestServer::start();
    let alice = Member::join(server.address(), "alice");
    let bob = Member::join(server.address(), "bob");
    alice.hear("bob's join", |kind| matches!(kind, EventKind::Joined { name } if name == "bob"));
    let bob = bob.leave();
    alice.hear("bob's leave", |kind| matches!(kind, EventKind::Left { name, reason: None } if name == "bob"));
    assert_eq!(bob.events().count(), 0, "nothing happened between bob's join and his leave");
    assert_clean(|| [alice.history(), bob.clone()]);
}

#[test]
fn who_lists_exactly_the_members_that_are_present() {
    let server = TestServer::start();
    let mut alice = Member::join(server.address(), "alice");
    let bob = Member::join(server.address(), "bob");
    assert_eq!(alice.who(), ["alice", "bob"]);
    bob.leave();
    alice.hear("bob's leave", |kind| matches!(kind, EventKind::Left { .. }));
    assert_eq!(alice.who(), ["alice"]);
}

#[test]
fn a_private_message_reaches_its_recipient_alone() {
    let server = TestServer::start();
    let mut alice = Member::join(server.address(), "alice");
    let bob = Member::join(server.address(), "bob");
    let cid = Member::join(server.address(), "cid");
    alice.say_privately("bob", "for you");
    alice.say("for all");
    cid.hear_text("for all");
    bob.hear_text("for all");
    assert_eq!(bob.texts(), ["for you", "for all"]);
    assert_eq!(cid.texts(), ["for all"]);
    assert_clean(|| [alice.history(), bob.history(), cid.history()]);
}

#[test]
fn a_private_message_to_an_unknown_name_is_refused() {
    let server = TestServer::start();
    let mut alice = Member::join(server.address(), "alice");
    let request = Request::Private {
        message_id: 1,
        repeated: false,
        to: "nobody".to_owned(),
        text: "hello?".to_owned(),
    };
    match alice.ask(&request).unwrap() {
        Reply::Refused(refusal) => assert_eq!(refusal.cause, Cause::NobodyOfThatName),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_other_members_receive_an_action_and_a_new_name() {
    let server = TestServer::start();
    let mut alice = Member::join(server.address(), "alice");
    let bob = Member::join(server.address(), "bob");
    alice.ask(&Request::Action { message_id: 1, repeated: false, text: "waves".to_owned() }).unwrap();
    bob.hear(
        "alice's action",
        |kind| matches!(kind, EventKind::Action { author, text, .. } if author == "alice" && text == "waves"),
    );
    assert!(matches!(
        alice.ask(&Request::Rename { name: "alix".to_owned() }).unwrap(),
        Reply::Renamed { .. }
    ));
    bob.hear(
        "alice's new name",
        |kind| matches!(kind, EventKind::Renamed { from, to } if from == "alice" && to == "alix"),
    );
    assert_eq!(alice.who(), ["alix", "bob"]);
}

#[test]
fn history_holds_what_the_member_may_read() {
    let server = TestServer::start();
    let mut alice = Member::join(server.address(), "alice");
    let mut bob = Member::join(server.address(), "bob");
    let mut cid = Member::join(server.address(), "cid");
    alice.say("one");
    alice.say_privately("bob", "two");
    bob.say("three");
    let texts =
        |member: &mut Member, count| match member.ask(&Request::History { count, before: None }).unwrap() {
            Reply::History { events } => events
                .iter()
                .filter_map(|event| chat_tests::history::text_of(&event.kind).map(str::to_owned))
                .collect(),
            other => panic!("{other:?}"),
        };
    let all: Vec<String> = texts(&mut bob, 10);
    assert_eq!(all, ["one", "two", "three"]);
    let last: Vec<String> = texts(&mut bob, 2);
    assert_eq!(last, ["two", "three"]);
    let without_private: Vec<String> = texts(&mut cid, 10);
    assert_eq!(without_private, ["one", "three"]);
}

#[test]
fn a_new_member_receives_only_what_follows_its_join() {
    let server = TestServer::start();
    let mut alice = Member::join(server.address(), "alice");
    alice.say("before");
    let bob = Member::join(server.address(), "bob");
    alice.say("after");
    bob.hear_text("after");
    assert_eq!(bob.texts(), ["after"]);
    assert_clean(|| [alice.history(), bob.history()]);
}
