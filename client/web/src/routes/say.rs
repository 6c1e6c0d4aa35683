//! `POST /say`: what a page says or asks.

use crate::{
    gateway::Gateway,
    guests::NotTaken,
    http::{Request, Response},
    routes::{guest_of, unknown},
};
use chat_client::{parse_line, Input};

/// The most messages that a page may ask for at once.
const MAX_HISTORY: u32 = 100;

/// Passes an object of `--json-input` on to the guest's session.
pub(super) fn say(gateway: &Gateway, request: &Request) -> Response {
    let (guest, _) = match guest_of(gateway, request) {
        Ok(found) => found,
        Err(response) => return response,
    };
    let (id, parsed) = match parse_line(&request.body) {
        Ok(Input::WithId { id, input }) => (Some(id), Ok(*input)),
        parsed => (None, parsed),
    };
    let input = match parsed {
        Ok(Input::Say { message_id: None, .. }) => Err("\"message_id\" is missing".to_owned()),
        Ok(Input::History { count, before }) => Ok(Input::History { count: count.min(MAX_HISTORY), before }),
        Ok(input @ (Input::Say { .. } | Input::Who(_) | Input::Rename(_))) => Ok(input),
        Ok(_) => Err("a page says or asks something here".to_owned()),
        Err(mistake) => Err(mistake.why),
    };
    match input.map(|input| guest.take(input.with_id(id))) {
        Ok(Ok(())) => Response::text(202, "taken"),
        Ok(Err(NotTaken::Ended)) => unknown(),
        Ok(Err(NotTaken::Waiting)) => Response::text(429, "too many requests wait for the server"),
        Ok(Err(NotTaken::TooLong)) => Response::text(413, "the text is longer than the room allows"),
        Err(why) => Response::text(400, &why),
    }
}
