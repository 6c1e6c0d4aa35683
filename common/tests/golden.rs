//! The wire, byte for byte. Every client, in any language, relies on these vectors. A change that breaks one
//! of them needs a new protocol version.

#![allow(clippy::unwrap_used, reason = "a test")]

use chat_common::wire::{
    codec::{decode, encode_into},
    frame::encode_frame,
    hello::{answer_bytes, read_hello, Hello, Role},
    protocol::{
        Callback, CallbackReply, Cause, Event, EventKind, Join, Joined, Person, Place, Refusal, Reply,
        Request, FRAME_BYTES, UNJOINED_FRAME_BYTES,
    },
    status::Status,
    token::Token,
};
use serde::{de::DeserializeOwned, Serialize};
use std::fmt::Debug;

const TOKEN: Token = Token::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
const TOKEN_HEX: &str = "000102030405060708090a0b0c0d0e0f";

/// Returns the bytes that hexadecimal digits stand for. Spaces only help the reader.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        digits.chars().filter_map(|digit| Some(u8::try_from(digit.to_digit(16)?).unwrap())).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Checks that the value has exactly this encoding, and that the encoding has exactly this value.
fn assert_encoding<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, digits: &str) {
    let mut bytes = Vec::new();
    encode_into(value, &mut bytes).unwrap();
    assert_eq!(bytes, hex(digits), "the encoding of {value:?}");
    assert_eq!(&decode::<T>(&hex(digits)).unwrap(), value, "the value of {digits}");
}

fn ann() -> String {
    "Ann".to_owned()
}

/// The encoding of the text "Ann".
const ANN: &str = "0300000000000000 416e6e";

fn hi() -> String {
    "hé".to_owned()
}

/// The encoding of the text "hé", which is three bytes of UTF-8.
const HI: &str = "0300000000000000 68c3a9";

#[test]
fn the_hello_and_its_answer() {
    let hello = Hello { lowest: 1, highest: 0x0203, role: Role::Callback, sealed: false, token: TOKEN };
    let bytes = hex(&format!("5250432d43484154 0100 0302 02 {TOKEN_HEX}"));
    assert_eq!(hello.to_bytes()[..], bytes);
    assert_eq!(bytes.len(), 29);
    assert_eq!(read_hello(&mut &bytes[..]).unwrap(), Some(hello));
    let roles = [(Role::Call, 1), (Role::Callback, 2), (Role::OpenedCallback, 3)];
    for (role, byte) in roles {
        assert_eq!(Hello::new(role, Token::NONE).to_bytes()[12], byte);
    }
    assert_eq!(answer_bytes(Status::Welcome)[..], hex("5250432d43484154 00 0300"));
    let statuses = [
        Status::Welcome,
        Status::WrongVersion,
        Status::Busy,
        Status::WrongRole,
        Status::UnknownToken,
        Status::TooMany,
        Status::Banned,
        Status::Stopping,
        Status::Closed,
    ];
    for (byte, status) in (0..).zip(statuses) {
        assert_eq!(answer_bytes(status)[8], byte, "{status:?}");
    }
}

#[test]
fn a_frame_is_a_length_and_that_many_bytes() {
    let mut frame = Vec::new();
    encode_frame(&Request::Who, &mut frame).unwrap();
    assert_eq!(frame, hex("04000000 02000000"));
    assert_eq!((FRAME_BYTES, UNJOINED_FRAME_BYTES), (65_536, 1_024));
}

#[test]
fn every_request() {
    let join = Join { history: 20, ..Join::new(ann(), TOKEN, 0x1234) };
    assert_encoding(
        &Request::Join(join.clone()),
        &format!("00000000 {ANN} {TOKEN_HEX} 3412 14000000 00 00 00"),
    );
    let since = Some(Place { room: 9, sequence: 3 });
    let join = Join { resume: Some(258), since, send_only: true, ..join };
    let (resume, since) = ("01 0201000000000000", "01 0900000000000000 0300000000000000");
    assert_encoding(
        &Request::Join(join),
        &format!("00000000 {ANN} {TOKEN_HEX} 3412 14000000 {resume} {since} 01"),
    );
    assert_encoding(
        &Request::Broadcast { message_id: 7, repeated: false, text: hi() },
        &format!("01000000 0700000000000000 00 {HI}"),
    );
    assert_encoding(&Request::Who, "02000000");
    assert_encoding(&Request::Leave, "03000000");
    assert_encoding(&Request::Ping, "04000000");
    assert_encoding(
        &Request::Private { message_id: 7, repeated: true, to: ann(), text: hi() },
        &format!("05000000 0700000000000000 01 {ANN} {HI}"),
    );
    assert_encoding(
        &Request::Action { message_id: 7, repeated: false, text: hi() },
        &format!("06000000 0700000000000000 00 {HI}"),
    );
    assert_encoding(&Request::Rename { name: ann() }, &format!("07000000 {ANN}"));
    assert_encoding(&Request::History { count: 50, before: None }, "08000000 32000000 00");
    assert_encoding(
        &Request::History { count: 50, before: Some(9) },
        "08000000 32000000 01 0900000000000000",
    );
    assert_encoding(&Request::Operate { passphrase: hi() }, &format!("09000000 {HI}"));
    assert_encoding(&Request::Command { line: hi() }, &format!("0a000000 {HI}"));
}

