//! The protocols of the load generator: as much of each as a chat needs.
//!
//! A join uses blocking calls, on a joiner thread. After that a [`Room`](crate::room::Room) polls all sockets
//! on one thread and gives the bytes to [`Protocol::parse`]. That function MUST NOT block and MUST NOT
//! allocate for each message, because it counts millions of deliveries a second and its own cost is not what
//! is measured.

mod channel;
mod floor;
mod gob;
mod irc;
mod nats;
mod redis;
mod redis_stream;
mod rpc_chat;
pub mod tls;

pub use channel::Channel;
pub use rpc_chat::{BUSY_PAUSE, PASSPHRASE};

use channel::SHORTEST_BUFFER_BYTES;
use std::{
    io::{self, Read},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// The length of each counted text, in bytes, in every system.
pub const TEXT_BYTES: usize = 100;
/// The first byte of a counted text. Notices of joins and filler texts begin with another byte.
const COUNTED_MARK: u8 = b'#';
/// How long a step of joining may take.
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);

/// The protocols that the load generator speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The protocol of rpc-chat, which the docs of `chat-common` specify.
    RpcChat {
        /// Whether the room is closed.
        closed: bool,
    },
    /// Lines, as the floor passes them on.
    Floor {
        /// Whether a message is accepted when it is acknowledged, and not when its author hears it.
        acknowledges: bool,
    },
    /// net/rpc with gob, as the Go twin speaks it.
    Gob,
    /// Pub/sub over RESP3.
    Redis {
        /// Whether RESP3 is inside TLS.
        tls: bool,
    },
    /// Streams over RESP2.
    RedisStream,
    /// The client protocol of NATS, verbose and without echo.
    Nats {
        /// Whether all but the first line is inside TLS.
        tls: bool,
    },
    /// RFC 2812.
    Irc {
        /// Whether it is inside TLS.
        tls: bool,
    },
}

/// A member's connections after its join, both in blocking mode.
pub struct Connections {
    /// The connection on which it sends messages.
    pub call: Channel,
    /// The connection on which it receives messages, if that is another one.
    pub callback: Option<Channel>,
    /// Bytes that were read from `call` after the end of the join, and are not parsed yet.
    pub unparsed: Vec<u8>,
}

/// What a parser found in some bytes.
#[derive(Debug, Default)]
pub struct Received {
    /// The member whose bytes are parsed.
    pub member: usize,
    /// The number of counted messages that arrived.
    pub deliveries: u64,
    /// The number of this member's messages that the system accepted.
    pub accepted: u64,
    /// The number of this member's messages that the system was too busy for. They must be sent again.
    pub busy: u64,
    /// The number of messages that the system says this member will not receive.
    pub missed: u64,
    /// The bytes to send back at once on the same connection.
    pub reply: Vec<u8>,
}

/// The result of parsing one message at the start of some bytes.
enum Parsed {
    /// The bytes end inside the message.
    Incomplete,
    /// The message is parsed and has this length in bytes.
    Consumed(usize),
}

impl Protocol {
    /// Joins the room. `listener` is for systems that call their clients back.
    ///
    /// # Blocking
    /// On the server, for [`JOIN_TIMEOUT`] at most in each step.
    pub fn join(self, server: SocketAddr, name: &str, listener: &TcpListener) -> io::Result<Connections> {
        let call = TcpStream::connect(server)?;
        call.set_nodelay(true)?;
        call.set_read_timeout(Some(JOIN_TIMEOUT))?;
        call.set_write_timeout(Some(JOIN_TIMEOUT))?;
        match self {
            Protocol::RpcChat { closed: false } => rpc_chat::join(call, name, listener),
            Protocol::RpcChat { closed: true } => rpc_chat::join_closed(call, name, listener),
            Protocol::Floor { .. } => floor::join(call.into()),
            Protocol::Gob => gob::join(call, name, listener),
            Protocol::Redis { tls } => redis::join(channel(call, tls)?),
            Protocol::RedisStream => redis_stream::join(call),
            Protocol::Nats { tls } => nats::join(call, tls),
            Protocol::Irc { tls } => irc::join(channel(call, tls)?, name),
        }
    }

    /// Returns whether a member receives its own messages.
    pub fn receives_own_messages(self) -> bool {
        matches!(self, Protocol::Floor { .. } | Protocol::Redis { .. } | Protocol::RedisStream)
    }

    /// Returns whether the system removes a member that sends nothing for a while.
    pub fn needs_ping(self) -> bool {
        matches!(self, Protocol::RpcChat { .. })
    }

    /// Returns the longest text that a filler message may have, in bytes.
    pub fn text_limit_bytes(self) -> usize {
        match self {
            Protocol::Irc { .. } => 400,
            _ => 3500,
        }
    }

