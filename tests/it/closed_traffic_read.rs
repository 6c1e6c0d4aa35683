//! Somebody who records all traffic of a closed room finds no text, no name and no token in it.

use chat_client::{AccessOptions, Channels, Input, JoinOptions, MemberOptions, Stop, UiEvent, Utterance};
use chat_common::{handshake::sealed::accept_callback, wire::protocol::Join};
use chat_tests::{
    closed,
    proxy::{Proxy, Recording},
    raw::{random_token, RawPeer},
    server::TestServer,
    watchdog::WATCHDOG_TIMEOUT,
};
use crossbeam_channel::{bounded, unbounded, Receiver, Sender};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, Scope},
};

const PASSPHRASE: &str = "lamp river";
const NAMES: [&str; 3] = ["Annabella", "Roberta", "Clementine"];
const TEXTS: [&str; 4] = ["the first word", "a word back", "between the two of us", "after the cut"];

/// A client that a test types into.
struct Typist {
    input_tx: Sender<Input>,
    stop_tx: Sender<Stop>,
    shown_rx: Receiver<UiEvent>,
}

impl Typist {
    fn join<'scope>(
        scope: &'scope Scope<'scope, '_>,
        server: SocketAddr,
        name: &str,
        closed: bool,
    ) -> Typist {
        let (input_tx, input_rx) = unbounded();
        let (stop_tx, stop_rx) = bounded(1);
        let (shown_tx, shown_rx) = unbounded();
        let credentials = closed.then(|| closed::credentials(PASSPHRASE));
        let options = JoinOptions {
            member: MemberOptions { name: Some(name.to_owned()), dials: true, ..MemberOptions::default() },
            stay: true,
            access: AccessOptions { credentials, ..AccessOptions::default() },
            ..JoinOptions::new(server.to_string())
        };
        scope.spawn(move || {
            chat_client::run(&options, &Channels { input_rx, stop_rx }, &|event| {
                let _ = shown_tx.send(event);
            })
        });
        let typist = Typist { input_tx, stop_tx, shown_rx };
        typist.sees("Connected");
        typist
    }

    fn wants(&self, input: impl Into<Input>) {
        self.input_tx.send(input.into()).unwrap();
    }

    fn sees(&self, wanted: &str) {
        let mut seen = String::new();
        while !seen.contains(wanted) {
            let event = self.shown_rx.recv_timeout(WATCHDOG_TIMEOUT);
            seen += &format!("{:?}\n", event.unwrap_or_else(|_| panic!("waited for {wanted:?}, saw {seen}")));
        }
    }
}

/// Two people talk through the proxy. It returns when everything has happened.
fn talk(server: SocketAddr, closed: bool) -> Vec<Recording> {
    let proxy = Proxy::start(server);
    proxy.record();
    thread::scope(|scope| {
        let [ann, bob] = [NAMES[0], NAMES[1]].map(|name| Typist::join(scope, proxy.address(), name, closed));
        ann.wants(Utterance::Message(TEXTS[0].into()));
        bob.sees(TEXTS[0]);
        bob.wants(Utterance::Message(TEXTS[1].into()));
        ann.sees(TEXTS[1]);
        ann.wants(Utterance::Private { to: NAMES[1].into(), text: TEXTS[2].into() });
        bob.sees(TEXTS[2]);
        bob.wants(Input::Who(None));
        bob.sees("People");
        ann.wants(Input::Rename(NAMES[2].into()));
        bob.sees(NAMES[2]);
        proxy.cut();
        ann.sees("Resumed");
        bob.sees("Resumed");
        ann.wants(Utterance::Message(TEXTS[3].into()));
        bob.sees(TEXTS[3]);
        for person in [ann, bob] {
            person.stop_tx.send(Stop::Now).unwrap();
        }
    });
    proxy.recordings()
}

/// Whether these bytes are somewhere in the recordings.
fn is_in(recordings: &[Recording], wanted: &[u8]) -> bool {
    recordings
        .iter()
        .flat_map(|Recording { up, down }| [up, down])
        .any(|bytes| bytes.windows(wanted.len()).any(|window| window == wanted))
}

/// Everything that was said, and who said it. In an open room all of it is in the traffic.
fn secrets() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain(TEXTS)
}

#[test]
fn the_traffic_of_an_open_room_holds_every_word() {
    let server = TestServer::that_is_open();
    let recordings = talk(server.address(), false);
    for secret in secrets() {
        assert!(is_in(&recordings, secret.as_bytes()), "{secret:?}");
    }
    server.stop();
}

#[test]
fn the_traffic_of_a_closed_room_holds_no_text_and_no_name() {
    let server = closed::server(PASSPHRASE);
    let recordings = talk(server.address(), true);
    assert!(recordings.len() >= 8, "two people with two connections each, twice");
    for secret in secrets().chain(PASSPHRASE.split(' ')) {
        assert!(!is_in(&recordings, secret.as_bytes()), "{secret:?}");
    }
    server.stop();
}

#[test]
fn the_traffic_of_a_closed_room_holds_no_token() {
    let server = closed::server(PASSPHRASE);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let to_server = Proxy::start(server.address());
    let to_listener = Proxy::start(listener.local_addr().unwrap());
    to_server.record();
    to_listener.record();
    let mut recordings = Vec::new();
    for listens in [true, false] {
        let token = random_token();
        let name = format!("{}{listens}", NAMES[0]);
        let mut call = RawPeer::connect(to_server.address());
        closed::dial_call(&mut call, PASSPHRASE).unwrap();
        let stream = Arc::clone(call.connection.stream());
        if listens {
            let (joined, _callback) = thread::scope(|scope| {
                let accepting = scope.spawn(|| {
                    let mut callback = RawPeer::accept(&listener);
                    let connection = &mut callback.connection;
                    let hello = connection.read_hello(WATCHDOG_TIMEOUT).unwrap().unwrap();
                    let seal = stream.seal().unwrap();
                    accept_callback(connection, &hello, seal, token, || true, WATCHDOG_TIMEOUT).unwrap();
                    callback
                });
                let join = Join::new(name.as_str(), token, to_listener.address().port());
                // The server ends a session whose callback connection ends, so this is kept until then.
                (call.join_with(join).unwrap(), accepting.join().unwrap())
            });
            assert!(joined.called_back);
        } else {
            call.join(&name, token).unwrap();
            let mut callback = RawPeer::connect(to_server.address());
            closed::dial_callback(&mut callback, &call, token).unwrap();
        }
        recordings.extend(to_server.recordings());
        recordings.extend(to_listener.recordings());
        for secret in [&token.as_bytes()[..], NAMES[0].as_bytes()] {
            assert!(!is_in(&recordings, secret));
        }
        // What is shown instead of the token.
        assert!(is_in(&recordings, stream.seal().unwrap().channel().as_bytes()));
    }
    server.stop();
}
