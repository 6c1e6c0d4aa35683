//! The room's log: every event once, encoded, in the one order. A recipient is a position in it.
//!
//! Live delivery, history for a newcomer and resumption are the same operation: read from a position. The log is bounded;
//! when it moves past a position, the recipient is told from where to where it missed.
//!
//! Only the broadcaster appends. Everybody who reads holds the read lock while copying.
//!
//! Go: the original keeps no log; a message lives in the goroutines that carry it, so their order is the scheduler's.

pub mod sync;

use crate::{
    log::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard},
    settings::{
        limits::Limits,
        seeded::{Bug, Seeded},
    },
};
use chat_common::{
    batch::Batch,
    codec::encode_into,
    protocol::{Event, EventKind},
};
use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// What an event takes besides its encoding, in bytes: the entry itself and the allocation's overhead.
const ENTRY_BYTES: usize = std::mem::size_of::<Entry>() + 16;

/// The log and its lock.
#[derive(Clone, Debug)]
pub struct SharedLog(Arc<RwLock<Log>>);

impl SharedLog {
    /// An empty log with the bounds of `limits`.
    pub fn new(limits: &Limits, seeded: Seeded) -> SharedLog {
        let log = Log { seeded, ..Log::new(limits.log_messages, limits.log_size.0) };
        SharedLog(Arc::new(RwLock::new(log)))
    }

    /// For reading, together with others.
    pub fn read(&self) -> RwLockReadGuard<'_, Log> {
        // Invariant: an append is complete before anything in it can panic, so a poisoned log is whole.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For appending; the broadcaster alone does.
    pub fn write(&self) -> RwLockWriteGuard<'_, Log> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bounded sequence of encoded events.
#[derive(Debug)]
pub struct Log {
    entries: VecDeque<Entry>,
    /// The sequence number of the oldest entry, or of the next when there is none. The first ever is 1.
    first: u64,
    /// What the entries take, in bytes.
    bytes: usize,
    most_entries: usize,
    most_bytes: usize,
    ended: bool,
    seeded: Seeded,
}

/// Whom an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody but the session that it comes from.
    AllBut(u64),
    /// One session.
    Only(u64),
    /// Everybody.
    All,
}

impl Audience {
    /// Whether the session `id` gets it.
    pub fn includes(self, id: u64) -> bool {
        match self {
            Audience::AllBut(author) => author != id,
            Audience::Only(recipient) => recipient == id,
            Audience::All => true,
        }
    }
}

#[derive(Debug)]
struct Entry {
    audience: Audience,
    /// Something that a person said or did, as opposed to a coming or going.
    spoken: bool,
    time: u64,
    encoded: Box<[u8]>,
}

impl Log {
    /// An empty log that keeps at most so many events in so many bytes (and always the newest event).
    pub fn new(most_entries: usize, most_bytes: usize) -> Log {
        Log {
            entries: VecDeque::new(),
            first: 1,
            bytes: 0,
            most_entries,
            most_bytes,
            ended: false,
            seeded: Seeded::default(),
        }
    }

    /// The sequence number that the next event will have.
    pub fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The oldest sequence number that is still here.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// What the events take, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the last event is the room's end.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Adds the last event, by which everybody learns why.
    pub fn end(&mut self, reason: &str) {
        self.append(EventKind::Ended { reason: reason.to_owned() }, Audience::All);
    }

    /// Adds an event, and answers its sequence number. The oldest ones make room for it.
    ///
    /// Invariant: whoever appends has checked that the event fits into a frame; one that did not could never be delivered.
    pub fn append(&mut self, kind: EventKind, audience: Audience) -> u64 {
        let time = now();
        let spoken =
            matches!(kind, EventKind::Message { .. } | EventKind::Action { .. } | EventKind::Private { .. });
        let ended = matches!(kind, EventKind::Ended { .. });
        let sequence = self.next();
        let encoded = encoded(&Event { sequence, time, kind });
        self.bytes += encoded.len() + ENTRY_BYTES;
        self.entries.push_back(Entry { audience, spoken, time, encoded });
        self.ended = ended;
        while self.entries.len() > 1
            && (self.entries.len() > self.most_entries || self.bytes > self.most_bytes)
        {
            if let Some(oldest) = self.entries.pop_front() {
                self.bytes -= oldest.encoded.len() + ENTRY_BYTES;
                self.first += 1;
            }
        }
        sequence
    }

    /// Moves `cursor` on, and into `batch` what the session `reader` is to get on the way, as long as the payload has at
    /// most `limit` bytes. The cursor stands at [`Log::next`] when there is no more.
    pub fn read_into(&self, cursor: &mut u64, reader: u64, limit: usize, batch: &mut Batch) {
        if *cursor < self.first {
            let time = self.entries.front().map_or(0, |entry| entry.time);
            let missed = Event { sequence: self.first - 1, time, kind: EventKind::Missed { first: *cursor } };
            if !batch.push(&encoded(&missed), limit) {
                return;
            }
            *cursor = self.first;
        }
        let start = (*cursor - self.first) as usize;
        for entry in self.entries.range(start.min(self.entries.len())..) {
            let mut entry = entry;
            if self.seeded.has(Bug::Swap) && reader % 2 == 0 {
                entry = self.swapped(*cursor).unwrap_or(entry);
            }
            let skipped = self.seeded.has(Bug::Drop) && *cursor % 100 == 0;
            if entry.audience.includes(reader) && !skipped && !batch.push(&entry.encoded, limit) {
                return;
            }
            *cursor += 1;
        }
    }

