//! The handshakes of a closed room, over a connection whose hello is on its way. Runs on the thread that owns
//! the connection.
//!
//! Requirements:
//! - A peer MUST NOT learn more than whether the one passphrase that it tried is right.
//! - A dialling side that knows the key of its room MUST NOT send anything that a wrong peer could use, so it
//!   checks the key before its last message.
//! - Nothing MUST be shown or carried out that came before the last message of a handshake.
//!
//! Each message has a fixed length, so the handshake allocates what it needs and no more. A message that is
//! not genuine ends the connection.
//!
//! A side sends its first message together with its hello or its answer, where it can, and does not wait
//! between the two. It understands a peer that waits.
//!
//! What a client that guesses learns from each message of a call's handshake:
//!
//! | message | what depends on the passphrase | what the client learns of it |
//! |---|---|---|
//! | both of SPAKE2 | a point that hides it | nothing: every passphrase fits |
//! | first and second of Noise | nothing: the key of the exchange is not mixed in yet | nothing |
//! | third of Noise, the client's | the key is mixed in, so the server can check it | nothing |
//! | the server's verdict | whether that was right | one guess |
//!
//! So nobody learns anything from a handshake that ends before the third message, and it need not count as a
//! guess. [`accept_call`] says first, and before the verdict, whether a passphrase was right. Its caller
//! counts the guess, and can have the verdict withheld. A client that leaves before it reads the verdict has
//! spent its guess all the same.

use super::{credentials::Credentials, exchange::MESSAGE_BYTES};
use crate::wire::{
    error::RpcError,
    hello::{answer_bytes, Hello, Role},
    rpc::Connection,
    seal::{
        noise::{Handshake, NotGenuine, Side, CALL, CALLBACK, KEY_BYTES},
        PublicKey, Seal,
    },
    status::Status,
    token::Token,
};
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

impl From<NotGenuine> for RpcError {
    fn from(_: NotGenuine) -> RpcError {
        RpcError::NotGenuine
    }
}

/// Opens a call connection to a closed room, for this guest if there is one, and returns the room's key.
/// `accepts` says whether the room may have the key that it shows. The peer has shown that it knows the
/// passphrase when its first reply comes.
///
/// # Blocking
/// On the server, for `timeout` at most. Shutting the stream down wakes it.
///
/// # Errors
/// [`RpcError::OtherKey`] when `accepts` returns false. [`RpcError::Refused`] with what the server said.
/// After any error the connection is lost.
pub fn dial_call(
    connection: &mut Connection,
    guest: Option<IpAddr>,
    credentials: &Credentials,
    accepts: impl FnOnce(&PublicKey) -> bool,
    timeout: Duration,
) -> Result<PublicKey, RpcError> {
    let deadline = Instant::now() + timeout;
    let hello = Hello::call(guest).sealed();
    let (exchange, ours) = credentials.passphrase.begin_as_client();
    connection.send_hello(&hello, &ours, deadline)?;
    let mut theirs = [0; MESSAGE_BYTES];
    connection.read_bytes(&mut theirs, deadline)?;
    let transcript = [&greeting(&hello)[..], &ours, &theirs].concat();
    let psk = exchange.finish(&theirs).ok_or(RpcError::NotGenuine)?;
    let mut handshake = call(Side::Dials, credentials, &psk, &transcript);
    connection.write_bytes(&handshake.message(), deadline)?;
    hear::<{ Handshake::CALL_LENGTHS[1] }>(connection, &mut handshake, deadline)?;
    let room_key = handshake.peer_key().ok_or(RpcError::NotGenuine)?;
    if !accepts(&room_key) {
        return Err(RpcError::OtherKey);
    }
    connection.write_bytes(&handshake.message(), deadline)?;
    // This answer is not sealed, because a server with another passphrase could not seal it. Only the first
    // sealed reply proves that the server knows the passphrase.
    connection.read_answer(deadline)?;
    connection.set_seal(handshake.finish());
    Ok(room_key)
}

