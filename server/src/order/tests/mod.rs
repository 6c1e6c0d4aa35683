//! Tests of the log alone, on the test's own thread.

mod paging;

use super::*;
use crate::{
    log::{Audience, Reader},
    settings::{Bytes, Limits},
};
use chat_common::wire::{
    batch::Batch,
    codec::decode,
    frame::HEADER_BYTES,
    protocol::{Callback, Event, EventKind},
};

fn log_of(log_messages: usize, log_bytes: usize) -> SharedLog {
    SharedLog::new(&Limits { log_messages, log_size: Bytes(log_bytes), ..Limits::default() })
}

fn append(log: &SharedLog, kind: EventKind, audience: Audience) {
    let mut batch = log.stage();
    batch.push(kind, audience);
    log.append(batch);
}

fn says(text: &str) -> EventKind {
    EventKind::Message { author: "Ann".into(), message_id: 1, repeated: false, text: text.into() }
}

fn reader(session: u64) -> Reader {
    Reader { session, ..Reader::EVERYBODY }
}

fn events_of(batch: &mut Batch) -> Vec<Event> {
    let Callback::Receive { events, .. } = decode(&batch.finish(false)[HEADER_BYTES..]).unwrap();
    events
}

fn read(log: &SharedLog, cursor: &mut u64, session: u64) -> Vec<Event> {
    let mut batch = Batch::new();
    log.read().read_into(cursor, reader(session), 1 << 16, &mut batch);
    events_of(&mut batch)
}

/// The sequence numbers of the last messages before a place.
fn last(log: &SharedLog, count: usize, before: u64, session: u64, limit: usize) -> Vec<u64> {
    let page = HistoryPage { count, before, session, limit };
    let page = log.last_messages(page, &mut |_| true).unwrap();
    page.iter().map(|bytes| decode::<Event>(bytes).unwrap().sequence).collect()
}

#[test]
fn a_reader_gets_each_event_of_the_others_once_in_order() {
    let log = log_of(10, 1 << 20);
    let mut cursor = log.read().next();
    for author in [1, 2, 1, 3] {
        append(&log, says("x"), Audience::AllBut(author));
    }
    let sequences: Vec<u64> = read(&log, &mut cursor, 1).iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, [2, 4]);
    assert_eq!(cursor, log.read().next());
    assert!(read(&log, &mut cursor, 1).is_empty());
}

#[test]
fn a_private_event_is_for_one_reader() {
    let log = log_of(10, 1 << 20);
    append(&log, says("psst"), Audience::Only(2));
    assert_eq!(read(&log, &mut 1, 2).len(), 1);
    assert_eq!(read(&log, &mut 1, 3).len(), 0);
    assert_eq!(last(&log, 9, u64::MAX, 2, 1 << 16).len(), 1);
    assert_eq!(last(&log, 9, u64::MAX, 3, 1 << 16).len(), 0);
}

#[test]
fn a_reader_behind_the_oldest_event_is_told_what_it_missed() {
    let log = log_of(3, 1 << 20);
    for _ in 0..10 {
        append(&log, says("x"), Audience::All);
    }
    let mut cursor = 2;
    let events = read(&log, &mut cursor, 9);
    assert_eq!((events[0].sequence, &events[0].kind), (7, &EventKind::Missed { first: 2, messages: true }));
    assert_eq!(events[1..].iter().map(|event| event.sequence).collect::<Vec<_>>(), [8, 9, 10]);
}

#[test]
fn memory_is_bounded_by_bytes_too() {
    let log = log_of(1_000_000, 10_000);
    for _ in 0..1000 {
        append(&log, says(&"x".repeat(100)), Audience::All);
    }
    assert!(log.read().bytes() <= 10_000);
    append(&log, says(&"x".repeat(20_000)), Audience::All);
    assert_eq!(log.read().next() - log.read().first(), 1, "the newest event always stays");
}

#[test]
fn the_next_batch_begins_where_a_full_batch_ended() {
    let log = log_of(100, 1 << 20);
    for _ in 0..20 {
        append(&log, says(&"x".repeat(50)), Audience::All);
    }
    let (mut cursor, mut seen) = (1, 0);
    while cursor < log.read().next() {
        let mut batch = Batch::new();
        log.read().read_into(&mut cursor, reader(9), 300, &mut batch);
        assert!(batch.events() > 0 && batch.payload_bytes() <= 300);
        seen += batch.events();
    }
    assert_eq!(seen, 20);
}

#[test]
fn history_counts_only_messages() {
    let log = log_of(100, 1 << 20);
    append(&log, says("one"), Audience::AllBut(1));
    append(&log, EventKind::Joined { name: "Bob".into() }, Audience::AllBut(2));
    append(&log, says("two"), Audience::AllBut(1));
    append(&log, says("psst"), Audience::Only(1));
    assert_eq!(log.position_before(1, &mut |_| true).unwrap(), Some(3));
    assert_eq!(log.position_before(2, &mut |_| true).unwrap(), Some(1));
    assert_eq!(log.position_before(0, &mut |_| true).unwrap(), None);
    assert_eq!(last(&log, 9, u64::MAX, 9, 1 << 16).len(), 2);
    assert_eq!(last(&log, 9, u64::MAX, 9, 1).len(), 0);
}

