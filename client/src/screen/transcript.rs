//! The transcript: a line for all that is said while we are here, ourselves included, with date and time. Written by whoever
//! shows something, one at a time.

use crate::{
    screen::{
        visible::visible_line,
        wording::{lines, Line},
        zone::{now, LocalClock},
    },
    settings::shown::{Said, Shown},
};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// An open file.
pub(crate) struct Transcript(File);

impl Transcript {
    /// Goes on behind what is there.
    pub(crate) fn open(path: &Path) -> io::Result<Transcript> {
        OpenOptions::new().append(true).create(true).open(path).map(Transcript)
    }

    /// Writes what belongs here; `me` is our own name.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(&mut self, shown: &Shown, me: &str, clock: &mut LocalClock) -> io::Result<()> {
        let name = visible_line(me);
        let (time, words) = match shown {
            Shown::Event { event, earlier: false } => (event.time, lines(shown, me)),
            Shown::Accepted { said: Said::Message(text), .. } => {
                (now(), vec![Line::of(format!("[{name}] {text}"))])
            }
            Shown::Accepted { said: Said::Action(text), .. } => {
                (now(), vec![Line::of(format!("* {name} {text}"))])
            }
            Shown::Accepted { .. }
            | Shown::Connected { .. }
            | Shown::Lost { .. }
            | Shown::Regained { .. }
            | Shown::Rejoined { .. } => (now(), lines(shown, me)),
            _ => return Ok(()),
        };
        let moment = clock.civil(time);
        let moment = format!("{} {}", moment.date(), moment.seconds());
        let text: String =
            words.iter().map(|line| format!("{moment} {}\n", visible_line(&line.text()))).collect();
        self.0.write_all(text.as_bytes())
    }
}
