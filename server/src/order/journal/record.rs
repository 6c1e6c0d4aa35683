//! What a batch of the journal holds: records, one after the other. No I/O.
//!
//! The format stands in [`journal`](super).

use crate::log::{Audience, StagedRound};
use chat_common::wire::{
    codec::{decode, encode_into},
    protocol::{Cause, Event},
    token::Token,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Record {
    /// Opens each file. The records of all sessions that can be resumed follow, and those of all mutes, so
    /// the files before are not needed.
    Checkpoint {
        /// The id of the newest session.
        last_session: u64,
    },
    /// The state of a session, in the place of any before.
    Session(SessionRecord),
    /// The session is over, and cannot be resumed.
    Gone {
        /// Its id.
        session: u64,
    },
    /// An event with a sequence number.
    Event {
        /// The session that said it, if it is a message; else 0.
        author: u64,
        /// Who receives it.
        audience: Audience,
        /// The digest of a message, by which the server knows it again; 0 for any other event.
        digest: u64,
        /// The event.
        event: Event,
    },
    /// An operator has muted a name, in the place of any mute of it before.
    Muted {
        /// The name, or `*` for everybody but operators.
        name: String,
        /// When it ends: seconds since the Unix epoch, UTC.
        until: Option<u64>,
        /// Why. It can be empty.
        reason: String,
    },
    /// A name is not muted any more.
    Unmuted {
        /// The name.
        name: String,
    },
}

/// What is kept of a session, so that it can be resumed after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    pub(crate) id: u64,
    pub(crate) token: Token,
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    pub(crate) send_only: bool,
    pub(crate) positions: Positions,
    pub(crate) last_accepted: Option<LastAccepted>,
    pub(crate) state: SessionState,
}

/// The sequence numbers from which on a session has a part in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Positions {
    /// Its join.
    pub(crate) joined: u64,
    /// From where its deliveries began.
    pub(crate) deliver_from: u64,
    /// As in [`Reader`](crate::log::Reader).
    pub(crate) membership_from: u64,
}

/// The last message of a session that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastAccepted {
    /// The number that the client gave it.
    pub(crate) message_id: u64,
    pub(crate) digest: u64,
    pub(crate) sequence: u64,
}

/// Whether a session can be resumed, and what the others know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SessionState {
    /// In the room.
    Here,
    /// The others were told that its connection is lost.
    Lost,
    /// It cannot be resumed. A client that tries gets this cause and this reason.
    Over(Cause, String),
}

/// The bytes of a record's length.
const LENGTH: usize = 4;

/// Appends a record to the data of a batch.
pub(crate) fn push(record: &Record, data: &mut Vec<u8>) {
    push_parts(record, &[], data);
}

/// Appends the records of all events of a round. Their encodings are the bytes that go over the wire.
pub(crate) fn push_round(round: &StagedRound, data: &mut Vec<u8>) {
    /// The number of [`Record::Event`].
    const EVENT: u32 = 3;
    for (author, audience, digest, encoded) in round.records() {
        push_parts(&(EVENT, author, audience, digest), encoded, data);
    }
}

/// Appends a record that begins with `head` and ends with what is already encoded.
fn push_parts(head: &impl Serialize, encoded: &[u8], data: &mut Vec<u8>) {
    let start = data.len();
    data.extend([0; LENGTH]);
    encode_into(head, data).expect("a record of ours encodes");
    data.extend_from_slice(encoded);
    let length = (data.len() - start - LENGTH) as u32;
    data[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
}

/// Returns the records in the data of a batch.
///
/// # Errors
/// When the data are not records, one after the other.
pub(super) fn records(mut data: &[u8]) -> impl Iterator<Item = Result<Record, String>> + '_ {
    std::iter::from_fn(move || {
        if data.is_empty() {
            return None;
        }
        let record = data.split_at_checked(LENGTH).and_then(|(length, rest)| {
            let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
            rest.split_at_checked(length as usize)
        });
        let Some((bytes, rest)) = record else {
            data = &[];
            return Some(Err("a record is longer than its batch".to_owned()));
        };
        data = rest;
        Some(decode(bytes).map_err(|error| format!("a record cannot be read: {error}")))
    })
}
