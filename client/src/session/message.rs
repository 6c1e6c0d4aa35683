//! What of an event is a message, whatever its kind. Plain values.

use chat_common::wire::protocol::{EventKind, Request};
use std::mem::{discriminant, Discriminant};

/// A message of any kind.
pub(crate) struct Message<'e> {
    pub(crate) kind: Discriminant<EventKind>,
    pub(crate) author: &'e str,
    pub(crate) message_id: u64,
    pub(crate) repeated: bool,
    pub(crate) text: &'e str,
}

/// Returns the message in an event, if it is one.
pub(crate) fn message_of(kind: &EventKind) -> Option<Message<'_>> {
    match kind {
        EventKind::Message { author, message_id, repeated, text }
        | EventKind::Action { author, message_id, repeated, text }
        | EventKind::Private { author, message_id, repeated, text } => {
            let (message_id, repeated) = (*message_id, *repeated);
            Some(Message { kind: discriminant(kind), author, message_id, repeated, text })
        }
        _ => None,
    }
}

/// Returns what the log has when the server has accepted this request of `author`, if that is a message.
pub(crate) fn said_with(request: &Request, author: &str) -> Option<EventKind> {
    let author = author.to_owned();
    Some(match request.clone() {
        Request::Broadcast { message_id, repeated, text } => {
            EventKind::Message { author, message_id, repeated, text }
        }
        Request::Action { message_id, repeated, text } => {
            EventKind::Action { author, message_id, repeated, text }
        }
        Request::Private { message_id, repeated, text, .. } => {
            EventKind::Private { author, message_id, repeated, text }
        }
        _ => return None,
    })
}
