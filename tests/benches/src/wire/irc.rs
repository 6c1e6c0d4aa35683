//! IRC: members send PRIVMSG to one channel that all of them have joined.
//!
//! IRC does not acknowledge a message. A server handles the commands of a connection in order, so a PING
//! follows each message in the same write. The message is accepted when the PONG comes.

use super::{is_counted, line, nonsense, read_until, Heard, Links, Step};
use memchr::memmem;
use std::{
    io::{self, Write},
    net::TcpStream,
};

/// The number of the last line of the greeting: the end of the message of the day.
const END_OF_GREETING: &[u8] = b" 376 ";
/// The number of the last line of the answer to a JOIN: the end of the list of names.
const END_OF_NAMES: &[u8] = b" 366 ";

pub(super) fn join(mut call: TcpStream, name: &str) -> io::Result<Links> {
    call.write_all(format!("NICK {name}\r\nUSER {name} 0 * :{name}\r\n").as_bytes())?;
    read_until(&mut call, |bytes| memmem::find(bytes, END_OF_GREETING).is_some() && bytes.ends_with(b"\n"))?;
    call.write_all(b"JOIN #room\r\n")?;
    let bytes = read_until(&mut call, |bytes| end_of_names(bytes).is_some())?;
    let end = end_of_names(&bytes).unwrap_or(bytes.len());
    Ok(Links { call, callback: None, left: bytes[end..].to_vec() })
}

/// Returns the position after the list of names, once all of the list has come.
fn end_of_names(bytes: &[u8]) -> Option<usize> {
    let at = memmem::find(bytes, END_OF_NAMES)?;
    Some(at + memchr::memchr(b'\n', &bytes[at..])? + 1)
}

pub(super) fn say(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("PRIVMSG #room :{text}\r\nPING 1\r\n").as_bytes());
}

pub(super) fn hear(bytes: &[u8], heard: &mut Heard) -> io::Result<Step> {
    let Some((line, length)) = line(bytes) else { return Ok(Step::Incomplete) };
    if let Some(token) = line.strip_prefix(b"PING ") {
        heard.reply.extend_from_slice(b"PONG ");
        heard.reply.extend_from_slice(token);
        heard.reply.extend_from_slice(b"\r\n");
        return Ok(Step::Consumed(length));
    }
    let command = match memchr::memchr(b' ', line) {
        Some(space) if line[0] == b':' => &line[space + 1..],
        _ => return Err(nonsense("irc", line)),
    };
    if let Some(rest) = command.strip_prefix(b"PRIVMSG #room :") {
        heard.deliveries += u64::from(is_counted(rest));
    } else if command.starts_with(b"PONG ") {
        heard.accepted += 1;
    } else if !command.starts_with(b"JOIN ")
        && !command.starts_with(b"MODE ")
        && !command.starts_with(b"QUIT")
    {
        return Err(nonsense("irc", line));
    }
    Ok(Step::Consumed(length))
}
