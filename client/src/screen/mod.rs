//! Shows events on standard output, which is one of these, and in the transcript beside it:
//!
//! | standard output | how it is written to |
//! |---|---|
//! | is for a program (`--json`) | `json.rs`: an object a line |
//! | is a pipe or a file | `pipe.rs`: a row for each line, however long |
//! | is a terminal | `terminal.rs`: rows that fit, and bursts of membership events as one row |
//! | a terminal in line mode | `line_rows.rs`: each row goes above the line that a person types |
//! | a terminal with `--plain` | `plain_rows.rs`: one row after the other |
//! | a terminal with the editor | `edited_rows.rs`: the edited line goes, and comes again behind the rows |
//!
//! The main thread and the callback's thread call [`Screen::show`]. The thread `clock` shows what waits for a
//! time: a burst of membership events, and the new day. `wording.rs` has the words.

mod clock;
#[cfg(feature = "edit")]
mod edited_line;
#[cfg(feature = "edit")]
mod edited_rows;
#[cfg(feature = "edit")]
mod editing;
mod fold;
mod json;
mod line_rows;
mod output;
mod people;
mod pipe;
mod plain_rows;
mod quiet;
mod reader;
mod rows;
mod streams;
mod styled_line;
mod terminal;
mod transcript;
mod viewer;
mod wording;

#[cfg(feature = "edit")]
pub(crate) use edited_rows::{CompleteLine, EditedRows, LAST_WORDS};
pub use json::json_objects;

use crate::{
    events::{Stop, UiEvent},
    input::Shown,
    screen::{
        clock::clock_loop,
        line_rows::LineRows,
        output::{lock, read_zone, Output, Sink},
        pipe::{Pipe, Questions},
        plain_rows::PlainRows,
        streams::Streams,
        terminal::{Terminal, TerminalRows},
        transcript::Transcript,
        viewer::Viewer,
    },
    settings::{ScreenOptions, Surface, TimeFormat},
};
use chat_common::{
    program::{background_writer::BackgroundWriter, wall_clock::now, zone::Zone},
    terminal::shell_probe::{SignalSource, TerminalSize},
};
use crossbeam_channel::{bounded, Sender};
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

/// Standard output, and the transcript.
pub struct Screen {
    /// Held while a line is written, so that lines never mix.
    output: Arc<Mutex<Output>>,
    /// Wakes the thread `clock`, because something has to be shown sooner than it knows.
    wake_tx: Sender<()>,
    size: TerminalSize,
    signal_source: Option<SignalSource>,
}

impl Screen {
    /// Opens the transcript. If nobody reads standard output any more, `stop_tx` gets a [`Stop::WhenSent`].
    /// Errors for a person go to `stderr`. `interactive` is whether a person types at standard input.
    ///
    /// # Blocking
    /// On the disk, and on the program `stty` for some milliseconds; 2 s at most.
    ///
    /// # Errors
    /// When the file of the transcript cannot be opened, or the system gives no thread: a sentence for
    /// people.
    pub fn open(
        options: &ScreenOptions,
        interactive: bool,
        stderr: BackgroundWriter,
        stop_tx: Sender<Stop>,
    ) -> Result<Screen, String> {
        let transcript = options.log.as_deref().map(Transcript::open).transpose()?;
        reader::watch(stop_tx.clone())
            .unwrap_or_else(|error| log::warn!("cannot follow who reads the output: {error}"));
        let streams = Streams { stderr, stop_tx, error: None };
        let ScreenOptions { surface, quiet, time, bell, .. } = *options;
        let on_terminal = surface.is_terminal();
        let has_zone = on_terminal || transcript.is_some() || time != TimeFormat::Off;
        let zone = if has_zone { read_zone(&streams) } else { Zone::default() };
        let viewer = Viewer { own_name: String::new(), zone, now: now(), time, bell };
        let size = TerminalSize::default();
        let mut signal_source = None;
        if on_terminal || interactive {
            match size.follow() {
                Ok(follower) => signal_source = Some(follower),
                Err(error) => log::warn!("cannot follow the terminal's width: {error}"),
            }
        }
        let terminal =
            |rows, color| Sink::Terminal(Box::new(Terminal::new(rows, color, quiet, size.clone(), &viewer)));
        let sink = match surface {
            Surface::Json => Sink::Json,
            Surface::Pipe { color, asks_on_stderr } => {
                Sink::Pipe(Pipe { color, questions: Questions::new(asks_on_stderr) })
            }
            Surface::Plain { typing } => terminal(TerminalRows::Plain(PlainRows::new(typing, quiet)), false),
            Surface::Lines { color, typing } => terminal(TerminalRows::Lines(LineRows { typing }), color),
            // Until the editor begins.
            Surface::Edited { color } => terminal(TerminalRows::Lines(LineRows { typing: false }), color),
        };
        let output =
            Output { sink, streams, viewer, transcript, quiet, has_zone, missed_membership_shown: false };
        let (output, (wake_tx, wake_rx)) = (Arc::new(Mutex::new(output)), bounded(1));
        if has_zone {
            let (clock, output) = (thread::Builder::new().name("clock".into()), Arc::clone(&output));
            clock
                .spawn(move || clock_loop(&output, &wake_rx))
                .map_err(|error| format!("cannot follow the clock: {error}"))?;
        }
        Ok(Screen { output, wake_tx, size, signal_source })
    }

    /// Calls `on_continued` when the client goes on after a stop, and when the size of the terminal has
    /// changed.
    pub fn on_continued(&self, on_continued: impl Fn() + Send + Sync + 'static) {
        self.size.on_change(on_continued);
    }

    /// Whether the signal that has just come is from Ctrl-C on the terminal, and not to this program alone.
    /// Without a terminal it never is.
    ///
    /// # Blocking
    /// On a shell, for some milliseconds; 2 s at most.
    pub fn was_ctrl_c(&self) -> bool {
        self.signal_source.as_ref().is_some_and(SignalSource::was_ctrl_c)
    }

    /// Shows one thing. On a terminal, membership events may wait for about a second.
    ///
    /// # Blocking
    /// On the reader of standard output, and on the disk of the transcript.
    pub fn show(&self, shown: impl Into<Shown>) {
        let mut output = self.lock();
        let before = output.due();
        output.show(&shown.into());
        let after = output.due();
        drop(output);
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            // A full channel means that the thread wakes already.
            let _ = self.wake_tx.try_send(());
        }
    }

    /// Returns why standard output cannot be written. A closed pipe, as after `| head -1`, is not an error.
    pub fn write_error(&self) -> Option<String> {
        let output = self.lock();
        let error = output.streams.error.as_ref()?;
        (error.kind() != io::ErrorKind::BrokenPipe).then(|| error.to_string())
    }

    /// Whether everything that belongs in the transcript is there. If not, the person has read the reason.
    pub fn transcript_is_complete(&self) -> bool {
        self.lock().transcript.as_ref().is_none_or(Transcript::is_complete)
    }

    /// Shows the goodbye, unless another thread is writing. For a program that is about to exit.
    pub fn try_show_bye(&self) {
        if let Ok(mut output) = self.output.try_lock() {
            // The program exits in any case, so an error does not matter.
            output.show(&UiEvent::Bye.into());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Output> {
        lock(&self.output)
    }
}
