//! What a closed room keeps for its operator and its members: the passphrase and the key over a restart,
//! names for those who had them first, and the room free for honest people while somebody guesses.

use crate::order_before_state::{hold, wait_for_the_disk};
use chat_common::{
    handshake::credentials::Credentials,
    wire::{
        error::RpcError,
        hello::{Hello, Role},
        protocol::{Cause, Join, Reply, Request},
        seal::KeyPair,
        status::Status,
        token::Token,
    },
};
use chat_server::Limits;
use chat_tests::{
    closed::{self, new_key},
    folder::Folder,
    process::{binary, Program},
    proxy::{Fault, Faults, Proxy},
    raw::{random_token, RawPeer},
    server::without_rate_limit,
    watchdog::poll,
};
use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

const WORDS: &str = "lamp river stone coin";
/// Another host than the one of the others, on this machine.
const GUESSER: &str = "127.0.0.2";

/// Writes the passphrase into a file of the folder with this mode. Returns its path.
fn passphrase_file(folder: &Folder, mode: u32) -> String {
    let file = folder.file("words");
    fs::write(&file, format!("{WORDS}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    file
}

/// The command of a server whose usual state directory is in this folder.
fn command(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0"]).args(arguments).env("XDG_STATE_HOME", folder.path());
    command
}

/// Starts such a server with a console, and waits until it accepts.
fn start(folder: &Folder, arguments: &[&str]) -> (Program, SocketAddr) {
    Program::start_server(command(folder, arguments).arg("--console"))
}

/// Starts such a server, which ends because of what it logs.
fn ends(folder: &Folder, arguments: &[&str], reason: &str) {
    let mut server = Program::start("server", &mut command(folder, arguments));
    server.logs(reason);
    assert_eq!(server.exits(), Some(1));
}

/// Opens a call connection from the address `from`.
fn call_from(from: &str, server: SocketAddr, words: &str, key: &KeyPair) -> Result<RawPeer, RpcError> {
    let mut peer = RawPeer::connect_from(from.parse().unwrap(), server)?;
    let credentials = Credentials { passphrase: closed::passphrase(words), key: key.clone() };
    closed::dial_call_with(&mut peer, &credentials).map(|()| peer)
}

fn call(server: SocketAddr, key: &KeyPair) -> RawPeer {
    call_from("127.0.0.1", server, WORDS, key).unwrap()
}

fn join(peer: &mut RawPeer, name: &str, send_only: bool) -> Reply {
    let join = Join { send_only, ..Join::new(name, random_token(), 0) };
    peer.ask(&Request::Join(join)).unwrap()
}

fn is_joined(reply: &Reply) -> bool {
    matches!(reply, Reply::Joined(_))
}

fn is_kept(reply: &Reply) -> bool {
    matches!(reply, Reply::Refused(refusal) if refusal.cause == Cause::NameKept)
}

fn guess(server: SocketAddr, words: &str) -> RpcError {
    call_from(GUESSER, server, words, &new_key()).unwrap_err()
}

fn is_refused(error: &RpcError, expected: Status) -> bool {
    matches!(error, RpcError::Refused { status, .. } if *status == expected)
}

fn mode(file: &str) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_passphrase_that_was_made_up_and_the_key_stay_in_the_directory_that_the_operator_named() {
    let folder = Folder::new();
    let state = folder.file("state");
    let mut told = Vec::new();
    for _ in 0..2 {
        let (mut server, _) = start(&folder, &["--closed", "--state", &state]);
        server.sees("The room's key is ");
        server.types("/stop");
        server.exits();
        let output = server.output();
        let lines: Vec<&str> = output.lines().take(5).collect();
        assert!(lines[1].starts_with("Others on this machine join with: chat-client --server "), "{output}");
        let words = lines[3].strip_prefix("The passphrase is: ").unwrap();
        assert_eq!(words.split(' ').count(), 4, "{output}");
        assert!(lines[4].starts_with("The room's key is "), "{output}");
        told.push(lines[3..5].join("\n"));
    }
    assert_eq!(told[0], told[1]);
    for file in ["room_key", "passphrase"] {
        assert_eq!(mode(&format!("{state}/{file}")), 0o600, "{file}");
    }
}

#[test]
fn without_a_directory_the_passphrase_is_new_at_each_start_and_the_key_is_not() {
    let folder = Folder::new();
    let [one, other] = [(); 2].map(|()| {
        let (server, _) = start(&folder, &["--closed"]);
        server.logs("the passphrase is new at each start; --state DIR keeps it");
        ["The passphrase is: ", "The room's key is "].map(|start| server.line_starting_with(start))
    });
    assert_ne!(one[0], other[0]);
    assert_eq!(one[1], other[1]);
    let is_there = |file: &str| folder.path().join("rpc-chat").join(file).exists();
    assert!(is_there("room_key") && !is_there("passphrase"));
}

#[test]
fn a_passphrase_with_accents_is_told_to_have_two_spellings_and_one_of_plain_words_is_not() {
    let folder = Folder::new();
    let file = passphrase_file(&folder, 0o600);
    for (words, is_told) in [("lampe à huile", true), ("lamp river", false)] {
        fs::write(&file, words).unwrap();
        let (mut server, _) = start(&folder, &["--passphrase-file", &file]);
        server.types("/stop");
        server.exits();
        assert_eq!(server.error_output().contains("can be written in two ways"), is_told, "{words}");
    }
}

#[test]
fn a_secret_that_others_may_read_is_told_and_a_wrong_file_ends_the_server() {
    let folder = Folder::new();
    let (server, address) = start(&folder, &["--passphrase-file", &passphrase_file(&folder, 0o644)]);
    server.logs("others on this machine may read the passphrase");
    let reply = join(&mut call(address, &new_key()), "Sara", false);
    assert!(is_joined(&reply), "{reply:?}");
    server.sees("The room's key is ");
    assert!(!server.output().contains("The passphrase"), "{}", server.output());
    assert!(!server.error_output().contains("the private key"), "{}", server.error_output());
    drop(server);
    // A copy that was put back has the mode of any new file.
    fs::set_permissions(folder.file("rpc-chat/room_key"), fs::Permissions::from_mode(0o644)).unwrap();
    let (server, _) = start(&folder, &["--passphrase-file", &passphrase_file(&folder, 0o600)]);
    server.logs("others on this machine may read the private key");
    drop(server);
    for (file, reason) in [("missing", "cannot read the passphrase"), ("empty", "the passphrase is empty")] {
        fs::write(folder.file("empty"), "\nlamp\n").unwrap();
        ends(&folder, &["--passphrase-file", &folder.file(file)], reason);
    }
}

#[test]
fn a_wrong_passphrase_is_logged_with_its_peer_and_counted_and_a_guesser_is_refused_at_once() {
    let folder = Folder::new();
    let (mut server, address) = start(&folder, &["--passphrase-file", &passphrase_file(&folder, 0o600)]);
    let mut wrong = 0;
    let refused = loop {
        let error = guess(address, "lamp river stone corn");
        if !is_refused(&error, Status::WrongPassphrase) {
            break error;
        }
        wrong += 1;
    };
    assert!(is_refused(&refused, Status::Busy) && wrong >= 10, "{refused:?} after {wrong}");
    call(address, &new_key());
    server.logs(&format!("{GUESSER}:"));
    server.logs("the passphrase is not that of this room");
    server.logs("refused: too many wrong passphrases from this address");
    server.types("/stats");
    server.sees(&format!("wrong guesses {wrong} ("));
}

#[test]
fn handshakes_that_nobody_ends_keep_nobody_of_their_address_out() {
    let server = closed::server(WORDS);
    let begun: Vec<RawPeer> = (0..20)
        .map(|_| {
            let peer = RawPeer::connect_from(GUESSER.parse().unwrap(), server.address()).unwrap();
            peer.write(&Hello::new(Role::Call, Token::NONE).sealed().to_bytes()).unwrap();
            peer
        })
        .collect();
    let mut member = call_from(GUESSER, server.address(), WORDS, &new_key()).unwrap();
    assert!(is_joined(&join(&mut member, "Sara", false)));
    drop((begun, member));
    server.stop();
}

#[test]
fn a_guess_is_spent_by_the_last_message_of_a_handshake_and_by_nothing_before_it() {
    /// A hello, and the client's messages before its last one.
    const BEFORE_THE_LAST: u64 = 29 + 33 + 48;
    /// A welcome, and the server's messages.
    const BEFORE_THE_VERDICT: u64 = 11 + 33 + 96;
    let server = closed::server(WORDS);
    let proxy = Proxy::start(server.address());
    let guess = || call_from("127.0.0.1", proxy.address(), "lamp river stone corn", &new_key()).unwrap_err();
    proxy.set_faults(Faults { up: Fault::CutAfter(BEFORE_THE_LAST), ..Faults::default() });
    (0..30).for_each(|_| drop(guess()));
    call(server.address(), &new_key());
    // A client that leaves before it reads the verdict has spent it all the same.
    proxy.set_faults(Faults { down: Fault::HalfCloseAfter(BEFORE_THE_VERDICT), ..Faults::default() });
    poll("the address to have no guess left", || {
        guess();
        let refused = call_from("127.0.0.1", server.address(), WORDS, &new_key()).err()?;
        is_refused(&refused, Status::Busy).then_some(())
    });
    server.stop();
}

#[test]
fn addresses_that_hold_a_place_each_and_guess_keep_nobody_out() {
    const PLACES: u8 = 8;
    let limits = Limits { max_unjoined: PLACES.into(), ..Limits::default() };
    let server = closed::server_with(WORDS, limits);
    let address = server.address();
    for host in 1..=62 {
        let error = call_from(&format!("127.0.2.{host}"), address, "lamp river", &new_key()).unwrap_err();
        assert!(is_refused(&error, Status::WrongPassphrase), "{error:?}");
    }
    let mut hosts = 1..;
    let mut hold = |count: u8| -> Vec<RawPeer> {
        let hosts = hosts.by_ref().take(count.into());
        let hold = |host: u8| RawPeer::connect_from([127, 0, 1, host].into(), address).unwrap();
        hosts.map(hold).collect()
    };
    let mut held = hold(PLACES);
    // With a place that is given away at random, and a handshake that waits, one of these fails.
    for number in 0..5 {
        let mut honest = RawPeer::connect(address);
        held.extend(hold(PLACES - 1));
        closed::dial_call(&mut honest, WORDS).unwrap_or_else(|error| panic!("join {number}: {error}"));
        assert!(is_joined(&join(&mut honest, &format!("honest{number}"), true)));
    }
    drop(held);
    server.stop();
}

#[test]
fn while_one_address_guesses_as_fast_as_it_can_others_join() {
    let limits = Limits { max_unjoined: 8, max_unjoined_per_address: 4, ..Limits::default() };
    let server = closed::server_with(WORDS, limits);
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
            let mut member = call(address, &new_key());
            let reply = join(&mut member, &format!("honest{number}"), false);
            assert!(is_joined(&reply), "{reply:?}");
            assert_eq!(member.ask(&Request::Leave).unwrap(), Reply::Left);
        }
        is_over.store(true, Relaxed);
        server.stop();
    });
}

