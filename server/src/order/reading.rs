//! Reads the log from any place on, or back from it: in memory, and in the files of the journal where memory
//! no longer holds it. Runs on the threads of those who ask. A thread that may not wait for the disk uses
//! [`SharedLog::read_memory`] alone.
//!
//! Memory and files move on while somebody reads. So everything is read in pieces: each looks anew where
//! its place is, under one lock, and leaves the place of the next. No other state goes from one piece to the
//! next.
//!
//! What is missing in the files stands as *missed* among the events that are there.

use super::{
    journal::{
        archive::{Archive, FileRange, Said},
        disk::Directory,
    },
    shared_log::SharedLog,
};
use crate::log::{encode_event, missed, restored, Audience, Class, Entry, Reader};
use chat_common::wire::{
    batch::Batch,
    protocol::{Event, EventKind},
};
use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
};

/// How many entries of memory are looked at under one lock, some 10 us. The broadcaster waits for a reader
/// that loses its core with the lock in its hands, so it must not have it for long.
const MEMORY_PIECE: usize = 512;

/// Is told how many bytes of the files were read, and returns whether the reader goes on now.
pub(crate) type GoOn<'g> = &'g mut dyn FnMut(usize) -> bool;

/// The call that is filled with what is read.
pub(crate) struct CallToFill<'b> {
    pub(crate) batch: &'b mut Batch,
    /// The most bytes of its payload, if it has several events.
    pub(crate) usual: usize,
    /// The most bytes of its payload, if it has one event.
    pub(crate) longest: usize,
}

impl CallToFill<'_> {
    fn push(&mut self, event: &[u8]) -> bool {
        let limit = if self.batch.events() == 0 { self.longest } else { self.usual };
        self.batch.push(event, limit)
    }
}

/// A page of the history, as a member asks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HistoryPage {
    /// The most messages.
    pub(crate) count: usize,
    /// The sequence number before which they stand.
    pub(crate) before: u64,
    /// The session that reads them.
    pub(crate) session: u64,
    /// The most bytes of all of them, encoded.
    pub(crate) limit: usize,
}

/// Whether a backward reading goes on after a piece.
enum Back {
    GoesOn,
    /// Nothing stands before, or the caller wants no more.
    IsDone,
    /// `go_on` has ended it.
    Stopped,
}

/// Reads on from a cursor.
impl SharedLog {
    /// Returns whether the event at `cursor` is to be read from the files.
    pub(crate) fn is_archived(&self, cursor: u64) -> bool {
        self.archive.is_some() && cursor < self.read().first()
    }

    /// As [`Log::read_into`](crate::log::Log::read_into), for threads that may not wait for the disk. It
    /// reads nothing where memory no longer holds an event that the files have.
    pub(crate) fn read_memory(&self, cursor: &mut u64, reader: Reader, limit: usize, batch: &mut Batch) {
        let log = self.read();
        if self.archive.is_none() || *cursor >= log.first() {
            log.read_into(cursor, reader, limit, batch);
        }
    }

    /// As [`SharedLog::read_memory`], from the files, up to where memory begins.
    ///
    /// # Blocking
    /// On the disk, and on other readers of the files, as long as `go_on` returns true.
    ///
    /// # Errors
    /// When no file descriptor or no memory is free. What was not read is still there. Whatever else cannot
    /// be read is told as missed.
    pub(crate) fn read_files(
        &self,
        cursor: &mut u64,
        reader: Reader,
        mut call: CallToFill<'_>,
        go_on: GoOn<'_>,
    ) -> io::Result<()> {
        let Some(archive) = self.archive.as_deref() else { return Ok(()) };
        loop {
            let end = self.read().first();
            let kept = archive.first().max(reader.history_floor).min(end);
            if *cursor < kept {
                let missed = self.read().missed(*cursor, kept - 1, true);
                if !call.push(&missed) {
                    return Ok(());
                }
                *cursor = kept;
            }
            let Some(range) = archive.range_of(*cursor).filter(|_| *cursor < end) else { return Ok(()) };
            let end = range.next.map_or(end, |next| next.min(end));
            let Some(entries) = self.read_range(archive, &range, *cursor, end)? else { continue };
            let goes_on = go_on(range.bytes());
            for (_, entry) in entries {
                if reader.reads(&entry) && !call.push(&entry.encoded) {
                    return Ok(());
                }
                *cursor = entry.sequence + 1;
            }
            if !goes_on {
                return Ok(());
            }
        }
    }
}

