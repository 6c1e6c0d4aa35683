//! Shows events on standard output: as plain lines, on a terminal, or as JSON. Also rings, and writes the
//! transcript.
//!
//! The main thread and the callback's thread call [`Screen::show`]. `wording.rs` has the words.

mod calendar;
mod clock;
mod color;
#[cfg(feature = "edit")]
mod editing;
mod escape;
mod json;
mod terminal;
mod transcript;
#[cfg(feature = "edit")]
mod typed_line;
mod width;
mod wording;

#[cfg(feature = "edit")]
pub(crate) use escape::{is_mark, JOINER};

use crate::{
    screen::{
        clock::{now, LocalClock},
        color::{paint, Style},
        terminal::{above_typed_line, unwrapped, wrap},
        transcript::Transcript,
        width::{CtrlC, TerminalWidth},
        wording::{lines, mentions, StyledLine, INDENT},
    },
    settings::{Bell, ScreenOptions, Stop, UiEvent},
};
use chat_common::{background_writer::BackgroundWriter, protocol::EventKind};
use crossbeam_channel::Sender;
use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

const PROMPT: &str = "Enter your name: ";
const CLEAR: &str = "\x1b[H\x1b[2J";
/// Moves to the first column and deletes the row, which may have half a typed line. For the last line of all.
const CLEAR_ROW: &str = "\x1b[G\x1b[K";
const RING: &str = "\x07";

/// Standard output, and the transcript.
pub struct Screen {
    state: Mutex<State>,
    ctrl_c: Option<CtrlC>,
    stop_tx: Sender<Stop>,
}

/// Protected by one lock. It is held while a line is written, so that lines never mix.
struct State {
    options: ScreenOptions,
    own_name: String,
    clock: LocalClock,
    width: TerminalWidth,
    transcript: Option<Transcript>,
    /// Whether everything that belongs in the transcript is there.
    transcript_complete: bool,
    /// Writes to standard error, in order with the log.
    stderr: BackgroundWriter,
    /// Whether the last output was the prompt, and the typed name is not echoed after it.
    prompt_open: bool,
    /// Whether this connection has shown that comings and goings are missing.
    missed_moves_shown: bool,
    /// The error that ended the writing to standard output.
    write_error: Option<io::Error>,
    /// The line that a person edits, while it is on the screen.
    #[cfg(feature = "edit")]
    typed_line: Option<typed_line::TypedLine>,
    /// That line, while the shell has the terminal.
    #[cfg(feature = "edit")]
    paused_line: Option<typed_line::TypedLine>,
}

impl Screen {
    /// Opens the transcript. If nobody reads standard output any more, `stop_tx` gets a [`Stop::WhenSent`].
    /// Errors for a person go to `stderr`.
    ///
    /// # Blocking
    /// On the programs `date` and `stty`, for some milliseconds. After that, no event waits for a program.
    ///
    /// # Errors
    /// When the file of the transcript cannot be opened: a sentence for people.
    pub fn open(
        options: ScreenOptions,
        stderr: BackgroundWriter,
        stop_tx: Sender<Stop>,
    ) -> Result<Screen, String> {
        let transcript = options.log.as_deref().map(Transcript::open).transpose()?;
        let (clock, width) = (LocalClock::default(), TerminalWidth::default());
        if options.terminal || transcript.is_some() {
            clock.follow().unwrap_or_else(|error| log::warn!("cannot follow the time zone: {error}"));
        }
        let mut ctrl_c = None;
        if options.terminal || options.plain || options.typing {
            match width.follow() {
                Ok(follower) => ctrl_c = Some(follower),
                Err(error) => log::warn!("cannot follow the terminal's width: {error}"),
            }
        }
        let state = State {
            own_name: String::new(),
            clock,
            width,
            transcript,
            transcript_complete: true,
            stderr,
            prompt_open: false,
            missed_moves_shown: false,
            write_error: None,
            #[cfg(feature = "edit")]
            typed_line: None,
            #[cfg(feature = "edit")]
            paused_line: None,
            options,
        };
        Ok(Screen { state: Mutex::new(state), ctrl_c, stop_tx })
    }

