//! The wish to stop: a flag that anybody may read or sleep on, and the connect that wakes a blocked `accept`.
//!
//! Go: a context's `Done` channel wakes any `select`; std cannot wake a thread inside `accept` or `read`, so `accept`
//! is woken by a connection to itself, and a reader by shutting its stream down. Where there is nothing but time to wait for,
//! [`Shutdown::sleep`] is the `select`.
//!
//! ```go
//! select {
//! case <-ctx.Done(): return
//! case <-time.After(time.Minute): report()
//! }
//! ```
//! ```no_run
//! # fn report() {}
//! # let shutdown = chat_common::shutdown::Shutdown::new();
//! while !shutdown.sleep(std::time::Duration::from_secs(60)) {
//!     report();
//! }
//! ```

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Shared by reference or in an `Arc`; once requested it stays so.
#[derive(Debug, Default)]
pub struct Shutdown {
    state: Mutex<State>,
    requested: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// When stopping was asked for.
    requested: Option<Instant>,
    /// Listeners that sit in `accept`.
    accepting: Vec<SocketAddr>,
}

/// The self-connect is on this machine; a full backlog is the only thing that can delay it.
const WAKE_TIMEOUT: Duration = Duration::from_millis(500);

impl Shutdown {
    /// Not requested yet.
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Asks everybody to stop. Calling it again does nothing.
    pub fn request(&self) {
        let accepting = {
            let mut state = self.lock();
            state.requested.get_or_insert_with(Instant::now);
            std::mem::take(&mut state.accepting)
        };
        self.requested.notify_all();
        for address in accepting {
            // A failure means that the listener is gone, or has a full backlog and is awake.
            let _ = TcpStream::connect_timeout(&reachable(address), WAKE_TIMEOUT);
        }
    }

    /// Whether stopping has been asked for.
    pub fn is_requested(&self) -> bool {
        self.lock().requested.is_some()
    }

    /// The moment `after` the request to stop; counted from now where nobody has asked yet.
    pub fn deadline(&self, after: Duration) -> Instant {
        self.lock().requested.unwrap_or_else(Instant::now) + after
    }

    /// Promises that the listener at `address` is woken from `accept` when stopping is asked for.
    /// It still has to look at [`Shutdown::is_requested`] after each accept.
    pub fn wakes(&self, address: SocketAddr) {
        self.lock().accepting.push(address);
    }

    /// Sleeps for `duration`, or until stopping is asked for: then it answers true.
    pub fn sleep(&self, duration: Duration) -> bool {
        let until = Instant::now() + duration;
        let mut state = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.requested.is_some() || left.is_zero() {
                return state.requested.is_some();
            }
            state = self.requested.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Both fields are valid after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where to connect to reach a listener that is bound to `address`, which may be "any address".
fn reachable(mut address: SocketAddr) -> SocketAddr {
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
    use std::{net::TcpListener, thread};

    #[test]
    fn a_request_wakes_a_blocked_accept_and_a_sleeper() {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let shutdown = Shutdown::new();
        shutdown.wakes(listener.local_addr().unwrap());
        thread::scope(|scope| {
            scope.spawn(|| listener.accept().unwrap());
            scope.spawn(|| assert!(shutdown.sleep(Duration::from_secs(3600))));
            shutdown.request();
        });
        assert!(shutdown.is_requested());
    }
}
