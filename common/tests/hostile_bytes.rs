//! The frame, hello and codec layers neither panic on hostile bytes nor allocate more than was sent.

use chat_common::wire::{
    codec::{decode, encode_into},
    error::RpcError,
    frame::{encode_frame, read_frame},
    hello::{read_answer, read_hello, Hello, Role, HELLO_BYTES},
    protocol::{Callback, CallbackReply, Event, EventKind, Join, Place, Reply, Request},
    token::Token,
};
use proptest::prelude::*;
use std::io::{self, Read};

/// Decodes the bytes as each type that either side decodes. A value must encode to the same bytes again,
/// because each value has one encoding.
fn decode_all(bytes: &[u8]) {
    fn decode_and_encode<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) {
        if let Ok(value) = decode::<T>(bytes) {
            let mut again = Vec::new();
            encode_into(&value, &mut again).expect("a decoded value can be encoded");
            assert_eq!(again, bytes);
        }
    }
    decode_and_encode::<Request>(bytes);
    decode_and_encode::<Reply>(bytes);
    decode_and_encode::<Callback>(bytes);
    decode_and_encode::<CallbackReply>(bytes);
}

fn request() -> impl Strategy<Value = Request> {
    let text = ".{0,40}";
    prop_oneof![
        (text, any::<[u8; 16]>(), any::<u16>(), any::<u32>(), any::<[Option<u64>; 3]>(), any::<bool>())
            .prop_map(|(name, token, port, history, [resume, room, sequence], send_only)| {
                let since = room.zip(sequence).map(|(room, sequence)| Place { room, sequence });
                let join = Join::new(name, Token::from_bytes(token), port);
                Request::Join(Join { history, resume, since, send_only, ..join })
            }),
        (any::<u64>(), any::<bool>(), text).prop_map(|(message_id, repeated, text)| Request::Broadcast {
            message_id,
            repeated,
            text
        }),
        (any::<u64>(), any::<bool>(), text, text).prop_map(|(message_id, repeated, to, text)| {
            Request::Private { message_id, repeated, to, text }
        }),
        (any::<u32>(), any::<Option<u64>>()).prop_map(|(count, before)| Request::History { count, before }),
        text.prop_map(|name| Request::Rename { name }),
        Just(Request::Who),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let text = ".{0,40}";
    let kind = prop_oneof![
        (text, any::<u64>(), any::<bool>(), text).prop_map(|(author, message_id, repeated, text)| {
            EventKind::Message { author, message_id, repeated, text }
        }),
        (text, proptest::option::of(text)).prop_map(|(name, reason)| EventKind::Left { name, reason }),
        (any::<u64>(), any::<bool>()).prop_map(|(first, messages)| EventKind::Missed { first, messages }),
    ];
    (any::<u64>(), any::<u64>(), kind).prop_map(|(sequence, time, kind)| Event { sequence, time, kind })
}

/// Gives one byte per read, as the slowest network would.
struct OneByteReader<'a>(&'a [u8]);

impl Read for OneByteReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = buffer.len().min(1);
        self.0.read(&mut buffer[..limit])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn arbitrary_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        decode_all(&bytes);
        let _ = read_hello(&mut &bytes[..]);
        let _ = read_answer(&mut &bytes[..]);
    }

    #[test]
    fn mutated_requests_decode_or_are_refused(
        request in request(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = Vec::new();
        encode_into(&request, &mut bytes).unwrap();
        prop_assert_eq!(&decode::<Request>(&bytes).unwrap(), &request);
        for (position, byte) in changes {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        decode_all(&bytes);
        decode_all(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn mutated_calls_decode_or_are_refused(
        events in prop::collection::vec(event(), 0..5),
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = Vec::new();
        encode_into(&Callback::Receive { answer: true, events }, &mut bytes).unwrap();
        let position = position.index(bytes.len());
        bytes[position] = byte;
        decode_all(&bytes);
    }

    #[test]
    fn a_list_with_a_false_count_is_refused(claimed in any::<u64>()) {
        // A decoder that trusted the count would allocate the whole address space for the largest of these.
        let mut bytes = vec![0, 0, 0, 0, 1];
        bytes.extend(claimed.to_le_bytes());
        prop_assert_eq!(decode::<Callback>(&bytes).is_ok(), claimed == 0);
    }

    #[test]
    fn frames_survive_single_byte_reads(requests in prop::collection::vec(request(), 0..5)) {
        let mut stream = Vec::new();
        let mut frame = Vec::new();
        for request in &requests {
            encode_frame(request, &mut frame).unwrap();
            stream.extend_from_slice(&frame);
        }
        let (mut reader, mut payload) = (OneByteReader(&stream), Vec::new());
        for request in &requests {
            prop_assert!(read_frame(&mut reader, 1024, &mut payload).unwrap());
            prop_assert_eq!(&decode::<Request>(&payload).unwrap(), request);
        }
        prop_assert!(!read_frame(&mut reader, 1024, &mut payload).unwrap());
    }

    #[test]
    fn a_frame_is_whole_truncated_or_too_long(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        limit in 0_u32..64,
    ) {
        let mut payload = Vec::new();
        let announced = bytes.first_chunk().map(|header| u32::from_le_bytes(*header));
        match (announced, read_frame(&mut &bytes[..], limit, &mut payload)) {
            (None, Ok(false)) => prop_assert!(bytes.is_empty()),
            (None, Err(RpcError::Truncated)) => prop_assert!(!bytes.is_empty()),
            (Some(length), Err(RpcError::TooLong { .. })) => {
                prop_assert!(length > limit);
                prop_assert_eq!(payload.capacity(), 0);
            }
            (Some(length), Err(RpcError::Truncated)) => prop_assert!((length as usize) > bytes.len() - 4),
            (Some(length), Ok(true)) => prop_assert_eq!(&payload[..], &bytes[4..4 + length as usize]),
            (announced, result) => prop_assert!(false, "{announced:?} gave {result:?}"),
        }
    }

    #[test]
    fn a_hello_in_pieces_reads_the_same(bytes in any::<[u8; HELLO_BYTES]>(), valid in any::<bool>()) {
        let mut bytes = bytes;
        if valid {
            let hello = Hello::new(Role::Call, Token::NONE).to_bytes();
            bytes[..12].copy_from_slice(&hello[..12]);
        }
        let (whole, pieces) = (read_hello(&mut &bytes[..]), read_hello(&mut OneByteReader(&bytes)));
        prop_assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
    }
}
