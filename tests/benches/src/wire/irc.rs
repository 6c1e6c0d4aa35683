//! IRC: members send PRIVMSG to one channel that all of them have joined.
//!
//! IRC does not acknowledge a message. A server handles the commands of a connection in order, so a PING
//! follows each message in the same write. The message is accepted when the PONG comes.

use super::{is_counted, next_line, parse_error, read_until, Channel, Connections, Parsed, Received};
use memchr::memmem;
use std::io::{self, Write};

/// The number of the last line of the greeting: the end of the message of the day.
const END_OF_GREETING: &[u8] = b" 376 ";
/// The number of the last line of the answer to a JOIN: the end of the list of names.
const END_OF_NAMES: &[u8] = b" 366 ";

pub(super) fn join(mut call: Channel, name: &str) -> io::Result<Connections> {
    call.write_all(format!("NICK {name}\r\nUSER {name} 0 * :{name}\r\n").as_bytes())?;
    read_until(&mut call, |bytes| memmem::find(bytes, END_OF_GREETING).is_some() && bytes.ends_with(b"\n"))?;
    call.write_all(b"JOIN #room\r\n")?;
    let bytes = read_until(&mut call, |bytes| end_of_names(bytes).is_some())?;
    let end = end_of_names(&bytes).unwrap_or(bytes.len());
    Ok(Connections { call, callback: None, unparsed: bytes[end..].to_vec() })
}

/// Returns the position after the list of names, once all of the list has come.
fn end_of_names(bytes: &[u8]) -> Option<usize> {
    let at = memmem::find(bytes, END_OF_NAMES)?;
    Some(at + memchr::memchr(b'\n', &bytes[at..])? + 1)
}

pub(super) fn encode_message(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("PRIVMSG #room :{text}\r\nPING 1\r\n").as_bytes());
}

pub(super) fn parse(bytes: &[u8], received: &mut Received) -> io::Result<Parsed> {
    let Some((line, length)) = next_line(bytes) else { return Ok(Parsed::Incomplete) };
    if let Some(token) = line.strip_prefix(b"PING ") {
        received.reply.extend_from_slice(b"PONG ");
        received.reply.extend_from_slice(token);
        received.reply.extend_from_slice(b"\r\n");
        return Ok(Parsed::Consumed(length));
    }
    let command = match memchr::memchr(b' ', line) {
        Some(space) if line[0] == b':' => &line[space + 1..],
        _ => return Err(parse_error("irc", line)),
    };
    if let Some(rest) = command.strip_prefix(b"PRIVMSG #room :") {
        received.deliveries += u64::from(is_counted(rest));
    } else if command.starts_with(b"PONG ") {
        received.accepted += 1;
    } else if !command.starts_with(b"JOIN ")
        && !command.starts_with(b"MODE ")
        && !command.starts_with(b"QUIT")
    {
        return Err(parse_error("irc", line));
    }
    Ok(Parsed::Consumed(length))
}
