//! The specification of the protocol is complete: a Python client, written from the crate doc of chat-common
//! alone, takes part in a chat.

use chat_tests::process::{binary, in_the_open, installed, repository, Program};
use std::{net::SocketAddr, process::Command};

fn python_client(server: SocketAddr, name: &str, arguments: &[&str]) -> Program {
    let mut command = Command::new("python3");
    command.arg(repository().join("tests/python/client.py"));
    command.args([&server.ip().to_string(), &server.port().to_string(), name]).args(arguments);
    Program::start(name, &mut command)
}

fn takes_part(arguments: &[&str]) {
    if !installed("python3") {
        println!("skipped: this machine has no python3");
        return;
    }
    eprintln!("Sara runs chat-client. Guido runs tests/python/client.py with the arguments {arguments:?}.");
    // The Python client of this test speaks to open rooms.
    let mut command = Command::new(binary("chat-server"));
    let (_server, address) = Program::start_server_that_is_open(command.args(["--listen", "127.0.0.1:0"]));
    let mut command = Command::new(binary("chat-client"));
    command.args(["--server", &address.to_string(), "--name", "Sara"]);
    let mut sara = Program::start("Sara", in_the_open(&mut command));
    sara.sees("Connected!");
    let mut guido = python_client(address, "Guido", arguments);
    guido.sees("joined\n");
    sara.sees("User [Guido] joined");
    sara.types("hello Guido");
    guido.sees("[Sara] hello Guido");
    guido.types("héllo Sara");
    guido.sees("accepted");
    sara.sees("[Guido] héllo Sara");
    guido.types("/who");
    guido.sees("here: Guido Sara");
    guido.types("/tell Sara psst");
    sara.sees("psst");
    sara.types("/msg Guido psst yourself");
    guido.sees("[Sara] (to you) psst yourself");
    guido.types("/drop");
    guido.sees("resumed");
    sara.types("and after that");
    guido.sees("[Sara] and after that");
    guido.types("/quit");
    guido.sees("left\n");
    assert_eq!(guido.exits(), Some(0), "{}", guido.error_output());
    sara.sees("User [Guido] left\n");
    assert_eq!(guido.output().matches("hello Guido").count(), 1, "a resumed session receives nothing twice");
    for (name, program) in [("Sara", &sara), ("Guido", &guido)] {
        eprintln!("  {name}'s client shows:");
        program.lines().iter().for_each(|line| eprintln!("    {line}"));
    }
}

#[test]
fn a_python_client_with_a_listener_takes_part() {
    takes_part(&[]);
}

#[test]
fn a_python_client_without_a_listener_takes_part() {
    takes_part(&["--open"]);
}
