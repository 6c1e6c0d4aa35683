//! The specification of a closed room is complete: a Python client, written from "Closed rooms" in the crate
//! doc of chat-common, takes part in a closed chat.

use chat_tests::{
    closed::{self, Peer},
    process::{installed, repository, Program},
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

const PASSPHRASE: &str = "lamp river";
/// What a person may type for it.
const TYPED: &str = "\u{feff} Lamp\u{a0} RIVER\r";

/// Returns the Python of a virtual environment with the packages that the client needs. The first call makes
/// it. Returns `None` on a machine without Python, its module venv, or the packages.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let make = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
        let python = folder.join("bin/python");
        let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let has_packages =
            |python: &Path| succeeds(Command::new(python).args(["-c", "import noise, spake2"]));
        if !installed("python3") {
            return None;
        }
        if !has_packages(&python) {
            let _ = std::fs::remove_dir_all(&folder);
            let made = succeeds(Command::new("python3").args(["-m", "venv"]).arg(&folder));
            let pip = ["-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "15"];
            let packages = ["spake2==0.9", "noiseprotocol==0.3.1"];
            let installed = made && succeeds(Command::new(&python).args(pip).args(packages));
            if !installed || !has_packages(&python) {
                return None;
            }
        }
        Some(python)
    };
    PYTHON.get_or_init(make).as_deref()
}

fn python_client(python: &Path, server: SocketAddr, passphrase: &str, arguments: &[&str]) -> Program {
    let mut command = Command::new(python);
    command.arg(repository().join("tests/python/closed_client.py")).env("CHAT_PASSPHRASE", passphrase);
    command.args([&server.ip().to_string(), &server.port().to_string(), "Guido"]).args(arguments);
    Program::start("Guido", &mut command)
}

fn takes_part(arguments: &[&str]) {
    let Some(python) = python() else {
        println!("skipped: this machine has no python3 with venv, spake2 and noiseprotocol");
        return;
    };
    let server = closed::server(PASSPHRASE);
    let mut sara = Peer::join(server.address(), PASSPHRASE, "Sara");
    let mut guido = python_client(python, server.address(), TYPED, arguments);
    guido.sees("joined\n");
    sara.hears("Joined { name: \"Guido\" }");
    sara.says("hello Guido");
    guido.sees("[Sara] hello Guido");
    let long = "é".repeat(1000);
    guido.types(&long);
    guido.sees("accepted");
    sara.hears(&long);
    guido.types("/who");
    guido.sees("here: Guido Sara");
    guido.types("/tell Sara psst");
    sara.hears("text: \"psst\"");
    guido.types("/drop");
    guido.sees("resumed");
    sara.says("and after that");
    guido.sees("[Sara] and after that");
    guido.types("/quit");
    guido.sees("left\n");
    assert_eq!(guido.exits(), Some(0), "{}", guido.error_output());
    sara.hears("Left { name: \"Guido\", reason: None }");
    assert_eq!(guido.output().matches("hello Guido").count(), 1, "a resumed session receives nothing twice");
}

#[test]
fn a_python_client_with_a_listener_takes_part_in_a_closed_room() {
    takes_part(&[]);
}

#[test]
fn a_python_client_without_a_listener_takes_part_in_a_closed_room() {
    takes_part(&["--open"]);
}
