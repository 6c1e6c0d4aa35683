//! Connects to the server. Runs on the main thread.
//!
//! A failure is said in words that tell what to do, because most people stumble at the first connection.

use chat_common::{text::address::look_up, wire::stream::Stream};
use std::{
    io::{self, ErrorKind},
    time::Duration,
};

/// The limit for one dial, and for the hello after it.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(3);

/// Tries each address of the server, which is given as `HOST:PORT`.
///
/// # Blocking
/// On the name service, then 3 s for each address.
///
/// # Errors
/// Why no address could be reached, and what to do. One line for people.
pub(crate) fn connect(server: &str) -> Result<Stream, String> {
    let addresses = look_up(server).map_err(|error| match error.kind() {
        ErrorKind::NotFound => error.to_string(),
        _ => {
            let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
            format!(
                "no machine of the name {host} is found; check its spelling, or give its address ({error})"
            )
        }
    })?;
    let mut last = ErrorKind::NotFound.into();
    for address in addresses {
        match Stream::connect(address, DIAL_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(not_reached(server, &last))
}

fn not_reached(server: &str, error: &io::Error) -> String {
    let (host, port) = server.rsplit_once(':').unwrap_or((server, "1234"));
    let here = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    match error.kind() {
        ErrorKind::ConnectionRefused if here && port == "1234" => {
            "is the server running? chat-server starts one on this machine".into()
        }
        ErrorKind::ConnectionRefused if here => {
            // Some shells take brackets for a pattern.
            let quote = if server.starts_with('[') { "'" } else { "" };
            let listen = format!("{quote}{server}{quote}");
            format!("is the server running? chat-server --listen {listen} starts one on this machine")
        }
        ErrorKind::ConnectionRefused => format!(
            "is the server running there? chat-server --listen 0.0.0.0:{port} starts one for other machines"
        ),
        ErrorKind::TimedOut => {
            format!(
                "no reply; is that machine on, is it the right one, and is port {port} open in its firewall?"
            )
        }
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => {
            format!("no way leads to {host}; is it on, and are both machines in one network?")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_says_what_to_do() {
        let refused = || ErrorKind::ConnectionRefused.into();
        for (server, error, words) in [
            ("127.0.0.1:1234", refused(), "is the server running? chat-server starts one"),
            ("[::1]:99", refused(), "chat-server --listen '[::1]:99' starts one"),
            ("192.0.2.7:99", refused(), "chat-server --listen 0.0.0.0:99 starts one for other machines"),
            ("192.0.2.7:99", ErrorKind::TimedOut.into(), "is port 99 open in its firewall?"),
            ("192.0.2.7:99", ErrorKind::NetworkUnreachable.into(), "no way leads to 192.0.2.7;"),
            ("192.0.2.7:99", ErrorKind::HostUnreachable.into(), "no way leads to 192.0.2.7;"),
        ] {
            let why = not_reached(server, &error);
            assert!(why.contains(words) && !why.contains('\n'), "{why}");
        }
        // No name service is asked for a name with this character.
        let why = connect("room\0:1234").map(drop).unwrap_err();
        assert!(why.starts_with("no machine of the name room\0 is found; check its spelling"), "{why}");
    }
}
