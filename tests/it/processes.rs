//! The two programs from the outside: flags, exit codes, and the lines that are a contract.

use chat_tests::process::{binary, Program};
use chat_tests::room::{connected, room_key_line};
use std::{env, ffi::OsStr, fs::OpenOptions, os::unix::ffi::OsStrExt, process::Command, time::Instant};

/// Runs a program to its end. Returns the exit code, the standard output and the standard error.
fn run_to_end(name: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut program = Program::start(name, Command::new(binary(name)).args(arguments));
    program.ends_input();
    (program.exits(), program.output(), program.error_output())
}

#[test]
fn help_and_version_are_printed_with_exit_code_zero() {
    for name in ["chat-server", "chat-client"] {
        let (code, help, _) = run_to_end(name, &["--help"]);
        assert_eq!(code, Some(0));
        assert!(help.contains("Usage: ") && help.contains("--"), "{help}");
        let fits = help.lines().count() <= 24 && help.lines().all(|line| line.len() <= 80);
        assert!(fits, "it is larger than a usual terminal: {help}");
        let (code, version, _) = run_to_end(name, &["--version"]);
        assert_eq!(code, Some(0));
        assert!(version.starts_with(name), "{version}");
    }
}

#[test]
fn a_help_that_cannot_be_written_gives_exit_code_one() {
    for name in ["chat-server", "chat-client"] {
        for argument in ["--help", "--version"] {
            let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            let end = Command::new(binary(name)).arg(argument).stdout(full).output().unwrap();
            let reason = String::from_utf8(end.stderr).unwrap();
            assert_eq!(end.status.code(), Some(1), "{name} {argument}: {reason}");
            let start = format!("{name}: cannot write: ");
            assert!(reason.starts_with(&start) && reason.lines().count() == 1, "{reason}");
        }
    }
}

#[test]
fn wrong_usage_is_one_line_and_exit_code_two() {
    for (name, arguments) in [
        ("chat-server", &["--colour", "red"][..]),
        ("chat-server", &["--listen"]),
        ("chat-server", &["--listen", "nowhere"]),
        ("chat-server", &["--rate", "many"]),
        ("chat-client", &["--colour", "red"]),
        ("chat-client", &["--server"]),
        ("chat-client", &["--server", "nowhere:99999"]),
    ] {
        let (code, out, err) = run_to_end(name, arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{name} {arguments:?}");
        assert_eq!(err.lines().count(), 1, "{name} {arguments:?}: {err}");
    }
    // A file's name can have any bytes. This one would be another file's.
    let not_text = OsStr::from_bytes(b"caf\xe9");
    let end = Command::new(binary("chat-server")).arg("--motd").arg(not_text).output().unwrap();
    let err = String::from_utf8(end.stderr).unwrap();
    assert_eq!((end.status.code(), err.lines().count()), (Some(2), 1), "{err}");
    assert!(err.contains("is not text in UTF-8"), "{err}");
}

#[test]
fn a_port_in_use_is_an_error_with_exit_code_one() {
    let (_server, address) = Program::server(&[]);
    let (code, out, err) = run_to_end("chat-server", &["--listen", &address.to_string()]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("cannot listen"), "{err}");
}

#[test]
fn every_printed_line_is_as_the_contract_says() {
    let (server, address) = Program::server(&[]);
    let port = address.port();
    let lines = format!(
        "Server running at {port} ...\n\
         Others on this machine join with: chat-client --server 127.0.0.1:{port}\n\
         It listens on this machine only; --listen 0.0.0.0:{port} lets others in.\n{}",
        room_key_line()
    );
    server.sees(&lines);
    assert_eq!(server.output(), lines);
    let mut ali = Program::joined_client(address, "Ali");
    let mut command = Command::new(binary("chat-client"));
    let mut sara = Program::start("sara", command.args(["--server", &address.to_string()]));
    sara.sees("Enter your name: ");
    sara.types("Sara");
    sara.sees("Connected! Start typing...\n");
    ali.sees("User [Sara] joined\n");
    sara.types("good morning");
    ali.sees("[Sara] good morning\n");
    ali.types("");
    ali.types("/nonsense");
    ali.types("hi");
    sara.sees("[Ali] hi\n");
    sara.types("exit");
    sara.sees("Bye!\n");
    assert_eq!(sara.exits(), Some(0));
    ali.sees("User [Sara] left\n");
    assert_eq!(ali.output(), connected() + "User [Sara] joined\n[Sara] good morning\nUser [Sara] left\n");
    assert!(sara.output().ends_with(&(connected() + "[Ali] hi\nBye!\n")), "{}", sara.output());
    assert!(!server.error_output().contains("morning"), "the server logged a message");
}

#[test]
fn ipv6_addresses_and_host_names_work() {
    let mut command = Command::new(binary("chat-server"));
    let (_server, address) = Program::start_server(command.args(["--listen", "[::1]:0"]));
    let mut six = Program::start(
        "six",
        Command::new(binary("chat-client")).args([
            "--server",
            &format!("[::1]:{}", address.port()),
            "--name",
            "Six",
        ]),
    );
    six.sees("Connected!");
    let mut command = Command::new(binary("chat-server"));
    let (_server, address) = Program::start_server(command.args(["--listen", "localhost:0"]));
    let mut named = Program::start(
        "named",
        Command::new(binary("chat-client")).args([
            "--server",
            &format!("localhost:{}", address.port()),
            "--name",
            "Ann",
        ]),
    );
    named.sees("Connected!");
    for program in [&mut six, &mut named] {
        program.types("/quit");
        assert_eq!(program.exits(), Some(0));
    }
}

#[test]
fn refused_connections_of_one_address_do_not_fill_the_log() {
    let (server, address) = Program::server(&[]);
    let began = Instant::now();
    for _ in 0..200 {
        let peer = chat_tests::raw::RawPeer::connect(address);
        // The write fails when the server has closed already.
        let _ = peer.write(b"GET / HTTP/1.1\r\n\r\n");
        peer.read_until_closed();
    }
    server.logs("WARN");
    let warnings = server.error_output().lines().filter(|line| line.contains("WARN")).count();
    // The server logs 60 lines at once, and one a second after that.
    let most = 60 + usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    assert!((1..=most).contains(&warnings), "{warnings} lines for 200 connections of one address");
}

#[test]
fn clients_that_are_killed_again_and_again_leave_nothing_behind() {
    let rounds = env::var("CHAT_ROUNDS").ok().and_then(|count| count.parse().ok()).unwrap_or(5);
    let (server, address) = Program::server(&[]);
    let sara = Program::joined_client(address, "Sara");
    let (threads, descriptors) = (server.threads(), server.descriptors());
    for round in 0..rounds {
        let name = format!("Killed{round}");
        let killed = Program::joined_client(address, &name);
        killed.signal("KILL");
        sara.sees(&format!("User [{name}] left (connection lost)\n"));
    }
    chat_tests::watchdog::poll(
        "the server to end the threads and close the descriptors of killed clients",
        || (server.threads() <= threads && server.descriptors() <= descriptors).then_some(()),
    );
}
