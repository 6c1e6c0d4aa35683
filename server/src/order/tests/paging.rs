//! Reading the log back and on, over every split between memory and files, while it moves on.

use super::{super::journal::*, *};
use crate::{order::journal::disk::Directory, settings::JournalSettings};
use chat_common::wire::{codec::decode, token::Token};
use proptest::prelude::*;
use std::{
    env, fs,
    path::PathBuf,
    process,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc,
    },
    time::Duration,
};

/// The session that reads.
const READER: u64 = 2;

/// A log with a journal, and what every event of it is to the reader.
struct Room {
    log: SharedLog,
    journal: Journal<Directory>,
    /// The sequence numbers of what the reader finds in the history.
    readable: Vec<u64>,
    /// Of what everybody finds there.
    public: Vec<u64>,
    /// Of what is delivered to the reader.
    delivered: Vec<u64>,
    folder: PathBuf,
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Room {
    fn new(limits: &Limits, segment_bytes: u64) -> Room {
        static ROOMS: AtomicUsize = AtomicUsize::new(0);
        let number = ROOMS.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("rpc-chat-paging-{}-{number}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        let disk = Arc::new(Directory::open(folder.clone()).unwrap());
        let random = || Ok(Token::from_bytes([7; 16]));
        let segment_size = Bytes(segment_bytes as usize);
        let settings =
            JournalSettings { directory: None, keep: Duration::ZERO, keep_size: Bytes(0), segment_size };
        let (journal, _) = Journal::open(disk, &settings, random, &mut |_| Ok(())).unwrap();
        let log = SharedLog::new(limits).with_archive(journal.archive());
        Room { log, journal, readable: Vec::new(), public: Vec::new(), delivered: Vec::new(), folder }
    }

    /// Says the events of one round, as the broadcaster does.
    fn say(&mut self, round: &[Said]) {
        let mut batch = self.log.stage();
        for said in round {
            let (kind, audience) = said.event();
            let (is_move, sequence) = (matches!(said, Said::Comes), batch.push(kind, audience));
            let is_message = !is_move && !matches!(said, Said::Notice);
            if is_message && matches!(audience, Audience::AllBut(_)) {
                self.public.push(sequence);
            }
            if is_message && (matches!(audience, Audience::AllBut(_)) || audience == Audience::Only(READER)) {
                self.readable.push(sequence);
            }
            if audience.includes(READER) && !is_move {
                self.delivered.push(sequence);
            }
        }
        let (mut records, first) = (Vec::new(), batch.first());
        push_round(&batch, &mut records);
        self.journal.commit(&records, first, Vec::new).unwrap();
        self.log.append(batch);
    }

    /// Pages back from `before` as a client does, and lets `between` happen in the middle of reading.
    /// Returns the sequence numbers that came, oldest first.
    fn page_back(&mut self, page: Page, mut before: u64, mut between: impl FnMut(&mut Room)) -> Vec<u64> {
        let (mut found, mut asked) = (Vec::new(), 0);
        loop {
            let log = self.log.clone();
            let mut pieces = 0;
            let mut go_on = |_| {
                between(self);
                pieces += 1;
                pieces < page.pieces
            };
            let asked_for = HistoryPage { count: page.count, before, session: READER, limit: page.bytes };
            let encoded = log.last_messages(asked_for, &mut go_on).unwrap();
            let events: Vec<Event> = encoded.iter().map(|bytes| decode(bytes).unwrap()).collect();
            let Some(oldest) = events.first() else { return found };
            assert!(oldest.sequence < before, "a page goes back");
            before = oldest.sequence;
            let is_message =
                |event: &&Event| !matches!(event.kind, EventKind::Missed { messages: false, .. });
            let mut page: Vec<u64> = events.iter().filter(is_message).map(|event| event.sequence).collect();
            page.append(&mut found);
            found = page;
            asked += 1;
            assert!(asked < 100_000, "it ends");
            between(self);
        }
    }

    /// Everything that is delivered from `cursor` on, but membership events.
    fn read_on(&self, mut cursor: u64, limit: usize) -> Vec<u64> {
        let reader = super::reader(READER);
        let mut found = Vec::new();
        loop {
            let mut batch = Batch::new();
            let before = cursor;
            let call = CallToFill { batch: &mut batch, usual: limit, longest: 1 << 16 };
            self.log.read_files(&mut cursor, reader, call, &mut |_| true).unwrap();
            if batch.events() == 0 {
                self.log.read_memory(&mut cursor, reader, 1 << 16, &mut batch);
            }
            let events = events_of(&mut batch);
            if before == cursor {
                return found;
            }
            let is_move = |event: &Event| {
                matches!(event.kind, EventKind::Joined { .. } | EventKind::Missed { messages: false, .. })
            };
            found.extend(events.iter().filter(|event| !is_move(event)).map(|event| event.sequence));
        }
    }
}

/// What a client asks for in one request.
#[derive(Clone, Copy, Debug)]
struct Page {
    count: usize,
    bytes: usize,
    /// After how many pieces of the files the reading ends.
    pieces: usize,
}

/// Something that happens in the room.
#[derive(Clone, Copy, Debug)]
enum Said {
    /// A message by this session.
    ByOne(u64, usize),
    /// A private message to this session.
    To(u64, usize),
    Notice,
    Comes,
}

impl Said {
    fn event(self) -> (EventKind, Audience) {
        match self {
            Said::ByOne(author, length) => (says(&"x".repeat(length)), Audience::AllBut(author)),
            Said::To(session, length) => (says(&"p".repeat(length)), Audience::Only(session)),
            Said::Notice => (EventKind::Notice { text: "hi".into() }, Audience::All),
            Said::Comes => (EventKind::Joined { name: "Bob".into() }, Audience::AllBut(1)),
        }
    }
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        4 => (1..4u64, 1..300usize).prop_map(|(author, length)| Said::ByOne(author, length)),
        1 => (1..4u64, 1000..4000usize).prop_map(|(author, length)| Said::ByOne(author, length)),
        3 => (1..5u64, 1..2000usize).prop_map(|(session, length)| Said::To(session, length)),
        1 => Just(Said::Notice),
        2 => Just(Said::Comes),
    ]
}

fn page() -> impl Strategy<Value = Page> {
    let count = prop_oneof![1..10usize, Just(usize::MAX)];
    // The shortest page has space for the longest event.
    let bytes = prop_oneof![4200..9000usize, Just(1 << 16)];
    let pieces = prop_oneof![Just(1), 1..4usize, Just(usize::MAX)];
    (count, bytes, pieces).prop_map(|(count, bytes, pieces)| Page { count, bytes, pieces })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() })]

    #[test]
    fn paging_back_gives_every_message_once_over_any_split_between_memory_and_files(
        rounds in prop::collection::vec(prop::collection::vec(said(), 1..40), 1..40),
        memory in (1..60usize, 8_000..60_000usize),
        segment_pages in 4..80u64,
        page in page(),
        place in 0.0..1.2f64,
    ) {
        let limits =
            Limits { log_messages: memory.0, log_size: Bytes(memory.1), ..Limits::default() };
        let mut room = Room::new(&limits, segment_pages * 4096);
        let (later, earlier) = rounds.split_at(rounds.len() / 3);
        earlier.iter().for_each(|round| room.say(round));
        let mut later = later.iter();

        let next = room.log.read().next();
        let place = (next as f64 * place) as u64;
        let place = if place >= next { u64::MAX } else { place };
        let expected: Vec<u64> = room.readable.iter().copied().filter(|at| *at < place).collect();
        // The room goes on while it is read.
        let go_on = |room: &mut Room| later.next().into_iter().for_each(|round| room.say(round));
        let found = room.page_back(page, place, go_on);
        let said_meanwhile = |at: &u64| *at < next;
        let found: Vec<u64> = found.into_iter().filter(said_meanwhile).collect();
        prop_assert_eq!(found, expected);

        let cursor = place.min(next).max(1);
        let expected: Vec<u64> = room.delivered.iter().copied().filter(|at| *at >= cursor).collect();
        prop_assert_eq!(room.read_on(cursor, page.bytes), expected);
        // Twice, because the second time counts are known.
        for count in [1, 7, room.public.len().max(1), room.public.len() + 1, 7] {
            let position = room.log.position_before(count, &mut |_| true).unwrap().unwrap();
            let oldest = room.public.iter().rev().take(count).next_back().copied();
            prop_assert_eq!(position, oldest.unwrap_or(room.log.read().next()));
            let kept = room.log.history_floor(count, 0, &mut |_| true).unwrap();
            prop_assert_eq!(kept, oldest.filter(|_| room.public.len() >= count).unwrap_or(0));
        }
    }
}

