//! The real client on a real pseudo-terminal. A terminal emulator shows what the user would see.
//!
//! The pseudo-terminal is in its ordinary line mode. The system echoes and edits what the user types, and the
//! client reads nothing of it before Enter.

use chat_tests::{
    member::Member,
    process::{binary, Program},
    terminal::{Screen, TerminalUser},
    watchdog::poll,
};
use std::process::Command;

/// Rows and columns of a usual terminal, of a small one, and of one that has hardly any space.
const SIZES: [(u16, u16); 3] = [(24, 80), (8, 40), (3, 16)];

#[test]
fn a_half_typed_line_survives_messages_in_the_middle_and_at_the_bottom_of_the_screen() {
    for size in SIZES {
        // The smallest screen has no space for more lines than these.
        let (_server, address) = Program::server_that_forgets(&["--rate-burst", "0"]);
        let mut alice = TerminalUser::join(address, size, "Alice");
        alice.types("half typ");
        alice.sees_typed("half typ");
        let mut tom = Program::joined_client(address, "Tom");
        // So many messages reach the bottom of the largest screen and scroll it.
        for count in 0..30 {
            tom.types(&format!("m {count}"));
            alice.sees(&format!("m {count}"));
            alice.still_sees_typed("half typ");
        }
        // A backspace and more letters edit the typed line and nothing around it.
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
fn a_hundred_messages_at_once_stay_in_order_above_the_typed_line() {
    for size in SIZES {
        let (_server, address) = Program::server_that_forgets(&["--rate-burst", "0"]);
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
fn a_line_typed_while_many_messages_arrive_stays_in_one_piece() {
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
        // The next key follows when the terminal has echoed this one.
        alice.screen().wait("the echo", |screen| screen.cursor_row().0.ends_with(key.trim()).then_some(()));
    }
    alice.sees("the end");
    alice.still_sees_typed(typed);
}

#[test]
fn long_wide_and_combining_texts_stay_complete_above_the_typed_line() {
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
        let without_spaces = |text: &str| text.replace(' ', "");
        let shown = without_spaces(&alice.screen().read_with(Screen::text_above_cursor));
        assert!(shown.contains(&without_spaces(long)), "{shown}");
    }
}

#[test]
fn no_row_of_a_message_looks_like_a_line_of_the_client() {
    let (_server, address) = Program::server(&[]);
    let alice = TerminalUser::join(address, (24, 40), "Alice");
    let mut tom = Program::joined_client(address, "Tom");
    // The spaces push the text after them to the start of the next row.
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
fn no_character_is_wide_enough_to_push_a_text_to_the_first_column() {
    let typing = (&["--name", "Alice"][..], "xterm");
    let reading = (&["--name", "Alice", "--send", "hi", "--stay"][..], "xterm");
    let dumb = (&["--name", "Alice"][..], "dumb");
    for (arguments, term) in [typing, reading, dumb] {
        let (_server, address) = Program::server(&[]);
        let alice = TerminalUser::start(address, (90, 80), arguments, &[("TERM", term)]);
        alice.sees("Start typing...");
        let mut tom = Member::join(address, "Tom");
        // Tangut, Kana Supplement, a vertical form. Each takes two cells, so with some count of them the text
        // begins exactly behind the last cell, whatever stands before them.
        for wide in ["\u{17000}", "\u{1b000}", "\u{fe10}", "x"] {
            for count in (30..=38).chain(64..=74) {
                tom.say(&format!("{}User [X] left", wide.repeat(count)));
            }
            // It is shown before the next character, so that the screen has all rows of this one.
            tom.say(&format!("the end of {wide}"));
            alice.sees(&format!("the end of {wide}"));
            alice.screen().read_with(|screen| {
                let at_the_edge: Vec<String> =
                    screen.rows().into_iter().filter(|row| row.starts_with("User")).collect();
                assert!(at_the_edge.iter().all(|row| row == "User [Tom] joined"), "{term}: {screen:?}");
            });
        }
        if term != "dumb" {
            let shown = alice.screen().read_with(Screen::written);
            for (position, _) in shown.match_indices("User [X]") {
                let wrapping = shown[..position].rsplit("\x1b[?7").next().unwrap();
                assert!(wrapping.starts_with('l'), "the terminal would wrap this row: {wrapping:?}");
            }
        }
    }
}

#[test]
fn a_message_of_thousands_of_line_ends_leaves_the_earlier_lines_on_the_screen() {
    for term in ["xterm", "dumb"] {
        let (_server, address) = Program::server(&[]);
        let alice = TerminalUser::start(address, (60, 80), &["--name", "Alice"], &[("TERM", term)]);
        alice.sees("Start typing...");
        let mut tom = Member::join(address, "Tom");
        tom.say("an earlier line");
        tom.say(&format!("x{}", "\n".repeat(4_095)));
        tom.say("a later line");
        alice.sees("a later line");
        let shown = alice.screen().read_with(Screen::text_above_cursor);
        assert!(shown.contains("[Tom] an earlier line"), "{shown}");
        assert!(shown.contains("(more rows: 4056)"), "{shown}");
    }
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
fn the_client_writes_shorter_rows_after_the_terminal_becomes_narrower() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    let mut tom = Program::joined_client(address, "Tom");
    tom.types("before");
    alice.sees("before");
    alice.resize_terminal((24, 30));
    // The client learns the new width some milliseconds after the change, so the first line may still have
    // the old one. A real terminal cuts them off, because the client turns wrapping off. The emulator does
    // not know that escape sequence, so the test shrinks it only after those lines.
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
fn a_name_keeps_its_colour_and_each_line_starts_with_the_time() {
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
fn no_color_turns_colours_off_and_a_dumb_terminal_gets_no_escape_sequences() {
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
fn the_bell_rings_as_the_bell_mode_says() {
    let (_server, address) = Program::server(&[]);
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    let mut tom = Program::joined_client(address, "Tom");
    let rings = |alice: &TerminalUser| {
        alice.screen().read_with(|screen| screen.bytes().iter().filter(|byte| **byte == 7).count())
    };
    let mut tom_says = |alice: &TerminalUser, text: &str| {
        tom.types(text);
        alice.sees(text.rsplit("/msg Alice ").next().unwrap());
    };
    tom_says(&alice, "nobody in particular");
    assert_eq!(rings(&alice), 0);
    tom_says(&alice, "hello alice");
    assert_eq!(rings(&alice), 1);
    tom_says(&alice, "/msg Alice psst");
    assert_eq!(rings(&alice), 2);
    alice.types("/bell all\n");
    alice.sees("bell: all");
    tom_says(&alice, "anybody");
    assert_eq!(rings(&alice), 3);
    alice.types("/bell off\n");
    alice.sees("bell: off");
    tom_says(&alice, "Alice, again");
    assert_eq!(rings(&alice), 3);
}

#[test]
fn the_client_explains_a_refused_name_and_asks_again() {
    let (_server, address) = Program::server(&[]);
    let _tom = Program::joined_client(address, "Tom");
    let mut alice = TerminalUser::start(address, (24, 80), &[], &[]);
    for (before, refused) in ["tom", "system", "a b"].into_iter().enumerate() {
        alice.sees_typed("Enter your name:");
        alice.types(&format!("{refused}\n"));
        // What is typed before the next question is no answer to it, so each refusal is waited for.
        alice.screen().wait("the refusal", |screen| {
            (screen.text_above_cursor().matches("refused").count() > before).then_some(())
        });
    }
    alice.sees_typed("Enter your name:");
    alice.types("Alice\n");
    alice.sees("Start typing...");
}

#[test]
fn a_lost_server_and_its_return_are_shown_once_above_the_typed_line() {
    let (server, address) = Program::server_that_forgets(&[]);
    let mut alice = TerminalUser::join(address, (24, 80), "Alice");
    alice.types("typing");
    alice.sees_typed("typing");
    drop(server);
    alice.sees("connection lost");
    alice.still_sees_typed("typing");
    alice.types(" on\n");
    alice.sees("waiting to be sent: typing on");
    let mut command = Command::new(binary("chat-server"));
    let _server = Program::start_server_that_forgets(command.args(["--listen", &address.to_string()]));
    alice.sees("connected again");
    let shown = alice.screen().read_with(Screen::text_above_cursor);
    assert_eq!(shown.matches("connection lost").count(), 1, "{shown}");
}

#[test]
fn earlier_messages_are_shown_on_joining_and_marked_as_earlier() {
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
fn clear_empties_the_screen_and_every_way_to_leave_prints_bye() {
    for input in ["exit\n", "/quit\n", "\x04"] {
        let (_server, address) = Program::server(&[]);
        let mut alice = TerminalUser::join(address, (24, 80), "Alice");
        alice.types("/clear\n");
        alice
            .screen()
            .wait("an empty screen", |screen| screen.rows().iter().all(String::is_empty).then_some(()));
        alice.types(input);
        alice.sees("Bye!");
        assert_eq!(alice.exits(), 0);
        alice.screen().read_with(|screen| {
            assert!(screen.rows().iter().any(|row| row.ends_with(" Bye!")), "{screen:?}");
        });
    }
}
