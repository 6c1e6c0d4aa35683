//! A closed room, its client, and a member that a test drives by hand, one step at a time.

use crate::{
    raw::{random_token, RawPeer},
    server::{without_rate_limit, TestServer},
    watchdog::WATCHDOG_TIMEOUT,
};
use chat_client::{AccessOptions, Channels, Input, JoinOptions, MemberOptions, Outcome, UiEvent};
use chat_common::{
    handshake::{credentials::Credentials, passphrase::Passphrase, sealed},
    wire::{
        error::RpcError,
        frame::encode_frame,
        protocol::{Callback, Join, Reply, Request},
        seal::KeyPair,
        token::Token,
    },
};
use chat_server::{Limits, Settings};
use crossbeam_channel::{bounded, unbounded};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// How long a client tries to join. One that does not try again ends before that.
const CLIENT_WAIT: Duration = Duration::from_secs(20);
/// Longer than any test. The members of these tests are slow, because nothing serves them.
const PATIENCE: Duration = Duration::from_secs(600);

/// Starts a closed room whose limits no slow test reaches.
///
/// # Panics
/// When this is no passphrase.
pub fn server(words: &str) -> TestServer {
    server_with(words, patient_limits())
}

/// Starts such a room with this passphrase, which may have a bug.
pub fn server_with_passphrase(passphrase: Passphrase) -> TestServer {
    server_of(Credentials { passphrase, key: new_key() }, patient_limits())
}

fn patient_limits() -> Limits {
    Limits {
        hello_timeout: PATIENCE,
        join_timeout: PATIENCE,
        frame_timeout: PATIENCE,
        receive_timeout: PATIENCE,
        ping_after: PATIENCE,
        dead_after: PATIENCE,
        ..without_rate_limit()
    }
}

/// Starts a closed room with these limits.
///
/// # Panics
/// When this is no passphrase.
pub fn server_with(words: &str, limits: Limits) -> TestServer {
    server_of(credentials(words), limits)
}

/// Starts this closed room with these limits.
pub fn server_of(room: Credentials, limits: Limits) -> TestServer {
    let settings = Settings { limits, closed: Some(room), ..Settings::default() };
    TestServer::with_settings("127.0.0.1:0", settings)
}

/// Returns what a room, or a client, shows that has this passphrase and a new key.
///
/// # Panics
/// When this is no passphrase.
pub fn credentials(words: &str) -> Credentials {
    Credentials { passphrase: passphrase(words), key: new_key() }
}

/// Returns a key that nobody else has.
///
/// # Panics
/// When this system has no random bytes.
pub fn new_key() -> KeyPair {
    KeyPair::generate().expect("this system has a random source")
}

/// Returns the passphrase.
///
/// # Panics
/// When this is none.
pub fn passphrase(words: &str) -> Passphrase {
    Passphrase::new(words).expect("the test has a valid passphrase")
}

/// Returns the options of a client with this name and a new key.
pub fn join_options(server: SocketAddr, name: &str, passphrase: Passphrase) -> JoinOptions {
    JoinOptions {
        member: MemberOptions { name: Some(name.to_owned()), ..MemberOptions::default() },
        access: AccessOptions {
            credentials: Some(Credentials { passphrase, key: new_key() }),
            ..AccessOptions::default()
        },
        ..JoinOptions::new(server.to_string())
    }
}

/// Runs a client that says one line and leaves. It tries to join again where that may help. Returns
/// how it ended, and what it showed.
pub fn run_client(
    server: SocketAddr,
    name: &str,
    passphrase: Passphrase,
    listen: bool,
    line: &str,
) -> (Outcome, Vec<UiEvent>) {
    let (input_tx, input_rx) = unbounded();
    let (_stop_tx, stop_rx) = bounded(1);
    let mut options = JoinOptions { wait: Some(CLIENT_WAIT), ..join_options(server, name, passphrase) };
    options.member.dials = !listen;
    input_tx.send(Input::message(line)).unwrap();
    input_tx.send(Input::End).unwrap();
    let (shown_tx, shown_rx) = unbounded();
    let outcome = chat_client::run(&options, &Channels { input_rx, stop_rx }, &|event| {
        let _ = shown_tx.send(event);
    });
    (outcome, shown_rx.try_iter().collect())
}

