//! Who may have a name. Runs on the broadcaster's thread, in a round.
//!
//! A name stands for a person: others send private messages to it, and believe what it says. So a name
//! belongs to one member, with every name that counts as the same or looks the same. It is free at once after
//! a Leave and after a kick. After a lost connection it stays with the session for a while, because the
//! client comes back, and because the others do not know yet. The same holds for the former names of a member
//! that has taken another one.

use super::{
    apply::Round,
    registry::{Member, Presence},
};
use crate::{
    delivery::CONNECTION_LOST,
    door::key_of,
    identity::{fold, looks_like, Host},
};
use chat_common::wire::{
    protocol::{Cause, Refusal},
    stream::Stream,
};
use std::{
    net::IpAddr,
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

impl Round<'_, '_, '_> {
    /// Checks that a session may have a name, and takes the name from a lost session. `own` is the
    /// session, or `None` for a new one. `call` is its call connection. Returns the name's folded form.
    ///
    /// # Errors
    /// When somebody else has the name, it belongs to another key, or the name or the address is banned.
    ///
    /// The ban is checked here, on the broadcaster's thread. The operator adds the ban before it sends
    /// `Remove`, so a claim is either refused here or removed there.
    pub(super) fn take_name(
        &mut self,
        name: &str,
        address: IpAddr,
        call: &Stream,
        own: Option<u64>,
    ) -> Result<String, Refusal> {
        if let Some(why) = self.door.bans.reason(name, address) {
            return Err(Refusal::new(Cause::Banned, why));
        }
        // This comes before the name is taken from a lost session.
        self.door.check_name(name, call)?;
        let folded = fold(name);
        let mut over = Vec::new();
        for (id, holder) in self.members.iter().filter(|(id, _)| Some(**id) != own) {
            let held = match self.holding(holder, name, &folded) {
                None => continue,
                Some(Holding::Present) => {
                    let why = match holder.folded == folded {
                        true => format!("the name {name} is taken"),
                        false => format!("the name {name} looks like {}, who is here", holder.name),
                    };
                    return Err(Refusal::new(Cause::NameTaken, format!("{why}; choose another")));
                }
                Some(Holding::Lost(left)) => {
                    over.push((*id, holder.name.clone()));
                    left.map(|left| (format!("the connection of {} was lost", holder.name), left))
                }
                Some(Holding::Former(left)) => Some((format!("{} had the name {name}", holder.name), left)),
            };
            let held = held.filter(|_| !self.is_same_client(*id, address, call, own));
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
        self.door.bind_name(name, call);
        Ok(folded)
    }

    /// Returns why nobody else can have a name, if that is because of this session.
    fn holding(&self, holder: &Member, name: &str, folded: &str) -> Option<Holding> {
        // Nobody can come back later than `resume_within`.
        let hold = self.limits.hold_name.min(self.limits.resume_within);
        let left = |since: Instant| hold.checked_sub(since.elapsed()).filter(|left| !left.is_zero());
        let is_meant = |its: &str, its_folded: &str| its_folded == folded || looks_like(its, name);
        let has_name = is_meant(&holder.name, &holder.folded);
        match &holder.presence {
            Presence::Over { .. } => None,
            Presence::Lost { since, .. } if has_name => Some(Holding::Lost(left(*since))),
            Presence::Joining { .. } | Presence::Here { .. } if has_name => Some(Holding::Present),
            _ => {
                // It may have had the name twice.
                let former = holder.former_names.iter().rev().map(|(former, since)| (former, left(*since)));
                let mut held = former.filter_map(|(former, left)| Some((former, left?)));
                held.find(|(former, _)| is_meant(former, &fold(former)))
                    .map(|(_, left)| Holding::Former(left))
            }
        }
    }

    /// Returns whether a client is surely that of the session `id`: in a closed room because it has the same
    /// key. Otherwise because it comes from the same host, and no other session of that host is here or can
    /// be resumed. So a program that was killed has its name at once when its machine starts it again.
    fn is_same_client(&self, id: u64, address: IpAddr, call: &Stream, own: Option<u64>) -> bool {
        let (holder, host) = (&self.members[&id], Host::of(address));
        if holder.key.is_some() && holder.key == key_of(call) {
            return true;
        }
        let is_of_host = |member: &Member| {
            Host::of(member.address) == host && !matches!(member.presence, Presence::Over { .. })
        };
        let mut others = self.members.iter().filter(|(other, _)| **other != id);
        own.is_none() && is_of_host(holder) && !others.any(|(_, member)| is_of_host(member))
    }

    /// Holds a name that the session `id` has given up for another one.
    pub(super) fn hold_former(&mut self, id: u64, name: String) {
        let Some(Member { former_names: former, .. }) = self.members.get_mut(&id) else { return };
        former.retain(|(_, since)| since.elapsed() < self.limits.hold_name);
        if former.len() >= MAX_FORMER {
            former.remove(0);
        }
        former.push((name, Instant::now()));
    }
}
