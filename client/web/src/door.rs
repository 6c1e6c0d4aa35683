//! Who may ask for something, decided on the head of a request alone. No I/O.
//!
//! A page of another site that runs in a guest's browser must not speak for the guest. So:
//!
//! - `Host` MUST be our own address of the connection, or a name that the operator gave. Another one is a
//!   name that somebody has made lead here.
//! - `Origin`, if there is one, MUST be that host. `Host` is checked first, so a name that leads here does
//!   not pass by being both.
//! - Everything but the page MUST have the field `Chat`, which makes a browser ask first, and nobody answers
//!   that question. What comes in MUST be JSON, which a form cannot send.

use crate::{
    http::{Connection, Request, Response},
    settings::Names,
};
use std::net::{IpAddr, SocketAddr};

/// Checks the head of a request.
///
/// # Errors
/// The answer to a request that is refused.
pub(crate) fn check(names: &Names, connection: &Connection, head: &Request) -> Result<(), Response> {
    check_head(names, connection.local, head)
}

fn check_head(names: &Names, local: SocketAddr, head: &Request) -> Result<(), Response> {
    let host = head.field("host").unwrap_or_default();
    if !is_ours(names, local, host) {
        let why = "this is not the address of the chat; a further name needs chat-web --host NAME";
        return Err(Response::text(421, why));
    }
    if head.method == "OPTIONS" {
        return Err(Response::text(404, "there is nothing here"));
    }
    if head.has("origin") && !is_our_origin(names, host, head.field("origin").unwrap_or_default()) {
        return Err(Response::text(403, "a page of another site does not speak here"));
    }
    if head.method == "POST" && !is_json(head.field("content-type").unwrap_or_default()) {
        return Err(Response::text(403, "what is sent here is application/json"));
    }
    if head.path != "/" && head.field("chat") != Some("1") {
        return Err(Response::text(404, "there is nothing here; the page is at /"));
    }
    Ok(())
}

/// Whether browsers may reach us under this value of `Host`.
fn is_ours(names: &Names, local: SocketAddr, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host.as_str(), Some(80)),
    };
    let given = names.host.as_deref().into_iter().chain(names.url.as_deref().and_then(host_of));
    if given.into_iter().any(|given| given.eq_ignore_ascii_case(name)) {
        return port.is_some();
    }
    let ip = local.ip().to_canonical();
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>().map(|address| address.to_canonical());
    port == Some(local.port()) && (address == Ok(ip) || name == "localhost" && ip.is_loopback())
}

/// Returns the host in an address such as `http://192.168.1.5:8080/`, without its port.
fn host_of(url: &str) -> Option<&str> {
    let host = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    Some(match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    })
}

/// Whether the origin is the page that we serve under this `host`, which is ours.
fn is_our_origin(names: &Names, host: &str, origin: &str) -> bool {
    let scheme = if names.behind_tls { "https://" } else { "http://" };
    origin.strip_prefix(scheme).is_some_and(|origin| origin.eq_ignore_ascii_case(host))
}

