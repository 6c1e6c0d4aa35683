//! The client with the editor, on a real pseudo-terminal: each key has its effect, no message tears the typed
//! line, and the terminal is given back as it was.

use chat_tests::{
    process::{binary, Program},
    terminal::{Screen, TerminalUser},
};
use std::{net::SocketAddr, process::Command};

const SIZE: (u16, u16) = (24, 80);
const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";

/// Starts the client as a job of the shell, and returns its process id.
fn start_in_shell(shell: &mut TerminalUser, server: SocketAddr, name: &str) -> String {
    let client = binary("chat-client");
    shell.types(&format!(
        "clear; sh -c 'echo pid $$; exec {} --server {server} --name {name}'\n",
        client.display()
    ));
    shell.sees("Start typing...");
    let rows = shell.screen().read_with(Screen::rows);
    rows.iter().find_map(|row| row.strip_prefix("pid ")).expect("the shell says it").to_owned()
}

#[test]
fn up_brings_the_last_line_back_to_be_edited() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, SIZE, "Alice");
    let tom = Program::joined_client(address, "Tom");
    alice.types("hello\r");
    tom.sees("[Alice] hello\n");
    alice.types(&format!("{UP}{LEFT}{LEFT}\x7fL"));
    alice.sees_typed("heLlo");
    alice.types("\r");
    tom.sees("[Alice] heLlo\n");
    // Keys without a meaning leave nothing behind.
    alice.types("\x1b[15~\x1b[<0;1;1Mok\r");
    tom.sees("[Alice] ok\n");
}

#[test]
fn a_line_of_three_rows_stays_whole_and_editable_under_a_burst() {
    for size in [(60, 40), (8, 40)] {
        let (_server, address) = Program::server(&["--rate-burst", "0"]);
        let mut alice = TerminalUser::join(address, size, "Alice");
        let mut tom = Program::joined_client(address, "Tom");
        let typed: String = (0..33).map(|word| format!("w{word} ")).collect();
        assert!(typed.len() > 2 * 39 && typed.len() < 3 * 39 + 20);
        let burst: String = (0..200).map(|count| format!("b{count}\n")).collect();
        alice.types(&typed);
        alice.screen().wait("the typed line", |screen| screen.cursor_row().0.ends_with("w32").then_some(()));
        // More keys are typed while the burst comes.
        tom.types_exactly(&burst);
        let more = ["and ", "even ", "more "];
        more.iter().for_each(|word| alice.types(word));
        let typed = typed + &more.concat();
        alice.sees("b199");
        alice.types("\x01> \x05!");
        let whole = format!("> {typed}!");
        let without_spaces = |text: &str| text.replace(' ', "");
        alice.screen().wait("the whole line at the bottom", |screen| {
            without_spaces(&screen.rows().concat()).ends_with(&without_spaces(&whole)).then_some(())
        });
        // No older sight of the line is left above it.
        let shown = alice.screen().read_with(Screen::rows).concat();
        assert_eq!(without_spaces(&shown).matches("w17w18").count(), 1, "{shown}");
        alice.types("\r");
        tom.sees(&format!("[Alice] {whole}\n"));
        // Each message is drawn once, in its order. The emulator keeps no rows that have left the screen, so
        // this looks at what has been written.
        let bytes = alice.screen().read_with(Screen::written);
        let numbers: Vec<String> = bytes
            .split("[Tom]")
            .skip(1)
            .filter_map(|rest| rest.split_once('b')?.1.split(|c: char| !c.is_ascii_digit()).next())
            .map(str::to_owned)
            .collect();
        let expected: Vec<String> = (0..200).map(|count| count.to_string()).collect();
        assert_eq!(numbers, expected);
    }
}

#[test]
fn a_key_deletes_or_passes_what_a_reader_sees_as_one_character() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, SIZE, "Alice");
    let tom = Program::joined_client(address, "Tom");
    let pictures =
        ["👩\u{200d}👩\u{200d}👧", "🇩🇪", "👍🏽", "e\u{301}\u{302}", "1\u{fe0f}\u{20e3}", "क्षि", "می\u{200c}"];
    for (number, picture) in pictures.iter().enumerate() {
        // The first is deleted from the right; the second is passed and deleted from the left.
        alice.types(&format!("{number}{picture}\x7f{picture}{LEFT}<\x1b[3~>\r"));
        tom.sees(&format!("[Alice] {}<>\n", if number == 6 { "6مم".to_owned() } else { number.to_string() }));
    }
}

