//! The log of step 4, for the steps behind it: each message once, and a position for each recipient.
//!
//! It is as in step 4, and it can end.

use crate::{
    sync::{Condvar, Mutex},
    Message,
};
use std::collections::VecDeque;

/// How many messages a log keeps.
pub const LENGTH: usize = 256;

/// The last messages. A position in it is the sequence of the last message that was read.
#[derive(Default)]
pub struct Log {
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Default)]
struct Kept {
    messages: VecDeque<Message>,
    ended: bool,
}

impl Log {
    /// Appends a message, and forgets the first one when there are too many.
    pub fn append(&self, message: Message) {
        let mut kept = self.kept.lock();
        kept.messages.push_back(message);
        if kept.messages.len() > LENGTH {
            kept.messages.pop_front();
        }
        drop(kept);
        self.changed.notify_all();
    }

    /// Says that no message follows.
    pub fn end(&self) {
        self.kept.lock().ended = true;
        self.changed.notify_all();
    }

    /// Returns what follows this position: the next message, or that some are not there any more. At the end
    /// of the log it returns `None`.
    ///
    /// # Blocking
    /// Until a message follows it, or the log ends.
    pub fn after(&self, position: u64) -> Option<Message> {
        let mut kept = self.kept.lock();
        while kept.messages.back().is_none_or(|last| last.sequence <= position) {
            if kept.ended {
                return None;
            }
            kept = self.changed.wait(kept);
        }
        let first = kept.messages[0].sequence;
        if first > position + 1 {
            return Some(Message::missed(position + 1, first - 1));
        }
        // The sequences in the log have no gaps.
        Some(kept.messages[(position + 1 - first) as usize].clone())
    }
}
