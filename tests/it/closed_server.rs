//! What a closed room keeps for its operator and its members: the passphrase and the key over a restart,
//! names for those who had them first, and the room free for honest people while somebody guesses.

use chat_common::{
    closed::{handshake, KeyPair, Passphrase},
    error::RpcError,
    protocol::{Cause, Join, Reply, Request},
    rpc::Connection,
    status::Status,
    token::Token,
};
use chat_server::{ClosedRoom, Limits, Settings};
use chat_tests::{
    process::{binary, Program},
    raw::RawPeer,
    server::{without_rate_limit, TestServer},
    watchdog::poll,
};
use std::{
    env, fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

const LONG: Duration = Duration::from_secs(60);
const WORDS: &str = "lamp river stone coin";
/// Another host than the one of the others, on this machine.
const GUESSER: &str = "127.0.0.2";

/// An empty folder. Dropping it removes it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = env::temp_dir().join(format!("rpc-chat-closed-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        Folder(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Writes the passphrase into a file with this mode.
    fn passphrase(&self, mode: u32) -> String {
        let file = self.path("words");
        fs::write(&file, format!("{WORDS}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    /// Starts a server whose usual state directory is in this folder.
    fn server(&self, arguments: &[&str]) -> (Program, SocketAddr) {
        let mut command = Command::new(binary("chat-server"));
        command.args(["--listen", "127.0.0.1:0", "--console"]).args(arguments);
        Program::start_server(command.env("XDG_STATE_HOME", &self.0))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn closed_server(limits: Limits) -> TestServer {
    let closed =
        ClosedRoom { passphrase: Passphrase::new(WORDS).unwrap(), key: KeyPair::generate().unwrap() };
    TestServer::with_settings("127.0.0.1:0", Settings { limits, closed: Some(closed), ..Settings::default() })
}

/// Opens a call connection from the address `from`.
fn call_from(from: &str, server: SocketAddr, words: &str, key: &KeyPair) -> Result<Connection, RpcError> {
    let mut connection = RawPeer::connect_from(from.parse().unwrap(), server)?.connection;
    let passphrase = Passphrase::new(words).unwrap();
    handshake::dial_call(&mut connection, &passphrase, key, |_| true, LONG).map(|_| connection)
}

fn call(server: SocketAddr, key: &KeyPair) -> Connection {
    call_from("127.0.0.1", server, WORDS, key).unwrap()
}

fn ask(connection: &mut Connection, request: &Request) -> Reply {
    connection.call(request, LONG).unwrap()
}

fn join(connection: &mut Connection, name: &str, visitor: bool) -> Reply {
    let join = Join { visitor, ..Join::new(name, Token::random().unwrap(), 0) };
    ask(connection, &Request::Join(join))
}

fn is_joined(reply: &Reply) -> bool {
    matches!(reply, Reply::Joined(_))
}

fn is_kept(reply: &Reply) -> bool {
    matches!(reply, Reply::Refused(refusal) if refusal.cause == Cause::NameKept)
}

fn guess(server: SocketAddr, words: &str) -> RpcError {
    call_from(GUESSER, server, words, &KeyPair::generate().unwrap()).unwrap_err()
}

fn is_refused(error: &RpcError, expected: Status) -> bool {
    matches!(error, RpcError::Refused { status, .. } if *status == expected)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_passphrase_that_was_made_up_and_the_key_stay_in_the_directory_that_the_operator_named() {
    let folder = Folder::new("state");
    let state = folder.path("state");
    let mut told = Vec::new();
    for _ in 0..2 {
        let (mut server, _) = folder.server(&["--closed", "--state", &state]);
        server.sees("The room's key is ");
        server.types("/stop");
        server.exits();
        let output = server.output();
        let lines: Vec<&str> = output.lines().take(4).collect();
        assert!(lines[1].starts_with("Others on this machine join with: chat-client --server "), "{output}");
        let words = lines[2].strip_prefix("The passphrase is: ").unwrap();
        assert_eq!(words.split(' ').count(), 4, "{output}");
        assert!(lines[3].starts_with("The room's key is "), "{output}");
        told.push(lines[2..4].join("\n"));
    }
    assert_eq!(told[0], told[1]);
    for file in ["room_key", "passphrase"] {
        assert_eq!(mode(&folder.0.join("state").join(file)), 0o600, "{file}");
    }
}

#[test]
fn without_a_directory_the_passphrase_is_new_at_each_start_and_the_key_is_not() {
    let folder = Folder::new("usual");
    let [one, other] = [(); 2].map(|()| {
        let (server, _) = folder.server(&["--closed"]);
        server.logs("the passphrase is new at each start; --state DIR keeps it");
        ["The passphrase is: ", "The room's key is "].map(|start| server.line_starting_with(start))
    });
    assert_ne!(one[0], other[0]);
    assert_eq!(one[1], other[1]);
    assert!(folder.0.join("rpc-chat/room_key").exists() && !folder.0.join("rpc-chat/passphrase").exists());
}

#[test]
fn a_passphrase_that_others_may_read_is_told_and_a_wrong_file_ends_the_server() {
    let folder = Folder::new("file");
    let (server, address) = folder.server(&["--passphrase-file", &folder.passphrase(0o644)]);
    server.logs("others on this machine may read the passphrase");
    let reply = join(&mut call(address, &KeyPair::generate().unwrap()), "Sara", false);
    assert!(is_joined(&reply), "{reply:?}");
    server.sees("The room's key is ");
    assert!(!server.output().contains("The passphrase"), "{}", server.output());
    drop(server);
    for (file, reason) in [("missing", "cannot read the passphrase"), ("empty", "the passphrase is empty")] {
        fs::write(folder.path("empty"), "\nlamp\n").unwrap();
        let mut command = Command::new(binary("chat-server"));
        command.args(["--listen", "127.0.0.1:0", "--passphrase-file", &folder.path(file)]);
        let mut server = Program::start("server", command.env("XDG_STATE_HOME", &folder.0));
        server.logs(reason);
        assert_eq!(server.exits(), Some(1));
    }
}

#[test]
fn a_wrong_passphrase_is_logged_with_its_peer_and_counted_and_a_guesser_waits() {
    let folder = Folder::new("counted");
    let (mut server, address) = folder.server(&["--passphrase-file", &folder.passphrase(0o600)]);
    for _ in 0..5 {
        let error = guess(address, "lamp river stone corn");
        assert!(is_refused(&error, Status::WrongPassphrase), "{error:?}");
    }
    server.logs(&format!("{GUESSER}:"));
    server.logs("the passphrase is not that of this room");
    thread::scope(|scope| {
        // Even with the right passphrase, so it waits before it can learn anything.
        let waiting = scope.spawn(|| guess(address, WORDS));
        poll("the sixth to wait", || {
            server.types("/stats");
            server.output().contains("wrong guesses 5 (5 in a minute), waiting 1").then_some(())
        });
        server.types("/stop");
        let error = waiting.join().unwrap();
        assert!(is_refused(&error, Status::Stopping), "{error:?}");
    });
    assert_eq!(server.exits(), Some(0));
}

#[test]
fn while_one_address_guesses_as_fast_as_it_can_others_join() {
    let limits = Limits { max_unjoined: 8, max_unjoined_per_address: 4, ..Limits::default() };
    let server = closed_server(limits);
    let (address, is_over) = (server.address(), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !is_over.load(Relaxed) {
                    guess(address, "lamp river stone corn");
                }
            });
        }
        for number in 0..5 {
            let mut member = call(address, &KeyPair::generate().unwrap());
            let reply = join(&mut member, &format!("honest{number}"), false);
            assert!(is_joined(&reply), "{reply:?}");
            assert_eq!(ask(&mut member, &Request::Leave), Reply::Left);
        }
        is_over.store(true, Relaxed);
        // The guessers that wait are woken.
        server.stop();
    });
}

#[test]
fn a_crowd_that_knows_the_passphrase_joins_at_once_from_this_machine() {
    // As many as even a slow machine serves within the time that each may wait. The test of `door::guesses`
    // has a thousand.
    const COUNT: usize = 100;
    let limits = Limits { max_connections: 2 * COUNT, max_unjoined: 2 * COUNT, ..without_rate_limit() };
    let server = closed_server(limits);
    let address = server.address();
    thread::scope(|scope| {
        for number in 0..COUNT {
            scope.spawn(move || {
                let mut member = call(address, &KeyPair::generate().unwrap());
                let reply = join(&mut member, &format!("m{number}"), true);
                assert!(is_joined(&reply), "{reply:?}");
            });
        }
    });
    server.stop();
}

#[test]
fn a_name_stays_with_the_key_that_had_it_first_until_the_operator_forgets_it() {
    let folder = Folder::new("names");
    let (words, names) = (folder.passphrase(0o600), folder.path("names"));
    let flags = ["--passphrase-file", &words, "--names", &names];
    let [sara, eve] = [(); 2].map(|()| KeyPair::generate().unwrap());
    let (mut server, address) = folder.server(&flags);
    let mut member = call(address, &sara);
    assert!(is_joined(&join(&mut member, "Sara", false)));
    // It was saved before the reply.
    assert_eq!(fs::read_to_string(&names).unwrap(), format!("Sara {}\n", sara.public.to_hex()));
    assert_eq!(ask(&mut member, &Request::Leave), Reply::Left);
    for visitor in [false, true] {
        let reply = join(&mut call(address, &eve), "SARA", visitor);
        let Reply::Refused(refusal) = &reply else { panic!("{reply:?}") };
        assert!(is_kept(&reply), "{reply:?}");
        let text = "the name \"SARA\" belongs to somebody else's key here; choose another";
        assert_eq!(refusal.text, text);
    }
    let mut other = call(address, &eve);
    assert!(is_joined(&join(&mut other, "Eve", false)));
    let rename = |name: &str| Request::Rename { name: name.to_owned() };
    assert!(is_kept(&ask(&mut other, &rename("Sara"))));
    assert!(matches!(ask(&mut other, &rename("Adam")), Reply::Renamed { .. }));
    poll("the new name to be saved", || fs::read_to_string(&names).unwrap().contains("Adam").then_some(()));
    server.types("/stop");
    assert_eq!(server.exits(), Some(0));

    let (mut server, address) = folder.server(&flags);
    assert!(is_kept(&join(&mut call(address, &eve), "Sara", false)));
    for name in ["Eve", "Adam"] {
        assert!(is_kept(&join(&mut call(address, &sara), name, false)), "{name}");
    }
    assert!(is_joined(&join(&mut call(address, &sara), "sara", false)));
    server.types("/forget Nobody");
    server.sees("not kept: Nobody; it belongs to nobody\n");
    server.types("/forget sara");
    server.sees("forgotten: sara; it belongs to whoever takes it next\n");
    poll("Eve to have the name", || is_joined(&join(&mut call(address, &eve), "Sara", false)).then_some(()));
    assert!(is_kept(&join(&mut call(address, &sara), "Sara", false)));
}

#[test]
fn a_damaged_file_of_names_ends_the_server_with_its_line() {
    let folder = Folder::new("damaged");
    let names = folder.path("names");
    fs::write(&names, "# names\nSara 12ab\n").unwrap();
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0", "--closed", "--names", &names]);
    let mut server = Program::start("server", command.env("XDG_STATE_HOME", &folder.0));
    server.logs(&format!("cannot use the names file {names}: line 2: \"Sara 12ab\" is not \"NAME KEY\""));
    assert_eq!(server.exits(), Some(1));
}