#[test]
fn a_line_with_a_false_slash_stays_and_can_be_mended() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, SIZE, "Alice");
    let tom = Program::joined_client(address, "Tom");
    alice.types("\u{ff0f}msg Tom secret\r");
    alice.sees("--- that is not /; type /msg ---");
    alice.sees_typed("\u{ff0f}msg Tom secret");
    alice.types("\x01\x1b[3~/\r");
    tom.sees("[Alice, privately] secret\n");
    assert!(!tom.output().contains("[Alice] "), "{}", tom.output());
}

#[test]
fn keys_that_arrive_together_have_their_effect_together() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, SIZE, "Alice");
    let tom = Program::joined_client(address, "Tom");
    alice.types("first\rsecond\rthird and no enter");
    tom.sees("[Alice] first\n[Alice] second\n");
    alice.sees_typed("third and no enter");
}

#[test]
fn tab_completes_a_name_and_a_command() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, SIZE, "Alice");
    let tom = Program::joined_client(address, "Tom");
    let _tim = Program::joined_client(address, "Tim");
    alice.sees("User [Tim] joined");
    alice.types("to\t");
    alice.sees_typed("Tom:");
    alice.types("hi\r");
    tom.sees("[Alice] Tom: hi\n");
    alice.types("/ms\tt\t\t");
    alice.sees("Tim, Tom");
    alice.types("o\tpsst\r");
    tom.sees("[Alice, privately] psst\n");
}

#[test]
fn a_search_finds_an_older_line() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, SIZE, "Alice");
    let mut tom = Program::joined_client(address, "Tom");
    alice.types("the first line\rthe second line\rsomething else\r");
    tom.sees("[Alice] something else\n");
    alice.types("\x12line");
    alice.sees_typed("search \"line\": the second line");
    // A message does not end the search.
    tom.types("in between");
    alice.sees("in between");
    alice.types("\x12");
    alice.sees_typed("search \"line\": the first line");
    alice.types("\x05!\r");
    tom.sees("[Alice] the first line!\n");
}

#[test]
fn the_name_is_asked_for_and_is_no_line_of_the_history() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::start(address, SIZE, &[], &[]);
    alice.sees_typed("Enter your name:");
    alice.types("a b\r");
    alice.sees("refused");
    alice.sees_typed("Enter your name:");
    alice.types("Alice\r");
    alice.sees("Start typing...");
    alice.types(&format!("x{UP}"));
    alice.still_sees_typed("x");
    alice.types("\x7fhello\r");
    let tom = Program::joined_client(address, "Tom");
    alice.sees("User [Tom] joined");
    alice.types(UP);
    alice.sees_typed("hello");
    alice.types("\r");
    tom.sees("[Alice] hello\n");
}

#[test]
fn a_paste_of_a_few_lines_is_edited_and_goes_out_as_one_message() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, SIZE, "Alice");
    let mut tom = Program::joined_client(address, "Tom");
    alice.sees("User [Tom] joined");
    alice.types("see: \x1b[200~one\r/quit\rthree\r\x1b[201~");
    alice.sees_typed("three");
    tom.types("not yet");
    alice.sees("not yet");
    assert!(!tom.output().contains("[Alice]"));
    alice.types("\r");
    tom.sees("[Alice] see: one\n    /quit\n    three\n");
}

#[test]
fn a_paste_behind_the_name_of_one_person_is_for_that_person_alone() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, SIZE, "Alice");
    let mut tom = Program::joined_client(address, "Tom");
    let eve = Program::joined_client(address, "Eve");
    alice.sees("User [Eve] joined");
    alice.types("/msg Tom \x1b[200~one\rtwo\r\x1b[201~\r");
    tom.sees("[Alice, privately] one\n    two\n");
    tom.types("/msg Alice and?");
    alice.sees("[Tom, privately] and?");
    alice.types("\x1b[200~\u{feff}/reply three\rfour\x1b[201~\r");
    tom.sees("[Alice, privately] three\n    four\n");
    alice.types("\x1b[200~\u{ff0f}msg Tom five\rsix\x1b[201~\r");
    alice.sees("--- that is not /; type /msg ---");
    alice.sees_typed("six");
    alice.types("\x15said to all\r");
    eve.sees("[Alice] said to all\n");
    for secret in ["one", "two", "three", "four", "five", "six"] {
        assert!(!eve.output().contains(secret), "{}", eve.output());
    }
}

#[test]
fn a_paste_of_many_lines_is_held_until_the_person_says_what_to_do() {
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let mut alice = TerminalUser::join(address, SIZE, "Alice");
    let tom = Program::joined_client(address, "Tom");
    let paste: String = (1..=500).map(|count| format!("line {count}\r")).collect();
    alice.types(&format!("half\x1b[200~{paste}\x1b[201~"));
    alice.sees("500 lines pasted");
    // The line being typed is not part of it.
    alice.sees_typed("half");
    alice.types("\x15/paste\r");
    tom.sees("[Alice] line 500\n");
    let said = tom.lines().iter().filter(|line| line.starts_with("[Alice] line ")).count();
    assert_eq!(said, 500);
}

