//! What is written where: standard output in one of its four forms (for programs, in a pipe, on a terminal,
//! on a plain terminal), standard error, and the transcript.
//!
//! A lock protects it (see `mod.rs`), and any thread of the client may hold that.

use crate::{
    events::{Stop, UiEvent},
    input::{Shown, TerminalEvent},
    screen::{
        clock::{now, LocalClock},
        fold::Fold,
        json,
        plain::Batch,
        quiet::said_by_others,
        transcript::Transcript,
        viewer::Viewer,
        wording::{lines, mentions, StyledLine},
    },
    settings::{Bell, ScreenOptions, TimeFormat},
};
use chat_common::{
    program::background_writer::BackgroundWriter,
    terminal::{
        color::{paint, Style},
        rows::{above_typed_line, unwrapped, CLEAR_ROW},
        shell_probe::TerminalSize,
        wrap::{wrap, INDENT},
    },
    wire::protocol::EventKind,
};
use crossbeam_channel::Sender;
use std::{
    borrow::Cow,
    io::{self, Write},
    time::{Duration, Instant},
};

const PROMPT: &str = "Enter your name: ";
#[cfg(feature = "closed")]
const PASSPHRASE_PROMPT: &str = "Passphrase of the room: ";
const CLEAR: &str = "\x1b[H\x1b[2J";
const RING: &str = "\x07";
/// The same refusal is shown again after this time.
const REFUSAL_PAUSE: Duration = Duration::from_secs(2);

/// The outputs, and what the screen knows.
pub(crate) struct Output {
    pub(crate) options: ScreenOptions,
    pub(crate) own_name: String,
    pub(crate) clock: LocalClock,
    /// Whether the thread `clock` runs. Without it nothing may wait for a time.
    pub(crate) has_clock: bool,
    pub(crate) size: TerminalSize,
    pub(crate) transcript: Option<Transcript>,
    /// Whether everything that belongs in the transcript is there.
    pub(crate) transcript_complete: bool,
    /// Writes to standard error, in order with the log.
    pub(crate) stderr: BackgroundWriter,
    /// Gets a [`Stop::WhenSent`] when nobody reads standard output any more.
    pub(crate) stop_tx: Sender<Stop>,
    /// Comings and goings that are not shown yet.
    pub(crate) fold: Fold,
    /// Lines for a plain terminal that are not written yet.
    pub(crate) batch: Batch,
    /// The local date, as it was told or as it was at the start.
    pub(crate) day: String,
    /// Whether the last output was the prompt, and the typed name is not echoed after it.
    pub(crate) prompt_open: bool,
    /// The line that a person edits, while it is on the screen.
    #[cfg(feature = "edit")]
    pub(crate) typed_line: Option<super::typed_line::TypedLine>,
    /// Whether nothing of that line is shown, because it is a passphrase.
    #[cfg(feature = "edit")]
    pub(crate) hides_typing: bool,
    /// That line, while the shell has the terminal.
    #[cfg(feature = "edit")]
    pub(crate) paused_line: Option<super::typed_line::TypedLine>,
    /// The last refusal on a terminal, when it was, and how often it came again since it was shown.
    pub(crate) refused: Option<(String, Instant, usize)>,
    /// Whether this connection has shown that comings and goings are missing.
    pub(crate) missed_moves_shown: bool,
    /// The error that ended the writing to standard output.
    pub(crate) write_error: Option<io::Error>,
}

impl Output {
    /// Shows one thing.
    ///
    /// # Blocking
    /// On the reader of standard output, and on the disk of the transcript.
    pub(crate) fn show(&mut self, mut event: Shown) {
        self.update(&mut event);
        let repeats = self.repeats_missed_moves(&event);
        if !repeats {
            self.write_transcript(&event);
        }
        let result = match (self.options.json, repeats) {
            (true, _) => self.write_json(&event),
            (false, false) => self.write(&event),
            (false, true) => Ok(()),
        };
        self.on_written(result);
    }

    /// Shows what is due, and the new day. Returns how long to wait until the next call.
    ///
    /// # Blocking
    /// On the reader of standard output.
    pub(crate) fn on_time(&mut self) -> Duration {
        let result = self.write_due(Instant::now());
        self.on_written(result);
        let midnight = self.clock.until_midnight(now());
        let due = self.due().map(|due| due.saturating_duration_since(Instant::now()));
        due.map_or(midnight, |due| due.min(midnight))
    }

