//! Values to bytes and back: the only file that names bincode.
//!
//! bincode is pinned to 1.3.3. The crate is unmaintained (RUSTSEC-2025-0141) and 1.3.3 is the version its authors
//! call complete, so the format cannot move under us. Three of its traps are dealt with here: integers are of fixed
//! width and little-endian (the default of `DefaultOptions` is variable), bytes that trail a value are an error, and
//! decoding is always from an exact slice, whose length the frame layer has already capped.
//!
//! Go: net/rpc speaks gob, which sends type descriptions along; here both sides are compiled from `protocol.rs`.

use bincode::Options;
use serde::{de::DeserializeOwned, Serialize};
use std::{error::Error, fmt};

/// A value that cannot be encoded, or bytes that are not the encoding of the type asked for.
#[derive(Debug)]
pub struct CodecError(bincode::Error);

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for CodecError {}

fn options() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_little_endian().reject_trailing_bytes()
}

/// Appends the encoding of `value` to `out`.
///
/// # Errors
/// Never for the types of [`protocol`](crate::protocol); bincode refuses only sequences of unknown length.
pub fn encode_into<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    options().serialize_into(out, value).map_err(CodecError)
}

/// The value that `bytes`, all of them, encode.
///
/// # Errors
/// Anything but exactly one value of type `T`. What is allocated on the way is bounded by the length of `bytes`
/// for texts; for lists serde trusts at most 1 MiB of what the bytes claim.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    options().deserialize(bytes).map_err(CodecError)
}
