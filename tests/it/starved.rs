//! A server that the system refuses descriptors or threads keeps its members, tells newcomers, does not spin, and recovers.

use chat_tests::{
    checker::assert_clean,
    member::{Callbacks, Member},
    process::{binary, installed, Program},
    raw::RawPeer,
    watchdog::poll,
};
use std::{net::SocketAddr, process::Command, thread, time::Duration};

/// Members chat on while strangers take every descriptor there is, and when they are gone somebody can join.
fn survives_hunger(server: &Program, address: SocketAddr) {
    let mut ann = Member::join_without_listener(address, "ann");
    let bob = Member::join_without_listener(address, "bob");
    // Some are accepted, some are answered Busy, some wait in the backlog: none of them takes anything from the members.
    let strangers: Vec<RawPeer> = (0..100).map(|_| RawPeer::connect(address)).collect();
    for number in 0..100 {
        ann.say(&format!("{number}"));
    }
    let before = server.processor_ticks();
    thread::sleep(Duration::from_secs(1));
    let spent = server.processor_ticks() - before;
    assert!(
        spent < 50,
        "the server spent {spent} hundredths of a second of processor time in one second of hunger"
    );
    let end = ann.say("still here");
    bob.hear_up_to(end);
    drop(strangers);
    let late = poll("the server to take newcomers again", || {
        Member::try_join(address, "late", Callbacks::Open).ok()
    });
    late.leave();
    assert_clean(&[ann.history().left_early(), bob.history().left_early()]);
}

#[test]
fn f09_a_server_without_descriptors_keeps_its_members() {
    if !installed("prlimit") {
        println!("skipped: there is no prlimit here");
        return;
    }
    let mut command = Command::new("prlimit");
    command.arg("--nofile=64").arg(binary("chat-server")).args([
        "--listen",
        "127.0.0.1:0",
        "--rate-burst",
        "0",
    ]);
    let (server, address) = Program::start_server(&mut command);
    survives_hunger(&server, address);
}

#[test]
fn f09_a_server_with_twelve_descriptors_serves_as_many_as_fit() {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 12; exec \"$0\" --listen 127.0.0.1:0 --rate-burst 0"])
        .arg(binary("chat-server"));
    let (server, address) = Program::start_server(&mut command);
    survives_hunger(&server, address);
}

/// The server with this system call failing in this way, now and then.
fn with_failing(what: &str) -> Option<(Program, SocketAddr)> {
    let works = installed("strace")
        && Command::new("strace")
            .args(["-qq", "-o", "/dev/null", "-e", "inject=getppid:error=EPERM", "true"])
            .status()
            .is_ok_and(|status| status.success());
    if !works {
        println!("skipped: there is no strace here that can make system calls fail");
        return None;
    }
    // With -D the child is the server itself, which is what is killed in the end.
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", what]).arg(binary("chat-server"));
    Some(Program::start_server(command.args(["--listen", "127.0.0.1:0", "--rate-burst", "0"])))
}

/// People come and go while the system fails the server now and then; those who are in chat on.
fn serves_in_spite_of_it(address: SocketAddr) {
    let enter = |name: &str| {
        poll("the server to let somebody in", || Member::try_join(address, name, Callbacks::Open).ok())
    };
    let mut ann = enter("ann");
    let mut bob = enter("bob");
    for round in 0..10 {
        let visitor = enter(&format!("visitor{round}"));
        ann.say_until_accepted(&format!("hello {round}"));
        visitor.crash();
    }
    let end = ann.say_until_accepted("the end");
    while bob.hear_within(Duration::from_millis(500), end).is_none() {
        bob.reconnect();
    }
    assert_clean(&[ann.history().left_early(), bob.history().left_early()]);
}

#[test]
fn a_server_whose_accept_fails_goes_on() {
    if let Some((_server, address)) = with_failing("inject=accept4:error=EMFILE:when=2+3") {
        serves_in_spite_of_it(address);
    }
}

#[test]
fn a_server_that_is_refused_threads_goes_on() {
    if let Some((_server, address)) = with_failing("inject=clone3:error=EAGAIN:when=8+4") {
        serves_in_spite_of_it(address);
    }
}
