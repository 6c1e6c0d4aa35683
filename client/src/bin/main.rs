//! The program: arguments, logger, signals and exit code. Everything else is in the library.

use chat_client::{
    cannot_read, guard_pastes_loop, help_text, parse_arguments, read_lines_loop, read_message,
    read_objects_loop, read_typed_loop, Channels, Editor, Environment, Input, InputSource, Invocation,
    MessageError, Options, Outcome, Person, Screen, Stop, TerminalEvent, Typed, Utterance,
};
use chat_common::{
    program::{
        background_writer::{BackgroundWriter, EXIT_TIMEOUT, FORCED_EXIT_TIMEOUT},
        logging,
        on_drop::OnDrop,
        signals,
        tasks::{self, Tasks},
    },
    terminal::foreground::ForegroundInput,
};
use crossbeam_channel::{bounded, Sender};
use std::{
    fs::File,
    io::{self, BufReader, IsTerminal, Write},
    os::{fd::AsFd, unix::fs::FileTypeExt},
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// The client could not join, was refused, lost the server for good, or could not read its input or write
/// its output.
const FAILED: u8 = 1;
/// The arguments are not valid.
const WRONG_USAGE: u8 = 2;
/// How many lines are read ahead. A small number is enough, because the client has its own queue.
const READ_AHEAD_LINES: usize = 16;
/// How many typed lines are read ahead. Nobody types as many while the client waits for the server, and even
/// lines of the greatest length take less than 4 MiB.
const TYPE_AHEAD_LINES: usize = 1000;
/// How many requests to stop can wait. One is enough.
const STOP_CAPACITY: usize = 4;
/// How long the client may take to leave after a signal, whatever it waits for. `Leave` itself takes up to 1
/// s.
const LEAVE_GRACE: Duration = Duration::from_millis(1500);

fn main() -> ExitCode {
    let ignored = signals::at_start();
    let log = match logging::start("warn", io::stderr()) {
        Ok(log) => log,
        Err(error) => {
            // Without standard error, only the exit code can tell.
            let _ = writeln!(io::stderr(), "chat-client: cannot start the log: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let _finish_log = log.finish_on_drop(EXIT_TIMEOUT);
    let environment = Environment {
        stdin_terminal: io::stdin().is_terminal(),
        stdout_terminal: io::stdout().is_terminal(),
        stdout_file: stdout_is_file().unwrap_or(false),
        // As the arguments: what is no text must not count as nothing.
        variable: &|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()),
    };
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let mut options = match parse_arguments(arguments, &environment) {
        Ok(Invocation::Run(options)) => *options,
        Ok(Invocation::Help) => return print(&log, &help_text()),
        Ok(Invocation::Print(text)) => return print(&log, &text),
        Err(error) => return end_with(&log, WRONG_USAGE, &error),
    };
    #[cfg(feature = "closed")]
    if let Err(why) = chat_client::load_credentials(&mut options.join, options.passphrase.as_ref()) {
        return end_with(&log, FAILED, &why);
    }
    if options.source == InputSource::StdinMessage {
        // This happens before the signal handler is set, so that a signal still ends the program while it
        // reads.
        options.source = match read_message(ForegroundInput::new(|| {})) {
            Ok(text) => InputSource::Message(text),
            Err(MessageError::Invalid(why)) => return end_with(&log, WRONG_USAGE, &why),
            Err(MessageError::Unreadable(error)) => return end_with(&log, FAILED, &cannot_read(&error)),
        };
    }

    let (stop_tx, stop_rx) = bounded(STOP_CAPACITY);
    let mut screen_options = options.screen.clone();
    let edits = Editor::is_for(&screen_options);
    // The client draws the typed line itself then, and the system echoes nothing.
    screen_options.typing &= !edits;
    let screen = match Screen::open(&screen_options, log.clone(), stop_tx.clone()) {
        Ok(screen) => Arc::new(screen),
        Err(error) => return end_with(&log, FAILED, &error),
    };
    let editor = match edits.then(|| Editor::open(&screen)).transpose() {
        Ok(editor) => editor,
        Err(error) => return end_with(&log, FAILED, &format!("cannot edit on this terminal: {error}")),
    };
    let _close_editor = editor.clone().map(|editor| OnDrop(move || editor.close()));
    let (input_tx, input_rx) = bounded(READ_AHEAD_LINES);
    let person_screen = Arc::clone(&screen);
    let show = move |shown| person_screen.show(shown);
    let asks_name = options.join.name.is_none();
    let person = Arc::new(Person::new(asks_name, edits, input_tx, stop_tx.clone(), show));
    let restored = Arc::clone(&person);
    let _restore_terminal = OnDrop(move || restored.restore_terminal());
    if !edits {
        let continued = Arc::clone(&person);
        screen.on_continued(move || continued.hide_again());
    }
    // The signal handler ends the program itself if this takes too long.
    let (_held_to_the_end, running) = tasks::begin();
    let stop = Terminal {
        interactive: options.join.interactive,
        screen: Arc::clone(&screen),
        editor: editor.clone(),
        person: Arc::clone(&person),
        log: log.clone(),
    };
    if let Err(error) = stop.handle_signals(stop_tx, running) {
        log::warn!("signals end the program without a goodbye: {error}");
    }
    ignored.ignore_again();

    if let Err(error) = start_input(&options, editor.clone(), &person) {
        return end_with(&log, FAILED, &cannot_read(&error));
    }
    let channels = Channels { input_rx, stop_rx };
    let outcome = chat_client::run(&options.join, &channels, &|event| {
        editor.iter().for_each(|editor| editor.hear(&event));
        person.hear(&event);
        screen.show(event);
    });
    if matches!(outcome, Outcome::Failed(_)) && options.join.interactive {
        person.wait_for_enter(&channels);
    }
    match (outcome, screen.write_error()) {
        (_, Some(error)) => cannot_write(&log, &error),
        (Outcome::Left, None) if screen.transcript_is_complete() && !person.forgot_paste() => {
            ExitCode::SUCCESS
        }
        // The reason has been shown.
        (_, None) => ExitCode::from(FAILED),
    }
}

/// What a signal ends.
struct Terminal {
    interactive: bool,
    screen: Arc<Screen>,
    editor: Option<Arc<Editor>>,
    person: Arc<Person>,
    log: BackgroundWriter,
}

impl Terminal {
    /// Ends the session at a signal, through `stop_tx`, and the program if that takes too long. `running`
    /// ends with the program.
    fn handle_signals(self, stop_tx: Sender<Stop>, running: Tasks) -> Result<(), ctrlc::Error> {
        ctrlc::set_handler(move || {
            if self.interactive && self.screen.was_ctrl_c() && !self.person.leaves_at_ctrl_c() {
                self.tell_ctrl_c();
                return;
            }
            let _ = stop_tx.try_send(Stop::Now);
            if !running.wait_for(LEAVE_GRACE) {
                // The last call has no reply, so its result is unknown. That must not be taken for a success.
                if self.interactive {
                    self.screen.try_show_bye();
                } else {
                    end_with(&self.log, FAILED, "stopped by a signal before everything was sent and shown");
                }
                self.editor.iter().for_each(|editor| editor.close());
                self.person.restore_terminal();
                self.log.finish(FORCED_EXIT_TIMEOUT);
                std::process::exit(FAILED.into());
            }
        })
    }

    /// Says that a second Ctrl-C leaves: on a thread of its own, because the handler's must not wait for the
    /// terminal.
    fn tell_ctrl_c(&self) {
        let person = Arc::clone(&self.person);
        let tell = move || person.tell(TerminalEvent::CtrlCLeaves);
        if let Err(error) = thread::Builder::new().name("ctrl-c".into()).spawn(tell) {
            log::info!("nobody says that Ctrl-C leaves: {error}");
        }
    }
}

/// Whether standard output is a file or a device that is not a terminal, and so neither a pipe nor a socket.
fn stdout_is_file() -> io::Result<bool> {
    let kind = File::from(io::stdout().as_fd().try_clone_to_owned()?).metadata()?.file_type();
    Ok(kind.is_file() || kind.is_char_device() && !io::stdout().is_terminal())
}

/// Starts the thread `stdin`, and for a person the thread `paste`. Both are never joined. A message from the
/// command line needs no thread.
fn start_input(options: &Options, editor: Option<Arc<Editor>>, person: &Arc<Person>) -> io::Result<()> {
    if let InputSource::Message(text) = &options.source {
        let text = text.clone();
        // The channel has room for both, and its receiver still exists.
        person.take(match options.to.clone() {
            Some(to) => Utterance::Private { to, text },
            None => Utterance::Message(text),
        });
        person.take(Input::End);
        return Ok(());
    }
    let typist = Arc::clone(person);
    let read_typed = move |pass: &mut dyn FnMut(Typed) -> bool| match editor {
        Some(editor) => editor.edit_loop(io::stdin().lock(), &typist, pass),
        None => read_typed_loop(BufReader::new(ForegroundInput::new(move || typist.hide_again())), pass),
    };
    let input = || BufReader::new(ForegroundInput::new(|| {}));
    let stdin = thread::Builder::new().name("stdin".into());
    let person = Arc::clone(person);
    if options.json_input {
        stdin.spawn(move || read_objects_loop(input(), |input| person.take(input)))?;
    } else if !options.join.interactive {
        stdin.spawn(move || read_lines_loop(input(), |typed| person.pass(typed)))?;
    } else if options.paste_guard {
        let (typed_tx, typed_rx) = bounded(TYPE_AHEAD_LINES);
        let paste = thread::Builder::new().name("paste".into());
        paste.spawn(move || guard_pastes_loop(&typed_rx, |typed| person.pass(typed)))?;
        let mut pass = move |typed| typed_tx.send((Instant::now(), typed)).is_ok();
        stdin.spawn(move || read_typed(&mut pass))?;
    } else {
        stdin.spawn(move || read_typed(&mut |typed| person.pass(typed)))?;
    }
    Ok(())
}

/// Prints a text for a person who asked for it, and then wants it complete.
///
/// # Blocking
/// On the reader of standard output.
fn print(log: &BackgroundWriter, text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // It is not a failure when nobody reads the text.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => cannot_write(log, &error.to_string()),
        _ => ExitCode::SUCCESS,
    }
}

fn cannot_write(log: &BackgroundWriter, error: &str) -> ExitCode {
    end_with(log, FAILED, &format!("cannot write: {error}"))
}

fn end_with(log: &BackgroundWriter, code: u8, reason: &str) -> ExitCode {
    log.write_text(&format!("chat-client: {reason}\n"));
    ExitCode::from(code)
}
