//! The lines of the floor: the number of the author, a space, the text.
//!
//! Usually nothing is acknowledged. So a message is accepted when its author hears it, which is a delivery,
//! too.

use super::{is_counted, next_line, parse_error, read_until, Channel, Connections, Parsed, Received};
use crate::floor::{ACKNOWLEDGEMENT, GREETING};
use std::io;

pub(super) fn join(mut call: Channel) -> io::Result<Connections> {
    // No member sends a message while others join, so no bytes follow.
    read_until(&mut call, |bytes| bytes == GREETING)?;
    Ok(Connections { call, callback: None, unparsed: Vec::new() })
}

pub(super) fn encode_message(member: usize, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{member} {text}\n").as_bytes());
}

pub(super) fn parse(bytes: &[u8], acknowledges: bool, received: &mut Received) -> io::Result<Parsed> {
    let Some((line, length)) = next_line(bytes) else { return Ok(Parsed::Incomplete) };
    if acknowledges && bytes.starts_with(ACKNOWLEDGEMENT) {
        received.accepted += 1;
        return Ok(Parsed::Consumed(length));
    }
    let (mut digits, mut author) = (0, 0_usize);
    while let Some(digit) = line.get(digits).filter(|byte| byte.is_ascii_digit()) {
        (digits, author) = (digits + 1, author * 10 + usize::from(digit - b'0'));
    }
    if digits == 0 || line.get(digits) != Some(&b' ') {
        return Err(parse_error("floor", bytes));
    }
    received.deliveries += u64::from(is_counted(&line[digits + 1..]));
    received.accepted += u64::from(!acknowledges && author == received.member);
    Ok(Parsed::Consumed(length))
}
