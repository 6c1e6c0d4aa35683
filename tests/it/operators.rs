//! Operators in the room: how somebody becomes one, and what the commands do from there. Tested on the real
//! programs.

use chat_common::wire::{
    error::RpcError,
    protocol::{Callback, Cause, EventKind, Reply, Request},
    status::Status,
};
use chat_tests::{
    folder::Folder,
    member::Member,
    process::{binary, Program},
    proxy::Proxy,
    raw::{self, RawPeer},
    room::Kind,
    terminal::{Screen, TerminalUser},
    watchdog::{poll, WATCHDOG_TIMEOUT},
};
use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    process::Command,
    thread,
};

const WORDS: &str = "lamp river stone cloud";
const SIZE: (u16, u16) = (30, 100);

/// A file with the operators' passphrase.
fn operators_file() -> (Folder, String) {
    let folder = Folder::new();
    let file = folder.file("operators");
    fs::write(&file, format!("{WORDS}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    (folder, file)
}

/// A client in a pipe that is an operator.
fn operator(server: SocketAddr, name: &str, file: &str) -> Program {
    let mut client = Program::client(server, name, &["--operator-file", file]);
    client.types("/op");
    client.sees("--- you are an operator now; ");
    client
}

/// Runs `--operate` to its end. Returns its exit code and both its outputs.
fn operates(server: SocketAddr, file: &str, command: &str) -> (i32, String, String) {
    operates_with(server, file, command, &[])
}

/// Runs `--operate` with more flags.
fn operates_with(server: SocketAddr, file: &str, command: &str, flags: &[&str]) -> (i32, String, String) {
    let mut line = Command::new(binary("chat-client"));
    line.args(["--server", &server.to_string(), "--operator-file", file, "--operate", command]).args(flags);
    let mut client = Program::start("operate", &mut line);
    let code = client.exits().expect("no signal ends it");
    (code, client.output(), client.error_output())
}

fn ask_to_operate(peer: &mut RawPeer, words: &str) -> Reply {
    peer.ask(&Request::Operate { passphrase: words.to_owned() }).unwrap()
}

fn is_lines(reply: &Reply) -> bool {
    matches!(reply, Reply::Lines { .. })
}

#[test]
fn an_operator_in_the_room_has_the_commands_of_the_console_and_reads_the_replies_alone() {
    let (_folder, file) = operators_file();
    let (server, address) = Program::server(&["--operators", &file]);
    let mut ann = Program::joined_client(address, "Ann");
    ann.types("/kick Sara");
    ann.logs("--- there is no command /kick; /help lists them, and //kick says it ---\n");
    let mut sara = operator(address, "Sara", &file);
    server.logs("Sara is an operator now, from 127.0.0.1\n");
    sara.types("/say be quiet");
    sara.sees("said\n");
    ann.sees("Server: be quiet\n");
    sara.types("/who");
    sara.sees("Ann   127.0.0.1\nSara  127.0.0.1  operator\n2 here\n");
    sara.types("/nonsense");
    sara.logs("--- refused: \"/nonsense\" is no command of the server; /help lists them");
    sara.types("/kick");
    sara.logs("--- refused: usage: /kick NAME [REASON]");
    sara.types("/help");
    sara.sees("/bell [MODE]");
    sara.sees("/stats");
    ann.types("/who");
    ann.sees("--- 2 here: Ann, Sara (operator) ---\n");
    ann.types("/who sara");
    ann.sees("--- Sara (operator): here since ");
    sara.types("/kick Ann too loud");
    sara.sees("removed: Ann (127.0.0.1)");
    sara.sees("User [Ann] left (removed: too loud)\n");
    assert_eq!(ann.exits(), Some(1));
    let said = ann.output() + &ann.error_output();
    assert!(!said.contains("removed: Ann") && !said.contains("/stats"), "{said}");
}

#[test]
fn a_program_reads_who_is_an_operator_and_what_the_server_replies() {
    let (_folder, file) = operators_file();
    let (_server, address) = Program::server(&["--operators", &file]);
    let mut sara = Program::client(address, "Sara", &["--operator-file", &file, "--json"]);
    sara.types("/op");
    sara.sees("{\"event\":\"you\",\"operator\":true}\n");
    sara.types("/bans");
    sara.sees("{\"event\":\"reply\",\"text\":\"nobody is banned\"}\n");
    let mut tom = Program::client(address, "Tom", &["--json-input"]);
    tom.types("{\"who\":true}");
    tom.sees("{\"event\":\"people\",\"total\":2,\"names\":[\"Sara\",\"Tom\"],\"operators\":[\"Sara\"]}\n");
}

#[test]
fn the_server_makes_a_passphrase_for_its_owner_alone_and_says_where_it_is() {
    let folder = Folder::new();
    let file = folder.file("operators");
    let (server, address) = Program::server(&["--operators", &file]);
    server.logs(&format!("the operators' passphrase is made up: it is the first line of {file}\n"));
    let words = fs::read_to_string(&file).unwrap();
    assert_eq!(words.split_whitespace().count(), 4);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let log = server.error_output();
    // One of the words alone may be a word of the log, such as "first".
    let mut pairs = words.split_whitespace().zip(words.split_whitespace().skip(1));
    assert!(!pairs.any(|(one, next)| log.contains(&format!("{one} {next}"))), "{log}");
    assert_eq!(operates(address, &file, "/bans"), (0, "nobody is banned\n".to_owned(), String::new()));
    // The next server takes the same one.
    drop(server);
    let (_server, address) = Program::server(&["--operators", &file]);
    assert_eq!(operates(address, &file, "/bans").0, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), words);
}

#[test]
fn a_server_does_not_start_with_a_file_that_has_no_passphrase() {
    let folder = Folder::new();
    let file = folder.file("operators");
    for (text, why) in [("\n", "is empty"), (&"x".repeat(600), "512 are the most")] {
        fs::write(&file, text).unwrap();
        let mut command = Command::new(binary("chat-server"));
        let mut server =
            Program::start("server", command.args(["--listen", "127.0.0.1:0", "--operators", &file]));
        assert_eq!(server.exits(), Some(1));
        let said = server.error_output();
        assert!(said.contains(why) && said.contains(&file), "{said}");
    }
}

#[test]
fn one_command_without_joining_has_its_output_and_an_exit_code() {
    let (_folder, file) = operators_file();
    let (server, address) = Program::server(&["--operators", &file]);
    let tom = Program::joined_client(address, "Tom");
    assert_eq!(operates(address, &file, "/say hello"), (0, "said\n".to_owned(), String::new()));
    tom.sees("Server: hello\n");
    let (code, out, err) = operates(address, &file, "/kick Nobody");
    assert_eq!((code, out.as_str(), err.as_str()), (1, "", "chat-client: nobody here to remove\n"));
    // What concerns only those who join changes nothing.
    let (code, out, _) = operates_with(address, &file, "/bans", &["--stay", "--history", "5"]);
    assert_eq!((code, out.as_str()), (0, "nobody is banned\n"));
    let (code, _, err) = operates(address, &file, "hello");
    assert!(code == 1 && err.starts_with("chat-client: \"hello\" is no command of the server"), "{err}");
    let (code, out, _) = operates(address, &file, "/kick Tom");
    assert!(code == 0 && out.starts_with("removed: Tom (127.0.0.1)"), "{out}");
    server.logs("an operator is here, from 127.0.0.1:");
    let (code, out, _) = operates(address, &file, "/stop");
    assert!(code == 0 && out.starts_with("stopping: "), "{out}");
}

#[test]
fn a_client_that_cannot_operate_says_what_it_needs() {
    let (_server, address) = Program::server(&[]);
    let mut client = Program::joined_client(address, "Tom");
    client.types("/op");
    client.logs("this client cannot hide what you type: --operator-file FILE has the operators' passphrase");
    let (_folder, file) = operators_file();
    let (code, _, err) = operates(address, &file, "/bans");
    assert!(code == 1 && err.contains("this room has no operators; --operators FILE"), "{err}");
    let run = |arguments: &[&str], words: &str| {
        let mut command = Command::new(binary("chat-client"));
        let output = command.args(arguments).env("CHAT_OPERATOR", words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (arguments, words, why) in [
        (&["--operate", "/bans"][..], "", "--operate needs --operator-file FILE, or $CHAT_OPERATOR"),
        (&["--operate", "/bans", "--send", "x", "--name", "a"], WORDS, "--operate does one command"),
        (&[], " ", "$CHAT_OPERATOR: the passphrase is empty"),
    ] {
        let (code, err) = run(arguments, words);
        assert!(code == Some(2) && err.contains(why), "{err}");
    }
}

#[test]
fn after_three_wrong_passphrases_the_connection_closes_and_the_log_says_so() {
    let (_folder, file) = operators_file();
    let (mut server, address) = Program::server(&["--console", "--operators", &file]);
    let mut tom = RawPeer::connect_call(address).unwrap();
    tom.join("Tom", raw::random_token()).unwrap();
    for words in ["lamp", "lamp river stone cloudy", &format!("{WORDS} x")] {
        match ask_to_operate(&mut tom, words) {
            Reply::Refused(refusal) => {
                assert_eq!(refusal.cause, Cause::Unsupported);
                assert!(refusal.text.starts_with("that is not the operators' passphrase"), "{refusal}");
            }
            other => panic!("{other:?}"),
        }
        // Nobody is an operator by a wrong one.
        if let Ok(reply) = tom.ask(&Request::Command { line: "/bans".into() }) {
            assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
        }
    }
    assert!(tom.ask(&Request::Ping).is_err(), "the connection is closed");
    server.logs(": a wrong passphrase of the operators\n");
    server.types("/stats");
    server.sees(", wrong guesses 3 (3 in a minute)\n");
    // A host has ten of them at once, in every kind of room, and the right one then has to wait as well.
    let mut peer = RawPeer::connect_call(address).unwrap();
    for _ in 3..10 {
        let mut peer = RawPeer::connect_call(address).unwrap();
        assert!(!is_lines(&ask_to_operate(&mut peer, "wrong")));
    }
    match ask_to_operate(&mut peer, WORDS) {
        Reply::Refused(refusal) => {
            assert!(refusal.text.contains("too many wrong"), "{refusal}");
            assert_eq!(refusal.cause, Cause::Busy, "it is the right one");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_token_of_a_session_gives_nothing_without_the_passphrase() {
    let (_folder, file) = operators_file();
    let (_server, address) = Program::server(&["--operators", &file]);
    let mut sara = Member::join(address, "Sara");
    let operate = Request::Operate { passphrase: WORDS.to_owned() };
    let command = Request::Command { line: "/bans".into() };
    let operates = |sara: &mut Member| is_lines(&sara.ask(&command).unwrap());
    assert!(!operates(&mut sara));
    assert!(is_lines(&sara.ask(&operate).unwrap()));
    assert!(operates(&mut sara));
    sara.disconnect();
    sara.resume().unwrap();
    assert!(!operates(&mut sara), "the new connection is nobody's");
    let people = |sara: &mut Member| match sara.ask(&Request::Who).unwrap() {
        Reply::People { people, .. } => people[0].operator,
        other => panic!("{other:?}"),
    };
    assert!(!people(&mut sara));
    assert!(is_lines(&sara.ask(&operate).unwrap()) && people(&mut sara));
}

#[test]
fn one_that_shows_the_passphrase_before_it_joins_enters_as_an_operator() {
    let (_folder, file) = operators_file();
    let (_server, address) = Program::server(&["--operators", &file]);
    let mut sara = RawPeer::connect_call(address).unwrap();
    assert!(is_lines(&ask_to_operate(&mut sara, WORDS)));
    let command = |sara: &mut RawPeer, line: &str| sara.ask(&Request::Command { line: line.into() }).unwrap();
    assert!(is_lines(&command(&mut sara, "/mute * an exam")));
    let token = raw::random_token();
    sara.join("Sara", token).unwrap();
    assert!(is_lines(&command(&mut sara, "/say begin")));
    let mut callback = sara.connect_callback(address, token).unwrap();
    let first_notice = loop {
        let Some(Callback::Receive { events, .. }) = callback.serve_receive().unwrap() else { continue };
        let notice = events.into_iter().find_map(|event| match event.kind {
            EventKind::Notice { text } => Some(text),
            _ => None,
        });
        if let Some(notice) = notice {
            break notice;
        }
    };
    assert_eq!(first_notice, "begin", "the mute of everybody does not bind it");
}

#[test]
fn an_operator_whose_join_is_refused_keeps_its_place() {
    let (_folder, file) = operators_file();
    let (_server, address) = Program::server(&["--operators", &file, "--max-unjoined", "1"]);
    let mut sara = RawPeer::connect_call(address).unwrap();
    assert!(is_lines(&ask_to_operate(&mut sara, WORDS)));
    assert!(sara.join("no such \n name", raw::random_token()).is_err());
    let _others = [(); 2].map(|()| RawPeer::connect_call(address).unwrap());
    assert!(is_lines(&sara.ask(&Request::Command { line: "/bans".into() }).unwrap()));
}

#[test]
fn an_operator_is_one_again_after_the_server_was_killed() {
    let (_folder, file) = operators_file();
    let journal = Folder::new();
    let journal = journal.file("journal");
    let start = |listen: &str| {
        let mut command = Command::new(binary("chat-server"));
        command.args(["--listen", listen, "--operators", &file, "--journal", &journal]);
        Program::start_server(&mut command)
    };
    let (server, address) = start("127.0.0.1:0");
    let mut sara = operator(address, "Sara", &file);
    server.signal("KILL");
    drop(server);
    sara.sees("--- connection lost; ");
    let (_server, _) = start(&address.to_string());
    sara.sees("--- connected again ---\n");
    sara.types("/bans");
    sara.sees("nobody is banned\n");
    // Where the passphrase has changed, the client says so once.
    fs::write(&file, "another one").unwrap();
    drop(_server);
    let (_server, _) = start(&address.to_string());
    sara.logs("--- refused: you are no operator any more: that is not the operators' passphrase ---\n");
    sara.types("/bans");
    sara.logs("--- there is no command /bans; ");
}

#[test]
fn somebody_who_guesses_at_an_operators_address_ends_no_rights() {
    let (_folder, file) = operators_file();
    let (_server, address) = Program::server(&["--operators", &file]);
    let proxy = Proxy::start(address);
    let mut sara = operator(proxy.address(), "Sara", &file);
    poll("the address to have no guess left", || {
        match RawPeer::connect_call(address).map(|mut guesser| ask_to_operate(&mut guesser, "wrong")) {
            Ok(Reply::Refused(refusal)) => refusal.text.contains("too many wrong").then_some(()),
            // In a closed room nobody connects from there any more.
            Err(RpcError::Refused { status: Status::Busy, .. }) => Some(()),
            other => panic!("{other:?}"),
        }
    });
    proxy.cut();
    sara.sees("--- connected again ---\n");
    // In a closed room she comes back when the address has a guess again, and then it is enough for both.
    if !Kind::of_this_run().closed {
        sara.logs(
            "--- refused: you are an operator again when the server has time for it: too many wrong passphr",
        );
        sara.types("hello");
        // A guess comes back within 12 s.
        poll("the rights to be back", || {
            (sara.output().matches("you are an operator now").count() == 2).then_some(())
        });
    }
    sara.types("/bans");
    sara.sees("nobody is banned\n");
    assert!(!sara.error_output().contains("any more"), "{}", sara.error_output());
}

#[test]
fn an_operator_who_removes_herself_reads_that_and_nothing_of_a_lost_connection() {
    let (_folder, file) = operators_file();
    let (_server, address) = Program::server(&["--operators", &file]);
    let mut sara = operator(address, "Sara", &file);
    sara.types("/kick Sara a test");
    assert_eq!(sara.exits(), Some(1));
    let said = sara.output() + &sara.error_output();
    assert!(said.contains("the operator removed you from the room: a test"), "{said}");
    assert!(!said.contains("lost") && !said.contains("no reply"), "{said}");
}

#[test]
fn a_command_that_no_server_takes_is_refused_before_it_is_sent() {
    let (_folder, file) = operators_file();
    let (_server, address) = Program::server(&["--operators", &file]);
    let mut sara = operator(address, "Sara", &file);
    let long = format!("/say {}", "x".repeat(65_525));
    sara.types(&long);
    sara.logs("--- the command has 65530 bytes, and 4608 are the most ---\n");
    // One that fits and has a text that is too long is refused by the server.
    sara.types(&long[..4500]);
    sara.logs("--- refused: the text has 4495 bytes, and 4096 are the most ---\n");
    sara.types(&format!("/mute {}! x", "x".repeat(4000)));
    sara.logs(&format!("--- refused: \"{}...\" is no name", "x".repeat(64)));
    sara.types("/bans");
    sara.sees("nobody is banned\n");
    assert!(!sara.error_output().contains("lost"), "{}", sara.error_output());
    let (code, _, err) = operates(address, &file, &long);
    assert_eq!((code, &*err), (1, "chat-client: the command has 65530 bytes, and 33280 are the most\n"));
}

#[test]
fn a_reply_that_is_none_is_not_called_a_lost_connection() {
    let (_folder, file) = operators_file();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (code, _, err) = thread::scope(|scope| {
        let operating = scope.spawn(|| operates(address, &file, "/bans"));
        let (_, mut peer) = RawPeer::serve(&listener, None);
        let nothing = Reply::Lines { text: String::new(), more: false };
        for reply in [nothing.clone(), nothing, Reply::Pong] {
            peer.connection.next_request::<Request>(WATCHDOG_TIMEOUT, WATCHDOG_TIMEOUT).unwrap();
            peer.connection.reply(&reply, WATCHDOG_TIMEOUT).unwrap();
        }
        operating.join().unwrap()
    });
    let why =
        "there is no reply to \"/bans\", which may have been carried out: the server sent an invalid reply";
    assert_eq!((code, err), (1, format!("chat-client: {why}\n")));
}

#[test]
fn tab_completes_each_command_of_the_server_for_an_operator() {
    let (_folder, file) = operators_file();
    let (_server, address) = Program::server(&["--operators", &file]);
    if !cfg!(feature = "edit") {
        return;
    }
    let (_, help, _) = operates(address, &file, "/help");
    let commands: Vec<&str> = help.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(commands.contains(&"/kick"), "{help}");
    let mut sara = TerminalUser::join(address, SIZE, "Sara");
    sara.types("/op\r");
    sara.sees_typed("Passphrase of the operators:");
    sara.types(&format!("{WORDS}\r"));
    sara.sees("you are an operator now");
    for command in &commands {
        if !commands.iter().any(|longer| longer.len() > command.len() && longer.starts_with(command)) {
            sara.types(&format!("{}\t", command.to_uppercase()));
            sara.sees_typed(command);
            sara.types("\x15");
        }
    }
}

#[test]
fn a_long_reply_comes_in_several_frames_and_is_shown_whole() {
    let folder = Folder::new();
    let (_folder, file) = operators_file();
    let bans = folder.file("bans");
    let lines: String = (0..6000).map(|number| format!("name somebody_{number:04}\n")).collect();
    fs::write(&bans, &lines).unwrap();
    let (_server, address) = Program::server(&["--operators", &file, "--ban-file", &bans]);
    let (code, out, _) = operates(address, &file, "/bans");
    assert!(code == 0 && out == lines, "{} of {} bytes", out.len(), lines.len());
    let mut peer = RawPeer::connect_call(address).unwrap();
    assert!(is_lines(&ask_to_operate(&mut peer, WORDS)));
    let first = peer.ask(&Request::Command { line: "/bans".into() }).unwrap();
    assert!(matches!(first, Reply::Lines { more: true, .. }));
}

/// A person with the client on a terminal, which asks for the passphrase where it can hide it.
#[test]
fn a_person_is_asked_for_the_operators_passphrase_and_nothing_of_it_is_seen() {
    let (_folder, file) = operators_file();
    let (_server, address) = Program::server(&["--operators", &file]);
    let tom = Program::joined_client(address, "Tom");
    let mut sara = TerminalUser::join(address, SIZE, "Sara");
    sara.types("/op\r");
    if !cfg!(any(feature = "closed", feature = "edit")) {
        return sara.sees("this client cannot hide what you type: --operator-file FILE");
    }
    sara.sees_typed("Passphrase of the operators:");
    // Messages come meanwhile, and an empty line gives it up.
    sara.types("\r");
    sara.sees("you are no operator: nothing was typed");
    sara.types("/op\r");
    sara.sees_typed("Passphrase of the operators:");
    sara.types("lamp rivet\r");
    sara.sees("that is not the operators' passphrase");
    // It is asked for again, as that of a closed room is.
    sara.sees_typed("Passphrase of the operators:");
    sara.types(&format!("{}\r", WORDS.to_uppercase()));
    sara.sees("you are an operator now");
    sara.types("/kick Tom\r");
    sara.sees("removed: Tom (127.0.0.1)");
    sara.types("hello");
    sara.sees_typed("hello");
    let bytes = sara.screen().read_with(Screen::written);
    for word in ["river", "RIVER", "rivet"] {
        assert!(!bytes.contains(word) && !tom.output().contains(word), "{word}: {bytes}");
    }
}

#[test]
fn a_third_wrong_passphrase_of_the_operators_is_the_last_and_the_member_comes_back() {
    if !cfg!(any(feature = "closed", feature = "edit")) {
        return;
    }
    let (_folder, file) = operators_file();
    let (mut server, address) = Program::server(&["--console", "--operators", &file]);
    let mut sara = TerminalUser::join(address, SIZE, "Sara");
    sara.types("/op\r");
    for times in 1..=3 {
        sara.is_asked("Passphrase of the operators:", times);
        sara.types("lamp rivet\r");
    }
    sara.sees("the server closes the connection now");
    sara.sees("connected again");
    sara.types("hello");
    sara.sees_typed("hello");
    server.types("/stats");
    server.sees(", wrong guesses 3 (3 in a minute)");
}

#[test]
fn what_is_typed_in_one_go_behind_op_is_the_passphrase_and_no_message() {
    if !cfg!(any(feature = "closed", feature = "edit")) {
        return;
    }
    let (_folder, file) = operators_file();
    let (_server, address) = Program::server(&["--operators", &file]);
    let tom = Program::joined_client(address, "Tom");
    let mut sara = TerminalUser::join(address, SIZE, "Sara");
    sara.types(&format!("/op\r{WORDS}\r"));
    // In line mode the system throws away what was typed before the question. An empty line ends that.
    sara.screen().wait("the question", |screen| {
        screen.written().contains("Passphrase of the operators:").then_some(())
    });
    sara.types("\r/me waves\r");
    tom.sees("* Sara waves\n");
    assert!(!tom.output().contains("river"), "{}", tom.output());
}

#[test]
fn an_operator_has_a_place_in_a_full_room_and_nobody_else_takes_it() {
    let (_folder, file) = operators_file();
    // Tom has the only place. The server has dialled his callback connection itself.
    let (_server, address) = Program::server(&["--operators", &file, "--max-connections", "1"]);
    let tom = Program::joined_client(address, "Tom");
    let mut late = Program::client(address, "Late", &["--wait", "0"]);
    assert_eq!(late.exits(), Some(1));
    assert!(late.error_output().contains("the room is full; try again later"), "{}", late.error_output());
    // These hold all the places for operators, and show no passphrase.
    let silent: Vec<RawPeer> = (0..8).map(|_| RawPeer::connect(address)).collect();
    assert_eq!(operates(address, &file, "/say make room"), (0, "said\n".to_owned(), String::new()));
    tom.sees("Server: make room\n");
    let mut guest = RawPeer::connect_call(address).unwrap();
    match guest.ask(&Request::Command { line: "/stop".into() }).unwrap() {
        Reply::Refused(refusal) => assert_eq!(refusal.cause, Cause::Unsupported),
        other => panic!("{other:?}"),
    }
    drop(silent);
    assert_eq!(operates(address, &file, "/kick Tom").0, 0);
    let _late = Program::joined_client(address, "Late");
}

#[test]
fn an_operator_at_a_banned_address_can_end_the_ban() {
    let (_folder, file) = operators_file();
    let (mut server, address) = Program::server(&["--console", "--operators", &file]);
    server.types("/ban 127.0.0.0/8");
    server.sees("banned: address 127.0.0.0/8");
    let mut tom = Program::client(address, "Tom", &["--wait", "1m"]);
    assert_eq!(tom.exits(), Some(1));
    assert!(tom.error_output().contains("this address is banned from the room"), "{}", tom.error_output());
    server.logs(": refused: this address is banned from the room\n");
    let (folder, wrong) = (Folder::new(), "wrong\n");
    fs::write(folder.file("wrong"), wrong).unwrap();
    assert_eq!(operates(address, &folder.file("wrong"), "/bans").0, 1);
    let (code, out, _) = operates(address, &file, "/unban 127.0.0.0/8");
    assert_eq!((code, out.as_str()), (0, "no longer banned: address 127.0.0.0/8\n"));
    let _tom = Program::joined_client(address, "Tom");
}

#[test]
fn while_everybody_is_muted_only_operators_and_the_console_speak() {
    let (_folder, file) = operators_file();
    let (mut server, address) = Program::server(&["--console", "--operators", &file]);
    let mut tom = Program::joined_client(address, "Tom");
    let mut sara = operator(address, "Sara", &file);
    sara.types("/mute * 2h an exam");
    sara.sees("muted: everybody but operators for 2h: an exam; /unmute * ends it\n");
    let told = "the operator has muted everybody for 2h: an exam; you can read on, and leave";
    tom.sees(&format!("Server: {told}\n"));
    server.logs("the operator has muted everybody for 2h: an exam\n");
    for line in ["hello", "/me waves", "/msg Sara psst", "/nick Tim"] {
        tom.types(line);
    }
    let refusals =
        || tom.error_output().matches("--- refused: the operator has muted everybody for ").count();
    poll("four refusals", || (refusals() == 4).then_some(()));
    let late = Program::joined_client(address, "Late");
    late.sees("Server: the operator has muted everybody for ");
    let mut visitor = Program::client(address, "ci", &["--send", "done"]);
    assert_eq!(visitor.exits(), Some(1));
    assert!(
        visitor.error_output().contains("the operator has muted everybody"),
        "{}",
        visitor.error_output()
    );
    sara.types("begin now");
    late.sees("[Sara] begin now\n");
    server.types("/say ten minutes");
    late.sees("Server: ten minutes\n");
    server.types("/who");
    server.sees("everybody but operators is muted for ");
    server.types("/unmute *");
    server.sees("no longer muted: everybody\n");
    late.sees("Server: everybody can speak again\n");
    tom.types("thank you");
    late.sees("[Tom] thank you\n");
    let heard = tom.output() + &late.output();
    assert!(!heard.contains("hello") && !heard.contains("done"), "{heard}");
    assert_eq!(tom.output().matches("has muted everybody").count(), 1, "told once: {}", tom.output());
}

#[test]
fn those_whom_a_ban_or_a_mute_meets_read_for_how_long_and_why() {
    let folder = Folder::new();
    let file = folder.file("bans");
    let flags = ["--console", "--ban-file", &file];
    let (mut server, address) = Program::server(&flags);
    let tom = Program::joined_client(address, "Tom");
    server.types("/mute Tom 10m too loud");
    server.sees("muted: Tom for 10m: too loud; /unmute Tom ends it\n");
    tom.sees("Server: the operator has muted you for 10m: too loud; you can read on, and leave\n");
    let mut bob = Program::joined_client(address, "Bob");
    server.types("/ban Bob 2h for a while");
    server.sees(") for 2h: for a while; removed: Bob (127.0.0.1)");
    bob.logs("the operator removed you from the room: banned for 2h: for a while");
    assert_eq!(bob.exits(), Some(1));
    let refused = |name: &str, why: &str| {
        let mut client = Program::client(address, name, &[]);
        assert_eq!(client.exits(), Some(1));
        assert!(client.error_output().contains(why), "{}", client.error_output());
    };
    refused("Bob", "the name Bob is banned from the room for ");
    server.types("/bans");
    server.sees("name Bob for ");
    let kept = fs::read_to_string(&file).unwrap();
    assert!(kept.starts_with("name Bob until 20") && kept.ends_with("Z because for a while\n"), "{kept}");
    server.types("/ban 127.0.0.1 1h testing");
    server.sees("; this machine's own address is banned: nobody on it can join");
    refused("Ann", "this address is banned from the room for ");
    refused("Ann", ": testing");
    server.types("/stop");
    assert_eq!(server.exits(), Some(0));
    // The bans are there again, with their ends.
    let (mut server, _) = Program::server(&flags);
    server.types("/unban 127.0.0.1");
    server.sees("no longer banned: address 127.0.0.1\n");
    server.types("/bans");
    server.sees("name Bob for ");
}

#[test]
fn mutes_are_there_again_after_the_server_was_killed() {
    let (_folder, file) = operators_file();
    let journal = Folder::new();
    let journal = journal.file("journal");
    let start = || {
        let mut command = Command::new(binary("chat-server"));
        command.args(["--listen", "127.0.0.1:0", "--console", "--operators", &file, "--journal", &journal]);
        Program::start_server(&mut command)
    };
    let (mut server, _) = start();
    for (typed, reply) in [
        ("/mute Tom 2h too loud", "muted: Tom for 2h: too loud"),
        ("/mute Bob", "muted: Bob without a time limit"),
        ("/mute *", "muted: everybody but operators"),
        ("/mute Eve", "muted: Eve"),
        ("/unmute Eve", "no longer muted: Eve"),
    ] {
        server.types(typed);
        server.sees(reply);
    }
    server.signal("KILL");
    assert_eq!(server.exits(), None);
    let (mut server, address) = start();
    server.types("/mute");
    server.sees("* without a time limit\nBob without a time limit\nTom for ");
    let mut ann = Program::joined_client(address, "Ann");
    ann.types("hello");
    ann.logs("--- refused: the operator has muted everybody without a time limit");
    server.types("/unmute *");
    server.sees("no longer muted: everybody\n");
    server.types("/stop");
    assert_eq!(server.exits(), Some(0));
    let (mut server, _) = start();
    server.types("/mute");
    server.sees("Bob without a time limit\nTom for ");
    assert!(!server.output().contains("* without"), "{}", server.output());
}

#[test]
fn reload_reads_the_files_again_and_one_that_is_wrong_changes_nothing() {
    let (folder, file) = operators_file();
    let [bans, motd] = ["bans", "motd"].map(|name| folder.file(name));
    fs::write(&motd, "be kind\n").unwrap();
    let flags = ["--operators", &file, "--ban-file", &bans, "--motd", &motd];
    let (_server, address) = Program::server(&flags);
    let tom = Program::joined_client(address, "Tom");
    tom.sees("Server: be kind\n");
    fs::write(&bans, "name ann because by hand\n").unwrap();
    fs::write(&motd, "be quiet\n").unwrap();
    let [old, new] = ["old", "new"].map(|name| folder.file(name));
    fs::write(&old, WORDS).unwrap();
    fs::write(&new, "another one\n").unwrap();
    fs::copy(&new, &file).unwrap();
    assert_eq!(operates(address, &old, "/who").0, 0, "nobody has read the file again");
    // This is what a service does, which has no passphrase but that of the file.
    let read = "read again: the bans, the message of the day and the operators\n";
    assert_eq!(operates(address, &file, "/reload"), (0, read.to_owned(), String::new()));
    assert_eq!(operates(address, &old, "/bans").0, 1);
    let mut ann = Program::client(address, "Ann", &[]);
    ann.logs("the name Ann is banned from the room: by hand");
    assert_eq!(ann.exits(), Some(1));
    let sara = Program::joined_client(address, "Sara");
    sara.sees("Server: be quiet\n");
    fs::write(&bans, "nonsense\n").unwrap();
    fs::write(&motd, "be loud\n").unwrap();
    let (code, _, err) = operates(address, &new, "/reload");
    assert!(code == 1 && err.contains("cannot use the ban file: line 1: "), "{err}");
    let bob = Program::joined_client(address, "Bob");
    bob.sees("Server: be loud\n");
    // A file that cannot be used changes nothing, and neither does a wrong passphrase.
    fs::write(&file, "\n").unwrap();
    assert_eq!(operates(address, &old, "/bans").0, 1);
    let (_, out, _) = operates(address, &new, "/bans");
    assert_eq!(out, "name ann: by hand\n");
}

#[test]
fn a_passphrase_that_no_server_takes_is_refused_before_it_is_sent() {
    let (folder, file) = operators_file();
    let (server, address) = Program::server(&["--operators", &file]);
    let long = folder.file("long");
    for length in [513, 1024] {
        fs::write(&long, "x".repeat(length)).unwrap();
        let (code, _, err) = operates(address, &long, "/bans");
        let why = format!("the operators' passphrase has {length} bytes, and 512 are the most");
        assert_eq!((code, err), (1, format!("chat-client: {why}\n")));
    }
    let mut sara = Program::client(address, "Sara", &["--operator-file", &long]);
    sara.types("/op");
    sara.logs("--- refused: the operators' passphrase has 1024 bytes, and 512 are the most ---\n");
    assert!(!server.error_output().contains("wrong passphrase"), "{}", server.error_output());
}

#[test]
fn a_pipe_is_read_once_and_whoever_guesses_or_reloads_waits_for_no_writer() {
    let folder = Folder::new();
    let [operators, motd] = ["operators", "motd"].map(|name| folder.file(name));
    // The writer stays, as that of a program which writes on when it has more.
    let pipe = |file: &str| {
        assert!(Command::new("mkfifo").arg(file).status().unwrap().success());
        fs::File::options().read(true).write(true).open(file).unwrap()
    };
    let mut writer = pipe(&operators);
    writeln!(writer, "{WORDS}").unwrap();
    fs::write(&motd, "be kind\n").unwrap();
    let (mut server, address) = Program::server(&["--operators", &operators, "--motd", &motd]);
    let mut peer = RawPeer::connect_call(address).unwrap();
    assert!(!is_lines(&ask_to_operate(&mut peer, "lamp rivet")));
    assert!(is_lines(&ask_to_operate(&mut peer, WORDS)));
    fs::remove_file(&motd).unwrap();
    let _silent = pipe(&motd);
    assert!(is_lines(&peer.ask(&Request::Command { line: "/reload".to_owned() }).unwrap()));
    assert!(is_lines(&ask_to_operate(&mut peer, WORDS)));
    server.signal("TERM");
    assert_eq!(server.exits(), Some(0));
}

#[test]
fn a_wrong_passphrase_has_one_line_in_the_log_where_others_may_read_the_file() {
    let (_folder, file) = operators_file();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (server, address) = Program::server(&["--operators", &file]);
    let mut peer = RawPeer::connect_call(address).unwrap();
    for _ in 0..3 {
        assert!(!is_lines(&ask_to_operate(&mut peer, "lamp rivet")));
    }
    server.logs("a wrong passphrase of the operators\n");
    assert_eq!(operates(address, &file, "/bans").0, 0);
    let log = server.error_output();
    assert_eq!(log.matches("others on this machine may read").count(), 1, "{log}");
}

#[test]
fn a_reply_repeats_no_more_than_the_beginning_of_a_long_word() {
    let (_folder, file) = operators_file();
    let (_server, address) = Program::server(&["--operators", &file]);
    let mut sara = operator(address, "Sara", &file);
    let (word, number) = ("x".repeat(3000), "9".repeat(3000));
    for line in [
        format!("/ban {word}"),
        format!("/ban {word}*"),
        format!("/ban 10.0.0.0/{number}"),
        format!("/ban Tom {number}"),
        format!("/unban {word}"),
        format!("/mute {word}"),
        format!("/unmute {word}"),
        format!("/kick {word}"),
        format!("/who {word}"),
        format!("/{word}"),
    ] {
        sara.types(&line);
    }
    sara.types("/bans");
    sara.sees("nobody is banned\n");
    let said = sara.output() + &sara.error_output();
    let longest = said.lines().map(str::len).max();
    assert!(longest < Some(400), "{said}");
}
