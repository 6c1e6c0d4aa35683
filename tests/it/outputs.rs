//! What stands on each output: the time before every line or before none, nothing but what others say with
//! `--quiet`, one line after the other on a plain terminal, and everything in the transcript.

use chat_tests::{
    folder::Folder,
    process::Program,
    room::{kept, remembered},
    terminal::TerminalUser,
};
use std::{fs, net::SocketAddr};

/// A server with a message of the day. It reads the file only at its start.
fn server_with_motd() -> (Program, SocketAddr) {
    let folder = Folder::new();
    let motd = folder.file("motd");
    fs::write(&motd, "be kind\n").unwrap();
    Program::server(&["--motd", &motd, "--rate-burst", "0"])
}

/// The lines of a transcript without their times.
fn lines(log: &str) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap();
    text.lines().map(|line| without_date(line).unwrap_or_else(|| panic!("{line:?}")).to_owned()).collect()
}

/// The line without its date and time, such as `2026-11-23 08:05:09 `, if it has them.
fn without_date(line: &str) -> Option<&str> {
    let (time, words) = line.split_at_checked(20)?;
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    (shape == "0000-00-00 00:00:00 ").then_some(words)
}

/// The row without its time, such as `08:05 `, if it has one.
fn without_time(row: &str) -> Option<&str> {
    let (time, words) = row.split_at_checked(6)?;
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    (shape == "00:00 ").then_some(words)
}

#[test]
fn in_a_pipe_each_line_has_date_and_time_if_asked_and_no_line_otherwise() {
    let (_server, address) = server_with_motd();
    for dated in [true, false] {
        let arguments = ["--history", "9", "--time", if dated { "date" } else { "off" }];
        let mut ann = Program::client(address, "Ann", &arguments);
        ann.sees("be kind");
        let mut tom = Program::joined_client(address, "Tom");
        tom.types("hello");
        ann.sees("[Tom] hello");
        for (command, last) in
            [("/help", "//TEXT"), ("/who", "here: "), ("/search hello", "found"), ("/nonsense", "")]
        {
            ann.types(command);
            ann.sees(last);
        }
        ann.ends_input();
        ann.exits();
        assert_eq!(ann.lines().iter().all(|line| without_date(line).is_some()), dated, "{}", ann.output());
        assert_eq!(ann.lines().iter().any(|line| without_date(line).is_some()), dated, "{}", ann.output());
        // Standard error is an output of its own.
        assert!(ann.error_output().starts_with("--- there is no command"), "{}", ann.error_output());
        tom.ends_input();
        tom.exits();
    }
}

#[test]
fn on_a_terminal_each_line_has_the_time_unless_it_is_off() {
    for (arguments, timed) in
        [(&["--name", "Alice"][..], true), (&["--name", "Alice", "--time", "off"], false)]
    {
        let (_server, address) = server_with_motd();
        let mut alice = TerminalUser::start(address, (60, 100), arguments, &[]);
        alice.sees("be kind");
        let mut tom = Program::joined_client(address, "Tom");
        tom.types("hello");
        alice.sees("[Tom] hello");
        for (command, last) in
            [("/history", "(earlier)"), ("/who", "in all"), ("/help", "//TEXT"), ("/no", "no command")]
        {
            alice.types(&format!("{command}\n"));
            alice.sees(last);
        }
        alice.types("/quit\n");
        alice.sees("Bye!");
        alice.screen().read_with(|screen| {
            let shown = screen.rows().into_iter().filter(|row| {
                // What was typed, and the next row of a long line.
                !row.is_empty() && !["/history", "/who", "/help", "/no", "/quit"].contains(&row.as_str())
            });
            let rows: Vec<String> = shown.collect();
            assert!(
                rows.len() > 15 && rows.iter().all(|row| without_time(row).is_some() == timed),
                "{rows:#?}"
            );
        });
    }
}

