//! The journal on the model of a disk: crashes, damage, cuts.

mod export;
mod model_disk;

use super::{
    record::{push, push_event, SessionRecord, SessionState},
    seeded::Bug,
    *,
};
use crate::log::Audience;
use chat_common::{
    protocol::{Event, EventKind},
    token::Token,
};
use model_disk::{ModelDisk, Random};
use std::net::Ipv4Addr;

const SMALL: JournalOptions =
    JournalOptions { segment_bytes: 16 << 10, fills_ahead: false, keep: None, keep_bytes: None, bug: None };

fn random() -> io::Result<[u8; 16]> {
    Ok([7; 16])
}

/// A journal with what a server would keep in memory beside it.
struct Life {
    journal: Journal<ModelDisk>,
    opened: Opened,
    next: u64,
    texts: Vec<String>,
    session: u64,
}

fn open(disk: &ModelDisk) -> Result<Life, JournalError> {
    open_with(disk, &SMALL)
}

/// Opens the journal and collects the texts in it.
fn open_with(disk: &ModelDisk, options: &JournalOptions) -> Result<Life, JournalError> {
    let (mut texts, mut session) = (Vec::new(), 0);
    let (journal, opened) = Journal::open(Arc::new(disk.clone()), options, random, &mut |record| {
        match record {
            Record::Event { event: Event { kind: EventKind::Notice { text }, .. }, .. } => texts.push(text),
            Record::Session(record) => session = record.id,
            _ => {}
        }
        Ok(())
    })?;
    let next = opened.next;
    Ok(Life { journal, opened, next, texts, session })
}

fn session_record(id: u64) -> Record {
    Record::Session(SessionRecord {
        id,
        token: Token::NONE,
        name: "Ann".to_owned(),
        address: Ipv4Addr::LOCALHOST.into(),
        visitor: false,
        joined: 1,
        start: 1,
        told_from: 1,
        last: None,
        state: SessionState::Here,
    })
}

impl Life {
    /// Commits a batch with these texts.
    fn commit(&mut self, texts: &[String]) -> Result<(), JournalError> {
        let (first, session) = (self.next, self.session);
        let mut data = Vec::new();
        push(&session_record(session + 1), &mut data);
        for (sequence, text) in (first..).zip(texts) {
            let kind = EventKind::Notice { text: text.clone() };
            let event = Event { sequence, time: 5, kind };
            push(&Record::Event { author: 0, audience: Audience::All, digest: 0, event }, &mut data);
        }
        self.journal.commit(&data, first, || {
            let mut data = Vec::new();
            push(&Record::Checkpoint { last_session: session }, &mut data);
            push(&session_record(session), &mut data);
            data
        })?;
        self.next += texts.len() as u64;
        self.texts.extend_from_slice(texts);
        self.session += 1;
        Ok(())
    }
}

fn texts(random: &mut Random, count: u64, longest: u64) -> Vec<String> {
    (0..count)
        .map(|_| "x".repeat(random.below(longest) as usize) + &random.below(1 << 30).to_string())
        .collect()
}

/// How many crashes the usual test tries. `make faults` sets more.
fn crashes() -> u64 {
    std::env::var("CHAT_CRASHES").ok().and_then(|count| count.parse().ok()).unwrap_or(300)
}

#[test]
fn no_crash_takes_back_what_was_committed() {
    // Most of the time goes into checksums, so each core has a part of the crashes.
    const PARTS: u64 = 4;
    let crashing = |part| {
        let name = std::thread::Builder::new().name(format!("crashes-{part}"));
        name.spawn(move || crash_again_and_again(0x5eed + part, crashes() / PARTS)).unwrap()
    };
    let parts: Vec<_> = (0..PARTS).map(crashing).collect();
    let (cuts, finished) = parts.into_iter().fold((0, 0), |(cuts, finished), part| {
        let (more_cuts, more_finished) = part.join().unwrap();
        (cuts + more_cuts, finished + more_finished)
    });
    // Otherwise the test would not try what it is for.
    assert!(cuts > 0 && finished > 0, "{cuts} cuts, {finished} batches that were whole but not committed");
}