    /// Replaces the contents of `out` by the bytes of a message. `text` needs no escaping in any protocol.
    pub fn encode_message(self, member: usize, message_id: u64, text: &str, out: &mut Vec<u8>) {
        out.clear();
        match self {
            Protocol::RpcChat { .. } => rpc_chat::encode_message(message_id, text, out),
            Protocol::Floor { .. } => floor::encode_message(member, text, out),
            Protocol::Gob => gob::encode_message(&member_name(member), message_id, text, out),
            Protocol::Redis { .. } => redis::encode_message(text, out),
            Protocol::RedisStream => redis_stream::encode_message(text, out),
            Protocol::Nats { .. } => nats::encode_message(text, out),
            Protocol::Irc { .. } => irc::encode_message(text, out),
        }
    }

    /// Returns the bytes that keep an idle member in the room.
    pub fn ping(self) -> Vec<u8> {
        rpc_chat::ping()
    }

    /// Parses all whole messages in `bytes`, adds them to `received`, and returns their length in bytes.
    ///
    /// # Errors
    /// When the system refuses a message for another reason than being busy, or the bytes are not of this
    /// protocol.
    pub fn parse(self, callback: bool, bytes: &[u8], received: &mut Received) -> io::Result<usize> {
        let mut consumed = 0;
        loop {
            let rest = &bytes[consumed..];
            if rest.is_empty() {
                return Ok(consumed);
            }
            let parsed = match self {
                Protocol::RpcChat { .. } if callback => rpc_chat::parse_call(rest, received),
                Protocol::RpcChat { .. } => rpc_chat::parse_reply(rest, received),
                Protocol::Floor { acknowledges } => floor::parse(rest, acknowledges, received),
                Protocol::Gob if callback => gob::parse_call(rest, received),
                Protocol::Gob => gob::parse_reply(rest, received),
                Protocol::Redis { .. } => redis::parse(rest, received),
                Protocol::RedisStream if callback => redis_stream::parse_call(rest, received),
                Protocol::RedisStream => redis_stream::parse_reply(rest, received),
                Protocol::Nats { .. } => nats::parse(rest, received),
                Protocol::Irc { .. } => irc::parse(rest, received),
            }?;
            match parsed {
                Parsed::Incomplete => return Ok(consumed),
                Parsed::Consumed(length) => consumed += length,
            }
        }
    }
}

/// Returns a counted text: `number`, padded to [`TEXT_BYTES`].
pub fn counted_text(number: u64) -> String {
    format!("{}{number:0>9}{}", char::from(COUNTED_MARK), "x".repeat(TEXT_BYTES - 10))
}

/// Returns a text of `length` bytes that is not counted.
pub fn filler_text(length: usize) -> String {
    "~".repeat(length)
}

/// Returns the name of a member, which is short enough for IRC.
pub fn member_name(member: usize) -> String {
    format!("m{member}")
}

fn is_counted(text: &[u8]) -> bool {
    text.len() == TEXT_BYTES && text[0] == COUNTED_MARK
}

fn parse_error(protocol: &str, bytes: &[u8]) -> io::Error {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]);
    io::Error::other(format!("{protocol}: unexpected bytes: {shown:?}"))
}

/// Returns the line at the start of `bytes` without its CR LF, and the length of the line with them.
fn next_line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

fn channel(socket: TcpStream, tls: bool) -> io::Result<Channel> {
    match tls {
        true => Channel::with_tls(socket),
        false => Ok(socket.into()),
    }
}

/// Reads until `done` returns true for all bytes so far. The text protocols use it for their greetings.
fn read_until(stream: &mut Channel, done: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; SHORTEST_BUFFER_BYTES];
    while !done(&bytes) {
        match stream.read(&mut buffer)? {
            0 => return Err(parse_error("the server closed the connection while joining", &bytes)),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_protocol_counts_whole_messages_and_waits_for_the_rest() {
        let text = counted_text(7);
        let cases = [
            (
                Protocol::Redis { tls: false },
                format!(">3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$100\r\n{text}\r\n:3\r\n"),
            ),
            (Protocol::Floor { acknowledges: false }, format!("0 {text}\n1 ~~~\n")),
            (Protocol::Floor { acknowledges: true }, format!("0 {text}\n1 ~~~\n+\n")),
            (Protocol::Nats { tls: false }, format!("PING\r\n+OK\r\nMSG room 1 100\r\n{text}\r\n")),
            (
                Protocol::Irc { tls: false },
                format!(":a!b@c PRIVMSG #room :{text}\r\n:d!e@f JOIN #room\r\n:s PONG s :1\r\n"),
            ),
        ];
        for (protocol, bytes) in cases {
            let mut whole = Received::default();
            assert_eq!(protocol.parse(false, bytes.as_bytes(), &mut whole).unwrap(), bytes.len());
            assert_eq!((whole.deliveries, whole.accepted), (1, 1), "{protocol:?}");
            let mut in_pieces = Received::default();
            let mut unparsed = Vec::new();
            for byte in bytes.bytes() {
                unparsed.push(byte);
                let consumed = protocol.parse(false, &unparsed, &mut in_pieces).unwrap();
                unparsed.drain(..consumed);
            }
            assert_eq!((in_pieces.deliveries, in_pieces.accepted), (1, 1), "{protocol:?} in pieces");
        }
    }
}
