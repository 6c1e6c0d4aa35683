//! Looks up the address of a server, as a person gives it to either program.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, ToSocketAddrs},
};

/// Returns the socket addresses of `HOST:PORT`. An IPv6 address stands in brackets, and may have a zone: the
/// network in which it is, by name or by number, as in `[fe80::1%eth0]:1234`.
///
/// # Blocking
/// On the name service.
///
/// # Errors
/// `NotFound` with one line for people when a zone is missing or unknown; otherwise whatever the system
/// reports.
pub fn look_up(address: &str) -> io::Result<Vec<SocketAddr>> {
    let no_address = |why: String| io::Error::new(ErrorKind::NotFound, why);
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let port: u16 = port.parse().map_err(|_| no_address(format!("{address} has no port")))?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // std itself reads a zone only as a number, and only in brackets. The system knows the names.
    let found = match ((host, port).to_socket_addrs(), zone(address)) {
        (Ok(found), _) => found.collect::<Vec<_>>(),
        (Err(_), Some(zone)) => {
            return Err(no_address(format!("this machine has no network {zone} for the address {address}")));
        }
        (Err(error), None) => return Err(error),
    };
    match found.iter().find(|address| needs_zone(address)) {
        Some(SocketAddr::V6(link)) => {
            let ip = link.ip();
            Err(no_address(format!(
                "{ip} is an address inside one network, so say in which: [{ip}%eth0]:{port} is in the \
                 network eth0 of this machine"
            )))
        }
        _ => Ok(found),
    }
}

/// Returns the zone in an address such as `[fe80::1%eth0]:1234`.
pub fn zone(address: &str) -> Option<&str> {
    let (_, zone) = address.rsplit_once(':')?.0.split_once('%')?;
    Some(zone.strip_suffix(']').unwrap_or(zone))
}

/// Whether the address alone does not say in which network it is.
fn needs_zone(address: &SocketAddr) -> bool {
    let SocketAddr::V6(address) = address else { return false };
    address.ip().is_unicast_link_local() && address.scope_id() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The network of every machine, by its name.
    const LOOPBACK: &str = if cfg!(target_os = "linux") { "lo" } else { "lo0" };

    #[test]
    fn a_zone_may_be_a_name_or_a_number() {
        let by_name = look_up(&format!("[fe80::1%{LOOPBACK}]:1234")).unwrap();
        let [SocketAddr::V6(address)] = by_name[..] else { panic!("{by_name:?}") };
        assert!(address.scope_id() > 0);
        assert_eq!(look_up(&format!("[fe80::1%{}]:1234", address.scope_id())).unwrap(), by_name);
    }

    #[test]
    fn an_address_without_a_zone_is_found_as_before() {
        for (given, address) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:9", "[::1]:9"),
            ("::1:9", "[::1]:9"),
            ("[::]:1", "[::]:1"),
        ] {
            assert_eq!(look_up(given).unwrap(), [address.parse().unwrap()], "{given}");
        }
    }

    #[test]
    fn a_zone_that_is_missing_or_unknown_is_told() {
        for (given, reason) in [
            ("[fe80::1]:1234", "[fe80::1%eth0]:1234"),
            ("[fe80::1%no-such-net]:1", "no network no-such-net"),
            ("[fe80::1%]:1", "no network  for"),
        ] {
            let error = look_up(given).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.to_string().contains(reason), "{error}");
        }
        assert_eq!(
            (zone("[fe80::1%eth0]:1"), zone("[::1]:1"), zone("fe80::1%2:1")),
            (Some("eth0"), None, Some("2"))
        );
    }
}
