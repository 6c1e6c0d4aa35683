//! What `chat-server --export` does: it writes the events of a journal as the client's JSON lines. Runs on
//! the main thread of a program that does nothing else, while a server may be writing the journal.
//!
//! It holds one file of the journal in memory, and the names of the sessions of that file.

use super::{
    record::Record,
    tool::{no_journal, read, sentence},
    JournalError,
};
use crate::log::Audience;
use chat_common::{
    program::wall_clock,
    wire::{
        json::room_object,
        protocol::{Event, EventKind},
    },
};
use std::{
    collections::HashMap,
    io::{self, Write},
    path::Path,
    time::Duration,
};

/// Writes the events of the journal in the directory `path` to `out`, oldest first. `since` leaves out what
/// is older than that. What was said to one member alone is written only with `private`, and then with the
/// member's name.
///
/// A reader that closes its end of `out` has enough, and that is no error.
///
/// # Blocking
/// On the disk, and on the reader of `out`.
///
/// # Errors
/// When there is no journal, when it is damaged or cannot be read, or when `out` fails: a sentence for
/// people. The events before that are written.
pub fn export(
    path: &Path,
    since: Option<Duration>,
    private: bool,
    out: &mut impl Write,
) -> Result<(), String> {
    let oldest = since.map_or(0, |since| u128::from(wall_clock::now()).saturating_sub(since.as_millis()));
    let mut names = HashMap::new();
    let mut last = None;
    let mut written = Ok(());
    let read = read(path, &mut |record| {
        let Some((audience, event)) = follow(&mut names, record) else { return true };
        let missed = missed_before(&event, last.replace(event.sequence));
        if u128::from(event.time) < oldest {
            return true;
        }
        let to = match audience {
            Audience::Only(session) => Some(names.get(&session).map(String::as_str)),
            Audience::All | Audience::AllBut(_) => None,
        };
        let missed = missed.map(|missed| room_object(&missed, false));
        let object =
            (to.is_none() || private).then(|| room_object(&event, false).optional("to", to.flatten()));
        written = missed.into_iter().chain(object).try_for_each(|object| writeln!(out, "{}", object.end()));
        written.is_ok()
    });
    match (written.and_then(|()| out.flush()), read) {
        (Err(error), _) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        (Err(error), _) => Err(format!("cannot write: {error}")),
        (Ok(()), Ok(None)) => Err(no_journal(path)),
        (Ok(()), Ok(Some(_))) => Ok(()),
        (Ok(()), Err(damage @ JournalError::Damaged { .. })) => Err(damage.to_string()),
        (Ok(()), Err(error)) => Err(sentence(path, &error)),
    }
}

/// Returns what stands in the place of the events between `last` and this one. The journal has no gaps, but a
/// server may have dropped its oldest files while the reader of the output was slow.
fn missed_before(event: &Event, last: Option<u64>) -> Option<Event> {
    let first = last.map(|last| last + 1).filter(|first| *first < event.sequence)?;
    let kind = EventKind::Missed { first, messages: true };
    Some(Event { sequence: event.sequence - 1, time: event.time, kind })
}

/// Takes the next record, and returns the event in it. `names` are those that the sessions have at that
/// event.
///
/// The records of sessions stand before the events of their round, and have the names after the round. So
/// they count only for sessions that are new here, and a session that is over keeps its name up to the next
/// file.
fn follow(names: &mut HashMap<u64, String>, record: Record) -> Option<(Audience, Event)> {
    match record {
        Record::Checkpoint { .. } => names.clear(),
        Record::Session(session) => {
            names.entry(session.id).or_insert(session.name);
        }
        Record::Gone { .. } | Record::Muted { .. } | Record::Unmuted { .. } => {}
        Record::Event { audience, event, .. } => {
            if let (
                Audience::AllBut(session),
                EventKind::Joined { name } | EventKind::Renamed { to: name, .. },
            ) = (audience, &event.kind)
            {
                names.insert(session, name.clone());
            }
            return Some((audience, event));
        }
    }
    None
}
