//! A frame with one `Receive` call, built from events that are already encoded. Never blocks; one thread owns
//! it.
//!
//! The room encodes an event once. Each recipient gets a copy of those bytes, because copying costs much less
//! than encoding again.

use crate::wire::{codec::encode_into, frame, protocol::Callback};

/// The position of the `answer` flag in the frame: after the header and the number of the variant.
const ANSWER_POSITION: usize = frame::HEADER_BYTES + 4;
/// The position of the first event in the frame: after the flag and the count of events.
const EVENTS_POSITION: usize = ANSWER_POSITION + 1 + 8;

/// One frame with one `Receive` call, which grows as events are added.
#[derive(Debug, Default)]
pub struct Batch {
    frame: Vec<u8>,
    events: u64,
    /// Whether there was no memory, or nothing to read it with, for an event.
    lacks_resources: bool,
}

impl Batch {
    /// Returns a call without events, which is a ping.
    pub fn new() -> Batch {
        let mut batch = Batch::default();
        batch.clear();
        batch
    }

    /// Removes the events, and keeps the memory.
    pub fn clear(&mut self) {
        self.events = 0;
        self.lacks_resources = false;
        frame::begin(&mut self.frame);
        encode_into(&Callback::Receive { answer: false, events: Vec::new() }, &mut self.frame)
            .expect("an empty call encodes");
    }

    /// Gives unused memory above `bytes` back.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.frame.shrink_to(bytes);
    }

    /// Adds an encoded [`Event`](super::protocol::Event) if the payload then has at most `limit` bytes, and
    /// there is memory for it. Returns whether it did.
    pub fn push(&mut self, event: &[u8], limit: usize) -> bool {
        if self.payload_bytes() + event.len() > limit {
            return false;
        }
        self.lacks_resources = self.frame.try_reserve(event.len()).is_err();
        if !self.lacks_resources {
            self.frame.extend_from_slice(event);
            self.events += 1;
        }
        !self.lacks_resources
    }

    /// Returns whether the next event exists, and could not be added for want of memory or of something else.
    pub fn lacks_resources(&self) -> bool {
        self.lacks_resources
    }

    /// Notes that the next event exists, and that there is nothing now to read it with.
    pub fn give_up(&mut self) {
        self.lacks_resources = true;
    }

    /// Returns a copy, or an empty call if there is no memory for one.
    pub fn try_clone(&self) -> Batch {
        let mut copy = Batch::new();
        if copy.frame.try_reserve_exact(self.frame.len()).is_ok() {
            copy.frame.clear();
            copy.frame.extend_from_slice(&self.frame);
            copy.events = self.events;
        }
        copy
    }

    /// Returns the number of events.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns the length of the payload so far, in bytes.
    pub fn payload_bytes(&self) -> usize {
        self.frame.len() - frame::HEADER_BYTES
    }

    /// Completes the frame and returns it. `answer` says whether the recipient must reply to the call.
    pub fn finish(&mut self, answer: bool) -> &[u8] {
        self.frame[ANSWER_POSITION] = u8::from(answer);
        self.frame[ANSWER_POSITION + 1..EVENTS_POSITION].copy_from_slice(&self.events.to_le_bytes());
        frame::finish(&mut self.frame);
        self.frame()
    }

    /// The frame as [`Batch::finish`] has completed it last.
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{
        frame::encode_frame,
        protocol::{Event, EventKind},
    };

    #[test]
    fn a_batch_equals_the_encoding_of_the_same_call() {
        let events: Vec<Event> = (1..4)
            .map(|sequence| Event { sequence, time: 5, kind: EventKind::Joined { name: "Ann".into() } })
            .collect();
        let mut batch = Batch::new();
        for event in &events {
            let mut encoded = Vec::new();
            encode_into(event, &mut encoded).unwrap();
            assert!(batch.push(&encoded, 1000));
            assert!(!batch.push(&[0; 1000], 1000));
        }
        for answer in [false, true] {
            let mut expected = Vec::new();
            encode_frame(&Callback::Receive { answer, events: events.clone() }, &mut expected).unwrap();
            assert_eq!(batch.finish(answer), expected);
        }
    }
}
