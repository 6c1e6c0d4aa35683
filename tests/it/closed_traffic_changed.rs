//! Somebody on the way who changes, repeats, moves, cuts or invents traffic of a closed room ends one
//! connection. Nothing of it is shown or carried out, and the room goes on.

use chat_client::Outcome;
use chat_common::{
    handshake::sealed::accept_callback,
    wire::{
        error::RpcError,
        frame::encode_frame,
        hello::{Hello, Role},
        protocol::{Callback, Event, EventKind, Join, Reply, Request},
        token::Token,
    },
};
use chat_tests::{
    closed::{self, passphrase, run_client, Peer},
    proxy::{Fault, Faults, Proxy, Recording},
    raw::{random_token, welcome, RawPeer},
    server::TestServer,
    watchdog::WATCHDOG_TIMEOUT,
};
use std::{
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

const PASSPHRASE: &str = "lamp river";
/// The text that must not reach the room.
const FORGED: &str = "forged";
/// The reply to a message: its length, a frame with a variant and a sequence, and its tag.
const LAST_RECORD_BYTES: usize = 2 + 4 + 4 + 8 + 16;
/// How many attacks run at the same time. Most of the time each waits for the other side of its connection.
const THREADS: usize = 8;

/// A closed room with a member who sees what reaches it.
struct Room {
    server: TestServer,
    sara: Peer,
}

impl Room {
    fn open() -> Room {
        let server = closed::server(PASSPHRASE);
        let sara = Peer::join(server.address(), PASSPHRASE, "Sara");
        Room { server, sara }
    }

    /// Returns everything that was said in the room.
    fn said(&mut self) -> String {
        match self.sara.call.ask(&Request::History { count: 1000, before: None }).unwrap() {
            Reply::History { events } => format!("{events:?}"),
            other => panic!("{other:?}"),
        }
    }

    /// Nothing of the attack has reached the room, which still lets people in and carries their messages.
    fn ends_unharmed(mut self) {
        let mut tom = Peer::join(self.server.address(), PASSPHRASE, "Tom");
        tom.says("the room goes on");
        let heard = self.sara.hears("the room goes on");
        let said = self.said();
        assert!(!heard.contains(FORGED) && !said.contains(FORGED), "{heard}\n{said}");
        self.close();
    }

    fn close(self) {
        // A server that stops waits for its members.
        drop(self.sara);
        self.server.stop();
    }
}

/// Somebody between the two ends of one connection.
struct Between {
    caller: RawPeer,
    target: RawPeer,
}

impl Between {
    fn accept(listener: &TcpListener, target: SocketAddr) -> Between {
        Between { caller: RawPeer::accept(listener), target: RawPeer::connect(target) }
    }

    fn pass_up(&self, count: usize) {
        self.target.write(&self.caller.read(count).unwrap()).unwrap();
    }

    fn pass_down(&self, count: usize) {
        self.caller.write(&self.target.read(count).unwrap()).unwrap();
    }

    /// Passes the handshake of a call connection on, without the client's last message and its answer.
    fn pass_call_handshake(&self) {
        self.pass_up(29);
        self.pass_down(11);
        self.pass_up(33);
        self.pass_down(33);
        self.pass_up(48);
        self.pass_down(96);
    }

    fn pass_callback_handshake(&self) {
        self.pass_up(29);
        self.pass_down(11);
        self.pass_up(48);
        self.pass_down(48);
    }
}

/// Reads one record with its length.
fn take_record(from: &RawPeer) -> Vec<u8> {
    let length = from.read(2).unwrap();
    let body = from.read(u16::from_le_bytes([length[0], length[1]]).into()).unwrap();
    [length, body].concat()
}

/// Lets somebody join with an attacker on the way of both connections: first the call's, then the callback's.
fn join_with_somebody_between(server: SocketAddr) -> (Peer, Between, Between) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::scope(|scope| {
        let joining = scope.spawn(move || Peer::join(address, PASSPHRASE, "Eve"));
        let [call, callback] = [(); 2].map(|()| Between::accept(&listener, server));
        call.pass_call_handshake();
        call.pass_up(64);
        call.pass_down(11);
        call.target.write(&take_record(&call.caller)).unwrap();
        call.caller.write(&take_record(&call.target)).unwrap();
        callback.pass_callback_handshake();
        (joining.join().unwrap(), call, callback)
    })
}

/// One byte that the attacker changes.
#[derive(Clone, Copy, Debug)]
struct Change {
    of_callback: bool,
    up: bool,
    at: usize,
    bits: u8,
}

