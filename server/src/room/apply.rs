//! What each command does: to the list of members, and which events it stages. Runs on the broadcaster's thread while it holds the
//! list, so nothing here may touch a socket, and nothing may be said to anybody: that is done when the round is complete
//! ([`Effects`]).

use super::{
    command::{Command, MessageKind, Start},
    registry::{id_of, Member, Members, Presence},
};
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Bug;
use crate::{
    delivery::{
        connection_pair::{CloseReason, ConnectionPair, CONNECTION_LOST},
        Deliveries, RoundParts,
    },
    door::{admission::Slot, bans::Ban, name::fold, Door},
    log::{Audience, SharedLog, StagedBatch},
    settings::limits::Limits,
};
use chat_common::{
    protocol::{Cause, EventKind, Join, Refusal, Reply},
    rpc::Connection,
    stream::Stream,
    token::Token,
};
use crossbeam_channel::Sender;
use std::{net::IpAddr, sync::Arc, time::Instant};

/// One round: the commands that waited in the channel when the broadcaster came to it.
pub(super) struct Round<'r, 'scope, 'env> {
    pub(super) limits: &'env Limits,
    pub(super) door: &'env Door,
    pub(super) log: &'env SharedLog,
    pub(super) deliveries: &'r Deliveries<'scope, 'env>,
    pub(super) members: &'r mut Members,
    /// The id of the session that was made last.
    pub(super) last_id: &'r mut u64,
    pub(super) staged: StagedBatch,
    pub(super) effects: Effects,
}

/// What is done when the round's events are in the log and the list is free.
#[derive(Default)]
pub(super) struct Effects {
    /// Whom the round's events are not for.
    pub(super) parts: RoundParts,
    /// Whether recipients have come or gone.
    pub(super) recipients_changed: bool,
    /// Replies to write on call connections. The sender then gets a word.
    pub(super) replies: Vec<(Arc<ConnectionPair>, Reply, Sender<()>)>,
    pub(super) answers: Vec<Box<dyn FnOnce()>>,
    pub(super) closings: Vec<(Arc<ConnectionPair>, CloseReason)>,
    /// Lines for the server's log.
    pub(super) lines: Vec<String>,
}

impl Effects {
    /// Answers a thread that waits, when the round is published. A thread that has gone needs no answer.
    fn answer<T: Send + 'static>(&mut self, answer_tx: Sender<T>, answer: T) {
        self.answers.push(Box::new(move || drop(answer_tx.send(answer))));
    }
}

