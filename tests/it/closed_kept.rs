//! Where a closed room keeps its key and the words that the server made up: with the journal, or where the
//! operator says. What becomes of them if the operator says something else, and what the other tools for a
//! journal do with them.

use crate::journal::Place;
use chat_tests::{
    folder::Folder,
    process::{binary, Program},
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

const SECRETS: [&str; 2] = ["room_key", "passphrase"];
/// How a server begins the lines about them.
const TOLD: [&str; 2] = ["The passphrase is: ", "The room's key is "];

/// The folders of one operator.
struct Operator(Folder);

/// What a server says at its start.
#[derive(Debug)]
struct Start {
    words: String,
    key: String,
    log: String,
}

impl Operator {
    fn new() -> Operator {
        Operator(Folder::new())
    }

    fn file(&self, name: &str) -> String {
        self.0.file(name)
    }

    /// Starts a closed server with these flags in the operator's folder, and stops it.
    fn start(&self, flags: &str) -> Start {
        let mut command = Command::new(binary("chat-server"));
        command.args(["--listen", "127.0.0.1:0", "--closed", "--console"]).args(flags.split_whitespace());
        command.env("XDG_STATE_HOME", self.file("usual")).current_dir(self.0.path());
        let mut server = Program::start("server", &mut command);
        let [words, key] = TOLD.map(|line| server.line_starting_with(line));
        server.types("/stop");
        assert_eq!(server.exits(), Some(0));
        Start { words, key, log: server.error_output() }
    }

    /// Starts a server as [`Operator::start`] does, which shows what `before` has shown.
    fn goes_on(&self, flags: &str, before: &Start) -> Start {
        let start = self.start(flags);
        assert_eq!((&start.words, &start.key), (&before.words, &before.key), "{flags}: {}", start.log);
        assert!(!start.log.contains("WARN"), "{flags}: {}", start.log);
        start
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn has(&self, name: &str) -> bool {
        Path::new(&self.file(name)).exists()
    }
}

impl Start {
    fn says(&self, line: &str) {
        assert!(self.log.contains(line), "{line:?} is not in {}", self.log);
    }
}

#[test]
fn a_restart_with_a_journal_throws_nobody_out_of_a_closed_room() {
    let (place, state, usual) = (Place::new(), Folder::new(), Folder::new());
    let start = || {
        let server = place.start_with(&["--closed"], &[("XDG_STATE_HOME", &usual.file("state"))]);
        let told = TOLD.map(|line| server.line_starting_with(line));
        (server, told)
    };
    let client = |name: &str, told: &[String; 2]| {
        let mut command = Command::new(binary("chat-client"));
        command.args(["--server", &place.address().to_string(), "--name", name, "--state"]).arg(state.path());
        command.env("CHAT_PASSPHRASE", told[0].strip_prefix("The passphrase is: ").unwrap());
        Program::start(name, &mut command)
    };
    let (mut server, told) = start();
    let mut ann = client("Ann", &told);
    ann.sees("it is remembered ---");
    server.signal("KILL");
    assert_eq!(server.exits(), None);
    ann.sees("connection lost");
    ann.types("said meanwhile");
    ann.sees("waiting to be sent: said meanwhile");
    let (_server, told_again) = start();
    assert_eq!(told_again, told);
    ann.sees("--- connected again; sending what waited (1) ---");
    let bob = client("Bob", &told);
    bob.sees("Connected! Start typing...");
    ann.types("hello, Bob");
    bob.sees("[Ann] hello, Bob");
    assert!(!bob.output().contains("key"), "{}", bob.output());
    for secret in SECRETS {
        let mode = fs::metadata(format!("{}/{secret}", place.journal)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
    assert_eq!(fs::read_dir(usual.path()).unwrap().count(), 0, "the secrets are with the journal alone");
}

#[test]
fn a_room_keeps_its_key_and_words_whichever_of_its_folders_the_next_server_is_told() {
    let operator = Operator::new();
    let first = operator.start("--journal room");
    first.says("the room has a new key, in room/room_key");
    let moved = operator.goes_on("--journal room --state one", &first);
    moved.says("the room keeps its key: one/room_key is a copy of room/room_key");
    moved.says("the room keeps its passphrase: one/passphrase is a copy of room/passphrase");
    operator
        .goes_on("--journal room --state other", &first)
        .says("other/room_key is a copy of room/room_key");
    for flags in ["--journal room", "--state one", "--journal room --state one"] {
        let again = operator.goes_on(flags, &first);
        assert!(!again.log.contains("key"), "nothing is to be said: {}", again.log);
    }
    // A journal that comes later gets a copy, for a server that is told the journal alone.
    operator.goes_on("--journal later --state one", &first);
    operator.goes_on("--journal later", &first);
    // Nobody can know which room this is.
    let new = operator.start("--state new");
    assert_ne!(new.key, first.key);
    new.says("the room has a new key, in new/room_key; a client that knows another one");
}

#[test]
fn a_journal_of_an_older_server_gets_the_key_that_its_members_know() {
    let operator = Operator::new();
    let older = operator.start("");
    let kept = operator.start("--journal room");
    assert_eq!(kept.key, older.key);
    kept.says("the room keeps its key: room/room_key is a copy of ");
    operator.goes_on("--journal room", &kept);
    fs::remove_dir_all(operator.file("usual")).unwrap();
    operator.goes_on("--journal room", &kept);
}

#[test]
fn of_two_folders_that_differ_that_of_state_counts_and_each_start_says_so() {
    let operator = Operator::new();
    let (journal, state) = (operator.start("--journal room"), operator.start("--state one"));
    for _ in 0..2 {
        let both = operator.start("--journal room --state one");
        assert_eq!((&both.key, &both.words), (&state.key, &state.words));
        both.says("the room's key is that of one/room_key, and without --state it is another one");
        both.says("the room's passphrase is that of one/passphrase, and without --state it is another one");
    }
    operator.goes_on("--journal room", &journal);
}

#[test]
fn with_a_file_for_the_passphrase_the_journal_keeps_the_key_alone() {
    let operator = Operator::new();
    fs::write(operator.file("words"), "lamp river\n").unwrap();
    let start = || {
        let mut command = Command::new(binary("chat-server"));
        command.args(["--listen", "127.0.0.1:0", "--journal", "room", "--passphrase-file", "words"]);
        command.env("XDG_STATE_HOME", operator.file("usual")).current_dir(operator.0.path());
        let server = Program::start("server", &mut command);
        let key = server.line_starting_with("The room's key is ");
        assert!(!server.output().contains("passphrase"), "{}", server.output());
        key
    };
    assert_eq!(start(), start());
    assert!(operator.has("room/room_key") && !operator.has("room/passphrase"));
}

#[test]
fn what_is_done_with_a_journal_leaves_its_secrets_alone_and_a_copy_is_the_same_room() {
    let operator = Operator::new();
    let first = operator.start("--journal room");
    let secrets = SECRETS.map(|secret| operator.text(&format!("room/{secret}")));
    for flag in ["--check", "--repair", "--export"] {
        let output =
            Command::new(binary("chat-server")).args([flag, &operator.file("room")]).output().unwrap();
        assert!(output.status.success(), "{flag}: {output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(secrets.iter().all(|secret| !printed.contains(secret.trim())), "{flag}: {printed}");
        assert_eq!(SECRETS.map(|secret| operator.text(&format!("room/{secret}"))), secrets, "{flag}");
    }
    let copied =
        Command::new("cp").args(["-R", "-p", &operator.file("room"), &operator.file("copy")]).status();
    assert!(copied.unwrap().success());
    fs::remove_dir_all(operator.file("room")).unwrap();
    operator.goes_on("--journal copy", &first);
}

#[test]
fn a_secret_of_a_journal_that_is_damaged_is_named_and_left_alone() {
    let operator = Operator::new();
    operator.start("--journal room");
    fs::write(operator.file("room/room_key"), "12ab\n").unwrap();
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0", "--closed", "--journal", "room"]).current_dir(operator.0.path());
    let mut server = Program::start("server", &mut command);
    assert_eq!(server.exits(), Some(1));
    server.logs("room/room_key holds no key; put its copy back, or remove it, and others see a new key");
    assert_eq!(operator.text("room/room_key"), "12ab\n");
}
