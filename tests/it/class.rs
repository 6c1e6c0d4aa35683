//! A class of thirty and a teacher who moderates from inside the room. The tests print their seed, and
//! `CHAT_SEED` repeats a run.

use chat_common::wire::protocol::EventKind;
use chat_tests::{
    checker::assert_clean,
    class::{operators_file, run_class},
    folder::Folder,
    history::MemberHistory,
    process::{binary, Program},
    random::seed_from_environment,
    watchdog::Shared,
};
use std::{
    net::SocketAddr,
    process::Command,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Six groups of five.
const GROUPS: u8 = 6;
const MOVES: u64 = 60;

/// Starts a server with these further flags. Its class is nobody's who comes back late.
fn start(listen: &str, folder: &Folder, flags: &[&str]) -> (Program, SocketAddr) {
    let (operators, bans) = (operators_file(folder), folder.file("bans"));
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", listen, "--operators", &operators, "--ban-file", &bans]);
    command.args(["--rate-burst", "0", "--dead-after", "1h", "--resume-within", "1h"]).args(flags);
    Program::start_server(&mut command)
}

/// Checks that the class had what it is for.
fn assert_moderated(histories: &[MemberHistory]) {
    let refused =
        histories.iter().flat_map(|member| &member.sent).filter(|sent| sent.refused.is_some()).count();
    let removed = histories.iter().filter(|member| !member.removals.is_empty()).count();
    let told = |history: &&MemberHistory| {
        history
            .events()
            .any(|event| matches!(&event.kind, EventKind::Notice { text } if text.contains("muted you")))
    };
    let told = histories.iter().filter(told).count();
    println!("{} members, {refused} messages refused, {removed} removed, {told} muted", histories.len());
    assert!(refused > 0 && removed > 0 && told > 0);
}

#[test]
fn a_class_of_thirty_hears_its_teacher_and_whom_she_lets_speak() {
    let folder = Folder::new();
    let (_server, address) = start("127.0.0.1:0", &folder, &[]);
    let histories = run_class(address, seed_from_environment(), GROUPS, &|number| number < MOVES);
    assert_moderated(&histories);
    assert_clean(|| &histories);
}

#[test]
fn what_a_teacher_has_ruled_holds_over_servers_that_are_killed() {
    /// Before which moves of all groups.
    const KILLS: [u64; 2] = [120, 240];
    let folder = Folder::new();
    let journal = folder.file("journal");
    let flags = ["--journal", &journal, "--segment-size", "64KiB"];
    let (server, address) = start("127.0.0.1:0", &folder, &flags);
    let (server, moves) = (Shared::new(Some(server)), AtomicU64::new(0));
    let histories = run_class(address, seed_from_environment(), GROUPS, &|number| {
        if KILLS.contains(&moves.fetch_add(1, Relaxed)) {
            let mut killed = server.update(Option::take).expect("each kill has its server");
            killed.signal("KILL");
            assert_eq!(killed.exits(), None);
            let (next, _) = start(&address.to_string(), &folder, &flags);
            server.update(|server| *server = Some(next));
        }
        number < MOVES
    });
    assert_moderated(&histories);
    assert_clean(|| &histories);
}
