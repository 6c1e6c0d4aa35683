//! The wire of rpc-chat. The server calls members back on a listener of the load generator, as it calls real
//! clients.
//!
//! Members reply at once to each call that needs a reply. Recipients of the other systems have nothing to
//! reply to. This parser works in place, because `chat-common` would allocate a value for each message.

use super::{is_counted, parse_error, read_until, Channel, Connections, Parsed, Received, JOIN_TIMEOUT};
use chat_common::{
    handshake::{
        credentials::Credentials,
        passphrase::Passphrase,
        sealed::{accept_callback, dial_call},
    },
    wire::{
        frame::{encode_frame, HEADER_BYTES},
        hello::{answer_bytes, read_answer, read_hello, Hello, Role},
        protocol::{Join, Request, FRAME_BYTES},
        rpc::Connection,
        seal::KeyPair,
        status::Status,
        stream::Stream,
        token::Token,
    },
};
use std::{
    io::{self, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

/// The passphrase of the closed rooms that are measured.
pub const PASSPHRASE: &str = "lamp river measured twice";
/// The reply variants that the load generator uses.
const REFUSED: u32 = 0;
const JOINED: u32 = 1;
const ACCEPTED: u32 = 2;
/// The cause of a refusal after which a client may send the same request again.
const BUSY: u32 = 2;
/// The frame of a `Received`: the length of its payload, and variant 0.
const RECEIVED: [u8; 8] = [4, 0, 0, 0, 0, 0, 0, 0];

pub(super) fn join(mut call: TcpStream, name: &str, listener: &TcpListener) -> io::Result<Connections> {
    call.write_all(&Hello::new(Role::Call, Token::NONE).to_bytes())?;
    read_answer(&mut call).map_err(io::Error::other)?;
    join_room(call.into(), name, listener, |mut callback, token| {
        callback.set_read_timeout(Some(JOIN_TIMEOUT))?;
        let hello = read_hello(&mut callback).map_err(io::Error::other)?;
        check(hello, Hello::new(Role::Callback, token))?;
        callback.write_all(&answer_bytes(Status::Welcome))?;
        Ok(callback.into())
    })
}

/// As [`join`], in a closed room: both connections begin with a handshake.
pub(super) fn join_closed(call: TcpStream, name: &str, listener: &TcpListener) -> io::Result<Connections> {
    let mut connection = connection_of(&call)?;
    dial_call(&mut connection, None, credentials()?, |_| true, JOIN_TIMEOUT).map_err(io::Error::other)?;
    let stream = Arc::clone(connection.stream());
    let seal = stream.seal().ok_or(io::ErrorKind::NotConnected)?;
    // The handshake has changed the timeout.
    call.set_read_timeout(Some(JOIN_TIMEOUT))?;
    join_room(Channel::sealed(call, Arc::clone(&stream)), name, listener, |callback, token| {
        let mut connection = connection_of(&callback)?;
        let hello = connection.read_hello(JOIN_TIMEOUT).map_err(io::Error::other)?;
        let hello = check(hello, Hello::new(Role::Callback, seal.channel()).sealed())?;
        let accepted = accept_callback(&mut connection, &hello, seal, token, || true, JOIN_TIMEOUT);
        accepted.map_err(io::Error::other)?;
        Ok(Channel::sealed(callback, Arc::clone(connection.stream())))
    })
}

/// Returns a connection over the same socket, for a handshake. It reads nothing that follows the handshake,
/// because the server says nothing more before it has the answer.
fn connection_of(socket: &TcpStream) -> io::Result<Connection> {
    Ok(Connection::new(Arc::new(Stream::new(socket.try_clone()?)), FRAME_BYTES))
}

/// Returns what all members show. A real client makes its key once, not for each join.
fn credentials() -> io::Result<&'static Credentials> {
    static CREDENTIALS: LazyLock<io::Result<Credentials>> = LazyLock::new(|| {
        let passphrase = Passphrase::new(PASSPHRASE).map_err(io::Error::other)?;
        Ok(Credentials { passphrase, key: KeyPair::generate()? })
    });
    CREDENTIALS.as_ref().map_err(|error| error.kind().into())
}

/// Sends the Join until the server takes it. `accept` opens the server's callback connection.
fn join_room(
    mut call: Channel,
    name: &str,
    listener: &TcpListener,
    accept: impl Fn(TcpStream, Token) -> io::Result<Channel>,
) -> io::Result<Connections> {
    let token = Token::random()?;
    let port = listener.local_addr()?.port();
    let mut request = Vec::new();
    let join = Request::Join(Join::new(name, token, port));
    encode_frame(&join, &mut request).map_err(io::Error::other)?;
    let deadline = Instant::now() + JOIN_TIMEOUT;
    loop {
        call.write_all(&request)?;
        // The server calls back before it replies. If it refuses, it does not call back.
        let callback = dialled(listener, &call)?.map(|callback| accept(callback, token)).transpose()?;
        let bytes = read_until(&mut call, |bytes| next_payload(bytes).is_some())?;
        let reply = next_payload(&bytes).unwrap_or_default();
        match (u32_at(reply, 0), callback) {
            (Some(JOINED), Some(callback)) => {
                return Ok(Connections { call, callback: Some(callback), unparsed: Vec::new() })
            }
            (Some(REFUSED), _) if u32_at(reply, 4) == Some(BUSY) && Instant::now() < deadline => {}
            _ => return Err(parse_error("rpc-chat, joining", reply)),
        }
    }
}

/// Waits until the server dials. Returns none if the reply to the Join comes first.
fn dialled(listener: &TcpListener, call: &Channel) -> io::Result<Option<TcpStream>> {
    use rustix::event::{poll, PollFd, PollFlags, Timespec};
    let mut waiting = [PollFd::new(listener, PollFlags::IN), PollFd::new(call, PollFlags::IN)];
    let timeout = Timespec { tv_sec: JOIN_TIMEOUT.as_secs() as i64, tv_nsec: 0 };
    if poll(&mut waiting, Some(&timeout))? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    if waiting[0].revents().is_empty() {
        return Ok(None);
    }
    let callback = listener.accept()?.0;
    callback.set_nodelay(true)?;
    Ok(Some(callback))
}

/// Returns the hello of a callback, if it is the one that is expected.
fn check(hello: Option<Hello>, expected: Hello) -> io::Result<Hello> {
    let right = |hello: &Hello| {
        (hello.role, hello.sealed, hello.token) == (expected.role, expected.sealed, expected.token)
    };
    hello.filter(right).ok_or_else(|| io::Error::other("rpc-chat: a callback with the wrong role or token"))
}

pub(super) fn encode_message(message_id: u64, text: &str, out: &mut Vec<u8>) {
    let request = Request::Broadcast { message_id, repeated: false, text: text.to_owned() };
    encode_frame(&request, out).expect("a request can be encoded");
}

pub(super) fn ping() -> Vec<u8> {
    let mut out = Vec::new();
    encode_frame(&Request::Ping, &mut out).expect("a request can be encoded");
    out
}

/// Parses a reply on the call connection.
pub(super) fn parse_reply(bytes: &[u8], received: &mut Received) -> io::Result<Parsed> {
    let Some(payload) = next_payload(bytes) else { return Ok(Parsed::Incomplete) };
    match u32_at(payload, 0) {
        Some(ACCEPTED) => received.accepted += 1,
        Some(REFUSED) if u32_at(payload, 4) == Some(BUSY) => received.busy += 1,
        Some(REFUSED) | None => return Err(parse_error("rpc-chat", payload)),
        Some(_) => {}
    }
    Ok(Parsed::Consumed(HEADER_BYTES + payload.len()))
}

/// Parses a Receive on the callback connection.
pub(super) fn parse_call(bytes: &[u8], received: &mut Received) -> io::Result<Parsed> {
    let Some(payload) = next_payload(bytes) else { return Ok(Parsed::Incomplete) };
    parse_events(payload, received).ok_or_else(|| parse_error("rpc-chat", payload))?;
    Ok(Parsed::Consumed(HEADER_BYTES + payload.len()))
}

/// Returns the payload of the frame at the start of `bytes`.
fn next_payload(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(HEADER_BYTES..HEADER_BYTES + u32_at(bytes, 0)? as usize)
}

fn parse_events(payload: &[u8], received: &mut Received) -> Option<()> {
    let mut fields = Fields(payload);
    if fields.u32()? != 0 {
        return None;
    }
    if fields.take(1)? == [1] {
        received.reply.extend_from_slice(&RECEIVED);
    }
    for _ in 0..fields.u64()? {
        let sequence = fields.u64()?;
        let _time = fields.u64()?;
        match fields.u32()? {
            0 => {
                let _author = fields.text()?;
                let _message_id = fields.u64()?;
                let _repeated = fields.take(1)?;
                received.deliveries += u64::from(is_counted(fields.text()?));
            }
            1 | 5 | 9 => drop(fields.text()?),
            2 => {
                let _name = fields.text()?;
                if fields.take(1)? == [1] {
                    fields.text()?;
                }
            }
            3 => {
                received.missed += sequence + 1 - fields.u64()?;
                let _messages = fields.take(1)?;
            }
            _ => return None,
        }
    }
    fields.0.is_empty().then_some(())
}

/// The rest of a payload, which is read field by field.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u64()?).ok()?;
        self.take(length)
    }
}