#[test]
fn ctrl_z_gives_the_shell_its_terminal_and_fg_draws_the_line_again() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::start_shell(SIZE);
    start_in_shell(&mut alice, address, "Alice");
    let mut tom = Program::joined_client(address, "Tom");
    alice.types("half typed");
    alice.sees_typed("half typed");
    alice.types("\x1a");
    alice.sees("half typed");
    alice.sees_typed("$");
    tom.types("while you were away");
    alice.types("stty -a | grep -c ' icanon'\n");
    alice.screen().wait("ordinary modes", |screen| screen.rows().contains(&"1".to_owned()).then_some(()));
    alice.types("fg\n");
    alice.sees("while you were away");
    alice.sees_typed("half typed");
    alice.types("!\r");
    tom.sees("[Alice] half typed!\n");
}

#[test]
fn ctrl_c_clears_the_line_and_a_second_one_leaves() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, SIZE, "Alice");
    alice.types("half a line");
    alice.sees_typed("half a line");
    alice.types("\x03");
    alice.sees("--- Ctrl-C again to leave ---");
    alice.sees_typed("");
    alice.types("\x03");
    alice.sees("Bye!");
    assert_eq!(alice.exits(), 0);
}

#[test]
fn the_terminal_has_its_modes_again_after_every_way_out() {
    // What ends the client; what is on the screen then.
    let ways = [
        ("\x04", "Bye!"),
        ("/quit\r", "Bye!"),
        ("half a line\x03\x03", "Bye!"),
        ("TERM", "Bye!"),
        ("kick", "press Enter to leave"),
    ];
    // Only the shell can say that these have ended the client.
    let signals =
        ["QUIT", "ABRT", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "XCPU", "IO", "SYS", "RTMIN", "RTMAX"];
    let ways = ways.into_iter().chain(signals.map(|signal| (signal, "")));
    for (way, last) in ways {
        let (mut server, address) = Program::server(&["--console"]);
        let mut alice = TerminalUser::start_shell(SIZE);
        alice.types("ulimit -c 0; stty -g >&2\n");
        let modes = alice.screen().wait("the modes", |screen| {
            screen.rows().into_iter().find(|row| row.matches(':').count() > 8 && screen.cursor_row().0 == "$")
        });
        let pid = start_in_shell(&mut alice, address, "Alice");
        match way {
            "kick" => server.types("/kick Alice"),
            signal if signal.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) => {
                alice.types("half a line");
                alice.sees_typed("half a line");
                let script = "kill -s $0 $1";
                assert!(Command::new("bash").args(["-c", script, signal, &pid]).status().unwrap().success());
            }
            keys => alice.types(keys),
        }
        alice.sees(last);
        if way == "kick" {
            // The one removed reads why, and Enter ends the client.
            alice.types("\r");
        }
        alice.sees_typed("$");
        alice.types("clear; stty -g >&2\n");
        alice.screen().wait(&format!("the same modes after {way:?}"), |screen| {
            screen.rows().contains(&modes).then_some(())
        });
        let bytes = alice.screen().read_with(Screen::written);
        assert_eq!(bytes.matches("\x1b[?2004h").count(), bytes.matches("\x1b[?2004l").count(), "{way:?}");
    }
}

#[test]
fn plain_and_dumb_terminals_have_the_line_mode() {
    for arguments in [&["--name", "Alice", "--plain"][..], &["--name", "Alice", "--json"]] {
        let (_server, address) = Program::server(&[]);
        let mut alice = TerminalUser::start(address, SIZE, arguments, &[]);
        alice.screen().wait("the join", |screen| {
            let text = screen.rows().concat();
            (text.contains("Connected!") || text.contains("\"connected\"")).then_some(())
        });
        alice.types("hello\n");
        alice.screen().wait("the echo of the system", |screen| {
            screen.rows().iter().any(|row| row == "hello").then_some(())
        });
        let bytes = alice.screen().read_with(Screen::written);
        assert!(!bytes.contains("\x1b[?"), "the editor asks for marks around a paste: {bytes:?}");
    }
}

#[test]
fn the_line_is_drawn_again_when_the_terminal_changes_its_width() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, SIZE, "Alice");
    let typed = "0123456789".repeat(5);
    alice.types(&typed);
    alice.sees_typed(&typed);
    alice.resize_terminal((24, 30));
    alice.sees_typed(&typed[29..]);
    alice.sees(&typed[..29]);
}