/// A room whose messages, 20 in each of 200 rounds, are in several files.
fn room_of_files(limits: &Limits) -> Room {
    let mut room = Room::new(limits, 64 << 10);
    for _ in 0..200 {
        room.say(&[Said::ByOne(1, 100); 20]);
    }
    room
}

#[test]
fn only_what_cannot_be_read_is_missing_and_what_follows_it_is_there() {
    let limits = Limits { log_messages: 10, ..Limits::default() };
    let mut room = room_of_files(&limits);
    let mut files: Vec<PathBuf> =
        fs::read_dir(&room.folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "journal"));
    files.sort();
    // A bit in the middle of a batch of the first file, and all of the third.
    let mut bytes = fs::read(&files[0]).unwrap();
    bytes[20_000] ^= 1;
    fs::write(&files[0], &bytes).unwrap();
    fs::remove_file(&files[2]).unwrap();
    let first_of = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();

    let reader = super::reader(READER);
    let (mut cursor, mut got, mut gaps) = (1, Vec::new(), Vec::new());
    while room.log.is_archived(cursor) {
        let mut batch = Batch::new();
        let call = CallToFill { batch: &mut batch, usual: 1 << 14, longest: 1 << 16 };
        room.log.read_files(&mut cursor, reader, call, &mut |_| true).unwrap();
        for event in events_of(&mut batch) {
            match event.kind {
                EventKind::Missed { first, messages: true } => gaps.push(first..event.sequence + 1),
                _ => got.push(event.sequence),
            }
        }
    }
    // One batch, and one file.
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    assert_eq!(gaps[0].end - gaps[0].start, 20);
    assert_eq!(gaps[1], first_of(&files[2])..first_of(&files[3]));
    got.extend(gaps.iter().cloned().flatten());
    got.sort_unstable();
    assert_eq!(got, (1..cursor).collect::<Vec<_>>());

    // The history says the same.
    let page = Page { count: usize::MAX, bytes: 1 << 14, pieces: usize::MAX };
    let found = room.page_back(page, u64::MAX, |_| {});
    let lost = |at: &u64| gaps.iter().any(|gap| gap.contains(at));
    let whole: Vec<u64> = room.readable.iter().copied().filter(|at| !lost(at)).collect();
    let told: Vec<u64> = found.iter().copied().filter(lost).collect();
    assert_eq!(found.iter().copied().filter(|at| !lost(at)).collect::<Vec<_>>(), whole);
    assert!(told.iter().zip(&gaps).all(|(last, gap)| gap.end == last + 1) && told.len() == 2, "{told:?}");
}