/// Returns the `u32` at position `at`.
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// How long to wait before repeating a request that a busy server has refused.
pub const BUSY_PAUSE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::counted_text;
    use chat_common::wire::protocol::{Callback, CallbackReply, Event, EventKind};

    #[test]
    fn a_call_that_chat_common_encodes_is_parsed() {
        let event = |sequence, kind| Event { sequence, time: 1, kind };
        let message =
            EventKind::Message { author: "a".into(), message_id: 1, repeated: false, text: counted_text(1) };
        let call = Callback::Receive {
            answer: true,
            events: vec![
                event(1, EventKind::Joined { name: "a".into() }),
                event(4, EventKind::Missed { first: 2, messages: true }),
                event(5, message.clone()),
                event(6, EventKind::Left { name: "b".into(), reason: Some("kicked".into()) }),
                event(7, message),
            ],
        };
        let mut bytes = Vec::new();
        encode_frame(&call, &mut bytes).unwrap();
        let mut received = Received::default();
        assert!(matches!(parse_call(&bytes[..bytes.len() - 1], &mut received), Ok(Parsed::Incomplete)));
        assert!(matches!(parse_call(&bytes, &mut received), Ok(Parsed::Consumed(n)) if n == bytes.len()));
        assert_eq!((received.deliveries, received.missed), (2, 3));
        let mut reply = Vec::new();
        encode_frame(&CallbackReply::Received, &mut reply).unwrap();
        assert_eq!(received.reply, reply);
    }
}
