//! The transcript: a file with a line for everything that is shown, with date and time.
//!
//! It has our own messages, which a terminal shows as they were typed, and every coming and going, which a
//! terminal folds. What happened before the join, or was missed and came later, is marked `(earlier)` and has
//! the time when it happened. The replies to `/history`, `/search` and `/help` are left out: they repeat what
//! has its line already, or what was said before anybody kept this transcript.
//!
//! Any thread that shows an event may write it, one at a time.

use crate::{
    screen::{
        viewer::Viewer,
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

    /// Writes an event, if it belongs in the transcript.
    ///
    /// # Errors
    /// When the file cannot be written: a sentence for people, with the path.
    pub(crate) fn write(&mut self, event: &UiEvent, viewer: &Viewer<'_>) -> Result<(), String> {
        let own_name = viewer.own_name;
        let texts = match event {
            UiEvent::History(_) | UiEvent::Found { .. } | UiEvent::Help => return Ok(()),
            UiEvent::Accepted { utterance: Utterance::Message(text), .. } => {
                vec![StyledLine::system(format!("[{own_name}] {text}"))]
            }
            UiEvent::Accepted { utterance: Utterance::Action(text), .. } => {
                vec![StyledLine::system(format!("* {own_name} {text}"))]
            }
            _ => lines(event, viewer),
        };
        let mut text = String::new();
        for line in texts {
            let time = viewer.clock.local(line.time.unwrap_or(viewer.now)).date_and_seconds();
            text += &format!("{time} {}\n", escape_line(&line.text()));
        }
        self.0.write_all(text.as_bytes()).map_err(|error| cannot_write(&self.1, &error))
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("cannot write the transcript {}: {error}", path.display())
}
