//! Redis Streams over RESP2. XREAD BLOCK occupies its connection, so a member has two: one adds with XADD,
//! and one reads.
//!
//! A message is accepted when the server answers XADD with the id of the entry. With `appendfsync always` it
//! is then on the disk. A reader asks from the last entry that it has, so it misses none.

use super::{is_counted, next_line, parse_error, Connections, Parsed, Received};
use std::{
    io::{self, Write},
    net::TcpStream,
};

/// The start of each reply to XREAD. The number of entries follows.
const REPLY_PREFIX: &[u8] = b"*1\r\n*2\r\n$4\r\nroom\r\n*";
/// The first line of each entry.
const ENTRY: &[u8] = b"*2";

pub(super) fn join(call: TcpStream) -> io::Result<Connections> {
    let mut callback = TcpStream::connect(call.peer_addr()?)?;
    callback.set_nodelay(true)?;
    callback.write_all(&read_after(b"0"))?;
    Ok(Connections { call: call.into(), callback: Some(callback.into()), unparsed: Vec::new() })
}

/// Returns the command that reads the entries after the one with this id. A thousand entries of a counted
/// text fit into the read buffer of the load generator.
fn read_after(id: &[u8]) -> Vec<u8> {
    [b"XREAD COUNT 1000 BLOCK 0 STREAMS room ", id, b"\r\n"].concat()
}

pub(super) fn encode_message(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"*5\r\n$4\r\nXADD\r\n$4\r\nroom\r\n$1\r\n*\r\n$1\r\nt\r\n");
    out.extend_from_slice(format!("${}\r\n{text}\r\n", text.len()).as_bytes());
}

/// Parses a reply to XADD.
pub(super) fn parse_reply(bytes: &[u8], received: &mut Received) -> io::Result<Parsed> {
    if bytes[0] != b'$' {
        return Err(parse_error("redis", bytes));
    }
    let mut rest = bytes;
    let Some(_) = next_bulk(&mut rest)? else { return Ok(Parsed::Incomplete) };
    received.accepted += 1;
    Ok(Parsed::Consumed(bytes.len() - rest.len()))
}

/// Parses a reply to XREAD, and asks for what follows.
pub(super) fn parse_call(bytes: &[u8], received: &mut Received) -> io::Result<Parsed> {
    let prefix = bytes.len().min(REPLY_PREFIX.len());
    if bytes[..prefix] != REPLY_PREFIX[..prefix] {
        return Err(parse_error("redis", bytes));
    }
    let Some((digits, length)) = next_line(&bytes[prefix..]) else { return Ok(Parsed::Incomplete) };
    let mut rest = &bytes[prefix + length..];
    let (mut deliveries, mut last) = (0, &b""[..]);
    for _ in 0..number(digits)? {
        let Some((id, text)) = next_entry(&mut rest)? else { return Ok(Parsed::Incomplete) };
        deliveries += u64::from(is_counted(text));
        last = id;
    }
    received.deliveries += deliveries;
    received.reply.extend(read_after(last));
    Ok(Parsed::Consumed(bytes.len() - rest.len()))
}

/// Takes an entry with one field from the start of `rest`, and returns its id and the field's value.
fn next_entry<'b>(rest: &mut &'b [u8]) -> io::Result<Option<(&'b [u8], &'b [u8])>> {
    let Some(()) = next_array(rest)? else { return Ok(None) };
    let Some(id) = next_bulk(rest)? else { return Ok(None) };
    let Some(()) = next_array(rest)? else { return Ok(None) };
    let Some(_field) = next_bulk(rest)? else { return Ok(None) };
    Ok(next_bulk(rest)?.map(|text| (id, text)))
}

/// Takes the head of an array of two from the start of `rest`.
fn next_array(rest: &mut &[u8]) -> io::Result<Option<()>> {
    let Some((line, length)) = next_line(rest) else { return Ok(None) };
    if line != ENTRY {
        return Err(parse_error("redis", rest));
    }
    *rest = &rest[length..];
    Ok(Some(()))
}

/// Takes a bulk string from the start of `rest`.
fn next_bulk<'b>(rest: &mut &'b [u8]) -> io::Result<Option<&'b [u8]>> {
    let Some((line, start)) = next_line(rest) else { return Ok(None) };
    let Some(digits) = line.strip_prefix(b"$") else { return Err(parse_error("redis", rest)) };
    let end = start + number(digits)?;
    if rest.len() < end + 2 {
        return Ok(None);
    }
    let text = &rest[start..end];
    *rest = &rest[end + 2..];
    Ok(Some(text))
}

fn number(digits: &[u8]) -> io::Result<usize> {
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    number.filter(|number| *number < 1 << 20).ok_or_else(|| parse_error("redis", digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::counted_text;

    #[test]
    fn a_reader_counts_whole_replies_and_goes_on_after_the_last_entry() {
        let text = counted_text(7);
        let entry = |id: &str| format!("*2\r\n$3\r\n{id}\r\n*2\r\n$1\r\nt\r\n$100\r\n{text}\r\n");
        let reply = format!("*1\r\n*2\r\n$4\r\nroom\r\n*2\r\n{}{}", entry("5-0"), entry("5-1"));
        for end in 1..reply.len() {
            let mut received = Received::default();
            let parsed = parse_call(&reply.as_bytes()[..end], &mut received).unwrap();
            assert!(matches!(parsed, Parsed::Incomplete), "{end}");
            assert_eq!((received.deliveries, received.reply.len()), (0, 0), "{end}");
        }
        let mut received = Received::default();
        let parsed = parse_call(reply.as_bytes(), &mut received).unwrap();
        assert!(matches!(parsed, Parsed::Consumed(length) if length == reply.len()));
        assert_eq!(received.deliveries, 2);
        assert_eq!(received.reply, b"XREAD COUNT 1000 BLOCK 0 STREAMS room 5-1\r\n");
    }

    #[test]
    fn a_sender_counts_the_ids_of_its_entries() {
        let mut received = Received::default();
        assert!(matches!(parse_reply(b"$3\r\n5-", &mut received).unwrap(), Parsed::Incomplete));
        assert!(matches!(parse_reply(b"$3\r\n5-0\r\n", &mut received).unwrap(), Parsed::Consumed(9)));
        assert_eq!(received.accepted, 1);
        assert!(parse_reply(b"-ERR\r\n", &mut received).is_err());
    }
}
