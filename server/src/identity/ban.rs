//! One ban, of a name or of a network of addresses, and how an operator writes it. Plain values, for any
//! thread.

use super::{
    alike::{fold, is_alike, looks_like},
    host::{first_bits, IPV6_HOST_BITS},
};
use chat_common::text::excerpt::excerpt;
use std::{fmt, net::IpAddr};

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ban {
    /// A banned network of addresses.
    Address(Network),
    /// A banned name, with every name that counts as the same or looks the same.
    Name(String),
}

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Network {
    /// Invariant: it is no IPv4 address in the form of an IPv6 address, and the bits after `bits` are 0.
    address: IpAddr,
    /// How many bits are the same: 32 or 128 for one address.
    bits: u8,
}

impl Ban {
    /// Returns the ban that an operator's word means: of a network if the word is one, otherwise of a name.
    ///
    /// An IPv4 address is a network of its own. An IPv6 address without a length means its host, the network
    /// of 64 bits. In `ADDRESS/BITS`, the bits after the length do not count.
    ///
    /// # Errors
    /// When the word can be neither. Says why, in one line.
    pub(crate) fn of(word: &str) -> Result<Ban, String> {
        let (address, bits) = match word.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (word, None),
        };
        // The zone of a link-local address is where this machine meets it, and no part of it.
        let bare = address.split_once('%').map(|(bare, _)| bare).filter(|bare| bare.contains(':'));
        if let Ok(address) = bare.unwrap_or(address).parse::<IpAddr>() {
            return Network::parse(address, bits).map(Ban::Address);
        }
        // A name can look like a number with dots, but a mistyped address is more likely.
        let name = fold(word);
        let is_like_an_address = name.starts_with(|c: char| c.is_ascii_digit()) && name.contains('.');
        if !is_like_an_address && word.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c)) {
            return Ok(Ban::Name(word.to_owned()));
        }
        let word = excerpt(word);
        Err(format!("{word:?} is neither an address nor a possible name; a network is written ADDRESS/BITS"))
    }

    /// Returns the ban of the host at `address`: what an operator means who writes the address alone.
    pub(crate) fn of_host(address: IpAddr) -> Ban {
        Ban::Address(Network::host(address.to_canonical()))
    }

    /// Returns what the ban covers, for the operator.
    pub(crate) fn coverage(&self) -> String {
        let Ban::Address(Network { address, bits }) = self else {
            return "in every spelling that counts as the same name, or looks the same".to_owned();
        };
        let free_bits = width(*address) - bits;
        match (address, free_bits) {
            (IpAddr::V4(_), 0) => "this address alone".to_owned(),
            (IpAddr::V6(_), 0) => {
                format!("this address alone, and not the others that its host has in its /{IPV6_HOST_BITS}")
            }
            (IpAddr::V4(_), _) => format!("{} addresses", 1_u64 << free_bits),
            (IpAddr::V6(_), _) if *bits > IPV6_HOST_BITS => {
                format!("2^{free_bits} addresses, a part of the /{IPV6_HOST_BITS} of one host")
            }
            (IpAddr::V6(_), _) if *bits == IPV6_HOST_BITS => {
                format!("all addresses of one host, which are its /{IPV6_HOST_BITS}")
            }
            (IpAddr::V6(_), _) => {
                format!("{} hosts, each with its /{IPV6_HOST_BITS}", 1_u128 << (IPV6_HOST_BITS - bits))
            }
        }
    }

    /// Returns whether it bans a client with this name or address.
    pub(crate) fn covers(&self, name: &str, address: IpAddr) -> bool {
        match self {
            Ban::Address(network) => *network == Network::around(address.to_canonical(), network.bits),
            Ban::Name(banned) => is_alike(banned, name),
        }
    }

    /// Returns whether everybody whom `other` bans is banned by this as well.
    pub(super) fn includes(&self, other: &Ban) -> bool {
        match (self, other) {
            (Ban::Address(wide), Ban::Address(narrow)) => {
                wide.bits <= narrow.bits && *wide == Network::around(narrow.address, wide.bits)
            }
            _ => self.is_ended_by(other),
        }
    }

    /// Returns whether it bans the same as `other`, which may be written in another way.
    pub(super) fn means_the_same(&self, other: &Ban) -> bool {
        match (self, other) {
            (Ban::Name(one), Ban::Name(other)) => fold(one) == fold(other) && looks_like(one, other),
            _ => self == other,
        }
    }

    /// Returns whether the operator ends this ban with `other`: a name in every spelling, and an address as
    /// it was banned.
    pub(super) fn is_ended_by(&self, other: &Ban) -> bool {
        match (self, other) {
            (Ban::Name(one), Ban::Name(other)) => is_alike(one, other),
            _ => self == other,
        }
    }

    /// Returns every ban of a network that covers `address`: at most 129 of them.
    pub(super) fn all_around(address: IpAddr) -> impl Iterator<Item = Ban> {
        let address = address.to_canonical();
        (0..=width(address)).map(move |bits| Ban::Address(Network::around(address, bits)))
    }
}

impl Network {
    /// Returns the network of the addresses that have their first `bits` bits in common with `address`.
    fn around(address: IpAddr, bits: u8) -> Network {
        Network { address: first_bits(address, bits.min(width(address))), bits }
    }

    /// Returns the network that the host at `address` has for itself.
    fn host(address: IpAddr) -> Network {
        let bits = if address.is_ipv6() { IPV6_HOST_BITS } else { width(address) };
        Network::around(address, bits)
    }