/// Accepts a call connection after its hello, and seals it. The peer's key is then that of the stream's seal.
/// `may_learn` gets whether the peer knows the passphrase, and returns whether the peer may learn that now.
/// It runs before the verdict.
///
/// # Blocking
/// On the client, for `timeout` at most. Shutting the stream down wakes it.
///
/// # Errors
/// [`RpcError::Refused`] with what the client has been told: [`Status::WrongPassphrase`], or
/// [`Status::Busy`] if it may not learn now whether that is so. After any error the connection is lost.
pub fn accept_call(
    connection: &mut Connection,
    hello: &Hello,
    credentials: &Credentials,
    may_learn: impl FnOnce(bool) -> bool,
    timeout: Duration,
) -> Result<(), RpcError> {
    let deadline = Instant::now() + timeout;
    let (exchange, ours) = credentials.passphrase.begin_as_server();
    connection.write_bytes(&[&answer_bytes(Status::Welcome)[..], &ours].concat(), deadline)?;
    let mut theirs = [0; MESSAGE_BYTES];
    connection.read_bytes(&mut theirs, deadline)?;
    let transcript = [&greeting(hello)[..], &theirs, &ours].concat();
    let psk = exchange.finish(&theirs).ok_or(RpcError::NotGenuine)?;
    let mut handshake = call(Side::Accepts, credentials, &psk, &transcript);
    hear::<{ Handshake::CALL_LENGTHS[0] }>(connection, &mut handshake, deadline)?;
    connection.write_bytes(&handshake.message(), deadline)?;
    let is_right = match hear::<{ Handshake::CALL_LENGTHS[2] }>(connection, &mut handshake, deadline) {
        Ok(()) => true,
        Err(RpcError::NotGenuine) => false,
        Err(error) => return Err(error),
    };
    let status = match may_learn(is_right) {
        false => Status::Busy,
        true if is_right => Status::Welcome,
        true => Status::WrongPassphrase,
    };
    if status != Status::Welcome {
        connection.refuse(status);
        return Err(RpcError::Refused { status, version: hello.highest });
    }
    // In this order: what comes behind the last message is sealed, and our answer is not.
    connection.write_bytes(&answer_bytes(Status::Welcome), deadline)?;
    connection.set_seal(handshake.finish());
    Ok(())
}

/// Opens a callback connection, which belongs to the call connection with the seal `call`. `role` says which
/// side dials.
///
/// # Blocking
/// On the peer, for `timeout` at most. Shutting the stream down wakes it.
///
/// # Errors
/// After any error the connection is lost.
pub fn dial_callback(
    connection: &mut Connection,
    role: Role,
    call: &Seal,
    token: Token,
    timeout: Duration,
) -> Result<(), RpcError> {
    let deadline = Instant::now() + timeout;
    let hello = Hello::new(role, call.channel()).sealed();
    let mut handshake = callback(Side::Dials, call, token, &hello);
    connection.send_hello(&hello, &handshake.message(), deadline)?;
    hear::<{ Handshake::CALLBACK_LENGTH }>(connection, &mut handshake, deadline)?;
    connection.set_seal(handshake.finish());
    Ok(())
}

/// Accepts a callback connection after its hello, which named the call connection with the seal `call`.
/// `admit` runs once the peer has shown that it knows the token, and before it is answered.
///
/// # Blocking
/// On the peer, for `timeout` at most. Shutting the stream down wakes it.
///
/// # Errors
/// [`RpcError::NotGenuine`] when the peer does not know the session's token, or means another call
/// connection. [`RpcError::Closed`] when `admit` returns false. After any error the connection is lost.
pub fn accept_callback(
    connection: &mut Connection,
    hello: &Hello,
    call: &Seal,
    token: Token,
    admit: impl FnOnce() -> bool,
    timeout: Duration,
) -> Result<(), RpcError> {
    let deadline = Instant::now() + timeout;
    let mut answer = answer_bytes(Status::Welcome).to_vec();
    if connection.buffered_bytes() < Handshake::CALLBACK_LENGTH {
        // The peer may wait for the answer before it sends its first message.
        connection.write_bytes(&answer, deadline)?;
        answer.clear();
    }
    let mut handshake = callback(Side::Accepts, call, token, hello);
    hear::<{ Handshake::CALLBACK_LENGTH }>(connection, &mut handshake, deadline)?;
    if !admit() {
        return Err(RpcError::Closed);
    }
    answer.extend(handshake.message());
    connection.write_bytes(&answer, deadline)?;
    connection.set_seal(handshake.finish());
    Ok(())
}

/// Returns the handshake of a call connection. `psk` is the key that both sides have made of the passphrase.
fn call(side: Side, credentials: &Credentials, psk: &[u8; KEY_BYTES], transcript: &[u8]) -> Handshake {
    let kind = CALL;
    #[cfg(feature = "seeded-bugs")]
    let kind =
        if credentials.passphrase.is_early_key() { crate::wire::seal::noise::EARLY_CALL } else { kind };
    Handshake::begin(kind, side, Some(&credentials.key), psk, transcript)
}

