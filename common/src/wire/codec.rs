//! The codec: values to bytes and back. This is the only file that names bincode. It never blocks.
//!
//! bincode is pinned to 1.3.3. The crate is unmaintained (RUSTSEC-2025-0141), and its authors call 1.3.3
//! complete, so the format cannot change. Three choices here make it safe:
//!
//! - Integers have a fixed width and are little-endian. The default of `DefaultOptions` is a variable width.
//! - Bytes after the end of a value are an error.
//! - Decoding reads an exact slice. The frame layer has already limited its length.
//!
//! Go: net/rpc speaks gob, which also sends descriptions of types; here both sides are compiled from
//! `protocol.rs`.

use bincode::Options;
use serde::{de::DeserializeOwned, Serialize};
use std::{error::Error, fmt};

/// A value cannot be encoded, or bytes are not the encoding of a value of the expected type.
#[derive(Debug)]
pub struct CodecError(bincode::Error);

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for CodecError {}

fn options() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_little_endian().reject_trailing_bytes()
}

/// Appends the encoding of `value` to `out`.
///
/// # Errors
/// Never for the types of [`protocol`](crate::wire::protocol). bincode refuses only lists of unknown length.
pub fn encode_into<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    options().serialize_into(out, value).map_err(CodecError)
}

/// Returns the value that all of `bytes` together encode.
///
/// It allocates little, whatever the bytes claim: for a text at most the length of `bytes`, and for a list at
/// most 1 MiB in advance, which is serde's limit.
///
/// # Errors
/// When `bytes` are not exactly one value of type `T`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    options().deserialize(bytes).map_err(CodecError)
}
