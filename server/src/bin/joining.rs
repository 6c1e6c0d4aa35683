//! The lines that tell how others join, and where the server listens. What stands behind the colon can be
//! pasted into a shell. Runs on the main thread.

use std::{
    fs, iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

/// Returns the lines for a server that listens at `address`. `zone` is the network in which the address is,
/// as the operator has named it.
///
/// # Blocking
/// On `/proc`, where the system has it.
pub(crate) fn lines(address: SocketAddr, zone: Option<&str>) -> String {
    lines_for(address, zone, &reachable(address.ip()))
}

/// Returns the lines where others reach the server at these addresses, the most likely one first.
fn lines_for(address: SocketAddr, zone: Option<&str>, reachable: &[IpAddr]) -> String {
    let port = address.port();
    let loopback: IpAddr =
        if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    let first = SocketAddr::new(reachable.first().copied().unwrap_or(loopback), port);
    let server = match zone {
        // Names of networks are more alike on two machines than their numbers are.
        Some(zone) => format!("[{}%{zone}]:{port}", first.ip()),
        None => first.to_string(),
    };
    let (place, who) = match reachable {
        [] => ("on this machine only, because it has no network".to_owned(), "Others on this machine"),
        [ip, ..] if ip.is_loopback() => {
            let more = format!("on this machine only; --listen 0.0.0.0:{port} lets others in");
            (more, "Others on this machine")
        }
        [one] if zone.is_some() => (format!("at {one}%{}", zone.unwrap_or_default()), "Others"),
        all => {
            let all: Vec<String> = all.iter().map(IpAddr::to_string).collect();
            (format!("at {}", all.join(" and ")), "Others")
        }
    };
    // Some shells take brackets for a pattern.
    let quote = if first.is_ipv6() { "'" } else { "" };
    format!("{who} join with: chat-client --server {quote}{server}{quote}\nIt listens {place}.\n")
}

/// Returns the addresses at which others reach a server that listens at `ip`, the most likely one first. With
/// a wildcard and no network there are none.
fn reachable(ip: IpAddr) -> Vec<IpAddr> {
    match ip {
        IpAddr::V4(any) if any.is_unspecified() => own_ipv4(),
        // The wildcard of IPv6 takes IPv4 as well, unless the system was told otherwise.
        IpAddr::V6(any) if any.is_unspecified() => {
            own_ipv6().into_iter().chain(takes_ipv4().then(own_ipv4).into_iter().flatten()).collect()
        }
        _ => vec![ip],
    }
}

/// Returns the address of this machine from which it reaches the internet, and those in the networks that it
/// knows. A room without a way to the internet, such as a lab, has a network all the same.
fn own_ipv4() -> Vec<IpAddr> {
    // Reserved for documentation.
    let far = Ipv4Addr::new(192, 0, 2, 1);
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let near = networks(&routes).into_iter().map(|network| Ipv4Addr::from(u32::from(network) | 1));
    let mut own = Vec::new();
    for remote in iter::once(far).chain(near) {
        let found = own_address(Ipv4Addr::UNSPECIFIED.into(), remote.into());
        own.extend(found.filter(|address| !own.contains(address)));
    }
    own
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
        for (address, zone, who, server, place) in [
            ("127.0.0.1:1234", None, " on this machine", "127.0.0.1:1234", "on this machine only; "),
            ("[::1]:9", None, " on this machine", "'[::1]:9'", "on this machine only; "),
            ("192.0.2.7:1234", None, "", "192.0.2.7:1234", "at 192.0.2.7.\n"),
            ("[2001:db8::7]:1", None, "", "'[2001:db8::7]:1'", "at 2001:db8::7.\n"),
            ("[fe80::7%3]:1", Some("eth0"), "", "'[fe80::7%eth0]:1'", "at fe80::7%eth0.\n"),
        ] {
            let told = lines(address.parse().unwrap(), zone);
            let start = format!("Others{who} join with: chat-client --server {server}\nIt listens {place}");
            assert!(told.starts_with(&start), "{told}");
        }
        let here = lines("127.0.0.1:7".parse().unwrap(), None);
        assert!(here.ends_with("only; --listen 0.0.0.0:7 lets others in.\n"), "{here}");
    }

    #[test]
    fn a_wildcard_is_told_as_all_addresses_and_others_get_the_first() {
        for address in ["0.0.0.0:1234", "[::]:1234"] {
            let address: SocketAddr = address.parse().unwrap();
            assert!(reachable(address.ip()).iter().all(|ip| !ip.is_unspecified() && !ip.is_loopback()));
        }
        let any = "0.0.0.0:1234".parse().unwrap();
        let told = |own: &[&str]| {
            let own: Vec<IpAddr> = own.iter().map(|ip| ip.parse().unwrap()).collect();
            lines_for(any, None, &own)
        };
        let both = told(&["192.0.2.7", "198.51.100.9"]);
        assert!(
            both.contains("--server 192.0.2.7:1234\nIt listens at 192.0.2.7 and 198.51.100.9.\n"),
            "{both}"
        );
        let none = told(&[]);
        assert!(none.starts_with("Others on this machine join with: chat-client --server 127.0.0.1:1234\n"));
        assert!(none.ends_with("It listens on this machine only, because it has no network.\n"), "{none}");
    }

    #[test]
    fn the_networks_of_a_machine_are_read_from_its_routes() {
        let routes = "Iface\tDestination\tGateway\neth0\t00000000\t0101A8C0\neth0\t0001A8C0\t00000000\n";
        let expected = if cfg!(target_endian = "little") { [192, 168, 1, 0] } else { [0, 1, 168, 192] };
        assert_eq!(networks(routes), [Ipv4Addr::from(expected)]);
        assert!(networks("").is_empty());
    }
}
