//! The journal on the model of a disk: crashes, damage, cuts.

mod bugs;
mod export;
mod full;
mod histories;
mod model_disk;
mod repairs;

use super::{
    record::{push, push_round, Positions, SessionRecord, SessionState},
    segment::{Header, Scan, Segment},
    whole::segments,
    *,
};
use crate::{
    log::{Audience, StagedRound},
    settings::Bytes,
};
use bugs::{cut_damage, Bug};
use chat_common::wire::{
    codec::decode,
    protocol::{Event, EventKind},
    token::Token,
};
use model_disk::{Faults, ModelDisk, Random};
use std::{net::Ipv4Addr, time::Duration};

/// Short files, which are all kept.
const SMALL: JournalSettings = JournalSettings {
    directory: None,
    keep: Duration::ZERO,
    keep_size: Bytes(0),
    segment_size: Bytes(16 << 10),
};

/// A journal with what a server would keep in memory beside it.
struct Life {
    journal: Journal<ModelDisk>,
    opened: Opened,
    next: u64,
    texts: Vec<String>,
    session: u64,
    /// When everything is said that is committed.
    time: u64,
}

fn open(disk: &ModelDisk) -> Result<Life, JournalError> {
    open_with(disk, &SMALL)
}

/// Opens the journal and collects the texts in it.
fn open_with(disk: &ModelDisk, settings: &JournalSettings) -> Result<Life, JournalError> {
    open_in(disk, settings, 7)
}

/// Opens the journal of a room with the number that has these bytes, or makes it.
fn open_in(disk: &ModelDisk, settings: &JournalSettings, room: u8) -> Result<Life, JournalError> {
    if disk.has(Bug::CutDamage) {
        cut_damage(disk);
    }
    let (mut texts, mut session) = (Vec::new(), 0);
    let random = || Ok(Token::from_bytes([room; 16]));
    let (journal, opened) = Journal::open(Arc::new(disk.clone()), settings, random, &mut |record| {
        match record {
            Record::Event { event: Event { kind: EventKind::Notice { text }, .. }, .. } => texts.push(text),
            Record::Session(record) => session = record.id,
            Record::Checkpoint { last_session } => session = last_session,
            _ => {}
        }
        Ok(())
    })?;
    let next = opened.next - u64::from(disk.has(Bug::NumberUsedTwice) && opened.events > 0);
    Ok(Life { journal, opened, next, texts, session, time: 5 })
}