#[test]
fn every_reply() {
    let refusal = Refusal { cause: Cause::NameTaken, text: hi() };
    assert_encoding(&Reply::Refused(refusal), &format!("00000000 01000000 {HI}"));
    let joined =
        Joined { room: 9, sequence: 3, called_back: true, text_limit: 4096, kept_for: None, motd: None };
    assert_encoding(
        &Reply::Joined(joined.clone()),
        "01000000 0900000000000000 0300000000000000 01 00100000 00 00",
    );
    let joined = Joined { called_back: false, kept_for: Some(7), motd: Some(hi()), ..joined };
    assert_encoding(
        &Reply::Joined(joined),
        &format!("01000000 0900000000000000 0300000000000000 00 00100000 01 0700000000000000 01 {HI}"),
    );
    assert_encoding(&Reply::Accepted { sequence: 5 }, "02000000 0500000000000000");
    assert_encoding(
        &Reply::People { people: vec![Person { name: ann(), here: 9, idle: 2, operator: true }], total: 3 },
        &format!("03000000 0100000000000000 {ANN} 09000000 02000000 01 03000000"),
    );
    assert_encoding(&Reply::Left, "04000000");
    assert_encoding(&Reply::Pong, "05000000");
    assert_encoding(&Reply::Renamed { sequence: 5 }, "06000000 0500000000000000");
    assert_encoding(&Reply::History { events: vec![] }, "07000000 0000000000000000");
    assert_encoding(&Reply::Lines { text: hi(), more: true }, &format!("08000000 {HI} 01"));
}

#[test]
fn every_cause() {
    let causes = [
        Cause::InvalidName,
        Cause::NameTaken,
        Cause::Busy,
        Cause::InvalidText,
        Cause::OutOfTurn,
        Cause::NobodyOfThatName,
        Cause::UnknownSession,
        Cause::SessionOver,
        Cause::InvalidPort,
        Cause::Stopping,
        Cause::Banned,
        Cause::OutOfOrder,
        Cause::Unsupported,
        Cause::Muted,
        Cause::NoSpace,
        Cause::NameKept,
        Cause::Other(16),
    ];
    for (number, cause) in (0..).zip(causes) {
        assert_encoding(&cause, &format!("{number:02x}000000"));
    }
}

#[test]
fn every_callback_and_its_reply() {
    let event = Event { sequence: 5, time: 0x0102, kind: EventKind::Joined { name: ann() } };
    assert_encoding(
        &Callback::Receive { answer: true, events: vec![event] },
        &format!("00000000 01 0100000000000000 0500000000000000 0201000000000000 01000000 {ANN}"),
    );
    assert_encoding(&Callback::Receive { answer: false, events: vec![] }, "00000000 00 0000000000000000");
    assert_encoding(&CallbackReply::Received, "00000000");
}

#[test]
fn every_event() {
    let message = format!("{ANN} 0700000000000000 00 {HI}");
    assert_encoding(
        &EventKind::Message { author: ann(), message_id: 7, repeated: false, text: hi() },
        &format!("00000000 {message}"),
    );
    assert_encoding(&EventKind::Joined { name: ann() }, &format!("01000000 {ANN}"));
    assert_encoding(&EventKind::Left { name: ann(), reason: None }, &format!("02000000 {ANN} 00"));
    assert_encoding(&EventKind::Left { name: ann(), reason: Some(hi()) }, &format!("02000000 {ANN} 01 {HI}"));
    assert_encoding(&EventKind::Missed { first: 2, messages: true }, "03000000 0200000000000000 01");
    assert_encoding(&EventKind::Ended { reason: hi() }, &format!("04000000 {HI}"));
    assert_encoding(&EventKind::Back { name: ann() }, &format!("05000000 {ANN}"));
    assert_encoding(
        &EventKind::Private { author: ann(), message_id: 7, repeated: false, text: hi() },
        &format!("06000000 {message}"),
    );
    assert_encoding(
        &EventKind::Action { author: ann(), message_id: 7, repeated: false, text: hi() },
        &format!("07000000 {message}"),
    );
    assert_encoding(&EventKind::Renamed { from: ann(), to: hi() }, &format!("08000000 {ANN} {HI}"));
    assert_encoding(&EventKind::Notice { text: hi() }, &format!("09000000 {HI}"));
}

#[test]
fn bytes_that_encode_no_value_are_refused() {
    for digits in [
        "",
        "02",
        // A variant that does not exist, and a byte after a variant that does.
        "09000000",
        "02000000 00",
        // Two texts that are longer than the bytes that follow, and one that is not UTF-8.
        "07000000 0400000000000000 416e6e",
        "07000000 ffffffffffffffff 416e6e",
        "07000000 0100000000000000 ff",
        // An optional value whose first byte is neither 0 nor 1.
        "00000000 0000000000000000 000102030405060708090a0b0c0d0e0f 3412 14000000 02 00 00",
    ] {
        assert!(decode::<Request>(&hex(digits)).is_err(), "{digits}");
    }
    assert!(decode::<Callback>(&hex("00000000 02 0000000000000000")).is_err(), "a bool is 0 or 1");
}
