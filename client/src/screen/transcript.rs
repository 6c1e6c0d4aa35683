//! The transcript: a file with a line for everything that is shown, with date and time.
//!
//! It has our own messages, which a terminal shows as they were typed, and every coming and going, which a
//! terminal folds. What happened before the join, or was missed and came later, is marked `(earlier)` and has
//! the time when it happened. The replies to `/history`, `/search`, `/help` and the commands of operators are
//! left out: they repeat what has its line already, or what was said before anybody kept this transcript, or
//! are for the operator alone.
//!
//! Any thread that shows an event may write it, one at a time.

use crate::{
    events::UiEvent,
    input::{Shown, TerminalEvent},
    screen::{
        streams::Streams,
        viewer::Viewer,
        wording::{lines, said_line},
    },
};
use chat_common::{
    program::transcript_file::{PipeUse, TranscriptFile},
    text::escape::escape_line,
};
use std::{io::Write, path::Path};

/// The file, until it cannot be written any more.
pub(crate) struct Transcript(Option<TranscriptFile>);

impl Transcript {
    /// Opens the file, and keeps what it already has.
    ///
    /// # Errors
    /// When the file cannot be opened: a sentence for people, with the path.
    pub(crate) fn open(path: &Path) -> Result<Transcript, String> {
        let file = TranscriptFile::open(path, PipeUse::Fails).map_err(|error| error.to_string())?;
        Ok(Transcript(Some(file)))
    }

    /// Whether everything that belongs in the transcript is there.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.is_some()
    }

    /// Writes what is shown, if it belongs in the transcript. If that fails, the chat goes on without it: the
    /// person reads why now, and a script has the exit code.
    pub(crate) fn write(&mut self, shown: &Shown, viewer: &Viewer, streams: &Streams) {
        if let Shown::Session(UiEvent::Of { event, .. }) = shown {
            return self.write(&UiEvent::clone(event).into(), viewer, streams);
        }
        let Some(file) = &mut self.0 else { return };
        let lines = match shown {
            Shown::Session(UiEvent::History(_) | UiEvent::Found { .. } | UiEvent::CommandReply(_)) => return,
            Shown::Terminal(TerminalEvent::Help) => return,
            Shown::Session(UiEvent::Accepted { utterance, .. }) => {
                vec![said_line(utterance, &viewer.own_name)]
            }
            _ => lines(shown, viewer, false),
        };
        let mut text = String::new();
        for line in lines {
            let time = viewer.zone.local(line.time.unwrap_or(viewer.now)).date_and_seconds();
            text += &format!("{time} {}\n", escape_line(&line.text()));
        }
        if let Err(error) = file.write_all(text.as_bytes()) {
            let path = file.path().display();
            streams.warn(&format!("chat-client: cannot write the transcript {path}: {error}\n"));
            self.0 = None;
        }
    }
}
