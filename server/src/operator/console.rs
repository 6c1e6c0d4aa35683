//! The console: reads the operator's commands from standard input. Runs on the thread `console`.
//!
//! std cannot wake a thread from that read, so it is not joined. It ends with the process.

use super::commands::Commands;
use chat_common::{program::background_writer::BackgroundWriter, text::invisible::trim};
use log::{info, warn};
use std::{
    io::{self, BufRead, Read},
    sync::Arc,
};

/// A longer line is read to its end, but not kept. No command needs more. In bytes.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// So many ends without a line between them are those of a terminal that is gone: nobody types Ctrl-D as
/// often.
const ENDS_OF_A_LOST_TERMINAL: usize = 1000;

/// The operator at the server's standard input.
pub(crate) struct Console {
    /// Whether standard input is a terminal, where more can come after an end.
    pub(crate) on_terminal: bool,
    pub(crate) commands: Arc<Commands>,
    pub(crate) output: BackgroundWriter,
}

impl Console {
    /// Reads commands until the input ends, and logs why it ended. The room goes on after that. On a
    /// terminal, Ctrl-D does not end it.
    ///
    /// # Blocking
    /// On the input, without a limit. On the commands, see [`Commands::run`].
    pub(crate) fn run_loop(&self, mut input: impl BufRead) {
        let mut ends = 0;
        loop {
            let line = read_line(&mut input);
            ends = if matches!(line, Ok(None)) { ends + 1 } else { 0 };
            let reply = match line {
                Ok(Some(Line::Complete(line))) if trim(&line).is_empty() => continue,
                Ok(Some(Line::Complete(line))) => self.commands.run(&line).unwrap_or_else(|why| why),
                Ok(Some(Line::TooLong)) => {
                    format!("a line of more than {MAX_LINE_BYTES} bytes is no command of the server")
                }
                Ok(None) if self.on_terminal && ends < ENDS_OF_A_LOST_TERMINAL => {
                    "Ctrl-D ends nothing here; /stop stops the server".to_owned()
                }
                Ok(None) => return info!("the console has ended: the end of its input"),
                Err(error) => return warn!("the console has ended: cannot read standard input: {error}"),
            };
            self.output.write_text(&(reply + "\n"));
        }
    }
}

/// One line of the input.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// Bytes that are not UTF-8 are replaced, because one wrong key must not end the console.
    Complete(String),
    TooLong,
}

/// Reads a line to its end. Returns `None` at the end of the input.
///
/// # Errors
/// When the input cannot be read.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    input.take(MAX_LINE_BYTES as u64 + 1).read_until(b'\n', &mut bytes)?;
    if bytes.len() > MAX_LINE_BYTES && !bytes.ends_with(b"\n") {
        input.skip_until(b'\n')?;
        return Ok(Some(Line::TooLong));
    }
    Ok((!bytes.is_empty()).then(|| Line::Complete(String::from_utf8_lossy(&bytes).into_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_text_whatever_its_bytes_are_and_has_a_maximum_length() {
        let longest = "x".repeat(MAX_LINE_BYTES);
        let mut bytes = b"/who\xff\n\n".to_vec();
        bytes.extend(format!("{longest}\n{longest}x\n{longest}{longest}{longest}\nlast").bytes());
        let mut input = &bytes[..];
        let complete = |text: &str| Some(Line::Complete(text.to_owned()));
        for expected in [
            complete("/who\u{fffd}\n"),
            complete("\n"),
            complete(&format!("{longest}\n")),
            Some(Line::TooLong),
            Some(Line::TooLong),
            complete("last"),
            None,
        ] {
            assert_eq!(read_line(&mut input).unwrap(), expected);
        }
    }
}