/// The proxies between a client and the server.
struct Path {
    call: Proxy,
    callback: Proxy,
}

impl Path {
    fn new(server: SocketAddr) -> Path {
        Path { call: Proxy::start(server), callback: Proxy::start(server) }
    }

    /// Joins, hears what was said last, and says the text. An error is what ended a connection before that.
    fn converse(&self, text: &str) -> Result<Peer, RpcError> {
        let [call, callback] = [&self.call, &self.callback].map(|proxy| RawPeer::connect(proxy.address()));
        let join = Join { history: 1, ..Join::new("Eve", random_token(), 0) };
        let mut eve = Peer::join_over(call, callback, PASSPHRASE, join)?;
        assert!(eve.try_hear()?.contains("welcome all"));
        let reply = eve.try_say(text)?;
        assert!(matches!(reply, Reply::Accepted { .. }), "{reply:?}");
        Ok(eve)
    }
}

/// Returns a change for every byte of one direction from `begin` on, whose records begin at `sealed`.
fn changes(bytes: &[u8], of_callback: bool, up: bool, sealed: usize) -> Vec<Change> {
    let mut changes: Vec<_> =
        (0..bytes.len()).map(|at| Change { of_callback, up, at, bits: 1 << (at % 8) }).collect();
    // A record that is longer than what comes would only make its reader wait. So each length becomes one
    // that is too short, or longer than any record.
    let mut at = sealed;
    while at < bytes.len() {
        let length = u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        changes[at].bits = 1 << bytes[at].ilog2();
        changes[at + 1].bits = 0x80;
        at += 2 + usize::from(length);
    }
    changes
}

/// Runs `attack` once for each case, several at a time. Each thread has its own `start()`.
fn in_parallel<C: Sync, S>(cases: &[C], start: impl Fn() -> S + Sync, attack: impl Fn(&S, usize, &C) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let state = start();
                while let Some((number, case)) = Some(next.fetch_add(1, Ordering::SeqCst))
                    .and_then(|number| Some((number, cases.get(number)?)))
                {
                    attack(&state, number, case);
                }
            });
        }
    });
}

#[test]
fn every_byte_of_a_handshake_and_of_a_record_counts() {
    // Each attack has a room of its own, so that nothing but the attack is in the traffic.
    let open = || {
        let mut room = Room::open();
        room.sara.says("welcome all");
        room
    };
    let mut room = open();
    let path = Path::new(room.server.address());
    path.call.record();
    path.callback.record();
    let eve = path.converse(FORGED).unwrap();
    // What follows is no part of an attack: the server notices that Eve is gone, and stops.
    let [call, callback] = [&path.call, &path.callback].map(|proxy| proxy.recordings().remove(0));
    assert!(room.said().contains(FORGED), "an honest session reaches the room");
    drop(eve);
    room.close();
    let cases = [
        changes(&call.up, false, true, 174),
        changes(&call.down, false, false, 151),
        changes(&callback.up, true, true, 77),
        changes(&callback.down, true, false, 59),
    ]
    .concat();
    assert!(cases.len() > 600, "{}", cases.len());
    in_parallel(
        &cases,
        || Path::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        |path, _, change| {
            let mut room = open();
            path.call.set_target(room.server.address());
            path.callback.set_target(room.server.address());
            let fault = Fault::ChangeByte { at: change.at as u64, bits: change.bits };
            let faults = match change.up {
                true => Faults { up: fault, down: Fault::Pass },
                false => Faults { up: Fault::Pass, down: fault },
            };
            let changed = if change.of_callback { &path.callback } else { &path.call };
            changed.set_faults(faults);
            match path.converse(FORGED) {
                Err(_) => {}
                // Only the server could notice it.
                Ok(eve) if change.up && change.of_callback => drop(eve.callback.read_until_closed()),
                Ok(_) => panic!("nobody noticed {change:?}"),
            }
            changed.set_faults(Faults::default());
            // The last record of the server comes after the text is said.
            let said = room.said();
            let is_last =
                !change.up && !change.of_callback && change.at >= call.down.len() - LAST_RECORD_BYTES;
            assert!(!said.contains(FORGED) || is_last, "{change:?}: {said}");
            room.close();
        },
    );
}

