//! The client protocol of NATS. Every member subscribes to one subject. Echo is off, as in a chat.
//!
//! A message is accepted when the server answers PUB with +OK. The connection is verbose, so the server does
//! that.

use super::{channel, is_counted, next_line, parse_error, read_until, Connections, Parsed, Received};
use memchr::memmem;
use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

pub(super) fn join(mut socket: TcpStream, tls: bool) -> io::Result<Connections> {
    if tls {
        // The server speaks first, before TLS: one line that says that it wants TLS.
        let mut byte = [0];
        while byte != *b"\n" {
            socket.read_exact(&mut byte)?;
        }
    }
    let mut call = channel(socket, tls)?;
    call.write_all(
        b"CONNECT {\"verbose\":true,\"pedantic\":false,\"echo\":false}\r\nSUB room 1\r\nPING\r\n",
    )?;
    let bytes = read_until(&mut call, |bytes| bytes.ends_with(b"PONG\r\n"))?;
    if memmem::find(&bytes, b"-ERR").is_some() {
        return Err(parse_error("nats", &bytes));
    }
    Ok(Connections { call, callback: None, unparsed: Vec::new() })
}

pub(super) fn encode_message(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("PUB room {}\r\n{text}\r\n", text.len()).as_bytes());
}

pub(super) fn parse(bytes: &[u8], received: &mut Received) -> io::Result<Parsed> {
    let Some((line, header_bytes)) = next_line(bytes) else { return Ok(Parsed::Incomplete) };
    if line == b"+OK" {
        received.accepted += 1;
        return Ok(Parsed::Consumed(header_bytes));
    }
    if line == b"PING" {
        received.reply.extend_from_slice(b"PONG\r\n");
        return Ok(Parsed::Consumed(header_bytes));
    }
    if line == b"PONG" || line.starts_with(b"INFO ") {
        return Ok(Parsed::Consumed(header_bytes));
    }
    let length: usize = line
        .strip_prefix(b"MSG room 1 ")
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
        .ok_or_else(|| parse_error("nats", line))?;
    let Some(text) = bytes.get(header_bytes..header_bytes + length) else { return Ok(Parsed::Incomplete) };
    if bytes.len() < header_bytes + length + 2 {
        return Ok(Parsed::Incomplete);
    }
    received.deliveries += u64::from(is_counted(text));
    Ok(Parsed::Consumed(header_bytes + length + 2))
}