fn session_record(id: u64) -> Record {
    Record::Session(SessionRecord {
        id,
        token: Token::NONE,
        name: "Ann".to_owned(),
        address: Ipv4Addr::LOCALHOST.into(),
        send_only: false,
        positions: Positions { joined: 1, deliver_from: 1, membership_from: 1 },
        last_accepted: None,
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
            let event = Event { sequence, time: self.time, kind };
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

/// A journal of one file of six pages with three batches of a page each, the first of them at the third page,
/// and its bytes.
fn three_batches() -> (ModelDisk, Vec<u8>, Vec<String>) {
    let disk = ModelDisk::default();
    let mut life = open_with(&disk, &JournalSettings { segment_size: Bytes(24 << 10), ..SMALL }).unwrap();
    for (batch, length) in [(0, 30), (1, 3_000), (2, 900)] {
        life.commit(&["a".repeat(length), format!("the end of {batch}")]).unwrap();
    }
    let bytes = disk.bytes(&name_of(1));
    (disk, bytes, life.texts)
}

/// Reads the last file of a journal, which has these bytes and begins with the event `first`.
fn scan(bytes: &[u8], first: u64, each: segment::EachBatch<'_>) -> Result<Scan, JournalError> {
    let (header, chain) = Header::read(bytes, first)?;
    let segment = Segment { header, chain, bytes: bytes.to_vec() };
    segment.scan(true, each).map_err(|damage| damaged_in(&name_of(first), damage, first))
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
    // A header, the batch that opens the file, one more, and a page of zeros.
    let disk = ModelDisk::default();
    open(&disk).unwrap().commit(&["a".repeat(3_000)]).unwrap();
    let mut bytes = disk.bytes(&name_of(1));
    assert_eq!(bytes.len(), 4 * PAGE);
    let (header, chain) = Header::read(&bytes, 1).unwrap();
    let flip = |bytes: &mut [u8], bit: usize| bytes[bit / 8] ^= 1 << (bit % 8);
    let sector = |bit: usize| (bit / 8 / SECTOR * SECTOR) as u64;
    for bit in 0..PAGE * 8 {
        flip(&mut bytes, bit);
        let read = Header::read(&bytes, 1);
        let Err(JournalError::Damaged { offset, .. }) = read else { panic!("bit {bit}: {read:?}") };
        assert_eq!(offset, sector(bit), "bit {bit}");
        flip(&mut bytes, bit);
    }
    let mut segment = Segment { header, chain, bytes };
    for bit in PAGE * 8..segment.bytes.len() * 8 {
        flip(&mut segment.bytes, bit);
        let damage = segment.scan(true, &mut |_, _| Ok(())).unwrap_err();
        assert_eq!(damage.offset, sector(bit), "bit {bit}: {damage:?}");
        flip(&mut segment.bytes, bit);
    }
    segment.scan(true, &mut |_, _| Ok(())).unwrap();
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
    let mut round = StagedRound::new(3);
    round.push_message(EventKind::Notice { text: "hi".to_owned() }, Audience::AllBut(7), 7, 9);
    let (_, _, _, encoded) = round.records().next().unwrap();
    let event = decode(encoded).unwrap();
    let (mut one, mut other) = (Vec::new(), Vec::new());
    push_round(&round, &mut one);
    push(&Record::Event { author: 7, audience: Audience::AllBut(7), digest: 9, event }, &mut other);
    assert_eq!(one, other);
    assert!(one.ends_with(encoded));
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
fn what_the_disk_refused_counts_only_when_another_server_has_written_it_again() {
    let mut shown = 0;
    for seed in 1..40 {
        let (disk, mut random) = (ModelDisk::default(), Random(seed));
        disk.restarted(&mut random);
        let mut life = open(&disk).unwrap();
        // The long one begins a new file, so this is about the names as well.
        let refused = "x".repeat(if seed % 2 == 0 { 10 } else { 20_000 });
        life.commit(&["before".to_owned()]).unwrap();
        disk.fail(Faults { sync: Some(seed / 2 % 3), ..Faults::default() });
        let _ = life.commit(&[refused]);
        // Another server begins, on the machine that still has it in memory.
        disk.restarted(&mut random);
        let told = open(&disk).unwrap().texts;
        shown += u64::from(told.len() > 1);
        assert_eq!(open(&disk.crashed(&mut random)).unwrap().texts, told, "seed {seed}");
    }
    assert!(shown > 0);
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
fn what_happens_without_an_event_is_kept_however_many_files_it_fills() {
    let disk = ModelDisk::default();
    let mut life = open(&disk).unwrap();
    for texts in [&[][..], &["one".to_owned(), "two".to_owned()], &[]] {
        life.commit(texts).unwrap();
        for _ in 0..20 {
            life.commit(&[]).unwrap();
            let again = open(&disk).unwrap();
            assert_eq!((again.texts, again.session), (life.texts.clone(), life.session));
        }
    }
    // Files without an event took each other's place.
    assert_eq!(segments(&disk).unwrap(), [1, 3]);
    life.commit(&["three".to_owned()]).unwrap();
    assert_eq!(open(&disk).unwrap().texts, ["one", "two", "three"]);
}

#[test]
fn a_batch_with_more_sectors_than_can_be_numbered_is_refused_and_leaves_the_journal_whole() {
    let disk = ModelDisk::default();
    let mut life = open(&disk).unwrap();
    life.commit(&["before".to_owned()]).unwrap();
    assert!(life.commit(&["x".repeat(34 << 20)]).is_err());
    assert_eq!(open(&disk).unwrap().texts, ["before"]);
}

fn sequences(archive: &Archive<ModelDisk>, range: &archive::FileRange) -> Vec<u64> {
    let mut found = Vec::new();
    assert!(archive.read(range, &mut |_, event| found.push(event.sequence)).unwrap());
    found
}

/// The sequence numbers of all events, piece by piece from the first.
fn read_forward(archive: &Archive<ModelDisk>) -> Vec<u64> {
    let (mut next, mut found) = (Some(1), Vec::new());
    while let Some(piece) = next.and_then(|next| archive.range_of(next)) {
        assert_eq!(Some(piece.first), next);
        found.extend(sequences(archive, &piece));
        next = piece.next;
    }
    found
}

#[test]
fn what_is_old_is_read_in_short_pieces_however_long_the_file_is() {
    let disk = ModelDisk::default();
    let options = JournalSettings { segment_size: Bytes(4 << 20), ..SMALL };
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

const DAY: Duration = Duration::from_secs(86_400);
const THIRTY_DAYS: Duration = Duration::from_secs(30 * 86_400);

/// Commits one text a day from `first` to before `end`, each in a file of its own.
fn a_text_each_day(life: &mut Life, days: std::ops::Range<u32>) {
    for day in days {
        life.time = u64::try_from((DAY * day).as_millis()).unwrap();
        life.commit(&["x".repeat(9_000)]).unwrap();
    }
}

#[test]
fn a_clock_that_is_set_far_ahead_drops_nothing() {
    let settings = JournalSettings { keep: THIRTY_DAYS, ..SMALL };
    let disk = ModelDisk::default();
    a_text_each_day(&mut open_with(&disk, &settings).unwrap(), 1_000..1_010);
    // Now the clock says that it is the year 2026 or later, which is more than 30 days on.
    let mut life = open_with(&disk, &settings).unwrap();
    a_text_each_day(&mut life, 30_000..30_001);
    assert_eq!(life.journal.archive().first(), 1);
    // So it says to the next server as well, and still when that is gone.
    for _ in 0..2 {
        let mut life = open_with(&disk, &settings).unwrap();
        a_text_each_day(&mut life, 30_000..30_001);
        assert_eq!(life.journal.archive().first(), 1);
    }
}

#[test]
fn what_is_older_than_keep_goes_when_the_days_have_gone_by() {
    let settings = JournalSettings { keep: THIRTY_DAYS, ..SMALL };
    let disk = ModelDisk::default();
    a_text_each_day(&mut open_with(&disk, &settings).unwrap(), 1_000..1_100);
    let mut life = open_with(&disk, &settings).unwrap();
    assert_eq!(life.texts.len(), 100);
    a_text_each_day(&mut life, 1_100..1_101);
    let kept = 102 - life.journal.archive().first();
    assert!((31..=33).contains(&kept), "{kept}");
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
    while let Some(piece) = archive.range_of(before - 1) {
        assert!(piece.next.is_none_or(|next| next == before));
        found.extend(sequences(&archive, &piece).into_iter().rev());
        before = piece.first;
    }
    assert_eq!(found, (1..200).rev().collect::<Vec<_>>());
}

#[test]
fn the_oldest_files_go_when_they_are_too_many_or_too_old() {
    let disk = ModelDisk::default();
    let options = JournalSettings { keep_size: Bytes(64 << 10), ..SMALL };
    let mut life = open_with(&disk, &options).unwrap();
    for number in 0..100 {
        life.commit(&[format!("{number}")]).unwrap();
    }
    let kept = segments(&disk).unwrap();
    assert_eq!(kept.len(), 4);
    let after = open(&disk).unwrap();
    assert_eq!(after.texts.len() as u64, 101 - kept[0]);
    assert_eq!((after.next, after.session), (101, 100));
    let options = JournalSettings { keep: Duration::from_millis(1), ..SMALL };
    let mut life = open_with(&disk, &options).unwrap();
    while segments(&disk).unwrap().len() > 2 {
        life.commit(&["more".to_owned()]).unwrap();
    }
}
