//! Programs in the background of a terminal: a shell has put them there, and has the terminal itself. Nothing
//! stops them, and they take the terminal no sooner than the shell gives it to them.

use chat_tests::{
    process::{binary, server_address, Program},
    room::{Kind, Room},
    terminal::{TerminalUser, ENTER},
};
use std::net::SocketAddr;

const SIZE: (u16, u16) = (24, 80);
const CTRL_Z: &str = "\x1a";

/// A shell with job control on a terminal that stops whoever writes from the background. Its prompt is `$ `.
fn shell() -> TerminalUser {
    let mut shell = TerminalUser::start_shell(SIZE);
    shell.types("stty tostop; ulimit -c 0; clear\n");
    shell
}

/// Starts a server in the background of the shell.
fn start_server(shell: &mut TerminalUser, room: &Room) -> SocketAddr {
    let arguments = room.arguments().join(" ");
    shell.types(&format!("{} --listen 127.0.0.1:0 {arguments} &\n", binary("chat-server").display()));
    shell.screen().wait("the first line of the server", |screen| {
        let text = screen.written();
        let line = text.split("Server running at ").nth(1)?.split(" ...").next()?;
        line.parse::<u16>().ok().map(|_| server_address(line))
    })
}

/// Starts a client in the background of the shell.
fn start_client(shell: &mut TerminalUser, server: SocketAddr) {
    let client = binary("chat-client");
    shell.types(&format!("{} --server {server} --name Alice &\n", client.display()));
}

/// Waits until the shell says that its job is this.
fn job_is(shell: &TerminalUser, state: &str) {
    shell.screen().wait(&format!("the job to be {state}"), |screen| {
        screen.rows().iter().any(|row| row.contains("[1]") && row.contains(state)).then_some(())
    });
}

#[test]
fn a_room_in_the_background_goes_on_and_its_console_waits_for_the_foreground() {
    let (mut shell, room) = (shell(), Room::beside(Kind::default()));
    let address = start_server(&mut shell, &room);
    let sara = Program::joined_client(address, "Sara");
    shell.types("fg\n/who\n");
    shell.sees("Sara  127.0.0.1");
    shell.types(CTRL_Z);
    job_is(&shell, "Stopped");
    shell.types("clear; bg\n");
    let mut tom = Program::joined_client(address, "Tom");
    tom.types("hello");
    sara.sees("[Tom] hello\n");
    shell.types("fg\n/say from the console\n");
    sara.sees("Server: from the console");
    shell.types(CTRL_Z);
    job_is(&shell, "Stopped");
    shell.types("kill %1; kill -s CONT %1\n");
    sara.sees("--- the room has ended");
}

#[test]
fn a_client_in_the_background_shows_messages_and_is_typed_to_in_the_foreground() {
    let (_server, address) = Program::server(&[]);
    let mut tom = Program::joined_client(address, "Tom");
    let mut alice = shell();
    start_client(&mut alice, address);
    tom.sees("User [Alice] joined\n");
    tom.types("while you do other things");
    alice.sees("[Tom] while you do other things");
    // The shell still has its terminal, in the modes that it wants.
    alice.types("stty -a | grep -c ' icanon'\n");
    alice.screen().wait("ordinary modes", |screen| screen.rows().contains(&"1".to_owned()).then_some(()));
    for said in ["first", "second"] {
        alice.types("fg\n");
        alice.types(&format!("{said}{ENTER}"));
        tom.sees(&format!("[Alice] {said}\n"));
        alice.types(CTRL_Z);
        job_is(&alice, "Stopped");
        alice.types("clear; bg\n");
        tom.types(&format!("after the {said}"));
        alice.sees(&format!("[Tom] after the {said}"));
    }
    alice.types("kill %1; kill -s CONT %1\n");
    tom.sees("User [Alice] left\n");
}

#[test]
fn a_stopped_client_that_is_told_to_end_ends() {
    let (_server, address) = Program::server(&[]);
    let tom = Program::joined_client(address, "Tom");
    let mut alice = shell();
    start_client(&mut alice, address);
    alice.types("fg\n");
    tom.sees("User [Alice] joined\n");
    alice.sees("Start typing...");
    alice.types("half a line");
    alice.screen().wait("the line", |screen| screen.cursor_row().0.ends_with("half a line").then_some(()));
    alice.types(CTRL_Z);
    job_is(&alice, "Stopped");
    alice.types("kill %1; kill -s CONT %1\n");
    tom.sees("User [Alice] left\n");
    alice.types("clear; stty -a | grep -c ' icanon'\n");
    alice.screen().wait("ordinary modes", |screen| screen.rows().contains(&"1".to_owned()).then_some(()));
}
