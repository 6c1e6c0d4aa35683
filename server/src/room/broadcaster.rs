//! The thread through which everything passes: channel to log to recipients.
//!
//! It takes all that waits in the channel as one round, appends it to the log, answers the senders, and then starts a call to each
//! recipient that has caught up ([`fanout`](crate::delivery::fanout)). Joins, leaves and messages come through the same channel, so all
//! recipients see one order, and a newcomer gets exactly what follows its own join. It owns the list of recipients; no lock protects
//! it, because nobody else sees it: the helper gets a copy.
//!
//! All deliveries live in **one scope that spans the broadcaster's life**: a scope's end waits for all threads in it, so a scope for
//! each message would end with the slowest recipient, and one stopped client would freeze the room.
//!
//! Go: the original starts a goroutine for each recipient of each message and waits for none. A `sync.WaitGroup` for each message is
//! the scope for each message; one for the program's life is this. A channel ends by `close` there, here by its last sender's end; and a
//! `WaitGroup` trusts whoever counts, while a scope cannot be left before its threads have ended.
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

use crate::{
    delivery::{
        fanout::{helper_loop, Fanout, Hands},
        recipient::Deliveries,
        round::Round,
        session::Ending,
    },
    room::{
        command::{Command, Report},
        effects::{Gathered, Room},
    },
    Shared,
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use log::warn;
use std::{
    iter,
    sync::Arc,
    thread::{self, Scope},
};

/// The broadcaster's whole life: until the last sender of the channel is gone and all is delivered.
///
/// # Blocking
/// On the channel; a command, or the last sender's end, wakes it. At the end on the deliveries, until the drain is over.
pub fn broadcast_loop(shared: &Shared, commands_rx: &Receiver<Command>) {
    thread::scope(|scope| {
        let (deliveries, delivered_rx) = Deliveries::new(shared, scope);
        let helper_tx = start_helper(shared, scope, &deliveries);
        let hands = Hands::new(shared, deliveries.clone());
        let mut broadcaster = Broadcaster { shared, room: Room::new(shared, deliveries), hands, helper_tx };
        while let Ok(command) = commands_rx.recv() {
            broadcaster.round_of(iter::once(command).chain(commands_rx.try_iter().take(shared.limits.queue)));
        }
        shared.log.write().end("the server is shutting down");
        broadcaster.round_of(iter::empty());
        let Broadcaster { room, hands, helper_tx, .. } = broadcaster;
        drop((hands, helper_tx)); // With its channel the helper ends.
        let room = room.close();
        // Nothing is ever sent here: that nobody can any more says that all deliveries have ended.
        if let Err(RecvTimeoutError::Timeout) = delivered_rx.recv_deadline(shared.drained_by()) {
            warn!("some recipients did not take their last messages in time");
            for line in room {
                line.end(Ending::Lost("the server shut down"));
            }
        }
    });
}

struct Broadcaster<'scope, 'env> {
    shared: &'env Shared,
    room: Room<'scope, 'env>,
    hands: Hands<'scope, 'env>,
    helper_tx: Sender<Arc<Fanout>>,
}

/// Starts the thread that helps with a fan-out. Where the system has none to give, the broadcaster goes without.
fn start_helper<'scope, 'env>(
    shared: &'env Shared,
    scope: &'scope Scope<'scope, 'env>,
    deliveries: &Deliveries<'scope, 'env>,
) -> Sender<Arc<Fanout>> {
    // An invitation that is not taken before the next comes is as good as none: the broadcaster does it all.
    let (helper_tx, invitations_rx) = crossbeam_channel::bounded(1);
    let hands = Hands::new(shared, deliveries.clone());
    let helper = thread::Builder::new().name("helper".to_owned()).stack_size(shared.limits.thread_stack.0);
    if let Err(error) = helper.spawn_scoped(scope, move || helper_loop(hands, &invitations_rx)) {
        warn!("no thread for the helper: {error}");
    }
    helper_tx
}

impl Broadcaster<'_, '_> {
    fn round_of(&mut self, commands: impl Iterator<Item = Command>) {
        let Broadcaster { shared, room, hands, helper_tx } = self;
        let mut gathered = Gathered::default();
        let mut count = 0;
        let start = {
            let mut log = shared.log.write();
            let start = log.next();
            for command in commands {
                count += 1;
                room.carry_out(command, &mut log, &mut gathered);
            }
            start
        };
        let Gathered { authors, private, answers, replies, reports } = gathered;
        // Senders first: while this thread fans out, they bring the next round. A connection that is gone wants no answer.
        for (line, reply, replied_tx) in replies {
            line.reply(&reply);
            let _ = replied_tx.send(None);
        }
        for (answer_tx, answer) in answers {
            let _ = answer_tx.send(answer);
        }
        for report_tx in reports {
            let _ = report_tx.send(Report::of(room.recipients(), shared.log.read().next()));
        }
        let recipients = room.recipients().map(|(_, recipient)| Arc::clone(recipient)).collect();
        let fanout = Arc::new(Fanout::new(recipients, Round::collect(&shared.log, start, authors, private)));
        if count == 1 && fanout.is_long() {
            let _ = helper_tx.try_send(Arc::clone(&fanout));
        }
        hands.work(&fanout);
        #[cfg(feature = "seeded-bugs")]
        if shared.seeded.has(crate::settings::seeded::Bug::ScopePerRound) {
            room.wait_for_all();
        }
    }
}
