//! Every command in the READMEs is run as it stands there, by a shell, with the programs that the first
//! commands install. The READMEs list all flags.
//!
//! The commands use the port that the programs use, 1234. Where another program listens there, and where
//! `timeout` is missing, the test of the commands prints that it is skipped.

use chat_tests::{
    folder::Folder,
    process::{flags_of, in_the_open, installed, repository, target_folder, Program},
    watchdog::poll,
};
use std::{
    collections::BTreeSet,
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

const READMES: [&str; 4] = ["README.md", "client/README.md", "server/README.md", "tests/README.md"];

/// Where the commands write.
struct Installation(Folder);

/// A command that goes on while the others run. Dropping it ends all of its processes.
struct GoingOn(Program);

/// How a command begins that installs a program.
const INSTALL: &str = "cargo install ";

/// What these tests show does not depend on how quick a program is, and optimizing takes two thirds of a
/// build. `make nightly` builds the programs as they are.
const QUICK_BUILD: (&str, &str) = ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");

/// The folder with the programs that the first commands of the README install: without a warning, and without
/// the symbols that nobody needs who uses them.
pub fn installed_programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("installed");
        let lines: Vec<String> =
            commands("README.md").into_iter().filter(|line| line.starts_with(INSTALL)).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        for line in lines {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("{line} --force")]).current_dir(repository());
            command.envs([QUICK_BUILD]).env("CARGO_INSTALL_ROOT", &root);
            command.env("CARGO_TARGET_DIR", target_folder()).env("PATH", path_with(&root.join("bin")));
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !said.contains("warning"), "{line}: {said}");
        }
        for program in ["chat-server", "chat-client"] {
            let program = fs::read(root.join("bin").join(program)).unwrap();
            assert!(!program.windows(7).any(|name| name == b".symtab"), "an installed program has symbols");
        }
        root.join("bin")
    })
}

/// The folders where programs are searched, this one first.
fn path_with(folder: &Path) -> String {
    format!("{}:{}", folder.display(), env::var("PATH").unwrap_or_default())
}

impl Installation {
    /// A program that finds the installed ones. What is about the project runs in its folder, and installs
    /// nothing on this machine.
    fn command(&self, program: &str, arguments: &[&str], line: &str) -> Command {
        let is_about_project = line.starts_with("cargo ") || line.starts_with("make ");
        let folder = self.0.path();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg(line)
            .current_dir(if is_about_project { repository() } else { folder })
            .env("PATH", path_with(installed_programs()))
            .envs([QUICK_BUILD])
            .env("CARGO_TARGET_DIR", target_folder())
            .env("XDG_STATE_HOME", folder)
            .env_remove("CHAT_NAME");
        // The READMEs begin with an open room, and say themselves what a closed one needs.
        in_the_open(&mut command);
        command
    }

    /// Runs a command to its end, and returns its standard output.
    fn run(&self, line: &str) -> String {
        let output = self.command("sh", &["-c"], line).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts a command that does not end by itself.
    fn start(&self, line: &str) -> GoingOn {
        // A signal to `timeout` goes to all processes of the line.
        GoingOn(Program::start(line, &mut self.command("timeout", &["3600", "sh", "-c"], line)))
    }
}

impl Drop for GoingOn {
    fn drop(&mut self) {
        if self.0.has_exited().is_none() {
            self.0.signal("TERM");
            self.0.exits();
        }
    }
}

/// The lines of the blocks of shell commands in a file of the repository.
fn commands(file: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join(file)).unwrap();
    let blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

/// The commands that stand inside the sentences of a file.
fn commands_in_sentences(file: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join(file)).unwrap().replace("```", "");
    let spans = text.split('`').skip(1).step_by(2);
    spans
        .filter(|span| span.starts_with("make ") || span.starts_with("chat-server "))
        .map(str::to_owned)
        .collect()
}

/// The flags in a text: `--` and the word behind it.
fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
    words
        .filter(|word| word.len() > 2 && word.starts_with("--") && !word.starts_with("---"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_of_the_readmes_and_both_helps_run_as_they_stand_there() {
    if TcpListener::bind("127.0.0.1:1234").is_err() || !installed("timeout") {
        println!("skipped: another program listens on port 1234, or there is no timeout");
        return;
    }
    let installation = Installation(Folder::new());
    let mut going_on = Vec::new();
    for line in READMES.map(commands).concat().iter().filter(|line| !line.starts_with(INSTALL)) {
        println!("{line}");
        if line.contains("jq ") && !installed("jq") {
            println!("skipped, because jq is not installed");
        } else if line == "chat-server" {
            let server = installation.start(line);
            server.0.sees("Server running at 1234 ...\n");
            going_on.push(server);
        } else if line.contains("--stay") || line.contains("--json-input") {
            going_on.push(installation.start(line));
        } else if line.starts_with("chat-client") && !line.contains("--send") {
            let person = installation.start(line);
            person.0.sees("Connected! Start typing...\n");
            going_on.push(person);
        } else {
            let output = installation.run(line);
            assert!(line != "make demo" || output.contains("Bye!"), "{output}");
        }
    }
    let [_server, sara, tom, ..] = &going_on[..] else { panic!("the READMEs start a server and two people") };
    for person in [sara, tom] {
        person.0.sees("[ci] build 512 is green\n");
        person.0.sees("[disk] Filesystem");
    }
    let log = || fs::read_to_string(installation.0.file("room.txt")).unwrap_or_default();
    poll("the log of the room", || log().contains("Connected!").then_some(()));

    for program in ["client", "server"] {
        let text = fs::read_to_string(repository().join(program).join("README.md")).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("| `--")).collect::<Vec<_>>().join("\n");
        let table = flags_of(&format!("chat-{program}"));
        assert_eq!(flags(&rows), table, "the flags of {program}/README.md and of chat-{program}");
    }
    // People and logs end before their server, or they would wait for it to come back.
    going_on.into_iter().rev().for_each(drop);
    run_the_commands_in_sentences(&installation);
}

/// Runs the commands that stand inside the sentences of the first README. Those that take minutes are in the
/// gate of the project or in no test, but all are targets of make.
fn run_the_commands_in_sentences(installation: &Installation) {
    let all = commands_in_sentences("README.md");
    let targets = installation.run("make help");
    // So that the wait for the first line does not include a build.
    assert!(installation.run("make run-client ARGS=--version").contains(" (edit)"));
    let mut room: Vec<GoingOn> = Vec::new();
    for line in &all {
        println!("{line}");
        if line.starts_with("chat-server ") {
            room.drain(..).rev().for_each(drop);
            installation.start(line).0.sees(" join with: chat-client --server ");
        } else if line == "make run-server" {
            let server = installation.start(line);
            server.0.sees("Server running at 1234 ...\n");
            room.push(server);
        } else if line.starts_with("make run-client") {
            let person = installation.start(line);
            person.0.sees("Connected! Start typing...\n");
            room.push(person);
        } else {
            let target = line.split(' ').nth(1).unwrap_or_default();
            assert!(targets.contains(&format!("  make {target} ")), "make help does not list {line}");
        }
    }
    for expected in [
        "make run-server",
        "make run-client NAME=Sara",
        "chat-server --listen 0.0.0.0:1234",
        "chat-server --closed",
    ] {
        assert!(all.iter().any(|line| line == expected), "{expected} is in no sentence: {all:?}");
    }
}
