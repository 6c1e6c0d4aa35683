//! A journal on a disk that is full. Real programs; the small disk is in a mount namespace of its own.

use crate::journal::Place;
use chat_common::wire::protocol::{Cause, EventKind, Request};
use chat_tests::{
    member::{Member, MemberError},
    process::{binary, Program},
    watchdog::poll,
};
use std::{fs, net::SocketAddr, path::PathBuf, process::Command};

/// A small disk, which lives as long as its first program.
struct SmallDisk {
    place: Place,
    holder: Program,
}

impl SmallDisk {
    /// A disk of this size, or `None` where we may not make one.
    fn new(size: &str) -> Option<SmallDisk> {
        let can = Command::new("unshare").args(["--mount", "true"]).output();
        if !can.is_ok_and(|out| out.status.success()) {
            println!("skipped: this system does not let us create mount namespaces");
            return None;
        }
        let place = Place::new();
        fs::create_dir(&place.journal).unwrap();
        let script =
            format!("mount -t tmpfs -o size={size} none {} && echo mounted && exec cat", place.journal);
        let mut command = Command::new("unshare");
        let holder = Program::start("disk", command.args(["--mount", "sh", "-c", &script]));
        holder.sees("mounted");
        Some(SmallDisk { place, holder })
    }

    /// A command that sees the disk.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.pid())).arg(binary(program));
        command
    }

    fn journal(&self) -> String {
        format!("{}/journal", self.place.journal)
    }

    fn server(&self) -> (Program, SocketAddr) {
        let mut command = self.command("chat-server");
        let listen = format!("127.0.0.1:{}", self.place.port);
        command.args(["--listen", &listen, "--rate-burst", "0", "--segment-size", "64KiB", "--console"]);
        Program::start_server(command.args(["--journal", &self.journal()]))
    }

    /// The file that takes the rest of the space.
    fn fill(&self) -> PathBuf {
        format!("/proc/{}/root{}/fill", self.holder.pid(), self.place.journal).into()
    }

    fn get_full(&self) {
        assert!(fs::write(self.fill(), vec![1; 8 << 20]).is_err(), "the disk is full");
    }
}

/// Speaks until the server has no space.
fn speak_until_refused(member: &mut Member) {
    loop {
        match member.try_say(&"x".repeat(1_000)) {
            Ok(_) => {}
            Err(MemberError::Refused(refusal)) if refusal.cause == Cause::NoSpace => return,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Waits until the others do not see a member any more.
fn goes(name: &str, seen_by: &mut Member) {
    poll("a member to go", || (!seen_by.who().contains(&name.to_owned())).then_some(()));
}

#[test]
fn on_a_full_disk_members_come_and_go_without_end_and_the_room_goes_on() {
    let Some(disk) = SmallDisk::new("1m") else { return };
    let (mut server, address) = disk.server();
    let mut ann = Member::join(address, "ann");
    let mut movers = [Member::join(address, "bob"), Member::join(address, "cem")];
    disk.get_full();
    speak_until_refused(&mut ann);
    for _ in 0..150 {
        for mover in &mut movers {
            mover.disconnect();
            goes(mover.name(), &mut ann);
            mover.resume().unwrap();
        }
    }
    server.types("/say to everybody");
    server.sees("the server's disk is full");
    movers.iter_mut().for_each(Member::disconnect);
    goes("bob", &mut ann);
    goes("cem", &mut ann);
    // At most one of them was away when the space was used up, so the other is still there for who listens.
    let is_here = |ann: &Member, name: &str| {
        let history = ann.history();
        let all = history.sessions.iter().flat_map(|session| &session.deliveries);
        let mut moves = all.filter_map(|delivery| match &delivery.event.kind {
            EventKind::Left { name: moved, .. } => (moved == name).then_some(false),
            EventKind::Back { name: moved } | EventKind::Joined { name: moved } => {
                (moved == name).then_some(true)
            }
            _ => None,
        });
        moves.next_back() == Some(true)
    };
    assert!(is_here(&ann, "bob") || is_here(&ann, "cem"));
    fs::remove_file(disk.fill()).unwrap();
    // Nobody says anything, and what has waited is told.
    poll("the last goings to be told", || (!is_here(&ann, "bob") && !is_here(&ann, "cem")).then_some(()));
    ann.say("after");

    // The same on a full disk, over a stop and a start.
    disk.get_full();
    speak_until_refused(&mut ann);
    server.types("/stop");
    assert_eq!(server.exits(), Some(0), "{}", server.error_output());
    let (mut server, _) = disk.server();
    ann.reconnect();
    movers.iter_mut().for_each(Member::reconnect);
    assert_eq!(ann.who().len(), 3);
    speak_until_refused(&mut ann);
    fs::remove_file(disk.fill()).unwrap();
    server.logs("has space again");
    poll("a message to be accepted", || ann.try_say("at last").ok());
    for mover in &movers {
        mover.hear_text("at last");
    }
    server.types("/stop");
    assert_eq!(server.exits(), Some(0));
    let checked = disk.command("chat-server").args(["--check", &disk.journal()]).output().unwrap();
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
}

#[test]
fn a_server_stops_and_starts_on_a_full_disk_until_its_last_file_is_full_and_longer() {
    let Some(disk) = SmallDisk::new("1m") else { return };
    let mut ann = None;
    for _ in 0..30 {
        let (mut server, address) = disk.server();
        let ann = ann.get_or_insert_with(|| Member::join(address, "ann"));
        ann.reconnect();
        if !disk.fill().exists() {
            disk.get_full();
        }
        speak_until_refused(ann);
        server.types("/stop");
        assert_eq!(server.exits(), Some(0), "{}", server.error_output());
    }
    let checked = disk.command("chat-server").args(["--check", &disk.journal()]).output().unwrap();
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
}

#[test]
fn on_a_full_disk_a_room_of_many_sees_each_of_them_leave() {
    let Some(disk) = SmallDisk::new("4m") else { return };
    let (_server, address) = disk.server();
    let mut ann = Member::join(address, "ann");
    let members: Vec<Member> = (0..40).map(|number| Member::join(address, &format!("m{number}"))).collect();
    disk.get_full();
    speak_until_refused(&mut ann);
    for mut member in members {
        member.ask(&Request::Leave).unwrap();
        let name = member.name().to_owned();
        ann.hear(
            "a member to leave",
            |kind| matches!(kind, EventKind::Left { name: left, .. } if *left == name),
        );
    }
}

#[test]
fn a_file_that_is_longer_than_the_system_allows_by_now_is_a_full_disk_for_the_next_server() {
    let place = Place::new();
    let arguments = ["--segment-size", "64KiB"];
    let mut server = place.start(&arguments);
    let mut ann = Member::join(place.address(), "ann");
    ann.say("before");
    server.signal("KILL");
    server.exits();
    let mut command = Command::new("sh");
    // In blocks of 512 bytes.
    command.args(["-c", "ulimit -f 64; exec \"$0\" \"$@\""]).arg(binary("chat-server")).args(arguments);
    let listen = format!("127.0.0.1:{}", place.port);
    command.args(["--rate-burst", "0", "--listen", &listen, "--journal", &place.journal]);
    let (mut server, _) = Program::start_server(&mut command);
    ann.reconnect();
    speak_until_refused(&mut ann);
    server.signal("TERM");
    assert_eq!(server.exits(), Some(0), "{}", server.error_output());
    let _server = place.start(&arguments);
    ann.reconnect();
    ann.say("after");
    assert_eq!(place.run("--check").status.code(), Some(0));
}