/// Returns how many torn batches were cut, and how many batches were whole but not committed.
fn crash_again_and_again(seed: u64, mut crashes_left: u64) -> (u64, u64) {
    let mut random = Random(seed);
    let (mut disk, mut life): (ModelDisk, Option<Life>) = (ModelDisk::default(), None);
    let (mut cuts, mut finished) = (0, 0);
    while crashes_left > 0 {
        if random.below(12) == 0 {
            (disk, life) = (ModelDisk::default(), None);
        }
        let before = life.as_ref().map_or(Vec::new(), |life| life.texts.clone());
        // Opening may crash too.
        disk.crash_after(random.below(30));
        let mut in_flight = Vec::new();
        let mut known = before;
        if let Ok(mut life) = open(&disk) {
            cuts += u64::from(life.opened.cut.is_some());
            known.clone_from(&life.texts);
            loop {
                let (count, longest) = (1 + random.below(4), [10, 1_000, 9_000][random.below(3) as usize]);
                in_flight = texts(&mut random, count, longest);
                if life.commit(&in_flight).is_err() {
                    break;
                }
                known.clone_from(&life.texts);
            }
        }
        disk = disk.crashed(&mut random);
        crashes_left -= 1;
        let opened = open(&disk.crashed(&mut random)).unwrap_or_else(|error| panic!("{error}"));
        let with_last: Vec<String> = known.iter().chain(&in_flight).cloned().collect();
        finished += u64::from(opened.texts.len() > known.len());
        assert!(opened.texts == known || opened.texts == with_last, "{crashes_left} crashes before the end");
        assert_eq!(opened.next, opened.texts.len() as u64 + 1);
        life = Some(opened);
    }
    (cuts, finished)
}

/// A journal of one file of six pages with three batches of a page each, the first of them at the third page,
/// and its bytes.
fn three_batches() -> (ModelDisk, Vec<u8>, Vec<String>) {
    let disk = ModelDisk::default();
    let mut life = open_with(&disk, &JournalOptions { segment_bytes: 24 << 10, ..SMALL }).unwrap();
    for (batch, length) in [(0, 30), (1, 3_000), (2, 900)] {
        life.commit(&["a".repeat(length), format!("the end of {batch}")]).unwrap();
    }
    let bytes = disk.bytes(&name_of(1));
    (disk, bytes, life.texts)
}