    /// When something that waits has to be shown.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.fold.due().into_iter().chain(self.batch.due()).min()
    }

    fn write_due(&mut self, now: Instant) -> io::Result<()> {
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        self.write_new_day()?;
        if is_due(self.fold.due()) {
            self.end_fold()?;
        }
        if is_due(self.batch.due()) {
            self.write_batch()?;
        }
        Ok(())
    }

    pub(crate) fn on_written(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.write_error = Some(error);
            // Without output there is no reason to stay.
            let _ = self.stop_tx.try_send(Stop::WhenSent);
        }
    }

    /// Updates the screen's own state from an event, and puts the current mode into a question for the bell.
    fn update(&mut self, shown: &mut Shown) {
        let event = match shown {
            Shown::Session(event) => event,
            Shown::Terminal(TerminalEvent::Bell(mode)) => {
                self.options.bell = *mode.get_or_insert(self.options.bell);
                return;
            }
            Shown::Terminal(_) => return,
        };
        match event {
            UiEvent::Connected { name, .. } | UiEvent::Rejoined { name, .. } | UiEvent::Renamed { name } => {
                self.own_name.clone_from(name);
            }
            #[cfg(all(feature = "closed", feature = "edit"))]
            UiEvent::AskPassphrase => self.hides_typing = true,
            #[cfg(all(feature = "closed", feature = "edit"))]
            UiEvent::PassphraseTyped => self.hides_typing = false,
            // It says since when somebody is here, in local time. A pipe needs no local time otherwise.
            UiEvent::People { pattern: Some(_), .. } if !self.has_clock && !self.options.json => {
                self.clock.begin(&self.stderr);
            }
            _ => {}
        }
    }

    /// Whether a terminal has shown this refusal a moment ago, as when a paste is sent while its author is
    /// muted. It is then counted.
    fn repeats_refusal(&mut self, event: &Shown) -> bool {
        let Shown::Session(UiEvent::Refused(text)) = event else { return false };
        let now = Instant::now();
        match &mut self.refused {
            Some((last, at, more)) if self.options.terminal || self.options.plain => {
                let repeats = last == text && now.duration_since(*at) < REFUSAL_PAUSE;
                *at = now;
                *more += usize::from(repeats);
                if !repeats {
                    last.clone_from(text);
                }
                repeats
            }
            refused => {
                *refused = Some((text.clone(), now, 0));
                false
            }
        }
    }

    /// Whether the person has read already that comings and goings are missing. After a flood of them they
    /// can be missing between any two messages, and must not fill the screen.
    fn repeats_missed_moves(&mut self, event: &Shown) -> bool {
        let Shown::Session(event) = event else { return false };
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

    fn write_transcript(&mut self, event: &Shown) {
        let Some(transcript) = &mut self.transcript else { return };
        let (own_name, clock) = (self.own_name.as_str(), &self.clock);
        let viewer = Viewer { own_name, clock, now: now(), on_terminal: false };
        if let Err(why) = transcript.write(event, &viewer) {
            // The chat goes on without it. The person learns it now, and a script from the exit code.
            self.stderr.write_text(&format!("chat-client: {why}\n"));
            self.transcript = None;
            self.transcript_complete = false;
        }
    }

    /// Writes JSON to standard output, and to standard error what a person has to read in any case.
    fn write_json(&mut self, event: &Shown) -> io::Result<()> {
        let (said, quiet) = self.to_show(event);
        match event {
            Shown::Session(UiEvent::AskName) => self.stderr.write_text(PROMPT),
            #[cfg(feature = "closed")]
            Shown::Session(UiEvent::AskPassphrase) => self.stderr.write_text(PASSPHRASE_PROMPT),
            Shown::Session(UiEvent::Failed(_))
            | Shown::Terminal(TerminalEvent::CtrlCLeaves | TerminalEvent::EnterLeaves) => {
                self.write_errors(&lines(event, &self.viewer()));
            }
            _ if quiet && said.is_none() => self.write_errors(&lines(event, &self.viewer())),
            _ => {}
        }
        let objects = said.map_or_else(Vec::new, |event| json::objects(&event));
        self.write_stdout(&objects.iter().map(|object| format!("{object}\n")).collect::<String>())
    }

    /// Writes an event for people.
    fn write(&mut self, event: &Shown) -> io::Result<()> {
        if *event == Shown::Session(UiEvent::AskName) {
            self.end_fold()?;
            return self.write_prompt(PROMPT);
        }
        #[cfg(feature = "closed")]
        if *event == Shown::Session(UiEvent::AskPassphrase) {
            self.end_fold()?;
            return self.write_prompt(PASSPHRASE_PROMPT);
        }
        #[cfg(all(feature = "closed", feature = "edit"))]
        if *event == Shown::Session(UiEvent::PassphraseTyped) {
            // The question may have come again while an answer was on its way.
            let unasked = self.ask_in_edited_line("").unwrap_or_default();
            return self.write_stdout(&unasked);
        }
        if self.repeats_refusal(event) {
            return Ok(());
        }
        let (said, _) = self.to_show(event);
        let mut lines = match said.as_deref() {
            // The fold is not shown yet, so it is not cleared.
            Some(Shown::Terminal(TerminalEvent::Clear)) if self.options.terminal => {
                return self.write_rows(CLEAR)
            }
            Some(Shown::Session(UiEvent::Event { event, earlier })) if self.folds() && Fold::takes(event) => {
                self.write_new_day()?;
                let ended = self.fold.push(event.clone(), *earlier, Instant::now());
                return self.write_lines(&ended);
            }
            Some(event) => lines(event, &self.viewer()),
            None => {
                let mut lines = lines(event, &self.viewer());
                lines.retain(|line| line.is_error);
                lines
            }
        };
        if !lines.is_empty() {
            if let Some((.., more @ 1..)) =
                self.refused.take_if(|_| !matches!(event, Shown::Session(UiEvent::Refused(_))))
            {
                lines.insert(0, StyledLine::system(format!("--- refused {more} times more ---")));
            }
            self.write_new_day()?;
            self.end_fold()?;
            if said.is_some() && self.rings(event) {
                self.write_ring()?;
            }
            #[cfg(feature = "edit")]
            if *event == Shown::Session(UiEvent::Bye) {
                let end = self.end_editing();
                self.write_stdout(&end)?;
            }
            match event {
                // After Ctrl-C the system has thrown the typed line away, so it goes from the screen as well.
                Shown::Session(UiEvent::Bye) | Shown::Terminal(TerminalEvent::CtrlCLeaves)
                    if self.options.terminal && self.options.typing =>
                {
                    let text: String = lines.iter().map(|line| self.prefix(line) + &line.text()).collect();
                    self.write_stdout(&format!("{CLEAR_ROW}{text}\n"))?;
                }
                _ => self.write_lines(&lines)?,
            }
        }
        if matches!(event, Shown::Session(UiEvent::Bye | UiEvent::Failed(_))) {
            self.end_fold()?;
            self.write_batch()?;
        }
        Ok(())
    }

    /// Returns the part of an event that standard output gets, and whether the rest is left out.
    fn to_show<'e>(&self, event: &'e Shown) -> (Option<Cow<'e, Shown>>, bool) {
        match self.options.quiet {
            true => (said_by_others(event, &self.own_name), true),
            false => (Some(Cow::Borrowed(event)), false),
        }
    }

    /// Whether standard output is a terminal of a person, of one of the two kinds.
    fn on_terminal(&self) -> bool {
        self.options.terminal || self.options.plain
    }

    fn folds(&self) -> bool {
        self.on_terminal() && self.has_clock
    }

    fn viewer(&self) -> Viewer<'_> {
        let (own_name, clock, on_terminal) = (self.own_name.as_str(), &self.clock, self.on_terminal());
        Viewer { own_name, clock, now: now(), on_terminal }
    }

    fn end_fold(&mut self) -> io::Result<()> {
        let lines = self.fold.end();
        self.write_lines(&lines)
    }

    /// Tells that a day has ended, after everything that happened in it.
    fn write_new_day(&mut self) -> io::Result<()> {
        let today = self.clock.local(now()).date();
        if today == self.day {
            return Ok(());
        }
        self.day.clone_from(&today);
        if !self.on_terminal() || self.options.quiet {
            return Ok(());
        }
        self.end_fold()?;
        self.write_lines(&[StyledLine::system(format!("--- it is {today} now ---"))])
    }

    fn write_prompt(&mut self, prompt: &str) -> io::Result<()> {
        #[cfg(feature = "edit")]
        if let Some(asked) = self.ask_in_edited_line(prompt) {
            return self.write_stdout(&asked);
        }
        let ScreenOptions { terminal, plain, file, typing, quiet, .. } = self.options;
        if typing && terminal {
            return self.write_stdout(prompt);
        }
        if typing && plain {
            let before = self.batch.take();
            return self.write_stdout(&(before + prompt));
        }
        if terminal {
            // No typed name ends this line.
            return self.write_stdout(&format!("{prompt}\n"));
        }
        if quiet || file {
            self.stderr.write_text(prompt);
            return Ok(());
        }
        let line_end = if std::mem::replace(&mut self.prompt_open, true) { "\n" } else { "" };
        self.write_stdout(&format!("{line_end}{prompt}"))
    }

    fn write_ring(&mut self) -> io::Result<()> {
        match self.options.terminal {
            true => self.write_stdout(RING),
            false if self.options.plain => self.write_plain(RING),
            false => Ok(()),
        }
    }

    fn write_lines(&mut self, lines: &[StyledLine]) -> io::Result<()> {
        let (width, color) = (self.size.columns(), self.options.color);
        if self.on_terminal() {
            let rows =
                lines.iter().flat_map(|line| wrap(&self.with_time(line).spans, width, color, line.max_rows));
            let rows: Vec<String> = rows.collect();
            if self.options.plain {
                return self.write_plain(&rows.iter().map(|row| format!("{row}\n")).collect::<String>());
            }
            if self.options.typing || self.is_paused() {
                // Each row is one write, because the system may echo a typed key between two writes.
                return rows.iter().try_for_each(|row| self.write_stdout(&above_typed_line(row)));
            }
            return self.write_rows(&rows.iter().map(|row| unwrapped(row) + "\n").collect::<String>());
        }
        self.write_errors(lines);
        let next_line = format!("\n{INDENT}");
        let mut stdout = String::new();
        for line in lines.iter().filter(|line| !line.is_error) {
            for (style, text) in &self.with_time(line).spans {
                stdout.push_str(&paint(style, text, color).replace('\n', &next_line));
            }
            stdout.push('\n');
        }
        if !stdout.is_empty() && std::mem::take(&mut self.prompt_open) {
            stdout.insert(0, '\n');
        }
        self.write_stdout(&stdout)
    }

    /// Whether somebody else has the terminal on which the person edits, and is at a line there.
    fn is_paused(&self) -> bool {
        #[cfg(feature = "edit")]
        return self.paused_line.is_some();
        #[cfg(not(feature = "edit"))]
        false
    }

    /// Writes rows to a terminal on which the system echoes nothing. A line that the person edits stays below
    /// them.
    fn write_rows(&mut self, rows: &str) -> io::Result<()> {
        #[cfg(feature = "edit")]
        if let Some(around) = self.around_edited_line(rows) {
            return self.write_stdout(&around);
        }
        self.write_stdout(rows)
    }

    /// Writes lines about errors to standard error, without a time.
    fn write_errors(&self, lines: &[StyledLine]) {
        let errors = lines.iter().filter(|line| line.is_error);
        self.stderr.write_text(&errors.map(|line| line.text() + "\n").collect::<String>());
    }

    /// Writes to a plain terminal: where a person types, together with what comes soon after.
    fn write_plain(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        if !self.options.typing {
            let line_end = if std::mem::take(&mut self.prompt_open) { "\n" } else { "" };
            return self.write_stdout(&format!("{line_end}{text}"));
        }
        self.batch.push(text, Instant::now());
        match self.has_clock {
            true => Ok(()),
            false => self.write_batch(),
        }
    }

    fn write_batch(&mut self) -> io::Result<()> {
        let text = self.batch.take();
        self.write_stdout(&text)
    }

    pub(crate) fn write_stdout(&self, text: &str) -> io::Result<()> {
        if self.write_error.is_some() || text.is_empty() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    fn with_time(&self, line: &StyledLine) -> StyledLine {
        let (mut line, prefix) = (line.clone(), self.prefix(line));
        if !prefix.is_empty() {
            line.spans.insert(0, (Style::Dim, prefix));
        }
        line
    }

    /// Returns what stands before a line: the local time, if there is to be one, and a space.
    fn prefix(&self, line: &StyledLine) -> String {
        let viewer = self.viewer();
        let time = line.time.unwrap_or(viewer.now);
        match self.options.time {
            TimeFormat::Off => String::new(),
            TimeFormat::Time => viewer.time_of(time) + " ",
            TimeFormat::Date => self.clock.local(time).date_and_seconds() + " ",
        }
    }

    fn rings(&self, event: &Shown) -> bool {
        let Shown::Session(UiEvent::Event { event, earlier: false }) = event else { return false };
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
