//! How much a host may have: connections, descriptors, and rates.
//!
//! The accept loop runs on the thread that calls [`Server::run`](crate::Server::run). Any thread may use
//! the tables; nothing here may use the room. A function that the caller supplies serves an accepted
//! connection.

mod admission;
mod descriptors;
mod gateways;
mod guesses;
mod host_rates;
mod listener;
mod operators;
mod places;
mod rate;
mod table;

pub(crate) use admission::Slot;
pub(crate) use gateways::Gateways;
pub(crate) use guesses::Guesses;
pub(crate) use host_rates::{Allowance, ReadAllowance};
pub(crate) use listener::accept_loop;
pub(crate) use operators::Operators;

use crate::{
    identity::{Bans, KeptNames},
    settings::Limits,
};
use admission::{Admission, RESERVED_DESCRIPTORS};
use chat_common::{handshake::gateway::GatewayKey, wire::status::Status};
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
    /// Whether the room takes only connections with its passphrase.
    pub(crate) is_closed: bool,
    /// What makes somebody an operator in the room. `None` if nobody can be one.
    pub(crate) operators: Option<Operators>,
    guesses: Guesses,
    /// The gateways that may speak for their guests. `None` if none may.
    pub(crate) gateways: Option<Gateways>,
}

impl Door {
    pub(crate) fn new(bans: Bans, limits: &Limits) -> Door {
        let admission = Admission::new(Descriptors::without_limit(), limits);
        let hosts = HostRates::new(limits);
        let (names, operators, gateways) = (None, None, None);
        let guesses = Guesses::default();
        Door { bans, admission, hosts, names, is_closed: false, operators, guesses, gateways }
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
        let descriptors = Descriptors::within(limit, has_journal, RESERVED_DESCRIPTORS);
        let fitting = descriptors.members();
        self.admission = Admission::new(descriptors, limits);
        let line = format!("the limit of {limit} open files has room for {fitting} members");
        match fitting {
            0 => return Err(io::Error::other(format!("{line}; raise it (ulimit -Hn)"))),
            _ if fitting < limits.max_connections => warn!("{line}; raise it (ulimit -Hn) for more"),
            _ => debug!("{line}"),
        }
        Ok(())
    }

    /// Returns the wrong passphrases, of a room that has any passphrase.
    pub(crate) fn guesses(&self) -> Option<&Guesses> {
        (self.is_closed || self.operators.is_some()).then_some(&self.guesses)
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

    /// Returns whether this is the key of the gateways. The gateway at `address` then has no limits of its
    /// own for an hour.
    pub(crate) fn is_gateway_key(&self, key: &GatewayKey, address: IpAddr) -> bool {
        self.gateways.as_ref().is_some_and(|gateways| gateways.check(key, address, Instant::now()))
    }

    /// Counts a connection for this address from now on, as if it came from there.
    ///
    /// # Errors
    /// The status for the peer, when there are too many connections from there. It then counts as before.
    pub(crate) fn count_for(&self, slot: &mut Slot, address: IpAddr) -> Result<(), Status> {
        let now = Instant::now();
        if !self.hosts.of(address, now).connects.try_take(now) {
            return Err(Status::Busy);
        }
        slot.move_to(address)
    }

    /// Returns whether a client at `address` has a guess at a passphrase left.
    #[cfg(feature = "closed")]
    pub(crate) fn has_guess(&self, address: IpAddr) -> bool {
        let now = Instant::now();
        self.hosts.of(address, now).has_guess(now)
    }

    /// Charges a client at `address` for a passphrase that it has shown: a wrong one costs a guess. Returns
    /// false if the address has none left. The client MUST NOT learn then whether the passphrase is right.
    pub(crate) fn charge_guess(&self, address: IpAddr, is_right: bool) -> bool {
        let now = Instant::now();
        let is_charged = self.hosts.of(address, now).charge_guess(is_right, now);
        if is_charged && !is_right {
            self.guesses.count_wrong();
        }
        is_charged
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