#[test]
fn every_byte_of_the_handshake_with_a_listener_counts() {
    let room = Room::open();
    let server = room.server.address();
    let cases: Vec<(bool, usize)> = [(true, 29 + 48), (false, 11 + 48)]
        .iter()
        .flat_map(|(up, end)| (0..*end).map(|at| (*up, at)))
        .collect();
    let start = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap());
        (listener, proxy)
    };
    in_parallel(&cases, start, |(listener, proxy), number, (up, at)| {
        let fault = Fault::ChangeByte { at: *at as u64, bits: 1 << (at % 8) };
        proxy.set_faults(match up {
            true => Faults { up: fault, down: Fault::Pass },
            false => Faults { up: Fault::Pass, down: fault },
        });
        let mut eve = RawPeer::connect(server);
        closed::dial_call(&mut eve, PASSPHRASE).unwrap();
        let token = random_token();
        let call = std::sync::Arc::clone(eve.connection.stream());
        let called_back = thread::scope(|scope| {
            scope.spawn(move || {
                let mut callback = RawPeer::accept(listener);
                let connection = &mut callback.connection;
                let hello = connection.read_hello(WATCHDOG_TIMEOUT).ok()??;
                // It does not look into the hello: the handshake alone must notice each change.
                accept_callback(connection, &hello, call.seal()?, token, || true, WATCHDOG_TIMEOUT).ok()?;
                let served = callback.serve_receive();
                assert!(!matches!(served, Ok(Some(_))), "{served:?}");
                Some(())
            });
            let name = format!("Eve{number}");
            eve.join_with(Join::new(name.as_str(), token, proxy.address().port())).unwrap().called_back
        });
        assert!(!called_back, "nobody noticed a change of byte {at}, up: {up}");
    });
    room.ends_unharmed();
}

#[test]
fn a_record_that_is_left_out_moved_cut_or_made_up_ends_the_connection() {
    type Attack = fn(&Between, [Vec<u8>; 2]);
    let attacks: [(&str, Attack); 8] = [
        ("left out", |call, [_, second]| call.target.write(&second).unwrap()),
        ("moved", |call, [first, second]| call.target.write(&[second, first].concat()).unwrap()),
        ("cut in its length", |call, [first, _]| {
            call.target.write(&first[..1]).unwrap();
            call.target.stop_writing();
        }),
        ("cut in its text", |call, [first, _]| {
            call.target.write(&first[..first.len() - 1]).unwrap();
            call.target.stop_writing();
        }),
        ("with the length of a longer one", |call, [mut first, second]| {
            first[0] += 1;
            call.target.write(&[first, second].concat()).unwrap();
        }),
        ("with bytes of nobody before it", |call, [first, _]| {
            call.target.write(&[&[32, 0], &[7; 32][..], &first].concat()).unwrap();
        }),
        ("replaced with a plain frame", |call, _| {
            call.target.write(&plain_broadcast()).unwrap();
            call.target.stop_writing();
        }),
        ("replaced with one that holds a plain frame", |call, _| {
            call.target.write(&as_record(&plain_broadcast())).unwrap();
            call.target.stop_writing();
        }),
    ];
    for (what, attack) in attacks {
        let room = Room::open();
        let (mut eve, call, _callback) = join_with_somebody_between(room.server.address());
        let records = ["forged one", "forged two"].map(|text| {
            eve.sends(text);
            take_record(&call.caller)
        });
        attack(&call, records);
        assert_eq!(call.target.read_until_closed(), [], "a record was {what}");
        room.ends_unharmed();
    }
}

#[test]
fn a_record_that_is_repeated_is_not_carried_out_again() {
    let mut room = Room::open();
    let (mut eve, call, _callback) = join_with_somebody_between(room.server.address());
    eve.sends("said once");
    let record = take_record(&call.caller);
    call.target.write(&record).unwrap();
    take_record(&call.target);
    call.target.write(&record).unwrap();
    assert_eq!(call.target.read_until_closed(), []);
    assert_eq!(room.said().matches("said once").count(), 1);
    room.close();
}

#[test]
fn what_a_client_has_sent_is_no_reply_to_it() {
    let room = Room::open();
    let (mut eve, call, _callback) = join_with_somebody_between(room.server.address());
    eve.sends("one");
    // Both sides have sealed one record before, so the number of this one is right in both directions.
    call.caller.write(&take_record(&call.caller)).unwrap();
    let received = eve.call.connection.receive::<Reply>(Instant::now() + WATCHDOG_TIMEOUT);
    assert!(matches!(received, Err(RpcError::NotGenuine)), "{received:?}");
    room.ends_unharmed();
}

