//! The server's program: arguments, logger, port, signal handler, exit code. Runs on the main thread.
//! [`Server::run`] does everything else.

mod memory;

use chat_common::shutdown::Shutdown;
use chat_server::{
    options::{parse, Options, Wanted},
    Server, Settings,
};
use log::{info, warn};
use std::{
    env, fs,
    io::{self, IsTerminal, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    process::{self, ExitCode},
    sync::Arc,
    time::{Duration, Instant},
};

/// The exit code of a server that could not start, or that failed later.
const FAILED: u8 = 1;
/// The exit code for wrong arguments.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let options = match parse(env::args().skip(1)) {
        Ok(Wanted::Run(options)) => options,
        Ok(Wanted::Print(text)) => {
            say(&text);
            return ExitCode::SUCCESS;
        }
        Err(why) => return fail(WRONG_USAGE, &why),
    };
    memory::restart_with_one_heap();
    serve(*options).map_or_else(|why| fail(FAILED, &why), |()| ExitCode::SUCCESS)
}

fn serve(mut options: Options) -> Result<(), String> {
    memory::fit(&mut options.limits)?;
    let motd = match &options.motd {
        None => None,
        Some(file) => {
            let text = fs::read_to_string(file)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            Some(text.trim_end().to_owned())
        }
    };
    let listener = TcpListener::bind(&options.listen)
        .map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
    let settings = Settings {
        limits: options.limits,
        motd,
        ban_file: options.ban_file,
        console: options.console || io::stdin().is_terminal(),
    };
    let shutdown = Arc::new(Shutdown::new());
    stop_on_signal(&shutdown).map_err(|error| format!("cannot handle signals: {error}"))?;
    let server = Server::new(listener, settings, shutdown).map_err(|error| error.to_string())?;
    let address = server.local_addr().map_err(|error| error.to_string())?;
    say(&format!("Server running at {} ...", address.port()));
    if !address.ip().is_loopback() {
        say(&format!("Others join with: chat-client --server {}", reachable(address)));
    }
    server.run().map_err(|error| error.to_string())?;
    info!("stopped");
    Ok(())
}

/// Sets the signal handler. The first signal asks the server to stop. The second ends the process at once,
/// and so does the first after `/stop`.
///
/// Some tools send one signal both to the process and to its group, so the server gets it twice. A second
/// signal within `SAME_SIGNAL` counts as the same one.
fn stop_on_signal(shutdown: &Arc<Shutdown>) -> Result<(), ctrlc::Error> {
    const SAME_SIGNAL: Duration = Duration::from_millis(5);
    let shutdown = Arc::clone(shutdown);
    let mut last: Option<Instant> = None;
    ctrlc::set_handler(move || {
        let is_same = last.replace(Instant::now()).is_some_and(|last| last.elapsed() < SAME_SIGNAL);
        if shutdown.is_requested() {
            if is_same {
                return;
            }
            warn!("stopped by a second signal");
            process::exit(130);
        }
        info!("stopping: delivering what was accepted");
        shutdown.request();
    })
}

/// Returns the address that other machines use to reach a server that listens at `address`.
fn reachable(address: SocketAddr) -> String {
    if !address.ip().is_unspecified() {
        return address.to_string();
    }
    // Connecting a UDP socket sends nothing. It only asks the system which of our addresses it would use.
    // The remote addresses are reserved for documentation.
    let (any, remote): (IpAddr, IpAddr) = match address.ip() {
        IpAddr::V4(any) => (any.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        IpAddr::V6(any) => (any.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    };
    let own = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((remote, 9))?;
        socket.local_addr()
    });
    own.map_or_else(
        |_| format!("ADDRESS-OF-THIS-MACHINE:{}", address.port()),
        |own| SocketAddr::new(own.ip(), address.port()).to_string(),
    )
}

/// Prints a line. Standard output may be closed; the server then goes on without it.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn fail(code: u8, why: &str) -> ExitCode {
    // If standard error is closed, the exit code is all that is left.
    let _ = writeln!(io::stderr().lock(), "chat-server: {why}");
    ExitCode::from(code)
}
