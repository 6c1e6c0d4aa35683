//! The real client on a real pseudo-terminal, and what a terminal emulator makes of its output.
//!
//! The pseudo-terminal is in its ordinary line mode, as in life: the system echoes and edits what is typed, and the client
//! knows nothing of it until Enter.

use chat_tests::{
    process::{binary, Program},
    terminal::{Screen, TerminalUser},
    watchdog::poll,
};
use std::process::Command;

/// Rows and columns: a usual one, a small one, and one that hardly fits anything.
const SIZES: [(u16, u16); 3] = [(24, 80), (8, 40), (3, 16)];

#[test]
fn a_half_typed_line_survives_messages_in_the_middle_and_at_the_bottom_of_the_screen() {
    for size in SIZES {
        let (_server, address) = Program::server(&["--rate-burst", "0"]);
        let mut alice = TerminalUser::join(address, size, "Alice");
        alice.types("half typ");
        alice.sees_typed("half typ");
        let mut tom = Program::joined_client(address, "Tom");
        // Enough to get from the middle of the largest screen to its bottom and beyond.
        for count in 0..30 {
            tom.types(&format!("m {count}"));
            alice.sees(&format!("m {count}"));
            alice.still_sees_typed("half typ");
        }
        // What is edited is the line, and not what stands around it: a backspace, a word more.
        alice.types("\x7fped");
        alice.sees_typed("half typed");
        tom.types("more");
        alice.sees("more");
        alice.still_sees_typed("half typed");
        alice.types("\n");
        tom.sees("[Alice] half typed\n");
    }
}

#[test]
fn a_burst_of_a_hundred_messages_stays_in_order_above_the_typed_line() {
    for size in SIZES {
        let (_server, address) = Program::server(&["--rate-burst", "0"]);
        let mut alice = TerminalUser::join(address, size, "Alice");
        alice.types("still here");
        alice.sees_typed("still here");
        let mut tom = Program::joined_client(address, "Tom");
        let burst: String = (0..100).map(|count| format!("b{count}\n")).collect();
        tom.types_exactly(&burst);
        alice.sees("b99");
        alice.still_sees_typed("still here");
        let shown = alice.screen().read_with(Screen::text_above_cursor);
        let mut expected = 100;
        for word in shown.split_whitespace().rev().filter(|word| word.starts_with('b')) {
            expected -= 1;
            assert_eq!(word, format!("b{expected}"), "{shown}");
        }
        assert!(expected < 100);
    }
}

#[test]
fn what_is_typed_in_the_middle_of_a_burst_stays_together() {
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    let mut tom = Program::joined_client(address, "Tom");
    let long = "words and more words ".repeat(40);
    for count in 0..100 {
        tom.types(&format!("{count} {long}"));
    }
    tom.types("the end");
    let typed = "the quick brown fox jumps over the lazy dog and types one key after another";
    for key in typed.split_inclusive(|_| true) {
        alice.types(key);
        // As fast as the terminal echoes, and no faster.
        alice.screen().wait("the echo", |screen| screen.cursor_row().0.ends_with(key.trim()).then_some(()));
    }
    alice.sees("the end");
    alice.still_sees_typed(typed);
}

#[test]
fn long_wide_and_combining_texts_stay_above_the_typed_line_and_whole() {
    let long = "漢字かな交じり文 e\u{301}e\u{301}e\u{301} naïve 🦀🦀 und noch ein ganzer Satz in einer anderen Sprache";
    for size in [(24, 80), (8, 40), (20, 17)] {
        let (_server, address) = Program::server(&["--rate-burst", "0"]);
        let mut alice = TerminalUser::join(address, size, "Alice");
        alice.types("my line");
        alice.sees_typed("my line");
        let mut tom = Program::joined_client(address, "Tom");
        tom.types(long);
        tom.types("done");
        alice.sees("done");
        alice.still_sees_typed("my line");
        let squeezed = |text: &str| text.replace(' ', "");
        let shown = squeezed(&alice.screen().read_with(Screen::text_above_cursor));
        assert!(shown.contains(&squeezed(long)), "{shown}");
    }
}

#[test]
fn no_row_of_a_message_can_pass_for_a_line_of_its_own() {
    let (_server, address) = Program::server(&[]);
    let alice = TerminalUser::join(address, (24, 40), "Alice");
    let mut tom = Program::joined_client(address, "Tom");
    // Blanks that push what follows to the beginning of the next row.
    tom.types(&format!("hi{}User [Bob] left", " ".repeat(26)));
    alice.sees("User [Bob] left");
    alice.screen().read_with(|screen| {
        assert!(
            screen.rows().iter().any(|row| row.starts_with("    ") && row.ends_with("User [Bob] left")),
            "{screen:?}"
        );
    });
}

#[test]
fn a_typed_line_longer_than_the_terminal_keeps_all_its_characters() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, (12, 30), "Alice");
    let long = "a line that is longer than the thirty cells of a row";
    alice.types(long);
    alice.sees_typed(&long[30..]);
    let mut tom = Program::joined_client(address, "Tom");
    tom.types("hello");
    alice.sees("[Tom] hello");
    alice.screen().read_with(|screen| {
        assert_eq!(screen.cursor_row().0, &long[30..], "{screen:?}");
        assert!(screen.rows().iter().any(|row| row == long[..30].trim_end()), "{screen:?}");
    });
    alice.types("!\n");
    tom.sees(&format!("[Alice] {long}!\n"));
}

