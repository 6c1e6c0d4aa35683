//! The client and closed rooms: where it gets the passphrase, which rooms it knows again, and what each
//! refusal says.

use chat_common::{
    handshake::{credentials::Credentials, sealed},
    wire::{error::RpcError, hello::Hello, seal::PublicKey, status::Status},
};
use chat_server::Limits;
use chat_tests::{
    closed::{self, new_key},
    folder::Folder,
    process::{binary, server_address, Program},
    raw::RawPeer,
    server::TestServer,
    terminal::{CommandBuilder, Screen, TerminalUser},
    watchdog::{poll, WATCHDOG_TIMEOUT},
};
use std::{
    ffi::OsStr,
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::ffi::OsStrExt,
    path::Path,
    process::Command,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc,
    },
    thread,
};

const WORDS: &str = "lamp river stone cloud";
const SIZE: (u16, u16) = (30, 100);
const QUESTION: &str = "Passphrase of the room:";

/// The rooms that the clients with this directory know.
fn known_rooms(state: &Folder) -> String {
    fs::read_to_string(state.file("known_rooms")).unwrap_or_default()
}

/// Lets the clients with this directory know a room with this key.
fn let_know(state: &Folder, server: SocketAddr, key: PublicKey) {
    fs::write(state.file("known_rooms"), format!("# by hand\n{server} {}\n", key.to_hex())).unwrap();
}

fn closed_server() -> (TestServer, PublicKey) {
    let room = closed::credentials(WORDS);
    let key = room.key.public;
    (closed::server_of(room, Limits::default()), key)
}

/// Accepts a client that dials a closed room, and reads its hello.
fn accept(listener: &TcpListener) -> (RawPeer, Hello) {
    let mut client = RawPeer::accept(listener);
    let hello = client.connection.read_hello(WATCHDOG_TIMEOUT).unwrap().expect("the client says hello");
    (client, hello)
}

/// Does the handshake of this room.
fn shake_hands(client: &mut RawPeer, hello: &Hello, room: &Credentials) -> Result<(), RpcError> {
    let connection = &mut client.connection;
    sealed::accept_call(connection, hello, room, |_| true, WATCHDOG_TIMEOUT)
}

/// Starts a client in a pipe. An empty passphrase is none.
fn start(server: SocketAddr, state: &Path, passphrase: &str, arguments: &[&str]) -> Program {
    let mut command = Command::new(binary("chat-client"));
    command.env("CHAT_PASSPHRASE", passphrase);
    command.args(["--server", &server.to_string(), "--name", "Ann", "--state"]).arg(state).args(arguments);
    let mut client = Program::start("Ann", &mut command);
    client.ends_input();
    client
}

/// Runs a client to its end. Returns its exit code and both its outputs.
fn run(server: SocketAddr, state: &Path, passphrase: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut client = start(server, state, passphrase, arguments);
    let code = client.exits().expect("no signal ends it");
    (code, client.output(), client.error_output())
}

/// Runs a client that fails, and returns the one line in which it says why.
fn fails(server: SocketAddr, state: &Path, passphrase: &str, arguments: &[&str]) -> String {
    let (code, _, why) = run(server, state, passphrase, arguments);
    assert_eq!(code, 1, "{why}");
    assert_eq!(why.lines().count(), 1, "{why}");
    why
}

#[test]
fn a_room_is_remembered_at_the_first_visit_and_known_at_the_next() {
    let (server, key) = closed_server();
    let state = Folder::new();
    let (code, out, err) = run(server.address(), state.path(), WORDS, &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    let told = format!("--- the room's key is {}; it is remembered ---", key.fingerprint());
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..2], ["Connected! Start typing...", &told], "{out}");
    assert_eq!(known_rooms(&state), format!("{} {}\n", server.address(), key.to_hex()));
    let (code, out, _) = run(server.address(), state.path(), WORDS, &[]);
    assert!(code == 0 && !out.contains("key"), "{out}");
    server.stop();
}

