//! A server in the process of the test, on a free port, with the limits that the test wants.

use crate::{
    room::{Kind, Room},
    watchdog::{poll, Shared},
};
use chat_common::program::shutdown::Shutdown;
use chat_server::{Limits, Server, Settings};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

/// A running server. Dropping it stops it in good order and waits for its end.
#[derive(Debug)]
pub struct TestServer {
    address: SocketAddr,
    shutdown: Arc<Shutdown>,
    ended: Arc<Shared<bool>>,
    thread: Option<JoinHandle<io::Result<()>>>,
    _room: Room,
}

impl TestServer {
    /// Starts on 127.0.0.1 with the default limits, but without the rate limit: tests speak faster than
    /// people.
    pub fn start() -> TestServer {
        TestServer::with_limits(without_rate_limit())
    }

    /// Starts on 127.0.0.1 with these limits.
    pub fn with_limits(limits: Limits) -> TestServer {
        TestServer::bind("127.0.0.1:0", limits)
    }

    /// Starts on this address with these limits.
    pub fn bind(address: &str, limits: Limits) -> TestServer {
        TestServer::with_settings(address, Settings { limits, ..Settings::default() })
    }

    /// Starts on this address with these settings, and with what the kind of room of this run adds.
    pub fn with_settings(address: &str, settings: Settings) -> TestServer {
        #[cfg(feature = "closed")]
        let closed = settings.closed.is_some();
        #[cfg(not(feature = "closed"))]
        let closed = false;
        let room = Room::beside(Kind { journal: settings.journal.directory.is_some(), closed });
        TestServer::start_in(room, address, settings)
    }

    /// Starts on 127.0.0.1 with the default limits, and without a passphrase in any case.
    pub fn that_is_open() -> TestServer {
        TestServer::start_in(Room::that_is_open(), "127.0.0.1:0", Settings::default())
    }

    /// Starts on 127.0.0.1 with these limits, and without a journal in any case.
    pub fn that_forgets(limits: Limits) -> TestServer {
        let settings = Settings { limits, ..Settings::default() };
        TestServer::start_in(Room::that_forgets(), "127.0.0.1:0", settings)
    }

    fn start_in(room: Room, address: &str, mut settings: Settings) -> TestServer {
        room.give(&mut settings);
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let shutdown = Arc::new(Shutdown::new());
        let server = poll("the journal to be free", || {
            let listener = listener.try_clone().expect("a test has descriptors");
            match Server::new(listener, settings.clone(), Arc::clone(&shutdown)) {
                // A program that another test starts has the files of this process until it runs, and with
                // them the lock of a server that has ended.
                Err(error) if error.to_string().contains("another server has it") => None,
                server => Some(server.unwrap()),
            }
        });
        drop(listener);
        let address = server.local_addr().unwrap();
        let ended = Arc::new(Shared::new(false));
        let thread = thread::Builder::new()
            .name("server".to_owned())
            .spawn({
                let ended = Arc::clone(&ended);
                move || {
                    // It sets `ended` also when the server panics; the join then reports the panic.
                    let _set_ended = SetOnDrop(ended);
                    server.run()
                }
            })
            .unwrap();
        TestServer { address, shutdown, ended, thread: Some(thread), _room: room }
    }

    /// The address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks the server to stop and returns at once.
    pub fn request_stop(&self) {
        self.shutdown.request();
    }

    /// Stops the server in good order and waits until all its threads have ended.
    ///
    /// # Panics
    /// When that takes longer than the watchdog allows, or when a thread of the server panicked.
    pub fn stop(mut self) {
        self.request_and_join();
    }

    /// Waits until the server ends by itself, and returns why.
    ///
    /// # Panics
    /// When that takes longer than the watchdog allows, or when the server does not fail.
    pub fn fails(mut self) -> io::Error {
        self.join().expect_err("the server fails")
    }

    fn request_and_join(&mut self) {
        self.shutdown.request();
        self.join().expect("the server runs");
    }

    fn join(&mut self) -> io::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.ended.wait("the server to stop", |ended| ended.then_some(()));
        thread.join().expect("the server does not panic")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // A test that fails already reports its own failure. A second panic here would abort the process.
        if !thread::panicking() {
            self.request_and_join();
        }
    }
}

/// The default limits, without the rate limit. A [`Member`](crate::member::Member) sends no pings, and is not
/// given up for that, however long a loaded machine takes.
pub fn without_rate_limit() -> Limits {
    Limits { rate_burst: 0, dead_after: Duration::from_secs(3600), ..Limits::default() }
}

/// Sets the flag to true when it is dropped, and so also when its thread panics.
struct SetOnDrop(Arc<Shared<bool>>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.update(|flag| *flag = true);
    }
}
