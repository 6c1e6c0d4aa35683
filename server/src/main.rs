//! The server's program: arguments, logger, port, signal handler, exit code. It decides nothing.

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

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let options = match parse(env::args().skip(1)) {
        Ok(Wanted::Run(options)) => options,
        Ok(Wanted::Print(text)) => {
            say(&text);
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            complain(&why);
            return ExitCode::from(2);
        }
    };
    match serve(*options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

fn serve(options: Options) -> Result<(), String> {
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

/// The first signal asks the server to stop, the second stops it. Who sends to a process and to its group sends twice what is meant
/// once, as some tools do.
fn stop_on_signal(shutdown: &Arc<Shutdown>) -> Result<(), ctrlc::Error> {
    const ONE_WISH: Duration = Duration::from_millis(5);
    let shutdown = Arc::clone(shutdown);
    let mut asked: Option<Instant> = None;
    ctrlc::set_handler(move || {
        let first = *asked.get_or_insert_with(Instant::now);
        if shutdown.is_requested() {
            if first.elapsed() < ONE_WISH {
                return;
            }
            warn!("stopped by a second signal");
            process::exit(130);
        }
        info!("stopping: delivering what was accepted");
        shutdown.request();
    })
}

/// What others type to reach a server that listens at `address`.
fn reachable(address: SocketAddr) -> String {
    if !address.ip().is_unspecified() {
        return address.to_string();
    }
    // Connecting a UDP socket sends nothing; it only asks which of our addresses faces the world. The peers are documentation's.
    let (any, world): (IpAddr, IpAddr) = match address.ip() {
        IpAddr::V4(any) => (any.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        IpAddr::V6(any) => (any.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    };
    let own = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((world, 9))?;
        socket.local_addr()
    });
    match own {
        Ok(own) => SocketAddr::new(own.ip(), address.port()).to_string(),
        Err(_) => format!("ADDRESS-OF-THIS-MACHINE:{}", address.port()),
    }
}

/// Standard output may be closed, and that is no reason to stop serving.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn complain(why: &str) {
    let _ = writeln!(io::stderr().lock(), "chat-server: {why}");
}