#[test]
fn a_terminal_that_becomes_narrower_gets_shorter_rows() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    let mut tom = Program::joined_client(address, "Tom");
    tom.types("before");
    alice.sees("before");
    alice.resize_terminal((24, 30));
    // The client asks for the width when its answer is old, so the first lines may still be of the old width. (A real
    // terminal cuts those off, because the client tells it not to wrap; this emulator does not know that sequence, so it
    // becomes narrower behind them.)
    poll("a line in rows of the new width", || {
        tom.types("words that do not fit into one row of thirty cells");
        let rows = alice.screen().read_with(Screen::rows);
        rows.iter().any(|row| row.starts_with("    ")).then_some(())
    });
    alice.resize_emulator((24, 30));
    alice.types("typed");
    alice.sees_typed("typed");
    tom.types("and a few more words that do not fit");
    alice.sees("that do not fit");
    alice.still_sees_typed("typed");
}

#[test]
fn a_name_keeps_its_colour_and_the_time_stands_before_each_line() {
    let (_server, address) = Program::server(&[]);
    let alice = TerminalUser::join(address, (24, 80), "Alice");
    let mut tom = Program::joined_client(address, "Tom");
    tom.types("first");
    tom.types("second");
    alice.sees("[Tom] second");
    let color_of = |wanted: &str| {
        alice.screen().read_with(|screen| {
            let rows = screen.rows();
            let (row, text) = rows.iter().enumerate().find(|(_, text)| text.contains(wanted)).unwrap();
            let time: Vec<char> = text.chars().take(6).collect();
            assert!(time[0].is_ascii_digit() && time[2] == ':' && time[5] == ' ', "{text}");
            screen.cells().cell(row as u16, text.find("[Tom]").unwrap() as u16).unwrap().fgcolor()
        })
    };
    assert_eq!(color_of("first"), color_of("second"));
    assert_ne!(color_of("first"), vt100::Color::Default);
}

#[test]
fn no_color_means_none_and_a_dumb_terminal_gets_no_escapes_at_all() {
    for (variable, forbidden) in [(("NO_COLOR", "1"), "\x1b[38"), (("TERM", "dumb"), "\x1b")] {
        let (_server, address) = Program::server(&[]);
        let alice = TerminalUser::start(address, (24, 80), &["--name", "Alice"], &[variable]);
        alice.sees("Start typing...");
        let mut tom = Program::joined_client(address, "Tom");
        tom.types("hello");
        alice.sees("[Tom] hello");
        let bytes = alice.screen().read_with(|screen| String::from_utf8(screen.bytes().to_vec())).unwrap();
        assert!(!bytes.contains(forbidden), "{bytes:?}");
    }
}

#[test]
fn the_bell_rings_for_what_it_is_set_to() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    let mut tom = Program::joined_client(address, "Tom");
    let rings = |alice: &TerminalUser| {
        alice.screen().read_with(|screen| screen.bytes().iter().filter(|byte| **byte == 7).count())
    };
    let mut says = |alice: &TerminalUser, text: &str| {
        tom.types(text);
        alice.sees(text.rsplit("/msg Alice ").next().unwrap());
    };
    says(&alice, "nobody in particular");
    assert_eq!(rings(&alice), 0);
    says(&alice, "hello alice");
    assert_eq!(rings(&alice), 1);
    says(&alice, "/msg Alice psst");
    assert_eq!(rings(&alice), 2);
    alice.types("/bell all\n");
    alice.sees("bell: all");
    says(&alice, "anybody");
    assert_eq!(rings(&alice), 3);
    alice.types("/bell off\n");
    alice.sees("bell: off");
    says(&alice, "Alice, again");
    assert_eq!(rings(&alice), 3);
}

#[test]
fn a_refused_name_is_explained_and_asked_for_again() {
    let (_server, address) = Program::server(&[]);
    let _tom = Program::joined_client(address, "Tom");
    let mut alice = TerminalUser::start(address, (24, 80), &[], &[]);
    for refused in ["tom", "system", "a b"] {
        alice.sees_typed("Enter your name:");
        alice.types(&format!("{refused}\n"));
        alice.sees("refused");
    }
    alice.sees_typed("Enter your name:");
    alice.types("Alice\n");
    alice.sees("Start typing...");
}

#[test]
fn a_lost_server_is_told_once_above_the_typed_line_and_so_is_its_return() {
    let (server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    alice.types("typing");
    alice.sees_typed("typing");
    drop(server);
    alice.sees("connection lost");
    alice.still_sees_typed("typing");
    alice.types(" on\n");
    alice.sees("waiting to be sent: typing on");
    let mut again = Command::new(binary("chat-server"));
    let _again = Program::start_server(again.args(["--listen", &address.to_string()]));
    alice.sees("connected again");
    let shown = alice.screen().read_with(Screen::text_above_cursor);
    assert_eq!(shown.matches("connection lost").count(), 1, "{shown}");
}

#[test]
fn earlier_messages_are_shown_on_joining_and_marked() {
    let (_server, address) = Program::server(&[]);
    let mut tom = Program::joined_client(address, "Tom");
    let _ann = Program::joined_client(address, "Ann");
    tom.types("long ago");
    tom.types("/who");
    tom.sees("here:");
    let alice = TerminalUser::join(address, (24, 80), "Alice");
    alice.sees("(earlier) [Tom] long ago");
}

#[test]
fn clear_empties_the_screen_and_the_ways_out_say_goodbye() {
    for way in ["exit\n", "/quit\n", "\x04", "half a line\x03"] {
        let (_server, address) = Program::server(&[]);
        let mut alice = TerminalUser::join(address, (24, 80), "Alice");
        alice.types("/clear\n");
        alice
            .screen()
            .wait("an empty screen", |screen| screen.rows().iter().all(String::is_empty).then_some(()));
        alice.types(way);
        alice.sees("Bye!");
        assert_eq!(alice.exits(), 0);
        alice
            .screen()
            .read_with(|screen| assert!(screen.rows().iter().any(|row| row == "Bye!"), "{screen:?}"));
    }
}
