//! One line to show, before it becomes rows. No I/O.

use chat_common::{
    terminal::{color::Style, wrap::MAX_ROWS},
    text::escape::escape_text,
};

/// One line to show. A line end inside a span begins an indented line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StyledLine {
    pub(crate) spans: Vec<(Style, String)>,
    /// Whether the line is about an error. If the output is not a terminal, it goes to standard error.
    pub(crate) is_error: bool,
    /// When it happened, in milliseconds since the epoch. `None` means now.
    pub(crate) time: Option<u64>,
    /// How many rows of it a terminal shows.
    pub(crate) max_rows: usize,
}

impl StyledLine {
    pub(crate) fn system(text: impl Into<String>) -> StyledLine {
        StyledLine { spans: vec![(Style::Dim, text.into())], is_error: false, time: None, max_rows: MAX_ROWS }
    }

    /// A line about the session or the terminal, such as `--- connected again ---`.
    pub(crate) fn notice(text: impl std::fmt::Display) -> StyledLine {
        StyledLine::system(format!("--- {text} ---"))
    }

    pub(crate) fn error(text: impl Into<String>) -> StyledLine {
        StyledLine { is_error: true, ..StyledLine::system(text) }
    }

    /// A person's line: `before`, the name in `tag`, and the text after a space.
    pub(crate) fn of_person(before: &str, name: String, tag: String, style: Style, text: &str) -> StyledLine {
        let mut spans = vec![(Style::Name(name), tag), (Style::Text, " ".into()), (style, escape_text(text))];
        if !before.is_empty() {
            spans.insert(0, (Style::Text, before.into()));
        }
        StyledLine { spans, is_error: false, time: None, max_rows: MAX_ROWS }
    }

    /// Marks the line of an event that happened before the join.
    pub(crate) fn earlier(mut self, earlier: bool) -> StyledLine {
        if earlier {
            self.spans.insert(0, (Style::Dim, "(earlier) ".into()));
        }
        self
    }

    /// Returns the text without styles.
    pub(crate) fn text(&self) -> String {
        self.spans.iter().map(|(_, text)| text.as_str()).collect()
    }
}
