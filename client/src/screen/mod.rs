//! What is shown, and where: decides between plain lines, a terminal and JSON, and rings. Called from the
//! session's thread and from the callback's; the words are chosen in `wording.rs`.

mod calendar;
mod color;
mod json;
mod terminal;
mod transcript;
pub(crate) mod visible;
mod wording;
mod zone;

use crate::{
    screen::{
        color::{paint, Tone},
        terminal::{above_typed_line, rows, Width},
        transcript::Transcript,
        wording::{lines, mentions, INDENT},
        zone::{now, LocalClock},
    },
    settings::{
        channels::Stop,
        options::{Bell, ScreenOptions},
        shown::Shown,
    },
};
use chat_common::protocol::EventKind;
use crossbeam_channel::Sender;
use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

const PROMPT: &str = "Enter your name: ";
const CLEAR: &str = "\x1b[H\x1b[2J";
/// Back to the first column, and away with what was being typed: for the last line of all.
const FRESH_ROW: &str = "\x1b[G\x1b[K";
const RING: &str = "\x07";

/// Standard output, and what belongs to it.
pub struct Screen {
    state: Mutex<State>,
    stop: Sender<Stop>,
}

/// Protected by one lock, which is held while a line is written, so that lines never mix.
struct State {
    options: ScreenOptions,
    me: String,
    bell: Bell,
    clock: LocalClock,
    width: Width,
    transcript: Option<Transcript>,
    /// The prompt was written last, to where no echo of the answer ends its line.
    prompted: bool,
    /// Why nothing can be written to standard output any more.
    closed: Option<io::Error>,
}

impl Screen {
    /// A screen; `stop` hears of it when nobody reads standard output any more.
    ///
    /// # Errors
    /// When the transcript's file cannot be opened.
    pub fn open(options: ScreenOptions, stop: Sender<Stop>) -> io::Result<Screen> {
        let transcript = options.log.as_deref().map(Transcript::open).transpose()?;
        let state = State {
            me: String::new(),
            bell: options.bell,
            clock: LocalClock::default(),
            width: Width::default(),
            transcript,
            prompted: false,
            closed: None,
            options,
        };
        Ok(Screen { state: Mutex::new(state), stop })
    }

    /// Shows one thing.
    ///
    /// # Blocking
    /// On whoever reads standard output.
    pub fn show(&self, shown: Shown) {
        let mut state = self.lock();
        let shown = state.take_note(shown);
        state.keep(&shown);
        if let Err(error) = state.write(&shown) {
            state.closed = Some(error);
            // There is nothing left to stay for.
            let _ = self.stop.try_send(Stop::WhenSent);
        }
    }

    /// Why standard output could not be written, if that is a failure. `| head -1` is none.
    pub fn write_error(&self) -> Option<String> {
        let state = self.lock();
        state
            .closed
            .as_ref()
            .filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
            .map(io::Error::to_string)
    }

