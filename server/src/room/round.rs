//! One round: the commands that the broadcaster has taken from the channel together. Runs on the
//! broadcaster's thread while that thread holds the lock of the list.
//!
//! A round is decided first. Then it gets its place in the order, and only then can anybody see it. So
//! nothing here may change what others see, write to a socket, or tell anybody anything: what the room is
//! after the round stands in [`View`] and [`NewState`], and what is to be done in [`Effects`]. A round
//! without a place is forgotten with all three.

use super::{command::Command, effects::Effects, mutes::Mutes, view::View, waiting::Waiting};
use crate::{
    door::Door,
    identity::{Ban, ClientKey, Name, Terms},
    log::{Audience, StagedRound},
    order::journal::space::Space,
    settings::Limits,
};
use chat_common::wire::protocol::{EventKind, Reply};
use std::time::Instant;

/// A round that is being decided. What the commands do is in files of their own.
pub(super) struct RoundInProgress<'r> {
    pub(super) limits: &'r Limits,
    pub(super) door: &'r Door,
    pub(super) mutes: &'r Mutes,
    pub(super) members: View<'r>,
    pub(super) state: NewState,
    /// How much the journal takes. Without space, nothing is accepted that can be refused.
    pub(super) space: Space,
    pub(super) staged: StagedRound,
    pub(super) effects: Effects,
}

/// What the room is after the round, besides the list of members.
#[derive(Clone, Debug, Default)]
pub(super) struct NewState {
    /// The id of the newest session.
    pub(super) last_id: u64,
    /// Whether several commands came together in the round before.
    pub(super) was_busy: bool,
    /// What waits for space.
    pub(super) waiting: Waiting,
    /// The sessions that the journal has to write again.
    pub(super) changed: Vec<u64>,
    /// The names that belong to a key from now on.
    pub(super) names: Vec<(Name, ClientKey)>,
    pub(super) ruling: Option<Ruling>,
}

/// What the operator changes for a name or an address. It is the last command of its round, so no other
/// command is decided without it.
#[derive(Clone, Debug)]
pub(super) enum Ruling {
    Ban(Ban, Terms),
    /// Ends the mute if there are no terms.
    Mute(String, Option<Terms>),
}

impl<'r> RoundInProgress<'r> {
    pub(super) fn new(
        (limits, door, mutes): (&'r Limits, &'r Door, &'r Mutes),
        members: View<'r>,
        state: NewState,
        space: Space,
        staged: StagedRound,
    ) -> RoundInProgress<'r> {
        RoundInProgress { limits, door, mutes, members, state, space, staged, effects: Effects::default() }
    }

    /// Whether no further command may come into the round.
    pub(super) fn is_complete(&self) -> bool {
        self.state.ruling.is_some() || self.is_used_up()
    }

    /// Carries out one command.
    pub(super) fn apply(&mut self, command: Command) {
        self.effects.commands += 1;
        match command {
            Command::Claim { join, origin, call, claimed_tx } => {
                self.forget_absent();
                let claimed = match join.resume {
                    Some(_) => self.resume(&join, origin, call),
                    None => self.claim(&join, origin, call),
                };
                self.effects.answer(claimed_tx, claimed);
            }
            Command::Enter { pair, entrance, callback, entered_tx } => {
                let joined = self.enter(&pair, entrance, callback);
                self.effects.answer(entered_tx, joined);
            }
            Command::Attach { pair, callback, slot } => self.attach(&pair, callback, slot),
            Command::Say { pair, message, task } => {
                let reply = self.say(&pair, message).unwrap_or_else(Reply::Refused);
                self.effects.replies.push((pair, reply, task));
            }
            Command::Rename { pair, name, task } => {
                let reply = self.rename(&pair, &name).unwrap_or_else(Reply::Refused);
                self.effects.replies.push((pair, reply, task));
            }
            Command::Operate { pair, operates_tx } => {
                self.operate(&pair);
                self.effects.answer(operates_tx, ());
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
            Command::Ban { ban, typed, banned_tx } => {
                let why = format!("banned{}", typed.behind());
                let banned = (!self.door.bans.has(&ban), self.remove(&ban, &why));
                self.state.ruling = Some(Ruling::Ban(ban, typed.terms));
                self.effects.answer(banned_tx, banned);
            }
            Command::Mute { name, typed, muted_tx } => {
                let muted = self.mute(&name, typed);
                self.effects.answer(muted_tx, muted);
            }
            Command::Unmute { name, unmuted_tx } => {
                let was_muted = self.unmute(&name);
                self.effects.answer(unmuted_tx, was_muted);
            }
            Command::Notice { text, said_tx } => {
                let said = self.check_space();
                if said.is_ok() {
                    self.staged.push(EventKind::Notice { text }, Audience::All);
                }
                self.effects.answer(said_tx, said);
            }
            Command::TellLost => self.tell_lost(Instant::now()),
        }
    }
}
