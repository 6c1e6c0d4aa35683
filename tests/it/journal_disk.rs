//! A journal on a disk that is full, or that fails. Real programs; strace lets a disk fail, and a small disk
//! is in a mount namespace of its own.

use crate::journal::{field, Place};
use chat_common::wire::protocol::Request;
use chat_tests::{
    member::{Callbacks, Member, MemberError},
    process::{binary, Program},
    watchdog::poll,
};
use std::{convert::Infallible, fs, path::PathBuf, process::Command, thread, time::Duration};

#[test]
fn a_full_disk_refuses_messages_and_takes_them_again_when_there_is_space() {
    let place = Place::new();
    fs::create_dir(&place.journal).unwrap();
    let mut command = Command::new("unshare");
    // The small disk is in a mount namespace of its own, so it goes with the server.
    let script = format!(
        "mount -t tmpfs -o size=1m none {0} && exec {1} --listen 127.0.0.1:{2} --journal {0}/journal \
         --segment-size 64KiB --rate-burst 0 \"$@\"",
        &place.journal,
        binary("chat-server").display(),
        place.port
    );
    let can =
        Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|out| out.status.success());
    if !can {
        println!("skipped: this system does not let us create mount namespaces");
        return;
    }
    let (server, address) = Program::start_server(command.args(["--mount", "sh", "-c", &script, "sh"]));
    let mut ann = Program::joined_client(address, "Ann");
    let bob = Program::joined_client(address, "Bob");
    ann.types("before");
    bob.sees("[Ann] before");
    let fill = PathBuf::from(format!("/proc/{}/root{}/fill", server.pid(), &place.journal));
    let written = fs::write(&fill, vec![1; 1 << 20]);
    assert!(written.is_err(), "the disk is full");
    // The file that was made ahead is used up first.
    let mut number = 0;
    poll("a message to be refused", || {
        number += 1;
        ann.types(&format!("number {number}"));
        thread::sleep(Duration::from_millis(5));
        ann.error_output().contains("the server's disk is full").then_some(())
    });
    server.logs("has no space for its next file");
    fs::remove_file(&fill).unwrap();
    server.logs("has space again");
    ann.types("after");
    bob.sees("[Ann] after");
}

#[test]
fn a_disk_that_fails_ends_the_server_and_nobody_was_told_what_it_did_not_take() {
    let place = Place::new();
    let arguments = ["--journal", &place.journal, "--segment-size", "64KiB"];
    // The first syncs are those of the first file, of the file ahead, and of the joins.
    let inject = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=12+"];
    let Some((mut server, address)) = Program::server_under_strace(&inject, &arguments) else {
        println!("skipped: strace does not work here");
        return;
    };
    let mut ann = Program::client(address, "Ann", &["--json"]);
    ann.sees("\"connected\"");
    let bob = Program::client(address, "Bob", &["--json", "--stay"]);
    bob.sees("\"connected\"");
    ann.sees("\"joined\"");
    let mut number = 0;
    poll("the server to end", || {
        number += 1;
        ann.types(&format!("number {number}"));
        thread::sleep(Duration::from_millis(5));
        server.has_exited()
    });
    assert_eq!(server.exits(), Some(1));
    server.logs("the journal cannot be written");
    let kept = place.run("--check");
    assert_eq!(kept.status.code(), Some(0), "{kept:?}");
    let again = place.start(&[]);
    let mut reader = Member::join(place.address(), "reader");
    let events =
        match reader.ask(&chat_common::wire::protocol::Request::History { count: 1_000, before: None }) {
            Ok(chat_common::wire::protocol::Reply::History { events }) => events,
            other => panic!("{other:?}"),
        };
    let kept: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    for (client, event) in [(&ann, "accepted"), (&bob, "message")] {
        for line in client.output().lines().filter(|line| line.contains(&format!("\"event\":\"{event}\""))) {
            let sequence: u64 = field(line, "sequence").unwrap().parse().unwrap();
            assert!(kept.contains(&sequence), "the disk does not have {line}");
        }
    }
    drop(again);
}

#[test]
fn a_disk_that_fails_lets_everybody_go_who_waits_for_an_answer() {
    for command in ["/mute nobody", "/say hello"] {
        let place = Place::new();
        let arguments = ["--journal", &place.journal, "--console", "--rate-burst", "0"];
        // The failing sync takes some time, in which the others ask for something.
        let inject =
            ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:delay_enter=300000:when=30+"];
        let Some((mut server, address)) = Program::server_under_strace(&inject, &arguments) else {
            println!("skipped: strace does not work here");
            return;
        };
        // At each moment some join, some speak, and some leave.
        let talkers: Vec<_> = (0..40)
            .map(|number| {
                let talk = move || -> Result<Infallible, MemberError> {
                    loop {
                        let mut member = Member::try_join(address, &format!("m{number}"), Callbacks::Open)?;
                        member.try_say("hello")?;
                        member.ask(&Request::Leave)?;
                    }
                };
                thread::Builder::new().name("talker".to_owned()).spawn(move || talk().unwrap_err()).unwrap()
            })
            .collect();
        poll("the server to end", || {
            server.types(command);
            thread::sleep(Duration::from_millis(5));
            server.has_exited()
        });
        assert_eq!(server.exits(), Some(1), "{command}");
        server.logs("the journal cannot be written");
        // Each ends with an error, or with a panic where nobody accepts its connection any more.
        talkers.into_iter().for_each(|talker| drop(talker.join()));
        assert_eq!(place.run("--check").status.code(), Some(0), "{command}");
    }
}
