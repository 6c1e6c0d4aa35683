//! Who comes and goes: a client claims a name or resumes a session, enters, brings its callback connection,
//! and leaves. Runs on the broadcaster's thread, in a round.

#[cfg(feature = "seeded-bugs")]
use super::round::Ruling;
use super::{
    command::Entrance,
    member::{InLog, KnownClient, Member, Presence, Times},
    round::RoundInProgress,
    waiting::largest_command,
};
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Bug;
use crate::{
    delivery::{ConnectionPair, NewRecipient, CONNECTION_LOST},
    door::Slot,
    identity::{Name, Origin},
    log::Reader,
};
use chat_common::wire::{
    protocol::{Cause, EventKind, Join, Refusal},
    rpc::Connection,
    stream::Stream,
};
use std::{sync::Arc, time::Instant};

impl RoundInProgress<'_> {
    /// Makes a new session with a name. If it takes the name from a lost session, that is over and cannot be
    /// resumed.
    pub(super) fn claim(
        &mut self,
        join: &Join,
        origin: Origin,
        call: Arc<Stream>,
    ) -> Result<Arc<ConnectionPair>, Refusal> {
        self.check_space()?;
        // This client makes a new session, so it has given up the one that it had with this token.
        let former = self.members.with_token(&join.token);
        if let Some((id, pair)) = former.map(|(id, member)| (id, member.pair().map(Arc::clone))) {
            self.effects.closings.extend(pair.map(|pair| (pair, "replaced")));
            self.leave(id, None);
        }
        let name = Name::new(&join.name);
        let client = KnownClient::new(origin, &call);
        self.take_name(&name, &client, None)?;
        self.state.last_id += 1;
        let (session, now) = (self.state.last_id, Instant::now());
        let pair = Arc::new(ConnectionPair::new(session, call, self.door.reads(origin.address)));
        let member = Member {
            token: join.token,
            name,
            former_names: Vec::new(),
            client,
            send_only: join.send_only,
            presence: Presence::Joining { pair: Arc::clone(&pair), announced: false },
            in_log: InLog {
                joined: None,
                deliver_from: 0,
                reader: Reader { session, ..Reader::EVERYBODY },
                last_accepted: None,
            },
            times: Times { entered: now, last_said: now },
        };
        self.members.insert(pair.id, member);
        Ok(pair)
    }

    /// Gives a session new connections. If it still has old ones, they are closed.
    pub(super) fn resume(
        &mut self,
        join: &Join,
        origin: Origin,
        call: Arc<Stream>,
    ) -> Result<Arc<ConnectionPair>, Refusal> {
        // A place beyond the end is of another past, which this journal does not have: it was put back from a
        // copy. In the old session the client would take new events for ones that it has. A send-only client
        // receives no events, and its join has the sequence of an event that is not there yet.
        let is_here = join.send_only || join.resume.is_some_and(|sequence| sequence < self.staged.next());
        let Some((id, member)) = self.members.with_token(&join.token).filter(|_| is_here) else {
            let why = "the session is not known here; join anew";
            return Err(Refusal::new(Cause::UnknownSession, why));
        };
        if let Presence::Over { cause, why, .. } = &member.presence {
            return Err(Refusal::new(*cause, why.clone()));
        }
        // Nobody was told of a send-only client, so its session must not begin to receive.
        if member.send_only != join.send_only {
            let why = "a send-only session cannot become a member's, nor a member's send-only; join anew";
            return Err(Refusal::new(Cause::Unsupported, why));
        }
        if let Some(why) = self.door.bans.reason(&member.name, origin.address) {
            return Err(Refusal::new(Cause::SessionOver, why));
        }
        let client = KnownClient::new(origin, &call);
        self.check_owner(&member.name, client.key)?;
        self.effects.closings.extend(member.pair().map(|old| (Arc::clone(old), "replaced")));
        self.effects.recipients_changed = true;
        let announced = member.is_here();
        #[cfg(feature = "seeded-bugs")]
        if self.limits.seeded.has(Bug::ResumeUnmutes) {
            self.state.ruling = Some(Ruling::Mute(member.name.to_string(), None));
        }
        let member = self.members.get_mut(id).expect("the session is in the list");
        member.client = client;
        let pair = Arc::new(ConnectionPair::new(id, call, self.door.reads(origin.address)));
        member.presence = Presence::Joining { pair: Arc::clone(&pair), announced };
        Ok(pair)
    }

    /// Lets a member enter the room. Returns the sequence number of the session's join.
    pub(super) fn enter(
        &mut self,
        pair: &Arc<ConnectionPair>,
        entrance: Entrance,
        callback: Option<Connection>,
    ) -> Option<u64> {
        let member = self.members.get(pair.id).filter(|member| member.is_on(pair))?;
        let Presence::Joining { announced, .. } = member.presence else { return None };
        if member.in_log.joined.is_none() && !self.has_space_for(largest_command(self.limits)) {
            self.leave(pair.id, None);
            return None;
        }
        let member = self.members.get_mut(pair.id)?;
        let next = self.staged.next();
        (member.in_log.deliver_from, member.in_log.reader.membership_from) = match entrance {
            Entrance::New { deliver_from } => (deliver_from.unwrap_or(next).min(next), next),
            Entrance::Since { sequence, history_floor } => {
                member.in_log.reader.history_floor = history_floor;
                let unseen = sequence.saturating_add(1).min(next);
                (unseen, unseen)
            }
            // The client's first Join ended before the session entered the room. So this is its join.
            Entrance::Resumed(_) if member.in_log.joined.is_none() => (next, next),
            // A client that has received nothing sends 0. It gets nothing from before the session's first
            // deliveries.
            Entrance::Resumed(sequence) => (
                sequence.saturating_add(1).max(member.in_log.deliver_from).min(next),
                member.in_log.reader.membership_from,
            ),
        };
        member.presence = Presence::Here { pair: Arc::clone(pair), recipient: None };
        let name = member.name.clone();
        let new_recipient = |callback| NewRecipient { pair: Arc::clone(pair), callback, slot: None };
        self.effects.recipients.extend(callback.map(new_recipient));
        self.effects.recipients_changed = true;
        self.state.changed.push(pair.id);
        let KnownClient { key, address, is_operator, .. } = member.client;
        let shown = member.client.shown();
        let is_new = member.in_log.joined.is_none();
        if member.send_only {
            // Nothing is staged. Everything with a lower sequence than the next event was before it.
            member.in_log.joined.get_or_insert(next);
            if !announced {
                let came = if is_new { "came" } else { "came back" };
                self.effects.lines.push((Some(address), format!("{name} {came} to speak, from {shown}")));
            }
        } else if !announced {
            let (kind, came) = match is_new {
                true => (EventKind::Joined { name: name.to_string() }, "joined"),
                false => (EventKind::Back { name: name.to_string() }, "is back"),
            };
            self.effects.lines.push((Some(address), format!("{name} {came} from {shown}")));
            let sequence = self.stage(pair.id, kind);
            if let Some(member) = self.members.get_mut(pair.id) {
                member.in_log.joined = member.in_log.joined.or(sequence);
            }
            if let Some(why) = self.mutes.sentence(&name, is_operator).filter(|_| is_new) {
                self.tell(pair.id, why);
            }
        }
        self.give_name(name, key);
        self.members.get(pair.id)?.in_log.joined
    }

    /// Gives a member the callback connection that its client opened.
    pub(super) fn attach(&mut self, pair: &Arc<ConnectionPair>, callback: Connection, slot: Slot) {
        // Whoever has ended the session closes the pair. After a Leave the reply may still be on its way.
        let Some(member) = self.members.get_mut(pair.id).filter(|member| member.is_on(pair)) else { return };
        let pair = Arc::clone(pair);
        if matches!(member.presence, Presence::Here { recipient: None, .. }) {
            self.effects.recipients.push(NewRecipient { pair, callback, slot: Some(slot) });
            self.effects.recipients_changed = true;
        } else {
            // The client opened it before the reply to its Join.
            self.effects.closings.push((pair, CONNECTION_LOST));
        }
    }

    /// Returns whether a session has no other connections than these.
    pub(super) fn is_present(&self, pair: &Arc<ConnectionPair>) -> bool {
        self.members.get(pair.id).is_some_and(|member| member.is_on(pair))
    }

    /// Ends the presence of a member. With a `reason` the session is lost and can be resumed. Without
    /// one, or before its first join, it is removed.
    pub(super) fn leave(&mut self, id: u64, reason: Option<String>) {
        let is_over = reason.is_none();
        self.end(id, Presence::Lost { since: Instant::now(), told: true }, reason);
        if self.members.get(id).is_some_and(|member| is_over || member.in_log.joined.is_none()) {
            self.members.remove(id);
        }
    }

    /// Ends the presence of a member, and stages the event for the others with the `reason`. Returns the
    /// member's name.
    pub(super) fn end(&mut self, id: u64, presence: Presence, reason: Option<String>) -> Option<Name> {
        let member = self.members.get_mut(id)?;
        let (was_here, was_seen) = (member.is_here(), member.is_seen());
        self.effects.recipients_changed = true;
        // The journal does not know a session that has not entered.
        self.state.changed.extend(member.in_log.joined.map(|_| id));
        member.presence = presence;
        let name = member.name.clone();
        if was_here {
            let why = reason.as_ref().map_or(String::new(), |why| format!(" ({why})"));
            let by_operator = matches!(member.presence, Presence::Over { .. });
            let address = (!by_operator).then_some(member.client.address);
            let left = if member.send_only { "went" } else { "left" };
            let line = format!("{name} {left}{why} from {}", member.client.shown());
            self.effects.lines.push((address, line));
        }
        if was_seen {
            self.stage(id, EventKind::Left { name: name.to_string(), reason });
        }
        Some(name)
    }
}