#[test]
fn a_batch_is_not_visible_before_it_is_appended() {
    let log = log_of(10, 1 << 20);
    let mut batch = log.stage();
    assert_eq!(batch.push(says("one"), Audience::All), 1);
    assert_eq!(batch.push(says("two"), Audience::All), 2);
    assert!(read(&log, &mut 1, 9).is_empty());
    log.append(batch);
    assert_eq!(read(&log, &mut 1, 9).len(), 2);
}

fn comes_or_goes(log: &SharedLog, name: &str) {
    append(log, EventKind::Joined { name: name.into() }, Audience::All);
}

#[test]
fn comings_and_goings_do_not_age_what_was_said() {
    let log = log_of(5, 1 << 20);
    for text in ["one", "two"] {
        append(&log, says(text), Audience::AllBut(1));
        (0..1000).for_each(|_| comes_or_goes(&log, "Bob"));
    }
    let texts = last(&log, 9, u64::MAX, 9, 1 << 16).len();
    assert_eq!(texts, 2);
    assert_eq!(log.position_before(2, &mut |_| true).unwrap(), Some(1));
    let log = log_of(1_000_000, 64 << 10);
    append(&log, says("one"), Audience::AllBut(1));
    (0..100_000).for_each(|_| comes_or_goes(&log, "Bob"));
    assert!(log.read().bytes() <= 64 << 10);
    assert_eq!(last(&log, 9, u64::MAX, 9, 1 << 16).len(), 1);
}

#[test]
fn a_reader_is_told_exactly_which_comings_and_goings_it_missed() {
    let log = log_of(2, 1 << 20);
    comes_or_goes(&log, "1");
    append(&log, says("2"), Audience::All);
    (3..6).for_each(|_| comes_or_goes(&log, "3, 4, 5"));
    append(&log, says("6"), Audience::All);
    (7..9).for_each(|_| comes_or_goes(&log, "7, 8"));
    let all = read(&log, &mut 1, 9);
    let told: Vec<(u64, Option<u64>)> = all
        .iter()
        .map(|event| match event.kind {
            EventKind::Missed { first, messages: false } => (event.sequence, Some(first)),
            _ => (event.sequence, None),
        })
        .collect();
    assert_eq!(told, [(1, Some(1)), (2, None), (5, Some(3)), (6, None), (7, None), (8, None)]);

    // The same for a reader whose join is number 5: nothing before it is told.
    let mut batch = Batch::new();
    let (mut cursor, reader) = (1, Reader { session: 9, membership_from: 5, history_floor: 0 });
    log.read().read_into(&mut cursor, reader, 1 << 16, &mut batch);
    assert_eq!((cursor, batch.events()), (9, 5));
}

#[test]
fn a_newcomer_gets_what_was_said_and_nobody_who_came_or_went_before_its_join() {
    let log = log_of(100, 1 << 20);
    append(&log, says("1"), Audience::All);
    comes_or_goes(&log, "2");
    append(&log, says("3"), Audience::All);
    (4..7).for_each(|_| comes_or_goes(&log, "4 to 6"));
    append(&log, EventKind::Notice { text: "7".into() }, Audience::All);
    let sequences = |membership_from| -> Vec<u64> {
        let (mut cursor, mut batch) = (1, Batch::new());
        log.read().read_into(
            &mut cursor,
            Reader { session: 9, membership_from, history_floor: 0 },
            1 << 16,
            &mut batch,
        );
        assert_eq!(cursor, 8);
        let Callback::Receive { events, .. } = decode(&batch.finish(false)[HEADER_BYTES..]).unwrap();
        events.iter().map(|event| event.sequence).collect()
    };
    assert_eq!(sequences(6), [1, 3, 6, 7]);
    assert_eq!(sequences(0), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn what_came_and_went_before_the_oldest_message_goes_with_it() {
    let log = log_of(2, 1 << 20);
    comes_or_goes(&log, "1");
    (2..6).for_each(|_| append(&log, says("2 to 5"), Audience::All));
    let events = read(&log, &mut 1, 9);
    assert_eq!((events[0].sequence, &events[0].kind), (3, &EventKind::Missed { first: 1, messages: true }));
    assert_eq!(events.len(), 3);
}

#[test]
fn older_messages_are_found_page_by_page() {
    let log = log_of(100, 1 << 20);
    (1..=9).for_each(|number: u32| append(&log, says(&number.to_string()), Audience::AllBut(1)));
    let page = |before| last(&log, 4, before, 9, 1 << 16);
    assert_eq!(page(u64::MAX), [6, 7, 8, 9]);
    assert_eq!(page(6), [2, 3, 4, 5]);
    assert_eq!(page(2), [1]);
    assert!(page(0).is_empty());
}