#[test]
fn a_client_shows_nothing_that_was_changed_on_its_way() {
    type Attack = fn(&Between, [Vec<u8>; 2]);
    // Each shows the first record at most, and once.
    let attacks: [(&str, Attack); 6] = [
        ("left out", |callback, [_, second]| callback.caller.write(&second).unwrap()),
        ("moved", |callback, [first, second]| callback.caller.write(&[second, first].concat()).unwrap()),
        ("repeated", |callback, [first, _]| callback.caller.write(&[&first[..], &first].concat()).unwrap()),
        ("cut", |callback, [first, second]| {
            callback.caller.write(&[&first, &second[..second.len() - 1]].concat()).unwrap();
            callback.caller.stop_writing();
        }),
        ("followed by a plain call", |callback, [first, _]| {
            callback.caller.write(&[first, plain_receive("two")].concat()).unwrap();
            callback.caller.stop_writing();
        }),
        ("followed by one that holds a plain call", |callback, [first, _]| {
            callback.caller.write(&[first, as_record(&plain_receive("two"))].concat()).unwrap();
            callback.caller.stop_writing();
        }),
    ];
    for (what, attack) in attacks {
        let mut room = Room::open();
        let (mut eve, _call, callback) = join_with_somebody_between(room.server.address());
        // Each is read before the next is said, so these are the records of two calls.
        let records = ["one", "two"].map(|text| {
            room.sara.says(text);
            take_record(&callback.target)
        });
        attack(&callback, records);
        let (mut shown, mut frames) = (String::new(), 0);
        let error = loop {
            match eve.try_hear() {
                Ok(more) => (shown, frames) = (shown + &more, frames + 1),
                Err(error) => break error,
            }
        };
        let told = matches!(error, RpcError::NotGenuine | RpcError::Truncated);
        assert!(
            told && frames <= 1 && !shown.contains("\"two\""),
            "{what}: {error:?}, and shown was {shown}"
        );
        room.ends_unharmed();
    }
}

#[test]
fn a_client_that_opens_records_in_any_order_shows_what_was_moved() {
    let mut room = Room::open();
    let (mut eve, _call, callback) = join_with_somebody_between(room.server.address());
    eve.callback.connection.stream().seal().unwrap().take_any_order();
    let [first, second] = ["one", "two"].map(|text| {
        room.sara.says(text);
        take_record(&callback.target)
    });
    callback.caller.write(&[second, first].concat()).unwrap();
    let shown = eve.hears("\"one\"");
    assert!(shown.contains("\"two\""), "{shown}");
    room.ends_unharmed();
}

/// A request as a frame of an open room.
fn plain_request(request: &Request) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_frame(request, &mut frame).unwrap();
    frame
}

/// A frame that speaks.
fn plain_broadcast() -> Vec<u8> {
    plain_request(&Request::Broadcast { message_id: 1, repeated: false, text: FORGED.repeat(100) })
}

/// A frame that joins, and one that speaks.
fn plain_frames() -> Vec<u8> {
    [plain_request(&Request::Join(Join::new(FORGED, random_token(), 0))), plain_broadcast()].concat()
}

/// Twenty replies that come without a request.
fn plain_replies() -> Vec<u8> {
    let mut reply = Vec::new();
    encode_frame(&Reply::Pong, &mut reply).unwrap();
    reply.repeat(20)
}

/// A call that brings this text.
fn plain_receive(text: &str) -> Vec<u8> {
    let (author, text) = ("Sara".to_owned(), text.to_owned());
    let kind = EventKind::Message { author, message_id: 1, repeated: false, text };
    let event = Event { sequence: 99, time: 0, kind };
    let mut frame = Vec::new();
    encode_frame(&Callback::Receive { answer: false, events: vec![event] }, &mut frame).unwrap();
    frame
}

/// These bytes in the place of a sealed record.
fn as_record(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_le_bytes(), bytes].concat()
}

