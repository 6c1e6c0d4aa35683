//! The thread `broadcaster`. It takes the commands from the channel, writes their events to the log, and
//! sends them to the recipients.
//!
//! Requirements:
//! - It MUST NOT wait for a client or the operator. It waits for the channel. It holds locks only for a
//!   short time, and a full send buffer costs it some 8 ms.
//! - It MUST NOT show a part of a round before the round is complete: no reply, no event, no line in the
//!   server's log.
//!
//! It takes all commands that wait in the channel as one round, and carries them out into a staged batch
//! ([`apply`](super::apply)). It appends the batch to the log, answers the senders, and writes the round
//! to every recipient that is up to date. Joins, leaves and messages come through the same channel. So
//! all recipients see one order, and a new member gets exactly the events after its own join.
//!
//! The threads of all deliveries are in **one scope, which lasts as long as the broadcaster**. A scope
//! ends when all its threads have ended. A scope for each message would end with the slowest recipient,
//! and one client that is stopped would stop the room.
//!
//! Go: the original starts a goroutine for each recipient of each message, and waits for none. A
//! `sync.WaitGroup` for each message would be like a scope for each message. The example has one
//! `WaitGroup` for the whole program, like the scope here. A Go channel ends by `close`; this one ends
//! when its last sender is dropped. A `WaitGroup` needs correct counts from its callers; a scope always
//! waits for all of its threads.
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
//!         deliveries.spawn(move || deliver(command)); // without `move` it does not compile
//!     }
//! }); // waits here
//! ```

use super::{
    apply::{Effects, Round},
    command::Command,
    mutes::Mutes,
    registry::Registry,
};
use crate::{
    delivery::{Deliveries, FanoutWorker, Recipient, SharedBatch},
    door::Door,
    log::{Audience, SharedLog, StagedBatch},
    settings::Limits,
};
use chat_common::{protocol::EventKind, shutdown::Shutdown};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use log::{info, warn, Level};
use std::{iter, sync::Arc, thread};

/// The most recipients of a small room. Writing to all of them takes less than 200 us.
const SMALL_ROOM: usize = 32;

/// What the broadcaster works with.
pub(crate) struct Broadcaster<'env> {
    pub(super) registry: Registry,
    pub(super) mutes: Mutes,
    pub(super) log: SharedLog,
    pub(super) limits: &'env Limits,
    pub(super) door: &'env Door,
    pub(super) shutdown: &'env Shutdown,
    pub(super) commands_rx: Receiver<Command>,
    /// Gets a value after each append, unless one waits there. For a reader that is no recipient.
    pub(super) appended_tx: Option<Sender<()>>,
}

/// The whole life of the thread `broadcaster`. It ends when the last sender of the channel is dropped and
/// everything is delivered, or at the end of `drain_timeout`.
///
/// # Blocking
/// On the channel. A command wakes it, and so does the drop of the last sender. At the end on the
/// deliveries, until `drain_timeout` after the request to stop.
pub(crate) fn broadcast_loop(broadcaster: &Broadcaster<'_>) {
    let Broadcaster { log, limits, shutdown, commands_rx, .. } = broadcaster;
    thread::scope(|scope| {
        let (deliveries, delivered_rx) = Deliveries::new(scope, log, limits);
        let fanout = FanoutWorker::new(&deliveries);
        let mut rounds = Rounds { broadcaster, deliveries, fanout, recipients: Arc::new([]), last_id: 0 };
        while let Ok(command) = commands_rx.recv() {
            rounds.run_round(iter::once(command).chain(commands_rx.try_iter().take(limits.queue)));
        }
        let mut last = log.stage();
        last.push(EventKind::Ended { reason: "the server is shutting down".to_owned() }, Audience::All);
        rounds.publish(last, Effects::default());
        let Rounds { recipients, deliveries, fanout, .. } = rounds;
        drop((deliveries, fanout));
        // No value is ever sent. The channel is disconnected when all deliveries have ended.
        if let Err(RecvTimeoutError::Timeout) =
            delivered_rx.recv_deadline(shutdown.deadline(limits.drain_timeout))
        {
            warn!("some recipients did not take their last messages in time");
            for recipient in &*recipients {
                recipient.pair.close("the server shut down");
            }
        }
    });
}

/// What the broadcaster keeps from one round to the next.
struct Rounds<'b, 'scope, 'env> {
    broadcaster: &'env Broadcaster<'b>,
    deliveries: Deliveries<'scope, 'env>,
    fanout: FanoutWorker<'scope, 'env>,
    /// A copy of the list of recipients. It is copied again when recipients have come or gone.
    recipients: Arc<[Arc<Recipient>]>,
    /// The id of the newest session.
    last_id: u64,
}

impl Rounds<'_, '_, '_> {
    /// Carries out the commands of one round, and publishes the result.
    fn run_round(&mut self, commands: impl Iterator<Item = Command>) {
        let Broadcaster { registry, mutes, log, limits, door, .. } = self.broadcaster;
        let (staged, effects) = registry.change(|members| {
            let mut round = Round {
                limits,
                door,
                mutes,
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
        // A journal would be written here, because nobody has seen a part of the round yet.
        self.publish(staged, effects);
    }

    /// Publishes a round: to readers of the log, to senders that wait for an answer, to the recipients,
    /// and to the server's log.
    fn publish(&mut self, staged: StagedBatch, mut effects: Effects) {
        let Broadcaster { registry, log, limits, door, appended_tx, .. } = self.broadcaster;
        let (first, end) = (staged.first(), staged.next());
        log.append(staged);
        if let Some(appended_tx) = appended_tx {
            // If the channel is full, its reader will see this append as well.
            let _ = appended_tx.try_send(());
        }
        // Usually the senders get their replies first. They then send the commands of the next round
        // while this thread writes to the recipients. In a small and quiet room the recipients come
        // first, which saves 18 of 188 us until the last of ten has the message.
        let is_quiet = effects.commands == 1;
        if !is_quiet || self.recipients.len() > SMALL_ROOM {
            effects.write_replies();
        }
        effects.answers.drain(..).for_each(|answer| answer());
        for (pair, reason) in effects.closings.drain(..) {
            pair.close(reason);
        }
        if effects.recipients_changed {
            self.recipients = registry.recipients().into();
        }
        if first < end {
            let (authors, has_private) = (std::mem::take(&mut effects.authors), effects.has_private);
            let round = SharedBatch::read(log, limits.max_frame.0, first, authors, has_private);
            self.fanout.write(&self.recipients, round, is_quiet);
        }
        effects.write_replies();
        for (address, line) in effects.lines {
            match address {
                Some(address) => door.log(address, Level::Info, line),
                None => info!("{line}"),
            }
        }
    }
}
