//! What each command does to the list of members, and which events it stages.
//!
//! Runs on the broadcaster's thread while that thread holds the lock of the list. So nothing here may
//! write to a socket, and nobody may be told anything yet. [`Effects`] collects that for the end of the
//! round.

use super::{
    command::{Command, Entrance, Message, MessageKind, Removed, TooManyMutes},
    mutes::{MutedFor, Mutes},
    natural_order::sort_key,
    registry::{id_of, LastAccepted, Member, Members, Presence},
    waiting::{has_space_for, largest_command, move_bytes, Waiting},
};
use crate::log::journal::{
    record::{push, Record},
    space::Space,
};
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Bug;
use crate::{
    delivery::{ConnectionPair, Deliveries, CONNECTION_LOST},
    door::{key_of, Door, Slot},
    identity::{is_alike, Ban, Host},
    log::{Audience, SharedLog, StagedBatch},
    settings::Limits,
};
use chat_common::{
    program::tasks::Task,
    wire::{
        protocol::{Cause, EventKind, Join, Refusal, Reply},
        rpc::Connection,
        stream::Stream,
    },
};
use crossbeam_channel::Sender;
use std::{
    cmp::Reverse,
    net::IpAddr,
    sync::{atomic::Ordering::Relaxed, Arc},
    time::Instant,
};

/// The longest reason of the operator on a full disk, in bytes.
const SHORT_REASON: usize = 256;

/// One round: the commands that the broadcaster has taken from the channel together.
pub(super) struct Round<'r, 'scope, 'env> {
    pub(super) limits: &'env Limits,
    pub(super) door: &'env Door,
    pub(super) mutes: &'r Mutes,
    pub(super) log: &'env SharedLog,
    pub(super) deliveries: &'r Deliveries<'scope, 'env>,
    pub(super) members: &'r mut Members,
    /// The id of the newest session.
    pub(super) last_id: &'r mut u64,
    /// How much the journal takes. Without space, nothing is accepted that can be refused.
    pub(super) space: Space,
    /// What waits for space.
    pub(super) waiting: &'r mut Waiting,
    pub(super) staged: StagedBatch,
    pub(super) effects: Effects,
}

/// What is done at the end of the round, when its events are in the log and the list is free.
#[derive(Default)]
pub(super) struct Effects {
    /// How many commands the round has.
    pub(super) commands: usize,
    /// The sessions that caused some of the events. They do not get their own events.
    pub(super) authors: Vec<u64>,
    /// The sessions that the journal has to write again.
    pub(super) changed: Vec<u64>,
    /// Whether some of the events are private.
    pub(super) has_private: bool,
    /// Whether recipients have come or gone.
    pub(super) recipients_changed: bool,
    /// Replies to write on call connections. That ends the task.
    pub(super) replies: Vec<(Arc<ConnectionPair>, Reply, Task)>,
    /// Each sends an answer to a thread that waits for it.
    pub(super) answers: Vec<Box<dyn FnOnce()>>,
    /// Pairs to close, and the reason.
    pub(super) closings: Vec<(Arc<ConnectionPair>, &'static str)>,
    /// Lines for the server's log, and the address of the member that each is about. A line about what the
    /// operator did has none, so that no flood hides it.
    pub(super) lines: Vec<(Option<IpAddr>, String)>,
}

impl Effects {
    /// Writes the replies that are not written yet, and tells the threads of their connections.
    pub(super) fn write_replies(&mut self) {
        for (pair, reply, _task) in self.replies.drain(..) {
            pair.reply(&reply);
        }
    }

    /// Closes the pairs of sessions that have ended, or that have new ones.
    pub(super) fn close_pairs(&mut self) {
        for (pair, reason) in self.closings.drain(..) {
            pair.close(reason);
        }
    }

    /// Answers a waiting thread at the end of the round. If the thread has ended, the answer is lost,
    /// which does no harm.
    fn answer<T: Send + 'static>(&mut self, answer_tx: Sender<T>, answer: T) {
        self.answers.push(Box::new(move || drop(answer_tx.send(answer))));
    }
}

