//! The line that tells how others join. What stands behind the colon can be pasted into a shell. Runs on the
//! main thread.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

/// Returns the line for a server that listens at `address`. `zone` is the network in which the address is,
/// as the operator has named it.
///
/// # Blocking
/// On `/proc`, where the system has it.
pub(crate) fn line(address: SocketAddr, zone: Option<&str>) -> String {
    let reachable = reachable(address);
    let server = match zone {
        // Names of networks are more alike on two machines than their numbers are.
        Some(zone) => format!("[{}%{zone}]:{}", reachable.ip(), reachable.port()),
        None => reachable.to_string(),
    };
    let who = if reachable.ip().is_loopback() { "Others on this machine" } else { "Others" };
    // Some shells take brackets for a pattern.
    let quote = if reachable.is_ipv6() { "'" } else { "" };
    format!("{who} join with: chat-client --server {quote}{server}{quote}")
}

/// Returns the address that others use to reach a server that listens at `address`. With a wildcard and no
/// network, only this machine can.
fn reachable(address: SocketAddr) -> SocketAddr {
    let port = address.port();
    let own = match address.ip() {
        IpAddr::V4(any) if any.is_unspecified() => own_ipv4(),
        // The wildcard of IPv6 takes IPv4 as well, unless the system was told otherwise.
        IpAddr::V6(any) if any.is_unspecified() => {
            own_ipv6().or_else(|| if takes_ipv4() { own_ipv4() } else { None })
        }
        _ => return address,
    };
    let loopback: IpAddr =
        if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    SocketAddr::new(own.unwrap_or(loopback), port)
}

/// Returns the address of this machine from which it reaches the internet. A room without a way there, such
/// as a lab, has a network all the same: then it is the address in the first network that is known.
fn own_ipv4() -> Option<IpAddr> {
    // Reserved for documentation.
    let far = Ipv4Addr::new(192, 0, 2, 1);
    own_address(Ipv4Addr::UNSPECIFIED.into(), far.into()).or_else(|| {
        let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
        let near = networks(&routes).into_iter().map(|network| Ipv4Addr::from(u32::from(network) | 1));
        near.filter_map(|near| own_address(Ipv4Addr::UNSPECIFIED.into(), near.into())).next()
    })
}

fn own_ipv6() -> Option<IpAddr> {
    // Reserved for documentation.
    let far = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    own_address(Ipv6Addr::UNSPECIFIED.into(), far.into())
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

/// Returns the networks in a table of routes as Linux prints it: a heading, and then a line for each network.
/// Its second word is the network, as a number that lies in memory as the address does.
fn networks(routes: &str) -> Vec<Ipv4Addr> {
    let second = |line: &str| u32::from_str_radix(line.split_whitespace().nth(1)?, 16).ok();
    let numbers = routes.lines().skip(1).filter_map(second);
    numbers.map(|number| Ipv4Addr::from(number.to_ne_bytes())).filter(|net| !net.is_unspecified()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_no_wildcard_is_told_as_it_is() {
        let line = |address: &str| line(address.parse().unwrap(), None);
        assert_eq!(
            line("127.0.0.1:1234"),
            "Others on this machine join with: chat-client --server 127.0.0.1:1234"
        );
        assert_eq!(line("[::1]:9"), "Others on this machine join with: chat-client --server '[::1]:9'");
        assert_eq!(line("192.0.2.7:1234"), "Others join with: chat-client --server 192.0.2.7:1234");
        assert_eq!(
            super::line("[fe80::7%3]:1".parse().unwrap(), Some("eth0")),
            "Others join with: chat-client --server '[fe80::7%eth0]:1'"
        );
        assert_eq!(line("[2001:db8::7]:1"), "Others join with: chat-client --server '[2001:db8::7]:1'");
    }

    #[test]
    fn a_wildcard_is_told_as_an_address_that_works() {
        for address in ["0.0.0.0:1234", "[::]:1234"] {
            let reachable = reachable(address.parse().unwrap());
            assert!(!reachable.ip().is_unspecified() && reachable.port() == 1234, "{reachable}");
        }
    }

    #[test]
    fn the_networks_of_a_machine_are_read_from_its_routes() {
        let routes = "Iface\tDestination\tGateway\neth0\t00000000\t0101A8C0\neth0\t0001A8C0\t00000000\n";
        let expected = if cfg!(target_endian = "little") { [192, 168, 1, 0] } else { [0, 1, 168, 192] };
        assert_eq!(networks(routes), [Ipv4Addr::from(expected)]);
        assert!(networks("").is_empty());
    }
}
