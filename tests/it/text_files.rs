//! Texts from files and pipes of other programs: with a byte order mark before them and `\r\n` at the end of
//! each line, and with colours.

use chat_tests::{folder::Folder, process::Program};
use std::fs;

/// Puts a mark before the text, and the line ends of Windows into it.
fn of_windows(text: &str) -> String {
    format!("\u{feff}{}", text.replace('\n', "\r\n"))
}

#[test]
fn a_ban_in_the_first_line_of_a_file_of_windows_counts() {
    let folder = Folder::new();
    let file = folder.file("bans");
    fs::write(&file, of_windows("name sara\nname tom\n")).unwrap();
    let (mut server, address) = Program::server(&["--console", "--ban-file", &file]);
    let mut sara = Program::client(address, "Sara", &[]);
    assert_eq!(sara.exits(), Some(1));
    server.types("/unban sara");
    server.sees("no longer banned: name sara\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), "name tom\r\n");
    Program::joined_client(address, "Sara");
}

#[test]
fn a_command_of_the_operator_may_stand_behind_a_mark() {
    let (mut server, _) = Program::server(&["--console"]);
    server.types("\u{feff}/who");
    server.sees("nobody is here");
}

#[test]
fn the_message_of_the_day_has_no_mark_and_one_of_white_space_is_none() {
    let folder = Folder::new();
    let file = folder.file("motd");
    for (text, lines) in
        [("Be kind.\nNo spam.\n", &["Server: Be kind.", "No spam."][..]), ("", &[]), ("\n \n", &[])]
    {
        fs::write(&file, of_windows(text)).unwrap();
        let (_server, address) = Program::server(&["--motd", &file]);
        let mut sara = Program::joined_client(address, "Sara");
        sara.types("/help");
        sara.sees("/help ");
        let shown: Vec<String> = sara
            .lines()
            .into_iter()
            .filter(|line| line.contains("Server:") || line.contains("spam"))
            .collect();
        assert_eq!(shown.len(), lines.len(), "{shown:?}");
        for (shown, line) in shown.iter().zip(lines) {
            assert_eq!(shown.trim(), *line);
        }
    }
}

#[test]
fn a_message_of_the_day_in_utf_16_ends_the_server_with_a_sentence() {
    let folder = Folder::new();
    let file = folder.file("motd");
    let bytes: Vec<u8> = "\u{feff}Be kind.".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&file, bytes).unwrap();
    let mut command = std::process::Command::new(chat_tests::process::binary("chat-server"));
    let mut server = Program::start("server", command.args(["--listen", "127.0.0.1:0", "--motd", &file]));
    assert_eq!(server.exits(), Some(1));
    assert!(server.error_output().contains("motd: it is text in UTF-16 or UTF-32; save it as UTF-8"));
}

#[test]
fn what_is_piped_into_a_client_begins_behind_the_mark() {
    let (_server, address) = Program::server(&[]);
    let tom = Program::joined_client(address, "Tom");
    for (name, arguments, text, heard) in [
        ("Ann", &["--send", "-"][..], "one\ntwo\n", "[Ann] one\n    two\n"),
        ("Bob", &["--json-input"], "{\"say\":\"three\"}\n", "[Bob] three\n"),
        ("Cleo", &[], "/me waves\n", "* Cleo waves\n"),
    ] {
        let mut client = Program::client(address, name, arguments);
        client.types_exactly(&of_windows(text));
        client.ends_input();
        assert_eq!(client.exits(), Some(0), "{name}: {}", client.error_output());
        tom.sees(heard);
    }
}

#[test]
fn the_colours_of_a_program_are_not_said_and_a_text_that_is_given_is_said_as_it_is() {
    let (_server, address) = Program::server(&[]);
    let tom = Program::joined_client(address, "Tom");
    let red = "\u{1b}[01;31mred\u{1b}[0m \u{9b}38:5:1mred\u{9b}m";
    for (name, arguments, text, heard) in [
        (
            "Ann",
            &["--send", "-"][..],
            format!("{red}\n\u{1b}[2J\u{1b}[0"),
            "red red\n    \\u{1b}[2J\\u{1b}[0",
        ),
        ("Bob", &[], format!("{red}\n"), "red red"),
        ("Cleo", &["--send", "a \u{1b}[1mred"], String::new(), "a \\u{1b}[1mred"),
        ("Dan", &["--json-input"], "{\"say\":\"\\u001b[1mred\"}\n".to_owned(), "\\u{1b}[1mred"),
    ] {
        let mut client = Program::client(address, name, arguments);
        // The end of a read may be inside a colour.
        text.split_inclusive('[').for_each(|part| client.types_exactly(part));
        client.ends_input();
        assert_eq!(client.exits(), Some(0), "{name}: {}", client.error_output());
        tom.sees(&format!("[{name}] {heard}\n"));
    }
}
