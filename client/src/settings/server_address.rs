//! The address of a server, as a person gives it. No I/O.

use std::net::Ipv6Addr;

/// Where the server is if nobody says so.
pub const DEFAULT_SERVER: &str = "127.0.0.1";
/// The port of a server that is given without one.
pub const DEFAULT_PORT: u16 = 1234;

/// Reads the address of a server. Returns it in the form `HOST:PORT`. Whether the host exists is only known
/// after dialling.
///
/// # Errors
/// One line for people.
pub fn parse_server(server: &str) -> Result<String, String> {
    let is_ipv6 = |text: &str| {
        let (address, zone) = text.split_once('%').unwrap_or((text, "none"));
        address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty()
    };
    let is_host = |host: &str| {
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match bracketed {
            Some(address) => address.contains(':'),
            None => !host.is_empty() && !host.contains([':', '/', '[', ']', '@']),
        }
    };
    let has_spaces = server.contains(|c: char| c.is_whitespace() || c.is_control());
    let parts = server.rsplit_once(':');
    let port_of = |port: &str| port.parse::<u16>().ok().filter(|port| *port > 0);
    match parts {
        _ if has_spaces => {}
        // `::1:80` is an address, and so is what stands before `:80`.
        Some((host, port)) if is_ipv6(server) && is_ipv6(host) && port_of(port).is_some() => {
            return Err(format!(
                "is {port} the port? The server is [{host}]:{port} or [{server}], not {server}"
            ));
        }
        _ if is_ipv6(server) => return Ok(format!("[{server}]:{DEFAULT_PORT}")),
        // The system takes a number for an address such as 0.0.7.208, and nobody means that.
        _ if server.parse::<u64>().is_ok() => {
            return Err(format!("is {server} the port? The server is :{server} then, or HOST:{server}"));
        }
        _ if is_host(server) => return Ok(format!("{server}:{DEFAULT_PORT}")),
        Some(("", port)) if port_of(port).is_some() => return Ok(format!("{DEFAULT_SERVER}{server}")),
        Some((host, port)) if is_host(host) && port_of(port).is_some() => return Ok(server.to_owned()),
        _ => {}
    }
    Err(format!(
        "the server is HOST, HOST:PORT or :PORT, such as 192.168.1.5, 127.0.0.1:1234 or [::1]:1234, not \
         \"{server}\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_port_is_at_port_1234_and_one_without_a_host_is_here() {
        for (given, server) in [
            ("127.0.0.1", "127.0.0.1:1234"),
            ("room.example", "room.example:1234"),
            ("room.example:80", "room.example:80"),
            ("::1", "[::1]:1234"),
            ("fe80::1", "[fe80::1]:1234"),
            ("fe80::1%eth0", "[fe80::1%eth0]:1234"),
            ("[fe80::1%eth0]", "[fe80::1%eth0]:1234"),
            ("[fe80::1%eth0]:80", "[fe80::1%eth0]:80"),
            ("[fe80::1%2]:80", "[fe80::1%2]:80"),
            ("[::1]", "[::1]:1234"),
            ("[::1]:80", "[::1]:80"),
            (":80", "127.0.0.1:80"),
        ] {
            assert_eq!(parse_server(given).as_deref(), Ok(server));
        }
    }
}
