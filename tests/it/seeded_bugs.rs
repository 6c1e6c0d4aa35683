//! The tests of the tests: the server is broken on purpose, in each way it offers, and the same scenario that finds nothing
//! wrong with the sound server finds the bug.

use chat_common::{
    codec::encode_into,
    protocol::{Join, Request},
};
use chat_server::{
    limits::Limits,
    seeded::{Bug, Seeded},
    Settings,
};
use chat_tests::{
    checker::check,
    member::Member,
    raw::{self, RawPeer},
    server::{without_rate_limit, TestServer},
    watchdog::{Shared, WATCHDOG_TIMEOUT},
};
use std::{
    io::{ErrorKind, Read},
    net::TcpListener,
    thread,
    time::Duration,
};

/// How long a scenario waits on a broken server for something that does not come.
const BROKEN_SERVER_TIMEOUT: Duration = Duration::from_secs(2);

/// The scenario answers what is wrong, and is told how long to wait for anything.
/// With the sound server it must find nothing, with the broken one something.
fn catches(bug: Bug, limits: &Limits, scenario: fn(&TestServer, Duration) -> Vec<String>) {
    let drain_timeout = Duration::from_millis(200);
    let sound = Settings { limits: Limits { drain_timeout, ..limits.clone() }, ..Settings::default() };
    let broken = Settings { seeded: Seeded::with(bug), ..sound.clone() };
    let wrong = scenario(&TestServer::with_settings("127.0.0.1:0", sound), WATCHDOG_TIMEOUT);
    assert!(wrong.is_empty(), "the sound server: {wrong:#?}");
    let wrong = scenario(&TestServer::with_settings("127.0.0.1:0", broken), BROKEN_SERVER_TIMEOUT);
    assert!(!wrong.is_empty(), "{bug:?} was not noticed");
    eprintln!("{bug:?} was caught: {}", wrong[0]);
}

/// Ann speaks, bob and cid listen.
fn talk(server: &TestServer, timeout: Duration) -> Vec<String> {
    let mut ann = Member::join(server.address(), "ann");
    let [mut bob, cid] = ["bob", "cid"].map(|name| Member::join(server.address(), name));
    for number in 0..300 {
        ann.say(&format!("{number}"));
    }
    let end = bob.say("that is all");
    // Where the last is dropped or late, the wait ends all the same, and the checker sees it.
    let _ = cid.hear_within(timeout, end);
    let _ = bob.hear_within(timeout, end - 1);
    ann.hear_within(timeout, end);
    check(&[ann.history(), bob.history(), cid.history()])
}

#[test]
fn swapped_messages() {
    catches(Bug::Swap, &without_rate_limit(), talk);
}

#[test]
fn dropped_messages() {
    catches(Bug::Drop, &without_rate_limit(), talk);
}

#[test]
fn a_message_doubled_on_resume() {
    catches(Bug::DoubleOnResume, &without_rate_limit(), |server, timeout| {
        let mut ann = Member::join(server.address(), "ann");
        let mut bob = Member::join(server.address(), "bob");
        bob.hear_within(timeout, ann.say("one"));
        bob.resume().unwrap();
        bob.hear_within(timeout, ann.say("two"));
        check(&[ann.history().left_early(), bob.history()])
    });
}

#[test]
fn a_message_said_again_when_it_is_repeated() {
    catches(Bug::DoubleOnRepeat, &without_rate_limit(), |server, timeout| {
        let mut ann = Member::join(server.address(), "ann");
        let bob = Member::join(server.address(), "bob");
        ann.say("once");
        let message_id = ann.history().sent[0].message_id;
        ann.ask(&Request::Broadcast { message_id, text: "once".to_owned() }).unwrap();
        let end = ann.say("that is all");
        bob.hear_within(timeout, end);
        check(&[ann.history().left_early(), bob.history()])
    });
}

/// Whether ann can go on speaking and bob hearing while `stuck` is.
fn goes_on_beside(stuck: RawPeer, mut ann: Member, bob: &Member, timeout: Duration) -> Vec<String> {
    const COUNT: usize = 100;
    // The place of the last one, or the number of those that were accepted so far.
    let said = Shared::new((0, None));
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..COUNT {
                // A broken server may as well throw her out.
                let Ok(place) = ann.try_say(&format!("{number}")) else { return };
                said.update(|said| *said = (number + 1, (number + 1 == COUNT).then_some(place)));
            }
        });
        let done = said.wait_within(timeout, |said| said.1);
        let heard = done.and_then(|end| bob.hear_within(timeout, end));
        // Only now, because this frees whoever is held up by the stuck one.
        drop(stuck);
        match heard {
            Some(()) => Vec::new(),
            None => vec![format!("everybody was held up after {} messages", said.read_with(|said| said.0))],
        }
    })
}

