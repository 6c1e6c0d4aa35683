//! What was said and this client has seen, so that `/search` finds it: messages, actions and private ones,
//! its own among them. Plain data, owned by the inbox.
//!
//! Invariant: of each room, the memory holds everything that the client was shown since the first message
//! that it holds. So what a search does not find here is older, or the client has missed it; the server may
//! keep either.

use crate::{events::Found, session::message::message_of};
use std::collections::{HashSet, VecDeque};

/// As many messages as a server keeps.
const MAX_MESSAGES: usize = 8192;
/// As many bytes as a server keeps.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// What a message costs beside its text, about. In bytes.
const AROUND_TEXT_BYTES: usize = 128;

#[derive(Default)]
pub(crate) struct Memory {
    said: VecDeque<Said>,
    bytes: usize,
    /// The room in which the client has missed messages last, and the sequence of the last of them.
    missed: Option<(u64, u64)>,
}

struct Said {
    room: u64,
    found: Found,
}

impl Memory {
    /// Adds a message of this room. Any other event is ignored. The oldest messages go if there are too many.
    pub(crate) fn record(&mut self, room: u64, found: Found) {
        if message_of(&found.event.kind).is_none() {
            return;
        }
        self.bytes += cost(&found);
        // A reply and an event come over two connections, so a message can come after a later one.
        let sequence = found.event.sequence;
        let is_before = |said: &Said| said.room != room || said.found.event.sequence < sequence;
        let place = self.said.iter().rposition(is_before).map_or(0, |place| place + 1);
        self.said.insert(place, Said { room, found });
        while self.said.len() > MAX_MESSAGES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.said.pop_front() else { break };
            self.bytes -= cost(&oldest.found);
        }
    }

    /// Forgets everything of this room, and returns it.
    pub(crate) fn forget(&mut self, room: u64) -> Vec<Found> {
        let (gone, kept): (Vec<Said>, Vec<Said>) = self.said.drain(..).partition(|said| said.room == room);
        self.said = kept.into();
        self.missed.take_if(|(missed, _)| *missed == room);
        let gone: Vec<Found> = gone.into_iter().map(|said| said.found).collect();
        self.bytes -= gone.iter().map(cost).sum::<usize>();
        gone
    }

    /// The client has missed messages of this room, up to this sequence.
    pub(crate) fn record_missed(&mut self, room: u64, last: u64) {
        self.missed = Some((room, last));
    }

    /// The sequence of the first message of this room that the memory holds, and behind which the client has
    /// missed none.
    pub(crate) fn first_sequence(&self, room: u64) -> Option<u64> {
        self.of_room(room).find(|sequence| *sequence > self.missed_in(room))
    }

    /// The sequences of the messages that the memory holds from before others of this room that were missed.
    pub(crate) fn before_missed(&self, room: u64) -> HashSet<u64> {
        self.of_room(room).take_while(|sequence| *sequence <= self.missed_in(room)).collect()
    }

    fn missed_in(&self, room: u64) -> u64 {
        self.missed.filter(|(missed, _)| *missed == room).map_or(0, |(_, last)| last)
    }

    fn of_room(&self, room: u64) -> impl Iterator<Item = u64> + '_ {
        self.said.iter().filter(move |said| said.room == room).map(|said| said.found.event.sequence)
    }

    /// All messages, oldest first.
    pub(crate) fn messages(&self) -> impl DoubleEndedIterator<Item = &Found> {
        self.said.iter().map(|said| &said.found)
    }
}

fn cost(found: &Found) -> usize {
    let said = message_of(&found.event.kind).map_or(0, |message| message.author.len() + message.text.len());
    said + found.to.as_ref().map_or(0, String::len) + AROUND_TEXT_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::wire::protocol::{Event, EventKind};

    fn found(sequence: u64, text: &str) -> Found {
        let author = "Sara".into();
        let kind = EventKind::Message { author, message_id: 1, repeated: false, text: text.into() };
        Found { event: Event { sequence, time: 0, kind }, to: None }
    }

    #[test]
    fn messages_stay_in_the_order_of_their_room_and_rooms_in_the_order_of_the_visits() {
        let mut memory = Memory::default();
        for (room, sequence) in [(7, 5), (7, 9), (7, 8), (7, 12), (3, 2), (3, 1)] {
            memory.record(room, found(sequence, "hi"));
        }
        let order: Vec<u64> = memory.messages().map(|found| found.event.sequence).collect();
        assert_eq!(order, [5, 8, 9, 12, 1, 2]);
        assert_eq!((memory.first_sequence(7), memory.first_sequence(3)), (Some(5), Some(1)));
        assert_eq!(memory.first_sequence(4), None);
    }

    #[test]
    fn a_room_of_which_messages_were_missed_is_whole_only_behind_them() {
        let mut memory = Memory::default();
        (3..5).for_each(|sequence| memory.record(7, found(sequence, "hi")));
        memory.record_missed(7, 20);
        assert_eq!((memory.first_sequence(7), memory.before_missed(7)), (None, HashSet::from([3, 4])));
        (21..23).for_each(|sequence| memory.record(7, found(sequence, "hi")));
        assert_eq!((memory.first_sequence(7), memory.before_missed(7)), (Some(21), HashSet::from([3, 4])));
        memory.record(8, found(1, "hi"));
        assert_eq!((memory.first_sequence(8), memory.before_missed(8)), (Some(1), HashSet::new()));
    }

    #[test]
    fn the_memory_is_bounded_in_messages_and_in_bytes() {
        let mut memory = Memory::default();
        for sequence in 0..MAX_MESSAGES as u64 + 10 {
            memory.record(1, found(sequence, "hi"));
        }
        assert_eq!((memory.messages().count(), memory.first_sequence(1)), (MAX_MESSAGES, Some(10)));
        let long = "x".repeat(MAX_BYTES / 10);
        (0..20).for_each(|sequence| memory.record(2, found(sequence, &long)));
        assert!(memory.bytes <= MAX_BYTES && memory.messages().count() < 11);
        assert_eq!(memory.messages().map(cost).sum::<usize>(), memory.bytes);
    }
}
