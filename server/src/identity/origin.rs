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

    /// Returns whether the client is on this machine. `own` is our end of its connection: a machine that
    /// dials one of its own addresses comes from that address.
    pub(crate) fn is_of_this_machine(&self, own: Option<SocketAddr>) -> bool {
        let peer = self.peer.ip().to_canonical();
        let is_own = peer.is_loopback() || own.is_some_and(|own| own.ip().to_canonical() == peer);
        is_own && self.address == self.peer.ip()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.peer, f)
    }
}
