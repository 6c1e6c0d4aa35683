//! Where a connection comes from. Plain values, for any thread.

use super::Host;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// Who is at the other end of a connection: the peer, and the address that it counts for.
///
/// This is decided in one place, [`Origin::of`], and a connection's `Slot` has it to its end. Limits, rates,
/// bans and lines of the log go by `address`. Only the callback connection goes to `peer`. Today the address
/// is the peer's own. A peer that speaks for others, such as a gateway, makes a difference here and nowhere
/// else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The other end of the connection.
    pub(crate) peer: SocketAddr,
    /// What it counts for.
    pub(crate) address: IpAddr,
}

impl Origin {
    /// Returns the origin of a peer that speaks for itself.
    pub(crate) fn of(peer: SocketAddr) -> Origin {
        Origin { peer, address: peer.ip() }
    }

    /// Returns the host that it counts for.
    pub(crate) fn host(&self) -> Host {
        Host::of(self.address)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.peer, f)
    }
}
