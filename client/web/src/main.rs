//! The gateway: serves a page, and lets everybody with a browser into a room. Each guest is a member like all
//! others, on the library of chat-client.
//!
//! # Threads, and what wakes them
//!
//! | thread | lives as long as | is woken by |
//! |---|---|---|
//! | main | the program | a connection of HTTP; a request to stop |
//! | `room` | until the room was there once | the server; a request to stop |
//! | `http` | one connection of HTTP | its peer; for a stream: what happens in the room |
//! | `guest`, `callback` | one run of a guest's session | its page, the server |
//! | `absences` | the program | its timer, once a second |
//! | `log`, `output` | the program | a line in its channel |
//! | ctrlc's | the program | a signal |
//!
//! ```text
//!  browser ── GET /events ──▶ http ◀─ lines ── guest ◀══ Receive ══ server
//!          ── POST /say ────▶ http ── Input ─▶ guest ══ Broadcast ▶ server
//! ```
//!
//! Nobody who holds a lock does I/O. A page that does not read costs its stream, and a guest that is lost
//! costs the others nothing.

mod announce;
mod door;
mod gateway;
mod guests;
mod http;
mod qr;
mod room;
mod routes;
mod settings;

use crate::{
    gateway::Gateway,
    guests::absences_loop,
    http::{serve_loop, Handlers},
    settings::{parse, Invocation, Options},
};
use chat_client::{JoinOptions, Stop};
use chat_common::{
    handshake::gateway::GatewayKey,
    program::{
        background_writer::{BackgroundWriter, EXIT_TIMEOUT, FORCED_EXIT_TIMEOUT},
        logging,
        shutdown::Shutdown,
        signals::{self, IgnoredAtStart},
        tasks,
    },
    text::address::look_up,
};
use crossbeam_channel::{bounded, Sender};
use std::{
    env,
    io::{self, IsTerminal, Write},
    net::{Ipv4Addr, TcpListener},
    process::{self, ExitCode},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// The gateway could not start, or the room takes no guests from it.
const FAILED: u8 = 1;
/// The arguments are not valid.
const WRONG_USAGE: u8 = 2;
/// The exit code of a gateway that a second signal has ended.
const SECOND_SIGNAL: i32 = 130;
/// How long the guests may take to leave. The reply to `Leave` changes nothing.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(1500);

/// The exit code of a program that has failed, and why.
type Failure = (u8, String);

fn main() -> ExitCode {
    let ignored = signals::at_start();
    let log = match logging::start("warn", io::stderr(), None) {
        Ok(log) => log,
        Err(error) => {
            // Without standard error, only the exit code can tell.
            let _ = writeln!(io::stderr(), "chat-web: cannot start the log: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let _finish_log = log.finish_on_drop(EXIT_TIMEOUT);
    let arguments = env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    // As the arguments: what is no text must not count as nothing.
    let variable = |name: &str| Some(env::var_os(name)?.to_string_lossy().into_owned());
    let ended = match parse(arguments, &variable) {
        Ok(Invocation::Run(options)) => serve(&options, &log, &ignored),
        Ok(Invocation::Print(text)) => print(&text),
        Err(why) => Err((WRONG_USAGE, why)),
    };
    ended.map_or_else(
        |(code, why)| {
            log.write_text(&format!("chat-web: {why}\n"));
            ExitCode::from(code)
        },
        |()| ExitCode::SUCCESS,
    )
}

/// Serves until a signal, or until the room takes no guests.
///
/// # Blocking
/// Until then.
fn serve(options: &Options, log: &BackgroundWriter, ignored: &IgnoredAtStart) -> Result<(), Failure> {
    let failed = |why: String| (FAILED, why);
    let join = join_options(options).map_err(failed)?;
    let listener = look_up(&options.listen)
        .and_then(|addresses| TcpListener::bind(&addresses[..]))
        .map_err(|error| failed(format!("cannot listen on {}: {error}{}", options.listen, advice(&error))))?;
    let address = listener.local_addr().map_err(|error| failed(error.to_string()))?;
    signals::raise_descriptor_limit();
    let shutdown = Arc::new(Shutdown::new());
    shutdown.wakes(&listener).map_err(|error| failed(error.to_string()))?;
    let (visit_stop_tx, visit_stop_rx) = bounded(1);
    stop_on_signal(&shutdown, log, visit_stop_tx)
        .map_err(|error| failed(format!("cannot handle signals: {error}")))?;
    ignored.ignore_again();
    let output =
        BackgroundWriter::start("output", io::stdout()).map_err(|error| failed(error.to_string()))?;
    let _finish_output = output.finish_on_drop(EXIT_TIMEOUT);
    output.write_text(&announce::lines(options, address, shows_pictures()));
    let (running, guests_left) = tasks::begin();
    let (names, per_address) = (options.names.clone(), options.guests_per_address);
    let gateway = Gateway::new(names, per_address, join.clone(), running);
    let refused = Mutex::new(None);
    thread::scope(|scope| {
        let visit = || {
            if let Err(why) = room::visit(join, &visit_stop_rx, log) {
                *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                shutdown.request();
            }
        };
        let start = |name: &str| thread::Builder::new().name(name.to_owned());
        let watch = || absences_loop(&gateway.guests, &shutdown);
        start("absences").spawn_scoped(scope, watch).map_err(|error| failed(error.to_string()))?;
        // The scope waits for the thread before.
        let visiting = start("room").spawn_scoped(scope, visit).inspect_err(|_| shutdown.request());
        visiting.map_err(|error| failed(error.to_string()))?;
        let handlers = Handlers {
            check: &|connection, head| door::check(&gateway.names, connection, head),
            answer: &|connection, request| routes::answer(&gateway, connection, request),
            is_exempt: &|peer| door::is_exempt(&gateway.names, peer),
        };
        serve_loop(&listener, &shutdown, &handlers, || {
            gateway.close();
            if !guests_left.wait_for(LEAVE_TIMEOUT) {
                log::warn!("some guests have not left in time");
            }
        });
        Ok(())
    })?;
    match refused.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(why) => Err(failed(why)),
        None => Ok(()),
    }
}

/// Returns how each guest joins, but for its name and its address. The gateway itself joins so, too.
///
/// # Blocking
/// On the disk, where the room is closed or the gateway has a key.
fn join_options(options: &Options) -> Result<JoinOptions, String> {
    let mut join = JoinOptions::new(&options.server);
    // The server cannot dial a guest: many guests are one machine.
    join.member.dials = true;
    // A run that another one follows loses its input, and must not leave for that.
    join.stay = true;
    if let Some(file) = &options.gateway_key {
        // A guest on the gateway's machine counts as the gateway.
        join.member.on_behalf = Some((Ipv4Addr::LOCALHOST.into(), GatewayKey::load(file)?));
    }
    #[cfg(feature = "closed")]
    if let Some(passphrase) = &options.passphrase {
        let variable = |name: &str| Some(env::var_os(name)?.to_string_lossy().into_owned());
        join.access.state = Some(chat_common::handshake::state::default_directory(&variable)?);
        chat_client::load_credentials(&mut join.access, Some(passphrase))?;
    }
    Ok(join)
}

/// Returns what a person can do about an address on which the gateway cannot listen, if that is known.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program listens there; --listen takes another port",
        io::ErrorKind::AddrNotAvailable => {
            "; this machine has no such address; --listen 0.0.0.0:PORT takes all it has"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 are for the system; take a higher one",
        _ => "",
    }
}

/// Whether standard output is a terminal that shows colors, as a QR code needs them.
fn shows_pictures() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = env::var("TERM").is_ok_and(|term| term == "dumb");
    io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// Sets the signal handler. The first signal asks the gateway to stop, and the second one ends it at once.
fn stop_on_signal(
    shutdown: &Arc<Shutdown>,
    log: &BackgroundWriter,
    visit_stop_tx: Sender<Stop>,
) -> Result<(), ctrlc::Error> {
    let (shutdown, log) = (Arc::clone(shutdown), log.clone());
    ctrlc::set_handler(move || {
        if shutdown.is_requested() {
            log.finish(FORCED_EXIT_TIMEOUT);
            process::exit(SECOND_SIGNAL);
        }
        shutdown.request();
        let _ = visit_stop_tx.try_send(Stop::Now);
    })
}

/// Prints a text for a person who asked for it, and then wants it complete.
///
/// # Blocking
/// On the reader of standard output.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // It is not a failure when nobody reads the text.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err((FAILED, format!("cannot write: {error}")))
        }
        _ => Ok(()),
    }
}
