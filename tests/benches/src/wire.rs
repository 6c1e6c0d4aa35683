//! What the load generator says to each system, and what it understands of the answers: only what a chat needs.
//!
//! Joining is written with blocking calls, as a client's own code would be. From then on a [`Room`](crate::room::Room) polls
//! all sockets and hands what arrives to [`Protocol::hear`], which parses in place and allocates nothing, so that counting
//! millions of deliveries a second is not what is measured.

mod gob;
mod irc;
mod nats;
mod redis;
mod rpc_chat;

pub use rpc_chat::BUSY_PAUSE;

use std::{
    io::{self, Read},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// The length of each counted message's text, in every system.
pub const TEXT_BYTES: usize = 100;
/// The first byte of a text that counts. Notices of joins and the filling before a measurement begin otherwise.
const COUNTED: u8 = b'#';
/// How long a step of joining may take.
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);

/// The languages that the load generator speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// rpc-chat's own, specified in `chat-common`.
    RpcChat,
    /// net/rpc with gob, as the Go twin speaks it.
    Gob,
    /// RESP3.
    Redis,
    /// NATS's client protocol, verbose and without echo.
    Nats,
    /// RFC 2812.
    Irc,
}

/// A member's connections, both in blocking mode, and what was read past the end of joining.
pub struct Links {
    /// The one it speaks on.
    pub call: TcpStream,
    /// The one it hears on, where that is another.
    pub callback: Option<TcpStream>,
    /// Bytes of `call` that have been read and not been understood yet.
    pub left: Vec<u8>,
}

/// What some bytes said.
#[derive(Debug, Default)]
pub struct Heard {
    /// Counted messages that arrived.
    pub deliveries: u64,
    /// Messages of this member that the system has taken.
    pub accepted: u64,
    /// Messages of this member that are to be sent again.
    pub busy: u64,
    /// Messages that the system says this member will not get.
    pub missed: u64,
    /// What is to be answered at once on the same connection.
    pub reply: Vec<u8>,
}

/// What a message looks like to somebody who parses it.
enum Step {
    /// The bytes end inside it.
    Incomplete,
    /// It was understood and is this long.
    Consumed(usize),
}

impl Protocol {
    /// Joins the room, with `listener` for systems that call their clients back.
    ///
    /// # Blocking
    /// [`JOIN_TIMEOUT`] a step.
    pub fn join(self, server: SocketAddr, name: &str, listener: &TcpListener) -> io::Result<Links> {
        let call = TcpStream::connect(server)?;
        call.set_nodelay(true)?;
        call.set_read_timeout(Some(JOIN_TIMEOUT))?;
        call.set_write_timeout(Some(JOIN_TIMEOUT))?;
        match self {
            Protocol::RpcChat => rpc_chat::join(call, name, listener),
            Protocol::Gob => gob::join(call, name, listener),
            Protocol::Redis => redis::join(call),
            Protocol::Nats => nats::join(call),
            Protocol::Irc => irc::join(call, name),
        }
    }

    /// Whether a member's own messages come back to it.
    pub fn echoes(self) -> bool {
        self == Protocol::Redis
    }

    /// Whether a member has to call now and then to be kept.
    pub fn needs_ping(self) -> bool {
        self == Protocol::RpcChat
    }

    /// The longest text that can be said.
    pub fn longest_text(self) -> usize {
        match self {
            Protocol::Irc => 400,
            _ => 3500,
        }
    }

    /// Puts into `out` what a member sends to say `text`, which needs no escaping in any protocol.
    pub fn say(self, name: &str, number: u64, text: &str, out: &mut Vec<u8>) {
        out.clear();
        match self {
            Protocol::RpcChat => rpc_chat::say(number, text, out),
            Protocol::Gob => gob::say(name, number, text, out),
            Protocol::Redis => redis::say(text, out),
            Protocol::Nats => nats::say(text, out),
            Protocol::Irc => irc::say(text, out),
        }
    }

    /// What a member sends to be kept.
    pub fn ping(self) -> Vec<u8> {
        rpc_chat::ping()
    }

    /// Understands as many whole messages as `bytes` hold and answers how many bytes they are.
    ///
    /// # Errors
    /// A refusal that no load generator should meet, or bytes that make no sense.
    pub fn hear(self, callback: bool, bytes: &[u8], heard: &mut Heard) -> io::Result<usize> {
        let mut consumed = 0;
        loop {
            let rest = &bytes[consumed..];
            if rest.is_empty() {
                return Ok(consumed);
            }
            let step = match self {
                Protocol::RpcChat if callback => rpc_chat::hear_call(rest, heard),
                Protocol::RpcChat => rpc_chat::hear_reply(rest, heard),
                Protocol::Gob if callback => gob::hear_call(rest, heard),
                Protocol::Gob => gob::hear_reply(rest, heard),
                Protocol::Redis => redis::hear(rest, heard),
                Protocol::Nats => nats::hear(rest, heard),
                Protocol::Irc => irc::hear(rest, heard),
            }?;
            match step {
                Step::Incomplete => return Ok(consumed),
                Step::Consumed(length) => consumed += length,
            }
        }
    }
}

/// A counted text: `number`, filled up to [`TEXT_BYTES`].
pub fn counted_text(number: u64) -> String {
    format!("{}{number:0>9}{}", char::from(COUNTED), "x".repeat(TEXT_BYTES - 10))
}

/// A text of `length` bytes that is not counted.
pub fn filling_text(length: usize) -> String {
    "~".repeat(length)
}

fn is_counted(text: &[u8]) -> bool {
    text.len() == TEXT_BYTES && text[0] == COUNTED
}

fn nonsense(protocol: &str, bytes: &[u8]) -> io::Error {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]);
    io::Error::other(format!("{protocol}: not understood: {shown:?}"))
}

/// The line that `bytes` begin with, without its CR LF, and its length with them.
fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// Reads until what has been read satisfies `done`, for the text protocols' greetings.
fn read_until(stream: &mut TcpStream, done: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    while !done(&bytes) {
        match stream.read(&mut buffer)? {
            0 => return Err(nonsense("the server closed the connection while joining", &bytes)),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_protocol_counts_what_it_should_and_waits_for_the_rest() {
        let text = counted_text(7);
        let cases = [
            (Protocol::Redis, format!(">3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$100\r\n{text}\r\n:3\r\n")),
            (Protocol::Nats, format!("PING\r\n+OK\r\nMSG room 1 100\r\n{text}\r\n")),
            (Protocol::Irc, format!(":a!b@c PRIVMSG #room :{text}\r\n:d!e@f JOIN #room\r\n:s PONG s :1\r\n")),
        ];
        for (protocol, bytes) in cases {
            let mut whole = Heard::default();
            assert_eq!(protocol.hear(false, bytes.as_bytes(), &mut whole).unwrap(), bytes.len());
            assert_eq!((whole.deliveries, whole.accepted), (1, 1), "{protocol:?}");
            let mut pieces = Heard::default();
            let mut left = Vec::new();
            for byte in bytes.bytes() {
                left.push(byte);
                let consumed = protocol.hear(false, &left, &mut pieces).unwrap();
                left.drain(..consumed);
            }
            assert_eq!((pieces.deliveries, pieces.accepted), (1, 1), "{protocol:?} in pieces");
        }
    }
}
