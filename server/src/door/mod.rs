//! Who may enter the room: connections, addresses and names.
//!
//! The accept loop runs on the thread that calls [`Server::run`](crate::Server::run). Any thread may use
//! the tables; nothing here may use the room. A function that the caller supplies serves an accepted
//! connection.

mod admission;
mod bans;
mod host;
mod listener;
mod log_throttle;
pub(crate) mod name;
mod rate;

pub(crate) use admission::Slot;
pub(crate) use bans::{Ban, Bans};
pub(crate) use host::Host;
pub(crate) use listener::accept_loop;
pub(crate) use rate::Bucket;

use crate::settings::Limits;
use admission::Admission;
use log_throttle::LogThrottle;
use rate::Buckets;
use std::{net::IpAddr, sync::Arc, time::Instant};

/// The tables of bans, of accepted connections, and of the last log lines. Any thread may use them.
/// Nothing blocks while it holds one of their locks.
#[derive(Debug, Default)]
pub(crate) struct Door {
    pub(crate) bans: Bans,
    admission: Arc<Admission>,
    throttle: LogThrottle,
    buckets: Buckets,
}

impl Door {
    pub(crate) fn new(bans: Bans) -> Door {
        Door {
            bans,
            admission: Arc::default(),
            throttle: LogThrottle::default(),
            buckets: Buckets::default(),
        }
    }

    /// Returns the token bucket for a new connection from `address`.
    pub(crate) fn bucket(&self, limits: &Limits, address: IpAddr) -> Arc<Bucket> {
        self.buckets.bucket(limits, address, Instant::now())
    }

    /// Returns whether a line about `address` may be logged now.
    pub(crate) fn may_log(&self, address: IpAddr) -> bool {
        self.throttle.may_log_at(address, Instant::now())
    }
}
