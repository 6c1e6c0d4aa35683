//! Redis pub/sub over RESP3. A subscriber can publish on the same connection, so RESP3 needs half the
//! connections of RESP2.
//!
//! A message is accepted when the server answers PUBLISH with the number of its recipients.

use super::{is_counted, line, nonsense, read_until, Heard, Links, Step};
use memchr::memmem;
use std::{
    io::{self, Write},
    net::TcpStream,
};

const MESSAGE: &[u8] = b">3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$";
const SUBSCRIBED: &[u8] = b"$9\r\nsubscribe\r\n$4\r\nroom\r\n:1\r\n";

pub(super) fn join(mut call: TcpStream) -> io::Result<Links> {
    call.write_all(b"HELLO 3\r\nSUBSCRIBE room\r\n")?;
    let bytes =
        read_until(&mut call, |bytes| memmem::find(bytes, SUBSCRIBED).is_some() || bytes.starts_with(b"-"))?;
    if bytes.starts_with(b"-") {
        return Err(nonsense("redis", &bytes));
    }
    // No member sends a message while others join, so no bytes follow.
    Ok(Links { call, callback: None, left: Vec::new() })
}

pub(super) fn say(text: &str, out: &mut Vec<u8>) {
    let length = text.len();
    out.extend_from_slice(format!("*3\r\n$7\r\nPUBLISH\r\n$4\r\nroom\r\n${length}\r\n{text}\r\n").as_bytes());
}

pub(super) fn hear(bytes: &[u8], heard: &mut Heard) -> io::Result<Step> {
    match bytes[0] {
        b':' => {
            let Some((_, length)) = line(bytes) else { return Ok(Step::Incomplete) };
            heard.accepted += 1;
            Ok(Step::Consumed(length))
        }
        b'>' => {
            let known = bytes.len().min(MESSAGE.len());
            if bytes[..known] != MESSAGE[..known] {
                return Err(nonsense("redis", bytes));
            }
            let Some((digits, header)) = line(&bytes[known..]) else { return Ok(Step::Incomplete) };
            let length: usize = std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(|| nonsense("redis", bytes))?;
            let start = known + header;
            let Some(text) = bytes.get(start..start + length) else { return Ok(Step::Incomplete) };
            if bytes.len() < start + length + 2 {
                return Ok(Step::Incomplete);
            }
            heard.deliveries += u64::from(is_counted(text));
            Ok(Step::Consumed(start + length + 2))
        }
        _ => Err(nonsense("redis", bytes)),
    }
}