impl Round<'_, '_, '_> {
    /// Carries out one command.
    pub(super) fn apply(&mut self, command: Command) {
        match command {
            Command::Claim { join, address, call, claimed_tx } => {
                self.forget_absent();
                let claimed = match join.resume {
                    Some(_) => self.resume(&join.token, address, call),
                    None => self.claim(&join, address, call),
                };
                self.effects.answer(claimed_tx, claimed);
            }
            Command::Enter { pair, start, callback, entered_tx } => {
                let joined = self.enter(&pair, start, callback);
                self.effects.answer(entered_tx, joined);
            }
            Command::Attach { pair, callback, slot } => self.attach(&pair, callback, slot),
            Command::Say { pair, message_id, text, kind, replied_tx } => {
                let reply = self.say(pair.id, message_id, text, kind).unwrap_or_else(Reply::Refused);
                self.effects.replies.push((pair, reply, replied_tx));
            }
            Command::Rename { pair, name, replied_tx } => {
                let reply = self.rename(pair.id, name).unwrap_or_else(Reply::Refused);
                self.effects.replies.push((pair, reply, replied_tx));
            }
            Command::Leave { pair, reason } => {
                if self.members.get(&pair.id).is_some_and(|member| member.is_on(&pair)) {
                    self.leave(pair.id, reason);
                }
            }
            Command::Remove { ban, reason, removed_tx } => {
                let names = self.remove(&ban, &reason);
                self.effects.answer(removed_tx, names);
            }
            Command::Notice(text) => {
                self.staged.push(EventKind::Notice { text }, Audience::All);
            }
        }
    }

    /// Gives a new session its name. The name of a lost session is free to take, and that session is then over.
    fn claim(
        &mut self,
        join: &Join,
        address: IpAddr,
        call: Arc<Stream>,
    ) -> Result<Arc<ConnectionPair>, Refusal> {
        // A client that joins anew has given up the session that it had before.
        self.members.retain(|_, member| member.pair().is_some() || member.token != join.token);
        let folded = self.take_name(&join.name, address, None)?;
        *self.last_id += 1;
        let pair = Arc::new(ConnectionPair::new(*self.last_id, call));
        let member = Member {
            token: join.token,
            name: join.name.clone(),
            folded,
            address,
            presence: Presence::Joining { pair: Arc::clone(&pair), announced: false },
            joined: None,
            start: 0,
            last_accepted: None,
        };
        self.members.insert(pair.id, member);
        Ok(pair)
    }

    /// Puts a session on new connections. The client has given up those on which the session still is.
    fn resume(
        &mut self,
        token: &Token,
        address: IpAddr,
        call: Arc<Stream>,
    ) -> Result<Arc<ConnectionPair>, Refusal> {
        let Some((id, member)) = self.members.iter_mut().find(|(_, member)| member.token == *token) else {
            let why = "the session is not known here; join anew";
            return Err(Refusal::new(Cause::UnknownSession, why));
        };
        if let Presence::Over { why, .. } = &member.presence {
            return Err(Refusal::new(Cause::SessionOver, why.clone()));
        }
        if let Some(why) = self.door.bans.reason(&member.name, address) {
            return Err(Refusal::new(Cause::SessionOver, why));
        }
        let pair = Arc::new(ConnectionPair::new(*id, call));
        let announced = member.is_here();
        self.effects.closings.extend(member.pair().map(|old| (Arc::clone(old), CloseReason::Replaced)));
        self.effects.recipients_changed = true;
        member.address = address;
        member.presence = Presence::Joining { pair: Arc::clone(&pair), announced };
        Ok(pair)
    }

    /// Lets a member into the room. Returns the sequence number of the session's join.
    fn enter(
        &mut self,
        pair: &Arc<ConnectionPair>,
        start: Start,
        callback: Option<Connection>,
    ) -> Option<u64> {
        let member = self.members.get_mut(&pair.id).filter(|member| member.is_on(pair))?;
        let Presence::Joining { announced, .. } = member.presence else { return None };
        member.start = match start {
            Start::History(count) => history_start(self.log, count, pair.id).unwrap_or(self.staged.next()),
            // The first Join of the session was given up before it was carried out: this one is the join.
            Start::After(_) if member.joined.is_none() => self.staged.next(),
            #[cfg(feature = "seeded-bugs")]
            Start::After(sequence) if self.limits.seeded.has(Bug::DoubleOnResume) => sequence,
            // Not before the first start, even if the client says that it has received nothing.
            Start::After(sequence) => sequence.saturating_add(1).max(member.start).min(self.staged.next()),
        };
        let recipient = match callback {
            None => None,
            Some(callback) => {
                let recipient = self.deliveries.start(pair, callback, None, member.start);
                if recipient.is_none() {
                    self.leave(pair.id, Some(CONNECTION_LOST.to_owned()));
                    return None;
                }
                recipient
            }
        };
        self.effects.recipients_changed = true;
        member.presence = Presence::Here { pair: Arc::clone(pair), recipient };
        if !announced {
            let name = member.name.clone();
            let (kind, line) = match member.joined {
                None => (EventKind::Joined { name: name.clone() }, format!("{name} joined")),
                Some(_) => (EventKind::Back { name: name.clone() }, format!("{name} is back")),
            };
            let sequence = self.staged.push(kind, Audience::AllBut(pair.id));
            member.joined.get_or_insert(sequence);
            self.effects.parts.authors.push(pair.id);
            self.effects.lines.push(line);
        }
        member.joined
    }

    fn attach(&mut self, pair: &Arc<ConnectionPair>, callback: Connection, slot: Slot) {
        let member = self.members.get_mut(&pair.id).filter(|member| member.is_on(pair));
        if let Some(Member { presence: Presence::Here { recipient, .. }, start, .. }) = member {
            if recipient.is_none() {
                *recipient = self.deliveries.start(pair, callback, Some(slot), *start);
                self.effects.recipients_changed = true;
            }
            if recipient.is_some() {
                return;
            }
        }
        // There is no thread for it, or the client opened it before its Join was answered.
        self.effects.closings.push((Arc::clone(pair), CloseReason::Lost(CONNECTION_LOST)));
    }

    fn say(&mut self, id: u64, message_id: u64, text: String, kind: MessageKind) -> Result<Reply, Refusal> {
        let member = self.members.get(&id).filter(|member| member.is_here()).ok_or_else(Refusal::busy)?;
        let repeated = member.last_accepted.filter(|(last, _)| message_id <= *last);
        #[cfg(feature = "seeded-bugs")]
        let repeated = repeated.filter(|_| !self.limits.seeded.has(Bug::DoubleOnRepeat));
        if let Some((_, sequence)) = repeated {
            // Accepted before the client lost its connection, and not accepted twice.
            return Ok(Reply::Accepted { sequence });
        }
        let author = member.name.clone();
        let (kind, audience) = match kind {
            MessageKind::Message => (EventKind::Message { author, message_id, text }, Audience::AllBut(id)),
            MessageKind::Action => (EventKind::Action { author, message_id, text }, Audience::AllBut(id)),
            MessageKind::Private { to } => {
                let Some(recipient) = id_of(self.members, &to) else {
                    let why = format!("nobody here is called {to}; /who lists who is");
                    return Err(Refusal::new(Cause::NobodyOfThatName, why));
                };
                self.effects.parts.has_private = true;
                (EventKind::Private { author, message_id, text }, Audience::Only(recipient))
            }
        };
        let sequence = self.staged.push(kind, audience);
        if let Some(member) = self.members.get_mut(&id) {
            member.last_accepted = Some((message_id, sequence));
        }
        self.effects.parts.authors.push(id);
        self.log.counters.count_accepted();
        Ok(Reply::Accepted { sequence })
    }

    fn rename(&mut self, id: u64, name: String) -> Result<Reply, Refusal> {
        let member = self.members.get(&id).filter(|member| member.is_here()).ok_or_else(Refusal::busy)?;
        if member.name == name {
            // Asked again by a client that lost the reply. The others have been told.
            return Ok(Reply::Renamed { sequence: self.staged.next() - 1 });
        }
        let folded = self.take_name(&name, member.address, Some(id))?;
        let member = self.members.get_mut(&id).ok_or_else(Refusal::busy)?;
        member.folded = folded;
        let from = std::mem::replace(&mut member.name, name.clone());
        self.effects.lines.push(format!("{from} is now {name}"));
        self.effects.parts.authors.push(id);
        let sequence = self.staged.push(EventKind::Renamed { from, to: name }, Audience::AllBut(id));
        Ok(Reply::Renamed { sequence })
    }

    /// Ends the presence of a member. With a `reason` the session is lost and can be resumed; without one it is gone.
    fn leave(&mut self, id: u64, reason: Option<String>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let was_here = member.is_here();
        let name = member.name.clone();
        member.presence = Presence::Lost { since: Instant::now() };
        self.effects.recipients_changed = true;
        if reason.is_none() || member.joined.is_none() {
            self.members.remove(&id);
        }
        if was_here {
            self.announce_left(id, name, reason);
        }
    }

    /// Ends all sessions that `ban` covers, lost ones too. Returns their names.
    fn remove(&mut self, ban: &Ban, reason: &str) -> Vec<String> {
        let with_reason = |text: &str| match reason {
            "" => text.to_owned(),
            reason => format!("{text}: {reason}"),
        };
        let mut removed = Vec::new();
        for (id, member) in &mut *self.members {
            let is_over = matches!(member.presence, Presence::Over { .. });
            if is_over || !ban.covers(&member.name, member.address) {
                continue;
            }
            removed.push((*id, member.name.clone(), member.is_here()));
            self.effects.closings.extend(member.pair().map(|pair| (Arc::clone(pair), CloseReason::Removed)));
            let why = with_reason("the operator removed you from the room");
            member.presence = Presence::Over { since: Instant::now(), why };
            self.effects.recipients_changed = true;
        }
        let mut names = Vec::new();
        for (id, name, was_here) in removed {
            names.push(name.clone());
            if was_here {
                self.announce_left(id, name, Some(with_reason("removed")));
            }
        }
        names
    }

    fn announce_left(&mut self, id: u64, name: String, reason: Option<String>) {
        let why = reason.as_ref().map_or(String::new(), |why| format!(" ({why})"));
        self.effects.lines.push(format!("{name} left{why}"));
        self.effects.parts.authors.push(id);
        self.staged.push(EventKind::Left { name, reason }, Audience::AllBut(id));
    }

    /// Makes a name free for the session `own`, or for a new one. Returns its folded form.
    ///
    /// # Errors
    /// When somebody who is connected has it, or it or the address is banned. The ban is checked here, on the broadcaster's thread:
    /// the operator bans first and then sends `Remove`, so a claim is either refused or removed.
    fn take_name(&mut self, name: &str, address: IpAddr, own: Option<u64>) -> Result<String, Refusal> {
        if let Some(why) = self.door.bans.reason(name, address) {
            return Err(Refusal::new(Cause::Banned, why));
        }
        let folded = fold(name);
        let holder = self.members.iter_mut().find(|(id, member)| {
            Some(**id) != own && member.folded == folded && !matches!(member.presence, Presence::Over { .. })
        });
        if let Some((_, holder)) = holder {
            let Presence::Lost { .. } = holder.presence else {
                let why = format!("the name {name} is taken; choose another");
                return Err(Refusal::new(Cause::NameTaken, why));
            };
            let name = &holder.name;
            let why = format!("the name {name} was taken by somebody else while the connection was lost");
            holder.presence = Presence::Over { since: Instant::now(), why };
        }
        Ok(folded)
    }

    /// Drops the sessions that can no longer be resumed: those that are too old, and the oldest of too many.
    fn forget_absent(&mut self) {
        let (now, keep) = (Instant::now(), self.limits.resume_within);
        let since = |member: &Member| match member.presence {
            Presence::Joining { .. } | Presence::Here { .. } => None,
            Presence::Lost { since } | Presence::Over { since, .. } => Some(since),
        };
        self.members.retain(|_, member| since(member).is_none_or(|since| now.duration_since(since) <= keep));
        let mut absent: Vec<(Instant, u64)> =
            self.members.iter().filter_map(|(id, member)| Some((since(member)?, *id))).collect();
        if let Some(too_many) = absent.len().checked_sub(self.limits.max_connections) {
            absent.sort_unstable();
            for (_, id) in &absent[..too_many] {
                self.members.remove(id);
            }
        }
    }
}

/// The position of the last `count` messages for the session `reader`, if the log holds any.
fn history_start(log: &SharedLog, count: u32, reader: u64) -> Option<u64> {
    let log = log.read();
    Some(log.position_before(count as usize, reader)).filter(|position| *position < log.next())
}
