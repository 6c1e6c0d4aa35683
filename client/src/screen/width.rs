//! The width of the terminal, always known before an event is shown.
//!
//! std cannot ask for the size of a terminal, and cannot handle the signal WINCH, which the system sends to every process
//! in the foreground when the size changes. A shell can do both. So a small shell script runs as long as the client. It
//! prints the size at the start, after each WINCH, and after CONT (the size may have changed while the client was stopped).
//! The thread `width` reads these lines and stores the width.
//!
//! Invariant: the shell ends when the client ends, even after `kill -9`. Its standard input is a pipe from the client, and
//! `cat` reads that pipe. The system closes the pipe together with the client; then `cat` ends, and the shell after it.

use std::{
    io::{self, BufRead, BufReader},
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        Arc,
    },
    thread,
};

/// The width of a terminal whose size is unknown. In cells.
const DEFAULT_WIDTH: usize = 80;

/// Prints `ROWS COLUMNS`, or an empty line if the size is unknown.
///
/// A signal ends `wait` with a status above 128, and then its trap runs. The shell waits again until `cat` has ended.
/// Without `3<&0`, the shell would connect a background process to /dev/null.
const SCRIPT: &str = "
print_size() { stty size </dev/tty || echo; }
trap print_size WINCH CONT
exec 3<&0
cat <&3 >/dev/null &
print_size
while wait $!; [ $? -gt 128 ]; do :; done
";

/// The width of the terminal. The default never changes.
pub(crate) struct TerminalWidth {
    cells: Arc<AtomicUsize>,
}

impl Default for TerminalWidth {
    fn default() -> TerminalWidth {
        TerminalWidth { cells: Arc::new(AtomicUsize::new(DEFAULT_WIDTH)) }
    }
}

impl TerminalWidth {
    /// Asks for the width, and starts the thread and the shell that follow its changes.
    ///
    /// # Blocking
    /// On the first line from the shell, for some milliseconds.
    pub(crate) fn start() -> TerminalWidth {
        let width = TerminalWidth::default();
        if let Err(error) = follow(&width.cells) {
            log::warn!("the width of the terminal is unknown: {error}");
        }
        width
    }

    /// Returns the current width in cells.
    pub(crate) fn cells(&self) -> usize {
        self.cells.load(Relaxed)
    }
}

fn follow(cells: &Arc<AtomicUsize>) -> io::Result<()> {
    let mut shell = Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = shell.stdout.take().expect("standard output is a pipe, see above");
    let mut widths = BufReader::new(stdout).lines().map_while(Result::ok).map(|line| parse_width(&line));
    let store = |cells: &AtomicUsize, width: Option<usize>| {
        if let Some(width) = width {
            cells.store(width, Relaxed);
        }
    };
    store(cells, widths.next().flatten());
    let cells = Arc::clone(cells);
    // The thread owns the client's end of the pipe, and keeps it until the shell has ended.
    thread::Builder::new().name("width".into()).spawn(move || {
        widths.for_each(|width| store(&cells, width));
        shell.wait()
    })?;
    Ok(())
}

fn parse_width(size: &str) -> Option<usize> {
    size.split_once(' ')?.1.trim().parse().ok().filter(|width| *width > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::bounded;
    use std::time::Duration;

    #[test]
    fn a_size_is_rows_and_columns() {
        assert_eq!(parse_width("24 80"), Some(80));
        assert_eq!(parse_width("0 0"), None);
        assert_eq!(parse_width(""), None);
    }

    #[test]
    fn the_shell_prints_a_line_even_without_a_terminal_and_ends_with_its_input() {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(shell.stdout.take().unwrap()).lines();
        assert!(lines.next().is_some());
        let (ended_tx, ended_rx) = bounded(1);
        drop(shell.stdin.take());
        thread::spawn(move || ended_tx.send(shell.wait().unwrap()));
        assert!(ended_rx.recv_timeout(Duration::from_secs(20)).expect("the shell ends").success());
        assert!(lines.next().is_none(), "no process holds the pipe");
    }
}
