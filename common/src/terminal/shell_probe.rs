//! What a shell beside the program knows of the terminal: its size, and whether Ctrl-C was typed there.
//!
//! The size is known before an event is shown, unless the shell or `stty` hangs.
//!
//! std cannot ask for the size of a terminal, and cannot handle the signal WINCH, which the system sends to
//! every process in the foreground when the size changes. A shell can do both. So a small shell script runs
//! as long as the program. It prints the size at the start, after each WINCH, and after CONT (the size may
//! have changed while the program was stopped). The thread `width` reads these lines and stores the size.
//!
//! A new size arrives some milliseconds after the change. A row that is written in between, on a terminal
//! that became narrower, is cut at the edge.
//!
//! Ctrl-C on a terminal sends INT to every process in the foreground, to the shell as well. A signal that
//! comes to the program alone, such as TERM, does not reach the shell. The program cannot tell its signals
//! apart, so it asks the shell with USR1. A shell runs the traps of waiting signals in the order of their
//! numbers, and INT has a lower one: so it says that it was interrupted before it says that it was asked.
//!
//! Invariant: the shell ends when the program ends, even after `kill -9`. Its standard input is a pipe from
//! the program, and `cat` reads that pipe. The system closes the pipe together with the program; then `cat`
//! ends, and the shell after it.

use crate::program::tasks;
use crossbeam_channel::{bounded, Receiver};
use std::{
    io::{self, BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        Arc, OnceLock,
    },
    thread,
    time::Duration,
};

/// The size of a terminal that does not tell it.
const DEFAULT_ROWS: usize = 24;
const DEFAULT_COLUMNS: usize = 80;

/// How long the shell may take to reply. It takes milliseconds, unless it was stopped or hangs.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);
/// What the shell prints after Ctrl-C, and when it is asked.
const INTERRUPTED: &str = "interrupted";
const ASKED: &str = "asked";

/// Prints `ROWS COLUMNS`, or an empty line if the size is unknown. After INT and USR1 it prints a word.
///
/// A signal ends `wait` with a status above 128, and then its trap runs. The shell waits again until `cat`
/// has ended. Without `3<&0`, the shell would connect a background process to /dev/null.
const SCRIPT: &str = "
print_size() { stty size </dev/tty || echo; }
trap print_size WINCH CONT
trap 'echo interrupted' INT
trap 'echo asked' USR1
exec 3<&0
cat <&3 >/dev/null &
print_size
while wait $!; [ $? -gt 128 ]; do :; done
";

