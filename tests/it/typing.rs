//! Nothing that is typed surprises the room: the real client on a real pseudo-terminal.

use chat_tests::{
    process::{binary, installed, Program},
    room::Kind,
    terminal::{Screen, TerminalUser},
    watchdog::poll,
};
use portable_pty::CommandBuilder;
use std::{net::SocketAddr, process::Command};

const CTRL_C_HINT: &str = "--- Ctrl-C again to leave ---";

/// A listener in a pipe, which has joined.
fn listener(address: SocketAddr) -> Program {
    Program::joined_client(address, "Tom")
}

/// What Tom has heard from Alice, after the text `last`.
fn heard(tom: &Program, last: &str) -> Vec<String> {
    tom.sees(&format!("[Alice] {last}\n"));
    let lines = tom.lines();
    lines.iter().filter_map(|line| line.strip_prefix("[Alice] ")).map(str::to_owned).collect()
}

fn hints(alice: &TerminalUser, hint: &str) -> usize {
    alice.screen().read_with(|screen| screen.written().matches(hint).count())
}

/// Presses Ctrl-C again and again until the client has ended. A slow machine may need more than three seconds
/// between two presses, and then each is the first.
fn leaves_by_ctrl_c(alice: &mut TerminalUser) -> u32 {
    loop {
        let before = hints(alice, CTRL_C_HINT);
        alice.types("\x03");
        let end = poll("the hint or the end", || match alice.has_exited() {
            None => (hints(alice, CTRL_C_HINT) > before).then_some(None),
            code => Some(code),
        });
        if let Some(code) = end {
            assert!(before > 0, "the first Ctrl-C ended the client");
            return code;
        }
    }
}

#[test]
fn arrow_keys_and_other_sequences_never_reach_the_room_and_are_explained_once() {
    let (_server, address) = Program::server(&[]);
    let tom = listener(address);
    let mut alice = TerminalUser::start(address, (24, 100), &[], &[]);
    alice.sees_typed("Enter your name:");
    alice.types("Al\x1b[Dice\x1b[A\n");
    alice.sees("Start typing...");
    // Up, Left; F1; Delete, Ctrl-Left, Alt-b, a colour; lone Escape.
    alice.types("\x1b[A\x1b[D\n\x1bOP  \n");
    alice.types("he\x1b[3~l\x1b[1;5Dl\x1bbo\x1b]11;rgb:0/0/0\x07\n\x1b\n");
    alice.types("\x1b[A/who\n");
    alice.sees("here: Alice, Tom; 2 in all");
    alice.types("last\n");
    assert_eq!(heard(&tom, "last"), ["hello", "last"]);
    assert_eq!(hints(&alice, "arrow keys do nothing here"), 1);
}

#[test]
fn bytes_in_a_pipe_stay_as_they_are() {
    let (_server, address) = Program::server(&[]);
    let tom = listener(address);
    let mut alice = Program::joined_client(address, "Alice");
    alice.types("up \x1b[A");
    alice.types(&"x".repeat(4095));
    assert_eq!(heard(&tom, &"x".repeat(4095)), ["up \\u{1b}[A".to_owned(), "x".repeat(4095)]);
}

#[test]
fn a_line_that_the_terminal_cuts_is_not_sent_and_neither_is_its_rest() {
    let (_server, address) = Program::server(&[]);
    let tom = listener(address);
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    for (count, long) in ["x".repeat(9000), "x".repeat(4095), "é".repeat(2048)].into_iter().enumerate() {
        alice.types(&long);
        alice.types("the rest\n");
        alice.screen().wait("the notice of a cut line", |screen| {
            let shown = screen.written().matches("not sent: 1 line").count();
            (shown == count + 1).then_some(())
        });
    }
    let longest = "y".repeat(4094);
    alice.types(&format!("{longest}\n"));
    assert_eq!(heard(&tom, &longest), [longest]);
}

#[test]
fn a_slash_after_spaces_is_a_command_on_a_terminal_and_in_a_pipe() {
    let (_server, address) = Program::server(&[]);
    let tom = listener(address);
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    let mut ann = Program::joined_client(address, "Ann");
    alice.types("  /msg Tom secret\n");
    alice.sees("[to Tom, privately] secret");
    ann.types(" /msg Tom from Ann");
    tom.sees("[Ann, privately] from Ann\n");
    alice.types("  //slash\n");
    assert_eq!(heard(&tom, "/slash"), ["/slash"]);
    assert!(!ann.output().contains("secret"), "{}", ann.output());
}