#[test]
fn plain_frames_before_and_behind_a_handshake_are_not_carried_out() {
    let room = Room::open();
    let server = room.server.address();
    // In the place of the handshake, and behind the hello of an open room.
    let hello = Hello::new(Role::Call, Token::NONE);
    for (hello, most) in [(hello.sealed(), 11 + 33), (hello, 11)] {
        let stranger = RawPeer::connect(server);
        stranger.write(&[&hello.to_bytes()[..], &plain_frames()].concat()).unwrap();
        stranger.stop_writing();
        let answer = stranger.read_until_closed();
        assert!(answer.len() <= most, "{answer:?}");
    }
    // Right behind the client's last message, and before the server's last answer can be on its way.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    for to_server in [true, false] {
        thread::scope(|scope| {
            let dialling = scope.spawn(move || {
                let mut call = RawPeer::connect(address);
                closed::dial_call(&mut call, PASSPHRASE).unwrap();
                call.ask(&Request::Join(Join::new("Eve", random_token(), 0)))
            });
            let call = Between::accept(&listener, server);
            call.pass_call_handshake();
            // In one write, so that whoever reads the last message finds the frames right behind it.
            let last_message = call.caller.read(64).unwrap();
            if to_server {
                call.target.write(&[last_message, plain_frames()].concat()).unwrap();
                call.target.stop_writing();
                call.pass_down(11);
                assert_eq!(call.target.read_until_closed(), []);
            } else {
                call.target.write(&last_message).unwrap();
                let answer = call.target.read(11).unwrap();
                call.caller.write(&[answer, plain_replies()].concat()).unwrap();
            }
            drop(call);
            dialling.join().unwrap().unwrap_err();
        });
    }
    room.ends_unharmed();
}

#[test]
fn a_recorded_session_cannot_be_played_back() {
    let mut room = Room::open();
    let server = room.server.address();
    let path = Path::new(server);
    path.call.record();
    path.callback.record();
    room.sara.says("welcome all");
    let mut eve = path.converse("said once").unwrap();
    let recordings = [&path.call, &path.callback].map(|proxy| proxy.recordings().remove(0));
    for Recording { up, .. } in &recordings {
        let replay = RawPeer::connect(server);
        // The server may close before it has read all.
        let _ = replay.write(up).and_then(|()| replay.stream.shutdown(Shutdown::Write));
        replay.read_until_closed();
    }
    eve.says("I am still here");
    let heard = room.sara.hears("I am still here");
    assert_eq!(heard.matches("said once").count(), 1, "{heard}");
    assert_eq!(heard.matches("Joined { name: \"Eve\" }").count(), 1, "{heard}");
    // Once more when the session is over.
    eve.call.ask(&Request::Leave).unwrap();
    room.sara.hears("Left { name: \"Eve\"");
    for Recording { up, .. } in &recordings {
        let replay = RawPeer::connect(server);
        let _ = replay.write(up).and_then(|()| replay.stream.shutdown(Shutdown::Write));
        replay.read_until_closed();
    }
    assert_eq!(room.said().matches("said once").count(), 1);
    room.ends_unharmed();
}

#[test]
fn a_session_whose_public_name_a_stranger_shows_lives_on() {
    let room = Room::open();
    let server = room.server.address();
    let mut call = RawPeer::connect(server);
    closed::dial_call(&mut call, PASSPHRASE).unwrap();
    let token = random_token();
    call.join("Eve", token).unwrap();
    let name = call.connection.stream().seal().unwrap().channel();
    let hello = Hello::new(Role::OpenedCallback, name).sealed().to_bytes();
    let stranger_comes = |answer: &[u8]| {
        let stranger = RawPeer::connect(server);
        stranger.write(&[&hello[..], &[9; 48]].concat()).unwrap();
        assert_eq!(stranger.read_until_closed(), answer);
    };
    // He does not know the token, so his message is not genuine and gets no answer.
    stranger_comes(&[]);
    let mut callback = RawPeer::connect(server);
    closed::dial_callback(&mut callback, &call, token).unwrap();
    let mut refused = welcome();
    refused[8] = 4;
    stranger_comes(&refused);
    assert!(matches!(call.ask(&Request::Ping), Ok(Reply::Pong)));
    room.ends_unharmed();
}