    /// Whether the signal that has just come is from Ctrl-C on the terminal, and not to this program alone.
    /// Without a terminal it never is.
    ///
    /// # Blocking
    /// On a shell, for some milliseconds; 2 s at most.
    pub fn was_ctrl_c(&self) -> bool {
        self.ctrl_c.as_ref().is_some_and(CtrlC::was_typed)
    }

    /// Shows one event.
    ///
    /// # Blocking
    /// On the reader of standard output, and on the disk of the transcript.
    pub fn show(&self, mut event: UiEvent) {
        let mut state = self.lock();
        state.update(&mut event);
        state.write_transcript(&event);
        if let Err(error) = state.write(&event) {
            state.write_error = Some(error);
            // Without output there is no reason to stay.
            let _ = self.stop_tx.try_send(Stop::WhenSent);
        }
    }

    /// Returns why standard output cannot be written. A closed pipe, as after `| head -1`, is not an error.
    pub fn write_error(&self) -> Option<String> {
        let state = self.lock();
        let error = state.write_error.as_ref()?;
        (error.kind() != io::ErrorKind::BrokenPipe).then(|| error.to_string())
    }

    /// Whether everything that belongs in the transcript is there. If not, the person has read the reason.
    pub fn transcript_is_complete(&self) -> bool {
        self.lock().transcript_complete
    }