#[test]
fn a_program_reads_of_a_remembered_key_in_its_json() {
    let (server, key) = closed_server();
    let (code, out, _) = run(server.address(), Folder::new().path(), WORDS, &["--json"]);
    let line = out.lines().find(|line| line.contains("\"state\":\"remembered\",")).expect("it is told");
    assert!(code == 0 && line.ends_with(&format!("\"key\":\"{}\"}}", key.fingerprint())), "{line}");
    server.stop();
}

#[test]
fn the_passphrase_is_the_first_line_of_its_file_and_beats_the_variable() {
    let (server, _) = closed_server();
    let state = Folder::new();
    let file = state.file("passphrase");
    fs::write(&file, format!("\u{feff} {WORDS} \r\nanother line\n")).unwrap();
    let arguments = ["--passphrase-file", &file, "--send", "hello"];
    assert_eq!(run(server.address(), state.path(), "wrong", &arguments), (0, String::new(), String::new()));
    for (bytes, why) in
        [(&b"\n"[..], "is empty"), (b"\xff\n", "byte 1 is not UTF-8"), (b"\xff\xfel\0", "UTF-16")]
    {
        fs::write(&file, bytes).unwrap();
        let said = fails(server.address(), state.path(), WORDS, &arguments);
        assert!(said.contains(why) && said.contains(&file), "{said}");
    }
    fs::remove_file(&file).unwrap();
    let said = fails(server.address(), state.path(), WORDS, &arguments);
    assert!(said.contains("cannot read the passphrase file"), "{said}");
    server.stop();
}

#[test]
fn a_wrong_passphrase_is_one_attempt_and_a_sentence() {
    let (server, _) = closed_server();
    let state = Folder::new();
    let why = fails(server.address(), state.path(), "lamp rivet", &["--wait", "60s"]);
    assert!(why.contains("the passphrase is not that of the room at"), "{why}");
    assert_eq!(known_rooms(&state), "");
    server.stop();
}

#[test]
fn words_of_plain_letters_may_be_typed_in_any_case_and_with_any_spaces() {
    let (server, _) = closed_server();
    let typed = WORDS.to_uppercase().replace(' ', "  ");
    let (code, _, why) = run(server.address(), Folder::new().path(), &typed, &["--send", "hello"]);
    assert_eq!((code, why.as_str()), (0, ""));
    server.stop();
}

#[test]
fn a_wrong_passphrase_with_accents_is_told_that_they_have_two_spellings() {
    // The same word, with the accent in a character of its own and without.
    let (inside, outside) = ("caf\u{e9} noir", "cafe\u{301} noir");
    let server = closed::server(inside);
    let why = fails(server.address(), Folder::new().path(), outside, &[]);
    assert!(why.contains("mind spaces and capital letters; accents and other letters"), "{why}");
    let why = fails(server.address(), Folder::new().path(), "cafe 7", &[]);
    assert!(why.ends_with("mind spaces and capital letters\n"), "{why}");
    let (code, ..) = run(server.address(), Folder::new().path(), inside, &["--send", "hello"]);
    assert_eq!(code, 0);
    server.stop();
}

#[test]
fn a_closed_room_tells_a_script_without_a_passphrase_how_to_give_one() {
    let (server, _) = closed_server();
    let why = fails(server.address(), Folder::new().path(), "", &["--wait", "60s"]);
    for words in ["is closed", "$CHAT_PASSPHRASE", "--passphrase-file FILE"] {
        assert!(why.contains(words), "{why}");
    }
    server.stop();
}

#[test]
fn a_client_with_a_passphrase_says_that_a_room_is_open_and_stays_outside() {
    let mut command = Command::new(binary("chat-server"));
    let server = Program::start("server", command.args(["--listen", "127.0.0.1:0"]));
    let address = server_address(&server.line_starting_with("Server running at "));
    let why = fails(address, Folder::new().path(), WORDS, &["--wait", "60s"]);
    assert!(why.contains("is open: it has no passphrase; join it without one"), "{why}");
}