#[test]
fn quiet_leaves_what_others_say_on_standard_output_and_errors_on_standard_error() {
    let folder = Folder::new();
    let log = folder.file("log");
    for json in [false, true] {
        let (_server, address) = server_with_motd();
        let mut tom = Program::joined_client(address, "Tom");
        tom.types("long ago");
        tom.types("/who");
        tom.sees("here:");
        let arguments = ["--quiet", "--history", "1", "--log", &log, "--json"];
        let mut bot = Program::client(address, "Bot", &arguments[..if json { 6 } else { 5 }]);
        bot.sees("long ago");
        drop(Program::joined_client(address, "Eve"));
        tom.types("hello");
        tom.types("/me waves");
        tom.types("/msg Bot psst");
        bot.sees("psst");
        bot.types("mine");
        bot.types("/who");
        bot.types("/msg Nobody hi");
        bot.logs("--- refused: ");
        bot.ends_input();
        bot.exits();
        if json {
            let is_said = |line: &String| {
                ["history", "message", "action", "private"]
                    .iter()
                    .any(|event| line.starts_with(&format!("{{\"event\":\"{event}\"")))
            };
            assert!(bot.lines().iter().all(is_said), "{}", bot.output());
            assert_eq!(bot.lines().len(), 4, "{}", bot.output());
        } else {
            let said = "(earlier) [Tom] long ago\n[Tom] hello\n* Tom waves\n[Tom, privately] psst\n";
            assert_eq!(bot.output(), said);
        }
    }
    // The transcript is an output of its own.
    assert!(lines(&log).contains(&"Connected! Start typing...".to_owned()));
}

#[test]
fn quiet_on_a_terminal_shows_the_same_rows() {
    let (_server, address) = server_with_motd();
    let mut tom = Program::joined_client(address, "Tom");
    let arguments = ["--name", "Alice", "--quiet", "--time", "off"];
    let mut alice = TerminalUser::start(address, (24, 80), &arguments, &[]);
    tom.sees("User [Alice] joined");
    alice.types("/msg Nobody hi\n");
    alice.sees("--- refused: ");
    tom.types("hello");
    alice.sees("[Tom] hello");
    alice.screen().read_with(|screen| {
        let rows = screen.rows();
        let rows: Vec<&str> = rows.iter().map(String::as_str).filter(|row| !row.is_empty()).collect();
        let refused = "--- refused: nobody here is called Nobody; /who lists who is ---";
        assert_eq!(rows, ["/msg Nobody hi", refused, "[Tom] hello"]);
    });
}

#[test]
fn a_plain_terminal_gets_whole_rows_and_nothing_that_moves_the_cursor() {
    for arguments in
        [&["--name", "Alice", "--plain", "--color", "always"][..], &["--name", "Alice", "--plain"]]
    {
        let (_server, address) = Program::server(&["--rate-burst", "0"]);
        let mut alice = TerminalUser::start(address, (60, 60), arguments, &[]);
        alice.sees("Start typing...");
        let mut tom = Program::joined_client(address, "Tom");
        alice.sees("User [Tom] joined");
        alice.types("half of ");
        alice.sees_typed("half of");
        for count in 0..10 {
            tom.types(&format!("message {count}"));
        }
        tom.types("hello Alice");
        alice.sees("[Tom] hello Alice");
        alice.types("a line\n");
        tom.sees("[Alice] half of a line\n");
        alice.types("/quit\n");
        alice.sees("Bye!");
        alice.exits();
        alice.screen().read_with(|screen| {
            let rows = screen.rows();
            let text = String::from_utf8(screen.bytes().to_vec()).unwrap();
            assert!(!text.contains('\x1b') && !text.contains('\x0b'), "{text:?}");
            // Every carriage return is that of a line end. The terminal makes it.
            assert!(text.replace("\r\n", "").find('\r').is_none(), "{text:?}");
            assert!(rows.iter().any(|row| row == "half of"), "{rows:#?}");
            assert!(rows.iter().all(|row| !row.contains("half") || row.trim_end() == "half of"), "{rows:#?}");
            // A burst has few empty rows. The bell rings for a name, and is no row.
            let empty = |pair: &&[String]| pair[0].is_empty() && pair[1].is_empty() && pair.len() > 1;
            let end = rows.iter().rposition(|row| !row.is_empty()).unwrap();
            assert_eq!(rows[..end].windows(2).filter(empty).count(), 0, "{rows:#?}");
            assert!(screen.bytes().contains(&7));
        });
    }
}