/// Returns the handshake of a callback connection. It is bound to one call connection by that connection's
/// hash, and to the session by its token.
fn callback(side: Side, call: &Seal, token: Token, hello: &Hello) -> Handshake {
    let mut psk = [0; KEY_BYTES];
    psk[..Token::BYTES].copy_from_slice(token.as_bytes());
    Handshake::begin(CALLBACK, side, None, &psk, &[&call.hash()[..], &greeting(hello)].concat())
}

/// Returns a hello and its answer, with which every transcript begins.
fn greeting(hello: &Hello) -> Vec<u8> {
    [&hello.to_bytes()[..], &answer_bytes(Status::Welcome)].concat()
}

/// Reads the peer's next message of the handshake, which has `LENGTH` bytes.
fn hear<const LENGTH: usize>(
    connection: &mut Connection,
    handshake: &mut Handshake,
    deadline: Instant,
) -> Result<(), RpcError> {
    let mut message = [0; LENGTH];
    connection.read_bytes(&mut message, deadline)?;
    Ok(handshake.hear(&message)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        handshake::passphrase::Passphrase,
        wire::{
            protocol::{Reply, Request, FRAME_BYTES},
            rpc::Wait,
            seal::KeyPair,
            stream::Stream,
        },
    };
    use std::{sync::Arc, thread};

    const LONG: Duration = Duration::from_secs(60);

    fn ends() -> [Connection; 2] {
        Stream::pair().unwrap().map(|stream| Connection::new(Arc::new(stream), FRAME_BYTES))
    }

    /// Runs `side` at one end of a stream, and returns the first `count` bytes that it sends. The other end
    /// sends nothing.
    fn first_bytes(count: usize, side: impl FnOnce(&mut Connection) + Send) -> Vec<u8> {
        let [mut near, mut far] = ends();
        let mut bytes = vec![0; count];
        thread::scope(|scope| {
            scope.spawn(|| side(&mut near));
            let read = far.read_bytes(&mut bytes, Instant::now() + LONG);
            far.stream().shut_down();
            read.expect("they come without an answer");
        });
        bytes
    }

    #[test]
    fn a_side_sends_its_first_message_with_its_hello_or_its_answer_and_waits_for_nothing() {
        let (_, _, [end, _], _) = meet("lamp river", "lamp river", true);
        let (call, token) = (end.stream().seal().unwrap(), Token::from_bytes([1; 16]));
        let passphrase = Passphrase::new("lamp river").unwrap();
        let credentials = Credentials { passphrase, key: KeyPair::generate().unwrap() };
        let hello = Hello::new(Role::Call, Token::NONE).sealed();
        let callback_hello = Hello::new(Role::Callback, call.channel()).sealed();
        let welcome = answer_bytes(Status::Welcome);

        let sent = first_bytes(hello.to_bytes().len() + MESSAGE_BYTES, |connection| {
            let _ = dial_call(connection, None, &credentials, |_| true, LONG);
        });
        assert!(sent.starts_with(&hello.to_bytes()));
        let sent = first_bytes(welcome.len() + MESSAGE_BYTES, |connection| {
            let _ = accept_call(connection, &hello, &credentials, |_| true, LONG);
        });
        assert!(sent.starts_with(&welcome));
        let sent = first_bytes(callback_hello.to_bytes().len() + Handshake::CALLBACK_LENGTH, |connection| {
            let _ = dial_callback(connection, Role::Callback, call, token, LONG);
        });
        assert!(sent.starts_with(&callback_hello.to_bytes()));
        // Here the first message needs the peer's. A peer that waits for the answer first gets it.
        let sent = first_bytes(welcome.len(), |connection| {
            let _ = accept_callback(connection, &callback_hello, call, token, || true, LONG);
        });
        assert_eq!(sent, welcome);
    }

    type Ended = (Result<PublicKey, RpcError>, Result<(), RpcError>, [Connection; 2], PublicKey);

    /// Lets a client and a server with these passphrases meet.
    fn meet(client: &str, server: &str, accepts: bool) -> Ended {
        let [client, server] = [client, server].map(|words| Credentials {
            passphrase: Passphrase::new(words).unwrap(),
            key: KeyPair::generate().unwrap(),
        });
        let [mut near, mut far] = ends();
        let room_key = server.key.public;
        let (dialled, accepted) = thread::scope(|scope| {
            let accepting = scope.spawn(|| {
                let hello = far.read_hello(LONG).unwrap().unwrap();
                assert!(hello.sealed && hello.role == Role::Call && hello.token == Token::NONE);
                let mut asked = None;
                let may_learn = |is_right| {
                    asked = Some(is_right);
                    true
                };
                let accepted = accept_call(&mut far, &hello, &server, may_learn, LONG);
                let verdict = match accepted {
                    Ok(()) => Some(true),
                    Err(RpcError::Refused { .. }) => Some(false),
                    Err(_) => None,
                };
                assert_eq!(asked, verdict, "a guess is counted where there is a verdict, and only there");
                if accepted.is_err() {
                    far.stream().shut_down();
                }
                accepted
            });
            let dialled = dial_call(&mut near, None, &client, |_| accepts, LONG);
            near.stream().seal().is_none().then(|| near.stream().shut_down());
            (dialled, accepting.join().unwrap())
        });
        if let (Ok(shown), Some(seal)) = (&dialled, far.stream().seal()) {
            assert_eq!((*shown, seal.peer_key()), (room_key, Some(client.key.public)));
        }
        (dialled, accepted, [near, far], room_key)
    }

    #[test]
    fn who_knows_the_passphrase_speaks_over_a_sealed_connection() {
        let (dialled, accepted, [mut near, mut far], room_key) = meet("lamp river", "lamp river", true);
        assert_eq!((dialled.unwrap(), accepted.unwrap()), (room_key, ()));
        thread::scope(|scope| {
            let serving = scope.spawn(|| {
                let request: Option<Request> = far.next_request(LONG, LONG).unwrap();
                far.reply(&Reply::Pong, LONG).unwrap();
                request
            });
            assert_eq!(near.call::<_, Reply>(&Request::Ping, LONG).unwrap(), Reply::Pong);
            assert_eq!(serving.join().unwrap(), Some(Request::Ping));
        });
        near.stream().shut_down();
        assert_eq!(far.wait(Instant::now() + LONG).unwrap(), Wait::Ended);
    }

    #[test]
    fn another_passphrase_is_refused_in_words() {
        let (dialled, accepted, ..) = meet("lamp river", "lamp rivet", true);
        for error in [dialled.unwrap_err(), accepted.unwrap_err()] {
            let told = matches!(error, RpcError::Refused { status: Status::WrongPassphrase, .. });
            assert!(told, "{error:?}");
        }
    }

    #[test]
    fn a_room_with_another_key_gets_nothing_that_depends_on_the_passphrase() {
        let (dialled, accepted, ..) = meet("lamp river", "lamp river", false);
        assert!(matches!(dialled, Err(RpcError::OtherKey)), "{dialled:?}");
        // The server never gets the third message.
        assert!(matches!(accepted, Err(RpcError::Truncated | RpcError::Io(_))), "{accepted:?}");
    }

    /// Opens a callback connection from the second end to the first.
    fn call_back(calls: [&Seal; 2], tokens: [Token; 2]) -> [Result<(), RpcError>; 2] {
        let [mut near, mut far] = ends();
        thread::scope(|scope| {
            let accepting = scope.spawn(|| {
                let hello = far.read_hello(LONG).unwrap().unwrap();
                let accepted = accept_callback(&mut far, &hello, calls[1], tokens[1], || true, LONG);
                far.stream().shut_down();
                accepted
            });
            let dialled = dial_callback(&mut near, Role::Callback, calls[0], tokens[0], LONG);
            [dialled, accepting.join().unwrap()]
        })
    }

    #[test]
    fn a_callback_is_bound_to_its_session_and_to_its_call_connection() {
        let tokens = [[1; 16], [2; 16]].map(Token::from_bytes);
        let meetings = [(); 2].map(|()| meet("lamp river", "lamp river", true).2);
        let [[near, far], [other, _]] = &meetings;
        let [near, far, other] = [near, far, other].map(|end| end.stream().seal().unwrap());
        assert_eq!(near.channel(), far.channel());
        assert_ne!(near.channel(), other.channel());
        assert!(call_back([far, near], [tokens[0]; 2]).iter().all(Result::is_ok));
        assert!(call_back([far, near], tokens).iter().all(Result::is_err), "another session's token");
        assert!(call_back([far, other], [tokens[0]; 2]).iter().all(Result::is_err), "another call");
    }
}