/// An impostor has to know nothing for this: he never asks for the passphrase.
#[test]
fn a_room_that_was_closed_is_not_joined_in_the_open_with_a_passphrase_or_without_one() {
    let mut command = Command::new(binary("chat-server"));
    let server = Program::start("server", command.args(["--listen", "127.0.0.1:0"]));
    let address = server_address(&server.line_starting_with("Server running at "));
    let state = Folder::new();
    let_know(&state, address, new_key().public);
    for passphrase in [WORDS, ""] {
        for arguments in [&["--send", "a secret", "--wait", "60s"][..], &["--accept-new-key"]] {
            let why = fails(address, state.path(), passphrase, arguments);
            for words in [
                "was closed before",
                "somebody in between",
                "remove its line from",
                state.path().to_str().unwrap(),
            ] {
                assert!(why.contains(words), "{why}");
            }
        }
    }
    let person = at_shell(address, &state);
    person.sees("was closed before, and is open now");
    expect_end(&person, 1);
    // The person has asked, and the room is meant to be open.
    fs::remove_file(state.file("known_rooms")).unwrap();
    assert_eq!(run(address, state.path(), "", &[]).0, 0);
}

#[test]
fn a_passphrase_that_is_no_text_is_not_taken_for_none() {
    let mut command = Command::new(binary("chat-client"));
    command.env("CHAT_PASSPHRASE", OsStr::from_bytes(b"caf\xe9")).args(["--server", "127.0.0.1:1"]);
    let mut client = Program::start("Ann", command.args(["--name", "Ann", "--send", "a secret"]));
    assert_eq!(client.exits(), Some(2));
    let why = client.error_output();
    assert!(why.contains("$CHAT_PASSPHRASE is not text in UTF-8") && why.lines().count() == 1, "{why}");
}

#[test]
fn what_stands_behind_the_passphrase_in_standard_input_is_said() {
    let (server, _) = closed_server();
    let (state, mut command) = (Folder::new(), Command::new(binary("chat-client")));
    command.args(["--server", &server.address().to_string(), "--name", "Ann"]);
    command.arg("--state").arg(state.path());
    let mut client = Program::start("Ann", command.args(["--passphrase-file", "/dev/stdin", "--json"]));
    client.types(WORDS);
    client.types("hello");
    client.ends_input();
    assert_eq!(client.exits(), Some(0));
    let out = client.output();
    assert!(out.contains("\"text\":\"hello\"") && !out.contains(WORDS), "{out}");
    server.stop();
}

#[test]
fn a_changed_key_is_refused_until_it_is_accepted_and_proven() {
    let (server, key) = closed_server();
    let (state, old) = (Folder::new(), new_key().public);
    let_know(&state, server.address(), old);
    let before = known_rooms(&state);
    let why = fails(server.address(), state.path(), WORDS, &["--wait", "60s"]);
    for words in [&old.fingerprint(), &key.fingerprint(), "somebody in between", "--accept-new-key"] {
        assert!(why.contains(words), "{why}");
    }
    // A room that does not know the passphrase gets no place in the file.
    fails(server.address(), state.path(), "lamp rivet", &["--accept-new-key"]);
    assert_eq!(known_rooms(&state), before);
    let (code, out, _) = run(server.address(), state.path(), WORDS, &["--accept-new-key"]);
    let told = format!(
        "--- the room's key is {}; it is remembered in place of {} ---\n",
        key.fingerprint(),
        old.fingerprint()
    );
    assert!(code == 0 && out.contains(&told), "{out}");
    assert_eq!(known_rooms(&state), format!("# by hand\n{} {}\n", server.address(), key.to_hex()));
    assert_eq!(run(server.address(), state.path(), WORDS, &[]).0, 0);
    server.stop();
}

#[test]
fn a_directory_that_cannot_be_used_is_said_before_the_room_is_dialled() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let why = fails(nobody, Path::new("/dev/null/state"), WORDS, &[]);
    assert!(why.contains("cannot make the directory /dev/null/state"), "{why}");
    let state = Folder::new();
    fs::write(state.file("known_rooms"), "what is this\n").unwrap();
    let why = fails(nobody, state.path(), WORDS, &[]);
    assert!(why.contains("line 1 of ") && why.contains("known_rooms"), "{why}");
}

