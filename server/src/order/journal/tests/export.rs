//! The export of a journal in a temporary folder.

use super::{
    super::{disk::Directory, export::export, tool::check},
    *,
};
use std::{
    env, fs,
    io::Write,
    path::PathBuf,
    process,
    time::{SystemTime, UNIX_EPOCH},
};

/// A folder with a journal that no server has. Dropping it removes the folder.
struct Written {
    folder: PathBuf,
    journal: Journal<Directory>,
    next: u64,
}

impl Written {
    fn new(name: &str) -> Written {
        let folder = env::temp_dir().join(format!("rpc-chat-export-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        let disk = Arc::new(Directory::open(folder.clone()).unwrap());
        let (journal, _) =
            Journal::open(disk, &SMALL, || Ok(Token::from_bytes([7; 16])), &mut |_| Ok(())).unwrap();
        Written { folder, journal, next: 1 }
    }

    /// Commits a batch: the records of these sessions, and these events, each of its time.
    fn commit(&mut self, sessions: &[(u64, &str)], events: &[(Audience, u64, EventKind)]) {
        let mut data = Vec::new();
        for (id, name) in sessions {
            let Record::Session(record) = session_record(*id) else { panic!() };
            push(&Record::Session(SessionRecord { name: (*name).to_owned(), ..record }), &mut data);
        }
        let first = self.next;
        for (audience, time, kind) in events {
            let event = Event { sequence: self.next, time: *time, kind: kind.clone() };
            push(&Record::Event { author: 0, audience: *audience, digest: 0, event }, &mut data);
            self.next += 1;
        }
        let checkpoint = || {
            let mut data = Vec::new();
            push(&Record::Checkpoint { last_session: 9 }, &mut data);
            data
        };
        self.journal.commit(&data, first, checkpoint).unwrap();
    }

    /// The lines of an export, and how it ended.
    fn export(&self, since: Option<Duration>, private: bool) -> (Vec<String>, Result<(), String>) {
        let mut out = Vec::new();
        let ended = export(&self.folder, since, private, &mut out);
        (String::from_utf8(out).unwrap().lines().map(str::to_owned).collect(), ended)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn notice(text: &str) -> EventKind {
    EventKind::Notice { text: text.to_owned() }
}

fn private(text: &str) -> EventKind {
    EventKind::Private { author: "Tom".to_owned(), message_id: 1, repeated: false, text: text.to_owned() }
}

/// What stands in the last fields of a line: all behind its time.
fn behind_time(line: &str) -> &str {
    line.split_once("Z\",").unwrap().1
}

#[test]
fn an_export_leaves_out_what_is_older_than_asked_for() {
    let hour = Duration::from_secs(3_600);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = |ago: Duration| (now - ago).as_millis() as u64;
    let mut written = Written::new("since");
    written.commit(
        &[],
        &[(Audience::All, at(hour * 3), notice("old")), (Audience::All, at(hour), notice("new"))],
    );
    let texts = |since| {
        let (lines, ended) = written.export(since, false);
        assert_eq!(ended, Ok(()));
        lines.iter().map(|line| behind_time(line).to_owned()).collect::<Vec<_>>().concat()
    };
    let (old, new) = ("\"text\":\"old\"}", "\"text\":\"new\"}");
    assert_eq!(texts(None), [old, new].concat());
    assert_eq!(texts(Some(hour * 2)), new);
    assert_eq!(texts(Some(Duration::ZERO)), "");
    assert_eq!(texts(Some(Duration::MAX)), [old, new].concat());
}

#[test]
fn what_is_said_to_one_has_the_name_that_its_session_has_then() {
    let mut written = Written::new("names");
    let joined = |name: &str| EventKind::Joined { name: name.to_owned() };
    let renamed = |from: &str, to: &str| EventKind::Renamed { from: from.to_owned(), to: to.to_owned() };
    // The record of a session has its name after the round.
    written.commit(
        &[(1, "Sal")],
        &[
            (Audience::AllBut(1), 5, joined("Ann")),
            (Audience::Only(1), 5, private("one")),
            (Audience::AllBut(1), 5, renamed("Ann", "Sal")),
        ],
    );
    written.commit(
        &[(1, "Zoe"), (2, "Bob")],
        &[
            (Audience::Only(1), 5, private("two")),
            (Audience::AllBut(1), 5, renamed("Sal", "Zoe")),
            (Audience::Only(2), 5, notice("three")),
        ],
    );
    written.commit(&[], &[(Audience::Only(7), 5, notice("four")), (Audience::All, 5, notice("five"))]);
    let (lines, ended) = written.export(None, true);
    assert_eq!(ended, Ok(()));
    let shown: Vec<&str> = lines.iter().map(|line| behind_time(line)).collect();
    assert_eq!(
        shown,
        [
            r#""name":"Ann"}"#,
            r#""author":"Tom","text":"one","to":"Ann"}"#,
            r#""from":"Ann","to":"Sal"}"#,
            r#""author":"Tom","text":"two","to":"Sal"}"#,
            r#""from":"Sal","to":"Zoe"}"#,
            r#""text":"three","to":"Bob"}"#,
            r#""text":"four"}"#,
            r#""text":"five"}"#,
        ]
    );
    let (lines, _) = written.export(None, false);
    let shown: Vec<&str> = lines.iter().map(|line| behind_time(line)).collect();
    let renames = [r#""from":"Ann","to":"Sal"}"#, r#""from":"Sal","to":"Zoe"}"#];
    assert_eq!(shown, [&[r#""name":"Ann"}"#], &renames[..], &[r#""text":"five"}"#]].concat());
}

/// Takes what is written, and drops the two oldest files of a journal at the first line.
struct SlowReader<'w> {
    written: &'w Written,
    text: Vec<u8>,
}

impl Write for SlowReader<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.is_empty() {
            let disk = Directory::read_only(self.written.folder.clone()).unwrap();
            for first in &segments(&disk).unwrap()[..2] {
                disk.remove(&name_of(*first)).unwrap();
            }
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_the_server_drops_while_an_export_is_read_is_said_to_be_missing() {
    let mut written = Written::new("dropped");
    for number in 1..=12 {
        written.commit(&[], &[(Audience::All, 5, notice(&number.to_string()))]);
    }
    let firsts = segments(&Directory::read_only(written.folder.clone()).unwrap()).unwrap();
    let [1, second, third, ..] = firsts[..] else { panic!("{firsts:?}") };
    let mut reader = SlowReader { written: &written, text: Vec::new() };
    export(&written.folder, None, false, &mut reader).unwrap();
    let text = String::from_utf8(reader.text).unwrap();
    let shown: Vec<&str> = text.lines().map(behind_time).collect();
    let (first, count) = (second, third - second);
    let mut expected: Vec<String> = (1..=12).map(|number| format!("\"text\":\"{number}\"}}")).collect();
    let missed = format!("\"first\":{first},\"count\":{count}}}");
    expected.splice(second as usize - 1..third as usize - 1, [missed]);
    assert_eq!(shown, expected);
    assert!(check(&written.folder).is_ok());
}

/// Fails with this error after so many lines.
struct Failing(io::ErrorKind, usize);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        self.1 = self.1.checked_sub(lines).ok_or(self.0)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_has_enough_is_no_failure_and_a_full_disk_is_one() {
    let mut written = Written::new("enough");
    for _ in 0..3 {
        written.commit(&[], &[(Audience::All, 5, notice("hi"))]);
    }
    let export = |kind| export(&written.folder, None, false, &mut Failing(kind, 2));
    assert_eq!(export(io::ErrorKind::BrokenPipe), Ok(()));
    assert!(export(io::ErrorKind::StorageFull).unwrap_err().starts_with("cannot write: "));
}
