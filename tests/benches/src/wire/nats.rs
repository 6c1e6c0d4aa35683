//! The client protocol of NATS. Every member subscribes to one subject. Echo is off, as in a chat.
//!
//! A message is accepted when the server answers PUB with +OK. The connection is verbose, so the server does
//! that.

use super::{is_counted, line, nonsense, read_until, Heard, Links, Step};
use memchr::memmem;
use std::{
    io::{self, Write},
    net::TcpStream,
};

pub(super) fn join(mut call: TcpStream) -> io::Result<Links> {
    call.write_all(
        b"CONNECT {\"verbose\":true,\"pedantic\":false,\"echo\":false}\r\nSUB room 1\r\nPING\r\n",
    )?;
    let bytes = read_until(&mut call, |bytes| bytes.ends_with(b"PONG\r\n"))?;
    if memmem::find(&bytes, b"-ERR").is_some() {
        return Err(nonsense("nats", &bytes));
    }
    Ok(Links { call, callback: None, left: Vec::new() })
}

pub(super) fn say(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("PUB room {}\r\n{text}\r\n", text.len()).as_bytes());
}

pub(super) fn hear(bytes: &[u8], heard: &mut Heard) -> io::Result<Step> {
    let Some((line, header)) = line(bytes) else { return Ok(Step::Incomplete) };
    if line == b"+OK" {
        heard.accepted += 1;
        return Ok(Step::Consumed(header));
    }
    if line == b"PING" {
        heard.reply.extend_from_slice(b"PONG\r\n");
        return Ok(Step::Consumed(header));
    }
    if line == b"PONG" || line.starts_with(b"INFO ") {
        return Ok(Step::Consumed(header));
    }
    let length: usize = line
        .strip_prefix(b"MSG room 1 ")
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
        .ok_or_else(|| nonsense("nats", line))?;
    let Some(text) = bytes.get(header..header + length) else { return Ok(Step::Incomplete) };
    if bytes.len() < header + length + 2 {
        return Ok(Step::Incomplete);
    }
    heard.deliveries += u64::from(is_counted(text));
    Ok(Step::Consumed(header + length + 2))
}
