//! What a round writes into the journal besides its events, and how much it may write. Runs on the
//! broadcaster's thread, in a round.

use super::{
    member::Member,
    registry::{Changes, Members},
    round::{RoundInProgress, Ruling},
    view::with_changes,
    waiting::{has_space_for, largest_command, membership_bytes},
};
use crate::{
    identity::Terms,
    log::Audience,
    order::journal::record::{push, Record},
};
use chat_common::wire::protocol::{Cause, EventKind, Refusal};

impl RoundInProgress<'_> {
    /// Returns the record of the mute of this round, and those of the sessions that have changed in it, as
    /// far as there is space for them. The others wait, and so does each session of which an event waits.
    pub(super) fn records(&mut self) -> Vec<u8> {
        let mut data = Vec::new();
        match self.state.ruling.clone() {
            Some(Ruling::Mute(name, Some(terms))) => push(&muted(name, terms), &mut data),
            Some(Ruling::Mute(name, None)) => push(&Record::Unmuted { name }, &mut data),
            Some(Ruling::Ban(..)) | None => {}
        }
        let space = self.space.bytes.saturating_sub(self.staged.bytes());
        let mut changed = std::mem::take(&mut self.state.waiting.sessions);
        changed.extend(&self.state.changed);
        for id in changed {
            let written = data.len();
            match self.members.get(id).map(Member::record) {
                None => push(&Record::Gone { session: id }, &mut data),
                Some(record) => {
                    record.into_iter().for_each(|record| push(&Record::Session(record), &mut data));
                }
            }
            if data.len() > space || self.state.waiting.has_event_of(id) {
                data.truncate(written);
                self.state.waiting.sessions.insert(id);
            }
        }
        data
    }

    /// Checks that there is space for what can be refused.
    ///
    /// # Errors
    /// The refusal for the client.
    pub(super) fn check_space(&self) -> Result<(), Refusal> {
        let why = "the server's disk is full, so nothing new can be kept; what was said before is safe";
        self.space.accepts.then_some(()).ok_or_else(|| Refusal::new(Cause::NoSpace, why))
    }

    /// Whether the next command may need more space than is left, and can wait for the next round.
    pub(super) fn is_used_up(&self) -> bool {
        self.space.accepts && !self.has_space_for(largest_command(self.limits)) || self.staged.is_large()
    }

    pub(super) fn has_space_for(&self, bytes: usize) -> bool {
        has_space_for(bytes, self.space, &self.staged, self.state.changed.len())
    }

    /// Stages that the session `id` came or went. Where there is no space, this waits; returns `None` then.
    pub(super) fn stage(&mut self, id: u64, kind: EventKind) -> Option<u64> {
        if self.state.waiting.take_back(id) {
            return None;
        }
        if !self.has_space_for(membership_bytes(&kind)) {
            self.state.waiting.events.push((id, kind));
            return None;
        }
        Some(self.staged.push(kind, Audience::AllBut(id)))
    }

    /// Stages what has waited for space.
    pub(super) fn stage_waiting(&mut self) {
        if !self.space.accepts {
            return;
        }
        // The commands behind must have their space.
        let command = largest_command(self.limits);
        for (id, kind) in std::mem::take(&mut self.state.waiting.events) {
            if self.has_space_for(membership_bytes(&kind) + command) {
                self.state.changed.push(id);
                self.stage(id, kind);
            } else {
                self.state.waiting.events.push((id, kind));
            }
        }
    }
}

/// Returns the record of a mute.
fn muted(name: String, terms: Terms) -> Record {
    let Terms { until, reason } = terms;
    Record::Muted { name, until, reason }
}

/// Returns the records that open a file of the journal: all sessions that can be resumed, with the changes of
/// a round, and all mutes.
pub(super) fn checkpoint(
    members: &Members,
    changes: &Changes,
    mutes: Vec<(String, Terms)>,
    last_session: u64,
) -> Vec<u8> {
    let mut data = Vec::new();
    push(&Record::Checkpoint { last_session }, &mut data);
    let records = with_changes(members, changes).filter_map(|(_, member)| member.record());
    records.for_each(|record| push(&Record::Session(record), &mut data));
    mutes.into_iter().for_each(|(name, terms)| push(&muted(name, terms), &mut data));
    data
}
