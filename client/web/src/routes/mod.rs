//! What each request does: one file for each path. Runs on the thread of the connection.

mod bye;
mod events;
mod hex;
mod join;
mod page;
mod say;
mod wish;

use crate::{
    door,
    gateway::Gateway,
    guests::{Guest, Known},
    http::{Answer, Connection, Request, Response},
};
use std::sync::Arc;

/// Answers a request that the door has let in.
///
/// # Blocking
/// As the function of its path.
pub(crate) fn answer(gateway: &Gateway, connection: &Connection, request: &Request) -> Answer {
    Answer::Response(match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => page::page(),
        ("POST", "/join") => {
            join::join(gateway, door::guest_address(&gateway.names, connection, request), request)
        }
        ("POST", "/say") => say::say(gateway, request),
        ("POST", "/bye") => bye::bye(gateway, request),
        ("GET", "/events") => return events::events(gateway, connection, request),
        _ => Response::text(404, "there is nothing here; the page is at /"),
    })
}

/// Returns the guest whose page sends the request, and the number of the page.
///
/// # Errors
/// The answer to a page that has no guest.
fn guest_of(gateway: &Gateway, request: &Request) -> Result<(Arc<Guest>, u64), Response> {
    let known = request.field("guest").and_then(hex::token).map(|secret| gateway.guests.by_secret(secret));
    match known {
        Some(Known::Guest(guest, page)) => Ok((guest, page)),
        Some(Known::Older) => Err(Response::text(409, "another tab has the stream")),
        Some(Known::Nobody) | None => Err(unknown()),
    }
}

/// The answer to a page that has to join first.
fn unknown() -> Response {
    Response::text(401, "join with the session first")
}