    fn parse(written: IpAddr, bits: Option<&str>) -> Result<Network, String> {
        let address = written.to_canonical();
        let Some(bits) = bits else { return Ok(Network::host(address)) };
        // In the IPv6 form of an IPv4 address, the first 96 bits are always the same.
        let first = width(written) - width(address);
        let number = bits.parse::<u8>().ok().filter(|_| bits.bytes().all(|byte| byte.is_ascii_digit()));
        match number.filter(|bits| (first..=width(written)).contains(bits)) {
            Some(bits) => Ok(Network::around(address, bits - first)),
            None => Err(format!(
                "the length after {written}/ is a number from {first} to {}, not {:?}",
                width(written),
                excerpt(bits)
            )),
        }
    }
}

/// Returns the number of bits of an address.
fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl fmt::Display for Ban {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ban::Address(network) => write!(f, "address {network}"),
            Ban::Name(name) => write!(f, "name {name}"),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Network { address: address @ IpAddr::V4(_), bits: 32 } => write!(f, "{address}"),
            Network { address, bits } => write!(f, "{address}/{bits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(word: &str) -> Ban {
        Ban::of(word).unwrap()
    }

    #[test]
    fn a_ban_is_shown_with_all_that_it_covers_and_means_the_same_when_it_is_read_again() {
        for (word, shown) in [
            ("192.0.2.7", "address 192.0.2.7"),
            ("192.0.2.7/32", "address 192.0.2.7"),
            ("192.168.1.77/24", "address 192.168.1.0/24"),
            ("10.1.2.3/0", "address 0.0.0.0/0"),
            ("::ffff:192.0.2.7", "address 192.0.2.7"),
            ("::ffff:192.0.2.7/120", "address 192.0.2.0/24"),
            ("2001:db8::1", "address 2001:db8::/64"),
            ("2001:db8::1/128", "address 2001:db8::1/128"),
            ("fe80::2%eth0", "address fe80::/64"),
            ("fe80::2%3/128", "address fe80::2/128"),
            ("2001:db8:ffff::/33", "address 2001:db8:8000::/33"),
            ("Sara", "name Sara"),
            ("4th", "name 4th"),
        ] {
            assert_eq!(ban(word).to_string(), shown);
            let (_, again) = shown.split_once(' ').unwrap();
            assert_eq!(ban(again), ban(word));
        }
    }

    #[test]
    fn a_ban_says_what_it_covers() {
        for (word, coverage) in [
            ("Sara", "in every spelling that counts as the same name, or looks the same"),
            ("192.0.2.7", "this address alone"),
            ("192.168.1.0/24", "256 addresses"),
            ("0.0.0.0/0", "4294967296 addresses"),
            ("2001:db8::1", "all addresses of one host, which are its /64"),
            ("2001:db8::1/128", "this address alone, and not the others that its host has in its /64"),
            ("2001:db8::/120", "2^8 addresses, a part of the /64 of one host"),
            ("2001:db8::/48", "65536 hosts, each with its /64"),
            ("::/0", "18446744073709551616 hosts, each with its /64"),
        ] {
            assert_eq!(ban(word).coverage(), coverage, "{word}");
        }
        assert_eq!(Ban::of_host("2001:db8::7".parse().unwrap()), ban("2001:db8::1"));
        assert_eq!(Ban::of_host("::ffff:192.0.2.7".parse().unwrap()), ban("192.0.2.7"));
    }

    #[test]
    fn a_word_that_is_no_ban_is_refused_with_the_reason() {
        for (word, reason) in [
            ("999.1.1.1", "neither an address nor a possible name"),
            ("10.0.0.*", "neither an address nor a possible name"),
            ("a b", "neither an address nor a possible name"),
            ("sara/8", "neither an address nor a possible name"),
            ("10.0.0.0/33", "a number from 0 to 32, not \"33\""),
            ("10.0.0.0/", "a number from 0 to 32, not \"\""),
            ("10.0.0.0/+8", "a number from 0 to 32"),
            ("10.0.0.0/8/8", "a number from 0 to 32"),
            ("2001:db8::/129", "a number from 0 to 128"),
            ("::ffff:10.0.0.0/24", "a number from 96 to 128"),
        ] {
            let error = Ban::of(word).unwrap_err();
            assert!(error.contains(reason), "{word}: {error}");
        }
    }

    #[test]
    fn a_network_covers_exactly_the_addresses_in_it() {
        for (word, inside, outside) in [
            ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"),
            ("192.168.1.0/24", "192.168.1.255", "192.168.2.0"),
            ("192.168.0.0/0", "8.8.8.8", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1"),
            ("2001:db8::1/128", "2001:db8::1", "2001:db8::2"),
            ("::/0", "2001:db8::1", "::ffff:8.8.8.8"),
        ] {
            let (inside, outside) = (inside.parse().unwrap(), outside.parse().unwrap());
            assert!(ban(word).covers("", inside) && !ban(word).covers("", outside), "{word}");
            assert!(Ban::all_around(inside).any(|other| other == ban(word)), "{word}");
            assert!(!Ban::all_around(outside).any(|other| other == ban(word)), "{word}");
        }
    }

    #[test]
    fn a_wider_network_includes_a_narrower_one() {
        assert!(ban("192.168.0.0/16").includes(&ban("192.168.1.0/24")));
        assert!(!ban("192.168.1.0/24").includes(&ban("192.168.0.0/16")));
        assert!(!ban("192.168.0.0/16").includes(&ban("10.0.0.1")));
        assert!(!ban("::/0").includes(&ban("10.0.0.1")));
        assert!(ban("sara").includes(&ban("SARA")) && !ban("sara").includes(&ban("tom")));
    }
}
