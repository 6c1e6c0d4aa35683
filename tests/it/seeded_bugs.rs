//! Tests of the tests: each one switches on a bug in the server, and its scenario must find it.
//!
//! The same scenario must find nothing in the correct server.

use chat_common::{
    handshake::gateway::GatewayKey,
    wire::{
        codec::encode_into,
        protocol::{Join, Request},
        status::Status,
    },
};
use chat_server::{
    seeded::{Bug, Seeded},
    Bytes, DoorSettings, JournalSettings, Limits, OperatorSettings, Settings,
};
use chat_tests::{
    checker::check,
    class::{operators_file, WORDS},
    folder::Folder,
    member::Member,
    moderation::Moderation,
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

/// How long a scenario waits for a broken server. It waits in vain, so the time is short.
const BROKEN_SERVER_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs a scenario on the correct server and on the broken one. Only the second run may find violations.
///
/// The scenario gets the longest time that it may wait for one thing, and returns the violations that it
/// finds.
fn finds(bug: Bug, limits: &Limits, scenario: fn(&TestServer, Duration) -> Vec<String>) {
    let drain_timeout = Duration::from_millis(200);
    let correct = Limits { drain_timeout, ..limits.clone() };
    let broken = Limits { seeded: Seeded::with(bug), ..correct.clone() };
    let violations = scenario(&TestServer::with_limits(correct), WATCHDOG_TIMEOUT);
    assert!(violations.is_empty(), "the correct server: {violations:#?}");
    let violations = scenario(&TestServer::with_limits(broken), BROKEN_SERVER_TIMEOUT);
    assert!(!violations.is_empty(), "the scenario does not find {bug:?}");
    eprintln!("the scenario finds {bug:?}: {}", violations[0]);
}

/// Ann speaks, bob and cid listen.
fn conversation(server: &TestServer, timeout: Duration) -> Vec<String> {
    let mut ann = Member::join(server.address(), "ann");
    let [mut bob, cid] = ["bob", "cid"].map(|name| Member::join(server.address(), name));
    for number in 0..300 {
        ann.say(&format!("{number}"));
    }
    let end = bob.say("the end");
    // Each wait ends also when the last message does not arrive. The checker then reports it.
    let _ = cid.hear_within(timeout, end);
    let _ = bob.hear_within(timeout, end - 1);
    ann.hear_within(timeout, end);
    check(&[ann.history(), bob.history(), cid.history()])
}

#[test]
fn swapped_messages_are_found() {
    finds(Bug::Swap, &without_rate_limit(), conversation);
}

#[test]
fn dropped_messages_are_found() {
    finds(Bug::Drop, &without_rate_limit(), conversation);
}

#[test]
fn a_message_that_is_delivered_again_on_resume_is_found() {
    finds(Bug::DoubleOnResume, &without_rate_limit(), |server, timeout| {
        let mut ann = Member::join(server.address(), "ann");
        let mut bob = Member::join(server.address(), "bob");
        bob.hear_within(timeout, ann.say("one"));
        bob.resume().unwrap();
        bob.hear_within(timeout, ann.say("two"));
        check(&[ann.history().left_early(), bob.history()])
    });
}

#[test]
fn a_repeated_request_that_is_accepted_twice_is_found() {
    finds(Bug::DoubleOnRepeat, &without_rate_limit(), |server, timeout| {
        let mut ann = Member::join(server.address(), "ann");
        let bob = Member::join(server.address(), "bob");
        ann.say("once");
        let message_id = ann.history().sent[0].message_id;
        ann.ask(&Request::Broadcast { message_id, repeated: false, text: "once".to_owned() }).unwrap();
        let end = ann.say("the end");
        bob.hear_within(timeout, end);
        check(&[ann.history().left_early(), bob.history()])
    });
}

/// Lets ann speak and bob listen while another recipient is stuck. Returns a violation when they are delayed.
fn speak_beside_a_stuck_recipient(
    stuck: RawPeer,
    mut ann: Member,
    bob: &Member,
    timeout: Duration,
) -> Vec<String> {
    const COUNT: usize = 100;
    // How many messages the server has accepted, and the sequence of the last one when all are accepted.
    let progress = Shared::new((0, None));
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..COUNT {
                // A broken server may also remove ann.
                let Ok(sequence) = ann.try_say(&format!("{number}")) else { return };
                progress
                    .update(|progress| *progress = (number + 1, (number + 1 == COUNT).then_some(sequence)));
            }
        });
        let done = progress.wait_within(timeout, |progress| progress.1);
        let heard = done.and_then(|end| bob.hear_within(timeout, end));
        // Dropping the stuck recipient earlier would free the threads that wait for it.
        drop(stuck);
        match heard {
            Some(()) => Vec::new(),
            None => vec![format!(
                "all members are delayed after {} messages",
                progress.read_with(|progress| progress.0)
            )],
        }
    })
}