/// Somebody who has joined, and her callback connection, which nobody serves.
fn stuck_recipient(server: &TestServer) -> (RawPeer, RawPeer) {
    let mut call = RawPeer::connect_call(server.address()).unwrap();
    let token = raw::random_token();
    call.join("stuck", token).unwrap();
    (call, RawPeer::connect_callback(server.address(), token).unwrap())
}

#[test]
fn a_scope_for_each_message() {
    let patient = Limits { receive_timeout: Duration::from_secs(3600), ..without_rate_limit() };
    catches(Bug::ScopePerRound, &patient, |server, timeout| {
        let [ann, bob] = ["ann", "bob"].map(|name| Member::join(server.address(), name));
        let (_call, stuck) = stuck_recipient(server);
        goes_on_beside(stuck, ann, &bob, timeout)
    });
}

#[test]
fn a_lost_wake_up() {
    let patient = Limits { ping_after: Duration::from_secs(3600), ..without_rate_limit() };
    catches(Bug::LostWakeUp, &patient, |server, timeout| {
        // A wake-up is lost when the last message of a round meets a recipient that is about to sleep: a matter of luck,
        // so there are many rounds, of many lengths, with many recipients. The broken server is given more of them.
        let rounds = if timeout == WATCHDOG_TIMEOUT { 100 } else { 5000 };
        let mut ann = Member::join(server.address(), "ann");
        let others = ["bob", "cid", "dan", "eve"].map(|name| Member::join(server.address(), name));
        for round in 0..rounds {
            let mut last = 0;
            for number in 0..=round % 40 {
                last = ann.say(&format!("{round} {number}"));
            }
            for other in &others {
                if other.hear_within(timeout, last).is_none() {
                    return vec![format!("{} slept through the end of round {round}", other.name())];
                }
            }
        }
        Vec::new()
    });
}

#[test]
fn a_lock_held_over_a_write() {
    let slow =
        Limits { dial_timeout: WATCHDOG_TIMEOUT, drain_timeout: WATCHDOG_TIMEOUT, ..without_rate_limit() };
    for (seeded, timeout, goes_on) in [
        (Seeded::default(), WATCHDOG_TIMEOUT, true),
        (Seeded::with(Bug::LockOverWrite), BROKEN_SERVER_TIMEOUT, false),
    ] {
        let settings = Settings { limits: slow.clone(), seeded, ..Settings::default() };
        let server = TestServer::with_settings("127.0.0.1:0", settings);
        let mut ann = RawPeer::connect_call(server.address()).unwrap();
        ann.join("ann", raw::random_token()).unwrap();
        // Eve's listener takes the server's call and says nothing, so that her Join hangs.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let eve = RawPeer::connect_call(server.address()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let join = Join { name: "eve".into(), token: raw::random_token(), port, history: 0, resume: None };
        let mut request = Vec::new();
        encode_into(&Request::Join(join), &mut request).unwrap();
        eve.write_frame(request.len() as u32, &request).unwrap();
        let hanging = listener.accept().unwrap();

        let answered = Shared::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let reply = ann.ask(&Request::Who);
                answered.update(|answered| *answered = reply.is_ok());
            });
            let seen = answered.wait_within(timeout, |answered| answered.then_some(())).is_some();
            drop(hanging); // Frees whoever is held up.
            assert_eq!(seen, goes_on, "ann is answered while the server waits for eve");
        });
    }
}

#[test]
fn no_deadline_for_an_answer() {
    let short = Limits { receive_timeout: Duration::from_millis(100), ..without_rate_limit() };
    catches(Bug::NoDeadline, &short, |server, timeout| {
        let mut ann = Member::join(server.address(), "ann");
        let (_call, _stuck) = stuck_recipient(server);
        let mut last = 0;
        for number in 0..40 {
            last = ann.say(&format!("{number}"));
        }
        match ann.hear_within(timeout, last + 1) {
            Some(()) => Vec::new(),
            None => vec!["whoever never answers stays for ever".to_owned()],
        }
    });
}

#[test]
fn a_length_that_is_not_checked() {
    let patient = Limits { frame_timeout: Duration::from_secs(3600), ..without_rate_limit() };
    catches(Bug::UncheckedLength, &patient, |server, timeout| {
        let mut peer = RawPeer::connect_call(server.address()).unwrap();
        peer.join("greedy", raw::random_token()).unwrap();
        peer.write_frame(1 << 20, b"only the beginning").unwrap();
        peer.stream.set_read_timeout(Some(timeout)).unwrap();
        match (&peer.stream).read(&mut [0]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                vec!["the server waits for a frame of 1 MiB".to_owned()]
            }
            _ => Vec::new(),
        }
    });
}
