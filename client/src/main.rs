//! The program: arguments, logger, signals and exit code. Everything else is in the library.

use chat_client::{
    parse_arguments, read_lines_loop, read_message, Channels, Environment, Input, InputSource, Invocation,
    Outcome, Screen, Stop,
};
use crossbeam_channel::{bounded, RecvTimeoutError, Sender};
use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

/// The client could not join, was refused, or lost the server for good.
const FAILED: u8 = 1;
/// The arguments are not valid.
const WRONG_USAGE: u8 = 2;
/// How many lines are read ahead. A small number is enough, because the client has its own queue.
const READ_AHEAD_LINES: usize = 16;
/// How many requests to stop can wait. One is enough.
const STOP_CAPACITY: usize = 4;
/// How long the client may take to leave after a signal, whatever it waits for. `Leave` itself takes up to 1
/// s.
const LEAVE_GRACE: Duration = Duration::from_millis(1500);

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let environment = Environment {
        stdin_terminal: io::stdin().is_terminal(),
        stdout_terminal: io::stdout().is_terminal(),
        variable: &|name| std::env::var(name).ok(),
    };
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let options = match parse_arguments(arguments, &environment) {
        Ok(Invocation::Run(options)) => *options,
        Ok(Invocation::Print(text)) => {
            return match io::stdout().lock().write_all(text.as_bytes()) {
                // It is not a failure when nobody reads the text.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => cannot_write(&error.to_string()),
                _ => ExitCode::SUCCESS,
            };
        }
        Err(error) => return end_with(WRONG_USAGE, &error),
    };
    let source = match options.source {
        // This happens before the signal handler is set, so that a signal still ends the program while it
        // reads.
        InputSource::StdinMessage => match read_message(io::stdin().lock()) {
            Ok(text) => InputSource::Message(text),
            Err(error) => return end_with(WRONG_USAGE, &error),
        },
        other => other,
    };

    let (stop_tx, stop_rx) = bounded(STOP_CAPACITY);
    let screen = match Screen::open(options.screen, stop_tx.clone()) {
        Ok(screen) => Arc::new(screen),
        Err(error) => return end_with(FAILED, &format!("cannot write the transcript: {error}")),
    };
    // The end of main drops this sender. That tells the signal handler not to end the program itself.
    let (_ended_tx, ended_rx) = bounded::<()>(0);
    let interactive = options.join.interactive;
    let handler_screen = Arc::clone(&screen);
    let handled = ctrlc::set_handler(move || {
        let _ = stop_tx.try_send(Stop::Now);
        if ended_rx.recv_timeout(LEAVE_GRACE) == Err(RecvTimeoutError::Timeout) {
            // The last call has no reply, so its result is unknown. A script must not take it for a success.
            if !interactive {
                std::process::exit(FAILED.into());
            }
            handler_screen.try_show_bye();
            std::process::exit(0);
        }
    });
    if let Err(error) = handled {
        log::warn!("signals end the program without a goodbye: {error}");
    }

    let (input_tx, input_rx) = bounded(READ_AHEAD_LINES);
    if let Err(error) = start_input(source, input_tx) {
        return end_with(FAILED, &format!("cannot read the input: {error}"));
    }
    let channels = Channels { input_rx, stop_rx };
    let outcome = chat_client::run(&options.join, &channels, &|event| screen.show(event));
    match (outcome, screen.write_error()) {
        (_, Some(error)) => cannot_write(&error),
        (Outcome::Left, None) => ExitCode::SUCCESS,
        (Outcome::Failed(_), None) => ExitCode::from(FAILED),
    }
}

/// Starts the thread `stdin`, which is never joined. A message from the command line needs no thread.
fn start_input(source: InputSource, input_tx: Sender<Input>) -> io::Result<()> {
    if let InputSource::Message(text) = source {
        // The channel has room for both, and its receiver still exists.
        let _ = input_tx.try_send(Input::Text(text));
        let _ = input_tx.try_send(Input::End);
        return Ok(());
    }
    thread::Builder::new()
        .name("stdin".into())
        .spawn(move || read_lines_loop(io::stdin().lock(), &input_tx))?;
    Ok(())
}

fn cannot_write(error: &str) -> ExitCode {
    end_with(FAILED, &format!("cannot write: {error}"))
}

fn end_with(code: u8, reason: &str) -> ExitCode {
    // Without standard error, only the exit code can tell.
    let _ = writeln!(io::stderr().lock(), "chat-client: {reason}");
    ExitCode::from(code)
}
