//! The transcript: a file with a line for each message, our own included, with date and time.
//!
//! Any thread that shows an event may write it, one at a time.

use crate::{
    screen::{
        clock::{now, LocalClock},
        wording::{lines, StyledLine},
    },
    settings::{UiEvent, Utterance},
};
use chat_common::escape::escape_line;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The open file, and its path.
pub(crate) struct Transcript(File, PathBuf);

impl Transcript {
    /// Opens the file, and keeps what it already has.
    ///
    /// # Errors
    /// When the file cannot be opened: a sentence for people, with the path.
    pub(crate) fn open(path: &Path) -> Result<Transcript, String> {
        match OpenOptions::new().append(true).create(true).open(path) {
            Ok(file) => Ok(Transcript(file, path.to_owned())),
            Err(error) => Err(cannot_write(path, &error)),
        }
    }

    /// Writes an event, if it belongs in the transcript. `own_name` is the person's name.
    ///
    /// # Errors
    /// When the file cannot be written: a sentence for people, with the path.
    pub(crate) fn write(
        &mut self,
        event: &UiEvent,
        own_name: &str,
        clock: &LocalClock,
    ) -> Result<(), String> {
        let (mut time, mut texts) = (now(), Vec::new());
        match event {
            UiEvent::Accepted { utterance: Utterance::Message(text), .. } => {
                texts.push(format!("[{own_name}] {text}"));
            }
            UiEvent::Accepted { utterance: Utterance::Action(text), .. } => {
                texts.push(format!("* {own_name} {text}"));
            }
            UiEvent::Event { event: room_event, earlier: false } => time = room_event.time,
            UiEvent::Accepted { .. }
            | UiEvent::Connected { .. }
            | UiEvent::Lost { .. }
            | UiEvent::Resumed { .. }
            | UiEvent::Rejoined { .. } => {}
            _ => return Ok(()),
        }
        // `lines` has no words for our own messages, because a terminal already shows what was typed.
        texts.extend(lines(event, own_name).iter().map(StyledLine::text));
        let time = clock.local(time);
        let prefix = format!("{} {}", time.date(), time.seconds());
        let text: String = texts.iter().map(|text| format!("{prefix} {}\n", escape_line(text))).collect();
        self.0.write_all(text.as_bytes()).map_err(|error| cannot_write(&self.1, &error))
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("cannot write the transcript {}: {error}", path.display())
}