#[test]
fn an_event_that_is_longer_than_a_frame_of_this_server_is_told_as_missed() {
    let limits =
        Limits { log_messages: 2, max_frame: Bytes(4096), max_text: Bytes(1024), ..Limits::default() };
    let mut room = Room::new(&limits, 64 << 10);
    // A server with longer frames said this.
    room.say(&[Said::ByOne(1, 10), Said::ByOne(1, 20_000), Said::ByOne(1, 10)]);
    room.say(&[Said::ByOne(1, 10), Said::ByOne(1, 10)]);
    assert_eq!(room.read_on(1, 4096), [1, 2, 3, 4, 5]);
    let page = Page { count: usize::MAX, bytes: 4096, pieces: usize::MAX };
    assert_eq!(room.page_back(page, u64::MAX, |_| {}), [1, 2, 3, 4, 5]);
}

#[test]
fn a_round_that_memory_never_held_is_read_from_the_files_and_is_not_missed() {
    let limits = Limits { log_messages: 1, ..Limits::default() };
    let mut room = Room::new(&limits, 64 << 10);
    room.say(&[Said::ByOne(1, 10); 5]);
    let mut batch = Batch::new();
    let mut cursor = 1;
    room.log.read_memory(&mut cursor, super::reader(READER), 1 << 16, &mut batch);
    assert_eq!((cursor, batch.events()), (1, 0), "nobody is told that it is gone");
    assert_eq!(room.read_on(1, 1 << 14), [1, 2, 3, 4, 5]);
}
