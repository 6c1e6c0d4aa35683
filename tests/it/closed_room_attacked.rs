//! An attacker with all recorded traffic, a live server and a list of words that holds the passphrase does
//! not find it. The same program finds it where the passphrase itself is a key, and where the one guess is
//! right.

use chat_client::Outcome;
use chat_common::{
    handshake::{passphrase::KeyUse, passphrase::Passphrase},
    wire::{error::RpcError, status::Status},
};
use chat_server::{Bytes, Limits};
use chat_tests::{
    closed::{self, passphrase, run_client, Peer},
    proxy::{Proxy, Recording},
    raw::{welcome, RawPeer},
    watchdog::poll,
};
use snow::{
    params::CipherChoice,
    resolvers::{CryptoResolver, RingResolver},
    Builder, HandshakeState,
};
use spake2::{Ed25519Group, Identity, Password, Spake2};
use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
};

const PASSPHRASE: &str = "lamp river";
const CALL: &str = "Noise_XXpsk3_25519_AESGCM_SHA256";
/// The handshake of a call connection whose first message already depends on the key.
const CALL_WITH_EARLY_KEY: &str = "Noise_XXpsk0_25519_AESGCM_SHA256";
const CALLBACK: &str = "Noise_NNpsk0_25519_AESGCM_SHA256";
/// The attacker's own keys.
const EPHEMERAL: [u8; 32] = [0x42; 32];
const STATIC: [u8; 32] = [0x24; 32];

/// The list of words. It holds the passphrase.
fn words() -> Vec<String> {
    let words = (0..20).map(|number| format!("lamp river {number}"));
    words.chain([PASSPHRASE.to_owned(), "lamp rivet".to_owned()]).collect()
}

fn array(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    bytes.iter().zip(&mut array).for_each(|(byte, place)| *place = *byte);
    array
}

/// What the attacker knows of one handshake. `to_server` and `to_client` are the messages of SPAKE2.
struct Seen {
    prologue: Vec<u8>,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    /// The messages of Noise.
    messages: Vec<Vec<u8>>,
    /// What follows them: records of both directions, without their lengths.
    records: Vec<Vec<u8>>,
    /// What the attacker tried in an exchange of his own, and the key that came of it.
    tried: Option<(String, [u8; 32])>,
}

type Start = fn(&Password, &Identity, &Identity) -> (Spake2<Ed25519Group>, Vec<u8>);

fn exchange(start: Start, word: &str) -> (Spake2<Ed25519Group>, Vec<u8>) {
    let names = [&b"rpc-chat client"[..], b"rpc-chat server"].map(Identity::new);
    start(&Password::new(word.as_bytes()), &names[0], &names[1])
}

impl Seen {
    /// Every key that can be computed from the word and from what was seen.
    fn keys(&self, word: &str) -> Vec<[u8; 32]> {
        let finish = |start: Start, message: &[u8]| exchange(start, word).0.finish(message).ok();
        let exchanged = [finish(Spake2::start_b, &self.to_server), finish(Spake2::start_a, &self.to_client)];
        let mut keys = vec![array(word.as_bytes())];
        keys.extend(exchanged.into_iter().flatten().map(|key| array(&key)));
        keys.extend(self.tried.iter().filter(|(tried, _)| tried == word).map(|(_, key)| *key));
        keys
    }

    /// Whether the word opens anything that was seen.
    fn opens(&self, word: &str) -> bool {
        self.keys(word).iter().any(|key| {
            self.opens_as_responder(key)
                || self.opens_as_first(CALL_WITH_EARLY_KEY, key)
                || self.opens_as_first(CALLBACK, key)
                || self.opens_directly(key)
        })
    }

    /// With a key of the attacker's own in the place of the server's.
    fn opens_as_responder(&self, psk: &[u8; 32]) -> bool {
        let [first, _, third] = &self.messages[..] else { return false };
        let mut state = responder(psk, &self.prologue);
        // Everybody can read the first message: it holds nothing but a public key. It cannot be read where it
        // depends on the key.
        if state.read_message(first, &mut []).is_err() {
            return false;
        }
        state.write_message(&[], &mut [0; 96]).unwrap();
        state.read_message(third, &mut []).is_ok()
    }

    /// As a handshake whose first message shows whether its key is right, as that of a callback connection.
    fn opens_as_first(&self, handshake: &str, psk: &[u8; 32]) -> bool {
        let builder = Builder::new(handshake.parse().unwrap()).psk(0, psk).unwrap();
        let builder = builder.local_private_key(&STATIC).unwrap();
        let mut state = builder.prologue(&self.prologue).unwrap().build_responder().unwrap();
        state.read_message(&self.messages[0], &mut []).is_ok()
    }

