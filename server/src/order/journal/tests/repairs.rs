//! `--repair` on the model of a disk.

use super::{
    super::{
        record::records,
        repair::{repair, Repaired},
    },
    model_disk::{Faults, ModelDisk, Random},
    *,
};

const NEW_ROOM: u8 = 9;

fn run_repair(disk: &ModelDisk) -> Result<Option<Repaired>, JournalError> {
    repair(disk, sectors_of_file(SMALL.segment_size.0 as u64), || Ok(Token::from_bytes([NEW_ROOM; 16])))
}

/// A journal of three files of four pages. Some batches have one page, and some have two.
fn three_files() -> (ModelDisk, Vec<String>) {
    let disk = ModelDisk::default();
    let mut life = open(&disk).unwrap();
    for length in [10, 4_000, 10, 4_000] {
        life.commit(&["x".repeat(length), format!("then {length}")]).unwrap();
    }
    assert_eq!(segments(&disk).unwrap().len(), 3);
    (disk, life.texts)
}

/// Returns the sectors of a file's batches, and for each the number of the first event of its batch.
fn sectors_of_batches(bytes: &[u8], first: u64) -> Vec<(u32, u64)> {
    let (mut begun, mut next) = (Vec::new(), first);
    let mut each = |sector, data: &[u8]| {
        begun.push((sector, next));
        next += records(data).filter(|record| matches!(record, Ok(Record::Event { .. }))).count() as u64;
        Ok(())
    };
    let end = scan(bytes, first, &mut each).unwrap().end;
    let next_of = |sector| begun.iter().rev().find(|(start, _)| *start <= sector).map(|(_, next)| *next);
    (0..end).map(|sector| (sector, next_of(sector).unwrap_or(first))).collect()
}

#[test]
fn one_repair_is_enough_whichever_sector_is_damaged_and_wherever_the_repair_is_stopped() {
    let (disk, texts) = three_files();
    let mut random = Random(3);
    for first in segments(&disk).unwrap() {
        let name = name_of(first);
        for (sector, next) in sectors_of_batches(&disk.bytes(&name), first) {
            let mut bytes = disk.bytes(&name);
            bytes[sector as usize * SECTOR + 100] ^= 1;
            for stopped_after in 0.. {
                let mut damaged = disk.with(&name, bytes.clone());
                damaged.kill_after(stopped_after);
                let first_run = run_repair(&damaged);
                damaged.restarted(&mut random);
                if stopped_after % 2 == 0 {
                    damaged = damaged.crashed(&mut random);
                }
                let at = format!("sector {sector} of {name}, stopped after {stopped_after}");
                if first_run.is_err() && open(&damaged).is_err() {
                    run_repair(&damaged).unwrap();
                }
                let life = open(&damaged).unwrap_or_else(|error| panic!("{at}: {error}"));
                assert_eq!(life.texts, texts[..next as usize - 1], "{at}");
                assert_eq!(life.opened.room, u64::from_le_bytes([NEW_ROOM; 8]), "{at}");
                if let Ok(repaired) = first_run {
                    assert_eq!(repaired.unwrap().first_lost, next, "{at}");
                    break;
                }
            }
        }
    }
}

#[test]
fn what_was_cut_before_stays_when_more_is_cut() {
    let (disk, _) = three_files();
    let name = name_of(*segments(&disk).unwrap().last().unwrap());
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut bytes = disk.bytes(&name);
        bytes[100] ^= 1;
        disk.open(&name).unwrap().write_at(&bytes, 0).unwrap();
        kept.extend(run_repair(&disk).unwrap().unwrap().kept);
        open(&disk).unwrap();
    }
    kept.sort();
    kept.dedup();
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(kept.iter().all(|name| disk.names().unwrap().contains(name)), "{kept:?}");
}

#[test]
fn a_repair_says_what_may_be_lost_and_where_what_it_cut_is_kept() {
    let (disk, texts) = three_files();
    assert_eq!(run_repair(&disk).unwrap(), None);
    let name = name_of(*segments(&disk).unwrap().last().unwrap());
    let next = texts.len() as u64 + 1;
    // A bit flips where nothing was ever written.
    let mut bytes = disk.bytes(&name);
    *bytes.last_mut().unwrap() ^= 1;
    let damaged = disk.with(&name, bytes);
    let text = run_repair(&damaged).unwrap().unwrap().to_string();
    assert!(text.contains(&format!("The events from {next} on are lost, if there were any. What")), "{text}");
    // A repair is stopped before it cuts something.
    let marked = disk.crashed(&mut Random(1));
    marked.create("repairing").unwrap();
    let text = run_repair(&marked).unwrap().unwrap().to_string();
    let expected = format!(
        "a repair was stopped\nThe events from {next} on are lost, if there were any. Nothing was cut.\nA new"
    );
    assert!(text.starts_with(&expected), "{text}");
    // A repair is stopped when all is cut.
    let mut bytes = disk.bytes(&name);
    bytes[PAGE + 600] ^= 1;
    let damaged = disk.with(&name, bytes);
    damaged.fail(Faults { space: Some(0), ..Faults::default() });
    run_repair(&damaged).unwrap_err();
    damaged.restarted(&mut Random(1));
    let text = run_repair(&damaged).unwrap().unwrap().to_string();
    assert!(text.contains(&format!("kept in: {name}.damaged.")), "{text}");
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
        let repaired = run_repair(&damaged).unwrap().unwrap();
        assert_eq!(repaired.first_lost, next);
        assert!(!repaired.kept.is_empty());
        let mut after = open(&damaged).unwrap();
        assert_eq!(after.texts, life.texts[..next as usize - 1], "{name} {at}");
        assert_ne!(after.opened.room, life.opened.room);
        after.commit(&["new".to_owned()]).unwrap();
        assert_eq!(open(&damaged).unwrap().texts.last().unwrap(), "new");
        assert_eq!(run_repair(&damaged).unwrap(), None);
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
    let repaired = run_repair(&later);
    assert!(matches!(repaired, Err(JournalError::OtherVersion { .. })), "{repaired:?}");
    assert_eq!((later.bytes(&name_of(1)), later.names().unwrap()), (bytes, names));
}

#[test]
fn a_repair_that_is_stopped_goes_on_and_the_journal_is_not_opened_meanwhile() {
    let (disk, mut bytes, texts) = three_batches();
    bytes[3 * PAGE + 10] ^= 1;
    for operations in 0.. {
        let damaged = disk.with(&name_of(1), bytes.clone());
        damaged.kill_after(operations);
        let stopped = run_repair(&damaged).is_err();
        let after = damaged.crashed(&mut Random(operations + 1));
        if open(&after).is_err() {
            run_repair(&after).unwrap();
        }
        let life = open(&after).unwrap();
        assert_eq!(life.texts, texts[..2], "{operations}");
        assert_ne!(life.opened.room, u64::from_le_bytes([7; 8]), "{operations}");
        if !stopped {
            break;
        }
    }
}