#[test]
fn a_crowd_that_knows_the_passphrase_joins_at_once_from_this_machine() {
    const COUNT: usize = 100;
    let limits = Limits { max_connections: 2 * COUNT, max_unjoined: 2 * COUNT, ..without_rate_limit() };
    let server = closed::server_with(WORDS, limits);
    let address = server.address();
    thread::scope(|scope| {
        for number in 0..COUNT {
            scope.spawn(move || {
                let mut member = call(address, &new_key());
                let reply = join(&mut member, &format!("m{number}"), true);
                assert!(is_joined(&reply), "{reply:?}");
            });
        }
    });
    server.stop();
}

#[test]
fn a_name_stays_with_the_key_that_had_it_first_until_the_operator_forgets_it() {
    let folder = Folder::new();
    let (words, names) = (passphrase_file(&folder, 0o600), folder.file("names"));
    let flags = ["--passphrase-file", &words, "--names", &names];
    let [sara, eve] = [(); 2].map(|()| new_key());
    let (mut server, address) = start(&folder, &flags);
    let mut member = call(address, &sara);
    assert!(is_joined(&join(&mut member, "Sara", false)));
    // It was saved before the reply.
    assert_eq!(fs::read_to_string(&names).unwrap(), format!("Sara {}\n", sara.public.to_hex()));
    assert_eq!(member.ask(&Request::Leave).unwrap(), Reply::Left);
    for send_only in [false, true] {
        let reply = join(&mut call(address, &eve), "SARA", send_only);
        let Reply::Refused(refusal) = &reply else { panic!("{reply:?}") };
        assert!(is_kept(&reply), "{reply:?}");
        let text = "the name \"SARA\" belongs to somebody else's key here; choose another";
        assert_eq!(refusal.text, text);
    }
    let mut other = call(address, &eve);
    assert!(is_joined(&join(&mut other, "Eve", false)));
    let rename = |name: &str| Request::Rename { name: name.to_owned() };
    assert!(is_kept(&other.ask(&rename("Sara")).unwrap()));
    assert!(matches!(other.ask(&rename("Adam")).unwrap(), Reply::Renamed { .. }));
    poll("the new name to be saved", || fs::read_to_string(&names).unwrap().contains("Adam").then_some(()));
    server.types("/stop");
    assert_eq!(server.exits(), Some(0));

    let (mut server, address) = start(&folder, &flags);
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
fn the_name_of_a_lost_session_is_free_for_its_key_alone() {
    let folder = Folder::new();
    let (server, address) = start(&folder, &["--passphrase-file", &passphrase_file(&folder, 0o600)]);
    let [sara, eve] = [(); 2].map(|()| new_key());
    let mut member = call(address, &sara);
    assert!(is_joined(&join(&mut member, "Sara", true)));
    let mut other = call(address, &eve);
    assert!(is_joined(&join(&mut other, "Eve", true)));
    drop(member);
    server.logs("Sara went (connection lost)");
    let reply = join(&mut call(address, &eve), "SARA", true);
    let Reply::Refused(refusal) = &reply else { panic!("{reply:?}") };
    assert_eq!(refusal.cause, Cause::NameTaken, "{refusal}");
    assert!(is_joined(&join(&mut call(address, &sara), "Sara", false)));
}

#[test]
fn a_name_is_kept_for_nobody_before_the_disk_has_who_takes_it() {
    let folder = Folder::new();
    let (words, names) = (passphrase_file(&folder, 0o600), folder.file("names"));
    let journal = folder.file("journal");
    let flags = ["--passphrase-file", &words, "--names", &names, "--journal", &journal];
    let (mut server, address) = start(&folder, &flags);
    let Some(strace) = hold(&server, "pwrite64", &folder) else { return };
    thread::scope(|scope| {
        let joining = scope.spawn(|| {
            let join = Join::new("Carol", random_token(), 0);
            call(address, &new_key()).ask(&Request::Join(join))
        });
        wait_for_the_disk(&folder, "Carol");
        let kept = fs::read_to_string(&names).unwrap_or_default();
        server.signal("KILL");
        drop(strace);
        assert_eq!(server.exits(), None);
        joining.join().unwrap().unwrap_err();
        assert_eq!(kept, "");
    });
    let (_server, address) = start(&folder, &flags);
    assert!(is_joined(&join(&mut call(address, &new_key()), "Carol", false)));
}

#[test]
fn a_damaged_file_of_names_ends_the_server_with_its_line() {
    let folder = Folder::new();
    let names = folder.file("names");
    fs::write(&names, "# names\nSara 12ab\n").unwrap();
    let why = format!("cannot use the names file {names}: line 2: \"Sara 12ab\" is not \"NAME KEY\"");
    ends(&folder, &["--closed", "--names", &names], &why);
}