    /// Says goodbye if it can be said without waiting, for a program that is about to end in the middle of something.
    pub fn last_word(&self) {
        if let Ok(mut state) = self.state.try_lock() {
            // Whoever cannot hear it will notice.
            let _ = state.write(&Shown::Bye);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each field is valid after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes over what concerns the screen itself.
    fn take_note(&mut self, shown: Shown) -> Shown {
        match shown {
            Shown::Connected { ref name, .. }
            | Shown::Rejoined { ref name, .. }
            | Shown::Renamed { ref name } => {
                self.me.clone_from(name);
            }
            Shown::Bell(mode) => {
                self.bell = mode.unwrap_or(self.bell);
                return Shown::Bell(Some(self.bell));
            }
            _ => {}
        }
        shown
    }

    fn write(&mut self, shown: &Shown) -> io::Result<()> {
        if self.options.terminal {
            // Each row in one piece: between two of them the system may echo what is typed.
            return self.terminal_pieces(shown).iter().try_for_each(|piece| self.write_out(piece));
        }
        let (mut text, aside) = if self.options.json { json_text(shown) } else { self.plain_text(shown) };
        // Nobody listening to standard error is no reason to stop.
        let _ = io::stderr().lock().write_all(aside.as_bytes());
        if text.is_empty() {
            return Ok(());
        }
        if std::mem::replace(&mut self.prompted, text == PROMPT) {
            text.insert(0, '\n');
        }
        self.write_out(&text)
    }

    /// To standard output, in one piece.
    fn write_out(&self, text: &str) -> io::Result<()> {
        if self.closed.is_some() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Plain lines, for standard output and for standard error.
    fn plain_text(&self, shown: &Shown) -> (String, String) {
        if *shown == Shown::AskName {
            return (PROMPT.into(), String::new());
        }
        let next_line = format!("\n{INDENT}");
        let (mut text, mut aside) = (String::new(), String::new());
        for line in lines(shown, &self.me) {
            let out = if line.trouble { &mut aside } else { &mut text };
            for (tone, piece) in &line.pieces {
                out.push_str(&paint(tone, piece, self.options.color).replace('\n', &next_line));
            }
            out.push('\n');
        }
        (text, aside)
    }

    fn terminal_pieces(&mut self, shown: &Shown) -> Vec<String> {
        match shown {
            Shown::AskName if self.options.typing => return vec![PROMPT.into()],
            // No echo of an answer ends this line.
            Shown::AskName => return vec![format!("{PROMPT}\n")],
            Shown::Clear => return vec![CLEAR.into()],
            Shown::Bye if self.options.typing => return vec![format!("{FRESH_ROW}Bye!\n")],
            _ => {}
        }
        let width = self.width.cells();
        let mut pieces = Vec::new();
        if self.rings(shown) {
            pieces.push(RING.into());
        }
        for mut line in lines(shown, &self.me) {
            if let Some(moment) = self.moment(shown) {
                line.pieces.insert(0, (Tone::Dim, moment));
            }
            let rows = rows(&line, width, self.options.color);
            let place = if self.options.typing { above_typed_line } else { |row: &str| format!("{row}\n") };
            pieces.extend(rows.iter().map(|row| place(row)));
        }
        pieces
    }

    /// The local time in front of a line, with the day where it is not today's.
    fn moment(&mut self, shown: &Shown) -> Option<String> {
        let now = now();
        let time = match shown {
            Shown::Event { event, .. } => event.time,
            Shown::Accepted { .. } | Shown::Lost { .. } | Shown::Regained { .. } | Shown::Rejoined { .. } => {
                now
            }
            _ => return None,
        };
        let (then, today) = (self.clock.civil(time), self.clock.civil(now).date());
        let date =
            Some(then.date()).filter(|date| *date != today).map_or_else(String::new, |date| date + " ");
        Some(format!("{date}{} ", then.minutes()))
    }

    fn keep(&mut self, shown: &Shown) {
        let Some(transcript) = &mut self.transcript else { return };
        if let Err(error) = transcript.write(shown, &self.me, &mut self.clock) {
            log::error!("the transcript ends here: {error}");
            self.transcript = None;
        }
    }

    fn rings(&self, shown: &Shown) -> bool {
        let Shown::Event { event, earlier: false } = shown else { return false };
        let concerns_me = match &event.kind {
            EventKind::Message { text, .. } | EventKind::Action { text, .. } => mentions(text, &self.me),
            EventKind::Private { .. } => true,
            _ => return false,
        };
        match self.bell {
            Bell::Off => false,
            Bell::Mention => concerns_me,
            Bell::All => true,
        }
    }
}

/// JSON for standard output; for standard error what a person should read even where a program reads the rest.
fn json_text(shown: &Shown) -> (String, String) {
    let aside = match shown {
        Shown::AskName => PROMPT.into(),
        Shown::Failed(_) => lines(shown, "").iter().map(|line| line.text() + "\n").collect(),
        _ => String::new(),
    };
    (json::objects(shown).iter().map(|object| format!("{object}\n")).collect(), aside)
}
