//! Bugs on purpose in delivering a round. Runs on the thread `broadcaster`.

use super::{recipient::Recipient, Deliveries};
use crate::settings::seeded::Bug;
use chat_common::wire::batch::Batch;
use std::{sync::Arc, thread};

impl Deliveries<'_, '_> {
    /// Waits until every recipient has answered, as the end of a scope for this round would. A round that is
    /// published too early waits, too, so that its recipients surely have it before the server fails.
    pub(super) fn wait_for_answers(&self, recipients: &[Arc<Recipient>]) {
        let waits = |bug| self.limits.seeded.has(bug);
        let waits = waits(Bug::ScopePerRound) || waits(Bug::PublishBeforeSync);
        for recipient in recipients.iter().filter(|_| waits) {
            let is_behind = || recipient.cursor() < self.log.read().next();
            while (is_behind() || recipient.window.has_outstanding())
                && recipient.pair.close_reason().is_none()
            {
                let mut ping = Batch::new();
                if recipient.window.ping(&mut ping) {
                    // If this fails, the recipient's thread closes the pair.
                    let _ = recipient.write_call(&ping, self.log, self.limits);
                }
                thread::yield_now();
            }
        }
    }
}