#[test]
fn a_transcript_has_what_was_shown_once_and_marks_what_came_later() {
    let (_server, address) = server_with_motd();
    let mut tom = Program::joined_client(address, "Tom");
    tom.types("long ago");
    tom.types("/who");
    tom.sees("here:");
    let folder = Folder::new();
    let log = folder.file("log");
    let mut ann = Program::client(address, "Ann", &["--history", "5", "--log", &log]);
    ann.sees("(earlier) [Tom] long ago");
    tom.types("now");
    ann.sees("[Tom] now");
    // In a pipe the next line is read when the reply has come.
    for line in
        ["mine", "/msg Tom psst", "/history 9", "/search ago", "/help", "/msg Nobody hi", "/nonsense", "/who"]
    {
        ann.types(line);
    }
    ann.sees("here: ");
    ann.ends_input();
    ann.exits();
    let refused = "--- refused: nobody here is called Nobody; /who lists who is ---";
    let remembered = remembered();
    let expected = [
        "Connected! Start typing...",
        "Server: be kind",
        kept().trim_end(),
        remembered.trim_end(),
        "(earlier) [Tom] long ago",
        "[Tom] now",
        "[Ann] mine",
        "[to Tom, privately] psst",
        refused,
        "--- there is no command /nonsense; /help lists them, and //nonsense says it ---",
        "--- 2 here: Ann, Tom ---",
        "chat-client: not everything was sent",
    ];
    let expected = expected.into_iter().filter(|line| !line.is_empty());
    assert_eq!(lines(&log), expected.collect::<Vec<_>>());
}

#[test]
fn a_search_finds_what_the_server_keeps_from_before_the_join_and_what_was_seen() {
    let (_server, address) = Program::server(&["--rate-burst", "0"]);
    let mut tom = Program::joined_client(address, "Tom");
    // More than fits into a page.
    let filler = "x".repeat(3_000);
    for count in 0..60 {
        tom.types(&format!("{count} {}", if count % 10 == 0 { "Lunch?" } else { &filler }));
    }
    tom.types("/who");
    tom.sees("here:");
    let mut ann = Program::joined_client(address, "Ann");
    ann.types("lunch at noon");
    ann.types("/msg Tom lunch with me?");
    ann.types("/search LUNCH");
    ann.sees("--- 8 found ---\n");
    let found: Vec<String> = ann.lines().into_iter().filter(|line| line.starts_with("(earlier) ")).collect();
    let theirs = (0..6).map(|count| format!("(earlier) [Tom] {count}0 Lunch?"));
    let theirs = theirs.map(|line| line.replace(" 00 ", " 0 "));
    let own = ["(earlier) [Ann] lunch at noon", "(earlier) [to Tom, privately] lunch with me?"];
    assert_eq!(found, theirs.chain(own.map(str::to_owned)).collect::<Vec<_>>());
    ann.types("/search nothing of that kind");
    ann.sees("--- nothing found ---\n");
    ann.types("/search ");
    ann.logs("--- what do you look for? try /search lunch ---");
}

#[test]
fn who_with_a_name_tells_since_when_somebody_is_here_and_how_long_silent() {
    let (_server, address) = Program::server(&[]);
    let mut ann = Program::joined_client(address, "Ann");
    let _tom = Program::joined_client(address, "Tom");
    let _tomas = Program::joined_client(address, "Tomas");
    ann.sees("User [Tomas] joined");
    ann.types("/who TOM");
    ann.sees("--- Tom, Tomas; 2 of 3 ---\n");
    ann.types("/who nn");
    ann.sees("; 1 of 3 ---\n");
    ann.types("/who x");
    ann.sees("--- nobody here is called \"x\"; 0 of 3 ---\n");
    let lines = ann.lines();
    let about = |start: &str| lines.iter().find(|line| line.starts_with(start)).unwrap().as_str();
    assert!(about("--- Tom: here since ").contains(", s"), "{lines:?}");
    assert!(about("--- Ann (you): here since ").ends_with("; 1 of 3 ---"), "{lines:?}");
}

#[test]
fn a_family_is_one_picture_for_everybody_else() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    let mut tom = Program::joined_client(address, "Tom");
    tom.types("👨\u{200d}👩\u{200d}👧 a\u{200d}b");
    ann.sees("[Tom] 👨\u{200d}👩\u{200d}👧 a\\u{200d}b\n");
}
