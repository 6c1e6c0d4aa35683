//! A slow or stuck recipient does not delay the others, and learns what it missed.

use chat_common::wire::protocol::{EventKind, Join};
use chat_server::{Bytes, Limits};
use chat_tests::{
    checker::assert_clean,
    member::{Callbacks, Member},
    proxy::{Fault, Faults, Proxy},
    raw::{self, RawPeer},
    server::{without_rate_limit, TestServer},
};
use std::time::Duration;

#[test]
fn a_recipient_that_never_answers_delays_nobody() {
    const COUNT: usize = 2000;
    let server = TestServer::with_limits(Limits {
        receive_timeout: Duration::from_secs(3600),
        ..without_rate_limit()
    });
    let mut alice = Member::join(server.address(), "alice");
    let bob = Member::join(server.address(), "bob");
    // The stuck recipient opens its callback connection and never reads from it.
    let mut stuck = RawPeer::connect_call(server.address()).unwrap();
    let token = raw::random_token();
    stuck.join("stuck", token).unwrap();
    let _callback = stuck.connect_callback(server.address(), token).unwrap();

    let mut last = 0;
    for number in 0..COUNT {
        last = alice.say(&format!("{number}"));
    }
    bob.hear_up_to(last);
    assert_eq!(bob.texts().len(), COUNT);
    assert_clean(|| [alice.history(), bob.history()]);
}

#[test]
fn a_recipient_that_never_answers_is_removed_as_not_responding() {
    let server = TestServer::with_limits(Limits {
        receive_timeout: Duration::from_millis(200),
        ..without_rate_limit()
    });
    let mut alice = Member::join(server.address(), "alice");
    let mut stuck = RawPeer::connect_call(server.address()).unwrap();
    let token = raw::random_token();
    stuck.join("stuck", token).unwrap();
    let _callback = stuck.connect_callback(server.address(), token).unwrap();
    for number in 0..100 {
        alice.say(&format!("{number}"));
    }
    let left =
        alice.hear("stuck to leave", |kind| matches!(kind, EventKind::Left { name, .. } if name == "stuck"));
    assert!(
        matches!(&left.kind, EventKind::Left { reason: Some(reason), .. } if reason == "not responding"),
        "{left:?}"
    );
}

#[test]
fn a_recipient_that_falls_behind_the_log_learns_exactly_what_it_missed() {
    const COUNT: usize = 3000;
    let small = Limits {
        log_messages: 100,
        log_size: Bytes(64 << 10),
        receive_timeout: Duration::from_secs(3600),
        ..without_rate_limit()
    };
    let server = TestServer::that_forgets(small);
    let proxy = Proxy::start(server.address());
    let mut alice = Member::join(server.address(), "alice");
    let bob = Member::join(server.address(), "bob");
    let slow = Member::try_join(proxy.address(), "slow", Callbacks::Open).unwrap();

    proxy.set_faults(Faults { up: Fault::Pass, down: Fault::StopReading });
    let padding = "x".repeat(1000);
    let mut last = 0;
    for number in 0..COUNT {
        last = alice.say(&format!("{number} {padding}"));
        // Alice waits for bob now and then, so that he misses nothing: the log holds less than 50 of these.
        if number % 25 == 0 {
            bob.hear_up_to(last);
        }
    }
    proxy.set_faults(Faults::default());
    slow.hear_up_to(last);
    slow.hear("what slow missed", |kind| matches!(kind, EventKind::Missed { .. }));
    bob.hear_up_to(last);
    assert!(slow.texts().len() < COUNT, "the log cannot hold all messages");
    assert_eq!(bob.texts().len(), COUNT);
    assert_clean(|| [alice.history(), bob.history(), slow.history()]);
}

#[test]
fn a_recipient_on_a_very_slow_connection_receives_all_in_order() {
    let server = TestServer::start();
    let proxy = Proxy::start(server.address());
    proxy.set_faults(Faults { up: Fault::Pass, down: Fault::OneByteAtATime(Duration::from_micros(10)) });
    let mut alice = Member::join(server.address(), "alice");
    let slow = Member::try_join(proxy.address(), "slow", Callbacks::Open).unwrap();
    let mut last = 0;
    for number in 0..100 {
        last = alice.say(&format!("{number}"));
    }
    slow.hear_up_to(last);
    assert_clean(|| [alice.history(), slow.history()]);
}

#[test]
fn newcomers_that_ask_for_all_history_and_read_nothing_delay_nobody() {
    const NEWCOMERS: usize = 30;
    let server = TestServer::with_limits(Limits {
        receive_timeout: Duration::from_secs(3600),
        ..without_rate_limit()
    });
    let mut alice = Member::join(server.address(), "alice");
    let bob = Member::join(server.address(), "bob");
    let padding = "x".repeat(800);
    for number in 0..3000 {
        alice.say(&format!("earlier {number} {padding}"));
    }
    let newcomers: Vec<_> = (0..NEWCOMERS)
        .map(|number| {
            let mut call = RawPeer::connect_call(server.address()).unwrap();
            let join =
                Join { history: u32::MAX, ..Join::new(format!("newcomer{number}"), raw::random_token(), 0) };
            let token = join.token;
            call.join_with(join).unwrap();
            let callback = call.connect_callback(server.address(), token).unwrap();
            (call, callback)
        })
        .collect();
    let last = (0..200).map(|number| alice.say(&format!("{number}"))).last().unwrap();
    bob.hear_up_to(last);
    assert_eq!(bob.texts().len(), 3200);
    assert_eq!(bob.history().sessions.len(), 1, "bob is never cut off");
    assert_clean(|| [alice.history(), bob.history()]);
    drop(newcomers);
}
