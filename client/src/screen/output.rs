//! What is shown where: each event on standard output, which is one kind of [`Surface`], and in the
//! transcript beside it.
//!
//! A lock protects it (see `mod.rs`), and any thread of the client may hold that.

use crate::{
    events::UiEvent,
    input::{Shown, TerminalEvent},
    screen::{
        json,
        pipe::Pipe,
        quiet::said_by_others,
        streams::Streams,
        terminal::Terminal,
        transcript::Transcript,
        viewer::{now, Viewer},
        wording::{lines, question, shown_lines},
        zone::Zone,
    },
};
use chat_common::wire::protocol::EventKind;
use std::{
    borrow::Cow,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// What standard output is.
pub(crate) enum Surface {
    /// JSON lines for a program. What a person has to read goes to standard error.
    Json,
    /// Plain rows for whoever reads a pipe or a file.
    Pipe(Pipe),
    /// Rows on a person's terminal.
    Terminal(Box<Terminal>),
}

/// The outputs, and who reads them.
pub(crate) struct Output {
    pub(crate) surface: Surface,
    pub(crate) streams: Streams,
    pub(crate) viewer: Viewer,
    pub(crate) transcript: Option<Transcript>,
    /// Whether nothing is shown but what others say.
    pub(crate) quiet: bool,
    /// Whether the zone was read, because each row or the transcript needs it.
    pub(crate) has_zone: bool,
    /// Whether this connection has shown that comings and goings are missing.
    pub(crate) missed_moves_shown: bool,
}

impl Output {
    /// Shows one thing.
    ///
    /// # Blocking
    /// On the reader of standard output, and on the disk of the transcript.
    pub(crate) fn show(&mut self, shown: &Shown) {
        self.update(shown);
        let repeats = self.repeats_missed_moves(shown);
        let Output { viewer, streams, .. } = self;
        if let Some(transcript) = self.transcript.as_mut().filter(|_| !repeats) {
            transcript.write(shown, viewer, streams);
        }
        let said = match self.quiet {
            true => said_by_others(shown, &viewer.own_name),
            false => Some(Cow::Borrowed(shown)),
        };
        let said = said.as_deref();
        match &mut self.surface {
            Surface::Json => show_json(shown, said, viewer, streams),
            _ if repeats => {}
            Surface::Pipe(pipe) => match question(shown) {
                Some(question) => pipe.ask(question, streams),
                None => pipe.show(&shown_lines(shown, said, viewer, false), viewer, streams),
            },
            Surface::Terminal(terminal) => terminal.show(shown, said, viewer, streams),
        }
    }

    /// Shows what is due, and the new day. Returns how long to wait until the next call.
    ///
    /// # Blocking
    /// On the reader of standard output.
    pub(crate) fn on_time(&mut self) -> Duration {
        self.viewer.now = now();
        if let Surface::Terminal(terminal) = &mut self.surface {
            terminal.show_due(Instant::now(), &self.viewer, &mut self.streams);
        }
        let midnight = self.viewer.zone.until_midnight(now());
        let due = self.due().map(|due| due.saturating_duration_since(Instant::now()));
        due.map_or(midnight, |due| due.min(midnight))
    }

    /// When something that waits has to be shown.
    pub(crate) fn due(&mut self) -> Option<Instant> {
        match &mut self.surface {
            Surface::Terminal(terminal) => terminal.due(),
            _ => None,
        }
    }

    /// Updates what the screen knows from what is shown.
    fn update(&mut self, shown: &Shown) {
        self.viewer.now = now();
        let event = match shown {
            Shown::Session(event) => event,
            Shown::Terminal(TerminalEvent::Bell(mode)) => {
                return self.viewer.bell = mode.unwrap_or(self.viewer.bell)
            }
            Shown::Terminal(_) => return,
        };
        match event {
            UiEvent::Connected { name, .. } | UiEvent::Rejoined { name, .. } | UiEvent::Renamed { name } => {
                self.viewer.own_name.clone_from(name);
            }
            // It says since when somebody is here, in local time. A pipe needs no local time otherwise.
            UiEvent::People { pattern: Some(_), .. }
                if !self.has_zone && matches!(self.surface, Surface::Pipe(_)) =>
            {
                self.viewer.zone = read_zone(&self.streams);
            }
            _ => {}
        }
    }

    /// Whether the person has read already that comings and goings are missing. After a flood of them they
    /// can be missing between any two messages, and must not fill the screen.
    fn repeats_missed_moves(&mut self, shown: &Shown) -> bool {
        let Shown::Session(event) = shown else { return false };
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
}

/// Prints objects for a program. Standard error gets what a person has to read in any case.
fn show_json(shown: &Shown, said: Option<&Shown>, viewer: &Viewer, streams: &mut Streams) {
    let is_for_person = match shown {
        Shown::Session(UiEvent::Failed(_))
        | Shown::Terminal(TerminalEvent::CtrlCLeaves | TerminalEvent::EnterLeaves) => true,
        _ => said.is_none(),
    };
    if is_for_person {
        streams.warn_of(&lines(shown, viewer, false));
    }
    question(shown).iter().for_each(|question| streams.warn(question));
    let objects = said.map_or_else(Vec::new, json::objects);
    streams.print(&objects.iter().map(|object| format!("{object}\n")).collect::<String>());
}

/// Reads the zone of this process. Without one, times are in UTC, and standard error says so.
///
/// # Blocking
/// On the disk.
pub(crate) fn read_zone(streams: &Streams) -> Zone {
    Zone::of_process().unwrap_or_else(|why| {
        streams.warn(&format!("chat-client: {why}; times are in UTC\n"));
        Zone::default()
    })
}

pub(crate) fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    // Each field is valid after any panic.
    output.lock().unwrap_or_else(PoisonError::into_inner)
}
