//! The thread through which everything passes: from the channel into the log, and from there to the recipients.
//!
//! Requirements:
//! - It MUST NOT wait for a client, the terminal or the operator. It waits for the channel, and for nothing else.
//! - It MUST NOT show anything of a round before the round is complete: no reply, no event, no line in the server's log.
//!
//! It takes all commands that wait in the channel as one round, carries them out into a staged batch ([`apply`](super::apply)),
//! appends the batch to the log, answers the senders, and then writes the round to every recipient that is up to date. Joins,
//! leaves and messages come through the same channel, so all recipients see one order, and a newcomer gets exactly what follows its
//! own join.
//!
//! All deliveries live in **one scope that spans the broadcaster's life**. A scope's end waits for all threads in it, so a scope for
//! each message would end with the slowest recipient, and one stopped client would freeze the room.
//!
//! Go: the original starts a goroutine for each recipient of each message and waits for none. A `sync.WaitGroup` for each message is
//! the scope for each message; one for the program's life is this. A channel ends by `close` there, here when its last sender is
//! dropped. A `WaitGroup` trusts its callers to count, while a scope cannot be left before its threads have ended.
//!
//! ```go
//! var deliveries sync.WaitGroup
//! for command := range commands {       // until somebody closes it, once
//!     deliveries.Add(1)                 // before the goroutine starts, or Wait may miss it
//!     go func() { defer deliveries.Done(); deliver(recipient) }()
//! }
//! deliveries.Wait()
//! ```
//! ```
//! # let (commands_tx, commands_rx) = crossbeam_channel::bounded::<u32>(8);
//! # commands_tx.send(1).unwrap();
//! # drop(commands_tx);
//! # fn deliver(_: u32) {}
//! std::thread::scope(|deliveries| {
//!     for command in commands_rx {              // until its last sender is dropped
//!         deliveries.spawn(move || deliver(command)); // `move`: each thread gets its own, or it does not compile
//!     }
//! }); // waits here
//! ```

use super::{
    apply::{Effects, Round},
    command::Command,
    registry::Registry,
};
use crate::{
    delivery::{connection_pair::CloseReason, recipient::Recipient, Deliveries},
    door::Door,
    log::{Audience, SharedLog, StagedBatch},
    settings::limits::Limits,
};
use chat_common::{protocol::EventKind, shutdown::Shutdown};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use log::{info, warn};
use std::{iter, sync::Arc, thread};

/// What the broadcaster works with.
pub(crate) struct Broadcaster<'env> {
    pub(super) registry: Registry,
    pub(super) log: SharedLog,
    pub(super) limits: &'env Limits,
    pub(super) door: &'env Door,
    pub(super) shutdown: &'env Shutdown,
    pub(super) commands_rx: Receiver<Command>,
}

/// The broadcaster's whole life: until the last sender of the channel is dropped and everything is delivered.
///
/// # Blocking
/// On the channel; a command, or the end of the last sender, wakes it. At the end on the deliveries, until the drain is over.
pub(crate) fn broadcast_loop(broadcaster: &Broadcaster<'_>) {
    let Broadcaster { log, limits, shutdown, commands_rx, .. } = broadcaster;
    thread::scope(|scope| {
        let (deliveries, delivered_rx) = Deliveries::new(scope, log, limits);
        let mut rounds = Rounds { broadcaster, deliveries, recipients: Vec::new(), last_id: 0 };
        while let Ok(command) = commands_rx.recv() {
            rounds.carry_out(iter::once(command).chain(commands_rx.try_iter().take(limits.queue)));
        }
        let mut last = log.stage();
        last.push(EventKind::Ended { reason: "the server is shutting down".to_owned() }, Audience::All);
        rounds.publish(last, Effects::default());
        let Rounds { recipients, deliveries, .. } = rounds;
        drop(deliveries);
        // Nothing is ever sent here: the channel is disconnected when all deliveries have ended.
        if let Err(RecvTimeoutError::Timeout) =
            delivered_rx.recv_deadline(shutdown.deadline(limits.drain_timeout))
        {
            warn!("some recipients did not take their last messages in time");
            for recipient in recipients {
                recipient.pair.close(CloseReason::Lost("the server shut down"));
            }
        }
    });
}

/// What outlives a round.
struct Rounds<'b, 'scope, 'env> {
    broadcaster: &'env Broadcaster<'b>,
    deliveries: Deliveries<'scope, 'env>,
    /// A copy of the list of recipients, made anew when that has changed.
    recipients: Vec<Arc<Recipient>>,
    last_id: u64,
}

impl Rounds<'_, '_, '_> {
    /// Carries out the commands of one round, and publishes what came of them.
    fn carry_out(&mut self, commands: impl Iterator<Item = Command>) {
        let Broadcaster { registry, log, limits, door, .. } = self.broadcaster;
        let (staged, effects) = registry.change(|members| {
            let mut round = Round {
                limits,
                door,
                log,
                deliveries: &self.deliveries,
                members,
                last_id: &mut self.last_id,
                staged: log.stage(),
                effects: Effects::default(),
            };
            commands.for_each(|command| round.apply(command));
            (round.staged, round.effects)
        });
        // A journal is committed here: nobody has seen anything of the round yet.
        self.publish(staged, effects);
    }

    /// Shows a round: to readers of the log, to those who wait for an answer, to the recipients, and to the operator.
    fn publish(&mut self, staged: StagedBatch, effects: Effects) {
        let Broadcaster { registry, log, .. } = self.broadcaster;
        let first = staged.first();
        log.append(staged);
        let Effects { parts, recipients_changed, replies, answers, closings, lines } = effects;
        // The senders first: while this thread writes to the recipients, they bring the next round.
        for (pair, reply, replied_tx) in replies {
            pair.reply(&reply);
            // A connection that has ended does not wait any more.
            let _ = replied_tx.send(());
        }
        answers.into_iter().for_each(|answer| answer());
        for (pair, reason) in closings {
            pair.close(reason);
        }
        if recipients_changed {
            self.recipients = registry.recipients();
        }
        self.deliveries.deliver(&self.recipients, first, parts);
        for line in lines {
            info!("{line}");
        }
    }
}