    /// As the key of the cipher itself, for each sealed part and each small nonce.
    fn opens_directly(&self, key: &[u8; 32]) -> bool {
        let mut cipher = RingResolver.resolve_cipher(&CipherChoice::AESGCM).unwrap();
        cipher.set(key);
        self.messages.iter().chain(&self.records).filter(|sealed| sealed.len() >= 16).any(|sealed| {
            (0..4).any(|nonce| cipher.decrypt(nonce, &[], sealed, &mut vec![0; sealed.len()]).is_ok())
        })
    }

    /// The whole attack, offline: which words fit.
    fn find(&self) -> Vec<String> {
        words().into_iter().filter(|word| self.opens(word)).collect()
    }
}

fn responder(psk: &[u8; 32], prologue: &[u8]) -> HandshakeState {
    let builder = Builder::new(CALL.parse().unwrap()).psk(3, psk).unwrap().prologue(prologue).unwrap();
    let builder = builder.fixed_ephemeral_key_for_testing_only(&EPHEMERAL);
    builder.local_private_key(&STATIC).unwrap().build_responder().unwrap()
}

/// Takes bytes from the front.
fn take(from: &mut &[u8], count: usize) -> Vec<u8> {
    let (taken, rest) = from.split_at(count);
    *from = rest;
    taken.to_vec()
}

fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let length = u16::from_le_bytes(take(&mut bytes, 2).try_into().unwrap());
        records.push(take(&mut bytes, length.into()));
    }
    records
}

/// Reads a recording of a call connection.
fn seen_call(recording: &Recording) -> Seen {
    let (up, down) = (&mut &recording.up[..], &mut &recording.down[..]);
    let hello = [take(up, 29), take(down, 11)].concat();
    let (to_server, to_client) = (take(up, 33), take(down, 33));
    let messages = vec![take(up, 48), take(down, 96), take(up, 64)];
    assert_eq!(take(down, 11), welcome());
    let prologue = [hello, to_server.clone(), to_client.clone()].concat();
    let records = [records(up), records(down)].concat();
    Seen { prologue, to_server, to_client, messages, records, tried: None }
}

/// Reads a recording of the callback connection of the same session.
fn seen_callback(call: &Seen, recording: &Recording) -> Seen {
    let (up, down) = (&mut &recording.up[..], &mut &recording.down[..]);
    let prologue = [take(up, 29), take(down, 11)].concat();
    let messages = vec![take(up, 48), take(down, 48)];
    let records = [records(up), records(down)].concat();
    let (to_server, to_client) = (call.to_server.clone(), call.to_client.clone());
    Seen { prologue, to_server, to_client, messages, records, tried: None }
}

#[test]
fn a_recording_and_the_passphrase_open_nothing() {
    let server = closed::server(PASSPHRASE);
    let proxy = Proxy::start(server.address());
    proxy.record();
    let mut sara = Peer::join(proxy.address(), PASSPHRASE, "Sara");
    let mut tom = Peer::join(server.address(), PASSPHRASE, "Tom");
    tom.says("hello Sara");
    sara.hears("hello Sara");
    sara.says("hello Tom");
    let [call, callback] = &proxy.recordings()[..] else { panic!("a session has two connections") };
    let call = seen_call(call);
    let callback = seen_callback(&call, callback);
    assert!(call.records.len() >= 4 && !callback.records.is_empty());
    for seen in [call, callback] {
        assert_eq!(seen.find(), [""; 0]);
    }
    // A server that stops waits for its members.
    drop((sara, tom));
    server.stop();
}

#[test]
fn a_recording_of_a_room_whose_first_message_has_the_passphrase_as_its_key_gives_it() {
    let passphrase = || passphrase(PASSPHRASE).used_as_key(KeyUse::Early);
    let server = closed::server_with_passphrase(passphrase());
    let proxy = Proxy::start(server.address());
    proxy.record();
    let (outcome, shown) = run_client(proxy.address(), "Sara", passphrase(), false, "hello");
    assert!(matches!(outcome, Outcome::Left), "{outcome:?}: {shown:?}");
    let call = seen_call(&proxy.recordings()[0]);
    assert_eq!(call.find(), [PASSPHRASE]);
    server.stop();
}

