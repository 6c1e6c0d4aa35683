//! Who may come in: connections, addresses and names.
//!
//! The accept loop runs on the thread that called [`Server::run`](crate::Server::run). It knows nothing about the room: a connection
//! that is let in is handed to a function.

pub(crate) mod admission;
pub(crate) mod bans;
pub(crate) mod listener;
mod log_throttle;
pub(crate) mod name;

use crate::settings::limits::Limits;
use admission::Admission;
use bans::Bans;
use log_throttle::LogThrottle;
use std::{net::IpAddr, sync::Arc};

/// The tables that decide who may come in. Every thread may use them; nothing blocks under their locks.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) bans: Bans,
    admission: Arc<Admission>,
    throttle: LogThrottle,
}

impl Door {
    pub(crate) fn new(limits: &Limits, bans: Bans) -> Door {
        Door { bans, admission: Admission::new(limits), throttle: LogThrottle::default() }
    }

    /// Whether a line about `address` may be logged now.
    pub(crate) fn may_log(&self, address: IpAddr) -> bool {
        self.throttle.may_log(address)
    }
}