    /// Shows the goodbye, unless another thread is writing. For a program that is about to exit.
    pub fn try_show_bye(&self) {
        if let Ok(mut state) = self.state.try_lock() {
            // The program exits in any case, so an error does not matter.
            let _ = state.write(&UiEvent::Bye);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each field is valid after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Updates the screen's own state from an event, and puts the current mode into a question for the bell.
    fn update(&mut self, event: &mut UiEvent) {
        match event {
            UiEvent::Connected { name, .. } | UiEvent::Rejoined { name, .. } | UiEvent::Renamed { name } => {
                self.own_name.clone_from(name);
            }
            UiEvent::Bell(mode) => self.options.bell = *mode.get_or_insert(self.options.bell),
            _ => {}
        }
    }

    /// Whether the person has read already that comings and goings are missing. After a flood of them they
    /// can be missing between any two messages, and must not fill the screen.
    fn repeats_missed_moves(&mut self, event: &UiEvent) -> bool {
        match event {
            UiEvent::Connected { .. } | UiEvent::Rejoined { .. } | UiEvent::Resumed { .. } => {
                self.missed_moves_shown = false;
                false
            }
            UiEvent::Event { event, .. }
                if matches!(event.kind, EventKind::Missed { messages: false, .. }) =>
            {
                std::mem::replace(&mut self.missed_moves_shown, true)
            }
            _ => false,
        }
    }

    fn write_transcript(&mut self, event: &UiEvent) {
        let Some(transcript) = &mut self.transcript else { return };
        if let Err(why) = transcript.write(event, &self.own_name, &self.clock) {
            // The chat goes on without it. The person learns it now, and a script from the exit code.
            self.stderr.write_text(&format!("chat-client: {why}\n"));
            self.transcript = None;
            self.transcript_complete = false;
        }
    }

    fn write(&mut self, event: &UiEvent) -> io::Result<()> {
        if self.repeats_missed_moves(event) && !self.options.json {
            return Ok(());
        }
        if self.options.terminal {
            // Each row is one write, because the system may echo a typed key between two writes.
            let writes = self.terminal_writes(event);
            #[cfg(feature = "edit")]
            let writes = self.around_typed_line(event, writes);
            return writes.iter().try_for_each(|row| self.write_stdout(row));
        }
        let (mut stdout, stderr) = if self.options.json { json_text(event) } else { self.plain_text(event) };
        self.stderr.write_text(&stderr);
        if stdout.is_empty() {
            return Ok(());
        }
        if std::mem::replace(&mut self.prompt_open, stdout == PROMPT) {
            stdout.insert(0, '\n');
        }
        self.write_stdout(&stdout)
    }

    fn write_stdout(&self, text: &str) -> io::Result<()> {
        if self.write_error.is_some() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Returns plain lines for standard output and for standard error.
    fn plain_text(&self, event: &UiEvent) -> (String, String) {
        if *event == UiEvent::AskName {
            return (PROMPT.into(), String::new());
        }
        let next_line = format!("\n{INDENT}");
        let (mut stdout, mut stderr) = (String::new(), String::new());
        for line in lines(event, &self.own_name) {
            let out = if line.is_error { &mut stderr } else { &mut stdout };
            if self.options.plain {
                out.push_str(&wrap(&line, self.width.cells(), self.options.color).join("\n"));
            } else {
                for (style, text) in &line.spans {
                    out.push_str(&paint(style, text, self.options.color).replace('\n', &next_line));
                }
            }
            out.push('\n');
        }
        (stdout, stderr)
    }

    /// Returns what to write to a terminal, one text for each write.
    fn terminal_writes(&self, event: &UiEvent) -> Vec<String> {
        match event {
            UiEvent::AskName if self.options.typing => return vec![PROMPT.into()],
            // No typed name ends this line.
            UiEvent::AskName => return vec![format!("{PROMPT}\n")],
            UiEvent::Clear => return vec![CLEAR.into()],
            UiEvent::Bye if self.options.typing => return vec![format!("{CLEAR_ROW}Bye!\n")],
            // The system has thrown the typed line away, so it goes from the screen as well.
            UiEvent::CtrlCLeaves if self.options.typing => {
                let text: String = lines(event, "").iter().map(StyledLine::text).collect();
                return vec![format!("{CLEAR_ROW}{text}\n")];
            }
            _ => {}
        }
        let mut writes = Vec::new();
        if self.rings(event) {
            writes.push(RING.into());
        }
        for mut line in lines(event, &self.own_name) {
            if let Some(time) = self.time_prefix(event) {
                line.spans.insert(0, (Style::Dim, time));
            }
            for row in wrap(&line, self.width.cells(), self.options.color) {
                writes.push(if self.options.typing {
                    above_typed_line(&row)
                } else {
                    unwrapped(&row) + "\n"
                });
            }
        }
        writes
    }

    /// Returns the local time for the beginning of a line. It has the date if that is not today.
    fn time_prefix(&self, event: &UiEvent) -> Option<String> {
        let now = now();
        let time = match event {
            UiEvent::Event { event, .. } => event.time,
            UiEvent::Accepted { .. }
            | UiEvent::Lost { .. }
            | UiEvent::Resumed { .. }
            | UiEvent::Rejoined { .. } => now,
            _ => return None,
        };
        let (time, today) = (self.clock.local(time), self.clock.local(now).date());
        let date = if time.date() == today { String::new() } else { time.date() + " " };
        Some(format!("{date}{} ", time.minutes()))
    }

    fn rings(&self, event: &UiEvent) -> bool {
        let UiEvent::Event { event, earlier: false } = event else { return false };
        let concerns_person = match &event.kind {
            EventKind::Message { text, .. } | EventKind::Action { text, .. } => {
                mentions(text, &self.own_name)
            }
            EventKind::Private { .. } => true,
            _ => return false,
        };
        match self.options.bell {
            Bell::Off => false,
            Bell::Mention => concerns_person,
            Bell::All => true,
        }
    }
}

/// Returns JSON for standard output, and for standard error what a person has to read in any case.
fn json_text(event: &UiEvent) -> (String, String) {
    let stderr = match event {
        UiEvent::AskName => PROMPT.into(),
        UiEvent::Failed(_) | UiEvent::CtrlCLeaves | UiEvent::EnterLeaves => {
            lines(event, "").iter().map(|line| line.text() + "\n").collect()
        }
        _ => String::new(),
    };
    (json::objects(event).iter().map(|object| format!("{object}\n")).collect(), stderr)
}
