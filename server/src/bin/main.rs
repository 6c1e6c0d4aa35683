//! The server's program: arguments, logger, port, signal handler, exit code. Runs on the main thread.
//! [`Server::run`] does everything else.

mod joining;
mod memory;
mod prompt_guard;
#[cfg(feature = "closed")]
mod secrets;
mod words;

use crate::prompt_guard::{AboveTypedLine, PromptGuard};
use chat_common::{
    handshake::gateway::GatewayKey,
    program::{
        background_writer::{BackgroundWriter, EXIT_TIMEOUT, FORCED_EXIT_TIMEOUT},
        logging,
        shutdown::Shutdown,
        signals::{self, IgnoredAtStart},
        zone::Zone,
    },
    terminal::progress::{self, moves_cursor},
    text::address::{look_up, zone},
    trace,
};
use chat_server::{
    check, export, parse, program, repair_journal, Check, Invocation, JournalSettings, Options, Server,
};
use log::{info, warn};
use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, BufWriter, IsTerminal, Write},
    net::TcpListener,
    process::{self, ExitCode},
    sync::Arc,
    time::{Duration, Instant},
};

/// The exit code of a server that could not start, or that failed later.
const FAILED: u8 = 1;
/// The exit code for wrong arguments.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let ignored = signals::at_start();
    let prompt = PromptGuard::default();
    // On a terminal the log is for people.
    let zone = io::stderr().is_terminal().then(|| Zone::of_process().unwrap_or_default());
    let log = match logging::start("info", above(&prompt, io::stderr()), zone) {
        Ok(log) => log,
        Err(error) => {
            // If standard error is closed, the exit code is all that is left.
            let _ = writeln!(io::stderr(), "chat-server: cannot start the log: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let _finish_log = log.finish_on_drop(EXIT_TIMEOUT);
    let arguments: Vec<String> = match env::args_os().skip(1).map(OsString::into_string).collect() {
        Ok(arguments) => arguments,
        Err(argument) => {
            return fail(&log, WRONG_USAGE, &format!("the argument {argument:?} is not text in UTF-8"));
        }
    };
    let invocation = match parse(&program(), arguments) {
        Err(why) => return fail(&log, WRONG_USAGE, &why),
        Ok(invocation) => invocation,
    };
    if moves_cursor(&io::stderr()) && !prints_meanwhile(&invocation) {
        progress::show_on(log.clone());
    }
    let ended = match invocation {
        Invocation::Run(options) => {
            memory::restart_with_one_heap();
            serve(*options, &log, &prompt, &ignored)
        }
        Invocation::Print(text) => print(text.trim_end()),
        Invocation::Check(path) => match check(&path) {
            Ok(Check::Whole(text)) => print(&text),
            Ok(Check::Damaged(text)) => print(&text).map(|_| ExitCode::from(FAILED)),
            Err(why) => Err(why),
        },
        Invocation::Repair(path) => {
            let segment_size = JournalSettings::default().segment_size.0 as u64;
            repair_journal(&path, segment_size).and_then(|text| print(&text))
        }
        Invocation::Export { directory, since, private } => {
            let mut out = BufWriter::new(io::stdout().lock());
            export(&directory, since, private, &mut out).map(|()| ExitCode::SUCCESS)
        }
    };
    ended.unwrap_or_else(|why| fail(&log, FAILED, &why))
}

/// Returns a stream that leaves the line alone which the operator is typing, if both are on a terminal.
fn above<W: Write + IsTerminal>(prompt: &PromptGuard, stream: W) -> AboveTypedLine<W> {
    // One that is never open.
    let other = PromptGuard::default();
    let prompt = if stream.is_terminal() { prompt.clone() } else { other };
    AboveTypedLine::new(stream, prompt)
}

/// Whether the operator types commands on a terminal that can move its cursor.
fn types_on_terminal() -> bool {
    moves_cursor(&io::stdin())
}

/// Whether the output comes while the work goes on, and may reach the terminal: an export that does not go
/// into a file.
fn prints_meanwhile(invocation: &Invocation) -> bool {
    let is_file = || fs::metadata("/dev/stdout").is_ok_and(|output| output.is_file());
    matches!(invocation, Invocation::Export { .. }) && !is_file()
}

fn serve(
    options: Options,
    log: &BackgroundWriter,
    prompt: &PromptGuard,
    ignored: &IgnoredAtStart,
) -> Result<ExitCode, String> {
    let Options { listen, console, trace, mut settings, .. } = options;
    if let Some(file) = trace {
        trace::open(&file, "main")
            .map_err(|error| format!("cannot write the trace {}: {error}", file.display()))?;
    }
    memory::fit(&mut settings.limits)?;
    if let Some(file) = settings.operators.file.as_deref().filter(|file| !file.as_os_str().is_empty()) {
        if words::make_file(file)? {
            info!("the operators' passphrase is made up: it is the first line of {}", file.display());
        }
    }
    settings.door.gateway_key = options.gateway_key.as_deref().map(GatewayKey::load).transpose()?;
    #[cfg(feature = "closed")]
    let closed_lines = match secrets::open(&options.closed, settings.journal.directory.as_deref())? {
        Some((credentials, lines)) => {
            settings.closed = Some(credentials);
            lines
        }
        None => String::new(),
    };
    let output = BackgroundWriter::start("output", above(prompt, io::stdout()))
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    let _finish_output = output.finish_on_drop(EXIT_TIMEOUT);
    let listener = look_up(&listen)
        .and_then(|addresses| TcpListener::bind(&addresses[..]))
        .map_err(|error| format!("cannot listen on {listen}: {error}{}", advice(&error)))?;
    settings.limits.descriptors = signals::raise_descriptor_limit();
    settings.operators.console = (console || io::stdin().is_terminal()).then(|| output.clone());
    let shutdown = Arc::new(Shutdown::new());
    stop_on_signal(&shutdown, log, prompt).map_err(|error| format!("cannot handle signals: {error}"))?;
    ignored.ignore_again();
    let server = Server::new(listener, settings, shutdown).map_err(|error| error.to_string())?;
    let address = server.local_addr().map_err(|error| error.to_string())?;
    if types_on_terminal() {
        // Once the first lines are there the operator may type, and a line of the log must not tear that.
        log.finish(EXIT_TIMEOUT);
        let followed = prompt.follow_size();
        followed.unwrap_or_else(|error| warn!("cannot follow the terminal's width: {error}"));
    }
    output.write_text(&format!("Server running at {} ...\n", address.port()));
    output.write_text(&joining::lines(address, zone(&listen)));
    #[cfg(feature = "closed")]
    output.write_text(&closed_lines);
    if types_on_terminal() {
        // The first lines are for programs too, and are plain on a terminal as well.
        output.finish(EXIT_TIMEOUT);
        prompt.open();
    }
    let ran = server.run();
    prompt.close();
    ran.map_err(|error| error.to_string())?;
    info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Returns what the operator can do about an address on which the server cannot listen, if that is known.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; is a server running there? --listen takes another port",
        io::ErrorKind::AddrNotAvailable => {
            "; this machine has no such address; --listen 0.0.0.0:PORT takes all it has"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 are for the system; take a higher one",
        _ => "",
    }
}

/// Sets the signal handler. The first signal asks the server to stop. The second ends the process at once,
/// and so does the first after `/stop`.
///
/// Some tools send one signal both to the process and to its group, so the server gets it twice. A second
/// signal within `SAME_SIGNAL` counts as the same one.
fn stop_on_signal(
    shutdown: &Arc<Shutdown>,
    log: &BackgroundWriter,
    prompt: &PromptGuard,
) -> Result<(), ctrlc::Error> {
    const SAME_SIGNAL: Duration = Duration::from_millis(5);
    let (shutdown, log, prompt) = (Arc::clone(shutdown), log.clone(), prompt.clone());
    let mut last: Option<Instant> = None;
    ctrlc::set_handler(move || {
        let is_same = last.replace(Instant::now()).is_some_and(|last| last.elapsed() < SAME_SIGNAL);
        if shutdown.is_requested() {
            if is_same {
                return;
            }
            warn!("stopped by a second signal");
            log.finish(FORCED_EXIT_TIMEOUT);
            process::exit(130);
        }
        shutdown.request();
        prompt.close();
        info!("stopping: delivering what was accepted");
    })
}

/// Prints a text for a person who asked for it, and then wants it complete.
///
/// # Blocking
/// On the reader of standard output.
fn print(text: &str) -> Result<ExitCode, String> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        // It is not a failure when nobody reads the text.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("cannot write: {error}")),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn fail(log: &BackgroundWriter, code: u8, why: &str) -> ExitCode {
    log.write_text(&format!("chat-server: {why}\n"));
    ExitCode::from(code)
}