/// How far a room goes before it closes the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    AfterHello,
    BeforeReply,
}

/// A room that closes each connection. Returns its address, its key, and the number of connections.
fn room_that_cuts(cut: Cut) -> (SocketAddr, PublicKey, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, room) = (listener.local_addr().unwrap(), closed::credentials(WORDS));
    let (public, count) = (room.key.public, Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    // It ends with the process of the test: the client is the one that decides when to stop.
    let serve = move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let mut client = RawPeer::from_stream(socket);
            let Ok(Some(hello)) = client.connection.read_hello(WATCHDOG_TIMEOUT) else { continue };
            let _ = match cut {
                Cut::AfterHello => client.connection.welcome(WATCHDOG_TIMEOUT),
                Cut::BeforeReply => shake_hands(&mut client, &hello, &room),
            };
            counted.fetch_add(1, Ordering::SeqCst);
            client.connection.stream().shut_down();
        }
    };
    thread::Builder::new().name("room".into()).spawn(serve).unwrap();
    (address, public, count)
}

#[test]
fn a_handshake_that_breaks_is_final_for_an_unknown_room_and_no_impostor_gets_a_second_guess() {
    for cut in [Cut::AfterHello, Cut::BeforeReply] {
        let (room, _, count) = room_that_cuts(cut);
        let state = Folder::new();
        let why = fails(room, state.path(), WORDS, &["--wait", "60s"]);
        assert!(why.contains("does not try again by itself"), "{cut:?}: {why}");
        poll("the room to count", || (count.load(Ordering::SeqCst) == 1).then_some(()));
        assert_eq!(known_rooms(&state), "");
    }
}

#[test]
fn a_room_with_another_key_gets_no_message_that_depends_on_the_passphrase() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let state = Folder::new();
    let_know(&state, address, new_key().public);
    let _client = start(address, state.path(), WORDS, &[]);
    let (mut client, hello) = accept(&listener);
    // Even one that knows the passphrase waits in vain for the third message.
    let accepted = shake_hands(&mut client, &hello, &closed::credentials(WORDS));
    assert!(matches!(accepted, Err(RpcError::Truncated | RpcError::Io(_))), "{accepted:?}");
}

#[test]
fn a_known_room_whose_handshake_breaks_is_dialled_again() {
    for cut in [Cut::AfterHello, Cut::BeforeReply] {
        let (room, key, count) = room_that_cuts(cut);
        let state = Folder::new();
        let_know(&state, room, key);
        let _client = start(room, state.path(), WORDS, &["--wait", "10m"]);
        poll("the client to dial three times", || (count.load(Ordering::SeqCst) >= 3).then_some(()));
    }
}

#[test]
fn a_person_is_told_that_a_handshake_is_slow() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let state = Folder::new();
    let shown = start(listener.local_addr().unwrap(), state.path(), WORDS, &["--json"]);
    let (mut client, _) = accept(&listener);
    client.connection.welcome(WATCHDOG_TIMEOUT).unwrap();
    shown.sees("\"state\":\"busy\"");
}

/// A person without a passphrase, whose client has asked for it.
fn person(server: SocketAddr, state: &Folder) -> TerminalUser {
    let person = at_shell(server, state);
    person.sees_typed(QUESTION);
    person
}

/// A person without a passphrase, at a shell that says the terminal's modes when the client has ended.
fn at_shell(server: SocketAddr, state: &Folder) -> TerminalUser {
    let mut command = CommandBuilder::new("env");
    command.args(["-u", "CHAT_PASSPHRASE", "TERM=xterm-256color", "sh", "-c"]);
    let (client, state) = (binary("chat-client"), state.path().display());
    let client = client.display();
    command.arg(format!(
        "trap : INT; ulimit -c 0
        sh -c 'echo $$ >{state}/pid; exec {client} --server {server} --name Ann --state {state}'
        echo code $?; stty -a; echo done; read end"
    ));
    TerminalUser::run(SIZE, command)
}

