//! A journal on a disk that gets full, with the thread that makes files ahead.

use super::{
    super::space::{Needs, Space},
    *,
};
use crate::order::journal::segment::batch_sectors;

/// The largest command of these rooms, in bytes.
const COMMAND: usize = 10_000;

/// Asks for space as the broadcaster does before each round of a room with this many sessions.
fn make_space(life: &mut Life, sessions: usize) -> Space {
    let checkpoint = || {
        let mut data = Vec::new();
        push(&Record::Checkpoint { last_session: life.session }, &mut data);
        (0..sessions).for_each(|_| push(&session_record(life.session), &mut data));
        data
    };
    life.journal.make_space(life.next, Needs { sessions, mutes: 0, command: COMMAND }, checkpoint).unwrap()
}

/// Opens the journal with files of 64 KiB, and with the thread that makes them.
fn open_filling(disk: &ModelDisk) -> Life {
    let mut life = open_with(disk, &JournalSettings { segment_size: Bytes(64 << 10), ..SMALL }).unwrap();
    life.journal.fill_ahead().unwrap();
    life
}

/// A disk that is full from now on.
const FULL: Faults = Faults { kill: None, sync: None, write: None, space: Some(0), names: 0 };

#[test]
fn a_full_disk_has_space_for_all_sessions_and_the_end_and_is_never_a_failure() {
    // It gets full at any time: while a file is used, is made, and gets its name.
    for (sessions, full_after) in [(0, 1), (1, 3), (3, 9), (10, 17), (40, 25), (300, 41), (1_000, 2)] {
        let disk = ModelDisk::default();
        let mut life = open_filling(&disk);
        for round in 0.. {
            if round == full_after {
                disk.fail(FULL);
            }
            let space = make_space(&mut life, sessions);
            if !space.accepts {
                break;
            }
            assert!(space.bytes >= COMMAND, "{sessions} sessions: {space:?}");
            life.commit(&["x".repeat(COMMAND / 2 + round * 97 % 3_000)]).unwrap();
        }
        let mut goings = 0;
        while batch_sectors(200) * 503 - 4 <= make_space(&mut life, sessions).bytes as u32 {
            life.commit(&["went".to_owned()]).unwrap();
            goings += 1;
        }
        assert!(goings >= 2 * sessions, "{goings} rounds of {sessions} sessions");
        assert!(life.journal.has_space_for_end());
        life.commit(&["the end".to_owned()]).unwrap();
        assert!(!life.journal.has_space_for_end());
        let texts = std::mem::take(&mut life.texts);
        drop(life);
        let mut life = open_filling(&disk);
        assert!(!make_space(&mut life, sessions).accepts);
        assert_eq!(life.texts, texts);
        disk.fail(Faults::default());
        while !make_space(&mut life, sessions).accepts {
            std::thread::yield_now();
        }
        life.commit(&["after".to_owned()]).unwrap();
        drop(life);
        assert_eq!(open(&disk).unwrap().texts.last().unwrap(), "after");
    }
}

#[test]
fn a_disk_without_space_for_a_name_refuses_until_it_has_some() {
    let disk = ModelDisk::default();
    let mut life = open_filling(&disk);
    disk.fail(Faults { names: 3, ..Faults::default() });
    while make_space(&mut life, 2).accepts {
        life.commit(&["x".repeat(COMMAND / 2)]).unwrap();
        assert!(life.texts.len() < 1_000, "it is never refused");
    }
    while !make_space(&mut life, 2).accepts {
        std::thread::yield_now();
    }
    life.commit(&["after".to_owned()]).unwrap();
    let texts = std::mem::take(&mut life.texts);
    drop(life);
    assert_eq!(open(&disk).unwrap().texts, texts);
}