fn damage_in(disk: &ModelDisk) -> Option<u64> {
    match open(disk) {
        Ok(_) => None,
        Err(JournalError::Damaged { offset, .. }) => Some(offset),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_bit_that_flips_is_found_where_it_is() {
    let (_, mut bytes, _) = three_batches();
    // The zeros after the last batch are of one kind, so a few of them will do.
    let end = 5 * PAGE;
    for bit in (0..end * 8).chain((end * 8..bytes.len() * 8).step_by(997)) {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let found = scan(&bytes, 1, true, &mut |_, _| Ok(()));
        let at = (bit / 8 / SECTOR * SECTOR) as u64;
        let damage = found.expect_err(&format!("the damage at bit {bit} is found"));
        assert!(damage.offset <= at, "bit {bit}: {damage}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_journal_that_is_cut_gives_what_is_whole_or_says_that_it_is_damaged() {
    let (disk, bytes, texts) = three_batches();
    let (mut cut, mut damaged) = (0, 0);
    for start in PAGE * 2..PAGE * 5 {
        let mut zeroed = bytes.clone();
        zeroed[start..].fill(0);
        match open(&disk.with(&name_of(1), zeroed)) {
            Ok(life) => {
                assert!(texts.starts_with(&life.texts) && life.texts.len() < texts.len(), "{start}");
                cut += u64::from(life.opened.cut.is_some());
            }
            Err(JournalError::Damaged { offset, why, .. }) => {
                assert_eq!(offset, (start / SECTOR * SECTOR) as u64, "{why}");
                damaged += 1;
            }
            Err(other) => panic!("{start}: {other}"),
        }
        let shorter = disk.with(&name_of(1), bytes[..start].to_vec());
        assert_eq!(damage_in(&shorter), Some(start as u64), "a file that is shorter than it was made");
    }
    assert!(cut > 0 && damaged > 0);
}

#[test]
fn a_batch_that_is_lost_before_another_is_damage() {
    let (disk, bytes, _) = three_batches();
    for sector in PAGE_SECTORS as usize * 2..PAGE_SECTORS as usize * 4 {
        let mut without = bytes.clone();
        without[sector * SECTOR..(sector + 1) * SECTOR].fill(0);
        assert!(damage_in(&disk.with(&name_of(1), without)).is_some(), "sector {sector}");
    }
    let mut without = bytes.clone();
    without[PAGE * 2..PAGE * 3].fill(0);
    assert_eq!(damage_in(&disk.with(&name_of(1), without)), Some(PAGE as u64 * 2));
}

#[test]
fn a_file_that_is_missing_or_of_another_journal_is_damage() {
    let disk = ModelDisk::default();
    let mut life = open(&disk).unwrap();
    while segments(&disk).unwrap().len() < 4 {
        life.commit(&["x".repeat(5_000)]).unwrap();
    }
    let names: Vec<String> = segments(&disk).unwrap().into_iter().map(name_of).collect();
    let without = disk.crashed(&mut Random(1));
    without.remove(&names[2]).unwrap();
    assert!(matches!(open(&without), Err(JournalError::Damaged { file, offset: 0, .. }) if file == names[3]));
    let swapped = disk.with(&names[2], disk.bytes(&names[1]));
    assert!(matches!(open(&swapped), Err(JournalError::Damaged { file, offset: 0, .. }) if file == names[2]));
    // What `--keep` drops is not missed.
    let shorter = disk.crashed(&mut Random(1));
    shorter.remove(&names[0]).unwrap();
    assert_eq!(open(&shorter).unwrap().next, life.next);
}

#[test]
fn a_journal_of_a_later_version_is_not_touched() {
    let (disk, mut bytes, _) = three_batches();
    let header = Header { version: 2, ..Header::read(&bytes, 1).unwrap().0 };
    bytes[..PAGE].copy_from_slice(&header.write().0);
    let disk = disk.with(&name_of(1), bytes.clone());
    let error = open(&disk).err().unwrap().to_string();
    assert!(error.contains("another version"), "{error}");
    assert_eq!(disk.bytes(&name_of(1)), bytes);
}

#[test]
fn the_bytes_of_an_event_are_those_of_the_wire() {
    let event = Event { sequence: 3, time: 5, kind: EventKind::Notice { text: "hi".to_owned() } };
    let mut encoded = Vec::new();
    chat_common::codec::encode_into(&event, &mut encoded).unwrap();
    let (mut one, mut other) = (Vec::new(), Vec::new());
    push_event(7, Audience::AllBut(7), 9, &encoded, &mut one);
    push(&Record::Event { author: 7, audience: Audience::AllBut(7), digest: 9, event }, &mut other);
    assert_eq!(one, other);
    assert!(one.ends_with(&encoded));
}

#[test]
fn after_a_failed_sync_nothing_is_written_any_more() {
    let disk = ModelDisk::default();
    let mut life = open(&disk).unwrap();
    life.commit(&["before".to_owned()]).unwrap();
    let syncs = disk.syncs();
    life.commit(&["one".to_owned(), "two".to_owned()]).unwrap();
    assert_eq!(disk.syncs(), syncs + 1, "a batch is synced once");
    disk.fail_next_sync();
    assert!(life.commit(&["failed".to_owned()]).is_err());
    let bytes = disk.bytes(&name_of(1));
    assert!(life.commit(&["after".to_owned()]).is_err());
    assert_eq!((disk.bytes(&name_of(1)), disk.syncs()), (bytes, syncs + 2));
}

#[test]
fn a_batch_that_is_longer_than_a_file_gets_a_longer_file() {
    let disk = ModelDisk::default();
    let mut life = open(&disk).unwrap();
    life.commit(&["before".to_owned()]).unwrap();
    life.commit(&["long ".repeat(20_000)]).unwrap();
    life.commit(&["after".to_owned()]).unwrap();
    let again = open(&disk).unwrap();
    assert_eq!((again.texts, again.session), (life.texts, life.session));
    assert_eq!(segments(&disk).unwrap(), [1, 2, 3]);
}

#[test]
fn a_batch_with_more_sectors_than_can_be_numbered_is_refused_and_leaves_the_journal_whole() {
    let disk = ModelDisk::default();
    let mut life = open(&disk).unwrap();
    life.commit(&["before".to_owned()]).unwrap();
    assert!(life.commit(&["x".repeat(34 << 20)]).is_err());
    assert_eq!(open(&disk).unwrap().texts, ["before"]);
}

fn sequences(archive: &Archive<ModelDisk>, piece: &archive::Piece) -> Vec<u64> {
    let mut found = Vec::new();
    assert!(archive.read(piece, &mut |_, event| found.push(event.sequence)).unwrap());
    found
}

/// The sequence numbers of all events, piece by piece from the first.
fn read_forward(archive: &Archive<ModelDisk>) -> Vec<u64> {
    let (mut next, mut found) = (Some(1), Vec::new());
    while let Some(piece) = next.and_then(|next| archive.piece_of(next)) {
        assert_eq!(Some(piece.first), next);
        found.extend(sequences(archive, &piece));
        next = piece.next;
    }
    found
}

#[test]
fn what_is_old_is_read_in_short_pieces_however_long_the_file_is() {
    let disk = ModelDisk::default();
    let options = JournalOptions { segment_bytes: 4 << 20, ..SMALL };
    let mut life = open_with(&disk, &options).unwrap();
    for number in 1..100 {
        life.commit(&[number.to_string()]).unwrap();
    }
    for life in [life, open_with(&disk, &options).unwrap()] {
        disk.forget_longest_read();
        assert_eq!(read_forward(life.journal.archive()), (1..100).collect::<Vec<_>>());
        assert!(disk.longest_read() <= 128 << 10, "{} bytes", disk.longest_read());
    }
}

#[test]
fn a_repair_keeps_what_is_before_the_damage_and_begins_a_new_room_behind_it() {
    let disk = ModelDisk::default();
    let mut life = open(&disk).unwrap();
    while segments(&disk).unwrap().len() < 4 {
        life.commit(&[format!("{} {}", life.next, "x".repeat(3_000))]).unwrap();
    }
    let names: Vec<String> = segments(&disk).unwrap().into_iter().map(name_of).collect();
    for (name, at) in [(0, 10), (1, 10), (1, PAGE + 10), (1, 2 * PAGE + 600), (2, 3 * PAGE + 10), (3, 0)] {
        let mut bytes = disk.bytes(&names[name]);
        bytes[at] ^= 1;
        let damaged = disk.with(&names[name], bytes);
        let Err(JournalError::Damaged { next, .. }) = open(&damaged) else { panic!("{name} {at}") };
        let repaired = repair::repair(&damaged, &SMALL, || Ok([9; 16])).unwrap().unwrap();
        assert_eq!(repaired.first_lost, next);
        assert!(!repaired.kept.is_empty());
        let mut after = open(&damaged).unwrap();
        assert_eq!(after.texts, life.texts[..next as usize - 1], "{name} {at}");
        assert_ne!(after.opened.room, life.opened.room);
        after.commit(&["new".to_owned()]).unwrap();
        assert_eq!(open(&damaged).unwrap().texts.last().unwrap(), "new");
        assert_eq!(repair::repair(&damaged, &SMALL, || Ok([9; 16])).unwrap(), None);
    }
}

#[test]
fn what_is_old_is_read_from_the_files_piece_by_piece_in_both_directions() {
    let disk = ModelDisk::default();
    let mut life = open(&disk).unwrap();
    for number in 1..200 {
        life.commit(&[number.to_string()]).unwrap();
    }
    let archive = Arc::clone(life.journal.archive());
    assert_eq!(read_forward(&archive), (1..200).collect::<Vec<_>>());
    let (mut before, mut found) = (200, Vec::new());
    while let Some(piece) = archive.piece_of(before - 1) {
        assert!(piece.next.is_none_or(|next| next == before));
        found.extend(sequences(&archive, &piece).into_iter().rev());
        before = piece.first;
    }
    assert_eq!(found, (1..200).rev().collect::<Vec<_>>());
}

#[test]
fn the_oldest_files_go_when_they_are_too_many_or_too_old() {
    let disk = ModelDisk::default();
    let options = JournalOptions { keep_bytes: Some(64 << 10), ..SMALL };
    let mut life = open_with(&disk, &options).unwrap();
    for number in 0..100 {
        life.commit(&[format!("{number}")]).unwrap();
    }
    let kept = segments(&disk).unwrap();
    assert_eq!(kept.len(), 4);
    let after = open(&disk).unwrap();
    assert_eq!(after.texts.len() as u64, 101 - kept[0]);
    assert_eq!((after.next, after.session), (101, 100));
    let options = JournalOptions { keep: Some(Duration::from_millis(1)), ..SMALL };
    let mut life = open_with(&disk, &options).unwrap();
    while segments(&disk).unwrap().len() > 2 {
        life.commit(&["more".to_owned()]).unwrap();
    }
}

#[test]
fn a_journal_of_another_version_is_no_damage_and_no_repair_touches_it() {
    let disk = ModelDisk::default();
    open(&disk).unwrap().commit(&["before".to_owned()]).unwrap();
    let mut bytes = disk.bytes(&name_of(1));
    let (header, _) = Header::read(&bytes, 1).unwrap();
    let (page, _) = Header { version: 2, ..header }.write();
    bytes[..PAGE].copy_from_slice(&page);
    let later = disk.with(&name_of(1), bytes.clone());
    let names = later.names().unwrap();
    assert!(matches!(open(&later).err(), Some(JournalError::OtherVersion { .. })));
    let repaired = repair::repair(&later, &SMALL, || Ok([9; 16]));
    assert!(matches!(repaired, Err(JournalError::OtherVersion { .. })), "{repaired:?}");
    assert_eq!((later.bytes(&name_of(1)), later.names().unwrap()), (bytes, names));
}

#[test]
fn a_repair_that_is_stopped_goes_on_and_the_journal_is_not_opened_meanwhile() {
    let (disk, mut bytes, texts) = three_batches();
    bytes[3 * PAGE + 10] ^= 1;
    for operations in 0.. {
        let damaged = disk.with(&name_of(1), bytes.clone());
        damaged.crash_after(operations);
        let stopped = repair::repair(&damaged, &SMALL, || Ok([9; 16])).is_err();
        let after = damaged.crashed(&mut Random(operations + 1));
        if open(&after).is_err() {
            repair::repair(&after, &SMALL, || Ok([9; 16])).unwrap();
        }
        let life = open(&after).unwrap();
        assert_eq!(life.texts, texts[..2], "{operations}");
        assert_ne!(life.opened.room, u64::from_le_bytes([7; 8]), "{operations}");
        if !stopped {
            break;
        }
    }
}

/// Runs a short life of a journal with this bug on a disk that crashes, or loses a page with a failed sync,
/// or is damaged. Returns what the promise is broken by, if it is.
fn broken_by(bug: Option<Bug>, seed: u64) -> Option<String> {
    let mut random = Random(seed);
    let options = JournalOptions { bug, ..SMALL };
    let disk = ModelDisk::default();
    let mut known = Vec::new();
    for life in 0..2 {
        let mut life = match open_with(&disk, &options) {
            Ok(life) => life,
            Err(error) => return Some(format!("life {life} begins with {error}")),
        };
        if !life.texts.starts_with(&known) {
            return Some(format!("{} of {} texts are left", life.texts.len(), known.len()));
        }
        known.clone_from(&life.texts);
        match random.below(3) {
            0 => disk.crash_after(random.below(12)),
            1 => disk.fail_next_sync(),
            _ => {}
        }
        for _ in 0..3 {
            let said = texts(&mut random, 1, 900);
            if life.commit(&said).is_ok() {
                known.extend(said);
            }
        }
        // The program ends here, and the machine goes on: what was written and not synced is still there.
        disk.crash_after(u64::MAX);
    }
    let mut disk = disk.crashed(&mut random);
    if random.below(3) == 0 && known.len() > 1 {
        // The disk damages the last batch but one, somewhere in its data.
        let name = name_of(*segments(&disk).unwrap().last().unwrap());
        let mut bytes = disk.bytes(&name);
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or_default() / PAGE * PAGE;
        if last >= 3 * PAGE {
            bytes[last - PAGE + 20] ^= 1;
            disk = disk.with(&name, bytes);
            // It must not be opened.
            return open_with(&disk, &options).is_ok().then(|| "damage was opened".to_owned());
        }
    }
    match open_with(&disk, &options) {
        Err(error) => Some(format!("the last life begins with {error}")),
        Ok(life) if life.texts.starts_with(&known) => None,
        Ok(life) => Some(format!("{} of {} texts are left", life.texts.len(), known.len())),
    }
}

#[test]
fn each_bug_on_purpose_is_found() {
    const SEEDS: std::ops::Range<u64> = 1..200;
    let found = |bug| SEEDS.filter_map(|seed| broken_by(bug, seed * 7_919)).collect::<Vec<_>>();
    assert_eq!(found(None), Vec::<String>::new(), "the correct journal");
    for bug in [Bug::NoSync, Bug::RetriedSync, Bug::CutDamage, Bug::PageWrittenTwice, Bug::NumberUsedTwice] {
        assert!(!found(Some(bug)).is_empty(), "{bug:?}");
    }
}
