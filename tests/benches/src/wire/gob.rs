//! net/rpc with gob: as much of both as the four methods of the Go twin need.
//!
//! A gob stream is a sequence of messages. A message is a length, the number of a type, and a value. If the
//! number is negative, the message is instead the description of a type, which precedes its first value. The
//! descriptions below come from Go's own encoder. A call is two values: `rpc.Request`, then the argument. A
//! reply is two values, too: `rpc.Response`, then the result.

use super::{is_counted, parse_error, Connections, Parsed, Received, JOIN_TIMEOUT};
use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
};

/// `rpc.Request{ServiceMethod string; Seq uint64}` as type 65, `JoinArgs{User, Address string}` as 66,
/// `Message{User, Content string}` as 67.
const CALL_TYPES: &[u8] = b"\
    \x2f\xff\x81\x03\x01\x01\x07Request\x01\xff\x82\x00\
    \x01\x02\x01\x0dServiceMethod\x01\x0c\x00\x01\x03Seq\x01\x06\x00\x00\x00\
    \x2b\xff\x83\x03\x01\x01\x08JoinArgs\x01\xff\x84\x00\
    \x01\x02\x01\x04User\x01\x0c\x00\x01\x07Address\x01\x0c\x00\x00\x00\
    \x2a\xff\x85\x03\x01\x01\x07Message\x01\xff\x86\x00\
    \x01\x02\x01\x04User\x01\x0c\x00\x01\x07Content\x01\x0c\x00\x00\x00";
/// `rpc.Response{ServiceMethod string; Seq uint64; Error string}` as type 68.
const REPLY_TYPES: &[u8] = b"\
    \x3a\xff\x87\x03\x01\x01\x08Response\x01\xff\x88\x00\
    \x01\x03\x01\x0dServiceMethod\x01\x0c\x00\x01\x03Seq\x01\x06\x00\x01\x05Error\x01\x0c\x00\x00\x00";
const REQUEST: u64 = 65;
const JOIN_ARGS: u64 = 66;
const MESSAGE: u64 = 67;
const RESPONSE: u64 = 68;
/// The bool `true`, which is the result of every method.
const TRUE: &[u8] = b"\x03\x02\x00\x01";

pub(super) fn join(mut call: TcpStream, name: &str, listener: &TcpListener) -> io::Result<Connections> {
    let mut out = CALL_TYPES.to_vec();
    put_request("ChatServer.Join", 1, &mut out);
    put_strings(JOIN_ARGS, name, &listener.local_addr()?.to_string(), &mut out);
    call.write_all(&out)?;
    // The twin calls back before it replies. If it refused without a callback, this would wait for ever. It
    // refuses only a taken name and an address that it cannot dial, and neither happens here.
    let mut callback = listener.accept()?.0;
    callback.set_nodelay(true)?;
    callback.set_write_timeout(Some(JOIN_TIMEOUT))?;
    callback.write_all(REPLY_TYPES)?;
    let mut received = Received::default();
    let mut bytes = Vec::new();
    while received.accepted == 0 {
        let mut buffer = [0; 512];
        match call.read(&mut buffer)? {
            0 => return Err(parse_error("the twin closed the connection while joining", &bytes)),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
        if let Parsed::Consumed(length) = parse_reply(&bytes, &mut received)? {
            bytes.drain(..length);
        }
    }
    Ok(Connections { call: call.into(), callback: Some(callback.into()), unparsed: bytes })
}

pub(super) fn encode_message(name: &str, message_id: u64, text: &str, out: &mut Vec<u8>) {
    put_request("ChatServer.Broadcast", message_id, out);
    put_strings(MESSAGE, name, text, out);
}

/// Parses the reply to a Join or a Broadcast.
pub(super) fn parse_reply(bytes: &[u8], received: &mut Received) -> io::Result<Parsed> {
    let Some((header, _result, length)) = next_pair(bytes) else { return Ok(Parsed::Incomplete) };
    let response = parse_header(header).ok_or_else(|| parse_error("gob", bytes))?;
    if response.failed {
        return Err(parse_error("the twin refuses", header));
    }
    received.accepted += 1;
    Ok(Parsed::Consumed(length))
}

/// Parses a call of Receive or ReceiveBatch.
pub(super) fn parse_call(bytes: &[u8], received: &mut Received) -> io::Result<Parsed> {
    let Some((header, argument, length)) = next_pair(bytes) else { return Ok(Parsed::Incomplete) };
    let request = parse_header(header).ok_or_else(|| parse_error("gob", bytes))?;
    let mut value = Gob(argument);
    let parsed = match request.method {
        b"Client.Receive" => parse_message(&mut value, received),
        b"Client.ReceiveBatch" => parse_batch(&mut value, received),
        _ => None,
    };
    parsed.ok_or_else(|| parse_error("gob", argument))?;
    let method = std::str::from_utf8(request.method).map_err(io::Error::other)?;
    put_struct(RESPONSE, &[Field::Text(method), Field::Number(request.sequence)], &mut received.reply);
    received.reply.extend_from_slice(TRUE);
    Ok(Parsed::Consumed(length))
}

/// Parses a `Message{User, Content}`.
fn parse_message(value: &mut Gob, received: &mut Received) -> Option<()> {
    value.each_field(|field, value| {
        let text = value.bytes()?;
        if field == 2 {
            received.deliveries += u64::from(is_counted(text));
        }
        Some(())
    })
}

/// Parses a `Batch{Missed uint64; Messages []Message}`.
fn parse_batch(value: &mut Gob, received: &mut Received) -> Option<()> {
    value.each_field(|field, value| {
        if field == 1 {
            received.missed += value.uint()?;
            return Some(());
        }
        for _ in 0..value.uint()? {
            parse_message(value, received)?;
        }
        Some(())
    })
}

/// The first value of a call or a reply.
struct Header<'a> {
    method: &'a [u8],
    sequence: u64,
    failed: bool,
}

