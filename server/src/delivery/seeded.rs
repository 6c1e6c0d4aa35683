//! A bug on purpose in delivering a round: the broadcaster waits for the recipients.

use super::{recipient::Recipient, Deliveries};
use crate::settings::seeded::Bug;
use std::{sync::Arc, thread};

impl Deliveries<'_, '_> {
    /// Waits until every recipient has answered, as a scope for each round would.
    ///
    /// # Blocking
    /// On every recipient.
    pub(super) fn wait_as_a_scope_for_each_round_would(&self, recipients: &[Arc<Recipient>]) {
        if !self.limits.seeded.has(Bug::ScopePerRound) {
            return;
        }
        for recipient in recipients {
            while !recipient.has_answered(self.log, self.limits) && recipient.pair.close_reason().is_none() {
                thread::yield_now();
            }
        }
    }
}

impl Recipient {
    /// Asks for an answer if none is pending. Returns whether everything is acknowledged.
    fn has_answered(&self, log: &crate::log::SharedLog, limits: &crate::settings::Limits) -> bool {
        let mut ping = chat_common::batch::Batch::new();
        let written = self.window.has_outstanding() && self.window.ping(&mut ping);
        if written && self.write_call(&ping, log, limits).is_err() {
            self.pair.close(super::CONNECTION_LOST);
        }
        !self.window.has_outstanding()
    }
}