/// Waits for the end of the client, and expects this exit code and a terminal as it was before.
fn expect_end(person: &TerminalUser, code: i32) {
    person.sees(&format!("code {code}"));
    person.sees("done");
    let rows = person.screen().read_with(Screen::rows).join(" ");
    let modes: Vec<&str> = rows.split([' ', ';']).collect();
    for mode in ["echo", "icanon", "isig", "-echonl"] {
        assert!(modes.contains(&mode), "{mode}: {rows}");
    }
    assert!(rows.contains("quit = ^\\") && rows.contains("susp = ^Z"), "{rows}");
}

#[test]
fn a_person_is_asked_for_the_passphrase_and_nothing_of_it_is_on_the_screen() {
    let (server, key) = closed_server();
    let state = Folder::new();
    let mut person = person(server.address(), &state);
    // An empty line asks again.
    person.types("\r");
    poll("the second question", || {
        let bytes = person.screen().read_with(Screen::written);
        (bytes.matches("Passphrase of the room: ").count() > 1).then_some(())
    });
    person.types(&format!("{WORDS}\x15{WORDS}\r"));
    person.sees("Start typing...");
    person.sees("it is remembered");
    assert!(known_rooms(&state).contains(&key.to_hex()));
    // Neither the history of the editor nor the queue has it, and what is typed now is shown.
    person.types(if cfg!(feature = "edit") { "\x1b[A\x19hello" } else { "hello" });
    person.sees_typed("hello");
    person.types("\r/quit\r");
    expect_end(&person, 0);
    let bytes = person.screen().read_with(Screen::written);
    for word in WORDS.split(' ') {
        assert!(!bytes.contains(word), "{word}: {bytes}");
    }
    server.stop();
}

#[test]
fn half_a_line_from_before_the_question_is_no_part_of_the_passphrase() {
    let (listener, room) = (TcpListener::bind("127.0.0.1:0").unwrap(), closed::credentials(WORDS));
    let state = Folder::new();
    let mut person = at_shell(listener.local_addr().unwrap(), &state);
    let (mut client, _) = accept(&listener);
    person.types("half");
    person.sees_typed("half");
    client.connection.refuse(Status::Closed);
    // Without the editor, the half line stays on the row.
    person.sees_typed(&if cfg!(feature = "edit") { QUESTION.to_owned() } else { format!("half{QUESTION}") });
    person.types(&format!("{WORDS}\r"));
    let (mut client, hello) = accept(&listener);
    shake_hands(&mut client, &hello, &room).expect("the passphrase is the right one");
}

