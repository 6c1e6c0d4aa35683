//! The lines that tell how others join, and where the server listens. What stands behind the colon can be
//! pasted into a shell. Runs on the main thread.

use chat_common::program::own_addresses::reachable;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Returns the lines for a server that listens at `address`. `zone` is the network in which the address is,
/// as the operator has named it.
///
/// # Blocking
/// On `/proc`, where the system has it.
pub(crate) fn lines(address: SocketAddr, zone: Option<&str>) -> String {
    let reachable: Vec<IpAddr> = reachable(address.ip()).iter().map(|own| own.ip).collect();
    lines_for(address, zone, &reachable)
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
            assert!(reachable(address.ip())
                .iter()
                .all(|own| !own.ip.is_unspecified() && !own.ip.is_loopback()));
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
}
