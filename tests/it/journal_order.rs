//! What the disk does not take, nobody has seen and nobody was told, and on a slow disk all go on in one
//! order. What nobody sees while a write is on its way is in `order_before_state.rs`.

use chat_common::wire::protocol::{Cause, Join, Reply, Request};
use chat_server::{
    seeded::{Bug, Seeded},
    Bytes, Limits, Settings,
};
use chat_tests::{
    checker::check,
    folder::Folder,
    member::{Member, MemberError},
    process::{installed, Program},
    raw::{random_token, RawPeer},
    server::{without_rate_limit, TestServer},
    watchdog::{poll, WATCHDOG_TIMEOUT},
};
use std::{
    fs, iter,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

fn server_with(journal: &Path, seeded: Seeded) -> TestServer {
    let limits = Limits { seeded, ..without_rate_limit() };
    let mut settings = Settings { limits, ..Settings::default() };
    settings.journal.directory = Some(journal.to_owned());
    // The file in use has space for all that is said, so none but its own sync fails.
    settings.journal.segment_size = Bytes(1 << 20);
    TestServer::with_settings("127.0.0.1:0", settings)
}

/// Lets ann speak and bob listen until the journal cannot be written, because its file was removed. Bob waits
/// for each message this long. Returns what they know and the next server does not, which has what was on the
/// disk before.
fn known_and_not_kept(seeded: Seeded, timeout: Duration) -> Vec<String> {
    let folder = Folder::new();
    let journal = folder.path().join("journal");
    let server = server_with(&journal, seeded);
    let [mut ann, bob] = ["ann", "bob"].map(|name| Member::join(server.address(), name));
    let file = journal.join(format!("{:020}.journal", 1));
    let mut kept = Vec::new();
    for number in 0.. {
        if number == 5 {
            kept = fs::read(&file).unwrap();
            fs::remove_file(&file).unwrap();
        }
        let Ok(sequence) = ann.try_say(&format!("number {number}")) else { break };
        // The correct server says it to all whom it has told that it is accepted.
        let _ = bob.hear_within(timeout, sequence);
    }
    let error = server.fails();
    assert!(error.to_string().contains("the journal cannot be written"), "{error}");
    fs::write(&file, kept).unwrap();
    let server = server_with(&journal, Seeded::default());
    let mut reader = Member::join(server.address(), "reader");
    let events = match reader.ask(&Request::History { count: 1_000, before: None }) {
        Ok(Reply::History { events }) => events,
        other => panic!("{other:?}"),
    };
    let is_kept = |sequence: u64| events.iter().any(|event| event.sequence == sequence);
    let told = ann.history().sent.into_iter().filter_map(|sent| sent.accepted);
    let told = told.filter(|accepted| !is_kept(accepted.sequence));
    let heard = bob.history();
    let heard = heard.events().filter(|event| event.sequence > 2 && !is_kept(event.sequence));
    let told = told.map(|accepted| format!("ann was told that {} is accepted", accepted.sequence));
    told.chain(heard.map(|event| format!("bob has heard {}", event.sequence))).collect()
}

#[test]
fn nobody_knows_what_a_disk_that_fails_did_not_take() {
    assert_eq!(known_and_not_kept(Seeded::default(), WATCHDOG_TIMEOUT), Vec::<String>::new());
}

/// Returns what is known and not kept because of this bug. A server with it may say that the message before
/// the removal is accepted while it still writes that, and then fails with a message that the disk has: such
/// a try is made again.
fn found(bug: Bug, timeout: Duration) -> Vec<String> {
    let mut tries = iter::repeat_with(|| known_and_not_kept(Seeded::with(bug), timeout)).take(20);
    tries.find(|known| !known.is_empty()).unwrap_or_default()
}

#[test]
fn an_answer_before_the_sync_is_found() {
    let found = found(Bug::AnswerBeforeSync, Duration::from_millis(500));
    assert!(found.iter().any(|known| known.starts_with("ann was told")), "{found:?}");
    assert!(!found.iter().any(|known| known.starts_with("bob has heard")), "{found:?}");
}

#[test]
fn a_round_that_is_published_before_the_sync_is_found() {
    let found = found(Bug::PublishBeforeSync, WATCHDOG_TIMEOUT);
    assert!(found.iter().any(|known| known.starts_with("bob has heard")), "{found:?}");
}

#[test]
fn a_journal_outlives_a_time_without_descriptors_for_its_next_file() {
    if !installed("prlimit") {
        println!("skipped: this machine has no prlimit");
        return;
    }
    let folder = Folder::new();
    let arguments = ["--rate-burst", "0", "--segment-size", "64KiB", "--journal"];
    let (server, address) = Program::server(&[&arguments[..], &[folder.path().to_str().unwrap()]].concat());
    let [mut ann, bob] = ["ann", "bob"].map(|name| Member::join_without_listener(address, name));
    // The server admits no more than what fits, so its limit has to fall below what it has in use.
    let limit_descriptors = |limit: &str| {
        let pid = server.pid().to_string();
        let status = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={limit}:")]).status();
        assert!(status.unwrap().success(), "prlimit sets the limit of a program that runs");
    };
    limit_descriptors("3");
    // A file has a page for each message, so there are many next files.
    let refusal = (0..1000).find_map(|number| match ann.try_say(&number.to_string()) {
        Ok(_) => None,
        Err(MemberError::Refused(refusal)) => Some(refusal),
        Err(error) => panic!("{error:?}; {}", server.error_output()),
    });
    assert_eq!(refusal.expect("no file can be made").cause, Cause::NoSpace);
    limit_descriptors("64");
    let sequence = poll("a message to be accepted", || ann.try_say("it goes on").ok());
    bob.hear_up_to(sequence);
}

#[test]
fn on_a_slow_disk_all_go_on_in_one_order_and_nothing_is_lost() {
    let folder = Folder::new();
    let arguments = ["--journal", folder.path().to_str().unwrap(), "--rate-burst", "0"];
    // In microseconds: what an old disk takes.
    let slow = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_exit=20000"];
    let Some((_server, address)) = Program::server_under_strace(&slow, &arguments) else {
        println!("skipped: strace does not work here");
        return;
    };
    let mut members = ["ann", "bob", "cid"].map(|name| Member::join(address, name));
    thread::scope(|scope| {
        for member in &mut members {
            scope.spawn(move || {
                for number in 0..30 {
                    member.say(&format!("{} {number}", member.name().to_owned()));
                }
            });
        }
    });
    let [ann, bob, mut cid] = members;
    let end = cid.say("the end");
    [&ann, &bob].into_iter().for_each(|member| member.hear_up_to(end));
    // Who said the last message itself hears the one before it.
    cid.hear_up_to(ann.history().sent.last().unwrap().accepted.unwrap().sequence);
    cid.hear_up_to(bob.history().sent.last().unwrap().accepted.unwrap().sequence);
    assert_eq!(check(&[ann.history(), bob.history(), cid.history()]), Vec::<String>::new());
}

#[test]
fn a_client_that_waits_for_its_reply_is_not_given_up_as_silent_while_the_disk_is_slow() {
    let folder = Folder::new();
    let arguments = ["--journal", folder.path().to_str().unwrap(), "--dead-after", "1s"];
    let slow = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_exit=2500000"];
    let Some((server, address)) = Program::server_under_strace(&slow, &arguments) else {
        println!("skipped: strace does not work here");
        return;
    };
    let mut peer = RawPeer::connect_call(address).unwrap();
    peer.join_with(Join { send_only: true, ..Join::new("ann", random_token(), 0) }).unwrap();
    let said = Instant::now();
    let message = Request::Broadcast { message_id: 1, repeated: false, text: "hello".to_owned() };
    assert!(matches!(peer.ask(&message), Ok(Reply::Accepted { .. })), "{}", server.error_output());
    assert!(said.elapsed() > Duration::from_secs(2), "the disk is slow");
    // After its reply it has the whole time again.
    thread::sleep(Duration::from_millis(500));
    assert_eq!(peer.ask(&Request::Ping).unwrap(), Reply::Pong);
    let silent = Instant::now();
    assert!(peer.read_until_closed().is_empty());
    assert!(silent.elapsed() < Duration::from_secs(20), "it is given up then");
}