impl Round<'_, '_, '_> {
    /// Carries out one command.
    pub(super) fn apply(&mut self, command: Command) {
        self.effects.commands += 1;
        match command {
            Command::Claim { join, address, call, claimed_tx } => {
                self.forget_absent();
                let claimed = match join.resume {
                    Some(_) => self.resume(&join, address, call),
                    None => self.claim(&join, address, call),
                };
                self.effects.answer(claimed_tx, claimed);
            }
            Command::Enter { pair, entrance, callback, entered_tx } => {
                let joined = self.enter(&pair, entrance, callback);
                self.effects.answer(entered_tx, joined);
            }
            Command::Attach { pair, callback, slot } => self.attach(&pair, callback, slot),
            Command::Say { pair, message, task } => {
                let reply = self.say(pair.id, message).unwrap_or_else(Reply::Refused);
                self.effects.replies.push((pair, reply, task));
            }
            Command::Rename { pair, name, task } => {
                let reply = self.rename(pair.id, name).unwrap_or_else(Reply::Refused);
                self.effects.replies.push((pair, reply, task));
            }
            Command::Leave { pair, left_tx } => {
                if self.is_present(&pair) {
                    self.leave(pair.id, None);
                }
                self.effects.answer(left_tx, ());
            }
            Command::Lose { pair, reason } => {
                if self.is_present(&pair) {
                    self.leave(pair.id, Some(reason.to_owned()));
                }
            }
            Command::Remove { ban, reason, removed_tx } => {
                let removed = self.remove(&ban, &reason);
                self.effects.answer(removed_tx, removed);
            }
            Command::Mute { name, time, muted_tx } => {
                let muted = self.mute(&name, time);
                self.effects.answer(muted_tx, muted);
            }
            Command::Unmute { name, unmuted_tx } => {
                let was_muted = self.unmute(&name);
                self.effects.answer(unmuted_tx, was_muted);
            }
            Command::Notice { text, said_tx } => {
                let said = if self.space.accepts { Ok(()) } else { Err(no_space()) };
                if said.is_ok() {
                    self.staged.push(EventKind::Notice { text }, Audience::All);
                }
                self.effects.answer(said_tx, said);
            }
            Command::TellLost => self.tell_lost(Instant::now()),
        }
    }

    /// Returns whether a session has no other connections than these.
    fn is_present(&self, pair: &Arc<ConnectionPair>) -> bool {
        self.members.get(&pair.id).is_some_and(|member| member.is_on(pair))
    }

    /// Returns the records of the sessions that have changed in this round, as far as there is space for
    /// them. The others wait, and so does each session of which an event waits.
    pub(super) fn records(&mut self) -> Vec<u8> {
        let mut data = Vec::new();
        let space = self.space.bytes.saturating_sub(self.staged.bytes());
        let mut changed = std::mem::take(&mut self.waiting.sessions);
        changed.extend(&self.effects.changed);
        for id in changed {
            let written = data.len();
            match self.members.get(&id).map(|member| member.record(id)) {
                None => push(&Record::Gone { session: id }, &mut data),
                Some(record) => {
                    record.into_iter().for_each(|record| push(&Record::Session(record), &mut data));
                }
            }
            if data.len() > space || self.waiting.has_event_of(id) {
                data.truncate(written);
                self.waiting.sessions.insert(id);
            }
        }
        data
    }

    /// Whether the next command may need more space than is left, and can wait for the next round.
    pub(super) fn is_used_up(&self) -> bool {
        self.space.accepts && !self.has_space_for(largest_command(self.limits)) || self.staged.is_large()
    }

    fn has_space_for(&self, bytes: usize) -> bool {
        has_space_for(bytes, self.space, &self.staged, self.effects.changed.len())
    }

    /// Stages that the session `id` came or went. Where there is no space, this waits; returns `None` then.
    fn stage(&mut self, id: u64, kind: EventKind) -> Option<u64> {
        if self.waiting.take_back(id) {
            return None;
        }
        if !self.has_space_for(move_bytes(&kind)) {
            self.waiting.events.push((id, kind));
            return None;
        }
        self.effects.authors.push(id);
        Some(self.staged.push(kind, Audience::AllBut(id)))
    }

    /// Stages what has waited for space.
    pub(super) fn stage_waiting(&mut self) {
        if !self.space.accepts {
            return;
        }
        // The commands behind must have their space.
        let command = largest_command(self.limits);
        for (id, kind) in std::mem::take(&mut self.waiting.events) {
            if self.has_space_for(move_bytes(&kind) + command) {
                self.effects.changed.push(id);
                self.stage(id, kind);
            } else {
                self.waiting.events.push((id, kind));
            }
        }
    }

    /// Makes a new session with a name. If it takes the name from a lost session, that is over and cannot be
    /// resumed.
    fn claim(
        &mut self,
        join: &Join,
        address: IpAddr,
        call: Arc<Stream>,
    ) -> Result<Arc<ConnectionPair>, Refusal> {
        if !self.space.accepts {
            return Err(no_space());
        }
        // This client makes a new session, so it has given up the one that it had with this token.
        let former = self.members.iter().find(|(_, member)| member.token == join.token);
        if let Some((id, pair)) = former.map(|(id, member)| (*id, member.pair().map(Arc::clone))) {
            self.effects.closings.extend(pair.map(|pair| (pair, "replaced")));
            self.leave(id, None);
        }
        let folded = self.take_name(&join.name, address, &call, None)?;
        *self.last_id += 1;
        let (key, now) = (key_of(&call), Instant::now());
        let pair = Arc::new(ConnectionPair::new(*self.last_id, call, self.door.reads(address)));
        let member = Member {
            token: join.token,
            name: join.name.clone(),
            folded,
            address,
            key,
            former_names: Vec::new(),
            visitor: join.visitor,
            presence: Presence::Joining { pair: Arc::clone(&pair), announced: false },
            joined: None,
            start: 0,
            told_from: 0,
            kept_from: 0,
            last_accepted: None,
            entered: now,
            last_said: now,
        };
        self.members.insert(pair.id, member);
        Ok(pair)
    }

    /// Gives a session new connections. If it still has old ones, they are closed.
    fn resume(
        &mut self,
        join: &Join,
        address: IpAddr,
        call: Arc<Stream>,
    ) -> Result<Arc<ConnectionPair>, Refusal> {
        // A place beyond the end is of another past, which this journal does not have: it was put back from a
        // copy. In the old session the client would take new events for ones that it has.
        let is_here = join.resume.is_some_and(|sequence| sequence < self.staged.next());
        let mut members = self.members.iter_mut().filter(|_| is_here);
        let Some((id, member)) = members.find(|(_, member)| member.token == join.token) else {
            let why = "the session is not known here; join anew";
            return Err(Refusal::new(Cause::UnknownSession, why));
        };
        if let Presence::Over { cause, why, .. } = &member.presence {
            return Err(Refusal::new(*cause, why.clone()));
        }
        // Nobody was told of a visitor, so its session must not begin to listen.
        if member.visitor != join.visitor {
            let why = "a session does not change between a visitor's and a member's; join anew";
            return Err(Refusal::new(Cause::Unsupported, why));
        }
        if let Some(why) = self.door.bans.reason(&member.name, address) {
            return Err(Refusal::new(Cause::SessionOver, why));
        }
        self.door.check_name(&member.name, &call)?;
        self.door.bind_name(&member.name, &call);
        member.key = key_of(&call);
        let pair = Arc::new(ConnectionPair::new(*id, call, self.door.reads(address)));
        let announced = member.is_here();
        self.effects.closings.extend(member.pair().map(|old| (Arc::clone(old), "replaced")));
        self.effects.recipients_changed = true;
        member.address = address;
        member.presence = Presence::Joining { pair: Arc::clone(&pair), announced };
        Ok(pair)
    }

    /// Lets a member enter the room. Returns the sequence number of the session's join.
    fn enter(
        &mut self,
        pair: &Arc<ConnectionPair>,
        entrance: Entrance,
        callback: Option<Connection>,
    ) -> Option<u64> {
        let member = self.members.get_mut(&pair.id).filter(|member| member.is_on(pair))?;
        let Presence::Joining { announced, .. } = member.presence else { return None };
        if member.joined.is_none() && !self.has_space_for(largest_command(self.limits)) {
            self.leave(pair.id, None);
            return None;
        }
        let member = self.members.get_mut(&pair.id)?;
        let next = self.staged.next();
        (member.start, member.told_from) = match entrance {
            Entrance::New { start } => (start.unwrap_or(next).min(next), next),
            Entrance::Since { sequence, kept_from } => {
                member.kept_from = kept_from;
                let start = sequence.saturating_add(1).min(next);
                (start, start)
            }
            // The client's first Join ended before the session entered the room. So this is its join.
            Entrance::Resumed(_) if member.joined.is_none() => (next, next),
            // A client that has received nothing sends 0. It gets nothing from before the session's first
            // start.
            Entrance::Resumed(sequence) => {
                (sequence.saturating_add(1).max(member.start).min(next), member.told_from)
            }
        };
        let recipient = match callback {
            None => None,
            Some(callback) => {
                let recipient =
                    self.deliveries.start(pair, callback, None, member.start, member.reader(pair.id));
                if recipient.is_none() {
                    let line = "no thread for a recipient".to_owned();
                    self.effects.lines.push((Some(member.address), line));
                    self.leave(pair.id, Some(CONNECTION_LOST.to_owned()));
                    return None;
                }
                recipient
            }
        };
        self.effects.recipients_changed = true;
        member.presence = Presence::Here { pair: Arc::clone(pair), recipient };
        self.effects.changed.push(pair.id);
        if member.visitor {
            // Nothing is staged. Everything with a lower sequence than the next event was before it.
            let came = if member.joined.is_none() { "came" } else { "came back" };
            member.joined.get_or_insert(next);
            if !announced {
                let line = format!("{} {came} to speak, from {}", member.name, member.address);
                self.effects.lines.push((Some(member.address), line));
            }
        } else if !announced {
            let name = member.name.clone();
            let address = member.address.to_canonical();
            let is_new = member.joined.is_none();
            let (kind, line) = match is_new {
                true => (EventKind::Joined { name: name.clone() }, format!("{name} joined from {address}")),
                false => (EventKind::Back { name: name.clone() }, format!("{name} is back from {address}")),
            };
            self.effects.lines.push((Some(member.address), line));
            let muted = self.mutes.left(&member.name).filter(|_| is_new);
            let sequence = self.stage(pair.id, kind);
            if let Some(member) = self.members.get_mut(&pair.id) {
                member.joined = member.joined.or(sequence);
            }
            if let Some(time) = muted {
                self.tell(pair.id, time.sentence());
            }
        }
        self.members.get(&pair.id)?.joined
    }

    /// Gives a member the callback connection that its client opened.
    fn attach(&mut self, pair: &Arc<ConnectionPair>, callback: Connection, slot: Slot) {
        // Whoever has ended the session closes the pair. After a Leave the reply may still be on its way.
        let Some(member) = self.members.get_mut(&pair.id).filter(|member| member.is_on(pair)) else { return };
        let reader = member.reader(pair.id);
        if let Member { presence: Presence::Here { recipient, .. }, start, .. } = member {
            if recipient.is_none() {
                *recipient = self.deliveries.start(pair, callback, Some(slot), *start, reader);
                self.effects.recipients_changed = true;
            }
            if recipient.is_some() {
                return;
            }
        }
        // There is no thread for it, or the client opened it before the reply to its Join.
        self.effects.closings.push((Arc::clone(pair), CONNECTION_LOST));
    }

    fn say(&mut self, id: u64, message: Message) -> Result<Reply, Refusal> {
        let Message { message_id, repeated, text, kind, digest } = message;
        let recipient = match &kind {
            MessageKind::Private { to } => id_of(self.members, to),
            MessageKind::Message | MessageKind::Action => None,
        };
        let member = self.members.get_mut(&id).filter(|member| member.is_here());
        let member = member.ok_or_else(Refusal::busy)?;
        let last = member.last_accepted.filter(|last| message_id <= last.message_id);
        #[cfg(feature = "seeded-bugs")]
        let last = last.filter(|_| !self.limits.seeded.has(Bug::DoubleOnRepeat));
        match last {
            // The client repeats a message after it lost its connection. The message is not accepted twice.
            Some(last) if (message_id, digest) == (last.message_id, last.digest) => {
                return Ok(Reply::Accepted { sequence: last.sequence });
            }
            Some(last) => {
                let last = last.message_id;
                let why = format!("a message had the number {last}; the next needs a higher one");
                return Err(Refusal::new(Cause::OutOfOrder, why));
            }
            None if !self.space.accepts => return Err(no_space()),
            None => {}
        }
        if let Some(time) = self.mutes.left(&member.name) {
            return Err(Refusal::new(Cause::Muted, time.sentence()));
        }
        let author = member.name.clone();
        let others = Audience::AllBut(id);
        let (kind, audience) = match (kind, recipient) {
            (MessageKind::Message, _) => (EventKind::Message { author, message_id, repeated, text }, others),
            (MessageKind::Action, _) => (EventKind::Action { author, message_id, repeated, text }, others),
            (MessageKind::Private { .. }, Some(recipient)) => {
                self.effects.has_private = true;
                (EventKind::Private { author, message_id, repeated, text }, Audience::Only(recipient))
            }
            (MessageKind::Private { to }, None) => {
                let why = format!("nobody here is called {to}; /who lists who is");
                return Err(Refusal::new(Cause::NobodyOfThatName, why));
            }
        };
        if matches!(audience, Audience::AllBut(_)) {
            member.last_said = Instant::now();
        }
        let sequence = self.staged.push_message(kind, audience, id, digest);
        member.last_accepted = Some(LastAccepted { message_id, digest, sequence });
        self.effects.authors.push(id);
        self.log.counters.accepted.fetch_add(1, Relaxed);
        Ok(Reply::Accepted { sequence })
    }

    fn rename(&mut self, id: u64, name: String) -> Result<Reply, Refusal> {
        let member = self.members.get(&id).filter(|member| member.is_here()).ok_or_else(Refusal::busy)?;
        if member.name == name {
            // The client repeats the request because it lost the reply. The others were told the first
            // time.
            return Ok(Reply::Renamed { sequence: self.staged.next() - 1 });
        }
        if !self.space.accepts {
            return Err(no_space());
        }
        if let Some(time) = self.mutes.left(&member.name) {
            return Err(Refusal::new(Cause::Muted, time.sentence()));
        }
        let (address, pair) = (member.address, member.pair().map(Arc::clone).ok_or_else(Refusal::busy)?);
        let folded = self.take_name(&name, address, pair.call(), Some(id))?;
        let member = self.members.get_mut(&id).ok_or_else(Refusal::busy)?;
        member.folded = folded;
        let from = std::mem::replace(&mut member.name, name.clone());
        self.effects.changed.push(id);
        let address = member.address.to_canonical();
        self.effects.lines.push((Some(member.address), format!("{from} is now {name}, from {address}")));
        self.hold_former(id, from.clone());
        self.effects.authors.push(id);
        let sequence = self.staged.push(EventKind::Renamed { from, to: name }, Audience::AllBut(id));
        Ok(Reply::Renamed { sequence })
    }

    /// Ends the presence of a member. With a `reason` the session is lost and can be resumed. Without
    /// one, or before its first join, it is removed.
    fn leave(&mut self, id: u64, reason: Option<String>) {
        let is_over = reason.is_none();
        self.end(id, Presence::Lost { since: Instant::now(), told: true }, reason);
        if self.members.get(&id).is_some_and(|member| is_over || member.joined.is_none()) {
            self.members.remove(&id);
        }
    }

    /// Mutes a name. The members that have it are told at once, or when they resume their sessions. Returns
    /// the name of one.
    fn mute(&mut self, name: &str, time: MutedFor) -> Result<Option<String>, TooManyMutes> {
        if !self.mutes.add(name, time) {
            return Err(TooManyMutes);
        }
        let member = self.tell_named(name, &time.sentence());
        let name = member.as_deref().unwrap_or(name);
        self.effects.lines.push((None, format!("the operator has muted {name} {time}")));
        Ok(member)
    }

    /// Ends a mute. Returns whether there was one.
    fn unmute(&mut self, name: &str) -> bool {
        let was_muted = self.mutes.remove(name);
        if was_muted {
            let member = self.tell_named(name, "you are no longer muted");
            let name = member.as_deref().unwrap_or(name);
            self.effects.lines.push((None, format!("the operator has ended the mute of {name}")));
        }
        was_muted
    }

    /// Tells something to the members with this name, or with one that looks the same. Returns the name of
    /// one, if there is any.
    fn tell_named(&mut self, name: &str, text: &str) -> Option<String> {
        let is_meant = |member: &Member| {
            // One that has not entered yet is told when it does.
            let has_entered = member.joined.is_some() && !matches!(member.presence, Presence::Over { .. });
            has_entered && is_alike(&member.name, name)
        };
        let found = self.members.iter().filter(|(_, member)| is_meant(member));
        let mut found: Vec<(u64, String)> = found.map(|(id, member)| (*id, member.name.clone())).collect();
        found.sort_unstable();
        found.iter().for_each(|(id, _)| self.tell(*id, text.to_owned()));
        found.into_iter().next().map(|(_, name)| name)
    }

    /// Says something to one session alone, as the server. On a full disk it is not said.
    fn tell(&mut self, id: u64, text: String) {
        if !self.space.accepts {
            return;
        }
        self.effects.has_private = true;
        self.staged.push(EventKind::Notice { text }, Audience::Only(id));
    }

    /// Ends all sessions that `ban` covers, lost ones too.
    fn remove(&mut self, ban: &Ban, reason: &str) -> Vec<Removed> {
        // On a full disk there is space for short reasons alone.
        let is_short = self.space.accepts || reason.len() <= SHORT_REASON;
        let with_reason = |text: &str| match reason {
            reason if !reason.is_empty() && is_short => format!("{text}: {reason}"),
            _ => text.to_owned(),
        };
        let is_covered = |member: &Member| {
            ban.covers(&member.name, member.address) && !matches!(member.presence, Presence::Over { .. })
        };
        let covered = self.members.iter().filter(|(_, member)| is_covered(member));
        let covered: Vec<_> = covered
            .map(|(id, member)| (*id, member.address.to_canonical(), member.pair().map(Arc::clone)))
            .collect();
        let mut removed = Vec::new();
        for (id, address, pair) in covered {
            self.effects.closings.extend(pair.map(|pair| (pair, "removed")));
            let why = with_reason("the operator removed you from the room");
            let over = Presence::Over { since: Instant::now(), cause: Cause::SessionOver, why };
            let name = self.end(id, over, Some(with_reason("removed")));
            removed.extend(name.map(|name| Removed { name, address, others: 0 }));
        }
        removed.sort_by_cached_key(|member| sort_key(&member.name));
        for Removed { address, others, .. } in &mut removed {
            let ban = Ban::of_host(*address);
            let is_hit = |member: &&Member| member.is_here() && ban.covers(&member.name, member.address);
            *others = self.members.values().filter(is_hit).count();
        }
        removed
    }

    /// Ends the presence of a member, and stages the event for the others with the `reason`. Returns the
    /// member's name.
    pub(super) fn end(&mut self, id: u64, presence: Presence, reason: Option<String>) -> Option<String> {
        let member = self.members.get_mut(&id)?;
        let (was_here, was_seen) = (member.is_here(), member.is_seen());
        self.effects.recipients_changed = true;
        // The journal does not know a session that has not entered.
        self.effects.changed.extend(member.joined.map(|_| id));
        member.presence = presence;
        let name = member.name.clone();
        if was_here {
            let why = reason.as_ref().map_or(String::new(), |why| format!(" ({why})"));
            let by_operator = matches!(member.presence, Presence::Over { .. });
            let address = (!by_operator).then_some(member.address);
            let left = if member.visitor { "went" } else { "left" };
            let line = format!("{name} {left}{why} from {}", member.address.to_canonical());
            self.effects.lines.push((address, line));
        }
        if was_seen {
            self.stage(id, EventKind::Left { name: name.clone(), reason });
        }
        Some(name)
    }

    /// Removes the sessions that cannot be resumed any more: those that ended too long ago, and, if there
    /// are more than `max_connections`, the oldest of the host that has most. So a host that loses many
    /// sessions pushes out only its own.
    fn forget_absent(&mut self) {
        let (now, keep) = (Instant::now(), self.limits.resume_within);
        let since = |member: &Member| match member.presence {
            Presence::Joining { .. } | Presence::Here { .. } => None,
            Presence::Lost { since, .. } | Presence::Over { since, .. } => Some(since),
        };
        self.tell_lost(now);
        let changed = &mut self.effects.changed;
        self.members.retain(|id, member| {
            let keeps = since(member).is_none_or(|since| now.duration_since(since) <= keep);
            changed.extend((!keeps).then_some(*id));
            keeps
        });
        let absent = |(id, member): (&u64, &Member)| Some((Host::of(member.address), since(member)?, *id));
        let mut absent: Vec<(Host, Instant, u64)> = self.members.iter().filter_map(absent).collect();
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
            self.members.remove(id);
            self.effects.changed.push(*id);
        }
    }

    /// Tells the others of the sessions of the journal that have not come back in time.
    pub(super) fn tell_lost(&mut self, now: Instant) {
        let keep = self.limits.resume_within;
        let is_due = |member: &Member| match member.presence {
            Presence::Lost { since, told: false } => now.duration_since(since) > keep,
            _ => false,
        };
        let due: Vec<u64> =
            self.members.iter().filter(|(_, member)| is_due(member)).map(|(id, _)| *id).collect();
        for id in due {
            self.leave(id, Some(CONNECTION_LOST.to_owned()));
        }
    }
}

/// Returns the records that open a file of the journal: all sessions that can be resumed.
pub(super) fn checkpoint(members: &Members, last_session: u64) -> Vec<u8> {
    let mut data = Vec::new();
    push(&Record::Checkpoint { last_session }, &mut data);
    let records = members.iter().filter_map(|(id, member)| member.record(*id));
    records.for_each(|record| push(&Record::Session(record), &mut data));
    data
}

/// Returns the refusal of a server whose disk is full.
fn no_space() -> Refusal {
    let why = "the server's disk is full, so nothing new can be kept; what was said before is safe";
    Refusal::new(Cause::NoSpace, why)
}
