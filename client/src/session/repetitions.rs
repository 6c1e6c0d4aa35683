//! Finds messages that come again: an author repeats one after a lost reply, the history has one of this
//! client, or a room was put back from a copy. Plain data, owned by the inbox.
//!
//! Invariant: a message that counts as a repetition has been shown before, with the same author and text, or
//! this client has said it. So nobody can hide a message from one person by its number.

use chat_common::wire::{
    last_messages::LastMessages,
    protocol::{Event, Message, Request},
};
use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
};

/// How many of our own last messages are known again when they come back as history. As many as a server
/// keeps.
const MAX_OWN_MESSAGES: usize = 8192;

#[derive(Default)]
pub(crate) struct Repetitions {
    /// The hash of messages. Its keys are random, so nobody can find two messages with the same hash.
    hash: RandomState,
    last_messages: LastMessages,
    /// The hashes of the last messages that this client has said, with its name.
    said: VecDeque<u64>,
    /// The hashes of the messages that were shown before the room was put back.
    put_back: HashSet<u64>,
}

impl Repetitions {
    /// Records that this client, whose name is `author`, sends this request. It then recognises the message
    /// when it comes back as history.
    pub(crate) fn record_said(&mut self, author: &str, request: &Request) {
        // Nobody gets a private message of its own.
        let (Request::Broadcast { message_id, text, .. } | Request::Action { message_id, text, .. }) =
            request
        else {
            return;
        };
        let message = self.hash.hash_one((author, *message_id, text.as_str()));
        if self.said.back() != Some(&message) {
            self.said.push_back(message);
            if self.said.len() > MAX_OWN_MESSAGES {
                self.said.pop_front();
            }
        }
    }

    /// These messages were shown, and the room brings them again.
    pub(crate) fn put_back<'e>(&mut self, shown: impl Iterator<Item = &'e Event>) {
        self.put_back = shown.filter_map(|event| self.hash_of(event)).collect();
    }

    /// Records an event. Returns whether it is a repetition. `earlier` is whether it happened before the
    /// join.
    pub(crate) fn record(&mut self, event: &Event, earlier: bool) -> bool {
        let is_own = |Message { author, message_id, text, .. }: Message<'_>| {
            self.said.contains(&self.hash.hash_one((author, message_id, text)))
        };
        earlier && event.kind.message().is_some_and(is_own) || self.last_messages.record(&event.kind)
    }

    /// Whether this was shown before the room was put back.
    pub(crate) fn is_put_back(&self, event: &Event) -> bool {
        self.hash_of(event).is_some_and(|hash| self.put_back.contains(&hash))
    }

    /// Returns the hash of a message and its sequence. Returns `None` for any other event.
    fn hash_of(&self, event: &Event) -> Option<u64> {
        let Message { author, message_id, text, .. } = event.kind.message()?;
        Some(self.hash.hash_one((event.sequence, author, message_id, text)))
    }
}
