//! What the gateway says at its start: the room, the addresses that people type, and on a terminal the QR
//! code of the likeliest of them. Runs on the main thread.

use crate::{qr, settings::Options};
use chat_common::program::own_addresses::{reachable, OwnAddress};
use std::net::{IpAddr, SocketAddr};

/// Networks inside of this machine, or of machines far away. No phone in the room reaches their addresses.
const NOT_THE_ROOM: [&str; 9] = ["docker", "br-", "veth", "virbr", "tun", "tap", "tailscale", "wg", "zt"];

/// What a server that does not know the guests' addresses does. A guest has two connections, and an address
/// 64 at most.
const NO_KEY: &str =
    "The server counts all guests as this machine: a ban meets all of them, and 32 get into a room on \
                      another machine.\n--gateway-key FILE, for both programs, lets each count for itself.\n";

/// Returns the lines for a gateway that listens at `address`.
///
/// # Blocking
/// On `/proc`, where the system has it.
pub(crate) fn lines(options: &Options, address: SocketAddr, on_terminal: bool) -> String {
    lines_for(options, address, &reachable(address.ip()), on_terminal)
}

fn lines_for(options: &Options, address: SocketAddr, own: &[OwnAddress], on_terminal: bool) -> String {
    let (server, url) = (&options.server, options.names.url.clone());
    let is_here = own.is_empty() || address.ip().is_loopback();
    let mut own: Vec<&OwnAddress> = own.iter().collect();
    own.sort_by_key(|own| !is_likely(own));
    let mut urls: Vec<String> = url.into_iter().collect();
    urls.extend(own.iter().map(|own| url_of(own.ip, address.port())));
    if urls.is_empty() {
        urls.push(url_of(IpAddr::from([127, 0, 0, 1]), address.port()));
    }
    let mut lines = format!("Serving the room at {server}. Type into a browser:\n");
    urls.iter().for_each(|url| lines += &format!("  {url}\n"));
    if options.names.url.is_none() && is_here {
        lines += "It is on this machine only; --listen 0.0.0.0:PORT lets others in.\n";
    } else {
        if on_terminal {
            lines += &qr::code(&urls[0]).unwrap_or_default();
        }
        lines += "Phones: the same Wi-Fi, and mobile data off.\n";
    }
    if options.gateway_key.is_none() {
        lines += NO_KEY;
    }
    if options.passphrase.is_some() {
        lines += "The room is closed, and everybody who reaches this page is in it.\n";
    }
    lines
}

fn url_of(ip: IpAddr, port: u16) -> String {
    format!("http://{}/", SocketAddr::new(ip, port))
}

/// Whether a phone in the same room may reach the address.
fn is_likely(own: &OwnAddress) -> bool {
    let is_private = match own.ip {
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(_) => false,
    };
    let network = own.network.as_deref().unwrap_or_default();
    is_private && !NOT_THE_ROOM.iter().any(|start| network.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{parse, Invocation};

    fn told(line: &str, own: &[(&str, &str)], on_terminal: bool) -> String {
        let Ok(Invocation::Run(options)) = parse(line.split_whitespace().map(str::to_owned), &|_| None)
        else {
            panic!("{line}");
        };
        let own = own.iter().map(|(ip, network)| OwnAddress {
            ip: ip.parse().unwrap(),
            network: Some((*network).to_owned()),
        });
        let address = options.listen.parse().unwrap();
        lines_for(&options, address, &own.collect::<Vec<_>>(), on_terminal)
    }

    #[test]
    fn all_addresses_are_told_and_the_one_that_a_phone_reaches_is_the_first() {
        let own = [
            ("100.64.0.1", "eth1"),
            ("172.17.0.1", "docker0"),
            ("10.8.0.2", "tun0"),
            ("192.168.1.20", "wlan0"),
        ];
        let lines = told("--listen 0.0.0.0:8080", &own, false);
        assert!(
            lines.contains("browser:\n  http://192.168.1.20:8080/\n  http://100.64.0.1:8080/\n"),
            "{lines}"
        );
        assert!(own.iter().all(|(ip, _)| lines.contains(ip)), "{lines}");
        assert!(lines.contains("mobile data off.\n") && !lines.contains('█'), "{lines}");
    }

    #[test]
    fn the_code_is_on_a_terminal_alone_and_an_address_that_was_given_comes_first() {
        let lines =
            told("--listen 0.0.0.0:80 --url https://chat.example/", &[("192.168.1.20", "wlan0")], true);
        assert!(lines.contains("browser:\n  https://chat.example/\n  http://192.168.1.20:80/\n"), "{lines}");
        assert!(lines.contains(&qr::code("https://chat.example/").unwrap()), "{lines}");
    }

    #[test]
    fn a_gateway_for_this_machine_says_how_others_get_in_and_what_it_lacks_without_a_key() {
        let lines = told("--gateway-key FILE", &[("127.0.0.1", "lo")], true);
        let expected = "Serving the room at 127.0.0.1:1234. Type into a browser:\n  http://127.0.0.1:8080/\n\
                        It is on this machine only; --listen 0.0.0.0:PORT lets others in.\n";
        assert_eq!(lines, expected);
        assert_eq!(told("", &[("127.0.0.1", "lo")], true), format!("{expected}{NO_KEY}"));
    }
}