/// Reads back from the end, or from any place.
impl SharedLog {
    /// Returns the messages of a page that its session may read, its own included. They are encoded, and the
    /// oldest is first. What cannot be read stands as missed among them. Without any there is nothing before
    /// the page.
    ///
    /// If `go_on` ends the reading, the oldest is an event that says where: nothing from there on is left
    /// out, and `messages` is false in it, because it stands in the place of no message.
    ///
    /// # Blocking
    /// On the disk, where memory has fewer, as long as `go_on` returns true.
    ///
    /// # Errors
    /// As [`SharedLog::read_files`].
    pub(crate) fn last_messages(&self, page: HistoryPage, go_on: GoOn<'_>) -> io::Result<Vec<Vec<u8>>> {
        let HistoryPage { count: mut left, mut before, session, limit } = page;
        let (mut found, mut bytes) = (VecDeque::new(), 0);
        while left > 0 {
            let back = self.read_back(&mut before, go_on, &mut |entry| {
                let is_wanted = matches!(entry.class, Class::Message | Class::Missed);
                if is_wanted && !matches!(entry.audience, Audience::Only(other) if other != session) {
                    bytes += entry.encoded.len();
                    if bytes > limit {
                        return false;
                    }
                    left -= usize::from(entry.class == Class::Message);
                    found.push_front(entry.encoded.to_vec());
                }
                left > 0
            })?;
            match back {
                Back::GoesOn => {}
                Back::IsDone => break,
                Back::Stopped => {
                    let kind = EventKind::Missed { first: before, messages: false };
                    let end = encode_event(&Event { sequence: before, time: 0, kind });
                    found.push_front(end.into_vec());
                    break;
                }
            }
        }
        Ok(found.into())
    }

    /// Returns the cursor from which a new session gets the last `count` messages, and all that are said
    /// later. Returns `None` if it wants none.
    ///
    /// # Blocking
    /// As [`SharedLog::last_messages`].
    ///
    /// # Errors
    /// As [`SharedLog::read_files`], and when `go_on` has ended the reading.
    pub(crate) fn position_before(&self, count: usize, go_on: GoOn<'_>) -> io::Result<Option<u64>> {
        // Without an earlier message the history begins here. What is said before the session enters the room
        // must not fall between the two.
        let next = self.read().next();
        if count == 0 {
            return Ok(None);
        }
        let (_, oldest) = self.oldest_of_last(count, 0, go_on)?;
        Ok(Some(oldest.unwrap_or(next)))
    }

    /// Returns from which event on the last `count` messages are kept for a new session that has received
    /// everything up to `since`; 0 if that is all of them. Without a journal memory alone decides.
    ///
    /// # Blocking
    /// As [`SharedLog::last_messages`].
    ///
    /// # Errors
    /// As [`SharedLog::position_before`].
    pub(crate) fn history_floor(&self, count: usize, since: u64, go_on: GoOn<'_>) -> io::Result<u64> {
        if self.archive.is_none() {
            return Ok(0);
        }
        let (left, oldest) = self.oldest_of_last(count, since, go_on)?;
        Ok(oldest.filter(|_| left == 0).unwrap_or_default())
    }

    /// Looks for the last `count` messages to everybody after `since`. Returns how many there are fewer, and
    /// the sequence number of the oldest.
    fn oldest_of_last(&self, count: usize, since: u64, go_on: GoOn<'_>) -> io::Result<(usize, Option<u64>)> {
        let (mut left, mut oldest, mut before) = (count, None, u64::MAX);
        {
            // Most newcomers want all of memory, which need not be gone through under its lock then.
            let log = self.read();
            let (said, first) = log.said_to_everybody();
            if said <= count {
                (left, oldest, before) = (count - said, first, log.first());
            }
        }
        while left > 0 && before > since + 1 {
            if let Some((range, said)) = self.counted_range(before).filter(|(_, said)| said.count <= left) {
                left -= said.count;
                oldest = Some(said.first).filter(|_| said.count > 0).or(oldest);
                before = range.first;
                continue;
            }
            let back = self.read_back(&mut before, go_on, &mut |entry| {
                if entry.is_said_to_everybody() {
                    (left, oldest) = (left - 1, Some(entry.sequence));
                }
                left > 0
            })?;
            match back {
                Back::GoesOn => {}
                Back::IsDone => break,
                Back::Stopped => return Err(ErrorKind::TimedOut.into()),
            }
        }
        Ok((left, oldest))
    }

