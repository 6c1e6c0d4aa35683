//! The transcript: a file with a line for everything that is shown, with date and time.
//!
//! It has our own messages, which a terminal shows as they were typed, and every coming and going, which a
//! terminal folds. What happened before the join, or was missed and came later, is marked `(earlier)` and has
//! the time when it happened. The replies to `/history`, `/search` and `/help` are left out: they repeat what
//! has its line already, or what was said before anybody kept this transcript.
//!
//! Any thread that shows an event may write it, one at a time.

use crate::{
    events::{UiEvent, Utterance},
    input::{Shown, TerminalEvent},
    screen::{
        viewer::Viewer,
        wording::{lines, StyledLine},
    },
};
use chat_common::{
    program::transcript_file::{PipeUse, TranscriptFile},
    text::escape::escape_line,
};
use std::{io::Write, path::Path};

/// The open file.
pub(crate) struct Transcript(TranscriptFile);

impl Transcript {
    /// Opens the file, and keeps what it already has.
    ///
    /// # Errors
    /// When the file cannot be opened: a sentence for people, with the path.
    pub(crate) fn open(path: &Path) -> Result<Transcript, String> {
        let file = TranscriptFile::open(path, PipeUse::Fails);
        file.map(Transcript).map_err(|error| error.to_string())
    }

    /// Writes what is shown, if it belongs in the transcript.
    ///
    /// # Errors
    /// When the file cannot be written: a sentence for people, with the path.
    pub(crate) fn write(&mut self, shown: &Shown, viewer: &Viewer<'_>) -> Result<(), String> {
        let own_name = viewer.own_name;
        let texts = match shown {
            Shown::Session(UiEvent::History(_) | UiEvent::Found { .. }) => return Ok(()),
            Shown::Terminal(TerminalEvent::Help) => return Ok(()),
            Shown::Session(UiEvent::Accepted { utterance: Utterance::Message(text), .. }) => {
                vec![StyledLine::system(format!("[{own_name}] {text}"))]
            }
            Shown::Session(UiEvent::Accepted { utterance: Utterance::Action(text), .. }) => {
                vec![StyledLine::system(format!("* {own_name} {text}"))]
            }
            _ => lines(shown, viewer),
        };
        let mut text = String::new();
        for line in texts {
            let time = viewer.clock.local(line.time.unwrap_or(viewer.now)).date_and_seconds();
            text += &format!("{time} {}\n", escape_line(&line.text()));
        }
        let written = self.0.write_all(text.as_bytes());
        written.map_err(|error| format!("cannot write the transcript {}: {error}", self.0.path().display()))
    }
}