#[test]
fn ctrl_c_on_a_terminal_asks_first_and_a_second_one_leaves() {
    let (_server, address) = Program::server(&[]);
    let tom = listener(address);
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    alice.types("half a line");
    alice.sees_typed("half a line");
    alice.types("\x03");
    alice.sees(CTRL_C_HINT);
    // The typed line has gone, from the screen and from the terminal.
    alice.sees_typed("");
    alice.types("whole\n");
    assert_eq!(heard(&tom, "whole"), ["whole"]);
    assert_eq!(leaves_by_ctrl_c(&mut alice), 0);
    tom.sees("User [Alice] left\n");
}

#[test]
fn ctrl_c_asks_at_the_question_for_the_name_and_where_only_the_input_is_a_terminal() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::start(address, (24, 80), &[], &[]);
    alice.sees_typed("Enter your name:");
    assert_eq!(leaves_by_ctrl_c(&mut alice), 0);
    let tom = listener(address);
    let mut command = CommandBuilder::new("sh");
    let client = binary("chat-client");
    command.args(["-c", "exec \"$0\" --server \"$1\" --name Bob >/dev/null"]);
    command.args([client.to_str().unwrap(), &address.to_string()]);
    let mut bob = TerminalUser::run((24, 80), command);
    tom.sees("User [Bob] joined");
    assert_eq!(leaves_by_ctrl_c(&mut bob), 0);
}

#[test]
fn a_signal_to_the_client_alone_leaves_at_once_on_a_terminal_too() {
    for signal in ["TERM", "INT", "HUP"] {
        let (_server, address) = Program::server(&[]);
        let mut alice = TerminalUser::join(address, (24, 80), "Alice");
        alice.signal(signal);
        assert_eq!(alice.exits(), 0, "{signal}");
        assert_eq!(hints(&alice, CTRL_C_HINT), 0, "{signal}");
    }
}

#[test]
fn a_signal_to_the_whole_group_leaves_without_a_complaint_of_a_helper() {
    for _ in 0..10 {
        let (_server, address) = Program::server(&[]);
        let mut alice = TerminalUser::join(address, (24, 80), "Alice");
        alice.signal_group("TERM");
        assert_eq!(alice.exits(), 0);
        let written = alice.screen().read_with(Screen::written);
        assert!(!written.contains("No such process"), "{written:?}");
    }
}

#[test]
fn a_closed_terminal_window_ends_the_client() {
    if !installed("script") {
        println!("skipped: there is no program `script`");
        return;
    }
    let (_server, address) = Program::server(&[]);
    let tom = listener(address);
    // `script` gives the client a terminal, as a window does.
    let client = format!("{} --server {address} --name Alice", binary("chat-client").display());
    let window = Program::start("script", Command::new("script").args(["-q", "-c", &client, "/dev/null"]));
    tom.sees("User [Alice] joined");
    // The end of the window must not meet a client that still writes that it has joined.
    window.sees(if Kind::of_this_run().closed { "remembered" } else { "Start typing..." });
    drop(window);
    tom.sees("User [Alice] left\n");
}

#[test]
fn a_paste_of_many_lines_waits_for_paste_or_drop() {
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let tom = listener(address);
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    let lines = |count| (1..=count).map(|count| format!("/l{count}\n")).collect::<String>();
    alice.types(&lines(500));
    alice.sees("--- 500 lines pasted: /paste sends them, /drop forgets them ---");
    alice.types("typed\n");
    assert_eq!(heard(&tom, "typed"), ["typed"]);
    alice.types("/drop\n");
    alice.sees("--- 500 lines forgotten ---");
    alice.types(&lines(499));
    alice.sees("--- 499 lines pasted");
    alice.types("/paste\n");
    let expected: Vec<String> =
        ["typed".to_owned()].into_iter().chain((1..=499).map(|count| format!("/l{count}"))).collect();
    assert_eq!(heard(&tom, "/l499"), expected);
    alice.types("/paste\n");
    alice.sees("--- no paste waits ---");
}

#[test]
fn what_is_pasted_behind_the_name_of_one_person_does_not_go_to_everybody() {
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let tom = listener(address);
    let cem = Program::joined_client(address, "Cem");
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    alice.types("/msg Tom one\ntwo\nthree\n");
    tom.sees("[Alice, privately] one");
    alice.sees("--- 2 lines pasted: ");
    alice.types("/drop\n");
    alice.types("hello\n");
    cem.sees("[Alice] hello");
    assert!(!cem.output().contains("two") && !cem.output().contains("three"), "{}", cem.output());
}

