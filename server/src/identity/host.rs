//! What counts as one host: the key for limits, for shares and for logged lines. Plain values, for any
//! thread.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The bits of an IPv6 address that stand for its host. Even one machine on a home network has the other 64
/// bits for itself, and can use as many addresses as it likes.
pub(super) const IPV6_HOST_BITS: u8 = 64;

/// A host: an IPv4 address, or the first 64 bits of an IPv6 address.
///
/// All link-local IPv6 addresses (`fe80::`) of a network are one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Host(IpAddr);

impl Host {
    /// Returns the host of an address. An IPv4 address that is written as an IPv6 address is IPv4.
    pub(crate) fn of(address: IpAddr) -> Host {
        match address.to_canonical() {
            ipv4 @ IpAddr::V4(_) => Host(ipv4),
            ipv6 @ IpAddr::V6(_) => Host(first_bits(ipv6, IPV6_HOST_BITS)),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(address) => write!(f, "{address}/{IPV6_HOST_BITS}"),
        }
    }
}

/// Returns the address with only its first `bits` bits; the others become 0.
pub(super) fn first_bits(address: IpAddr, bits: u8) -> IpAddr {
    // A shift by all the bits of a number is not defined, and has to give 0.
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(address: &str) -> String {
        Host::of(address.parse().unwrap()).to_string()
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_host_and_an_ipv4_address_is_one_host() {
        assert_eq!(host("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(host("2001:db8:1:2:ffff::1"), "2001:db8:1:2::/64");
        assert_ne!(host("2001:db8:1:3::1"), host("2001:db8:1:2::1"));
        assert_eq!(host("192.0.2.7"), "192.0.2.7");
        assert_eq!(host("::ffff:192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn the_first_bits_of_an_address_can_be_none_or_all_of_them() {
        for (address, bits, expected) in [
            ("192.0.2.255", 0, "0.0.0.0"),
            ("192.0.2.255", 25, "192.0.2.128"),
            ("192.0.2.255", 32, "192.0.2.255"),
            ("2001:db8::ff", 0, "::"),
            ("2001:db8::ff", 128, "2001:db8::ff"),
        ] {
            assert_eq!(first_bits(address.parse().unwrap(), bits).to_string(), expected, "{bits}");
        }
    }
}