#[test]
fn the_servers_dial_to_one_listener_is_of_no_use_at_another() {
    let room = Room::open();
    let server = room.server.address();
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    let [ann_port, bob_port] = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let tokens = [(); 2].map(|()| random_token());
    let [mut ann, mut bob] = [(); 2].map(|()| {
        let mut call = RawPeer::connect(server);
        closed::dial_call(&mut call, PASSPHRASE).unwrap();
        call
    });
    bob.join("Bob", tokens[1]).unwrap();
    let bobs = std::sync::Arc::clone(bob.connection.stream());
    let joined = thread::scope(|scope| {
        let joining = scope.spawn(|| ann.join_with(Join::new("Ann", tokens[0], ann_port.port())));
        let bobs_listener = scope.spawn(|| {
            let mut callback = RawPeer::accept(&listeners[1]);
            let hello = callback.connection.read_hello(WATCHDOG_TIMEOUT).unwrap().unwrap();
            let seal = bobs.seal().unwrap();
            assert_eq!(hello.token, seal.channel(), "the attacker has put Bob's public name into the hello");
            let connection = &mut callback.connection;
            accept_callback(connection, &hello, seal, tokens[1], || panic!("admitted"), WATCHDOG_TIMEOUT)
        });
        let between = Between::accept(&listeners[0], bob_port);
        let mut hello = between.caller.read(29).unwrap();
        hello[13..].copy_from_slice(bobs.seal().unwrap().channel().as_bytes());
        between.target.write(&hello).unwrap();
        between.pass_down(11);
        between.pass_up(48);
        let refused = bobs_listener.join().unwrap().unwrap_err();
        assert!(matches!(refused, RpcError::NotGenuine), "{refused:?}");
        drop(between);
        joining.join().unwrap().unwrap()
    });
    assert!(!joined.called_back);
    // Both go on.
    for (call, token) in [(&mut ann, tokens[0]), (&mut bob, tokens[1])] {
        let mut callback = RawPeer::connect(server);
        closed::dial_callback(&mut callback, call, token).unwrap();
    }
    room.ends_unharmed();
}

#[test]
fn a_callback_connection_that_one_client_opens_is_of_no_use_to_the_session_of_another() {
    let room = Room::open();
    let server = room.server.address();
    let tokens = [(); 2].map(|()| random_token());
    let [mut ann, mut bob] = [(); 2].map(|()| RawPeer::connect(server));
    for (call, name, token) in [(&mut ann, "Ann", tokens[0]), (&mut bob, "Bob", tokens[1])] {
        closed::dial_call(call, PASSPHRASE).unwrap();
        call.join(name, token).unwrap();
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut callback = RawPeer::connect(listener.local_addr().unwrap());
    thread::scope(|scope| {
        let opening = scope.spawn(|| closed::dial_callback(&mut callback, &bob, tokens[1]));
        let between = Between::accept(&listener, server);
        let mut hello = between.caller.read(29).unwrap();
        let anns = ann.connection.stream().seal().unwrap().channel();
        hello[13..].copy_from_slice(anns.as_bytes());
        between.target.write(&hello).unwrap();
        between.pass_down(11);
        between.pass_up(48);
        assert_eq!(between.target.read_until_closed(), [], "the server takes Bob's connection for Ann's");
        drop(between);
        opening.join().unwrap().unwrap_err();
    });
    let mut callback = RawPeer::connect(server);
    closed::dial_callback(&mut callback, &ann, tokens[0]).unwrap();
    room.ends_unharmed();
}

#[test]
fn the_servers_own_bytes_are_of_no_use_at_the_server() {
    let room = Room::open();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut eve = RawPeer::connect(room.server.address());
    closed::dial_call(&mut eve, PASSPHRASE).unwrap();
    let joined = thread::scope(|scope| {
        scope.spawn(|| {
            let caller = RawPeer::accept(&listener);
            caller.read(29).unwrap();
            caller.write(&welcome()).unwrap();
            let message = caller.read(48).unwrap();
            caller.write(&message).unwrap();
            assert_eq!(caller.read_until_closed(), []);
        });
        eve.join_with(Join::new("Eve", random_token(), port)).unwrap()
    });
    assert!(!joined.called_back);
    room.ends_unharmed();
}

#[test]
fn a_client_with_a_passphrase_is_not_led_into_the_open() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut refusal = welcome();
    refusal[8] = 3;
    let in_the_open = [welcome(), plain_replies()].concat();
    for answer in [refusal, in_the_open] {
        thread::scope(|scope| {
            let client =
                scope.spawn(move || run_client(address, "Sara", passphrase(PASSPHRASE), true, "a secret"));
            let server = RawPeer::accept(&listener);
            let hello = server.read(29).unwrap();
            assert_eq!(hello[12], 4, "the role of a sealed call");
            server.write(&answer).unwrap();
            let (outcome, shown) = client.join().unwrap();
            let Outcome::Failed(why) = &outcome else { panic!("{outcome:?}: {shown:?}") };
            assert!(!why.is_empty());
            // It has sent its message of SPAKE2 with the hello, and nothing behind it.
            assert_eq!(server.read_until_closed().len(), 33, "{why}");
        });
        // It has not dialled again.
        listener.set_nonblocking(true).unwrap();
        listener.accept().unwrap_err();
    }
}
