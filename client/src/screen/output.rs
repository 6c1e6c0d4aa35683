//! What is shown where: each event on standard output, which is one kind of [`Sink`], and in the
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
        viewer::Viewer,
        wording::{lines, question, shown_lines},
    },
};
use chat_common::{
    program::{wall_clock::now, zone::Zone},
    wire::protocol::EventKind,
};
use std::{
    borrow::Cow,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Standard output, with what the screen remembers of it. The [`Surface`](crate::settings::Surface) says
/// which kind it is.
pub(crate) enum Sink {
    /// JSON lines for a program. What a person has to read goes to standard error.
    Json,
    /// Plain rows for the reader of a pipe or a file.
    Pipe(Pipe),
    /// Rows on a person's terminal.
    Terminal(Box<Terminal>),
}

/// The outputs, and who reads them.
pub(crate) struct Output {
    pub(crate) sink: Sink,
    pub(crate) streams: Streams,
    pub(crate) viewer: Viewer,
    pub(crate) transcript: Option<Transcript>,
    /// Whether nothing is shown but what others say.
    pub(crate) quiet: bool,
    /// Whether the zone was read, because each row or the transcript needs it.
    pub(crate) has_zone: bool,
    /// Whether this connection has shown that membership events are missing.
    pub(crate) missed_membership_shown: bool,
}

impl Output {
    /// Shows one thing.
    ///
    /// # Blocking
    /// On the reader of standard output, and on the disk of the transcript.
    pub(crate) fn show(&mut self, shown: &Shown) {
        let repeats = self.update(shown);
        let Output { viewer, streams, .. } = self;
        if let Some(transcript) = self.transcript.as_mut().filter(|_| !repeats) {
            transcript.write(shown, viewer, streams);
        }
        let said = match self.quiet {
            true => said_by_others(shown, &viewer.own_name),
            false => Some(Cow::Borrowed(shown)),
        };
        let said = said.as_deref();
        match &mut self.sink {
            Sink::Json => show_json(shown, said, viewer, streams),
            _ if repeats => {}
            Sink::Pipe(pipe) => match question(shown) {
                Some(question) => pipe.questions.ask(question, streams),
                None => pipe.show(&shown_lines(shown, said, viewer, false), viewer, streams),
            },
            Sink::Terminal(terminal) => terminal.show(shown, said, viewer, streams),
        }
    }

    /// Shows what is due, and the new day. Returns how long to wait until the next call.
    ///
    /// # Blocking
    /// On the reader of standard output.
    pub(crate) fn on_time(&mut self) -> Duration {
        self.viewer.now = now();
        if let Sink::Terminal(terminal) = &mut self.sink {
            terminal.show_due(Instant::now(), &self.viewer, &mut self.streams);
        }
        let midnight = self.viewer.zone.until_midnight(now());
        let due = self.due().map(|due| due.saturating_duration_since(Instant::now()));
        due.map_or(midnight, |due| due.min(midnight))
    }

    /// When something that waits has to be shown.
    pub(crate) fn due(&mut self) -> Option<Instant> {
        match &mut self.sink {
            Sink::Terminal(terminal) => terminal.due(),
            _ => None,
        }
    }

    /// Updates what the screen knows from what is shown. Returns whether the person has read it already: that
    /// membership events are missing. After a flood of them they can be missing between any two messages,
    /// and must not fill the screen.
    fn update(&mut self, shown: &Shown) -> bool {
        self.viewer.now = now();
        match shown {
            Shown::Terminal(TerminalEvent::Bell(Some(bell))) => self.viewer.bell = *bell,
            Shown::Session(UiEvent::Connected { name, .. } | UiEvent::Rejoined { name, .. }) => {
                self.viewer.own_name.clone_from(name);
                self.missed_membership_shown = false;
            }
            Shown::Session(UiEvent::Resumed { .. }) => self.missed_membership_shown = false,
            Shown::Session(UiEvent::Renamed { name }) => self.viewer.own_name.clone_from(name),
            // It says since when somebody is here, in local time. A pipe needs no local time otherwise.
            Shown::Session(UiEvent::People { pattern: Some(_), .. })
                if !self.has_zone && matches!(self.sink, Sink::Pipe(_)) =>
            {
                self.viewer.zone = read_zone(&self.streams);
            }
            Shown::Session(UiEvent::Event { event, .. })
                if matches!(event.kind, EventKind::Missed { messages: false, .. }) =>
            {
                return std::mem::replace(&mut self.missed_membership_shown, true);
            }
            _ => {}
        }
        false
    }
}

/// Prints objects for a program. Standard error gets what a person has to read in any case.
fn show_json(shown: &Shown, said: Option<&Shown>, viewer: &Viewer, streams: &mut Streams) {
    let is_for_person = match shown {
        Shown::Session(UiEvent::Failed(_))
        | Shown::Terminal(
            TerminalEvent::CtrlCLeaves | TerminalEvent::EnterLeaves | TerminalEvent::EnterAsks,
        ) => true,
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
