//! Where a connection comes from. Plain values, for any thread.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// Who is at the other end of a connection: the peer, and the address that it counts for.
///
/// The thread of a connection decides this once, after the hello, with [`Origin::of`]. Before the hello a
/// connection counts for its peer. From then on rates, bans and lines of the log go by `address`. Only the
/// callback connection goes to `peer`. Today the address is the peer's own. A peer that speaks for others,
/// such as a gateway, makes a difference here and nowhere else.
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
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.peer, f)
    }
}
