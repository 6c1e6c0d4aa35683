//! A server in this process, on a free port, with whatever limits a test wants.

use crate::watchdog::Watched;
use chat_common::shutdown::Shutdown;
use chat_server::{Limits, Server, Settings};
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
};

/// A running server. Dropping it stops it in good order and waits for that.
#[derive(Debug)]
pub struct TestServer {
    address: SocketAddr,
    shutdown: Arc<Shutdown>,
    ended: Arc<Watched<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    /// On 127.0.0.1, with the default limits but no rate limit: tests speak faster than people.
    pub fn start() -> TestServer {
        TestServer::with(unhurried())
    }

    /// On 127.0.0.1, with these limits.
    pub fn with(limits: Limits) -> TestServer {
        TestServer::at("127.0.0.1:0", limits)
    }

    /// On this address, with these limits.
    pub fn at(address: &str, limits: Limits) -> TestServer {
        TestServer::set(address, Settings { limits, ..Settings::default() })
    }

    /// On this address, with these settings.
    pub fn set(address: &str, settings: Settings) -> TestServer {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let shutdown = Arc::new(Shutdown::new());
        let server = Server::new(listener, settings, Arc::clone(&shutdown)).unwrap();
        let address = server.local_addr().unwrap();
        let ended = Arc::new(Watched::new(false));
        let thread = thread::Builder::new()
            .name("server".to_owned())
            .spawn({
                let ended = Arc::clone(&ended);
                move || {
                    // Noted also when it panics; the join then tells.
                    let _noted = Noted(ended);
                    server.run().expect("the server runs");
                }
            })
            .unwrap();
        TestServer { address, shutdown, ended, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks it to stop, and does not wait.
    pub fn begin_stop(&self) {
        self.shutdown.request();
    }

    /// Stops it in good order, and waits until all its threads have ended.
    ///
    /// # Panics
    /// When that takes longer than the watchdog's patience, or a thread of it panicked.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shutdown.request();
        if let Some(thread) = self.thread.take() {
            self.ended.wait("the server to stop", |ended| ended.then_some(()));
            thread.join().expect("the server does not panic");
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // A test that fails already should fail with its own words.
        if !thread::panicking() {
            self.end();
        }
    }
}

/// The default limits, without the rate limit.
pub fn unhurried() -> Limits {
    Limits { rate_burst: 0, ..Limits::default() }
}

struct Noted(Arc<Watched<bool>>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.change(|ended| *ended = true);
    }
}
