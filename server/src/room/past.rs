//! What a room goes on from: nothing, or a journal. Runs before any other thread; it reads the whole journal.

use super::Mutes;
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Bug;
use crate::{
    identity::Terms,
    order::{
        journal::{
            disk::Directory,
            record::{LastAccepted, Record, SessionRecord},
            Journal, JournalError, Opened,
        },
        Order, SharedLog,
    },
    settings::{JournalSettings, Limits},
};
use chat_common::wire::token::Token;
use log::info;
use std::{collections::HashMap, fmt::Display, io, path::Path, sync::Arc, time::Instant};

/// The state of a room before its first command.
#[derive(Debug)]
pub(crate) struct Past {
    /// A random number. Clients use it to tell this room from another.
    pub(super) number: u64,
    pub(super) log: SharedLog,
    pub(crate) order: Order,
    pub(super) sessions: HashMap<u64, SessionRecord>,
    /// The id of the newest session.
    pub(super) last_session: u64,
    pub(super) mutes: Mutes,
}

impl Past {
    /// Returns a new room.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(crate) fn none(limits: &Limits) -> io::Result<Past> {
        let number = Token::random()?.to_u64();
        let (log, order) = (SharedLog::new(limits), Order::Memory);
        let (sessions, mutes) = (HashMap::new(), Mutes::default());
        Ok(Past { number, log, order, sessions, last_session: 0, mutes })
    }

    /// Opens the journal in the directory `path`, and logs what is in it.
    ///
    /// # Blocking
    /// On the disk.
    ///
    /// # Errors
    /// When the disk fails, or the journal is damaged.
    pub(crate) fn open(path: &Path, journal: &JournalSettings, limits: &Limits) -> Result<Past, String> {
        let started = Instant::now();
        let why = |error: &dyn Display| format!("the journal {}: {error}", path.display());
        let disk = Directory::open(path.to_owned()).map_err(|error| why(&error))?;
        let (past, opened) = Past::read(disk, journal, limits).map_err(|error| match error {
            JournalError::Damaged { .. } => why(&format!("{error}; chat-server --repair cuts it there")),
            error => why(&error),
        })?;
        if let Some((file, bytes)) = opened.cut {
            info!(
                "the journal ended inside a batch that nobody was told of: {bytes} bytes are cut, and kept \
                 in {file}"
            );
        }
        let (events, sessions, took) = (opened.events, past.sessions.len(), started.elapsed());
        info!("journal {}: {events} events and {sessions} sessions, opened in {took:.1?}", path.display());
        Ok(past)
    }

    /// Reads a journal.
    ///
    /// # Errors
    /// As [`Past::open`].
    fn read(
        disk: Directory,
        settings: &JournalSettings,
        limits: &Limits,
    ) -> Result<(Past, Opened), JournalError> {
        let log = SharedLog::new(limits);
        let mut sessions: HashMap<u64, SessionRecord> = HashMap::new();
        let (mut last_session, mut is_first, mutes) = (0, true, Mutes::default());
        let (mut journal, opened) = Journal::open(Arc::new(disk), settings, Token::random, &mut |record| {
            match record {
                Record::Checkpoint { last_session: last } => {
                    last_session = last;
                    sessions.clear();
                    mutes.clear();
                }
                Record::Session(record) => {
                    last_session = last_session.max(record.id);
                    sessions.insert(record.id, record);
                }
                Record::Gone { session } => drop(sessions.remove(&session)),
                #[cfg(feature = "seeded-bugs")]
                Record::Muted { .. } if limits.seeded.has(Bug::MutesForgotten) => {}
                Record::Muted { name, until, reason } => mutes.set(&name, Some(Terms { until, reason })),
                Record::Unmuted { name } => mutes.set(&name, None),
                Record::Event { author, audience, digest, event } => {
                    if std::mem::take(&mut is_first) {
                        log.begin_at(event.sequence);
                    }
                    if let (Some(session), Some(message)) = (sessions.get_mut(&author), event.kind.message())
                    {
                        let (message_id, sequence) = (message.message_id, event.sequence);
                        session.last_accepted = Some(LastAccepted { message_id, digest, sequence });
                    }
                    log.restore(audience, &event);
                }
            }
            Ok(())
        })?;
        journal.fill_ahead()?;
        if is_first {
            // A repair may have cut everything. The numbers before the cut are not used again.
            log.begin_at(opened.next);
        }
        let log = log.with_archive(journal.archive());
        let order = Order::Journal(Box::new(journal));
        Ok((Past { number: opened.room, log, order, sessions, last_session, mutes }, opened))
    }
}
