//! Shows events on standard output: as plain lines, on a terminal, or as JSON. Also rings, and writes the
//! transcript.
//!
//! The main thread and the callback's thread call [`Screen::show`]. The thread `clock` shows what waits for a
//! time: a burst of comings and goings, and the new day. `wording.rs` has the words.

mod clock;
#[cfg(feature = "edit")]
mod editing;
mod fold;
mod help;
mod json;
mod output;
mod people;
mod plain;
mod quiet;
mod reader;
mod transcript;
#[cfg(feature = "edit")]
mod typed_line;
mod viewer;
mod wording;
mod zone;
mod zone_rule;

#[cfg(feature = "edit")]
pub(crate) use editing::{CompleteLine, LAST_WORDS};
pub use help::help_text;
pub use json::json_objects;

use crate::{
    events::{Stop, UiEvent},
    input::Shown,
    screen::{
        clock::{now, LocalClock},
        fold::Fold,
        output::Output,
        plain::Batch,
        transcript::Transcript,
    },
    settings::{ScreenOptions, TimeFormat},
};
use chat_common::{
    program::background_writer::BackgroundWriter,
    terminal::shell_probe::{SignalSource, TerminalSize},
};
use crossbeam_channel::{bounded, Sender};
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Standard output, and the transcript.
pub struct Screen {
    /// Held while a line is written, so that lines never mix.
    output: Arc<Mutex<Output>>,
    /// Wakes the thread `clock`, because something has to be shown sooner than it knows.
    wake_tx: Sender<()>,
    ctrl_c: Option<SignalSource>,
}

impl Screen {
    /// Opens the transcript. If nobody reads standard output any more, `stop_tx` gets a [`Stop::WhenSent`].
    /// Errors for a person go to `stderr`.
    ///
    /// # Blocking
    /// On the disk, and on the program `stty` for some milliseconds; 2 s at most.
    ///
    /// # Errors
    /// When the file of the transcript cannot be opened: a sentence for people.
    pub fn open(
        options: ScreenOptions,
        stderr: BackgroundWriter,
        stop_tx: Sender<Stop>,
    ) -> Result<Screen, String> {
        let transcript = options.log.as_deref().map(Transcript::open).transpose()?;
        let (clock, size) = (LocalClock::default(), TerminalSize::default());
        let on_terminal = options.terminal || options.plain;
        let shows_time = on_terminal || transcript.is_some() || options.time != TimeFormat::Off;
        if shows_time {
            clock.begin(&stderr);
        }
        let mut ctrl_c = None;
        if on_terminal || options.typing {
            match size.follow() {
                Ok(follower) => ctrl_c = Some(follower),
                Err(error) => log::warn!("cannot follow the terminal's width: {error}"),
            }
        }
        reader::watch(stop_tx.clone())
            .unwrap_or_else(|error| log::warn!("cannot follow who reads the output: {error}"));
        let output = Output {
            own_name: String::new(),
            day: clock.local(now()).date(),
            clock: clock.clone(),
            has_clock: shows_time,
            size,
            transcript,
            transcript_complete: true,
            stderr,
            stop_tx,
            fold: Fold::default(),
            batch: Batch::default(),
            prompt_open: false,
            refused: None,
            missed_moves_shown: false,
            write_error: None,
            #[cfg(feature = "edit")]
            typed_line: None,
            #[cfg(feature = "edit")]
            hides_typing: false,
            #[cfg(feature = "edit")]
            paused_line: None,
            options,
        };
        let (wake_tx, wake_rx) = bounded(1);
        let screen = Screen { output: Arc::new(Mutex::new(output)), wake_tx, ctrl_c };
        if shows_time {
            let output = Arc::clone(&screen.output);
            if let Err(error) = clock.follow(wake_rx, move || lock(&output).on_time()) {
                log::warn!("cannot follow the clock: {error}");
                screen.lock().has_clock = false;
            }
        }
        Ok(screen)
    }

    /// Calls `on_continued` when the client goes on after a stop, and when the size of the terminal has
    /// changed. For a client without an editor, which wants to know both as well.
    pub fn on_continued(&self, on_continued: impl Fn() + Send + Sync + 'static) {
        self.lock().size.on_change(on_continued);
    }

    /// Whether the signal that has just come is from Ctrl-C on the terminal, and not to this program alone.
    /// Without a terminal it never is.
    ///
    /// # Blocking
    /// On a shell, for some milliseconds; 2 s at most.
    pub fn was_ctrl_c(&self) -> bool {
        self.ctrl_c.as_ref().is_some_and(SignalSource::was_ctrl_c)
    }

    /// Shows one thing. On a terminal, comings and goings may wait for about a second.
    ///
    /// # Blocking
    /// On the reader of standard output, and on the disk of the transcript.
    pub fn show(&self, shown: impl Into<Shown>) {
        let mut output = self.lock();
        let before = output.due();
        output.show(shown.into());
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
        let error = output.write_error.as_ref()?;
        (error.kind() != io::ErrorKind::BrokenPipe).then(|| error.to_string())
    }

    /// Whether everything that belongs in the transcript is there. If not, the person has read the reason.
    pub fn transcript_is_complete(&self) -> bool {
        self.lock().transcript_complete
    }

    /// Shows the goodbye, unless another thread is writing. For a program that is about to exit.
    pub fn try_show_bye(&self) {
        if let Ok(mut output) = self.output.try_lock() {
            // The program exits in any case, so an error does not matter.
            output.show(UiEvent::Bye.into());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Output> {
        lock(&self.output)
    }
}

fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    // Each field is valid after any panic.
    output.lock().unwrap_or_else(PoisonError::into_inner)
}
