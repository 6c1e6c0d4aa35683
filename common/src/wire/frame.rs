//! Frames: a length and then that many bytes, over any `Read` or `Write`. Runs on its caller's thread.
//!
//! Nothing here allocates more than the limit of the connection, whatever length a peer announces. A frame
//! for which there is no memory ends its own connection, and not the process.
//!
//! Go: net/rpc has no frame; gob's decoder reads what it needs, so a peer can make it wait or allocate.

use crate::wire::{
    codec::{encode_into, CodecError},
    error::RpcError,
};
use serde::Serialize;
use std::{hint::black_box, io::Read};

/// The length of a frame's header in bytes. The header is a little-endian `u32`: the length of the payload.
pub const HEADER_BYTES: usize = 4;

/// Replaces the contents of `out` by the beginning of a frame. [`finish`] writes its header.
pub(crate) fn begin(out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[0; HEADER_BYTES]);
}

/// Writes the header of a frame. The payload is everything after the header.
///
/// # Panics
/// When the payload is 4 GiB or longer. All limits are far below that.
pub(crate) fn finish(frame: &mut [u8]) {
    let payload = frame.len() - HEADER_BYTES;
    let length = u32::try_from(payload).expect("limits keep payloads far below 4 GiB");
    frame[..HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
}

/// Replaces the contents of `out` by one frame that holds `value`. One write can then send the whole frame.
///
/// # Errors
/// As [`encode_into`].
pub fn encode_frame<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    begin(out);
    encode_into(value, out)?;
    finish(out);
    Ok(())
}

/// The memory that an idle connection keeps of each of its buffers, in bytes.
pub(crate) const KEPT_BYTES: usize = 1024;

/// Returns whether there is memory for a buffer of this many bytes. std ends the process when a buffer that
/// it needs cannot be had, so what needs a long one asks first. Another thread can take the memory in
/// between; the answer is then wrong.
pub fn has_memory_for(bytes: usize) -> bool {
    /// Shorter buffers are had from what the process already has.
    const SHORT_BYTES: usize = 4096;
    let mut buffer = Vec::<u8>::new();
    // Without the black box the compiler would leave the allocation out.
    bytes <= SHORT_BYTES || black_box(&mut buffer).try_reserve_exact(bytes).is_ok()
}

/// Reads one frame's payload into `payload`. `Ok(false)` means that the stream has ended between two frames.
///
/// The length is checked against `limit` (in bytes) before anything is allocated. A buffer that a long frame
/// has made large is given back, so that an idle connection costs little memory.
///
/// # Blocking
/// On `reader`, as long as its own reads block.
///
/// # Errors
/// [`RpcError::TooLong`] above the limit, [`RpcError::NoMemory`] without memory, [`RpcError::Truncated`] when
/// the stream ends inside the frame, and whatever `reader` reports.
pub fn read_frame(reader: &mut impl Read, limit: u32, payload: &mut Vec<u8>) -> Result<bool, RpcError> {
    payload.clear();
    payload.shrink_to(KEPT_BYTES);
    let mut header = [0; HEADER_BYTES];
    if reader.read(&mut header[..1])? == 0 {
        return Ok(false);
    }
    reader.read_exact(&mut header[1..])?;
    let length = u32::from_le_bytes(header);
    if length > limit {
        return Err(RpcError::TooLong { length, limit });
    }
    payload.try_reserve_exact(length as usize).map_err(|_| RpcError::NoMemory)?;
    payload.resize(length as usize, 0);
    reader.read_exact(payload)?;
    Ok(true)
}
