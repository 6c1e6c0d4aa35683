//! Who may have a name. Runs on the broadcaster's thread, in a round.
//!
//! A name stands for a person: others send private messages to it, and believe what it says. So a name
//! belongs to one member, with every name that counts as the same or looks the same. It is free at once after
//! a Leave and after a kick. After a lost connection it stays with the session for a while, because the
//! client comes back, and because the others do not know yet. The same holds for the former names of a member
//! that has taken another one.

use super::{
    member::{KnownClient, Member, Presence},
    round::RoundInProgress,
};
use crate::{
    delivery::{ConnectionPair, CONNECTION_LOST},
    identity::{ClientKey, Host, Name},
    log::Audience,
};
use chat_common::wire::protocol::{Cause, EventKind, Refusal, Reply};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The most former names that are held for a member. So nobody keeps many names from others, or makes the
/// check of a name slow.
const MAX_FORMER: usize = 8;

/// Why another cannot have a name that a session has, or had.
enum Holding {
    /// It is here under the name.
    Present,
    /// It was lost under the name, and holds it for this time, if it still does.
    Lost(Option<Duration>),
    /// It has another name now, and holds this one for this time.
    Former(Duration),
}

impl RoundInProgress<'_> {
    /// Gives a member another name, which it asked for on the connections `pair`, if its session has no newer
    /// ones.
    pub(super) fn rename(&mut self, pair: &Arc<ConnectionPair>, name: &str) -> Result<Reply, Refusal> {
        let id = pair.id;
        let member = self.members.get(id).filter(|member| member.is_here() && member.is_on(pair));
        let member = member.ok_or_else(Refusal::busy)?;
        if *member.name == *name {
            // The client repeats the request because it lost the reply. The others were told the first
            // time.
            return Ok(Reply::Renamed { sequence: self.staged.next() - 1 });
        }
        self.check_space()?;
        if let Some(why) = self.mutes.sentence(&member.name, member.client.is_operator) {
            return Err(Refusal::new(Cause::Muted, why));
        }
        let (client, name) = (member.client, Name::new(name));
        self.take_name(&name, &client, Some(id))?;
        let member = self.members.get_mut(id).ok_or_else(Refusal::busy)?;
        let from = std::mem::replace(&mut member.name, name.clone());
        self.state.changed.push(id);
        let line = format!("{from} is now {name}, from {}", client.shown());
        self.effects.lines.push((Some(client.address), line));
        let renamed = EventKind::Renamed { from: from.to_string(), to: name.to_string() };
        self.give_name(name, client.key);
        self.hold_former(id, from);
        let sequence = self.staged.push(renamed, Audience::AllBut(id));
        Ok(Reply::Renamed { sequence })
    }

    /// Checks that a client may have a name, and takes the name from a lost session. `own` is the session of
    /// the client, or `None` for a new one.
    ///
    /// # Errors
    /// When somebody else has the name, it belongs to another key, or the name or the address is banned.
    ///
    /// A ban is the last command of its round, so a claim is either refused here or removed there.
    pub(super) fn take_name(
        &mut self,
        name: &Name,
        client: &KnownClient,
        own: Option<u64>,
    ) -> Result<(), Refusal> {
        if let Some(why) = self.door.bans.reason(name, client.address) {
            return Err(Refusal::new(Cause::Banned, why));
        }
        // This comes before the name is taken from a lost session.
        self.check_owner(name, client.key)?;
        let mut over = Vec::new();
        for (id, holder) in self.members.named(name).into_iter().filter(|(id, _)| Some(*id) != own) {
            let held = match self.holding(holder, name) {
                None => continue,
                Some(Holding::Present) => {
                    let why = match holder.name.folded == name.folded {
                        true => format!("the name {name} is taken"),
                        false => format!("the name {name} looks like {}, who is here", holder.name),
                    };
                    return Err(Refusal::new(Cause::NameTaken, format!("{why}; choose another")));
                }
                Some(Holding::Lost(left)) => {
                    over.push((id, holder.name.clone()));
                    left.map(|left| (format!("the connection of {} was lost", holder.name), left))
                }
                Some(Holding::Former(left)) => Some((format!("{} had the name {name}", holder.name), left)),
            };
            let held = held.filter(|_| !self.is_same_client(holder, client, own));
            if let Some((why, left)) = held {
                let seconds = left.as_millis().div_ceil(1000);
                let why = format!("{why} a moment ago; the name is free again in {seconds} s");
                return Err(Refusal::new(Cause::NameTaken, why));
            }
        }
        for (id, taken) in over {
            let why = format!("the name {taken} was taken by somebody else while the connection was lost");
            let over = Presence::Over { since: Instant::now(), cause: Cause::NameTaken, why };
            self.end(id, over, Some(CONNECTION_LOST.to_owned()));
        }
        Ok(())
    }

    /// Lets a name belong to the client with this key, if the room keeps names.
    pub(super) fn give_name(&mut self, name: Name, key: Option<ClientKey>) {
        let key = key.filter(|_| self.door.names.is_some());
        self.state.names.extend(key.map(|key| (name, key)));
    }

    /// Checks that the client with this key may have a name that others may have had before.
    ///
    /// # Errors
    /// The refusal for the client.
    pub(super) fn check_owner(&self, name: &Name, key: Option<ClientKey>) -> Result<(), Refusal> {
        let names = self.door.names.as_ref();
        let is_free = names.is_none_or(|names| names.is_free_for(name, key.as_ref()));
        // Nobody else knows yet of the names that this round gives.
        let mut given = self.state.names.iter().filter(|(_, owner)| Some(*owner) != key);
        if is_free && !given.any(|(given, _)| given.is_alike(name)) {
            return Ok(());
        }
        let why = format!("the name \"{name}\" belongs to somebody else's key here; choose another");
        Err(Refusal::new(Cause::NameKept, why))
    }

    /// Returns why nobody else can have a name, if that is because of this session.
    fn holding(&self, holder: &Member, name: &Name) -> Option<Holding> {
        // Nobody can come back later than `resume_within`.
        let hold = self.limits.hold_name.min(self.limits.resume_within);
        let left = |since: Instant| hold.checked_sub(since.elapsed()).filter(|left| !left.is_zero());
        let has_name = holder.name.is_alike(name);
        match &holder.presence {
            Presence::Over { .. } => None,
            Presence::Lost { since, .. } if has_name => Some(Holding::Lost(left(*since))),
            Presence::Joining { .. } | Presence::Here { .. } if has_name => Some(Holding::Present),
            _ => {
                // It may have had the name twice.
                let former = holder.former_names.iter().rev().map(|(former, since)| (former, left(*since)));
                let mut held = former.filter_map(|(former, left)| Some((former, left?)));
                held.find(|(former, _)| former.is_alike(name)).map(|(_, left)| Holding::Former(left))
            }
        }
    }

    /// Returns whether a client is surely that of the session `holder`: in a closed room because it has the
    /// same key. Otherwise because it comes from the same host, and no other session of that host is here or
    /// can be resumed. So a program that was killed has its name at once when its machine starts it again.
    fn is_same_client(&self, holder: &Member, client: &KnownClient, own: Option<u64>) -> bool {
        if client.key.is_some() && holder.client.key == client.key {
            return true;
        }
        let host = Host::of(client.address);
        let is_of_host = |member: &Member| {
            Host::of(member.client.address) == host && !matches!(member.presence, Presence::Over { .. })
        };
        let mut others = self.members.iter().filter(|(other, _)| *other != holder.in_log.reader.session);
        own.is_none() && is_of_host(holder) && !others.any(|(_, member)| is_of_host(member))
    }

    /// Holds a name that the session `id` has given up for another one.
    fn hold_former(&mut self, id: u64, name: Name) {
        let Some(Member { former_names: former, .. }) = self.members.get_mut(id) else { return };
        former.retain(|(_, since)| since.elapsed() < self.limits.hold_name);
        if former.len() >= MAX_FORMER {
            former.remove(0);
        }
        former.push((name, Instant::now()));
    }
}
