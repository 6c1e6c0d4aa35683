//! How much a host may have: connections, descriptors, and rates.
//!
//! The accept loop runs on the thread that calls [`Server::run`](crate::Server::run). Any thread may use
//! the tables; nothing here may use the room. A function that the caller supplies serves an accepted
//! connection.

mod admission;
mod descriptors;
mod guesses;
mod host_rates;
mod listener;
mod rate;

pub(crate) use admission::Slot;
pub(crate) use guesses::Guesses;
pub(crate) use host_rates::{Allowance, ReadAllowance};
pub(crate) use listener::accept_loop;

use crate::{
    identity::{Bans, KeptNames},
    settings::Limits,
};
use admission::Admission;
use descriptors::Descriptors;
use host_rates::HostRates;
use log::{debug, log, log_enabled, warn, Level};
use std::{fmt, io, net::IpAddr, sync::Arc, time::Instant};

/// What `RUST_LOG` and the log call the lines about peers, wherever they come from.
const LOG_TARGET: &str = "chat_server::peer";

/// The tables of bans, of accepted connections, and of rates. Any thread may use them. Nothing blocks
/// while it holds one of their locks.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) bans: Bans,
    admission: Arc<Admission>,
    hosts: HostRates,
    /// The names that stay with their keys. `None` if names belong to nobody.
    pub(crate) names: Option<KeptNames>,
    /// The wrong passphrases. `None` in an open room.
    pub(crate) guesses: Option<Guesses>,
}

impl Door {
    pub(crate) fn new(bans: Bans, limits: &Limits) -> Door {
        let admission = Admission::new(Descriptors::without_limit());
        Door { bans, admission, hosts: HostRates::new(limits), names: None, guesses: None }
    }

    /// Takes only connections that fit into a process that may have `limits.descriptors`, and says how many
    /// members these are. Comes before the first connection, when the server has opened its files.
    ///
    /// # Blocking
    /// On `/dev/fd`, which is not on a disk.
    ///
    /// # Errors
    /// When no member fits. Says what to do.
    pub(crate) fn fit(&mut self, has_journal: bool, limits: &Limits) -> io::Result<()> {
        let Some(limit) = limits.descriptors else { return Ok(()) };
        let descriptors = Descriptors::within(limit, has_journal);
        let fitting = descriptors.members();
        self.admission = Admission::new(descriptors);
        let line = format!("the limit of {limit} open files has room for {fitting} members");
        match fitting {
            0 => return Err(io::Error::other(format!("{line}; raise it (ulimit -Hn)"))),
            _ if fitting < limits.max_connections => warn!("{line}; raise it (ulimit -Hn) for more"),
            _ => debug!("{line}"),
        }
        Ok(())
    }

    /// Returns whether the room takes only connections with its passphrase.
    pub(crate) fn is_closed(&self) -> bool {
        self.guesses.is_some()
    }

    /// Writes the names that a client at `address`, and others, have taken. A failure is logged.
    ///
    /// # Blocking
    /// On the file system.
    pub(crate) fn save_names(&self, address: IpAddr) {
        if let Some(Err(error)) = self.names.as_ref().map(KeptNames::save) {
            let line = format!("the names file cannot be written: {error}; new names hold until the end");
            self.log(address, Level::Error, line);
        }
    }

    /// Returns whether a client at `address` may try another passphrase.
    #[cfg_attr(not(feature = "closed"), expect(dead_code, reason = "an open room has no passphrase"))]
    pub(crate) fn may_guess(&self, address: IpAddr) -> bool {
        let now = Instant::now();
        self.hosts.of(address, now).may_guess(now)
    }

    /// Counts a wrong passphrase of a client at `address`.
    #[cfg_attr(not(feature = "closed"), expect(dead_code, reason = "an open room has no passphrase"))]
    pub(crate) fn spend_guess(&self, address: IpAddr) {
        let now = Instant::now();
        self.hosts.of(address, now).spend_guess(now);
        self.guesses.iter().for_each(Guesses::count_wrong);
    }

    /// Returns what a new connection from `address` may ask for.
    pub(crate) fn allowance(&self, address: IpAddr) -> Allowance {
        let now = Instant::now();
        self.hosts.of(address, now).allowance(now)
    }

    /// Returns what pays for reading on behalf of `address`.
    pub(crate) fn reads(&self, address: IpAddr) -> ReadAllowance {
        ReadAllowance(self.hosts.of(address, Instant::now()))
    }

    /// Logs a line about a peer at `address`, or leaves it out when there were too many about its host, so
    /// that a peer cannot fill the log. The next line about that host says how many were left out. Nothing is
    /// logged under the lock of the table.
    pub(crate) fn log(&self, address: IpAddr, level: Level, line: impl fmt::Display) {
        // A line of a level that is off costs the host nothing.
        if !log_enabled!(target: LOG_TARGET, level) {
            return;
        }
        let now = Instant::now();
        if let Some(line) = self.hosts.of(address, now).line_at(line, now) {
            log!(target: LOG_TARGET, level, "{line}");
        }
    }
}
