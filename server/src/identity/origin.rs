//! Where a connection comes from. Plain values, for any thread.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// Who is at the other end of a connection: the peer, and the address that it counts for.
///
/// A connection counts for its peer. One of a gateway's guest counts for the guest, from the moment that the
/// gateway has shown its key: rates, limits, bans and lines of the log go by `address`. Only the callback
/// connection goes to `peer`.
///
/// The thread of a connection decides this, after the hello. Before that a connection counts for its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The other end of the connection.
    pub(crate) peer: SocketAddr,
    /// What it counts for.
    pub(crate) address: IpAddr,
    /// Whether the peer is a gateway, and the address is that of its guest.
    pub(crate) is_guest: bool,
}

impl Origin {
    /// Returns the origin of a peer that speaks for itself.
    pub(crate) fn of(peer: SocketAddr) -> Origin {
        Origin { peer, address: peer.ip(), is_guest: false }
    }

    /// Returns the origin of a guest at this address, for whom a gateway speaks. Returns `None` if no machine
    /// has such an address.
    pub(crate) fn of_guest(gateway: SocketAddr, guest: IpAddr) -> Option<Origin> {
        let guest = guest.to_canonical();
        if guest.is_unspecified() || guest.is_multicast() || guest == Ipv4Addr::BROADCAST {
            return None;
        }
        // A guest on the gateway's own machine is not on ours.
        let is_elsewhere = guest.is_loopback() && !gateway.ip().to_canonical().is_loopback();
        let address = if is_elsewhere { gateway.ip() } else { guest };
        Some(Origin { peer: gateway, address, is_guest: true })
    }

    /// Returns whether the client is on this machine. `own` is our end of its connection: a machine that
    /// dials one of its own addresses comes from that address. A guest is never on this machine, whatever its
    /// gateway says: what it types has come over a network.
    pub(crate) fn is_of_this_machine(&self, own: Option<SocketAddr>) -> bool {
        let peer = self.peer.ip().to_canonical();
        !self.is_guest && (peer.is_loopback() || own.is_some_and(|own| own.ip().to_canonical() == peer))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_guest {
            true => ShownAddress { address: self.address, is_guest: true }.fmt(f),
            false => self.peer.fmt(f),
        }
    }
}

/// The address of a member as the operator sees it: `192.0.2.7`, or `192.0.2.7 (web)` for a gateway's guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShownAddress {
    pub(crate) address: IpAddr,
    pub(crate) is_guest: bool,
}

impl fmt::Display for ShownAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.address.to_canonical(), if self.is_guest { " (web)" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(gateway: &str, address: &str) -> Option<Origin> {
        Origin::of_guest(gateway.parse().unwrap(), address.parse().unwrap())
    }

    #[test]
    fn a_guest_has_its_own_address_and_one_on_the_gateways_machine_has_that_of_the_gateway() {
        for (gateway, address, expected) in [
            ("127.0.0.1:9", "192.0.2.7", "192.0.2.7 (web)"),
            ("192.0.2.1:9", "::ffff:192.0.2.7", "192.0.2.7 (web)"),
            ("192.0.2.1:9", "2001:db8::7", "2001:db8::7 (web)"),
            ("127.0.0.1:9", "127.0.0.5", "127.0.0.5 (web)"),
            ("[::ffff:127.0.0.1]:9", "127.0.0.5", "127.0.0.5 (web)"),
            ("192.0.2.1:9", "127.0.0.5", "192.0.2.1 (web)"),
            ("192.0.2.1:9", "::1", "192.0.2.1 (web)"),
        ] {
            let origin = guest(gateway, address).unwrap();
            assert_eq!(origin.to_string(), expected, "{address} through {gateway}");
            assert_eq!(origin.peer.to_string(), gateway);
        }
        for address in ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:224.0.0.1"] {
            assert_eq!(guest("127.0.0.1:9", address), None, "{address}");
        }
    }

    #[test]
    fn a_guest_is_never_on_this_machine() {
        let own = "192.0.2.1:1234".parse().ok();
        for gateway in ["127.0.0.1:9", "[::1]:9", "192.0.2.1:9"] {
            assert!(Origin::of(gateway.parse().unwrap()).is_of_this_machine(own));
            for address in ["127.0.0.1", "::1", "192.0.2.1", "192.0.2.7"] {
                assert!(!guest(gateway, address).unwrap().is_of_this_machine(own), "{address}");
            }
        }
        assert!(!Origin::of("192.0.2.7:9".parse().unwrap()).is_of_this_machine(own));
    }
}
