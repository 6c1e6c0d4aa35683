//! Who is an operator, and what operators do to members: they remove, ban and mute them. Runs on the
//! broadcaster's thread, in a round.

use super::{
    command::Removed,
    member::{Member, Presence},
    mutes::{sentence, EVERYBODY},
    natural_order::sort_key,
    round::{RoundInProgress, Ruling},
};
use crate::{
    delivery::ConnectionPair,
    identity::{Ban, Name, TypedTerms},
    log::Audience,
};
use chat_common::wire::protocol::{Cause, EventKind, Refusal};
use std::{sync::Arc, time::Instant};

/// The longest reason of the operator on a full disk, in bytes.
const SHORT_REASON: usize = 256;

impl RoundInProgress<'_> {
    /// Makes a member an operator, as long as it is on this connection.
    pub(super) fn operate(&mut self, pair: &Arc<ConnectionPair>) {
        let member = self.members.get_mut(pair.id).filter(|member| member.is_on(pair));
        let Some(member) = member.filter(|member| !member.client.is_operator) else { return };
        member.client.is_operator = true;
        let line = format!("{} is an operator now, from {}", member.name, member.client.shown());
        self.effects.lines.push((None, line));
    }

    /// Ends all sessions that `ban` covers, lost ones too. Returns those that others have seen: one that has
    /// not entered the room yet was visible to nobody.
    pub(super) fn remove(&mut self, ban: &Ban, reason: &str) -> Vec<Removed> {
        // On a full disk there is space for short reasons alone.
        let is_short = self.space.accepts || reason.len() <= SHORT_REASON;
        let with_reason = |text: &str| match reason {
            reason if !reason.is_empty() && is_short => format!("{text}: {reason}"),
            _ => text.to_owned(),
        };
        let is_covered = |member: &Member| {
            ban.covers(&member.name, member.client.address)
                && !matches!(member.presence, Presence::Over { .. })
        };
        let covered = self.members.iter().filter(|(_, member)| is_covered(member));
        let covered: Vec<_> = covered
            .map(|(id, member)| {
                let seen_at = member.in_log.joined.map(|_| member.client.address.to_canonical());
                (id, seen_at, member.pair().map(Arc::clone))
            })
            .collect();
        let mut removed = Vec::new();
        for (id, seen_at, pair) in covered {
            self.effects.closings.extend(pair.map(|pair| (pair, "removed")));
            let why = with_reason("the operator removed you from the room");
            let over = Presence::Over { since: Instant::now(), cause: Cause::SessionOver, why };
            let name = self.end(id, over, Some(with_reason("removed")));
            let seen = name.zip(seen_at);
            removed.extend(seen.map(|(name, address)| Removed {
                name: name.to_string(),
                address,
                others: 0,
            }));
        }
        removed.sort_by_cached_key(|member| sort_key(&member.name));
        for Removed { address, others, .. } in &mut removed {
            let ban = Ban::of_host(*address);
            let is_hit =
                |member: &Member| member.is_here() && ban.covers(&member.name, member.client.address);
            *others = self.members.iter().filter(|(_, member)| is_hit(member)).count();
        }
        removed
    }

    /// Mutes a name, or everybody. The members that have the name are told at once, or when they resume their
    /// sessions. Returns the name of one.
    ///
    /// # Errors
    /// When there are too many mutes, or the disk is full: what is not kept must not hold.
    pub(super) fn mute(&mut self, name: &str, typed: TypedTerms) -> Result<Option<String>, Refusal> {
        self.check_space()?;
        if !self.mutes.has_space_for(name) {
            let why = "there are too many mutes; /mute lists them, /unmute ends one";
            return Err(Refusal::new(Cause::Unsupported, why));
        }
        let member = self.tell_named(name, &sentence(name, &typed));
        let line = format!("the operator has muted {} {typed}", shown(member.as_deref().unwrap_or(name)));
        self.effects.lines.push((None, line));
        self.state.ruling = Some(Ruling::Mute(name.to_owned(), Some(typed.terms)));
        Ok(member)
    }

    /// Ends a mute. Returns whether there was one.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn unmute(&mut self, name: &str) -> Result<bool, Refusal> {
        self.check_space()?;
        let was_muted = self.mutes.of(name).is_some();
        if was_muted {
            let words =
                if name == EVERYBODY { "everybody can speak again" } else { "you are no longer muted" };
            let member = self.tell_named(name, words);
            let name_shown = shown(member.as_deref().unwrap_or(name));
            self.effects.lines.push((None, format!("the operator has ended the mute of {name_shown}")));
            self.state.ruling = Some(Ruling::Mute(name.to_owned(), None));
        }
        Ok(was_muted)
    }

    /// Tells something to the members with this name, or with one that looks the same, or to everybody.
    /// Returns the name of one, if there is any.
    fn tell_named(&mut self, name: &str, text: &str) -> Option<String> {
        if name == EVERYBODY {
            self.staged.push(EventKind::Notice { text: text.to_owned() }, Audience::All);
            return Some(name.to_owned());
        }
        let name = Name::new(name);
        let is_meant = |member: &&Member| {
            // One that has not entered yet is told when it does.
            let has_entered =
                member.in_log.joined.is_some() && !matches!(member.presence, Presence::Over { .. });
            has_entered && member.name.is_alike(&name)
        };
        let found = self.members.named(&name).into_iter().filter(|(_, member)| is_meant(member));
        let found: Vec<(u64, String)> = found.map(|(id, member)| (id, member.name.to_string())).collect();
        found.iter().for_each(|(id, _)| self.tell(*id, text.to_owned()));
        found.into_iter().next().map(|(_, name)| name)
    }
}

/// Returns a name as the log shows it.
fn shown(name: &str) -> &str {
    match name {
        EVERYBODY => "everybody",
        name => name,
    }
}
