//! What the commands of an operator promise, compared with what all members sent and received.
//!
//! - A message of somebody who was muted or banned from before it was sent until it was answered or seen is
//!   refused. One of somebody who was not is not refused for a mute. The mute of everybody binds all but
//!   operators, whether they come before or after it, are members or send-only.
//! - A message that was refused is delivered to nobody.
//! - A notice goes to those alone whom a command has for it, and as often as the command was given. So the
//!   reply to a command comes to nobody but its operator, and says that the command was carried out.
//! - Whoever was removed reads and says nothing more, and the reason when it comes back, as the others do.
//!
//! What the server did between a command and its reply nobody knows, so nothing is expected of that time. One
//! operator at a time gives commands.

use super::{message_key, MessageKey, RoomLog};
use crate::{
    history::{MemberHistory, Sent},
    moderation::{words_behind, Given, Moderation, EVERYBODY, EVERYBODY_SPEAKS},
};
use chat_common::wire::protocol::{Cause, EventKind};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Instant,
};

/// All commands of operators, each list in their order.
#[derive(Default)]
pub(super) struct Rules<'h> {
    commands: Vec<&'h Given>,
    /// Those that meet a name, an address or everybody.
    by_whom: HashMap<&'h str, Vec<&'h Given>>,
    /// Those with a reason or a text. Only the same command has the same one.
    by_words: HashMap<&'h str, Vec<&'h Given>>,
}

