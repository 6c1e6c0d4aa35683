//! chat-client: arguments, logger, signals, exit code. Decides nothing else.

use chat_client::{
    input,
    screen::Screen,
    settings::{
        channels::{Input, Outcome, Stop, Wires},
        options::{self, Asked, Source, Surroundings},
    },
};
use crossbeam_channel::{bounded, RecvTimeoutError, Sender};
use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

/// Could not join, was refused, or was lost for good.
const FAILED: u8 = 1;
/// The arguments make no sense.
const WRONG_USAGE: u8 = 2;
/// Lines read ahead. Few: the session has a queue of its own for bad times.
const READ_AHEAD: usize = 16;
/// Wishes to leave that may gather; one would do.
const STOPS: usize = 4;
/// After a signal the session has so long to leave in good order, whatever it is waiting for. It says goodbye for up to 1 s.
const GRACE: Duration = Duration::from_millis(1500);

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let around = Surroundings {
        stdin_terminal: io::stdin().is_terminal(),
        stdout_terminal: io::stdout().is_terminal(),
        variable: &|name| std::env::var(name).ok(),
    };
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let options = match options::parse(arguments, &around) {
        Ok(Asked::Run(options)) => *options,
        Ok(Asked::Print(text)) => {
            return match io::stdout().lock().write_all(text.as_bytes()) {
                // Nobody reading it is no failure.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => cannot_write(&error.to_string()),
                _ => ExitCode::SUCCESS,
            };
        }
        Err(mistake) => return end_with(WRONG_USAGE, &mistake),
    };
    let source = match options.source {
        // Before the handler below, so that a signal still ends the program while it reads.
        Source::Whole => match input::whole(io::stdin().lock()) {
            Ok(text) => Source::Text(text),
            Err(mistake) => return end_with(WRONG_USAGE, &mistake),
        },
        other => other,
    };

    let (stop_tx, stop_rx) = bounded(STOPS);
    let screen = match Screen::open(options.screen, stop_tx.clone()) {
        Ok(screen) => Arc::new(screen),
        Err(error) => return end_with(FAILED, &format!("cannot write the transcript: {error}")),
    };
    // Dropped at the end of main, which is how the signal handler learns that it need not end the program itself.
    let (_ended_tx, ended_rx) = bounded::<()>(0);
    let interactive = options.join.interactive;
    let last_screen = Arc::clone(&screen);
    let handled = ctrlc::set_handler(move || {
        let _ = stop_tx.try_send(Stop::Now);
        if ended_rx.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
            // Nobody knows what became of a call that is not answered, and a script must not take it for done.
            if !interactive {
                std::process::exit(FAILED.into());
            }
            last_screen.last_word();
            std::process::exit(0);
        }
    });
    if let Err(error) = handled {
        log::warn!("signals end the program without a goodbye: {error}");
    }

    let (input_tx, input_rx) = bounded(READ_AHEAD);
    if let Err(error) = start_input(source, input_tx) {
        return end_with(FAILED, &format!("cannot read the input: {error}"));
    }
    let wires = Wires { input: input_rx, stop: stop_rx };
    let outcome = chat_client::run(&options.join, &wires, &|shown| screen.show(shown));
    match (outcome, screen.write_error()) {
        (_, Some(error)) => cannot_write(&error),
        (Outcome::Left, None) => ExitCode::SUCCESS,
        (Outcome::Failed(_), None) => ExitCode::from(FAILED),
    }
}

/// Has the input arrive: line by line from a thread that is never joined, or one message at once.
fn start_input(source: Source, input: Sender<Input>) -> io::Result<()> {
    if let Source::Text(text) = source {
        // The channel has room for both, and its other end is still here.
        let _ = input.try_send(Input::Text(text));
        let _ = input.try_send(Input::End);
        return Ok(());
    }
    thread::Builder::new()
        .name("stdin".into())
        .spawn(move || input::lines_loop(io::stdin().lock(), &input))?;
    Ok(())
}

fn cannot_write(error: &str) -> ExitCode {
    end_with(FAILED, &format!("cannot write: {error}"))
}

fn end_with(code: u8, reason: &str) -> ExitCode {
    // Without standard error the code has to do.
    let _ = writeln!(io::stderr().lock(), "chat-client: {reason}");
    ExitCode::from(code)
}
