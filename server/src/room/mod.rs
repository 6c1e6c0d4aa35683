//! The room: its members, its log, and the broadcaster, which carries out every command.
//!
//! [`Room`] is for the threads of the connections and of the operator. To change the room they send a
//! [`Command`] to the broadcaster. To look at it they read the list of members or the log. Only the
//! broadcaster's thread may change anything.

mod absent;
mod broadcaster;
mod channel;
mod command;
mod effects;
mod index;
mod member;
mod membership;
mod messages;
mod mutes;
mod naming;
mod natural_order;
mod operator;
mod past;
mod registry;
mod round;
mod space;
#[cfg(test)]
mod tests;
mod untold;
mod view;
mod waiting;

pub(crate) use broadcaster::{broadcast_loop, Broadcaster};
pub(crate) use command::{Command, Entrance, Message, MessageKind, Removed};
pub(crate) use mutes::{Mutes, EVERYBODY};
pub(crate) use past::Past;

use crate::{
    delivery::{ConnectionPair, Recipient},
    door::Door,
    identity::{Name, ShownAddress},
    order::{counters::Counters, GoOn, HistoryPage, SharedLog},
    settings::Limits,
};
use broadcaster::Readers;
use channel::{channel, CommandSender};
use chat_common::{
    program::shutdown::Shutdown,
    trace::Slice,
    wire::{
        codec::decode,
        protocol::{Cause, Event, Person, Refusal},
        token::Token,
    },
};
use crossbeam_channel::{bounded, Sender};
use index::Index;
use member::Member;
use registry::{Changes, Registry};
use round::NewState;
use std::{
    io,
    net::IpAddr,
    sync::{atomic::Ordering::Relaxed, Arc},
    time::Instant,
};

/// The room, for every thread except the broadcaster. When it is dropped, the broadcaster carries out the
/// commands that are left, and ends.
#[derive(Debug)]
pub(crate) struct Room {
    /// A random number. Clients use it to tell this room from another.
    pub(crate) number: u64,
    published: Published,
    commands_tx: CommandSender,
}

/// What any thread may read of the room. Only the broadcaster changes it, when a round has its place in the
/// order. Clones share it.
#[derive(Clone, Debug)]
struct Published {
    registry: Registry,
    mutes: Mutes,
    log: SharedLog,
}

/// What the room stands in: the rules, who may come, and when it ends.
#[derive(Clone, Copy, Debug)]
struct House<'env> {
    limits: &'env Limits,
    door: &'env Door,
    shutdown: &'env Shutdown,
}

impl Room {
    /// Returns a room, and the broadcaster that the caller must run for it. The room goes on where `past`
    /// ended. `appended_tx` gets a value when the log has grown.
    pub(crate) fn open<'env>(
        limits: &'env Limits,
        door: &'env Door,
        shutdown: &'env Shutdown,
        past: Past,
        appended_tx: Option<Sender<()>>,
    ) -> (Room, Broadcaster<'env>) {
        let (commands_tx, commands_rx) = channel(limits.queue);
        let Past { number, log, order, sessions, last_session, mutes } = past;
        let published = Published { registry: Registry::default(), mutes, log };
        let mut index = Index::default();
        let restored = sessions.into_iter().map(|(id, record)| (id, Some(Member::restored(record))));
        let restored: Changes = restored.collect();
        // This time begins behind those of the sessions, so that it is over for each of them at its end.
        let quiet_resume_until = (!restored.is_empty()).then(|| Instant::now() + limits.resume_within);
        published.registry.publish(restored, &mut index);
        let broadcaster = Broadcaster {
            published: published.clone(),
            index,
            house: House { limits, door, shutdown },
            commands_rx,
            order,
            state: NewState { last_id: last_session, ..NewState::default() },
            readers: Readers::new(appended_tx),
            quiet_resume_until,
        };
        (Room { number, published, commands_tx }, broadcaster)
    }

    /// Sends a command and waits for the answer. `command` gets the sender for the answer.
    ///
    /// # Blocking
    /// On the broadcaster, which waits for no client. It drops the sender if the room ends first, which
    /// wakes this.
    ///
    /// # Errors
    /// When the room is ending.
    pub(crate) fn ask<T>(&self, command: impl FnOnce(Sender<T>) -> Command) -> Result<T, Refusal> {
        let (answer_tx, answer_rx) = bounded(1);
        self.send(command(answer_tx))?;
        let _waits = Slice::begin("waits for the channel");
        answer_rx.recv().map_err(|_| stopping())
    }

    /// Sends a command, without an answer.
    ///
    /// # Blocking
    /// While the channel is full: on the broadcaster, which waits for no client.
    ///
    /// # Errors
    /// When the room is ending.
    pub(crate) fn send(&self, command: Command) -> Result<(), Refusal> {
        self.commands_tx.send(command)
    }

    /// Sends a command. Never blocks.
    ///
    /// # Errors
    /// The refusal for the client, when the channel is full or the room is ending.
    pub(crate) fn try_send(&self, command: Command) -> Result<(), Refusal> {
        self.commands_tx.try_send(command)
    }

    /// Returns all members in the room with their addresses, sorted by their names as people count.
    pub(crate) fn people(&self) -> Vec<(Person, ShownAddress)> {
        self.published.registry.people()
    }

    /// Returns the log, for a reader that is no recipient.
    pub(crate) fn log(&self) -> &SharedLog {
        &self.published.log
    }

    /// Returns the names that the operator has muted.
    pub(crate) fn mutes(&self) -> &Mutes {
        &self.published.mutes
    }

    /// As [`Registry::pair_with`].
    pub(crate) fn pair_with(&self, shown: &Token) -> Option<(Arc<ConnectionPair>, Token, Option<IpAddr>)> {
        self.published.registry.pair_with(shown)
    }

    /// As [`SharedLog::last_messages`], decoded.
    pub(crate) fn last_messages(&self, page: HistoryPage, go_on: GoOn<'_>) -> io::Result<Vec<Event>> {
        let encoded = self.log().last_messages(page, go_on)?;
        Ok(encoded.iter().map(|bytes| decode(bytes).expect("the log holds what we encoded")).collect())
    }

    /// Returns the sequence number that the next event gets.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.log().read().next()
    }

    /// Returns the statistics of the room in one line. `members` counts the members that have a callback
    /// connection.
    pub(crate) fn summary(&self) -> String {
        let recipients = self.published.registry.named_recipients();
        let (first, next, kib) = {
            let log = self.log().read();
            (log.first(), log.next(), log.bytes() / 1024)
        };
        let behind = |(name, recipient): &(Name, Arc<Recipient>)| {
            (next.saturating_sub(recipient.cursor()), name.to_string())
        };
        let slowest = match recipients.iter().map(behind).max() {
            Some((behind, name)) if behind > 0 => format!("{name}, {behind} behind"),
            _ => "none behind".to_owned(),
        };
        let span =
            if next == 1 { "empty".to_owned() } else { format!("{first} to {} ({kib} KiB)", next - 1) };
        let Counters { accepted, delivered } = &*self.log().counters;
        format!(
            "members {}, messages {}, deliveries {}, slowest recipient {slowest}, log {span}",
            recipients.len(),
            accepted.load(Relaxed),
            delivered.load(Relaxed)
        )
    }

    /// Keeps the list of members locked while the guard lives.
    #[cfg(feature = "seeded-bugs")]
    pub(crate) fn hold_registry(&self) -> impl Drop + '_ {
        self.published.registry.hold()
    }
}

/// Returns the refusal of a server that is ending.
pub(crate) fn stopping() -> Refusal {
    Refusal::new(Cause::Stopping, "the server is shutting down")
}
