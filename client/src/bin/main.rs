//! The program: arguments, logger, signals and exit code. Everything else is in the library.

mod user_side;

use crate::user_side::UserSide;
use chat_client::{
    cannot_read, parse_arguments, program, read_message, Channels, Environment, InputSource, Invocation,
    MessageError, Options, Outcome,
};
use chat_common::{
    program::{
        background_writer::{BackgroundWriter, EXIT_TIMEOUT},
        logging,
        on_drop::OnDrop,
        signals, tasks,
    },
    terminal::foreground::ForegroundInput,
};
use crossbeam_channel::bounded;
use std::{
    fs::File,
    io::{self, IsTerminal, Write},
    os::{fd::AsFd, unix::fs::FileTypeExt},
    process::ExitCode,
};

/// The client could not join, was refused, lost the server for good, or could not read its input or write
/// its output.
const FAILED: u8 = 1;
/// The arguments are not valid.
const WRONG_USAGE: u8 = 2;
/// How many lines are read ahead. A small number is enough, because the client has its own queue.
const READ_AHEAD_LINES: usize = 16;
/// How many requests to stop can wait. One is enough.
const STOP_CAPACITY: usize = 4;

/// The exit code of a program that has failed, and why.
type Failure = (u8, String);

/// Returns the failure for this reason, if it is not wrong usage.
fn failed(why: String) -> Failure {
    (FAILED, why)
}

fn main() -> ExitCode {
    let ignored = signals::at_start();
    let log = match logging::start("warn", io::stderr(), None) {
        Ok(log) => log,
        Err(error) => {
            // Without standard error, only the exit code can tell.
            let _ = writeln!(io::stderr(), "chat-client: cannot start the log: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let _finish_log = log.finish_on_drop(EXIT_TIMEOUT);
    let ended = match invocation() {
        Ok(Invocation::Run(options)) => chat(*options, &log, &ignored),
        Ok(Invocation::Print(text)) => print(&text),
        Err(why) => Err((WRONG_USAGE, why)),
    };
    ended.unwrap_or_else(|(code, why)| end_with(&log, code, &why))
}

fn invocation() -> Result<Invocation, String> {
    let environment = Environment {
        stdin_terminal: io::stdin().is_terminal(),
        stdout_terminal: io::stdout().is_terminal(),
        stdout_file: stdout_is_file().unwrap_or(false),
        // As the arguments: what is no text must not count as nothing.
        variable: &|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()),
    };
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    parse_arguments(&program(), arguments, &environment)
}

/// Takes part in the room.
///
/// # Blocking
/// Until the client has left.
fn chat(
    mut options: Options,
    log: &BackgroundWriter,
    ignored: &signals::IgnoredAtStart,
) -> Result<ExitCode, Failure> {
    #[cfg(feature = "closed")]
    chat_client::load_credentials(&mut options.join.access, options.passphrase.as_ref()).map_err(failed)?;
    let operator = options.operator.as_ref().map(|source| source.read("the operators' file"));
    options.join.operator.passphrase = operator.transpose().map_err(failed)?;
    if options.source == InputSource::StdinMessage {
        // This happens before the signal handler is set, so that a signal still ends the program while it
        // reads.
        let text = read_message(ForegroundInput::new(|| {})).map_err(|error| match error {
            MessageError::Invalid(why) => (WRONG_USAGE, why),
            MessageError::Unreadable(error) => failed(cannot_read(&error)),
        })?;
        options.source = InputSource::Message(text);
    }
    let ((stop_tx, stop_rx), (input_tx, input_rx)) = (bounded(STOP_CAPACITY), bounded(READ_AHEAD_LINES));
    let user = UserSide::open(&options, log, input_tx, &stop_tx)?;
    let _close = OnDrop(|| user.close());
    // The signal handler ends the program itself if this takes too long.
    let (_held_to_the_end, running) = tasks::begin();
    if let Err(error) = user.clone().handle_signals(stop_tx, running) {
        log::warn!("signals end the program without a goodbye: {error}");
    }
    ignored.ignore_again();
    user.clone().start_input(&options).map_err(|error| failed(cannot_read(&error)))?;
    let channels = Channels { input_rx, stop_rx };
    let outcome = chat_client::run(&options.join, &channels, &|event| user.show(event));
    if matches!(outcome, Outcome::Failed(_)) && options.join.interactive {
        user.person.wait_for_enter(&channels);
    }
    if let Some(error) = user.screen.write_error() {
        return Err(failed(format!("cannot write: {error}")));
    }
    let is_whole = user.screen.transcript_is_complete() && !user.person.forgot_paste();
    // The reason has been shown.
    Ok(if outcome == Outcome::Left && is_whole { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// Whether standard output is a file or a device that is not a terminal, and so neither a pipe nor a socket.
fn stdout_is_file() -> io::Result<bool> {
    let kind = File::from(io::stdout().as_fd().try_clone_to_owned()?).metadata()?.file_type();
    Ok(kind.is_file() || kind.is_char_device() && !io::stdout().is_terminal())
}

/// Prints a text for a person who asked for it, and then wants it complete.
///
/// # Blocking
/// On the reader of standard output.
fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // It is not a failure when nobody reads the text.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(failed(format!("cannot write: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn end_with(log: &BackgroundWriter, code: u8, reason: &str) -> ExitCode {
    log.write_text(&format!("chat-client: {reason}\n"));
    ExitCode::from(code)
}
