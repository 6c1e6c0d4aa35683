//! A person's terminal: rows that fit, bursts of membership events as one row, a row for each new day,
//! repeated refusals counted, and the bell.

#[cfg(feature = "edit")]
use crate::screen::edited_rows::EditedRows;
use crate::{
    events::UiEvent,
    input::{Shown, TerminalEvent},
    screen::{
        fold::Fold,
        line_rows::LineRows,
        plain_rows::PlainRows,
        rows::Rows,
        streams::Streams,
        styled_line::StyledLine,
        viewer::Viewer,
        wording::{mentions, new_day, question, refused_again, shown_lines},
    },
    settings::Bell,
};
use chat_common::{
    terminal::{shell_probe::TerminalSize, wrap::wrap},
    wire::protocol::EventKind,
};
use std::time::{Duration, Instant};

/// The same refusal is shown again after this time.
const REFUSAL_PAUSE: Duration = Duration::from_secs(2);

/// The rows of a terminal, of one of the kinds that there are.
pub(crate) enum TerminalRows {
    Lines(LineRows),
    Plain(PlainRows),
    #[cfg(feature = "edit")]
    Edited(EditedRows),
}

impl TerminalRows {
    fn any(&mut self) -> &mut dyn Rows {
        match self {
            TerminalRows::Lines(rows) => rows,
            TerminalRows::Plain(rows) => rows,
            #[cfg(feature = "edit")]
            TerminalRows::Edited(rows) => rows,
        }
    }
}

/// A terminal, and what waits to be shown there.
pub(crate) struct Terminal {
    pub(crate) rows: TerminalRows,
    size: TerminalSize,
    color: bool,
    /// Whether no row tells of a new day.
    quiet: bool,
    /// The local date, as it was told or as it was at the start.
    day: String,
    /// Membership events that are not shown yet.
    fold: Fold,
    /// The last refusal, when it was, and how often it came again since it was shown.
    refused: Option<(String, Instant, usize)>,
}

impl Terminal {
    /// Nothing is shown yet.
    pub(crate) fn new(
        rows: TerminalRows,
        color: bool,
        quiet: bool,
        size: TerminalSize,
        viewer: &Viewer,
    ) -> Terminal {
        let day = viewer.zone.local(viewer.now).date();
        Terminal { rows, size, color, quiet, day, fold: Fold::default(), refused: None }
    }

    /// Shows something, or as much of it as is `said`.
    pub(crate) fn show(
        &mut self,
        shown: &Shown,
        said: Option<&Shown>,
        viewer: &Viewer,
        streams: &mut Streams,
    ) {
        if let Some(question) = question(shown) {
            self.end_fold(viewer, streams);
            return self.rows.any().ask(question, streams);
        }
        match said {
            _ if *shown == Shown::Session(UiEvent::PassphraseTyped) => {
                return self.rows.any().take_question_back(streams)
            }
            _ if self.repeats_refusal(shown) => return,
            // The fold is not shown yet, so it is not cleared.
            Some(Shown::Terminal(TerminalEvent::Clear)) if self.rows.any().clear(streams) => return,
            Some(Shown::Session(UiEvent::Event { event, earlier })) if Fold::takes(event) => {
                self.show_new_day(viewer, streams);
                let ended = self.fold.push(event.clone(), *earlier, Instant::now());
                return self.write(&ended, viewer, streams);
            }
            _ => {}
        }
        let mut lines = shown_lines(shown, said, viewer, true);
        if !lines.is_empty() {
            if let Some((.., more @ 1..)) =
                self.refused.take_if(|_| !matches!(shown, Shown::Session(UiEvent::Refused(_))))
            {
                lines.insert(0, refused_again(more));
            }
            self.show_new_day(viewer, streams);
            self.end_fold(viewer, streams);
            if said.is_some() && rings(shown, viewer) {
                self.rows.any().ring(streams);
            }
            match shown {
                Shown::Session(UiEvent::Bye) | Shown::Terminal(TerminalEvent::CtrlCLeaves) => {
                    if *shown == Shown::Session(UiEvent::Bye) {
                        self.rows.any().end(streams);
                    }
                    let text: String = lines.iter().map(|line| viewer.prefix(line) + &line.text()).collect();
                    let rows = self.wrapped(&lines, viewer);
                    self.rows.any().write_over(&rows, &text, streams);
                }
                _ => self.write(&lines, viewer, streams),
            }
        }
        if matches!(shown, Shown::Session(UiEvent::Bye | UiEvent::Failed(_))) {
            self.end_fold(viewer, streams);
            self.rows.any().flush(streams);
        }
    }

    /// When something that waits has to be shown.
    pub(crate) fn due(&mut self) -> Option<Instant> {
        self.fold.due().into_iter().chain(self.rows.any().due()).min()
    }

    /// Shows what is due, and the new day.
    pub(crate) fn show_due(&mut self, now: Instant, viewer: &Viewer, streams: &mut Streams) {
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        self.show_new_day(viewer, streams);
        if is_due(self.fold.due()) {
            self.end_fold(viewer, streams);
        }
        if is_due(self.rows.any().due()) {
            self.rows.any().flush(streams);
        }
    }

    /// Whether this refusal was shown a moment ago, as when a paste is sent while its author is muted. It is
    /// then counted.
    fn repeats_refusal(&mut self, shown: &Shown) -> bool {
        let Shown::Session(UiEvent::Refused(text)) = shown else { return false };
        let now = Instant::now();
        let (last, at, more) = self.refused.get_or_insert_with(|| (String::new(), now, 0));
        let repeats = last == text && now.duration_since(*at) < REFUSAL_PAUSE;
        *at = now;
        *more += usize::from(repeats);
        last.clone_from(text);
        repeats
    }

    fn end_fold(&mut self, viewer: &Viewer, streams: &mut Streams) {
        let lines = self.fold.end();
        self.write(&lines, viewer, streams);
    }

    /// Tells that a day has ended, after everything that happened in it.
    fn show_new_day(&mut self, viewer: &Viewer, streams: &mut Streams) {
        let today = viewer.zone.local(viewer.now).date();
        if today != self.day {
            self.day.clone_from(&today);
            if !self.quiet {
                self.end_fold(viewer, streams);
                self.write(&[new_day(&today)], viewer, streams);
            }
        }
    }

    fn write(&mut self, lines: &[StyledLine], viewer: &Viewer, streams: &mut Streams) {
        if !lines.is_empty() {
            let rows = self.wrapped(lines, viewer);
            self.rows.any().write(&rows, streams);
        }
    }

    fn wrapped(&self, lines: &[StyledLine], viewer: &Viewer) -> Vec<String> {
        let (columns, color) = (self.size.columns(), self.color);
        lines.iter().flat_map(|line| wrap(&viewer.with_time(line), columns, color, line.max_rows)).collect()
    }
}

fn rings(shown: &Shown, viewer: &Viewer) -> bool {
    let Shown::Session(UiEvent::Event { event, earlier: false }) = shown else { return false };
    let concerns_person = match &event.kind {
        EventKind::Message { text, .. } | EventKind::Action { text, .. } => mentions(text, &viewer.own_name),
        EventKind::Private { .. } => true,
        _ => return false,
    };
    match viewer.bell {
        Bell::Off => false,
        Bell::Mention => concerns_person,
        Bell::All => true,
    }
}
