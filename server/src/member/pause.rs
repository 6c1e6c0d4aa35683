//! The waits of a call connection: for its rate, and for what one request reads of the journal. Runs on the
//! connection's thread. A wait ends when its client has gone.

use super::Service;
use crate::door::Allowance;
use chat_common::wire::{
    error::RpcError,
    rpc::{Connection, Wait},
};
use std::time::{Duration, Instant};

/// The longest time for which one request reads files. The client waits for 10 s, and can ask again for what
/// is left.
const LONGEST_READING: Duration = Duration::from_secs(2);
/// After so many pieces of the files the thread looks whether its client is still there. A look takes up to
/// 8 ms.
const PIECES_BETWEEN_LOOKS: usize = 16;

/// Waits for the rate limit. Returns false when the connection has ended meanwhile.
///
/// # Blocking
/// For `time`. Shutdown wakes it, and so does the end of the connection: the client's, and that of a member
/// that is removed. An end behind another request is found when that is read.
pub(super) fn pause(
    service: &Service<'_>,
    connection: &mut Connection,
    time: Duration,
) -> Result<bool, RpcError> {
    if time.is_zero() {
        return Ok(true);
    }
    let end = Instant::now() + time;
    match connection.wait(end)? {
        Wait::Silence => {}
        Wait::Ready => drop(service.shutdown.sleep(end.saturating_duration_since(Instant::now()))),
        // Shutdown ends the reading, and what has arrived is still served.
        Wait::Ended => return Ok(service.shutdown.is_requested()),
    }
    Ok(true)
}

/// Returns what pays for the pieces of the journal that one request reads, and says whether it reads on:
/// while the client is there, for [`LONGEST_READING`] at most. What is then owed delays the next request.
///
/// # Blocking
/// As [`pause`], for the rate limit of the client's host.
pub(super) fn pays_for_reading<'a>(
    service: &'a Service<'_>,
    connection: &'a mut Connection,
    allowance: &Allowance,
) -> impl FnMut(usize) -> bool + 'a {
    let (reads, end, mut pieces) = (allowance.reads(), Instant::now() + LONGEST_READING, 0_usize);
    move |bytes| {
        let now = Instant::now();
        let mut wait = reads.take(now, bytes);
        pieces += 1;
        if pieces.is_multiple_of(PIECES_BETWEEN_LOOKS) {
            wait = wait.max(Duration::from_millis(1));
        }
        let is_here = pause(service, connection, wait.min(end.saturating_duration_since(now)));
        matches!(is_here, Ok(true)) && Instant::now() < end && !service.shutdown.is_requested()
    }
}