/// Both connections of a member that never serves its callback.
fn stuck_recipient(server: &TestServer) -> (RawPeer, RawPeer) {
    let mut call = RawPeer::connect_call(server.address()).unwrap();
    let token = raw::random_token();
    call.join("stuck", token).unwrap();
    let callback = call.connect_callback(server.address(), token).unwrap();
    (call, callback)
}

#[test]
fn a_scope_for_each_message_is_found() {
    let limits = Limits { receive_timeout: Duration::from_secs(3600), ..without_rate_limit() };
    finds(Bug::ScopePerRound, &limits, |server, timeout| {
        let [ann, bob] = ["ann", "bob"].map(|name| Member::join(server.address(), name));
        let (_call, stuck) = stuck_recipient(server);
        speak_beside_a_stuck_recipient(stuck, ann, &bob, timeout)
    });
}

#[test]
fn a_lost_wake_up_is_found() {
    let limits = Limits { ping_after: Duration::from_secs(3600), ..without_rate_limit() };
    finds(Bug::LostWakeUp, &limits, |server, timeout| {
        // A wake-up is lost when the last message of a round arrives just before a recipient sleeps. So there
        // are many rounds of different lengths with several recipients.
        let mut ann = Member::join(server.address(), "ann");
        let others = ["bob", "cid", "dan", "eve"].map(|name| Member::join(server.address(), name));
        for round in 0..100 {
            let mut last = 0;
            for number in 0..=round % 40 {
                last = ann.say(&format!("{round} {number}"));
            }
            for other in &others {
                if other.hear_within(timeout, last).is_none() {
                    return vec![format!("{} did not wake up for the end of round {round}", other.name())];
                }
            }
        }
        Vec::new()
    });
}

#[test]
fn a_lock_that_is_held_over_a_dial_is_found() {
    let limits =
        Limits { dial_timeout: WATCHDOG_TIMEOUT, drain_timeout: WATCHDOG_TIMEOUT, ..without_rate_limit() };
    for (seeded, timeout, expected) in [
        (Seeded::default(), WATCHDOG_TIMEOUT, true),
        (Seeded::with(Bug::LockOverDial), BROKEN_SERVER_TIMEOUT, false),
    ] {
        let server = TestServer::with_limits(Limits { seeded, ..limits.clone() });
        let mut ann = RawPeer::connect_call(server.address()).unwrap();
        ann.join("ann", raw::random_token()).unwrap();
        // Eve's listener accepts the server's connection and sends nothing, so eve's Join waits.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let eve = RawPeer::connect_call(server.address()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let join = Join::new("eve", raw::random_token(), port);
        let mut request = Vec::new();
        encode_into(&Request::Join(join), &mut request).unwrap();
        eve.write_frame(request.len() as u32, &request).unwrap();
        let unanswered = RawPeer::accept(&listener);

        let replied = Shared::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let reply = ann.ask(&Request::Who);
                replied.update(|replied| *replied = reply.is_ok());
            });
            let in_time = replied.wait_within(timeout, |replied| replied.then_some(())).is_some();
            drop(unanswered); // Ends the wait of the server, so that all threads can end.
            assert_eq!(in_time, expected, "ann gets a reply while the server waits for eve");
        });
    }
}

