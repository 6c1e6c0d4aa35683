//! A bug on purpose in delivering a round. Runs on the thread `broadcaster`.

use super::{recipient::Recipient, Deliveries};
use crate::settings::seeded::Bug;
use chat_common::batch::Batch;
use std::{sync::Arc, thread};

impl Deliveries<'_, '_> {
    /// Waits until every recipient has answered, as the end of a scope for this round would.
    pub(super) fn wait_as_a_scope_for_each_round_would(&self, recipients: &[Arc<Recipient>]) {
        for recipient in recipients.iter().filter(|_| self.limits.seeded.has(Bug::ScopePerRound)) {
            while recipient.window.has_outstanding() && recipient.pair.close_reason().is_none() {
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
