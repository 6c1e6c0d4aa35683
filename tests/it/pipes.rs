//! Named pipes in the place of files, and programs that hang: nobody hangs with them, and nothing is lost.

use chat_tests::{
    folder::Folder,
    process::{binary, Program},
    room::connected,
    terminal::TerminalUser,
    watchdog::poll,
};
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

fn named_pipe(folder: &Folder) -> String {
    let path = folder.file("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// A partner at both ends of a pipe, which waits for nobody.
fn partner(pipe: &str) -> File {
    OpenOptions::new().read(true).write(true).open(pipe).unwrap()
}

/// Runs a program to its end. Returns the exit code and the standard error.
fn run(program: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut program = Program::start(program, Command::new(binary(program)).args(arguments));
    (program.exits(), program.error_output())
}

#[test]
fn a_pipe_without_a_partner_ends_a_program_with_one_sentence() {
    let folder = Folder::new();
    let pipe = named_pipe(&folder);
    let (code, error) = run("chat-client", &["--name", "Ann", "--log", &pipe]);
    let why = format!("chat-client: cannot write the transcript {pipe}: nobody reads this pipe\n");
    assert_eq!((code, error), (Some(1), why));
    let (code, error) = run("chat-server", &["--listen", "127.0.0.1:0", "--motd", &pipe]);
    let why = format!("chat-server: cannot read {pipe}: nobody writes to this pipe\n");
    assert_eq!((code, error), (Some(1), why));
    let (code, error) = run("chat-server", &["--listen", "127.0.0.1:0", "--ban-file", &pipe]);
    assert!(code == Some(1) && error.ends_with("it is not a regular file\n"), "{error}");
    #[cfg(feature = "closed")]
    for (program, flag) in [("chat-client", "--name=Ann"), ("chat-server", "--listen=127.0.0.1:0")] {
        let (code, error) = run(program, &[flag, "--passphrase-file", &pipe]);
        assert_eq!(code, Some(1));
        assert!(error.ends_with(": nobody writes to this pipe\n") && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn a_pipe_in_the_folder_of_a_journal_ends_the_server_with_one_sentence() {
    for name in ["lock", "00000000000000000001.journal"] {
        let folder = Folder::new();
        let journal = folder.file("");
        assert!(Command::new("mkfifo").arg(folder.file(name)).status().unwrap().success());
        for arguments in [
            &["--listen", "127.0.0.1:0", "--journal", &journal][..],
            &["--check", &journal],
            &["--repair", &journal],
            &["--export", &journal],
        ] {
            // Only a server that changes something looks at the lock.
            let is_read = name == "lock" && ["--check", "--export"].contains(&arguments[0]);
            let (code, error) = run("chat-server", arguments);
            assert!(is_read || code == Some(1), "{name} {arguments:?} {code:?} {error}");
            assert!(error.lines().count() <= 1, "{error}");
        }
    }
}

#[test]
fn a_message_of_the_day_may_come_slowly_through_a_pipe() {
    let folder = Folder::new();
    let pipe = named_pipe(&folder);
    let mut writer = partner(&pipe);
    let mut command = Command::new(binary("chat-server"));
    let server = Program::start("server", command.args(["--listen", "127.0.0.1:0", "--motd", &pipe]));
    let reads = || {
        let open = fs::read_dir(format!("/proc/{}/fd", server.pid())).ok()?;
        let paths = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        paths.into_iter().any(|path| path.ends_with(&pipe)).then_some(())
    };
    poll("the server to read", reads);
    writer.write_all(b"be ki").unwrap();
    writer.write_all(b"nd\n").unwrap();
    drop(writer);
    let line = server.line_starting_with("Server running at ");
    let port = line.split(' ').nth(3).unwrap();
    let client = Command::new(binary("chat-client"))
        .args(["--server", &format!(":{port}"), "--name", "Ann"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8(client.stdout).unwrap();
    assert!(shown.contains("Server: be kind\n"), "{shown}");
}

#[test]
fn a_transcript_goes_through_a_pipe_as_long_as_somebody_takes_it() {
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let mut tom = Program::joined_client(address, "Tom");
    let text = "x".repeat(4000);
    for leaves in [true, false] {
        let folder = Folder::new();
        let pipe = named_pipe(&folder);
        let kept_open = partner(&pipe);
        let mut reader = Program::start("reader", Command::new("cat").arg(&pipe));
        let mut ann = Program::client(address, "Ann", &["--log", &pipe]);
        reader.sees(connected().lines().next().unwrap());
        tom.types("hello");
        reader.sees("[Tom] hello\n");
        // One reader leaves, and the other one stops.
        let why = match leaves {
            true => {
                drop(kept_open);
                reader.signal("KILL");
                reader.exits();
                "Broken pipe"
            }
            false => {
                reader.signal("STOP");
                // More than a pipe takes.
                (0..50).for_each(|_| tom.types(&text));
                "its reader takes nothing"
            }
        };
        tom.types("are you there?");
        ann.logs(&format!("chat-client: cannot write the transcript {pipe}: {why}"));
        ann.sees("[Tom] are you there?\n");
        ann.ends_input();
        assert_eq!(ann.exits(), Some(1));
    }
}

#[test]
fn a_stty_that_hangs_holds_nobody_up() {
    let folder = Folder::new();
    let pipe = named_pipe(&folder);
    // It hangs until the end of the test.
    let _partner = partner(&pipe);
    let stty = folder.file("stty");
    fs::write(&stty, format!("#!/bin/sh\nexec cat '{pipe}' >/dev/null\n")).unwrap();
    fs::set_permissions(&stty, Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let (_server, address) = Program::server(&[]);
    let tom = Program::joined_client(address, "Tom");
    let mut alice = TerminalUser::start(address, (24, 80), &["--name", "Alice"], &[("PATH", &path)]);
    alice.sees("Start typing...");
    alice.types("hello\n");
    tom.sees("[Alice] hello\n");
    alice.types("/quit\n");
    assert_eq!(alice.exits(), 0);
}

#[test]
fn a_private_message_that_is_too_long_for_a_line_reaches_nobody_in_part() {
    let (_server, address) = Program::server(&[]);
    let bob = Program::joined_client(address, "Bob");
    let eve = Program::joined_client(address, "Eve");
    let mut ann = Program::joined_client(address, "Ann");
    ann.types(&format!("/msg Bob {}\nhello", "x".repeat(100_000)));
    ann.logs("--- a command has at most 65536 bytes ---\n");
    for reader in [bob, eve] {
        reader.sees("[Ann] hello\n");
        assert!(!reader.output().contains("xxx"), "{}", reader.output());
    }
}
