//! The messages of all kinds that this client has seen or said, so that a search finds them. Plain data,
//! owned by the inbox.
//!
//! Invariant: of each room, this holds each message that was shown after the first one that it holds. So a
//! message that is not here is older, or the client has missed it. The server may keep either.

use crate::{events::Found, session::pager::Unread};
use std::collections::VecDeque;

/// As many messages as a server keeps.
const MAX_MESSAGES: usize = 8192;
/// As many bytes as a server keeps.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// What a message costs beside its text, about. In bytes.
const AROUND_TEXT_BYTES: usize = 128;

#[derive(Default)]
pub(crate) struct SeenMessages {
    said: VecDeque<Said>,
    bytes: usize,
    /// The room in which the client has missed messages last, and the sequence of the last of them.
    missed: Option<(u64, u64)>,
}

struct Said {
    room: u64,
    found: Found,
}

impl SeenMessages {
    /// Adds a message of this room. Any other event is ignored. The oldest messages go if there are too many.
    pub(crate) fn record(&mut self, room: u64, found: Found) {
        if found.event.kind.message().is_none() {
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

    /// What the server may keep of this room, and this does not hold.
    pub(crate) fn unread(&self, room: Option<u64>) -> Unread {
        let Some(room) = room else { return Unread::default() };
        let missed = self.missed.filter(|(missed, _)| *missed == room).map_or(0, |(_, last)| last);
        let of_room = self.said.iter().filter(|said| said.room == room);
        let sequences = || of_room.clone().map(|said| said.found.event.sequence);
        Unread {
            room: Some(room),
            before: sequences().find(|sequence| *sequence > missed),
            except: sequences().take_while(|sequence| *sequence <= missed).collect(),
        }
    }

    /// All messages, oldest first.
    pub(crate) fn messages(&self) -> impl DoubleEndedIterator<Item = &Found> {
        self.said.iter().map(|said| &said.found)
    }
}

fn cost(found: &Found) -> usize {
    let said = found.event.kind.message().map_or(0, |message| message.author.len() + message.text.len());
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

    fn unread(seen: &SeenMessages, room: u64) -> (Option<u64>, Vec<u64>) {
        let Unread { before, except, .. } = seen.unread(Some(room));
        let mut except = Vec::from_iter(except);
        except.sort_unstable();
        (before, except)
    }

    #[test]
    fn messages_stay_in_the_order_of_their_room_and_rooms_in_the_order_of_the_visits() {
        let mut seen = SeenMessages::default();
        for (room, sequence) in [(7, 5), (7, 9), (7, 8), (7, 12), (3, 2), (3, 1)] {
            seen.record(room, found(sequence, "hi"));
        }
        let order: Vec<u64> = seen.messages().map(|found| found.event.sequence).collect();
        assert_eq!(order, [5, 8, 9, 12, 1, 2]);
        assert_eq!([7, 3, 4].map(|room| unread(&seen, room).0), [Some(5), Some(1), None]);
    }

    #[test]
    fn a_room_of_which_messages_were_missed_is_whole_only_behind_them() {
        let mut seen = SeenMessages::default();
        (3..5).for_each(|sequence| seen.record(7, found(sequence, "hi")));
        seen.record_missed(7, 20);
        assert_eq!(unread(&seen, 7), (None, vec![3, 4]));
        (21..23).for_each(|sequence| seen.record(7, found(sequence, "hi")));
        assert_eq!(unread(&seen, 7), (Some(21), vec![3, 4]));
        seen.record(8, found(1, "hi"));
        assert_eq!(unread(&seen, 8), (Some(1), vec![]));
    }

    #[test]
    fn what_was_seen_is_bounded_in_messages_and_in_bytes() {
        let mut seen = SeenMessages::default();
        for sequence in 0..MAX_MESSAGES as u64 + 10 {
            seen.record(1, found(sequence, "hi"));
        }
        assert_eq!((seen.messages().count(), unread(&seen, 1).0), (MAX_MESSAGES, Some(10)));
        let long = "x".repeat(MAX_BYTES / 10);
        (0..20).for_each(|sequence| seen.record(2, found(sequence, &long)));
        assert!(seen.bytes <= MAX_BYTES && seen.messages().count() < 11);
        assert_eq!(seen.messages().map(cost).sum::<usize>(), seen.bytes);
    }
}
