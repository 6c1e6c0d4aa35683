//! Messages of all kinds in one form: those to everybody, actions, and private ones. Plain values.

use chat_common::wire::protocol::EventKind;

/// A message of any kind.
pub(crate) struct Message<'e> {
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
            Some(Message { author, message_id: *message_id, repeated: *repeated, text })
        }
        _ => None,
    }
}
