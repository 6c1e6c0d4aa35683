//! The real server for the tests of the judge, on a free port: `real-server SEEDED LOG-BYTES [--trace FILE]`,
//! where SEEDED is `none` or a bug. With `exit` the program ends at a signal, and does not stop the server,
//! and with `exit-late` it does so a second later. With `hasty` a hello may take a moment only.
//! With `--hello-timeout` it is impatient, as the judge makes `chat-server`.

use chat_common::{program::shutdown::Shutdown, trace};
use chat_server::{
    seeded::{Bug, Seeded},
    Bytes, Limits, Server, Settings,
};
use std::{
    env,
    io::{self, Write},
    net::TcpListener,
    process,
    sync::Arc,
    thread,
    time::Duration,
};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [seeded, log_bytes, rest @ ..] = arguments.as_slice() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if let [_, file] = rest {
        trace::open(file.as_ref(), "main")?;
    }
    let shutdown = Arc::new(Shutdown::new());
    let exits_after = match seeded.as_str() {
        "exit" => Some(Duration::ZERO),
        "exit-late" => Some(Duration::from_secs(1)),
        _ => None,
    };
    let stops = Arc::clone(&shutdown);
    ctrlc::set_handler(move || match exits_after {
        Some(time) => {
            thread::sleep(time);
            process::exit(0)
        }
        None => stops.request(),
    })
    .map_err(io::Error::other)?;
    let hasty = seeded == "hasty";
    let seeded = match seeded.as_str() {
        "swap" => Seeded::with(Bug::Swap),
        "drop" => Seeded::with(Bug::Drop),
        "double-on-repeat" => Seeded::with(Bug::DoubleOnRepeat),
        "double-on-resume" => Seeded::with(Bug::DoubleOnResume),
        "scope-per-round" => Seeded::with(Bug::ScopePerRound),
        "panic" => Seeded::with(Bug::PanicInHandler),
        _ => Seeded::default(),
    };
    let log_size = Bytes(log_bytes.parse().map_err(io::Error::other)?);
    let receive_timeout = Duration::from_secs(3600);
    let limits = Limits { seeded, log_size, receive_timeout, rate_burst: 0, ..Limits::default() };
    let limits = if rest.first().is_some_and(|flag| flag == "--hello-timeout") {
        let [hello_timeout, join_timeout, frame_timeout] = [Duration::from_secs(1); 3];
        Limits { hello_timeout, join_timeout, frame_timeout, ..limits }
    } else {
        limits
    };
    let hello_timeout = if hasty { Duration::from_millis(20) } else { limits.hello_timeout };
    let limits = Limits { hello_timeout, ..limits };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let settings = Settings { limits, ..Settings::default() };
    let server = Server::new(listener, settings, shutdown)?;
    writeln!(io::stdout(), "Server running at {port} ...")?;
    server.run()
}
