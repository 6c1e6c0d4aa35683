//! What a room goes on from: nothing, or a journal. Runs before any other thread; it reads the whole journal.

use crate::{
    log::{
        journal::{
            disk::Directory,
            record::{Record, SessionRecord},
            Journal, JournalError, JournalOptions, Opened,
        },
        SharedLog,
    },
    settings::Limits,
};
use chat_common::wire::{
    protocol::{Event, EventKind},
    token::Token,
};
use std::{collections::HashMap, io, sync::Arc};

/// The state of a room before its first command.
#[derive(Debug)]
pub(crate) struct Past {
    /// A random number. Clients use it to tell this room from another.
    pub(super) number: u64,
    pub(super) log: SharedLog,
    pub(super) sessions: HashMap<u64, SessionRecord>,
    /// The id of the newest session.
    pub(super) last_session: u64,
}

impl Past {
    /// Returns a new room.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(crate) fn none(limits: &Limits) -> io::Result<Past> {
        let number = Token::random()?.to_u64();
        Ok(Past { number, log: SharedLog::new(limits), sessions: HashMap::new(), last_session: 0 })
    }

    /// Returns how many sessions there are that can be resumed.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Opens a journal, and returns it with the room that it holds.
    ///
    /// # Blocking
    /// On the disk.
    ///
    /// # Errors
    /// When the disk fails, or the journal is damaged.
    pub(crate) fn open(
        disk: Directory,
        options: &JournalOptions,
        limits: &Limits,
    ) -> Result<(Past, Journal<Directory>, Opened), JournalError> {
        let log = SharedLog::new(limits);
        let mut sessions: HashMap<u64, SessionRecord> = HashMap::new();
        let (mut last_session, mut is_first) = (0, true);
        let random = || Token::random().map(|token| *token.as_bytes());
        let (journal, opened) = Journal::open(Arc::new(disk), options, random, &mut |record| {
            match record {
                Record::Checkpoint { last_session: last } => {
                    last_session = last;
                    sessions.clear();
                }
                Record::Session(record) => {
                    last_session = last_session.max(record.id);
                    sessions.insert(record.id, record);
                }
                Record::Gone { session } => drop(sessions.remove(&session)),
                Record::Event { author, audience, digest, event } => {
                    if std::mem::take(&mut is_first) {
                        log.begin_at(event.sequence);
                    }
                    if let (Some(session), Some(message_id)) = (sessions.get_mut(&author), message_id(&event))
                    {
                        session.last = Some((message_id, digest, event.sequence));
                    }
                    log.restore(audience, &event);
                }
            }
            Ok(())
        })?;
        if is_first {
            // A repair may have cut everything. The numbers before the cut are not used again.
            log.begin_at(opened.next);
        }
        let log = log.with_archive(journal.archive());
        Ok((Past { number: opened.room, log, sessions, last_session }, journal, opened))
    }
}

fn message_id(event: &Event) -> Option<u64> {
    match &event.kind {
        EventKind::Message { message_id, .. }
        | EventKind::Action { message_id, .. }
        | EventKind::Private { message_id, .. } => Some(*message_id),
        _ => None,
    }
}
