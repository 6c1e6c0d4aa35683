//! A closed room, and the gate, by the targets of make, with the programs of the tests in the place of those
//! that it builds.

use chat_tests::{
    folder::Folder,
    process::{binary, installed, repository, server_address},
    terminal::{CommandBuilder, Screen, TerminalUser},
};
use std::{
    fs::{self, Permissions},
    os::unix::fs::{symlink, PermissionsExt},
    process::Command,
};

const SIZE: (u16, u16) = (30, 100);
const FEATURES: &str = "--features chat-client/edit,chat-server/closed,chat-client/closed";

/// What make finds: a cargo that only writes down what it is asked for, and programs where that one would put
/// them.
struct Workshop(Folder);

impl Workshop {
    fn new() -> Workshop {
        let folder = Folder::new();
        let release = folder.path().join("target/release");
        fs::create_dir_all(&release).unwrap();
        for program in ["chat-server", "chat-client"] {
            symlink(binary(program), release.join(program)).unwrap();
        }
        let workshop = Workshop(folder);
        let script = format!("#!/bin/sh\necho \"$*\" >>{}\n", workshop.0.file("asked"));
        fs::write(workshop.0.file("cargo"), script).unwrap();
        fs::set_permissions(workshop.0.file("cargo"), Permissions::from_mode(0o755)).unwrap();
        workshop
    }

    /// The arguments and the variables of make for this target.
    fn make(&self, target: &[&str]) -> (Vec<String>, [(&'static str, String); 3]) {
        let repository = repository().to_str().unwrap();
        let always = ["--no-print-directory", "-C", repository, "CLOSED=1", "LISTEN=127.0.0.1:0"];
        let cargo = format!("CARGO={}", self.0.file("cargo"));
        let arguments = always.iter().chain(target).map(|word| (*word).to_owned()).chain([cargo]).collect();
        let variables = [
            ("CARGO_TARGET_DIR", self.0.file("target")),
            ("XDG_STATE_HOME", self.0.file("state")),
            ("TERM", "xterm-256color".to_owned()),
        ];
        (arguments, variables)
    }

    fn on_terminal(&self, target: &[&str]) -> TerminalUser {
        let (arguments, variables) = self.make(target);
        // The run of the tests may have a passphrase of its own.
        let mut command = CommandBuilder::new("env");
        command.args(["-u", "CHAT_PASSPHRASE", "make"]);
        command.args(arguments);
        variables.iter().for_each(|(name, value)| command.env(name, value));
        TerminalUser::run(SIZE, command)
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.0.file("asked")).unwrap_or_default()
    }
}

/// What stands behind `start` on a terminal's screen, to the end of the row.
fn shown(user: &TerminalUser, start: &str) -> String {
    user.screen()
        .wait(start, |screen| screen.rows().iter().find_map(|row| row.strip_prefix(start).map(str::to_owned)))
}

/// Ends the server as its operator does, which is no error that make has to report.
fn stop(operator: &mut TerminalUser) {
    operator.types("\x03");
    operator.exits();
    operator.sees("stopped");
    assert!(!operator.screen().read_with(Screen::rows).concat().contains("make:"), "{operator:?}");
}

#[test]
fn make_starts_a_closed_room_and_a_client_that_asks_for_its_passphrase() {
    if !installed("make") {
        println!("skipped: make is not installed");
        return;
    }
    let workshop = Workshop::new();
    let mut operator = workshop.on_terminal(&["run-server"]);
    let address = server_address(&format!("Server running at {}", shown(&operator, "Server running at ")));
    assert!(shown(&operator, "Others on this machine join with: ").contains(&address.to_string()));
    let passphrase = shown(&operator, "The passphrase is: ");
    assert_eq!(passphrase.split(' ').count(), 4, "{passphrase}");
    let key = shown(&operator, "The room's key is ");
    assert_eq!(workshop.asked().matches(FEATURES).count(), 1, "{}", workshop.asked());

    let mut person = workshop.on_terminal(&["run-client", &format!("SERVER={address}"), "NAME=Sara"]);
    person.sees_typed("Passphrase of the room:");
    person.types(&format!("{passphrase}\r"));
    person.sees(&format!("--- the room's key is {key}; it is remembered ---"));
    person.sees("Connected! Start typing...");
    assert!(!person.screen().read_with(Screen::rows).concat().contains(&passphrase));
    operator.sees("Sara joined from");
    assert_eq!(workshop.asked().matches(FEATURES).count(), 2, "{}", workshop.asked());
    // Ctrl-D.
    person.types("\x04");
    assert_eq!(person.exits(), 0);
    stop(&mut operator);
}

#[test]
fn make_run_client_has_the_editor_in_each_kind_of_room() {
    if !installed("make") {
        println!("skipped: make is not installed");
        return;
    }
    let workshop = Workshop::new();
    for (closed, features) in [("CLOSED=", "--features chat-client/edit\n"), ("CLOSED=1", FEATURES)] {
        let (arguments, variables) = workshop.make(&["run-client", "ARGS=--version", closed]);
        let run = Command::new("make").args(arguments).envs(variables).output().unwrap();
        assert!(run.status.success() && workshop.asked().contains(features), "{run:?}");
    }
}

#[test]
fn the_gate_says_on_a_terminal_which_of_its_steps_it_does() {
    if !installed("make") {
        println!("skipped: make is not installed");
        return;
    }
    let workshop = Workshop::new();
    let mut person = workshop.on_terminal(&["check"]);
    let number = shown(&person, "==> packing and installing (");
    let (number, all) = number.trim_end_matches(')').split_once(" of ").unwrap();
    assert!(number == all && number.parse::<usize>().unwrap() > 1, "{person:?}");
    assert_eq!(person.exits(), 0);

    let (arguments, variables) = workshop.make(&["check"]);
    let run = Command::new("make").args(arguments).envs(variables).output().unwrap();
    let output = String::from_utf8(run.stdout).unwrap();
    assert!(output.contains("==> packing and installing\n") && !output.contains("(1 of "), "{output}");
}

#[test]
fn make_takes_a_passphrase_from_a_file_and_for_a_script() {
    if !installed("make") {
        println!("skipped: make is not installed");
        return;
    }
    let workshop = Workshop::new();
    let words = workshop.0.file("words");
    fs::write(&words, "lamp river\n").unwrap();
    fs::set_permissions(&words, Permissions::from_mode(0o600)).unwrap();
    let mut operator = workshop.on_terminal(&["run-server", &format!("ARGS=--passphrase-file {words}")]);
    let address = server_address(&format!("Server running at {}", shown(&operator, "Server running at ")));
    operator.sees("The room's key is ");
    assert!(!operator.screen().read_with(Screen::rows).concat().contains("passphrase is"), "{operator:?}");

    let target = ["run-client", &format!("SERVER={address}"), "NAME=ci", "ARGS=--send built"];
    let (arguments, variables) = workshop.make(&target);
    let mut command = Command::new("make");
    command.args(arguments).envs(variables).env("CHAT_PASSPHRASE", "lamp river");
    let sent = command.output().unwrap();
    assert!(sent.status.success(), "{sent:?}");
    stop(&mut operator);
}
