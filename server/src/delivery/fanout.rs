//! Offering a round to every recipient: by the broadcaster, and in a quiet room by a helper as well.
//!
//! A write costs the system some 5 µs, so alone the broadcaster reaches the last of a thousand 5 ms after the first. A round of a
//! single command shows that nothing waits behind it and that a core is free: then a second thread, the helper, is invited. Both
//! take the next few recipients from one list until there are none, so neither waits for the other. In a busy room the rounds are
//! large and the cores are taken; there the broadcaster works alone, and a helper would cost 15 % of the throughput.
//!
//! It does not matter who offers a round to a recipient, or how late: the [outbox](crate::delivery::outbox) goes on from its own position.
//!
//! Go: `for _, r := range recipients { go offer(r) }`, and the runtime spreads them over the cores.

use crate::{
    delivery::{
        recipient::{Deliveries, Recipient},
        round::Round,
    },
    Shared,
};
use chat_common::batch::Batch;
use crossbeam_channel::Receiver;
use std::sync::{
    atomic::{AtomicUsize, Ordering::Relaxed},
    Arc,
};

/// How many recipients are taken at once: some 20 µs of work.
const HANDFUL: usize = 4;
/// With fewer recipients than this the broadcaster is done before an invited helper has woken.
const HELPED_FROM: usize = 32;

/// One round's fan-out, shared by those who work at it.
#[derive(Debug)]
pub struct Fanout {
    recipients: Vec<Arc<Recipient>>,
    /// How many of them have been taken. Only the count itself is shared through it, so it needs no order.
    taken: AtomicUsize,
    round: Round,
}

impl Fanout {
    /// A round for all these.
    pub fn new(recipients: Vec<Arc<Recipient>>, round: Round) -> Fanout {
        Fanout { recipients, taken: AtomicUsize::new(0), round }
    }

    /// Whether a helper can be of use.
    pub fn is_long(&self) -> bool {
        self.recipients.len() >= HELPED_FROM
    }

    /// Takes a few recipients nobody else has taken.
    fn take(&self) -> &[Arc<Recipient>] {
        let from = self.taken.fetch_add(HANDFUL, Relaxed).min(self.recipients.len());
        let to = (from + HANDFUL).min(self.recipients.len());
        &self.recipients[from..to]
    }
}

/// What one thread needs to work at a fan-out.
#[derive(Debug)]
pub struct Hands<'scope, 'env> {
    shared: &'env Shared,
    deliveries: Deliveries<'scope, 'env>,
    spare: Batch,
}

impl<'scope, 'env> Hands<'scope, 'env> {
    /// Idle hands.
    pub fn new(shared: &'env Shared, deliveries: Deliveries<'scope, 'env>) -> Hands<'scope, 'env> {
        Hands { shared, deliveries, spare: Batch::new() }
    }

    /// Offers the round to recipients until all of them are taken. Never blocks.
    pub fn work(&mut self, fanout: &Fanout) {
        // A copy of one's own, because whether an answer is asked for is written into it.
        let mut round = fanout.round.clone();
        loop {
            let few = fanout.take();
            if few.is_empty() {
                return;
            }
            for recipient in few {
                if let Some(rest) = recipient.offer(self.shared, &mut round, &mut self.spare) {
                    self.deliveries.push(recipient, rest);
                }
            }
        }
    }
}

/// The helper's whole life: until the broadcaster is gone.
///
/// # Blocking
/// On the channel; an invitation, or the broadcaster's end, wakes it.
pub fn helper_loop(mut hands: Hands<'_, '_>, invitations_rx: &Receiver<Arc<Fanout>>) {
    for fanout in invitations_rx {
        hands.work(&fanout);
    }
}
