//! The addresses of this machine at which others reach a program that listens. Runs on the main thread.

use std::{
    fs, iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
};

/// Reserved for documentation, so every machine reaches it by its way to the internet, if there is one.
const FAR_IPV4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const FAR_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// An address of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAddress {
    /// The address.
    pub ip: IpAddr,
    /// The name of the network in which it is, such as `eth0`, if it is known.
    pub network: Option<String>,
}

/// Returns the addresses at which others reach a program that listens at `ip`, the most likely one first.
/// With a wildcard and no network there are none.
///
/// # Blocking
/// On `/proc`, where the system has it.
pub fn reachable(ip: IpAddr) -> Vec<OwnAddress> {
    match ip {
        IpAddr::V4(any) if any.is_unspecified() => own_ipv4(),
        // The wildcard of IPv6 takes IPv4 as well, unless the system was told otherwise.
        IpAddr::V6(any) if any.is_unspecified() => {
            own_ipv6().into_iter().chain(takes_ipv4().then(own_ipv4).into_iter().flatten()).collect()
        }
        _ => vec![OwnAddress { ip, network: None }],
    }
}

/// Returns the address of this machine from which it reaches the internet, and those in the networks that it
/// knows. A room without a way to the internet, such as a lab, has a network all the same.
fn own_ipv4() -> Vec<OwnAddress> {
    let routes = routes(&fs::read_to_string("/proc/net/route").unwrap_or_default());
    let default = routes.iter().find(|(_, net)| net.is_unspecified()).map(|(name, _)| name.clone());
    let near = routes.into_iter().filter(|(_, net)| !net.is_unspecified());
    let near = near.map(|(name, net)| (Some(name), Ipv4Addr::from(u32::from(net) | 1)));
    let mut own: Vec<OwnAddress> = Vec::new();
    for (network, remote) in iter::once((default, FAR_IPV4)).chain(near) {
        let found = own_address(Ipv4Addr::UNSPECIFIED.into(), remote.into());
        let found = found.filter(|ip| !own.iter().any(|known| known.ip == *ip));
        own.extend(found.map(|ip| OwnAddress { ip, network }));
    }
    own
}

fn own_ipv6() -> Option<OwnAddress> {
    let ip = own_address(Ipv6Addr::UNSPECIFIED.into(), FAR_IPV6.into())?;
    Some(OwnAddress { ip, network: None })
}

fn takes_ipv4() -> bool {
    fs::read_to_string("/proc/sys/net/ipv6/bindv6only").is_ok_and(|only| only.trim() == "0")
}

/// Returns which of our addresses the system would use towards `remote`. Connecting a UDP socket sends
/// nothing. `any` is the wildcard of the same kind.
fn own_address(any: IpAddr, remote: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((remote, 9)).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then_some(own)
}

/// Returns the networks in a table of routes as Linux prints it, each with its name: a heading, and then a
/// line for each network. Its first word is the name, and its second the network, as a number that lies in
/// memory as the address does.
fn routes(table: &str) -> Vec<(String, Ipv4Addr)> {
    let route = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, network) = (words.next()?, u32::from_str_radix(words.next()?, 16).ok()?);
        Some((name.to_owned(), Ipv4Addr::from(network.to_ne_bytes())))
    };
    table.lines().skip(1).filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_networks_of_a_machine_are_read_from_its_routes() {
        let table = "Iface\tDestination\tGateway\neth0\t00000000\t0101A8C0\neth0\t0001A8C0\t00000000\n";
        let near = if cfg!(target_endian = "little") { [192, 168, 1, 0] } else { [0, 1, 168, 192] };
        let name = || "eth0".to_owned();
        assert_eq!(routes(table), [(name(), Ipv4Addr::UNSPECIFIED), (name(), Ipv4Addr::from(near))]);
        assert!(routes("").is_empty());
    }

    #[test]
    fn a_wildcard_is_reached_at_addresses_of_a_network() {
        for any in ["0.0.0.0", "::"] {
            let own = reachable(any.parse().unwrap());
            assert!(own.iter().all(|own| !own.ip.is_unspecified() && !own.ip.is_loopback()), "{own:?}");
        }
        let ip = IpAddr::from([192, 0, 2, 7]);
        assert_eq!(reachable(ip), [OwnAddress { ip, network: None }]);
    }
}
