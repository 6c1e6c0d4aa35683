//! `POST /bye`: a guest leaves, or the page closes and may come back.

use crate::{
    gateway::Gateway,
    http::{Request, Response},
    routes::guest_of,
};
use chat_client::{parse_object, Value};

/// Lets the guest leave. With `"closing":true` it leaves in a moment, unless the page comes back.
pub(super) fn bye(gateway: &Gateway, request: &Request) -> Response {
    let (guest, page) = match guest_of(gateway, request) {
        Ok(found) => found,
        Err(response) => return response,
    };
    let text = std::str::from_utf8(&request.body).unwrap_or_default();
    match parse_object(text).as_deref() {
        Ok([]) => guest.leave(),
        Ok([(key, Value::Flag(true))]) if key == "closing" => guest.close_page(page),
        _ => return Response::text(400, "the body is {} or {\"closing\":true}"),
    }
    Response::text(200, "bye")
}