/// The size of the terminal. Clones share it.
#[derive(Clone, Default)]
pub struct TerminalSize(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Both are 0 if unknown.
    rows: AtomicUsize,
    columns: AtomicUsize,
    on_change: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl TerminalSize {
    /// Returns the current height in rows.
    pub fn rows(&self) -> usize {
        known_or(DEFAULT_ROWS, &self.0.rows)
    }

    /// Returns the current width in cells.
    pub fn columns(&self) -> usize {
        known_or(DEFAULT_COLUMNS, &self.0.columns)
    }

    /// Calls `on_change` after each change of the size, on the thread `width`, and after each CONT. The first
    /// call of this function decides.
    pub fn on_change(&self, on_change: impl Fn() + Send + Sync + 'static) {
        let _ = self.0.on_change.set(Box::new(on_change));
    }

    /// Takes a line such as `24 80`: rows and columns. Any other line changes nothing.
    fn set(&self, line: &str) {
        if let Some((rows, columns)) = line.split_once(' ') {
            for (number, size) in [(rows, &self.0.rows), (columns, &self.0.columns)] {
                number.trim().parse().iter().for_each(|number| size.store(*number, Relaxed));
            }
        }
        self.0.on_change.get().iter().for_each(|on_change| on_change());
    }

    /// Asks for the size, and starts the thread and the shell that follow its changes.
    ///
    /// # Blocking
    /// On the first line from the shell, for some milliseconds; [`REPLY_TIMEOUT`] at most.
    ///
    /// # Errors
    /// When the system gives no process or no thread.
    pub fn follow(&self) -> io::Result<SignalSource> {
        let mut shell = start_shell()?;
        let stdout = shell.stdout.take().expect("standard output is a pipe");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let terminal = self.clone();
        let (reply_tx, reply_rx) = bounded(1);
        let source = SignalSource { shell: shell.id(), reply_rx };
        let (measuring, tasks) = tasks::begin();
        // The thread owns this program's end of the pipe until the shell has ended.
        thread::Builder::new().name("width".into()).spawn(move || {
            lines.next().iter().for_each(|size| terminal.set(size));
            drop(measuring);
            let mut interrupted = false;
            for line in lines {
                match line.as_str() {
                    INTERRUPTED => interrupted = true,
                    // A full channel has a reply that came too late. The next question throws it away.
                    ASKED => drop(reply_tx.try_send(std::mem::take(&mut interrupted))),
                    size => terminal.set(size),
                }
            }
            // From here on nobody sends a signal to the shell, whose number may soon be another process's.
            drop(reply_tx);
            shell.wait()
        })?;
        // A size that comes later counts from then on.
        tasks.wait_for(REPLY_TIMEOUT);
        Ok(source)
    }
}

fn known_or(default: usize, size: &AtomicUsize) -> usize {
    match size.load(Relaxed) {
        0 => default,
        known => known,
    }
}

/// Knows whether a signal to the program comes from Ctrl-C on the terminal.
#[derive(Debug)]
pub struct SignalSource {
    /// The process id of the shell.
    shell: u32,
    /// Whether the shell was interrupted since the last question. Disconnected when the shell has ended.
    reply_rx: Receiver<bool>,
}

impl SignalSource {
    /// Whether Ctrl-C was typed since the last call. False if the shell does not reply.
    ///
    /// # Blocking
    /// On the shell, for some milliseconds; [`REPLY_TIMEOUT`] at most.
    pub fn was_ctrl_c(&self) -> bool {
        let gone = loop {
            match self.reply_rx.try_recv() {
                Ok(_) => {}
                Err(error) => break error.is_disconnected(),
            }
        };
        // std can send no signal but KILL, and not every machine has a program `kill`.
        let mut ask = Command::new("sh");
        // The shell may have ended just now, as after a signal to the whole group. Then `kill` complains.
        ask.args(["-c", "kill -s USR1 $0", &self.shell.to_string()]).stderr(Stdio::null());
        !gone && ask.status().is_ok() && self.reply_rx.recv_timeout(REPLY_TIMEOUT) == Ok(true)
    }
}

fn start_shell() -> io::Result<Child> {
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::signals;

    #[test]
    fn a_size_is_rows_and_columns_and_an_unknown_size_changes_nothing() {
        let terminal = TerminalSize::default();
        assert_eq!(terminal.columns(), 80);
        terminal.set("24 30");
        terminal.set("");
        assert_eq!(terminal.columns(), 30);
        terminal.set("0 0");
        assert_eq!(terminal.columns(), 80);
    }

    #[test]
    fn a_signal_is_ctrl_c_if_the_shell_was_interrupted_as_well() {
        // The tests may run behind a shell's `&`.
        signals::heed_stopping();
        let source = TerminalSize::default().follow().unwrap();
        assert!(!source.was_ctrl_c());
        for _ in 0..2 {
            let shell = source.shell.to_string();
            assert!(Command::new("sh").args(["-c", "kill -s INT $0", &shell]).status().unwrap().success());
            assert!(source.was_ctrl_c());
            assert!(!source.was_ctrl_c());
        }
        assert!(Command::new("sh")
            .args(["-c", "kill -s KILL $0", &source.shell.to_string()])
            .status()
            .unwrap()
            .success());
        assert!(!source.was_ctrl_c());
    }

    #[test]
    fn the_shell_prints_a_line_even_without_a_terminal_and_ends_with_its_input() {
        let mut shell = start_shell().unwrap();
        let mut lines = BufReader::new(shell.stdout.take().unwrap()).lines();
        assert!(lines.next().is_some());
        let (ended_tx, ended_rx) = bounded(1);
        drop(shell.stdin.take());
        thread::spawn(move || ended_tx.send((shell.wait().unwrap(), lines.count())));
        let (status, more_lines) = ended_rx.recv_timeout(Duration::from_secs(20)).expect("the shell ends");
        assert!(status.success() && more_lines == 0);
    }
}