    /// The other one of a pair, as [`Bug::Swap`] has it.
    fn swapped(&self, cursor: u64) -> Option<&Entry> {
        let other = match cursor % 10 {
            0 if cursor + 1 < self.next() => cursor + 1,
            1 => cursor - 1,
            _ => return None,
        };
        self.entries.get(other.checked_sub(self.first)? as usize)
    }

    /// The position from which `reader` gets the last `count` things that were said, and whatever came between them.
    pub fn back(&self, count: usize, reader: u64) -> u64 {
        let spoken = self
            .entries
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, entry)| entry.spoken && entry.audience.includes(reader));
        spoken.take(count).last().map_or(self.next(), |(index, _)| self.first + index as u64)
    }

    /// The last `count` things that were said and that the session `reader` may read, its own among them, oldest first:
    /// their encodings, `limit` bytes of them at the most.
    pub fn last_spoken(&self, count: usize, reader: u64, limit: usize) -> Vec<&[u8]> {
        let mut bytes = 0;
        let readable =
            |audience| matches!(audience, Audience::AllBut(_)) || audience == Audience::Only(reader);
        let mut found: Vec<&[u8]> = (self.entries.iter().rev())
            .filter(|entry| entry.spoken && readable(entry.audience))
            .take(count)
            .map(|entry| &*entry.encoded)
            .take_while(|encoded| {
                bytes += encoded.len();
                bytes <= limit
            })
            .collect();
        found.reverse();
        found
    }
}

/// Milliseconds since the Unix epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn encoded(event: &Event) -> Box<[u8]> {
    let mut bytes = Vec::new();
    encode_into(event, &mut bytes).expect("an event of ours encodes");
    bytes.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::{codec::decode, frame::HEADER_BYTES, protocol::Callback};

    fn says(text: &str) -> EventKind {
        EventKind::Message { author: "Ann".into(), message_id: 1, text: text.into() }
    }

    fn read(log: &Log, cursor: &mut u64, reader: u64) -> Vec<Event> {
        let mut batch = Batch::new();
        log.read_into(cursor, reader, 1 << 16, &mut batch);
        match decode(&batch.finish(false)[HEADER_BYTES..]).unwrap() {
            Callback::Receive { events, .. } => events,
        }
    }

    #[test]
    fn a_reader_gets_each_event_of_the_others_once_in_order() {
        let mut log = Log::new(10, 1 << 20);
        let mut cursor = log.next();
        for author in [1, 2, 1, 3] {
            log.append(says("x"), Audience::AllBut(author));
        }
        let sequences: Vec<u64> = read(&log, &mut cursor, 1).iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, [2, 4]);
        assert_eq!(cursor, log.next());
        assert!(read(&log, &mut cursor, 1).is_empty());
    }

    #[test]
    fn a_private_event_is_for_one() {
        let mut log = Log::new(10, 1 << 20);
        log.append(says("psst"), Audience::Only(2));
        assert_eq!(read(&log, &mut 1, 2).len(), 1);
        assert_eq!(read(&log, &mut 1, 3).len(), 0);
        assert_eq!(log.last_spoken(9, 2, 1 << 16).len(), 1);
        assert_eq!(log.last_spoken(9, 3, 1 << 16).len(), 0);
    }

    #[test]
    fn a_position_that_the_log_has_left_is_told_what_it_missed() {
        let mut log = Log::new(3, 1 << 20);
        for _ in 0..10 {
            log.append(says("x"), Audience::All);
        }
        let mut cursor = 2;
        let events = read(&log, &mut cursor, 9);
        assert_eq!((events[0].sequence, &events[0].kind), (7, &EventKind::Missed { first: 2 }));
        assert_eq!(events[1..].iter().map(|event| event.sequence).collect::<Vec<_>>(), [8, 9, 10]);
    }

    #[test]
    fn memory_is_bounded_by_bytes_too() {
        let mut log = Log::new(1_000_000, 10_000);
        for _ in 0..1000 {
            log.append(says(&"x".repeat(100)), Audience::All);
        }
        assert!(log.bytes() <= 10_000);
        log.append(says(&"x".repeat(20_000)), Audience::All);
        assert_eq!(log.next() - log.first(), 1, "the newest stays, whatever its size");
    }

    #[test]
    fn a_batch_that_is_full_goes_on_where_it_stopped() {
        let mut log = Log::new(100, 1 << 20);
        for _ in 0..20 {
            log.append(says(&"x".repeat(50)), Audience::All);
        }
        let (mut cursor, mut seen) = (1, 0);
        while cursor < log.next() {
            let mut batch = Batch::new();
            log.read_into(&mut cursor, 9, 300, &mut batch);
            assert!(batch.events() > 0 && batch.payload_bytes() <= 300);
            seen += batch.events();
        }
        assert_eq!(seen, 20);
    }

    #[test]
    fn history_counts_what_was_said_and_nothing_else() {
        let mut log = Log::new(100, 1 << 20);
        log.append(says("one"), Audience::AllBut(1));
        log.append(EventKind::Joined { name: "Bob".into() }, Audience::AllBut(2));
        log.append(says("two"), Audience::AllBut(1));
        log.append(says("psst"), Audience::Only(1));
        assert_eq!(log.back(1, 9), 3);
        assert_eq!(log.back(2, 9), 1);
        assert_eq!(log.back(0, 9), log.next());
        assert_eq!(log.last_spoken(9, 9, 1 << 16).len(), 2);
        assert_eq!(log.last_spoken(9, 9, 1).len(), 0);
    }
}
