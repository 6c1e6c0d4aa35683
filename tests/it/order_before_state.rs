//! Nothing is visible that has no place in the order: while the disk of the journal has not taken a round, no
//! list, no file, no number and nobody shows what is decided in it. After a crash it has never happened.

use chat_common::wire::protocol::EventKind;
use chat_tests::{
    folder::Folder,
    member::Member,
    process::{installed, Program},
    watchdog::poll,
};
use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

/// From now on no system call `call` of the server ends before the program that this returns does. Before
/// that, the file `held` of the folder has what is to be written. Returns `None` where strace does not work.
pub(crate) fn hold(server: &Program, call: &str, folder: &Folder) -> Option<Program> {
    if !installed("strace") {
        println!("skipped: this machine has no strace");
        return None;
    }
    let mut strace = Command::new("strace");
    strace.args(["-f", "-s", "4096", "-o", &folder.file("held"), "-p", &server.pid().to_string()]);
    strace.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:delay_enter=3600000000")]);
    let mut strace = Program::start_with("strace", &mut strace, Stdio::null(), Stdio::piped());
    let is_attached = poll("strace to begin or to end", || {
        let is_there = strace.error_output().contains(" attached");
        is_there.then_some(true).or(strace.has_exited().map(|_| false))
    });
    if !is_attached {
        println!("skipped: strace does not work here: {}", strace.error_output());
        return None;
    }
    Some(strace)
}

/// Waits until a round with this text is decided, and is on its way to the disk.
pub(crate) fn wait_for_the_disk(folder: &Folder, text: &str) {
    let is_in = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).contains(text);
    poll(&format!("{text:?} to be written"), || {
        let mut files = fs::read_dir(folder.path().join("journal")).unwrap();
        let is_there = is_in(&folder.path().join("held")) || files.any(|file| is_in(&file.unwrap().path()));
        is_there.then_some(())
    });
}

/// A room with a journal, with Ann and Bob. Its disk takes nothing more.
struct HeldRoom {
    /// Stands before the server, because nobody can wait for a server whose thread strace holds.
    strace: Program,
    folder: Folder,
    server: Program,
    address: SocketAddr,
    ann: Program,
    bob: Member,
}

impl HeldRoom {
    fn start(call: &str) -> Option<HeldRoom> {
        let folder = Folder::new();
        let (server, address) = HeldRoom::server(&folder);
        let ann = Program::client(address, "Ann", &["--json", "--stay"]);
        ann.sees("\"connected\"");
        let bob = Member::join(address, "Bob");
        ann.sees("\"joined\"");
        let strace = hold(&server, call, &folder)?;
        Some(HeldRoom { strace, folder, server, address, ann, bob })
    }

    fn server(folder: &Folder) -> (Program, SocketAddr) {
        let files = [folder.file("journal"), folder.file("bans")];
        Program::server(&["--console", "--journal", &files[0], "--ban-file", &files[1]])
    }

    /// Waits until a round with this text is on its way to the disk, and checks that all look as before.
    fn looks_as_before(&mut self, text: &str) {
        wait_for_the_disk(&self.folder, text);
        assert_eq!(self.bob.who(), ["Ann", "Bob"]);
        assert!(!self.ann.output().contains(text), "{}", self.ann.output());
        let heard = self.bob.history();
        assert!(!heard.events().any(|event| format!("{:?}", event.kind).contains(text)), "{heard:?}");
        let bans = fs::read_to_string(self.folder.file("bans")).unwrap_or_default();
        assert!(!bans.contains("Ann"), "{bans}");
    }

    /// Checks that the operator sees the room as before. Only for what is not a command of the operator: the
    /// console waits for the answer to that.
    fn looks_as_before_to_the_operator(&mut self) {
        self.server.types("/who");
        self.server.sees("Ann  127.0.0.1\nBob  127.0.0.1\n2 here\n");
        self.server.types("/stats");
        let stats = self.server.line_starting_with("members ");
        assert!(stats.starts_with("members 2, messages 0, "), "{stats}");
    }

    /// Kills the server before the disk has taken the round, and starts it again. Returns who is there when
    /// Dan has joined. Ann and Bob may come back.
    fn who_is_there_after_a_crash(mut self) -> Vec<String> {
        self.server.signal("KILL");
        drop(self.strace);
        assert_eq!(self.server.exits(), None);
        let (_server, address) = HeldRoom::server(&self.folder);
        Member::join(address, "Dan").who()
    }
}

#[test]
fn who_joins_is_not_there_before_the_disk_has_it_and_never_was_after_a_crash() {
    let Some(mut room) = HeldRoom::start("pwrite64") else { return };
    let _carol = Program::client(room.address, "Carol", &[]);
    room.looks_as_before("Carol");
    room.looks_as_before_to_the_operator();
    assert_eq!(room.who_is_there_after_a_crash(), ["Ann", "Bob", "Dan"]);
}

#[test]
fn a_new_name_is_not_there_before_the_disk_has_it_and_never_was_after_a_crash() {
    let Some(mut room) = HeldRoom::start("pwrite64") else { return };
    room.ann.types("/nick Carol");
    room.looks_as_before("Carol");
    room.looks_as_before_to_the_operator();
    assert_eq!(room.who_is_there_after_a_crash(), ["Ann", "Bob", "Dan"]);
}

#[test]
fn a_ban_and_whom_it_removes_are_not_there_before_the_disk_has_it_and_never_were_after_a_crash() {
    let Some(mut room) = HeldRoom::start("pwrite64") else { return };
    room.server.types("/ban Ann");
    room.looks_as_before("removed: banned");
    assert!(!room.server.output().contains("banned: "), "{}", room.server.output());
    assert_eq!(room.who_is_there_after_a_crash(), ["Ann", "Bob", "Dan"]);
}

#[test]
fn a_mute_is_not_there_before_the_disk_has_it() {
    let Some(mut room) = HeldRoom::start("pwrite64") else { return };
    room.server.types("/mute Ann");
    room.looks_as_before("the operator has muted you");
    assert!(!room.server.output().contains("muted: "), "{}", room.server.output());
    drop(room.strace);
    room.server.sees("muted: Ann without a time limit");
    room.ann.sees("the operator has muted you");
}

#[test]
fn a_message_is_nowhere_while_its_write_or_its_sync_is_on_its_way() {
    for call in ["pwrite64", "fdatasync"] {
        let Some(mut room) = HeldRoom::start(call) else { return };
        room.ann.types("is it there");
        room.looks_as_before("is it there");
        room.looks_as_before_to_the_operator();
        assert!(!room.ann.output().contains("accepted"), "{}", room.ann.output());
        drop(room.strace);
        room.ann.sees("\"accepted\"");
        room.bob.hear(
            "the message",
            |kind| matches!(kind, EventKind::Message { text, .. } if text == "is it there"),
        );
    }
}
