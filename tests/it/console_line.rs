//! The line that the operator is typing stays complete while the log and the replies go above it. Tested with
//! the real server on a real pseudo-terminal.

use chat_common::text::calendar::DateTime;
use chat_tests::{
    folder::Folder,
    member::Member,
    process::{binary, server_address},
    room::{room_key_line, Kind, Room},
    terminal::{CommandBuilder, Screen, TerminalUser},
};
use std::{
    env,
    fs::{self, Permissions},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    time::{SystemTime, UNIX_EPOCH},
};

/// Starts a server on a terminal of this size, and returns it with its address.
fn server(
    (rows, columns): (u16, u16),
    variables: &[(&str, &str)],
    room: &Room,
) -> (TerminalUser, SocketAddr) {
    let mut command = CommandBuilder::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0", "--rate-burst", "0"]);
    command.args(room.arguments());
    command.env("TERM", "xterm-256color");
    variables.iter().for_each(|(name, value)| command.env(name, value));
    let operator = TerminalUser::run((rows, columns), command);
    let address = operator.screen().wait("the first line", |screen| {
        let text = screen.written();
        let line = text.lines().find(|line| line.contains("Server running at ") && line.contains(" ..."))?;
        Some(server_address(&line[line.find("Server").unwrap()..]))
    });
    let last = format!("lets others in.\n{}", room_key_line()).replace('\n', "\r\n");
    operator
        .screen()
        .wait("the last of the first lines", |screen| screen.written().contains(&last).then_some(()));
    (operator, address)
}

#[test]
fn a_half_typed_command_survives_the_log_and_still_works() {
    for size in [(24, 80), (8, 40)] {
        let room = Room::beside(Kind::default());
        let (mut operator, address) = server(size, &[], &room);
        operator.types("/sa");
        operator.sees_typed("/sa");
        let mut names = Vec::new();
        for number in 0..12 {
            let member = Member::join(address, &format!("m{number}"));
            operator.sees(&format!("m{number} joined from"));
            operator.still_sees_typed("/sa");
            names.push(member);
        }
        operator.types("\x7fay the end");
        operator.sees_typed("/say the end");
        names.pop().unwrap().leave();
        operator.sees("m11 left");
        operator.still_sees_typed("/say the end");
        operator.types("\n");
        names[0].hear("the notice", |kind| format!("{kind:?}").contains("the end"));
        operator.sees("said");
        operator.types("/who");
        operator.types("\n");
        operator.sees("11 here");
        operator.sees_typed("");
    }
}

#[test]
fn the_width_of_the_terminal_is_known_before_anything_is_written() {
    // A row that is wider than the terminal tears the ones below it.
    let folder = Folder::new();
    let stty = folder.file("stty");
    fs::write(&stty, "#!/bin/sh\necho asked >/dev/tty\nPATH=${PATH#*:} exec stty \"$@\"\n").unwrap();
    fs::set_permissions(&stty, Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), env::var("PATH").unwrap());
    let room = Room::that_forgets();
    let (operator, _) = server((8, 40), &[("PATH", &path)], &room);
    let text = operator.screen().read_with(Screen::written);
    let (asked, first) = (text.find("asked"), text.find("Server running at "));
    assert!(asked.is_some() && asked < first, "{text}");
}

#[test]
fn a_server_that_stops_leaves_nothing_typed_behind_and_a_free_row() {
    let room = Room::beside(Kind::default());
    let (mut operator, address) = server((24, 80), &[], &room);
    let _member = Member::join(address, "Ann");
    operator.sees("Ann joined from");
    operator.types("half typ");
    operator.sees_typed("half typ");
    // Ctrl-C.
    operator.types("\x03");
    assert_eq!(operator.exits(), 0);
    operator.sees("stopped");
    operator.sees_typed("");
    let shown = operator.screen().read_with(Screen::text_above_cursor);
    assert!(!shown.contains("half typ"), "{shown}");
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_plain_lines() {
    let room = Room::beside(Kind::default());
    let (operator, address) = server((24, 80), &[("TERM", "dumb")], &room);
    let _member = Member::join(address, "Ann");
    operator.sees("Ann joined from");
    let is_plain = operator.screen().read_with(|screen| !screen.bytes().contains(&0x1b));
    assert!(is_plain);
}

#[test]
fn only_the_first_lines_stand_on_the_terminal_of_a_server_that_has_started() {
    let room = Room::that_forgets();
    let (mut operator, _) = server((24, 80), &[], &room);
    operator.types("/who\n");
    operator.sees("nobody is here");
    operator.screen().read_with(|screen| {
        let rows: Vec<String> = screen.rows().into_iter().filter(|row| !row.is_empty()).collect();
        assert!(rows[0].starts_with("Server running at "), "{rows:?}");
        assert!(rows[1].starts_with("Others on this machine join with: chat-client --server "), "{rows:?}");
        assert!(rows[2].starts_with("It listens on this machine only; "), "{rows:?}");
        let key = room_key_line();
        let key = key.lines().map(str::to_owned);
        let rest: Vec<String> = key.chain(["/who", "nobody is here"].map(str::to_owned)).collect();
        assert_eq!(rows[3..], rest);
    });
}

#[test]
fn ctrl_d_ends_nothing_on_the_terminal_of_a_server() {
    let room = Room::beside(Kind::default());
    let (mut server, _) = server((24, 80), &[], &room);
    for _ in 0..2 {
        server.types("\x04");
    }
    server.sees("Ctrl-D ends nothing here; /stop stops the server");
    server.types("/bans\r");
    server.sees("nobody is banned");
    server.types("/stop\r");
    assert_eq!(server.exits(), 0);
}

#[test]
fn the_log_on_a_terminal_has_local_time_and_no_module() {
    let room = Room::beside(Kind::default());
    let (mut server, address) = server((24, 100), &[("TZ", "XXX-5:37")], &room);
    let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    // A zone of its own, which is 5 hours and 37 minutes ahead.
    let local = |seconds: i64| DateTime::from_seconds(seconds + 5 * 3600 + 37 * 60).date_and_seconds();
    let before = seconds();
    let member = Member::join(address, "Ann");
    server.sees("Ann joined from 127.0.0.1");
    let rows = server.screen().read_with(Screen::rows);
    let row = rows.iter().find(|row| row.contains("Ann joined")).unwrap();
    let is_now =
        (before..=seconds()).any(|then| *row == format!("[{} INFO] Ann joined from 127.0.0.1", local(then)));
    assert!(is_now, "{row}");
    member.leave();
    server.types("/stop\r");
    assert_eq!(server.exits(), 0);
}