fn parse_header(bytes: &[u8]) -> Option<Header<'_>> {
    let mut header = Header { method: b"", sequence: 0, failed: false };
    Gob(bytes).each_field(|field, value| {
        match field {
            1 => header.method = value.bytes()?,
            2 => header.sequence = value.uint()?,
            _ => header.failed = !value.bytes()?.is_empty(),
        }
        Some(())
    })?;
    Some(header)
}

/// Returns the next two values without descriptions of types, and the length of all bytes up to their end.
fn next_pair(bytes: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let mut stream = Gob(bytes);
    let first = stream.next_value()?;
    let second = stream.next_value()?;
    Some((first, second, bytes.len() - stream.0.len()))
}

/// The rest of some gob bytes, which is read value by value.
struct Gob<'a>(&'a [u8]);

impl<'a> Gob<'a> {
    /// Reads a number. A small number is one byte. A larger one is its length in bytes, negated, and then its
    /// bytes, highest first.
    fn uint(&mut self) -> Option<u64> {
        let (&first, rest) = self.0.split_first()?;
        if first < 0x80 {
            self.0 = rest;
            return Some(u64::from(first));
        }
        let (digits, rest) = rest.split_at_checked(usize::from(first.wrapping_neg()))?;
        self.0 = rest;
        Some(digits.iter().fold(0, |number, &digit| number << 8 | u64::from(digit)))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.uint()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Returns the next message that is a value, without the number of its type. The lowest bit of a signed
    /// number is its sign.
    fn next_value(&mut self) -> Option<&'a [u8]> {
        loop {
            let mut message = Gob(self.bytes()?);
            if message.uint()? & 1 == 0 {
                return Some(message.0);
            }
        }
    }

    /// Calls `visit` for each field of a struct that is not zero. The stream holds the distance of each
    /// field's number from the one before it. Numbers begin at 1, and a distance of 0 ends the struct.
    fn each_field(&mut self, mut visit: impl FnMut(u64, &mut Gob<'a>) -> Option<()>) -> Option<()> {
        let mut field = 0;
        loop {
            match self.uint()? {
                0 => return Some(()),
                distance => field += distance,
            }
            visit(field, self)?;
        }
    }
}

enum Field<'a> {
    Text(&'a str),
    Number(u64),
}

fn put_request(method: &str, sequence: u64, out: &mut Vec<u8>) {
    put_struct(REQUEST, &[Field::Text(method), Field::Number(sequence)], out);
}

fn put_strings(kind: u64, first: &str, second: &str, out: &mut Vec<u8>) {
    put_struct(kind, &[Field::Text(first), Field::Text(second)], out);
}

/// Appends a struct as one message. gob omits fields that are zero.
fn put_struct(kind: u64, fields: &[Field], out: &mut Vec<u8>) {
    let mut value = Vec::with_capacity(160);
    put_uint(kind << 1, &mut value);
    let mut distance = 1;
    for field in fields {
        match field {
            Field::Text("") | Field::Number(0) => {
                distance += 1;
                continue;
            }
            Field::Text(text) => {
                put_uint(distance, &mut value);
                put_uint(text.len() as u64, &mut value);
                value.extend_from_slice(text.as_bytes());
            }
            Field::Number(number) => {
                put_uint(distance, &mut value);
                put_uint(*number, &mut value);
            }
        }
        distance = 1;
    }
    value.push(0);
    put_uint(value.len() as u64, out);
    out.extend_from_slice(&value);
}

fn put_uint(number: u64, out: &mut Vec<u8>) {
    if number < 0x80 {
        out.push(number.to_le_bytes()[0]);
        return;
    }
    let digits = number.to_be_bytes();
    let skipped = number.leading_zeros() as usize / 8;
    out.push((8 - skipped as u8).wrapping_neg());
    out.extend_from_slice(&digits[skipped..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::counted_text;

    #[test]
    fn values_equal_those_of_gos_own_encoder() {
        let mut out = Vec::new();
        put_request("ChatServer.Broadcast", 200, &mut out);
        put_strings(MESSAGE, "u", "d", &mut out);
        assert_eq!(
            out,
            b"\x1c\xff\x82\x01\x14ChatServer.Broadcast\x01\xff\xc8\x00\x09\xff\x86\x01\x01u\x01\x01d\x00"
        );
        let mut reply = Vec::new();
        put_struct(RESPONSE, &[Field::Text("Client.Receive"), Field::Number(0)], &mut reply);
        assert_eq!(reply, b"\x13\xff\x88\x01\x0eClient.Receive\x00");
    }

    #[test]
    fn a_call_is_counted_when_all_of_it_has_come() {
        let mut bytes = CALL_TYPES.to_vec();
        put_request("Client.Receive", 3, &mut bytes);
        put_strings(MESSAGE, "u", &counted_text(1), &mut bytes);
        let mut received = Received::default();
        for end in 0..bytes.len() {
            assert!(matches!(parse_call(&bytes[..end], &mut received), Ok(Parsed::Incomplete)));
        }
        assert!(matches!(parse_call(&bytes, &mut received), Ok(Parsed::Consumed(n)) if n == bytes.len()));
        assert_eq!(received.deliveries, 1);
        let answer = b"\x15\xff\x88\x01\x0eClient.Receive\x01\x03\x00\x03\x02\x00\x01";
        assert_eq!(received.reply, answer);
    }
}
