//! The client and closed rooms: where it gets the passphrase, which rooms it knows again, and what each
//! refusal says.

use chat_common::{
    closed::{handshake, KeyPair, Passphrase, PublicKey},
    error::RpcError,
    protocol::FRAME_BYTES,
    rpc::Connection,
    stream::Stream,
};
use chat_server::{ClosedRoom, Settings};
use chat_tests::{
    process::{binary, client_with_editor, Program},
    server::TestServer,
    terminal::{CommandBuilder, Screen, TerminalUser},
    watchdog::poll,
};
use std::{
    env, fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{self, Command},
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc,
    },
    thread,
    time::Duration,
};

const WORDS: &str = "lamp river stone cloud";
const LONG: Duration = Duration::from_secs(60);
const SIZE: (u16, u16) = (30, 100);

/// The directory in which the clients of one test keep their keys. Dropping it removes it.
struct State(PathBuf);

impl State {
    fn new(name: &str) -> State {
        let path = env::temp_dir().join(format!("rpc-chat-closed-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        State(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn known_rooms(&self) -> String {
        fs::read_to_string(self.0.join("known_rooms")).unwrap_or_default()
    }

    /// Lets the clients know a room with this key.
    fn knows(&self, server: SocketAddr, key: PublicKey) {
        fs::write(self.0.join("known_rooms"), format!("# by hand\n{server} {}\n", key.to_hex())).unwrap();
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn closed_server() -> (TestServer, PublicKey) {
    let key = KeyPair::generate().unwrap();
    let public = key.public;
    let closed = Some(ClosedRoom { passphrase: Passphrase::new(WORDS).unwrap(), key });
    (TestServer::with_settings("127.0.0.1:0", Settings { closed, ..Settings::default() }), public)
}

/// Starts a client in a pipe. An empty passphrase is none.
fn start(server: SocketAddr, state: &State, passphrase: &str, arguments: &[&str]) -> Program {
    let mut command = Command::new(binary("chat-client"));
    command.env("CHAT_PASSPHRASE", passphrase);
    command.args(["--server", &server.to_string(), "--name", "Ann", "--state", state.path()]).args(arguments);
    let mut client = Program::start("Ann", &mut command);
    client.ends_input();
    client
}

/// Runs a client to its end. Returns its exit code and both its outputs.
fn run(server: SocketAddr, state: &State, passphrase: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut client = start(server, state, passphrase, arguments);
    let code = client.exits().expect("no signal ends it");
    (code, client.output(), client.error_output())
}

/// Runs a client that fails, and returns the one line in which it says why.
fn fails(server: SocketAddr, state: &State, passphrase: &str, arguments: &[&str]) -> String {
    let (code, _, why) = run(server, state, passphrase, arguments);
    assert_eq!(code, 1, "{why}");
    assert_eq!(why.lines().count(), 1, "{why}");
    why
}

#[test]
fn a_room_is_remembered_at_the_first_visit_and_known_at_the_next() {
    let (server, key) = closed_server();
    let state = State::new("first");
    let (code, out, err) = run(server.address(), &state, WORDS, &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    let told = format!("--- the room's key is {}; it is remembered ---", key.fingerprint());
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..2], ["Connected! Start typing...", &told], "{out}");
    assert_eq!(state.known_rooms(), format!("{} {}\n", server.address(), key.to_hex()));
    let (code, out, _) = run(server.address(), &state, WORDS, &[]);
    assert!(code == 0 && !out.contains("key"), "{out}");
    server.stop();
}

#[test]
fn a_program_reads_of_a_remembered_key_in_its_json() {
    let (server, key) = closed_server();
    let (code, out, _) = run(server.address(), &State::new("json"), WORDS, &["--json"]);
    let line = out.lines().find(|line| line.contains("\"state\":\"remembered\",")).expect("it is told");
    assert!(code == 0 && line.ends_with(&format!("\"key\":\"{}\"}}", key.fingerprint())), "{line}");
    server.stop();
}

#[test]
fn the_passphrase_is_the_first_line_of_its_file_and_beats_the_variable() {
    let (server, _) = closed_server();
    let state = State::new("file");
    let file = state.0.join("passphrase");
    fs::write(&file, format!(" {WORDS} \r\nanother line\n")).unwrap();
    let arguments = ["--passphrase-file", file.to_str().unwrap(), "--send", "hello"];
    assert_eq!(run(server.address(), &state, "wrong", &arguments), (0, String::new(), String::new()));
    for (bytes, why) in [(&b"\n"[..], "is empty"), (b"\xff\n", "is no text")] {
        fs::write(&file, bytes).unwrap();
        let said = fails(server.address(), &state, WORDS, &arguments);
        assert!(said.contains(why) && said.contains(file.to_str().unwrap()), "{said}");
    }
    fs::remove_file(&file).unwrap();
    let said = fails(server.address(), &state, WORDS, &arguments);
    assert!(said.contains("cannot read the passphrase file"), "{said}");
    server.stop();
}

#[test]
fn a_wrong_passphrase_is_one_attempt_and_a_sentence() {
    let (server, _) = closed_server();
    let state = State::new("wrong");
    let why = fails(server.address(), &state, "lamp rivet", &["--wait", "60s"]);
    assert!(why.contains("the passphrase is not that of the room at"), "{why}");
    assert_eq!(state.known_rooms(), "");
    server.stop();
}

#[test]
fn a_closed_room_tells_a_script_without_a_passphrase_how_to_give_one() {
    let (server, _) = closed_server();
    let why = fails(server.address(), &State::new("none"), "", &["--wait", "60s"]);
    for words in ["is closed", "$CHAT_PASSPHRASE", "--passphrase-file FILE"] {
        assert!(why.contains(words), "{why}");
    }
    server.stop();
}

#[test]
fn a_client_with_a_passphrase_says_that_a_room_is_open_and_stays_outside() {
    let mut command = Command::new(binary("chat-server"));
    let server = Program::start("server", command.args(["--listen", "127.0.0.1:0"]));
    let address = chat_tests::process::server_address(&server.line_starting_with("Server running at "));
    let why = fails(address, &State::new("open"), WORDS, &["--wait", "60s"]);
    assert!(why.contains("is open: it has no passphrase; join it without one"), "{why}");
}

#[test]
fn a_changed_key_is_refused_until_it_is_accepted_and_proven() {
    let (server, key) = closed_server();
    let (state, old) = (State::new("changed"), KeyPair::generate().unwrap().public);
    state.knows(server.address(), old);
    let before = state.known_rooms();
    let why = fails(server.address(), &state, WORDS, &["--wait", "60s"]);
    for words in [&old.fingerprint(), &key.fingerprint(), "somebody in between", "--accept-new-key"] {
        assert!(why.contains(words), "{why}");
    }
    // A room that does not know the passphrase gets no place in the file.
    fails(server.address(), &state, "lamp rivet", &["--accept-new-key"]);
    assert_eq!(state.known_rooms(), before);
    let (code, out, _) = run(server.address(), &state, WORDS, &["--accept-new-key"]);
    let told = format!(
        "--- the room's key is {}; it is remembered in place of {} ---\n",
        key.fingerprint(),
        old.fingerprint()
    );
    assert!(code == 0 && out.contains(&told), "{out}");
    assert_eq!(state.known_rooms(), format!("# by hand\n{} {}\n", server.address(), key.to_hex()));
    assert_eq!(run(server.address(), &state, WORDS, &[]).0, 0);
    server.stop();
}

#[test]
fn a_directory_that_cannot_be_used_is_said_before_the_room_is_dialled() {
    let state = State(PathBuf::from("/dev/null/state"));
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let why = fails(nobody, &state, WORDS, &[]);
    assert!(why.contains("cannot make the directory /dev/null/state"), "{why}");
    let state = State::new("damaged");
    fs::write(state.0.join("known_rooms"), "what is this\n").unwrap();
    let why = fails(nobody, &state, WORDS, &[]);
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
    let (address, key) = (listener.local_addr().unwrap(), KeyPair::generate().unwrap());
    let (public, count) = (key.public, Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    // It ends with the process of the test: the client is the one that decides when to stop.
    let room = move || {
        let passphrase = Passphrase::new(WORDS).unwrap();
        for socket in listener.incoming().map_while(Result::ok) {
            let mut connection = Connection::new(Arc::new(Stream::new(socket)), FRAME_BYTES);
            let Ok(Some(hello)) = connection.read_hello(LONG) else { continue };
            let _ = match cut {
                Cut::AfterHello => connection.welcome(&hello, LONG),
                Cut::BeforeReply => handshake::accept_call(&mut connection, &hello, &passphrase, &key, LONG),
            };
            counted.fetch_add(1, Ordering::SeqCst);
            connection.stream().shut_down();
        }
    };
    thread::Builder::new().name("room".into()).spawn(room).unwrap();
    (address, public, count)
}

#[test]
fn a_handshake_that_breaks_is_final_for_an_unknown_room_and_no_impostor_gets_a_second_guess() {
    for cut in [Cut::AfterHello, Cut::BeforeReply] {
        let (room, _, count) = room_that_cuts(cut);
        let state = State::new(&format!("unknown-{cut:?}"));
        let why = fails(room, &state, WORDS, &["--wait", "60s"]);
        assert!(why.contains("does not try again by itself"), "{cut:?}: {why}");
        poll("the room to count", || (count.load(Ordering::SeqCst) == 1).then_some(()));
        assert_eq!(state.known_rooms(), "");
    }
}

#[test]
fn a_room_with_another_key_gets_no_message_that_depends_on_the_passphrase() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let state = State::new("impostor");
    state.knows(address, KeyPair::generate().unwrap().public);
    let _client = start(address, &state, WORDS, &[]);
    let stream = Stream::new(listener.accept().unwrap().0);
    let mut connection = Connection::new(Arc::new(stream), FRAME_BYTES);
    let hello = connection.read_hello(LONG).unwrap().unwrap();
    let (passphrase, key) = (Passphrase::new(WORDS).unwrap(), KeyPair::generate().unwrap());
    // Even one that knows the passphrase waits in vain for the third message.
    let accepted = handshake::accept_call(&mut connection, &hello, &passphrase, &key, LONG);
    assert!(matches!(accepted, Err(RpcError::Truncated | RpcError::Io(_))), "{accepted:?}");
}

#[test]
fn a_known_room_whose_handshake_breaks_is_dialled_again() {
    for cut in [Cut::AfterHello, Cut::BeforeReply] {
        let (room, key, count) = room_that_cuts(cut);
        let state = State::new(&format!("known-{cut:?}"));
        state.knows(room, key);
        let _client = start(room, &state, WORDS, &["--wait", "10m"]);
        poll("the client to dial three times", || (count.load(Ordering::SeqCst) >= 3).then_some(()));
    }
}

#[test]
fn a_person_is_told_that_a_handshake_is_slow() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = start(listener.local_addr().unwrap(), &State::new("slow"), WORDS, &["--json"]);
    let stream = Stream::new(listener.accept().unwrap().0);
    let mut connection = Connection::new(Arc::new(stream), FRAME_BYTES);
    let hello = connection.read_hello(LONG).unwrap().unwrap();
    connection.welcome(&hello, LONG).unwrap();
    client.sees("\"state\":\"busy\"");
}

/// A person without a passphrase, at a shell that says the terminal's modes when the client has ended.
fn person(client: &Path, server: SocketAddr, state: &State) -> TerminalUser {
    let mut command = CommandBuilder::new("env");
    command.args(["-u", "CHAT_PASSPHRASE", "TERM=xterm-256color", "sh", "-c"]);
    let (client, state) = (client.display(), state.path());
    command.arg(format!(
        "trap : INT; sh -c 'echo $$ >{state}/pid; exec {client} --server {server} --name Ann --state {state}'
        echo code $?; stty -a; echo done; read end"
    ));
    let person = TerminalUser::run(SIZE, command);
    person.sees_typed("Passphrase of the room:");
    person
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

fn clients() -> [PathBuf; 2] {
    [binary("chat-client"), client_with_editor()]
}

#[test]
fn a_person_is_asked_for_the_passphrase_and_nothing_of_it_is_on_the_screen() {
    let (server, key) = closed_server();
    for (index, client) in clients().iter().enumerate() {
        let state = State::new(&format!("asked-{index}"));
        let mut person = person(client, server.address(), &state);
        // An empty line asks again.
        person.types("\r");
        poll("the second question", || {
            let bytes =
                person.screen().read_with(|screen| String::from_utf8_lossy(screen.bytes()).into_owned());
            (bytes.matches("Passphrase of the room: ").count() > 1).then_some(())
        });
        person.types(&format!("{WORDS}\x15{WORDS}\r"));
        person.sees("Start typing...");
        person.sees("it is remembered");
        assert!(state.known_rooms().contains(&key.to_hex()));
        // Neither the history of the editor nor the queue has it, and what is typed now is shown.
        person.types(if index == 1 { "\x1b[A\x19hello" } else { "hello" });
        person.sees_typed("hello");
        person.types("\r/quit\r");
        expect_end(&person, 0);
        let bytes = person.screen().read_with(|screen| String::from_utf8_lossy(screen.bytes()).into_owned());
        for word in WORDS.split(' ') {
            assert!(!bytes.contains(word), "{word}: {bytes}");
        }
    }
    server.stop();
}

#[test]
fn a_wrong_passphrase_that_was_typed_ends_the_client() {
    let (server, _) = closed_server();
    for (index, client) in clients().iter().enumerate() {
        let mut person = person(client, server.address(), &State::new(&format!("typo-{index}")));
        person.types("lamp rivet\r");
        person.sees("the passphrase is not that of the room");
        expect_end(&person, 1);
    }
    server.stop();
}

#[test]
fn ctrl_c_and_ctrl_d_leave_at_the_question_and_the_terminal_is_as_before() {
    let (server, _) = closed_server();
    for (index, client) in clients().iter().enumerate() {
        for (key, name) in [("\x03", "c"), ("\x04", "d")] {
            let state = State::new(&format!("leaves-{index}-{name}"));
            let mut person = person(client, server.address(), &state);
            person.types("half");
            person.types(if key == "\x04" { "\x15\x04" } else { key });
            expect_end(&person, 0);
            let bytes =
                person.screen().read_with(|screen| String::from_utf8_lossy(screen.bytes()).into_owned());
            assert!(!bytes.contains("half"), "{bytes}");
        }
    }
    server.stop();
}

#[test]
fn a_signal_at_the_question_leaves_the_terminal_as_before() {
    let (server, _) = closed_server();
    for (index, client) in clients().iter().enumerate() {
        let state = State::new(&format!("signal-{index}"));
        let person = person(client, server.address(), &state);
        let pid = fs::read_to_string(state.0.join("pid")).unwrap();
        assert!(Command::new("kill").args(["-s", "TERM", pid.trim()]).status().unwrap().success());
        expect_end(&person, 0);
    }
    server.stop();
}
