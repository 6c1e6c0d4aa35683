//! Keeps the line whole that the operator is typing: the log and the console's answers go above it.
//!
//! The stream gets whole lines. Each row of one is a single write, so that a typed key that the terminal
//! echoes cannot land inside it (see [`rows`](chat_common::terminal::rows)).

use chat_common::{
    terminal::{
        color::Style,
        rows::{above_typed_line, CLEAR_ROW},
        shell_probe::TerminalSize,
        wrap::wrap,
    },
    text::escape::escape_text,
};
use std::{
    io::{self, Write},
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        Arc, Mutex, PoisonError,
    },
};

/// A longer line is written in parts. In bytes.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Whether a person is typing a line, and how wide the terminal is. Clones share it all.
#[derive(Clone, Default)]
pub(crate) struct PromptGuard {
    is_open: Arc<AtomicBool>,
    /// Held while the rows of one line are written, so that no line of another stream lands between them.
    /// All these streams go to the same terminal: where one waits for it, the other would wait as well.
    rows: Arc<Mutex<()>>,
    size: TerminalSize,
}

impl PromptGuard {
    /// Asks for the width of the terminal, and follows its changes. Comes before [`PromptGuard::open`]: a row
    /// that is written before the width is known may be wider than the terminal.
    ///
    /// # Blocking
    /// On the program `stty`, for some milliseconds.
    ///
    /// # Errors
    /// When the system gives no process or no thread. The width is then that of a usual terminal.
    pub(crate) fn follow_size(&self) -> io::Result<()> {
        self.size.follow().map(drop)
    }

    /// Protects the typed line from now on.
    pub(crate) fn open(&self) {
        self.is_open.store(true, Relaxed);
    }

    /// Nobody types any more. The next line takes the place of what is typed.
    pub(crate) fn close(&self) {
        self.is_open.store(false, Relaxed);
    }
}

/// A stream to a terminal on which a person may be typing.
pub(crate) struct AboveTypedLine<W> {
    stream: W,
    guard: PromptGuard,
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    /// Whether the last line went above the typed one.
    was_open: bool,
}

impl<W: Write> AboveTypedLine<W> {
    /// Returns a stream that writes to `stream` as it is, as long as `guard` is not open.
    pub(crate) fn new(stream: W, guard: PromptGuard) -> AboveTypedLine<W> {
        AboveTypedLine { stream, guard, begun: Vec::new(), was_open: false }
    }

    fn write_line(&mut self, bytes: &[u8]) -> io::Result<()> {
        let is_open = self.guard.is_open.load(Relaxed);
        let was_open = std::mem::replace(&mut self.was_open, is_open);
        if !is_open {
            let before = if was_open { CLEAR_ROW } else { "" };
            return self.stream.write_all(&[before.as_bytes(), bytes].concat());
        }
        let text = String::from_utf8_lossy(bytes);
        let rows = wrap(&spans(text.trim_end_matches('\n')), self.guard.size.columns(), true, usize::MAX);
        let _rows = self.guard.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.iter().try_for_each(|row| self.stream.write_all(above_typed_line(row).as_bytes()))
    }
}

impl<W: Write> Write for AboveTypedLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_used = self.was_open || !self.begun.is_empty() || self.guard.is_open.load(Relaxed);
        if !is_used {
            return self.stream.write(bytes);
        }
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(part);
            if part.ends_with(b"\n") || self.begun.len() >= MAX_LINE_BYTES {
                let line = std::mem::take(&mut self.begun);
                self.write_line(&line)?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Returns the spans of a text that a program has colored. Every other escape sequence is escaped.
fn spans(text: &str) -> Vec<(Style, String)> {
    let mut spans = Vec::new();
    let mut style = Style::Text;
    for (index, part) in text.split("\x1b[").enumerate() {
        let mut shown = part;
        if index > 0 {
            let codes = part.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(part.len());
            match part[codes..].strip_prefix('m') {
                Some(rest) => {
                    let codes = &part[..codes];
                    style = if codes.trim_matches('0').is_empty() {
                        Style::Text
                    } else {
                        Style::Codes(codes.into())
                    };
                    shown = rest;
                }
                None => spans.push((style.clone(), escape_text("\x1b["))),
            }
        }
        spans.push((style.clone(), escape_text(shown)));
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(lines: &[&str], guard: &PromptGuard) -> String {
        let mut stream = AboveTypedLine::new(Vec::new(), guard.clone());
        lines.iter().for_each(|line| stream.write_all(line.as_bytes()).unwrap());
        String::from_utf8(stream.stream).unwrap()
    }

    #[test]
    fn each_whole_line_goes_above_the_typed_one_while_there_is_one() {
        let guard = PromptGuard::default();
        assert_eq!(written(&["one\ntwo"], &guard), "one\ntwo");
        guard.is_open.store(true, Relaxed);
        let expected = above_typed_line("one") + &above_typed_line("two");
        assert_eq!(written(&["one\nt", "wo\nthr"], &guard), expected);
    }

    #[test]
    fn the_rows_of_a_line_stay_together_while_another_stream_writes() {
        /// A terminal to which two streams write, a row at a time.
        #[derive(Clone, Default)]
        struct Terminal(Arc<Mutex<Vec<u8>>>);
        impl Write for Terminal {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                std::thread::yield_now();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (terminal, guard) = (Terminal::default(), PromptGuard::default());
        guard.is_open.store(true, Relaxed);
        let lines = ["a", "b"].map(|letter| letter.repeat(200) + "\n");
        std::thread::scope(|scope| {
            for line in &lines {
                let mut stream = AboveTypedLine::new(terminal.clone(), guard.clone());
                let write = move || (0..500).for_each(|_| stream.write_all(line.as_bytes()).unwrap());
                std::thread::Builder::new().name("stream".into()).spawn_scoped(scope, write).unwrap();
            }
        });
        let text = String::from_utf8(terminal.0.lock().unwrap().clone()).unwrap();
        let mut rest = text.as_str();
        let wholes = lines.map(|line| written(&[&line], &guard));
        while !rest.is_empty() {
            rest = wholes.iter().find_map(|whole| rest.strip_prefix(whole)).expect("no line is torn");
        }
    }

    #[test]
    fn the_first_line_after_the_typed_one_clears_its_row() {
        let guard = PromptGuard::default();
        guard.is_open.store(true, Relaxed);
        let mut stream = AboveTypedLine::new(Vec::new(), guard.clone());
        stream.write_all(b"one\n").unwrap();
        guard.close();
        stream.write_all(b"two\nthree\n").unwrap();
        let text = String::from_utf8(stream.stream).unwrap();
        let expected = above_typed_line("one") + CLEAR_ROW + "two\nthree\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn colors_stay_and_every_other_escape_sequence_is_shown_as_text() {
        let spans = spans("\x1b[32mINFO \x1b[0m a\x1b[2Jb");
        let text: Vec<(Style, &str)> = spans.iter().map(|(style, text)| (style.clone(), &**text)).collect();
        let plain = |text| (Style::Text, text);
        let green = Style::Codes("32".to_owned());
        assert_eq!(text, [plain(""), (green, "INFO "), plain(" a"), plain("\\u{1b}["), plain("2Jb")]);
    }
}
