//! Redis pub/sub over RESP3. A subscriber can publish on the same connection, so RESP3 needs half the
//! connections of RESP2.
//!
//! A message is accepted when the server answers PUBLISH with the number of its recipients.

use super::{is_counted, next_line, parse_error, read_until, Channel, Connections, Parsed, Received};
use memchr::memmem;
use std::io::{self, Write};

const MESSAGE_PREFIX: &[u8] = b">3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$";
const SUBSCRIBED: &[u8] = b"$9\r\nsubscribe\r\n$4\r\nroom\r\n:1\r\n";

pub(super) fn join(mut call: Channel) -> io::Result<Connections> {
    call.write_all(b"HELLO 3\r\nSUBSCRIBE room\r\n")?;
    let bytes =
        read_until(&mut call, |bytes| memmem::find(bytes, SUBSCRIBED).is_some() || bytes.starts_with(b"-"))?;
    if bytes.starts_with(b"-") {
        return Err(parse_error("redis", &bytes));
    }
    // No member sends a message while others join, so no bytes follow.
    Ok(Connections { call, callback: None, unparsed: Vec::new() })
}

pub(super) fn encode_message(text: &str, out: &mut Vec<u8>) {
    let length = text.len();
    out.extend_from_slice(format!("*3\r\n$7\r\nPUBLISH\r\n$4\r\nroom\r\n${length}\r\n{text}\r\n").as_bytes());
}

pub(super) fn parse(bytes: &[u8], received: &mut Received) -> io::Result<Parsed> {
    match bytes[0] {
        b':' => {
            let Some((_, length)) = next_line(bytes) else { return Ok(Parsed::Incomplete) };
            received.accepted += 1;
            Ok(Parsed::Consumed(length))
        }
        b'>' => {
            let prefix = bytes.len().min(MESSAGE_PREFIX.len());
            if bytes[..prefix] != MESSAGE_PREFIX[..prefix] {
                return Err(parse_error("redis", bytes));
            }
            let Some((digits, header_bytes)) = next_line(&bytes[prefix..]) else {
                return Ok(Parsed::Incomplete);
            };
            let length: usize = std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(|| parse_error("redis", bytes))?;
            let start = prefix + header_bytes;
            let Some(text) = bytes.get(start..start + length) else { return Ok(Parsed::Incomplete) };
            if bytes.len() < start + length + 2 {
                return Ok(Parsed::Incomplete);
            }
            received.deliveries += u64::from(is_counted(text));
            Ok(Parsed::Consumed(start + length + 2))
        }
        _ => Err(parse_error("redis", bytes)),
    }
}