#[test]
fn the_last_line_of_a_paste_may_have_no_end_and_is_said_last() {
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let tom = listener(address);
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    for last in ["*/", "last ", "https://example.org/"] {
        let lines: String = (1..=12).map(|line| format!("{line}\n")).collect();
        alice.types(&format!("{lines}{last}"));
        alice.sees("--- 12 lines pasted: ");
        alice.types("/paste\n");
        tom.sees(&format!("[Alice] 12\n[Alice] {last}\n"));
        alice.types("/clear\n");
        alice.screen().wait("a clear screen", |screen| {
            (!screen.rows().concat().contains("lines pasted")).then_some(())
        });
    }
    assert!(!tom.output().contains("/paste"), "{}", tom.output());
}

#[test]
fn a_short_paste_a_paste_with_the_guard_off_and_one_in_a_pipe_are_sent_as_typed() {
    let lines = |count| (1..=count).map(|count| format!("l{count}\n")).collect::<String>();
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let tom = listener(address);
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    alice.types(&lines(10));
    assert_eq!(heard(&tom, "l10").len(), 10);
    let mut alice = TerminalUser::start(address, (24, 80), &["--name", "Ann", "--no-paste-guard"], &[]);
    alice.sees("Start typing...");
    alice.types(&lines(50));
    tom.sees("[Ann] l50\n");
    let mut pipe = Program::joined_client(address, "Pipe");
    pipe.types_exactly(&lines(50));
    tom.sees("[Pipe] l50\n");
}

#[test]
fn a_paste_into_the_question_for_the_name_is_no_name_and_can_be_sent_after_joining() {
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let tom = listener(address);
    let mut alice = TerminalUser::start(address, (24, 80), &[], &[]);
    alice.sees_typed("Enter your name:");
    alice.types(&(1..=20).map(|count| format!("l{count}\n")).collect::<String>());
    alice.sees("--- 20 lines pasted");
    alice.types("Alice\n");
    alice.sees("Start typing...");
    alice.types("/paste\n");
    assert_eq!(heard(&tom, "l20").len(), 20);
}

#[test]
fn a_held_paste_at_the_end_is_said_to_be_unsent() {
    for end in ["\x04", "exit\n"] {
        let (_server, address) = Program::server(&[]);
        let mut alice = TerminalUser::join(address, (24, 80), "Alice");
        alice.types(&"line\n".repeat(11));
        alice.sees("--- 11 lines pasted: ");
        alice.types(end);
        alice.sees("--- 11 lines pasted and not sent ---");
        alice.sees("Bye!");
        assert_eq!(alice.exits(), 1);
    }
}

#[test]
fn one_who_was_removed_reads_why_and_the_next_line_does_not_go_to_the_shell() {
    for removal in ["/kick Alice too loud", "/ban Alice"] {
        let (mut server, address) = Program::server(&["--console"]);
        let client = binary("chat-client");
        let mut command = CommandBuilder::new("sh");
        command.args([
            "-c",
            "\"$0\" --server \"$1\" --name Alice; echo \"code $?\"; read line; echo shell \"$line\"",
        ]);
        command.args([client.to_str().unwrap(), &address.to_string()]);
        command.env("TERM", "xterm");
        let mut alice = TerminalUser::run((24, 80), command);
        alice.sees("Start typing...");
        alice.types("half a li");
        alice.sees_typed("half a li");
        server.types(removal);
        alice.sees("--- press Enter to leave ---");
        alice.types("ne for the room\n");
        alice.sees("code 1");
        alice.types("next\n");
        alice.sees("shell next");
        let shown = alice.screen().read_with(Screen::text_above_cursor);
        assert!(!shown.contains("connection lost"), "{shown}");
        assert!(shown.contains("chat-client: the operator"), "{shown}");
    }
}

#[test]
fn a_lost_server_is_still_told_and_comes_before_what_waits() {
    let (server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    drop(server);
    alice.types("kept\n");
    alice.sees("waiting to be sent: kept");
    let shown = alice.screen().read_with(Screen::text_above_cursor);
    let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("{text} in {shown}"));
    assert!(at("connection lost") < at("waiting to be sent"), "{shown}");
}

#[test]
fn a_paste_that_is_refused_line_by_line_is_told_once_and_counted() {
    let (mut server, address) = Program::server(&["--console"]);
    let mut alice = TerminalUser::start(address, (24, 80), &["--name", "Alice", "--no-paste-guard"], &[]);
    alice.sees("Start typing...");
    server.types("/mute Alice");
    alice.sees("muted you");
    alice.types(&"nothing of this is heard\n".repeat(30));
    alice.sees("--- refused: the operator has muted you");
    alice.types("/who\n");
    alice.sees("times more ---");
}
