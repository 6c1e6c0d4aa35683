//! The guests of a gateway: they count for their own addresses, and nobody else can speak for them.

use chat_client::{Channels, Input, JoinOptions, MemberOptions, Outcome, UiEvent};
use chat_common::{
    handshake::gateway::{self, GatewayKey},
    wire::{
        error::RpcError,
        hello::{answer_bytes, Hello},
        protocol::{Cause, Join, Reply, Request},
        status::Status,
        token::Token,
    },
};
use chat_server::{DoorSettings, Limits, Settings};
use chat_tests::{
    folder::Folder,
    member::Member,
    process::{binary, Program},
    raw::{self, RawPeer},
    room::join_options,
    server::{without_rate_limit, TestServer},
    watchdog::{poll, WATCHDOG_TIMEOUT},
};
use crossbeam_channel::{bounded, unbounded};
use std::{
    fs,
    net::{IpAddr, Shutdown, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::Duration,
};

const KEY: GatewayKey = GatewayKey::from_bytes([7; GatewayKey::BYTES]);
const OTHER_KEY: GatewayKey = GatewayKey::from_bytes([8; GatewayKey::BYTES]);

/// Returns the address of a guest.
fn home(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

/// Starts a server whose gateways have [`KEY`].
fn server(limits: Limits) -> TestServer {
    let door = DoorSettings { gateway_key: Some(KEY), ..DoorSettings::default() };
    TestServer::with_settings("127.0.0.1:0", Settings { limits, door, ..Settings::default() })
}

/// Lets a guest at this address open a call connection.
fn guest(server: &TestServer, address: IpAddr) -> Result<RawPeer, Status> {
    RawPeer::connect_guest(server.address(), address, &KEY)
}

/// A server with a console and a key of gateways, as a program.
struct Room {
    server: Program,
    address: SocketAddr,
    key: GatewayKey,
    folder: Folder,
}

impl Room {
    fn start(flags: &[&str]) -> Room {
        Room::start_in(Folder::new(), flags)
    }

    fn start_in(folder: Folder, flags: &[&str]) -> Room {
        let file = folder.file("gateway");
        let (server, address) = Program::server(&[&["--console", "--gateway-key", &file], flags].concat());
        let key = GatewayKey::load(Path::new(&file)).unwrap();
        Room { server, address, key, folder }
    }

    fn try_guest(&self, address: IpAddr) -> Result<RawPeer, Status> {
        RawPeer::connect_guest(self.address, address, &self.key)
    }

    /// Lets a guest join, which has its name from its address.
    fn joins(&self, name: &str, address: IpAddr) -> (RawPeer, Token) {
        let (mut peer, token) = (self.try_guest(address).unwrap(), raw::random_token());
        peer.join(name, token).unwrap();
        (peer, token)
    }
}

fn refusal(reply: Result<impl std::fmt::Debug, Reply>) -> (Cause, String) {
    match reply {
        Err(Reply::Refused(refusal)) => (refusal.cause, refusal.text),
        other => panic!("the server did not refuse: {other:?}"),
    }
}

/// Waits until the server has closed the connection of a member.
fn ends(peer: &mut RawPeer) {
    poll("the connection to end", || peer.ask(&Request::Ping).is_err().then_some(()));
}

/// Resumes a session that has received nothing.
fn resume(name: &str, token: Token) -> Join {
    Join { resume: Some(0), ..Join::new(name, token, 0) }
}

#[test]
fn the_operator_sees_each_guest_at_its_own_address_and_meets_that_one_alone() {
    let mut room = Room::start(&[]);
    let (mut ann, _) = room.joins("Ann", home(7));
    let (mut bob, _) = room.joins("Bob", home(8));
    let _tom = Program::joined_client(room.address, "Tom");
    room.server.logs("Ann joined from 192.0.2.7 (web)");
    room.server.types("/who");
    room.server.sees("Ann  192.0.2.7 (web)\nBob  192.0.2.8 (web)\nTom  127.0.0.1\n3 here\n");

    room.server.types("/mute Ann");
    room.server.sees("muted: Ann");
    let say = |text: &str| Request::Broadcast { message_id: 1, repeated: false, text: text.to_owned() };
    let Ok(Reply::Refused(muted)) = ann.ask(&say("hello")) else { panic!("Ann is muted") };
    assert_eq!(muted.cause, Cause::Muted);
    assert!(matches!(bob.ask(&say("hello")), Ok(Reply::Accepted { .. })));

    room.server.types("/kick Bob");
    room.server.sees("removed: Bob (192.0.2.8); /ban 192.0.2.8 bans the address");
    ends(&mut bob);
    room.server.types("/ban 192.0.2.7 too loud");
    room.server.sees("removed: Ann (192.0.2.7)");
    ends(&mut ann);
    // A guest is told why, and its neighbours and the gateway itself come in.
    let (cause, why) = refusal(room.try_guest(home(7)).unwrap().join("Eve", raw::random_token()));
    assert_eq!((cause, why.as_str()), (Cause::Banned, "this address is banned from the room: too loud"));
    room.joins("Cem", home(9));
    RawPeer::connect_call(room.address).unwrap().join("Dan", raw::random_token()).unwrap();
    room.server.types("/ban 192.0.2.9");
    room.server.sees("banned: address 192.0.2.9");
    let (cause, _) = refusal(room.try_guest(home(9)).unwrap().join("Fay", raw::random_token()));
    assert_eq!(cause, Cause::Banned);
}

#[test]
fn the_server_makes_the_key_for_its_owner_alone_and_does_not_start_with_a_file_that_holds_none() {
    let room = Room::start(&[]);
    let file = room.folder.file("gateway");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.len() == 65 && text.trim_end().bytes().all(|byte| byte.is_ascii_hexdigit()), "{text:?}");
    let again = Room::start_in(room.folder, &[]);
    assert!(again.key == room.key);
    again.joins("Ann", home(7));

    for text in ["", "12ab\n", &"0".repeat(63), &"g".repeat(64)] {
        fs::write(&file, text).unwrap();
        let mut command = Command::new(binary("chat-server"));
        command.args(["--listen", "127.0.0.1:0", "--gateway-key", &file]);
        let mut server = Program::start("server", &mut command);
        assert_eq!(server.exits(), Some(1));
        let said = server.error_output();
        assert!(said.contains(&format!("{file} holds no key")), "{said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}

#[test]
fn nobody_speaks_for_a_guest_without_the_key() {
    let (with_key, without_key) = (server(without_rate_limit()), TestServer::start());
    let mut ann = Member::join(with_key.address(), "Ann");
    let half = [[7; 16], [8; 16]].concat().try_into().unwrap();
    for (server, key) in [
        (&with_key, OTHER_KEY),
        (&with_key, GatewayKey::from_bytes([0; GatewayKey::BYTES])),
        (&with_key, GatewayKey::from_bytes(half)),
        (&without_key, KEY),
    ] {
        let refused = RawPeer::connect_guest(server.address(), home(7), &key).unwrap_err();
        assert_eq!(refused, Status::WrongRole);
    }
    // A key that is too short, and none.
    for bytes in [&[7; GatewayKey::BYTES - 1][..], &[]] {
        let peer = RawPeer::connect_for_guest(with_key.address(), home(7)).unwrap();
        peer.write(bytes).unwrap();
        peer.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(peer.read_until_closed(), b"", "the server does not answer {} bytes", bytes.len());
    }
    // A request in the place of the key.
    let mut peer = RawPeer::connect_for_guest(with_key.address(), home(7)).unwrap();
    assert!(peer.ask(&Request::Join(Join::new("Eve", raw::random_token(), 0))).is_err());
    // The connections have not changed what an honest gateway may do.
    guest(&with_key, home(7)).unwrap().join("Bob", raw::random_token()).unwrap();
    ann.say("still here");
}

#[test]
fn a_key_that_does_not_come_or_comes_slowly_does_not_extend_its_deadline() {
    let server = server(Limits { hello_timeout: Duration::from_secs(3), ..without_rate_limit() });
    let silent = RawPeer::connect_for_guest(server.address(), home(7)).unwrap();
    let peer = RawPeer::connect_for_guest(server.address(), home(7)).unwrap();
    let written = peer.write_byte_by_byte(&[7; GatewayKey::BYTES], Duration::from_millis(150));
    assert_eq!(silent.read_until_closed(), b"");
    // The write may fail, and what the server sends is never the welcome.
    let answer = peer.read_until_closed();
    assert!(written.is_err() || answer.is_empty(), "{answer:?}");
}

#[test]
fn no_guest_has_an_address_that_no_machine_has() {
    let server = server(without_rate_limit());
    for address in ["::", "0.0.0.0", "224.0.0.1", "ff02::1", "255.255.255.255"] {
        let refused = guest(&server, address.parse().unwrap()).unwrap_err();
        assert_eq!(refused, Status::WrongRole, "{address}");
    }
    // These are addresses of the server's machine and of its gateway, where a guest can be.
    for (number, address) in (0..).zip(["127.0.0.1", "::1", "127.9.9.9"]) {
        let mut peer = guest(&server, address.parse().unwrap()).unwrap();
        peer.join(&format!("n{number}"), raw::random_token()).unwrap();
    }
}

#[test]
fn a_guest_is_no_operator_of_this_machine_whatever_its_address() {
    let folder = Folder::new();
    let (key, operators) = (folder.file("gateway"), folder.file("operators"));
    fs::write(&operators, "lamp river stone cloud\n").unwrap();
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0", "--gateway-key", &key, "--operators", &operators]);
    let (_server, address) = Program::start_server_that_is_open(&mut command);
    let key = GatewayKey::load(Path::new(&key)).unwrap();
    let operates = |guest: Option<&str>| {
        let hello = Hello::call(guest.map(|guest| guest.parse().unwrap()));
        let mut connection = RawPeer::connect(address).connection;
        connection.greet(hello.role, hello.token, WATCHDOG_TIMEOUT).unwrap();
        if guest.is_some() {
            let answer = gateway::show_key(&mut connection, &key, WATCHDOG_TIMEOUT).unwrap();
            assert_eq!(answer, Status::Welcome);
        }
        let request = Request::Operate { passphrase: "lamp river stone cloud".into() };
        connection.call::<_, Reply>(&request, WATCHDOG_TIMEOUT).unwrap()
    };
    assert!(matches!(operates(None), Reply::Lines { .. }));
    for guest in ["127.0.0.1", "::1", "192.0.2.7"] {
        let reply = operates(Some(guest));
        assert!(matches!(&reply, Reply::Refused(why) if why.cause == Cause::Unsupported), "{reply:?}");
    }
}

#[test]
fn the_limit_of_connections_meets_a_guest_with_its_callback_and_not_its_gateway() {
    let server = server(Limits { max_per_address: 2, ..without_rate_limit() });
    let (mut ann, token) = (guest(&server, home(7)).unwrap(), raw::random_token());
    ann.join("Ann", token).unwrap();
    let callback = ann.connect_callback(server.address(), token).unwrap();
    assert_eq!(guest(&server, home(7)).unwrap_err(), Status::TooMany);
    let others: Vec<RawPeer> = (8..18).map(|last| guest(&server, home(last)).unwrap()).collect();
    drop(callback);
    poll("a place of the address to be free", || guest(&server, home(7)).ok());
    drop(others);
}

#[test]
fn a_callback_counts_for_its_guest_only_when_its_token_is_shown() {
    let server = server(Limits { max_per_address: 2, ..without_rate_limit() });
    let (mut ann, token) = (guest(&server, home(7)).unwrap(), raw::random_token());
    ann.join("Ann", token).unwrap();
    let strangers: Vec<RawPeer> = (0..8)
        .map(|_| {
            let mut peer = RawPeer::connect(server.address());
            assert!(peer.open_callback(&ann, raw::random_token()).is_err());
            peer
        })
        .collect();
    ann.connect_callback(server.address(), token).unwrap();
    drop(strangers);
}

#[test]
fn the_rate_of_connections_meets_a_guest_and_not_a_gateway_that_has_shown_the_key() {
    let server = server(Limits { connect_burst: 1, connect_rate: 1, ..Limits::default() });
    poll("the guest at one address to be refused", || {
        // The first connection counts for the gateway as well.
        guest(&server, home(7)).err().filter(|status| *status == Status::Busy)
    });
    for last in 8..28 {
        guest(&server, home(last)).unwrap();
    }
}

#[test]
fn a_session_that_another_address_resumes_counts_for_that_address() {
    let mut room = Room::start(&[]);
    let (ann, token) = room.joins("Ann", home(7));
    let mut moved = room.try_guest(home(8)).unwrap();
    moved.join_with(resume("Ann", token)).unwrap();
    drop(ann);
    room.server.types("/who");
    room.server.sees("Ann  192.0.2.8 (web)\n1 here\n");
    // One that speaks for itself is a guest no more.
    let mut direct = RawPeer::connect_call(room.address).unwrap();
    direct.join_with(resume("Ann", token)).unwrap();
    room.server.types("/who");
    room.server.sees("Ann  127.0.0.1\n1 here\n");
    room.server.types("/ban 192.0.2.9");
    room.server.sees("banned: address 192.0.2.9");
    let (_, why) = refusal(room.try_guest(home(9)).unwrap().join_with(resume("Ann", token)));
    assert_eq!(why, "this address is banned from the room");
    assert_eq!(direct.ask(&Request::Ping).unwrap(), Reply::Pong, "the session has not moved");
}

#[test]
fn a_gateway_whose_host_is_banned_speaks_for_nobody() {
    let mut room = Room::start(&[]);
    let (mut ann, _) = room.joins("Ann", home(7));
    for (command, reply) in [("/ban 127.0.0.1", "alone); nobody"), ("/ban 127.0.0.1 why", "alone): why")] {
        room.server.types(command);
        room.server.sees(reply);
        match RawPeer::connect_for_guest(room.address, home(8)) {
            Err(RpcError::Refused { status: Status::Banned, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ann.ask(&Request::Ping).unwrap(), Reply::Pong, "the ban is not of the guest's address");
}

#[test]
fn the_session_of_a_guest_has_its_address_after_a_restart() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let mut room = Room::start_in(folder, &["--journal", &journal]);
    let (_ann, token) = room.joins("Ann", home(7));
    room.server.signal("KILL");
    room.server.exits();
    let mut room = Room::start_in(room.folder, &["--journal", &journal]);
    room.server.types("/who");
    room.server.sees("Ann  192.0.2.7\n1 here\n");
    room.try_guest(home(7)).unwrap().join_with(resume("Ann", token)).unwrap();
    room.server.types("/ban 192.0.2.7");
    room.server.sees("removed: Ann (192.0.2.7)");
}

#[test]
fn a_client_of_the_library_joins_for_a_guest() {
    let server = server(without_rate_limit());
    let tom = Member::join(server.address(), "Tom");
    let run = |key: GatewayKey| {
        let (input_tx, input_rx) = unbounded();
        let (_stop_tx, stop_rx) = bounded(1);
        let options = JoinOptions {
            member: MemberOptions {
                name: Some("Ann".into()),
                dials: true,
                on_behalf: Some((home(7), key)),
                ..MemberOptions::default()
            },
            ..join_options(server.address())
        };
        input_tx.send(Input::message("hello")).unwrap();
        input_tx.send(Input::End).unwrap();
        let (shown_tx, shown_rx) = unbounded();
        let outcome = chat_client::run(&options, &Channels { input_rx, stop_rx }, &|event| {
            let _ = shown_tx.send(event);
        });
        (outcome, shown_rx.try_iter().collect::<Vec<UiEvent>>())
    };
    let (outcome, shown) = run(KEY);
    assert_eq!(outcome, Outcome::Left, "{shown:?}");
    tom.hear_text("hello");
    let (outcome, _) = run(OTHER_KEY);
    let Outcome::Failed(why) = outcome else { panic!("{outcome:?}") };
    assert!(why.contains("the server does not know the gateway's key; both need the same file"), "{why}");
}

#[test]
fn a_gateway_of_the_other_kind_of_room_is_refused_at_its_hello() {
    let server = server(without_rate_limit());
    let (right, wrong) = (Hello::call(Some(home(7))), Hello::call(Some(home(7))).sealed());
    let refusals = match chat_tests::room::Kind::of_this_run().closed {
        true => [(right, Status::Closed)],
        false => [(wrong, Status::WrongRole)],
    };
    for (hello, status) in refusals {
        let peer = RawPeer::connect(server.address());
        peer.write(&hello.to_bytes()).unwrap();
        assert_eq!(peer.read_until_closed(), answer_bytes(status));
    }
}

/// In a closed room all guests come with the gateway's own key.
#[cfg(feature = "closed")]
mod names {
    use super::*;
    use chat_common::{
        handshake::{credentials::Credentials, sealed},
        wire::seal::KeyPair,
    };
    use chat_tests::closed::{self, new_key};

    const WORDS: &str = "lamp river stone cloud";

    fn call(server: SocketAddr, key: &KeyPair, guest: Option<(IpAddr, &GatewayKey)>) -> RawPeer {
        let mut peer = RawPeer::connect(server);
        let credentials = Credentials { passphrase: closed::passphrase(WORDS), key: key.clone() };
        let (connection, address) = (&mut peer.connection, guest.map(|(address, _)| address));
        sealed::dial_call(connection, address, &credentials, |_| true, WATCHDOG_TIMEOUT).unwrap();
        if let Some((_, key)) = guest {
            assert_eq!(gateway::show_key(connection, key, WATCHDOG_TIMEOUT).unwrap(), Status::Welcome);
        }
        peer
    }

    #[test]
    fn no_name_is_kept_for_a_guest_and_none_that_belongs_to_a_key_is_free_for_it() {
        let folder = Folder::new();
        let (words, names) = (folder.file("words"), folder.file("names"));
        fs::write(&words, WORDS).unwrap();
        let state = folder.file("state");
        let flags = ["--passphrase-file", &words, "--state", &state, "--names", &names];
        let room = Room::start_in(folder, &flags);
        let [sara, gateway] = [(); 2].map(|()| new_key());
        let guest = |last| call(room.address, &gateway, Some((home(last), &room.key)));
        let mut member = call(room.address, &sara, None);
        let sara_token = raw::random_token();
        member.join("Sara", sara_token).unwrap();
        let kept = format!("Sara {}\n", sara.public.to_hex());
        assert_eq!(fs::read_to_string(&names).unwrap(), kept);

        let mut ann = guest(7);
        let token = raw::random_token();
        ann.join("Ann", token).unwrap();
        let Reply::Renamed { .. } = ann.ask(&Request::Rename { name: "Anna".into() }).unwrap() else {
            panic!("the name is free")
        };
        let Reply::Refused(refused) = ann.ask(&Request::Rename { name: "sara".into() }).unwrap() else {
            panic!("the name belongs to a key")
        };
        assert_eq!(refused.cause, Cause::NameKept);
        assert_eq!(member.ask(&Request::Leave).unwrap(), Reply::Left);
        assert_eq!(refusal(guest(8).join("SARA", raw::random_token())).0, Cause::NameKept);
        assert_eq!(fs::read_to_string(&names).unwrap(), kept, "no name is kept for a guest");

        // The key of the gateway makes nobody the owner of another guest's name.
        drop(ann);
        room.server.logs("Anna left (connection lost)");
        guest(9).join("Bob", raw::random_token()).unwrap();
        assert_eq!(refusal(guest(8).join("Anna", raw::random_token())).0, Cause::NameTaken);
        guest(7).join_with(resume("Anna", token)).unwrap();
    }

    #[test]
    fn a_wrong_passphrase_counts_for_the_gateway_before_its_key() {
        let folder = Folder::new();
        let words = folder.file("words");
        fs::write(&words, WORDS).unwrap();
        let state = folder.file("state");
        let room = Room::start_in(folder, &["--passphrase-file", &words, "--state", &state]);
        let mut peer = RawPeer::connect(room.address);
        let credentials = Credentials { passphrase: closed::passphrase("lamp"), key: new_key() };
        let refused =
            sealed::dial_call(&mut peer.connection, Some(home(7)), &credentials, |_| true, WATCHDOG_TIMEOUT);
        match refused {
            Err(RpcError::Refused { status: Status::WrongPassphrase, .. }) => {}
            other => panic!("{other:?}"),
        }
        room.server.logs("the passphrase is not that of this room");
        assert!(!room.server.error_output().contains("192.0.2.7"));
    }
}
