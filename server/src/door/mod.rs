//! Who may enter the room: connections, addresses and names.
//!
//! The accept loop runs on the thread that calls [`Server::run`](crate::Server::run). Any thread may use
//! the tables; nothing here may use the room. A function that the caller supplies serves an accepted
//! connection.

mod admission;
mod ban;
mod ban_file;
mod bans;
#[cfg(feature = "closed")]
mod guesses;
mod host;
mod host_rate;
mod kept_file;
#[cfg(feature = "closed")]
mod kept_names;
mod listener;
mod log_throttle;
pub(crate) mod name;
mod rate;
#[cfg(test)]
mod tests;

pub(crate) use admission::Slot;
pub(crate) use ban::Ban;
pub(crate) use bans::Bans;
#[cfg(feature = "closed")]
pub(crate) use guesses::{Guesses, NoGuess};
pub(crate) use host::Host;
#[cfg(feature = "closed")]
pub(crate) use kept_names::KeptNames;
pub(crate) use listener::accept_loop;
pub(crate) use rate::Bucket;

use crate::settings::Limits;
use admission::Admission;
#[cfg(feature = "closed")]
use chat_common::closed::PublicKey;
use chat_common::{protocol::Refusal, stream::Stream};
use host_rate::HostRate;
use log_throttle::LogThrottle;
use rate::Buckets;
use std::{fmt, net::IpAddr, sync::Arc, time::Instant};

/// The tables of bans, of accepted connections, of rates, and of logged lines. Any thread may use them.
/// Nothing blocks while it holds one of their locks.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) bans: Bans,
    admission: Arc<Admission>,
    /// How often each host may connect.
    connects: HostRate,
    throttle: LogThrottle,
    buckets: Buckets,
    /// What only a closed room has.
    #[cfg(feature = "closed")]
    pub(crate) closed: Option<ClosedTables>,
}

/// The tables that only a closed room has.
#[cfg(feature = "closed")]
#[derive(Debug, Default)]
pub(crate) struct ClosedTables {
    pub(crate) guesses: Guesses,
    /// `None` if names belong to nobody.
    pub(crate) names: Option<KeptNames>,
}

impl Door {
    pub(crate) fn new(bans: Bans, limits: &Limits) -> Door {
        // `--rate-burst 0` turns all rates off.
        let connect_burst = if limits.rate_burst == 0 { 0 } else { limits.connect_burst };
        Door {
            bans,
            admission: Arc::default(),
            connects: HostRate::new(connect_burst, limits.connect_rate),
            throttle: LogThrottle::default(),
            buckets: Buckets::default(),
            #[cfg(feature = "closed")]
            closed: None,
        }
    }

    /// Checks that the client of a call connection may have a name that others may have had before.
    ///
    /// # Errors
    /// The refusal for the client.
    #[cfg_attr(not(feature = "closed"), expect(unused_variables, reason = "names of an open room are free"))]
    pub(crate) fn check_name(&self, name: &str, call: &Stream) -> Result<(), Refusal> {
        #[cfg(feature = "closed")]
        if let Some((names, key)) = self.kept_names(call) {
            return names.check(name, &key);
        }
        Ok(())
    }

    /// Records that the client of a call connection has a name. [`Door::save_names`] writes it to the file.
    #[cfg_attr(not(feature = "closed"), expect(unused_variables, reason = "names of an open room are free"))]
    pub(crate) fn bind_name(&self, name: &str, call: &Stream) {
        #[cfg(feature = "closed")]
        if let Some((names, key)) = self.kept_names(call) {
            names.bind(name, key);
        }
    }

    /// Returns the names that are kept, and the key of the client, if the room keeps names.
    #[cfg(feature = "closed")]
    fn kept_names(&self, call: &Stream) -> Option<(&KeptNames, PublicKey)> {
        Some((self.closed.as_ref()?.names.as_ref()?, call.seal()?.peer_key()?))
    }

    /// Returns whether names stay with those who had them first.
    pub(crate) fn keeps_names(&self) -> bool {
        #[cfg(feature = "closed")]
        return self.closed.as_ref().is_some_and(|closed| closed.names.is_some());
        #[cfg(not(feature = "closed"))]
        false
    }

    /// Writes the names that a client at `address`, and others, have taken. A failure is logged.
    ///
    /// # Blocking
    /// On the file system.
    #[cfg_attr(not(feature = "closed"), expect(unused_variables, reason = "names of an open room are free"))]
    pub(crate) fn save_names(&self, address: IpAddr) {
        #[cfg(feature = "closed")]
        if let Some(Err(error)) =
            self.closed.as_ref().and_then(|closed| closed.names.as_ref()).map(KeptNames::save)
        {
            let line = format!("the names file cannot be written: {error}; new names hold until the end");
            self.log(address, log::Level::Error, line);
        }
    }

    /// Lets everybody have a name again. Returns false when it belonged to nobody, and `None` when the room
    /// keeps no names.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    #[cfg_attr(not(feature = "closed"), expect(unused_variables, reason = "names of an open room are free"))]
    pub(crate) fn forget_name(&self, name: &str) -> Option<std::io::Result<bool>> {
        #[cfg(feature = "closed")]
        return Some(self.closed.as_ref()?.names.as_ref()?.forget(name));
        #[cfg(not(feature = "closed"))]
        None
    }

    /// Returns what the statistics say of a closed room, and how many passphrases were wrong.
    pub(crate) fn guesses(&self) -> (String, u64) {
        #[cfg(feature = "closed")]
        if let Some(ClosedTables { guesses, .. }) = &self.closed {
            return (format!(", {}", guesses.summary()), guesses.wrong());
        }
        (String::new(), 0)
    }

    /// Returns the token bucket for a new connection from `address`.
    pub(crate) fn bucket(&self, limits: &Limits, address: IpAddr) -> Arc<Bucket> {
        self.buckets.bucket(limits, Host::of(address), Instant::now())
    }

    /// Logs a line about a peer at `address`, or leaves it out when there were too many about its host. The
    /// next line about that host says how many were left out.
    pub(crate) fn log(&self, address: IpAddr, level: log::Level, line: impl fmt::Display) {
        self.throttle.log(Host::of(address), level, line);
    }
}