/// A member with both connections. It opens the callback connection itself.
#[derive(Debug)]
pub struct Peer {
    /// The call connection, after its handshake.
    pub call: RawPeer,
    /// The callback connection, after its handshake.
    pub callback: RawPeer,
    /// The session's secret.
    pub token: Token,
    last_message_id: u64,
}

/// Opens a call connection with the handshake of a client that has a new key, over a connection that is open
/// already.
///
/// # Errors
/// As [`sealed::dial_call`].
pub fn dial_call(call: &mut RawPeer, words: &str) -> Result<(), RpcError> {
    dial_call_with(call, &credentials(words))
}

/// Opens a call connection as [`dial_call`] does, for a client with these credentials.
///
/// # Errors
/// As [`sealed::dial_call`].
pub fn dial_call_with(call: &mut RawPeer, credentials: &Credentials) -> Result<(), RpcError> {
    sealed::dial_call(&mut call.connection, None, credentials, |_| true, WATCHDOG_TIMEOUT).map(drop)
}

/// Opens a callback connection for the session of `call`, over a connection that is open already.
///
/// # Errors
/// As [`RawPeer::open_callback`].
pub fn dial_callback(callback: &mut RawPeer, call: &RawPeer, token: Token) -> Result<(), RpcError> {
    callback.open_callback(call, token)
}

impl Peer {
    /// Joins under this name.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn join(server: SocketAddr, passphrase: &str, name: &str) -> Peer {
        let [call, callback] = [(); 2].map(|()| RawPeer::connect(server));
        Peer::join_over(call, callback, passphrase, Join::new(name, random_token(), 0))
            .expect("the server accepts who knows the passphrase")
    }

    /// Joins with these fields over these two connections, which are open already.
    ///
    /// # Errors
    /// When a handshake fails, or a connection is lost.
    ///
    /// # Panics
    /// When the server refuses the Join.
    pub fn join_over(
        mut call: RawPeer,
        mut callback: RawPeer,
        passphrase: &str,
        join: Join,
    ) -> Result<Peer, RpcError> {
        let token = join.token;
        dial_call(&mut call, passphrase)?;
        match call.ask(&Request::Join(join))? {
            Reply::Joined(_) => {}
            other => panic!("the server replied to a Join with {other:?}"),
        }
        callback.open_callback(&call, token)?;
        Ok(Peer { call, callback, token, last_message_id: 0 })
    }

    /// Says something to all.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn try_say(&mut self, text: &str) -> Result<Reply, RpcError> {
        let message = self.message(text);
        self.call.ask(&message)
    }

    /// Says something to all.
    ///
    /// # Panics
    /// When the server does not accept it.
    pub fn says(&mut self, text: &str) {
        let reply = self.try_say(text).expect("the server replies");
        assert!(matches!(reply, Reply::Accepted { .. }), "{reply:?}");
    }

    /// Serves `Receive` until a printed event contains `wanted`, and returns all events until there.
    ///
    /// # Panics
    /// When the connection ends before that, or nothing comes within the watchdog's timeout.
    pub fn hears(&mut self, wanted: &str) -> String {
        let mut heard = String::new();
        while !heard.contains(wanted) {
            let more = self.try_hear();
            heard += &more.unwrap_or_else(|error| {
                panic!("waited for {wanted:?}, and then came {error}; before that came {heard}")
            });
        }
        heard
    }

    /// Serves one `Receive`, and returns its printed events.
    ///
    /// # Errors
    /// When the connection ends instead.
    pub fn try_hear(&mut self) -> Result<String, RpcError> {
        let Callback::Receive { events, .. } = self.callback.serve_receive()?.ok_or(RpcError::Closed)?;
        Ok(events.iter().map(|event| format!("{:?}\n", event.kind)).collect())
    }

    /// Sends a message to all, and does not wait for the reply.
    ///
    /// # Panics
    /// When the connection is broken.
    pub fn sends(&mut self, text: &str) {
        let mut frame = Vec::new();
        encode_frame(&self.message(text), &mut frame).expect("a message encodes");
        let deadline = Instant::now() + WATCHDOG_TIMEOUT;
        self.call.connection.stream().write_all(&frame, deadline).expect("the connection is open");
    }

    fn message(&mut self, text: &str) -> Request {
        self.last_message_id += 1;
        Request::Broadcast { message_id: self.last_message_id, repeated: false, text: text.to_owned() }
    }
}
