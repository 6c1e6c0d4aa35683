//! What a batch of the journal holds: records, one after the other. No I/O.
//!
//! A record is a `u32` length and that many bytes: the encoding of [`Record`], as on the wire. An event
//! comes last in its record, so its bytes are exactly those that go over the wire.

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
    /// Opens each file. The records of all sessions that can be resumed follow, so the files before are not
    /// needed.
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
}

/// What is kept of a session, so that it can be resumed after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    pub(crate) id: u64,
    pub(crate) token: Token,
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    pub(crate) send_only: bool,
    /// The sequence number of its join.
    pub(crate) joined: u64,
    /// From where its deliveries began.
    pub(crate) deliver_from: u64,
    pub(crate) membership_from: u64,
    /// Its last message: the number that the client gave it, its digest, its sequence number.
    pub(crate) last: Option<(u64, u64, u64)>,
    pub(crate) state: SessionState,
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
    let start = data.len();
    data.extend([0; LENGTH]);
    encode_into(record, data).expect("a record of ours encodes");
    let length = (data.len() - start - LENGTH) as u32;
    data[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
}

/// Appends the records of all events of a round. Their encodings are the bytes that go over the wire.
pub(crate) fn push_round(round: &StagedRound, data: &mut Vec<u8>) {
    /// The number of [`Record::Event`].
    const EVENT: u32 = 3;
    for (author, audience, digest, encoded) in round.records() {
        let start = data.len();
        data.extend([0; LENGTH]);
        encode_into(&(EVENT, author, audience, digest), data).expect("a record of ours encodes");
        data.extend_from_slice(encoded);
        let length = (data.len() - start - LENGTH) as u32;
        data[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
    }
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
