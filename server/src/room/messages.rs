//! What members and the server say. Runs on the broadcaster's thread, in a round.

use super::{
    command::{Message, MessageKind},
    round::RoundInProgress,
};
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Bug;
use crate::{delivery::ConnectionPair, log::Audience, order::journal::record::LastAccepted};
use chat_common::wire::protocol::{Cause, EventKind, Refusal, Reply};
use std::{sync::Arc, time::Instant};

impl RoundInProgress<'_> {
    /// Says what came on the connections `pair`, if the session has no newer ones. Otherwise its client has
    /// repeated the message there, and relies on the reply that it has read.
    pub(super) fn say(&mut self, pair: &Arc<ConnectionPair>, message: Message) -> Result<Reply, Refusal> {
        let id = pair.id;
        let Message { message_id, repeated, text, kind, digest } = message;
        let recipient = match &kind {
            MessageKind::Private { to } => self.members.id_of(to),
            MessageKind::Message | MessageKind::Action => None,
        };
        let has_space = self.check_space();
        let member = self.members.get_mut(id).filter(|member| member.is_here() && member.is_on(pair));
        let member = member.ok_or_else(Refusal::busy)?;
        let last = member.in_log.last_accepted.filter(|last| message_id <= last.message_id);
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
            None => has_space?,
        }
        if let Some(why) = self.mutes.sentence(&member.name, member.client.is_operator) {
            return Err(Refusal::new(Cause::Muted, why));
        }
        let author = member.name.to_string();
        let others = Audience::AllBut(id);
        let (kind, audience) = match (kind, recipient) {
            (MessageKind::Message, _) => (EventKind::Message { author, message_id, repeated, text }, others),
            (MessageKind::Action, _) => (EventKind::Action { author, message_id, repeated, text }, others),
            (MessageKind::Private { .. }, Some(recipient)) => {
                (EventKind::Private { author, message_id, repeated, text }, Audience::Only(recipient))
            }
            (MessageKind::Private { to }, None) => {
                let why = format!("nobody here is called {to}; /who lists who is");
                return Err(Refusal::new(Cause::NobodyOfThatName, why));
            }
        };
        if matches!(audience, Audience::AllBut(_)) {
            member.times.last_said = Instant::now();
        }
        let sequence = self.staged.push_message(kind, audience, id, digest);
        member.in_log.last_accepted = Some(LastAccepted { message_id, digest, sequence });
        Ok(Reply::Accepted { sequence })
    }

    /// Says something to one session alone, as the server. On a full disk it is not said.
    pub(super) fn tell(&mut self, id: u64, text: String) {
        if !self.space.accepts {
            return;
        }
        self.staged.push(EventKind::Notice { text }, Audience::Only(id));
    }
}
