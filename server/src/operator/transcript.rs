//! The transcript: a file that keeps what is said to everybody, and who came and went. The thread
//! `transcript` is one more reader of the log, with a position of its own.
//!
//! - Nobody MUST wait for the file. The broadcaster only sends a wake-up, and leaves it out if one is there.
//! - What the log dropped before it could be written, and what the file did not take, MUST be told: in the
//!   server's log, and in the file as soon as it takes something.
//! - At a clean stop everything that was accepted MUST be in the file, if it takes that in time.
//!
//! A line begins with the date and the time, in UTC as in the server's log. A line end in a text becomes
//! `\n`, so no text can pass for a line. Private messages are not the transcript's to read.

use crate::{
    log::Reader,
    order::{CallToFill, SharedLog},
};
use chat_common::{
    program::{
        background_writer::CountingOutput,
        tasks::{self, Tasks},
        transcript_file::TranscriptFile,
    },
    text::{calendar::DateTime, escape::escape_line},
    trace,
    wire::{
        batch::Batch,
        codec::decode,
        frame::HEADER_BYTES,
        last_messages::LastMessages,
        protocol::{Callback, Event, EventKind, FRAME_BYTES},
    },
};
use crossbeam_channel::Receiver;
use log::warn;
use std::{
    io::{self, Write},
    path::PathBuf,
    thread,
    time::Instant,
};

/// The running transcript, for the thread that stops the server.
#[derive(Debug)]
pub(crate) struct Transcript {
    path: PathBuf,
    writing: Tasks,
}

impl Transcript {
    /// Starts the thread `transcript`. It reads the log from its end at the start, and looks for more after
    /// each value in `appended_rx`. When that is disconnected, it writes what is left and ends.
    ///
    /// The thread is never joined, because nothing wakes it from a write that blocks.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        file: TranscriptFile,
        log: SharedLog,
        appended_rx: Receiver<()>,
    ) -> io::Result<Transcript> {
        let (task, writing) = tasks::begin();
        let path = file.path().to_owned();
        // What an earlier server has said is in the file already.
        let cursor = log.read().next();
        let mut writer = Writer::new(CountingOutput::new(file), path.clone());
        thread::Builder::new().name("transcript".to_owned()).spawn(trace::starts(
            format_args!("transcript"),
            move || {
                let _held_to_the_end = task;
                transcript_loop(&mut writer, cursor, &log, &appended_rx);
            },
        ))?;
        Ok(Transcript { path, writing })
    }

    /// Waits until everything is written. Logs it if that takes too long.
    ///
    /// # Blocking
    /// On the file, until `deadline` at most.
    pub(crate) fn finish(&self, deadline: Instant) {
        if !self.writing.wait_until(deadline) {
            warn!("the transcript {} is not complete: nobody takes what is written", self.path.display());
        }
    }
}

/// The whole life of the thread `transcript`.
///
/// # Blocking
/// On the channel; an append wakes it, and so does the end of the broadcaster. On the file, without a limit.
fn transcript_loop(
    writer: &mut Writer<impl Write>,
    mut cursor: u64,
    log: &SharedLog,
    appended_rx: &Receiver<()>,
) {
    for () in appended_rx {
        writer.write_from(&mut cursor, log);
    }
    writer.write_from(&mut cursor, log);
    let missing = writer.output.left_out();
    if missing > 0 {
        warn!("the transcript {} lacks its last lines: {missing}", writer.path.display());
    }
}

/// Writes events as lines.
#[derive(Debug)]
struct Writer<W> {
    output: CountingOutput<W>,
    path: PathBuf,
    /// Whether the last write failed. Its reason is logged once.
    is_failing: bool,
    last_messages: LastMessages,
}

impl<W: Write> Writer<W> {
    fn new(output: CountingOutput<W>, path: PathBuf) -> Writer<W> {
        Writer { output, path, is_failing: false, last_messages: LastMessages::default() }
    }

    /// Writes all events from `cursor` on, and moves the cursor behind them.
    fn write_from(&mut self, cursor: &mut u64, log: &SharedLog) {
        let mut batch = Batch::new();
        loop {
            batch.clear();
            let (before, limit) = (*cursor, FRAME_BYTES as usize);
            // Without a file descriptor the next wake-up tries again.
            let call = CallToFill { batch: &mut batch, usual: limit, longest: limit };
            let _ = log.read_files(cursor, Reader::EVERYBODY, call, &mut |_| true);
            if batch.events() == 0 {
                log.read_memory(cursor, Reader::EVERYBODY, limit, &mut batch);
            }
            if batch.events() > 0 {
                let payload = &batch.finish(false)[HEADER_BYTES..];
                let Callback::Receive { events, .. } =
                    decode(payload).expect("the log holds what we encoded");
                for event in &events {
                    let line = self.line(event);
                    line.iter().for_each(|line| self.write(line));
                }
            }
            // At the end, or without memory for the next event. The next wake-up tries again.
            if *cursor == before {
                return;
            }
        }
    }

    /// Writes one line. Each is one write, so that no other is counted as missing with it.
    fn write(&mut self, line: &str) {
        let written = self.output.write(line.as_bytes());
        let is_failing = written.is_err();
        match (written, self.is_failing) {
            (Err(error), false) => {
                warn!("cannot write the transcript {}: {error}; the room goes on", self.path.display());
            }
            (Ok(()), true) => {
                warn!(
                    "the transcript {} can be written again, and says how many lines it lacks",
                    self.path.display()
                );
            }
            _ => {}
        }
        self.is_failing = is_failing;
    }

    /// Returns the line of an event, with its end. Returns `None` for a message that its author said before,
    /// because it did not know whether the room had it.
    fn line(&mut self, event: &Event) -> Option<String> {
        if self.last_messages.record(&event.kind) {
            return None;
        }
        let words = match &event.kind {
            EventKind::Message { author, text, .. } => format!("[{author}] {text}"),
            EventKind::Action { author, text, .. } => format!("* {author} {text}"),
            EventKind::Joined { name } => format!("User [{name}] joined"),
            EventKind::Left { name, reason } => {
                let reason = reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
                format!("User [{name}] left{reason}")
            }
            EventKind::Back { name } => format!("User [{name}] is back"),
            EventKind::Renamed { from, to } => format!("User [{from}] is now [{to}]"),
            EventKind::Notice { text } => format!("Server: {text}"),
            EventKind::Ended { reason } => format!("--- the room has ended: {reason} ---"),
            EventKind::Missed { first, messages } => {
                let count = event.sequence.saturating_sub(*first).saturating_add(1);
                let what = if *messages { "events" } else { "comings and goings" };
                warn!("the transcript {} is too slow and lacks {what}: {count}", self.path.display());
                format!("--- {what} left out here: {count}, because the file was too slow ---")
            }
            EventKind::Private { .. } => return None,
        };
        let time = DateTime::from_seconds((event.time / 1000) as i64);
        Some(format!("{} {}\n", time.rfc3339(), escape_line(&words)))
    }
}
