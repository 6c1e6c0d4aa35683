//! The last message of each author, by which a repetition is known again. No I/O; one thread owns it.
//!
//! An author says the last message again when its reply was lost together with the session, and marks it as
//! repeated. Nobody else can hide a message: what counts as a repetition has the same author, kind, number
//! and text as the message before it.

use crate::wire::protocol::EventKind;
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    mem::discriminant,
};

/// The most authors whose last message is known. This is far more than a room usually holds. With more the
/// list begins again.
const MAX_AUTHORS: usize = 10_000;
/// No server allows a longer name, so it is not stored. In bytes.
const MAX_NAME_BYTES: usize = 256;

/// The last messages of all authors, from any session and any room.
#[derive(Debug, Default)]
pub struct LastMessages {
    /// Its keys are random, so nobody can find two messages with the same hash.
    hasher: RandomState,
    /// The hash of each author's last message.
    by_author: HashMap<String, u64>,
}

impl LastMessages {
    /// Records an event. Returns whether it is a message that repeats the one before it.
    pub fn record(&mut self, kind: &EventKind) -> bool {
        if let EventKind::Renamed { from, to } = kind {
            if let Some(last) = self.by_author.remove(from) {
                self.replace(to, last);
            }
        }
        let Some(message) = kind.message() else { return false };
        let last = self.hasher.hash_one((discriminant(kind), message.message_id, message.text));
        self.replace(message.author, last) == Some(last) && message.repeated
    }

    /// Stores the hash of an author's last message. Returns that of the one before it.
    fn replace(&mut self, author: &str, last: u64) -> Option<u64> {
        if author.len() > MAX_NAME_BYTES {
            return None;
        }
        if self.by_author.len() >= MAX_AUTHORS {
            self.by_author.clear();
        }
        self.by_author.insert(author.to_owned(), last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_message_of_the_same_author_is_a_repetition() {
        let message = |author: &str, message_id, repeated| EventKind::Message {
            author: author.into(),
            message_id,
            repeated,
            text: "waves".into(),
        };
        let mut last = LastMessages::default();
        assert!(!last.record(&message("Ann", 1, false)));
        assert!(last.record(&message("Ann", 1, true)));
        assert!(!last.record(&message("Ann", 1, false)), "its author does not repeat it");
        assert!(!last.record(&message("Bob", 1, true)));
        assert!(!last.record(&message("Ann", 2, true)));
        let (author, text) = ("Ann".to_owned(), "waves".to_owned());
        let action = EventKind::Action { author, message_id: 2, repeated: true, text };
        assert!(!last.record(&action), "an action is another message");
        assert!(last.record(&action));
        assert!(!last.record(&EventKind::Renamed { from: "Bob".into(), to: "Rob".into() }));
        assert!(last.record(&message("Rob", 1, true)));
    }
}
