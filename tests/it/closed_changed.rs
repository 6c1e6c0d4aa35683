//! A closed room that has another passphrase after a restart: who is in it gives the new one, and loses
//! nothing of what was typed.

use crate::journal::Place;
use chat_tests::{
    folder::Folder,
    process::{binary, Program},
    terminal::{Screen, TerminalUser},
};
use std::{fs, process::Command};

const OLD: &str = "lamp river stone cloud";
const NEW: &str = "cable orbit maple tulip";
const SIZE: (u16, u16) = (30, 100);
const QUESTION: &str = "Passphrase of the room:";
const CHANGED: &str = "--- the room has another passphrase now ---";

/// A closed room with a journal, and the files of its server and its clients.
struct Room {
    place: Place,
    folder: Folder,
    server: Option<Program>,
}

impl Room {
    fn open() -> Room {
        let mut room = Room { place: Place::new(), folder: Folder::new(), server: None };
        room.restart(OLD);
        room
    }

    /// Kills the server, and starts one with this passphrase.
    fn restart(&mut self, words: &str) {
        self.stop();
        fs::write(self.folder.file("words"), words).unwrap();
        self.server = Some(self.place.start(&["--passphrase-file", &self.folder.file("words")]));
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.signal("KILL");
            server.exits();
        }
    }

    /// A client in a pipe that has joined, with this passphrase in a file of its own.
    fn joined(&self, name: &str, words: &str) -> Program {
        fs::write(self.file_of(name), words).unwrap();
        let mut command = self.command(name);
        joined(name, command.args(["--passphrase-file", &self.file_of(name)]))
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(binary("chat-client"));
        command.args(["--server", &self.place.address().to_string(), "--name", name]);
        command.args(["--state", &self.folder.file("state")]);
        command
    }

    fn file_of(&self, name: &str) -> String {
        self.folder.file(&format!("words of {name}"))
    }

    /// A person on a terminal who has joined, with the old passphrase from a variable.
    fn person(&self, name: &str) -> TerminalUser {
        let flags = ["--name", name, "--state", &self.folder.file("state")];
        let person = TerminalUser::start(self.place.address(), SIZE, &flags, &[("CHAT_PASSPHRASE", OLD)]);
        person.sees("Start typing...");
        person
    }
}

fn joined(name: &str, command: &mut Command) -> Program {
    let client = Program::start(name, command);
    client.sees("Connected! Start typing...");
    client
}

/// Without the editor the system has the typed line, so the question waits until that is complete.
#[test]
fn a_person_in_the_room_is_asked_for_the_new_passphrase_and_the_typed_line_stays() {
    let mut room = Room::open();
    let mut ann = room.person("Ann");
    ann.types("half a li");
    ann.sees_typed("half a li");
    room.restart(NEW);
    let bob = room.joined("Bob", NEW);
    ann.sees(CHANGED);
    if !cfg!(feature = "edit") {
        ann.sees("press Enter to answer; a line that you have begun is sent later");
        ann.still_sees_typed("half a li");
        ann.types("ne\r");
    }
    ann.is_asked(QUESTION, 1);
    ann.types("lamp rivet\r");
    ann.sees("--- that is not the passphrase of the room ---");
    ann.is_asked(QUESTION, 2);
    ann.types(&format!("{NEW}\r"));
    ann.sees("--- connected again");
    if cfg!(feature = "edit") {
        ann.still_sees_typed("half a li");
        ann.types("ne\r");
    }
    bob.sees("[Ann] half a line\n");
    ann.types("and more");
    ann.sees_typed("and more");
    ann.types("\r");
    bob.sees("[Ann] and more\n");
    let bytes = ann.screen().read_with(Screen::written);
    for word in ["lamp", "rivet", "orbit"] {
        assert!(!bytes.contains(word) && !bob.output().contains(word), "{word}: {bytes}");
    }
    // Nobody was told that it was away.
    assert!(!bob.output().contains("Ann] joined"), "{}", bob.output());
}

#[test]
fn a_person_who_does_not_know_the_new_passphrase_reads_why_after_three_tries() {
    let mut room = Room::open();
    let mut ann = room.person("Ann");
    room.restart(NEW);
    ann.sees(CHANGED);
    if !cfg!(feature = "edit") {
        ann.sees("press Enter to answer");
        ann.types("\r");
    }
    for times in 1..=3 {
        ann.is_asked(QUESTION, times);
        ann.types("lamp rivet\r");
    }
    ann.sees("the passphrase is not that of the room at");
    ann.sees("press Enter to leave");
    ann.types("\r");
    assert_eq!(ann.exits(), 1);
}

#[test]
fn a_person_leaves_at_the_question_or_before_it() {
    let mut room = Room::open();
    let mut ann = room.person("Ann");
    room.restart(NEW);
    ann.sees(CHANGED);
    if cfg!(feature = "edit") {
        ann.is_asked(QUESTION, 1);
        ann.types("\x03");
    } else {
        ann.sees("press Enter to answer");
        ann.types("/quit\r");
    }
    ann.sees("Bye!");
    assert_eq!(ann.exits(), 0);
}

#[test]
fn a_client_with_a_file_reads_it_once_more_and_comes_back_if_that_has_the_new_passphrase() {
    let mut room = Room::open();
    let [mut ann, mut bob] = ["Ann", "Bob"].map(|name| room.joined(name, OLD));
    ann.types("hello");
    bob.sees("[Ann] hello");
    room.stop();
    ann.sees("connection lost");
    bob.sees("connection lost");
    fs::write(room.file_of("Ann"), NEW).unwrap();
    room.restart(NEW);
    ann.sees("--- connected again");
    assert_eq!(bob.exits(), Some(1));
    let why = bob.error_output();
    assert!(why.contains("the passphrase is not that of the room at") && why.lines().count() == 1, "{why}");
    ann.types("here again");
    room.joined("Tom", NEW);
    ann.sees("User [Tom] joined");
}

#[test]
fn a_client_that_has_the_passphrase_from_its_input_does_not_take_a_message_for_another() {
    let mut room = Room::open();
    let mut ann = Program::start("Ann", room.command("Ann").args(["--passphrase-file", "/dev/stdin"]));
    ann.types(OLD);
    ann.sees("Connected! Start typing...");
    room.restart(NEW);
    assert_eq!(ann.exits(), Some(1));
    assert!(
        ann.error_output().contains("the passphrase is not that of the room at"),
        "{}",
        ann.error_output()
    );
    let mut bob = joined("Bob", room.command("Bob").env("CHAT_PASSPHRASE", NEW));
    room.restart(OLD);
    assert_eq!(bob.exits(), Some(1));
}
