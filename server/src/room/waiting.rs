//! What a full disk has no space for, and nobody can refuse: who came and went, and the records of sessions.
//! It waits until there is space. Runs on the broadcaster's thread, under the lock of the list.
//!
//! While an event waits, the others do not know of it, and the journal does not either. After a crash the
//! session is as it was before, unless a new file has begun meanwhile: that begins with the sessions as they
//! are, and then nobody is told of the event.

use crate::{
    log::StagedRound,
    order::journal::space::{Space, SESSION_BYTES},
    settings::Limits,
};
use chat_common::wire::protocol::EventKind;
use std::collections::BTreeSet;

/// The most bytes of an event of somebody who came or went, without its reason.
const MEMBERSHIP_BYTES: usize = 512;

/// What waits for space.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// Who came and went: one event for each session at most.
    pub(super) events: Vec<(u64, EventKind)>,
    /// The sessions whose records are not written yet.
    pub(super) sessions: BTreeSet<u64>,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.sessions.is_empty()
    }

    /// Takes back what waits for the session `id`, because the opposite has happened before anybody was told.
    /// Returns whether there was something.
    pub(super) fn take_back(&mut self, id: u64) -> bool {
        let place = self.events.iter().position(|(session, _)| *session == id);
        place.map(|place| self.events.remove(place)).is_some()
    }

    /// Whether the record of a session waits for its event.
    pub(super) fn has_event_of(&self, id: u64) -> bool {
        self.events.iter().any(|(session, _)| *session == id)
    }
}

/// Whether a round has space for this many bytes more, and for the record of one session more than it has
/// changed.
pub(super) fn has_space_for(bytes: usize, space: Space, staged: &StagedRound, changed: usize) -> bool {
    bytes + staged.bytes() + (changed + 1) * SESSION_BYTES <= space.bytes
}

/// Returns how many bytes the journal needs for somebody who comes or goes, besides the session's record.
pub(super) fn membership_bytes(kind: &EventKind) -> usize {
    match kind {
        // The session's record may have the reason, too.
        EventKind::Left { reason: Some(reason), .. } => MEMBERSHIP_BYTES + 2 * reason.len(),
        _ => MEMBERSHIP_BYTES,
    }
}

/// Returns how many bytes the largest command needs in the journal: a text, and once more for the reason in
/// the record of a session.
pub(super) fn largest_command(limits: &Limits) -> usize {
    2 * (limits.max_text.0 + MEMBERSHIP_BYTES + SESSION_BYTES)
}