fn is_json(kind: &str) -> bool {
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// Returns the address of the guest. What a proxy says counts only if it is the one that the operator named.
pub(crate) fn guest_address(names: &Names, connection: &Connection, head: &Request) -> IpAddr {
    forwarded(names, connection.peer.ip().to_canonical(), head)
}

fn forwarded(names: &Names, peer: IpAddr, head: &Request) -> IpAddr {
    let last = head.last_field("x-forwarded-for").and_then(|value| value.rsplit(',').next());
    let last = last.and_then(|address| address.trim().parse::<IpAddr>().ok());
    match last.filter(|_| names.behind == Some(peer)) {
        Some(address) => address.to_canonical(),
        None => peer,
    }
}

/// Whether connections and guests of this address are not counted: this machine, and the proxy.
pub(crate) fn is_exempt(names: &Names, address: IpAddr) -> bool {
    address.is_loopback() || names.behind == Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "192.0.2.7:8080";

    fn status(names: &Names, local: &str, head: &str) -> u16 {
        let request = Request::from_text(&format!("{head}\r\n\r\n"));
        check_head(names, local.parse().unwrap(), &request).map_or_else(|refused| refused.status(), |()| 200)
    }

    #[test]
    fn only_our_own_address_or_a_name_of_the_operator_is_the_host() {
        let none = Names::default();
        let get = |names: &Names, local: &str, host: &str| {
            status(names, local, &format!("GET / HTTP/1.1\r\n{host}"))
        };
        for (local, host, expected) in [
            (LOCAL, "Host: 192.0.2.7:8080", 200),
            (LOCAL, "Host: 192.0.2.7:8081", 421),
            (LOCAL, "Host: 192.0.2.7", 421),
            ("192.0.2.7:80", "Host: 192.0.2.7", 200),
            (LOCAL, "Host: 127.0.0.1:8080", 421),
            (LOCAL, "Host: localhost:8080", 421),
            (LOCAL, "Host: evil.test:8080", 421),
            (LOCAL, "Host: 192.0.2.7:8080\r\nHost: evil.test:8080", 421),
            (LOCAL, "Accept: */*", 421),
            ("127.0.0.1:8080", "Host: LOCALHOST:8080", 200),
            ("[::ffff:127.0.0.1]:8080", "Host: 127.0.0.1:8080", 200),
            ("[::1]:8080", "Host: [::1]:8080", 200),
        ] {
            assert_eq!(get(&none, local, host), expected, "{host}");
        }
        let url = Some("https://room.example:8443/x".to_owned());
        let names = Names { host: Some("chat.example".into()), url, ..Names::default() };
        for (host, expected) in
            [("chat.example", 200), ("Chat.example:99", 200), ("room.example", 200), ("x.chat.example", 421)]
        {
            assert_eq!(get(&names, LOCAL, &format!("Host: {host}")), expected, "{host}");
        }
    }

    #[test]
    fn a_page_of_another_site_does_not_speak_for_the_guest() {
        let tls = Names { host: Some("chat.example".into()), behind_tls: true, ..Names::default() };
        let post = |names: &Names, host: &str, origin: &str| {
            let fields = "Chat: 1\r\nContent-Type: application/json";
            status(
                names,
                LOCAL,
                &format!("POST /say HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n{fields}"),
            )
        };
        let none = Names::default();
        assert_eq!(post(&none, "192.0.2.7:8080", "http://192.0.2.7:8080"), 200);
        for origin in
            ["http://evil.test", "null", "", "https://192.0.2.7:8080", "http://192.0.2.7:8080.evil.test"]
        {
            assert_eq!(post(&none, "192.0.2.7:8080", origin), 403, "{origin}");
        }
        // A rebound name is both, and is not ours.
        assert_eq!(post(&none, "evil.test:8080", "http://evil.test:8080"), 421);
        assert_eq!(post(&tls, "chat.example", "https://chat.example"), 200);
        assert_eq!(post(&tls, "chat.example", "http://chat.example"), 403);
    }

    #[test]
    fn a_form_and_a_question_before_a_request_get_nowhere() {
        let names = Names::default();
        let with = |line: &str, fields: &str| {
            status(&names, LOCAL, &format!("{line} HTTP/1.1\r\nHost: {LOCAL}\r\n{fields}"))
        };
        assert_eq!(with("POST /say", "Content-Type: application/x-www-form-urlencoded\r\nChat: 1"), 403);
        assert_eq!(with("POST /say", "Content-Type: text/plain\r\nChat: 1"), 403);
        assert_eq!(with("POST /say", "Chat: 1"), 403);
        assert_eq!(with("POST /say", "Content-Type: application/json"), 404);
        assert_eq!(with("GET /events", "Accept: */*"), 404);
        assert_eq!(with("OPTIONS /say", "Origin: http://evil.test"), 404);
        assert_eq!(with("POST /say", "Content-Type: application/json; charset=utf-8\r\nChat: 1"), 200);
    }

    #[test]
    fn only_the_proxy_of_the_operator_says_where_a_guest_is() {
        let peer = IpAddr::from([10, 0, 0, 1]);
        let guest = |names: &Names, value: &str| {
            let head = format!("GET / HTTP/1.1\r\nX-Forwarded-For: {value}\r\n\r\n");
            forwarded(names, peer, &Request::from_text(&head)).to_string()
        };
        assert_eq!(guest(&Names::default(), "192.0.2.7"), "10.0.0.1");
        let behind = Names { behind: Some(peer), ..Names::default() };
        assert_eq!(guest(&behind, "192.0.2.7"), "192.0.2.7");
        assert_eq!(guest(&behind, "127.0.0.1, ::ffff:192.0.2.8"), "192.0.2.8");
        assert_eq!(guest(&behind, "192.0.2.7\r\nX-Forwarded-For: 192.0.2.9"), "192.0.2.9");
        assert_eq!(guest(&behind, "nonsense"), "10.0.0.1");
    }
}
