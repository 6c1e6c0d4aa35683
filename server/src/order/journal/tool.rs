//! What `chat-server --check` and `--repair` do with a journal, and how `--export` reads it. Runs on the main
//! thread of a program that does nothing else.

use super::{
    disk::Directory,
    last::Last,
    on_disk,
    record::Record,
    repair::{is_marked, repair, MARK, STOPPED},
    sectors_of_file,
    whole::{read_all, segments},
    JournalError,
};
use chat_common::wire::token::Token;
use std::{fmt::Write, io, path::Path, thread, time::Duration};

/// How often a journal that looks damaged is read again. A server that writes to it meanwhile can make a file
/// look damaged that was read in parts, but not each time.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// Reads a journal, which a server may be writing, and passes its records to `each`, until that returns
/// false.
///
/// Each event is passed once. The records between the events are passed again where the reading begins anew.
/// Events that `--keep` drops meanwhile are left out. Returns `None` if there is no file, or
/// if `each` has returned false.
///
/// # Blocking
/// On the disk.
///
/// # Errors
/// What is wrong with it. All events before that have been passed.
pub(super) fn read(path: &Path, each: &mut dyn FnMut(Record) -> bool) -> Result<Option<Last>, JournalError> {
    let disk = folder(path)?;
    let (mut attempts, mut shown, mut is_over) = (0, 0, false);
    loop {
        let before = shown;
        let read = read_all(&disk, &mut |record| {
            if let Record::Event { event, .. } = &record {
                if event.sequence <= shown {
                    return Ok(());
                }
                shown = event.sequence;
            }
            is_over = !each(record);
            // This text is for nobody: a reader that has enough is told of no damage.
            if is_over {
                Err(String::new())
            } else {
                Ok(())
            }
        });
        if is_over {
            return Ok(None);
        }
        if shown > before {
            attempts = 0;
        }
        match read {
            Err(error) if attempts < ATTEMPTS && may_pass(&error) => {
                attempts += 1;
                thread::sleep(PAUSE);
            }
            read => return read,
        }
    }
}

/// Opens the directory of a journal for reading.
fn folder(path: &Path) -> Result<Directory, JournalError> {
    Directory::read_only(path.to_owned()).map_err(on_disk("."))
}

/// Whether an error may come from a server that was writing meanwhile, or that dropped its oldest file.
fn may_pass(error: &JournalError) -> bool {
    match error {
        JournalError::Damaged { .. } => true,
        JournalError::OtherVersion { .. } => false,
        JournalError::Disk { file, error } => file != "." && error.kind() == io::ErrorKind::NotFound,
    }
}

/// Returns a sentence for people about a journal that cannot be read.
pub(super) fn sentence(path: &Path, error: &JournalError) -> String {
    match error {
        JournalError::Disk { file, error } if file == "." => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => no_journal(path),
            _ => format!("{}: {error}", path.display()),
        },
        error => format!("{}: {error}", path.display()),
    }
}

pub(super) fn no_journal(path: &Path) -> String {
    format!("{}: there is no journal", path.display())
}

/// Whether a journal is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// It is whole, or ends with a batch that a crash has torn. The text says which.
    Whole(String),
    /// `FILE: OFFSET: why`.
    Damaged(String),
}

/// Checks a journal. A server may be using it.
///
/// # Errors
/// When there is none, or it cannot be read: a sentence for people.
pub fn check(path: &Path) -> Result<Check, String> {
    let mut events = 0_u64;
    let read = read(path, &mut |record| {
        events += u64::from(matches!(record, Record::Event { .. }));
        true
    });
    if folder(path).and_then(|disk| is_marked(&disk)).is_ok_and(|is_marked| is_marked) {
        return Ok(Check::Damaged(format!("{MARK}: 0: {STOPPED}")));
    }
    match read {
        Ok(None) => Err(no_journal(path)),
        Ok(Some(last)) => {
            let plural = |count: u64| if count == 1 { "" } else { "s" };
            let files = last.files.len() as u64;
            let (some, more) = (plural(events), plural(files));
            let mut text = format!("whole: {events} event{some} in {files} file{more}");
            if events > 0 {
                let _ = write!(text, ", the last is {}", last.next - 1);
            }
            if let Some(bytes) = last.torn_bytes() {
                let _ = write!(
                    text,
                    "; the last batch was torn by a crash, and nobody was told of it: {bytes} bytes, \
                     which the next server cuts"
                );
            }
            Ok(Check::Whole(text))
        }
        Err(error @ JournalError::Damaged { .. }) => Ok(Check::Damaged(error.to_string())),
        Err(error) => Err(sentence(path, &error)),
    }
}

/// Cuts a journal where it is damaged. Returns what was done, for people.
///
/// # Errors
/// When a server is using it, or the disk fails: a sentence for people.
pub fn repair_journal(path: &Path, segment_bytes: u64) -> Result<String, String> {
    let why = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let is_journal = folder(path).and_then(|disk| Ok(!segments(&disk)?.is_empty() || is_marked(&disk)?));
    if !is_journal.map_err(|error| sentence(path, &error))? {
        return Err(no_journal(path));
    }
    let disk = Directory::open(path.to_owned()).map_err(|error| why(&error))?;
    let repaired =
        repair(&disk, sectors_of_file(segment_bytes), Token::random).map_err(|error| why(&error))?;
    Ok(repaired.map_or_else(
        || "nothing is damaged, and nothing was cut".to_owned(),
        |repaired| repaired.to_string(),
    ))
}
