//! The stop signal: a flag that every thread may read or sleep on. It also wakes threads that block in
//! `accept`.
//!
//! Only [`Shutdown::sleep`] and [`Shutdown::request`] may block. The mutex inside is never held during I/O.
//!
//! Go: a context's `Done` channel wakes any `select`, but std cannot wake a thread inside `accept` or `read`.
//! Shutting the listener's socket down wakes `accept`; shutting the stream down wakes a reader. A thread that
//! waits only for time to pass calls [`Shutdown::sleep`] instead of `select`.
//!
//! ```go
//! select {
//! case <-ctx.Done(): return
//! case <-time.After(time.Minute): report()
//! }
//! ```
//! ```no_run
//! # fn report() {}
//! # let shutdown = chat_common::program::shutdown::Shutdown::new();
//! while !shutdown.sleep(std::time::Duration::from_secs(60)) {
//!     report();
//! }
//! ```

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The stop signal, shared by reference or in an `Arc`. Once requested it stays requested.
#[derive(Debug, Default)]
pub struct Shutdown {
    state: Mutex<State>,
    requested: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// When stopping was requested.
    requested: Option<Instant>,
    /// Clones of the listeners whose threads block in `accept`.
    listeners: Vec<TcpListener>,
}

/// How long a connection to our own listener may take. Only a full backlog can delay it, or a machine that
/// has lost the listener's address.
const WAKE_TIMEOUT: Duration = Duration::from_millis(500);

impl Shutdown {
    /// Returns a signal that is not requested yet.
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Asks all threads to stop. Calling it again does nothing.
    ///
    /// # Blocking
    /// Not at all on Linux. Where a listener cannot be shut down: half a second for each one at most.
    pub fn request(&self) {
        let listeners = {
            let mut state = self.lock();
            state.requested.get_or_insert_with(Instant::now);
            std::mem::take(&mut state.listeners)
        };
        self.requested.notify_all();
        listeners.into_iter().for_each(wake_accept);
    }

    /// Returns whether stopping is requested.
    pub fn is_requested(&self) -> bool {
        self.lock().requested.is_some()
    }

    /// Returns the moment that is `after` the request to stop, or `after` now where stopping is not
    /// requested.
    pub fn deadline(&self, after: Duration) -> Instant {
        self.lock().requested.unwrap_or_else(Instant::now) + after
    }

    /// Lets [`Shutdown::request`] wake the thread that blocks in `accept` on this listener. It accepts nobody
    /// after that. That thread must check [`Shutdown::is_requested`] after each accept, and after each error.
    ///
    /// # Errors
    /// When the system has no free file descriptor for a clone of the listener.
    pub fn wakes(&self, listener: &TcpListener) -> io::Result<()> {
        let listener = listener.try_clone()?;
        self.lock().listeners.push(listener);
        Ok(())
    }

    /// Sleeps until stopping is requested, and then returns true. Returns false after `duration`.
    ///
    /// # Blocking
    /// For `duration` at most. [`Shutdown::request`] wakes it.
    pub fn sleep(&self, duration: Duration) -> bool {
        let deadline = Instant::now() + duration;
        let mut state = self.lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if state.requested.is_some() || left.is_zero() {
                return state.requested.is_some();
            }
            state = self.requested.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave either field half changed, so a poisoned lock is safe to use.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the thread that blocks in `accept` on another clone of this listener.
///
/// Linux ends `accept` when the listener's socket is shut down. This needs no network, so it also works after
/// the machine has lost the listener's address. Other systems report an error for a socket without a peer;
/// there a connection to the listener wakes its thread.
fn wake_accept(listener: TcpListener) {
    let address = listener.local_addr();
    // std shuts only streams down. The system makes no difference between the two.
    if TcpStream::from(OwnedFd::from(listener)).shutdown(std::net::Shutdown::Both).is_ok() {
        return;
    }
    if let Ok(address) = address {
        // A failure needs no handling: the listener is gone, or its backlog is full and its thread is awake.
        let _ = TcpStream::connect_timeout(&reachable_address(address), WAKE_TIMEOUT);
    }
}

/// Returns an address at which this machine reaches a listener bound to `address`, which may be unspecified.
fn reachable_address(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_request_wakes_a_blocked_accept_and_a_sleeper() {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let shutdown = Shutdown::new();
        shutdown.wakes(&listener).unwrap();
        thread::scope(|scope| {
            // The result differs: an error on Linux, a connection elsewhere.
            scope.spawn(|| drop(listener.accept()));
            scope.spawn(|| assert!(shutdown.sleep(Duration::from_secs(3600))));
            shutdown.request();
        });
        assert!(shutdown.is_requested());
    }

    #[test]
    fn an_accept_after_the_request_does_not_block() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shutdown = Shutdown::new();
        shutdown.wakes(&listener).unwrap();
        shutdown.request();
        drop(listener.accept());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn accept_is_woken_without_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        wake_accept(listener.try_clone().unwrap());
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