#[test]
fn a_missing_deadline_for_an_answer_is_found() {
    let limits = Limits { receive_timeout: Duration::from_millis(100), ..without_rate_limit() };
    finds(Bug::NoDeadline, &limits, |server, timeout| {
        let mut ann = Member::join(server.address(), "ann");
        let (_call, _stuck) = stuck_recipient(server);
        let mut last = 0;
        for number in 0..40 {
            last = ann.say(&format!("{number}"));
        }
        match ann.hear_within(timeout, last + 1) {
            Some(()) => Vec::new(),
            None => vec!["a recipient that never answers is not removed".to_owned()],
        }
    });
}

#[test]
fn a_length_that_is_not_checked_is_found() {
    let limits = Limits { frame_timeout: Duration::from_secs(3600), ..without_rate_limit() };
    finds(Bug::UncheckedLength, &limits, |server, timeout| {
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

/// The teacher mutes bob. Bob loses his connection, and later the server is started again. He tries to speak
/// each time.
fn lesson(settings: &Settings, timeout: Duration) -> Vec<String> {
    let start = || TestServer::with_settings("127.0.0.1:0", settings.clone());
    let server = start();
    let names = ["teacher", "bob", "cid"];
    let [mut teacher, mut bob, mut cid] = names.map(|name| Member::join(server.address(), name));
    teacher.operate(WORDS);
    let _ = teacher.command(&Moderation::Look { line: "/who", reply: "teacher" });
    let (name, reason) = ("bob".to_owned(), "too loud".to_owned());
    let _ = teacher.command(&Moderation::Mute { name, reason });
    let _ = bob.try_say("one");
    bob.resume().unwrap();
    let _ = bob.try_say("two");
    // Nobody reads that the room has ended, so nobody takes what comes later for another room's.
    [&mut teacher, &mut bob, &mut cid].into_iter().for_each(Member::disconnect);
    drop(server);
    let server = start();
    for member in [&mut teacher, &mut bob, &mut cid] {
        member.set_server(server.address());
        member.resume().unwrap();
    }
    let _ = bob.try_say("three");
    let _ = teacher.command(&Moderation::Unmute { name: "bob".to_owned() });
    let end = bob.say("the end");
    teacher.hear_within(timeout, end);
    cid.hear_within(timeout, end);
    check(&[teacher.history(), bob.history(), cid.history()])
}

#[test]
fn what_breaks_the_promises_of_an_operator_is_found() {
    for bug in [Bug::ResumeUnmutes, Bug::ReplyToAll, Bug::MutesForgotten] {
        let violations = |seeded, timeout| {
            let folder = Folder::new();
            let operators = OperatorSettings {
                file: Some(operators_file(&folder).into()),
                ..OperatorSettings::default()
            };
            let journal = JournalSettings {
                directory: Some(folder.file("journal").into()),
                segment_size: Bytes(64 << 10),
                ..JournalSettings::default()
            };
            let limits = Limits { seeded, ..without_rate_limit() };
            let settings = Settings { limits, operators, journal, ..Settings::default() };
            lesson(&settings, timeout)
        };
        let correct = violations(Seeded::default(), WATCHDOG_TIMEOUT);
        assert!(correct.is_empty(), "the correct server: {correct:#?}");
        let broken = violations(Seeded::with(bug), BROKEN_SERVER_TIMEOUT);
        assert!(!broken.is_empty(), "the lesson does not find {bug:?}");
        eprintln!("the lesson finds {bug:?}: {}", broken[0]);
    }
}

#[test]
fn a_guest_that_counts_for_its_gateway_is_found() {
    const KEY: GatewayKey = GatewayKey::from_bytes([7; GatewayKey::BYTES]);
    for (seeded, expected) in
        [(Seeded::default(), Some(Status::TooMany)), (Seeded::with(Bug::AddressNotMoved), None)]
    {
        let limits = Limits { max_per_address: 1, seeded, ..without_rate_limit() };
        let door = DoorSettings { gateway_key: Some(KEY), ..DoorSettings::default() };
        let settings = Settings { limits, door, ..Settings::default() };
        let server = TestServer::with_settings("127.0.0.1:0", settings);
        let open = || RawPeer::connect_guest(server.address(), [192, 0, 2, 7].into(), &KEY);
        let first = open().unwrap();
        assert_eq!(open().err(), expected, "the second connection of one guest");
        drop(first);
    }
}
