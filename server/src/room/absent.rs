//! Which sessions without connections are kept, and when the others are told that they are lost. Runs on the
//! broadcaster's thread, in a round.

use super::{
    member::{LookupKey, Member, Presence},
    round::RoundInProgress,
};
use crate::{delivery::CONNECTION_LOST, identity::Host};
use std::{cmp::Reverse, time::Instant};

impl RoundInProgress<'_> {
    /// Removes the sessions that cannot be resumed any more: those that ended too long ago, and, if there
    /// are more than `max_connections`, the oldest of the host that has most. So a host that loses many
    /// sessions pushes out only its own.
    pub(super) fn forget_absent(&mut self) {
        let (now, keep) = (Instant::now(), self.limits.resume_within);
        self.tell_lost(now);
        let absent = |(id, member): (u64, &Member)| {
            Some((Host::of(member.client.address), member.absent_since()?, id))
        };
        let absent: Vec<(Host, Instant, u64)> =
            self.members.with_key(LookupKey::Absent).filter_map(absent).collect();
        let is_over = |(_, since, _): &(Host, Instant, u64)| now.duration_since(*since) > keep;
        let (over, mut absent): (Vec<_>, Vec<_>) = absent.into_iter().partition(is_over);
        over.into_iter().for_each(|(.., id)| self.forget(id));
        let excess = absent.len().saturating_sub(self.limits.max_connections);
        if excess == 0 {
            return;
        }
        absent.sort_unstable();
        // Each session with the number of newer ones of its host. The host that has most also has the session
        // with the highest number, its oldest.
        let hosts = absent.chunk_by(|(one, ..), (other, ..)| one == other);
        let ranked = hosts.flat_map(|host| (0_usize..).map(Reverse).zip(host.iter().rev()));
        let mut ranked: Vec<_> = ranked.map(|(newer, (_, since, id))| (newer, since, id)).collect();
        ranked.sort_unstable();
        for (.., id) in ranked.into_iter().take(excess) {
            self.forget(*id);
        }
    }

    /// Removes a session that cannot be resumed any more.
    fn forget(&mut self, id: u64) {
        self.members.remove(id);
        self.state.changed.push(id);
    }

    /// Tells the others of the sessions of the journal that have not come back in time.
    pub(super) fn tell_lost(&mut self, now: Instant) {
        let keep = self.limits.resume_within;
        let is_due = |member: &Member| match member.presence {
            Presence::Lost { since, told: false } => now.duration_since(since) >= keep,
            _ => false,
        };
        let absent = self.members.with_key(LookupKey::Absent);
        let due: Vec<u64> = absent.filter(|(_, member)| is_due(member)).map(|(id, _)| id).collect();
        for id in due {
            self.leave(id, Some(CONNECTION_LOST.to_owned()));
        }
    }
}