    /// Returns the range of the files that ends before `before`, if it is known what was said in it.
    fn counted_range(&self, before: u64) -> Option<(FileRange, Said)> {
        let archive = self.archive.as_deref().filter(|_| self.is_archived(before - 1))?;
        let range = archive.range_of(before - 1).filter(|range| range.next == Some(before))?;
        range.said.map(|said| (range, said))
    }

    /// Passes the entries of one piece before `before` to `each`, newest first, until that returns false.
    /// Moves `before` to the last one. Entries that nobody finds in a history may be left out.
    ///
    /// # Blocking
    /// On the disk, where memory does not hold them.
    ///
    /// # Errors
    /// As [`SharedLog::read_files`].
    fn read_back(
        &self,
        before: &mut u64,
        go_on: GoOn<'_>,
        each: &mut dyn FnMut(&Entry) -> bool,
    ) -> io::Result<Back> {
        {
            let log = self.read();
            *before = (*before).min(log.next());
            if *before > log.first() {
                let mut looked_at = 0;
                for entry in log.said_before(*before).rev().take(MEMORY_PIECE) {
                    (*before, looked_at) = (entry.sequence, looked_at + 1);
                    if !each(entry) {
                        return Ok(Back::IsDone);
                    }
                }
                if looked_at < MEMORY_PIECE {
                    *before = log.first();
                }
                return Ok(Back::GoesOn);
            }
        }
        let found = self.archive.as_deref().zip(before.checked_sub(1));
        let found = found.and_then(|(archive, last)| Some((archive, archive.range_of(last)?)));
        let Some((archive, range)) = found else { return Ok(Back::IsDone) };
        let entries = self.read_range(archive, &range, range.first, *before)?;
        let Some(entries) = entries else { return Ok(Back::GoesOn) };
        if range.next == Some(*before) {
            count_said(archive, &range, &entries);
        }
        let wants_more = entries.iter().rev().all(|(first, entry)| {
            *before = *first;
            each(entry)
        });
        let goes_on = go_on(range.bytes());
        Ok(match wants_more {
            true if goes_on => Back::GoesOn,
            true => Back::Stopped,
            false => Back::IsDone,
        })
    }

    /// Reads the entries of a range from `from` to before `end`, in order, each with its number. What stands
    /// in the place of missing ones has the number of the first of them. Returns `None` if the file was
    /// dropped.
    fn read_range(
        &self,
        archive: &Archive<Directory>,
        range: &FileRange,
        from: u64,
        end: u64,
    ) -> io::Result<Option<Vec<(u64, Entry)>>> {
        let (mut entries, mut next, mut time) = (Vec::new(), from, 0);
        let was_there = archive.read(range, &mut |audience, event| {
            if (next..end).contains(&event.sequence) {
                time = event.time;
                fill_gap(&mut entries, next, event.sequence, time);
                next = event.sequence + 1;
                entries.push((event.sequence, restored(audience, &event, self.longest_event)));
            }
        })?;
        fill_gap(&mut entries, next, end, time);
        Ok(was_there.then_some(entries))
    }
}

/// Adds what stands in the place of the events from `first` to before `end`.
fn fill_gap(entries: &mut Vec<(u64, Entry)>, first: u64, end: u64, time: u64) {
    if first < end {
        entries.push((first, missed(first, end - 1, time)));
    }
}

/// Keeps how much was said in a range of which these are all entries, unless a part of it is missing: that
/// may be read another time.
fn count_said(archive: &Archive<Directory>, range: &FileRange, entries: &[(u64, Entry)]) {
    if range.said.is_some() || entries.iter().any(|(_, entry)| entry.class == Class::Missed) {
        return;
    }
    let mut said = entries.iter().filter(|(_, entry)| entry.is_said_to_everybody()).peekable();
    let first = said.peek().map_or(0, |(first, _)| *first);
    archive.keep_count(range, Said { count: said.count(), first });
}