#[test]
fn a_passphrase_stays_hidden_where_a_shell_had_the_terminal_in_between() {
    let (server, _) = closed_server();
    let state = Folder::new();
    let mut person = person(server.address(), &state);
    let pid = fs::read_to_string(state.file("pid")).unwrap().trim().to_owned();
    let shell = |line: &str| {
        let output = Command::new("sh").args(["-c", line, &pid]).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    // What a shell does with a job that was stopped, and then with `fg`.
    shell("kill -s STOP $0; stty echo icanon </proc/$0/fd/0");
    shell("kill -s CONT -- -$(cut -d ' ' -f 5 /proc/$0/stat)");
    poll("the terminal to hide what is typed", || {
        let modes = shell("stty -a </proc/$0/fd/0");
        modes.split([' ', ';']).any(|mode| mode == "-echo").then_some(())
    });
    person.types(&format!("{WORDS}\r"));
    person.sees("Start typing...");
    person.types("\r/quit\r");
    expect_end(&person, 0);
    let bytes = person.screen().read_with(Screen::written);
    assert!(!bytes.contains("lamp"), "{bytes}");
    server.stop();
}

#[test]
fn a_wrong_passphrase_that_was_typed_is_asked_for_three_times_and_each_one_is_a_guess() {
    let folder = Folder::new();
    let [words, room] = ["words", "room"].map(|name| folder.file(name));
    fs::write(&words, WORDS).unwrap();
    let (mut server, address) =
        Program::server(&["--passphrase-file", &words, "--state", &room, "--console"]);
    let states = [(); 2].map(|()| Folder::new());
    let mut ann = person(address, &states[0]);
    for (wrong, times) in [("lamp rivet\r", 2), ("lamp 7\r", 3)] {
        ann.types(wrong);
        ann.sees("--- that is not the passphrase of the room");
        ann.is_asked(QUESTION, times);
    }
    ann.sees("room, and mind spaces and capital letters ---");
    ann.types("lamp rivet\r");
    ann.sees("chat-client: the passphrase is not that of the room at");
    expect_end(&ann, 1);
    server.types("/stats");
    server.sees(", wrong guesses 3 (3 in a minute)");
    let bytes = ann.screen().read_with(Screen::written);
    assert!(!bytes.contains("lamp") && !bytes.contains("rivet"), "{bytes}");
    let mut bob = person(address, &states[1]);
    bob.types("lamp rivet\r");
    bob.is_asked(QUESTION, 2);
    bob.types(&format!("{WORDS}\r"));
    bob.sees("Start typing...");
    bob.types("\r/quit\r");
    expect_end(&bob, 0);
}

#[test]
fn a_wrong_passphrase_of_a_file_or_a_variable_has_one_try_also_on_a_terminal() {
    let (server, _) = closed_server();
    let folder = Folder::new();
    let words = folder.file("words");
    fs::write(&words, "lamp rivet").unwrap();
    for (flags, variable) in [(["--passphrase-file", &words], ""), (["--name", "Bob"], "lamp rivet")] {
        let variables = [("CHAT_PASSPHRASE", variable), ("XDG_STATE_HOME", folder.path().to_str().unwrap())];
        let flags = [&["--name", "Ann"][..], &flags].concat();
        let mut person = TerminalUser::start(server.address(), SIZE, &flags, &variables);
        assert_eq!(person.exits(), 1);
        let bytes = person.screen().read_with(Screen::written);
        assert!(!bytes.contains("Passphrase of the room"), "{bytes}");
    }
    server.stop();
}

#[test]
fn ctrl_c_and_ctrl_d_leave_at_the_question_and_the_terminal_is_as_before() {
    let (server, _) = closed_server();
    // Ctrl-D leaves where nothing is typed, so Ctrl-U comes before it.
    for keys in ["\x03", "\x15\x04"] {
        let state = Folder::new();
        let mut person = person(server.address(), &state);
        person.types("half");
        person.types(keys);
        expect_end(&person, 0);
        let bytes = person.screen().read_with(Screen::written);
        assert!(!bytes.contains("half"), "{bytes}");
    }
    server.stop();
}

#[test]
fn a_signal_at_the_question_leaves_the_terminal_as_before() {
    let (server, _) = closed_server();
    // A shell adds 128 to the number of a signal that has ended a program.
    let signals = [("TERM", 0), ("QUIT", 131), ("USR1", 138), ("ALRM", 142)];
    for (signal, code) in signals {
        let state = Folder::new();
        let person = person(server.address(), &state);
        let pid = fs::read_to_string(state.file("pid")).unwrap();
        assert!(Command::new("kill").args(["-s", signal, pid.trim()]).status().unwrap().success());
        expect_end(&person, code);
    }
    server.stop();
}

#[test]
fn a_name_that_belongs_to_another_key_is_not_waited_for() {
    let folder = Folder::new();
    let [words, names, state] = ["words", "names", "state"].map(|name| folder.file(name));
    fs::write(&words, WORDS).unwrap();
    let flags = ["--passphrase-file", &words, "--names", &names, "--state", &state];
    let (_server, address) = Program::server(&flags);
    let (code, _, why) = run(address, Folder::new().path(), WORDS, &[]);
    assert_eq!(code, 0, "{why}");
    let why = fails(address, Folder::new().path(), WORDS, &["--wait", "5m"]);
    assert!(why.contains("belongs to somebody else's key"), "{why}");
}