#[test]
fn a_callback_whose_key_is_the_passphrase_gives_it() {
    let prologue = b"so far".to_vec();
    let builder = Builder::new(CALLBACK.parse().unwrap()).prologue(&prologue).unwrap();
    let psk = array(PASSPHRASE.as_bytes());
    let mut first = vec![0; 48];
    builder.psk(0, &psk).unwrap().build_initiator().unwrap().write_message(&[], &mut first).unwrap();
    let [to_server, to_client] = [vec![0; 33], vec![0; 33]];
    let messages = vec![first];
    let seen = Seen { prologue, to_server, to_client, messages, records: Vec::new(), tried: None };
    assert_eq!(seen.find(), [PASSPHRASE]);
}

/// Plays the server for one connection, with one guess, and returns what it has seen.
fn impersonate(listener: &TcpListener, guess: &str) -> Seen {
    let client = RawPeer::accept(listener);
    let read = |count| client.read(count).unwrap();
    let write = |bytes: &[u8]| client.write(bytes).unwrap();
    let hello = read(29);
    write(&welcome());
    let to_server = read(33);
    let (state, to_client) = exchange(Spake2::start_b, guess);
    write(&to_client);
    let tried = state.finish(&to_server).ok().map(|key| (guess.to_owned(), array(&key)));
    let prologue = [hello, welcome(), to_server.clone(), to_client.clone()].concat();
    let first = read(48);
    let mut noise = responder(&[0; 32], &prologue);
    noise.read_message(&first, &mut []).unwrap();
    let mut second = vec![0; 96];
    noise.write_message(&[], &mut second).unwrap();
    write(&second);
    let messages = vec![first, second, read(64)];
    Seen { prologue, to_server, to_client, messages, records: Vec::new(), tried }
}

/// Lets a client that knows no key of the room meet an impostor. Returns the words that the impostor finds.
fn meets_an_impostor(passphrase: Passphrase, guess: &str) -> Vec<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let seen = thread::scope(|scope| {
        let client = scope.spawn(move || run_client(address, "Sara", passphrase, true, "hello"));
        let seen = impersonate(&listener, guess);
        // The client does not dial again, which would be a second guess.
        listener.set_nonblocking(true).unwrap();
        poll("the client to end", || {
            let has_ended = client.is_finished();
            let again = listener.accept().map(drop).map_err(|error| error.kind());
            assert_eq!(again, Err(ErrorKind::WouldBlock), "the client dials again");
            has_ended.then_some(())
        });
        let (outcome, shown) = client.join().unwrap();
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}: {shown:?}");
        seen
    });
    seen.find()
}

#[test]
fn an_impostor_tries_one_word_and_no_more() {
    assert_eq!(meets_an_impostor(passphrase(PASSPHRASE), "lamp rivet"), [""; 0]);
}

#[test]
fn an_impostor_whose_one_word_is_right_learns_that() {
    assert_eq!(meets_an_impostor(passphrase(PASSPHRASE), PASSPHRASE), [PASSPHRASE]);
}

#[test]
fn an_impostor_finds_the_passphrase_of_a_client_that_uses_it_as_the_key() {
    assert_eq!(
        meets_an_impostor(passphrase(PASSPHRASE).used_as_key(KeyUse::Late), "lamp rivet"),
        [PASSPHRASE]
    );
}

/// Dials the server with a wrong word. Returns what the server sent after its message of SPAKE2.
fn guess(server: SocketAddr, word: &str) -> RpcError {
    let mut call = RawPeer::connect(server);
    let refused = closed::dial_call(&mut call, word).unwrap_err();
    assert_eq!(call.read_until_closed(), [], "the connection is over, and with it the guess");
    refused
}

#[test]
fn each_guess_at_a_server_costs_a_connection_and_honest_people_still_come_in() {
    let server = closed::server(PASSPHRASE);
    for word in ["lamp rivet", "lamp", "river lamp"] {
        let refused = guess(server.address(), word);
        assert!(matches!(refused, RpcError::Refused { status: Status::WrongPassphrase, .. }), "{refused:?}");
    }
    let mut sara = Peer::join(server.address(), PASSPHRASE, "Sara");
    sara.says("hello");
    drop(sara);
    server.stop();
}

#[test]
fn a_handshake_fits_into_the_smallest_stack() {
    let limits = Limits { thread_stack: Bytes(64 << 10), ..Limits::default() };
    let server = closed::server_with(PASSPHRASE, limits);
    guess(server.address(), "lamp rivet");
    let mut sara = Peer::join(server.address(), PASSPHRASE, "Sara");
    sara.says("hello");
    drop(sara);
    server.stop();
}