impl<'h> Rules<'h> {
    pub(super) fn of(members: &'h [MemberHistory]) -> Rules<'h> {
        let operators = members.iter().filter_map(|member| member.operator.as_ref());
        let mut commands: Vec<&Given> = operators.flat_map(|operator| &operator.commands).collect();
        commands.sort_by_key(|given| given.at);
        let mut rules = Rules { commands, ..Rules::default() };
        for given in &rules.commands {
            given.command.whom().iter().for_each(|whom| rules.by_whom.entry(whom).or_default().push(given));
            let words = given.command.own_words();
            words.iter().for_each(|words| rules.by_words.entry(words).or_default().push(given));
        }
        rules
    }

    /// Returns the sequences of the notices in a log that everybody receives. Those who come after a mute of
    /// everybody read it as well, each for itself. Without operators, each notice is for everybody.
    pub(super) fn notices_for_all(&self, log: &RoomLog<'_>) -> HashSet<u64> {
        let mut told = HashSet::new();
        let mut is_for_all = |words: &str| match self.with_words(words).next().map(|given| &given.command) {
            Some(Moderation::Say { text }) => text == words,
            Some(Moderation::Mute { name, reason }) => name == EVERYBODY && told.insert(reason),
            _ => self.commands.is_empty() || words == EVERYBODY_SPEAKS,
        };
        let notices = log.iter().filter(|(_, entry)| match &entry.kind {
            EventKind::Notice { text } => is_for_all(text),
            _ => false,
        });
        notices.map(|(sequence, _)| *sequence).collect()
    }

    /// Returns the commands whose words are these, or stand behind these.
    fn with_words(&self, words: &str) -> impl Iterator<Item = &'h Given> + '_ {
        let said = self.by_words.get(words).or_else(|| self.by_words.get(words_behind(words)));
        said.into_iter().flatten().copied()
    }

    pub(super) fn check(
        &self,
        members: &[MemberHistory],
        logs: &BTreeMap<u64, RoomLog<'_>>,
        violations: &mut Vec<String>,
    ) {
        self.check_messages(members, violations);
        if self.commands.is_empty() {
            return;
        }
        self.check_replies(logs, violations);
        for member in members {
            self.check_removals(member, logs, violations);
            self.check_notices(member, violations);
        }
    }

    fn check_messages(&self, members: &[MemberHistory], violations: &mut Vec<String>) {
        let seen = first_seen(members);
        for (member, sent) in
            members.iter().flat_map(|member| member.sent.iter().map(move |sent| (member, sent)))
        {
            let Sent { author, text, .. } = sent;
            let seen = seen.get(&(author.as_str(), sent.message_id, text.as_str()));
            if let Some(refused) = sent.refused {
                if seen.is_some() {
                    violations.push(format!("{author} was refused {text:?}, which was delivered"));
                }
                if refused.cause == Cause::Muted && self.may_speak(member, sent, refused.at) == Some(true) {
                    violations.push(format!("{author} was not muted, and was refused {text:?}"));
                }
            }
            if seen.is_some_and(|seen| self.may_speak(member, sent, *seen) == Some(false)) {
                violations.push(format!("{author} was muted or banned, and said {text:?}"));
            }
        }
    }

    /// Returns whether the author of a message may say it, from when it was sent until a later instant.
    /// `None` where that changed meanwhile.
    fn may_speak(&self, member: &MemberHistory, sent: &Sent, until: Instant) -> Option<bool> {
        let is_operator = member.operator.as_ref().is_some_and(|operator| operator.since < sent.at);
        let address = member.address.map(|address| address.to_string());
        let is_muted = |name: &str| self.holds(name, sent.at, until, mutes);
        let is_banned = |whom: &str| self.holds(whom, sent.at, until, bans);
        let bonds = [
            is_muted(&sent.author),
            if is_operator { Some(false) } else { is_muted(EVERYBODY) },
            is_banned(&sent.author),
            address.map_or(Some(false), |address| is_banned(&address)),
        ];
        match bonds {
            bonds if bonds.contains(&Some(true)) => Some(false),
            bonds if bonds.contains(&None) => None,
            _ => Some(true),
        }
    }

    /// Returns whether something held for a name or an address from one instant to another. `None` where it
    /// changed, or may have changed, between them. `change` says what a command makes of it.
    fn holds(
        &self,
        whom: &str,
        from: Instant,
        until: Instant,
        change: fn(&Moderation) -> Option<bool>,
    ) -> Option<bool> {
        let commands = self.by_whom.get(whom).into_iter().flatten();
        let mut state = Some(false);
        for given in commands.take_while(|given| given.at <= until) {
            let becomes = change(&given.command).filter(|becomes| state != Some(*becomes));
            let Some(becomes) = becomes else { continue };
            state = match &given.reply {
                Some(reply) if reply.words.is_err() => state,
                Some(reply) if reply.at < from => Some(becomes),
                _ => None,
            };
        }
        state
    }

    fn check_replies(&self, logs: &BTreeMap<u64, RoomLog<'_>>, violations: &mut Vec<String>) {
        let mut said: HashMap<&str, usize> = HashMap::new();
        for entry in logs.values().flat_map(BTreeMap::values) {
            if let EventKind::Notice { text } = &entry.kind {
                *said.entry(text).or_default() += 1;
            }
        }
        for Given { command, at, reply } in &self.commands {
            let Some(reply) = reply else { continue };
            let is_right = match &reply.words {
                Ok(words) => words.contains(command.reply_has()),
                Err(_) => self.may_be_refused(command, *at, reply.at),
            };
            if !is_right {
                violations.push(format!("the reply to {command} is {:?}", reply.words));
            }
            if let Moderation::Say { text } = command {
                let (given, said) = (self.attempts(text), said.get(text.as_str()).copied().unwrap_or(0));
                if reply.words.is_ok() && !(1..=given).contains(&said) {
                    violations.push(format!("{command} was given {given} times, and said {said} times"));
                }
            }
        }
    }

    /// Returns whether the server may refuse a command that it was given between these instants.
    fn may_be_refused(&self, command: &Moderation, from: Instant, until: Instant) -> bool {
        match command {
            // Nobody may be here any more.
            Moderation::Kick { .. } => true,
            Moderation::Unmute { name } => self.holds(name, from, until, mutes) != Some(true),
            Moderation::Unban { whom } => self.holds(whom, from, until, bans) != Some(true),
            _ => false,
        }
    }

    /// Returns how often the command with these words was given.
    fn attempts(&self, words: &str) -> usize {
        self.by_words.get(words).map_or(0, Vec::len)
    }

    /// Checks that a member is told what commands have for it, and not more often than they were given.
    fn check_notices(&self, member: &MemberHistory, violations: &mut Vec<String>) {
        for session in &member.sessions {
            let mut told: HashMap<&str, usize> = HashMap::new();
            for delivery in &session.deliveries {
                let EventKind::Notice { text } = &delivery.event.kind else { continue };
                let whom = [EVERYBODY, &member.name]
                    .into_iter()
                    .chain(member.later_names.iter().map(String::as_str));
                let ended = whom.filter_map(|whom| self.by_whom.get(whom)).flatten().copied();
                let mut causes = self.with_words(text).chain(ended).filter(|given| given.at < delivery.at);
                let Some(cause) = causes.find(|given| given.command.notifies(member, text)) else {
                    violations.push(format!("{} was told {text:?}, which no command says", member.name));
                    continue;
                };
                let Some(words) = cause.command.own_words() else { continue };
                let times = told.entry(words).or_default();
                *times += 1;
                if *times > self.attempts(words) {
                    violations.push(format!("{} was told of {} {times} times", member.name, cause.command));
                }
            }
        }
    }

    /// Checks that a member that was removed reads why, as the others do, and afterwards nothing else.
    fn check_removals(
        &self,
        member: &MemberHistory,
        logs: &BTreeMap<u64, RoomLog<'_>>,
        violations: &mut Vec<String>,
    ) {
        let has_command =
            |words: &str| self.with_words(words).any(|given| given.command.removes(member, words));
        for words in member.removals.iter().filter(|words| !has_command(words)) {
            violations.push(format!("{} was removed with the words {words:?}", member.name));
        }
        for session in &member.sessions {
            let Some(log) = logs.get(&session.room).filter(|_| session.join_sequence > 0) else { continue };
            let removed =
                log.range(session.join_sequence..).find_map(|(sequence, entry)| match &entry.kind {
                    EventKind::Left { name, reason: Some(reason) } if reason.starts_with("removed") => {
                        member.is_called(name).then_some((*sequence, reason))
                    }
                    _ => None,
                });
            let Some((removed, reason)) = removed else { continue };
            if !has_command(reason) {
                violations.push(format!("{} left with the words {reason:?}", member.name));
            }
            let accepted =
                member.sent.iter().filter_map(|sent| sent.accepted.map(|accepted| accepted.sequence));
            let last = accepted.chain([session.last_sequence()]).max().unwrap_or_default();
            if last > removed {
                violations.push(format!("{} was removed at {removed}, and went on to {last}", member.name));
            }
        }
    }
}

/// Returns whether a command begins a mute, or ends it.
fn mutes(command: &Moderation) -> Option<bool> {
    match command {
        Moderation::Mute { .. } => Some(true),
        Moderation::Unmute { .. } => Some(false),
        _ => None,
    }
}

/// Returns whether a command begins a ban, or ends it.
fn bans(command: &Moderation) -> Option<bool> {
    match command {
        Moderation::Ban { .. } => Some(true),
        Moderation::Unban { .. } => Some(false),
        _ => None,
    }
}

/// Returns when each message was first known to be accepted: its author had the reply, or somebody read it.
fn first_seen(members: &[MemberHistory]) -> HashMap<MessageKey<'_>, Instant> {
    let mut seen: HashMap<MessageKey<'_>, Instant> = HashMap::new();
    let mut see = |key, at: Instant| {
        let first = seen.entry(key).or_insert(at);
        *first = at.min(*first);
    };
    for member in members {
        for sent in &member.sent {
            let key = (sent.author.as_str(), sent.message_id, sent.text.as_str());
            sent.accepted.iter().for_each(|accepted| see(key, accepted.at));
        }
        for delivery in member.sessions.iter().flat_map(|session| &session.deliveries) {
            message_key(&delivery.event.kind).into_iter().for_each(|key| see(key, delivery.at));
        }
    }
    seen
}
