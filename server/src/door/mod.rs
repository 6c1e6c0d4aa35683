//! Who may enter the room: connections, addresses and names.
//!
//! The accept loop runs on the thread that calls [`Server::run`](crate::Server::run). Any thread may use
//! the tables; nothing here may use the room. A function that the caller supplies serves an accepted
//! connection.

mod admission;
mod ban;
mod ban_file;
mod bans;
mod host;
mod host_rate;
mod listener;
mod log_throttle;
pub(crate) mod name;
mod rate;

pub(crate) use admission::Slot;
pub(crate) use ban::Ban;
pub(crate) use bans::Bans;
pub(crate) use host::Host;
pub(crate) use listener::accept_loop;
pub(crate) use rate::Bucket;

use crate::settings::Limits;
use admission::Admission;
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
        }
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
