//! The requests that wait to be sent, in order. Each message gets its id here. Runs on the main thread.
//!
//! Invariant: the first request is the one that waits for a reply, and it stays in the queue until its reply
//! arrives. So a lost connection loses nothing: the client sends the same request with the same id over the
//! next connection, and the server knows by the id whether it has already accepted the message.

use crate::{events::Utterance, session::pager::Pager};
use chat_common::wire::protocol::Request;
use std::collections::VecDeque;

/// A queue of this length stops the reading of input, and that slows a pipe down.
const MAX_QUEUED: usize = 1000;

/// What the reply to a request is for, where the request does not tell.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// The request tells.
    Itself,
    /// The id of this message came with it.
    Numbered,
    /// To show only those whose name contains this.
    People(Option<String>),
    /// A page of a history or a search.
    Page(Box<Pager>),
}

/// The queue of requests.
#[derive(Debug)]
pub(crate) struct SendQueue {
    requests: VecDeque<(Request, Purpose)>,
    next_message_id: u64,
    /// The longest text that the server takes, in bytes.
    text_limit: usize,
    /// Whether the first request was sent, and its reply has not arrived.
    awaits_reply: bool,
}

impl SendQueue {
    /// `first_message_id` should be random: a later run of the same person must not use an id again.
    pub(crate) fn new(first_message_id: u64) -> SendQueue {
        SendQueue {
            requests: VecDeque::new(),
            next_message_id: first_message_id,
            text_limit: usize::MAX,
            awaits_reply: false,
        }
    }

    pub(crate) fn set_text_limit(&mut self, text_limit: u32) {
        self.text_limit = text_limit as usize;
    }

    /// Whether to stop reading input. A long text becomes several requests, so the queue may be longer than
    /// its limit.
    pub(crate) fn is_full(&self) -> bool {
        self.requests.len() >= MAX_QUEUED
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(crate) fn first(&self) -> Option<&Request> {
        self.requests.front().map(|(request, _)| request)
    }

    /// Whether the first request is one of several pages.
    pub(crate) fn is_paging(&self) -> bool {
        matches!(self.requests.front(), Some((_, Purpose::Page(_))))
    }

    /// Records whether the reply to the last call has not arrived. The call was the first request, or a ping
    /// if there was none.
    pub(crate) fn set_awaits_reply(&mut self, awaits_reply: bool) {
        self.awaits_reply = awaits_reply && !self.is_empty();
    }

    /// A new session begins. If the earlier one may have accepted the first message, the message is marked,
    /// so that those who have heard it do not see it again.
    pub(crate) fn on_new_session(&mut self) {
        if !std::mem::take(&mut self.awaits_reply) {
            return;
        }
        if let Some((
            Request::Broadcast { repeated, .. }
            | Request::Action { repeated, .. }
            | Request::Private { repeated, .. },
            _,
        )) = self.requests.front_mut()
        {
            *repeated = true;
        }
    }

    /// Removes the first request, and returns what its reply is for.
    pub(crate) fn pop_first(&mut self) -> Option<(Request, Purpose)> {
        self.requests.pop_front()
    }

    /// Puts the first request back, because it has no valid reply.
    pub(crate) fn put_back(&mut self, request: Request, purpose: Purpose) {
        self.requests.push_front((request, purpose));
    }

    pub(crate) fn push(&mut self, request: Request) {
        self.push_for(request, Purpose::Itself);
    }

    pub(crate) fn push_for(&mut self, request: Request, purpose: Purpose) {
        self.requests.push_back((request, purpose));
    }

    /// Pushes a message. A text that is too long becomes several messages, so no text is lost. One with an
    /// id stays whole, because whoever gave it may say the same message again.
    pub(crate) fn push_utterance(&mut self, utterance: &Utterance, message_id: Option<u64>) {
        let limit = if message_id.is_some() { usize::MAX } else { self.text_limit };
        for text in split_text(utterance.text(), limit) {
            let (given, text) = (message_id, text.to_owned());
            let message_id = given.unwrap_or(self.next_message_id);
            self.next_message_id = self.next_message_id.max(message_id.saturating_add(1));
            let request = match utterance {
                Utterance::Message(_) => Request::Broadcast { message_id, repeated: false, text },
                Utterance::Action(_) => Request::Action { message_id, repeated: false, text },
                Utterance::Private { to, .. } => {
                    Request::Private { message_id, repeated: false, to: to.clone(), text }
                }
            };
            self.push_for(request, if given.is_some() { Purpose::Numbered } else { Purpose::Itself });
        }
    }
}

/// Splits a text into parts of at most `limit` bytes: between lines if possible, else between characters.
fn split_text(mut text: &str, limit: usize) -> Vec<&str> {
    // A character takes up to four bytes, so a smaller limit is not possible.
    let limit = limit.max(4);
    let mut parts = Vec::new();
    while text.len() > limit {
        let mut end = limit;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        match text[..end].rfind('\n').filter(|&line_end| line_end > 0) {
            Some(line_end) => {
                parts.push(&text[..line_end]);
                text = &text[line_end + 1..];
            }
            None => {
                parts.push(&text[..end]);
                text = &text[end..];
            }
        }
    }
    if !text.is_empty() {
        parts.push(text);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_split_between_characters_and_loses_nothing() {
        let text = "aé漢🦀".repeat(50);
        for limit in 4..40 {
            let parts = split_text(&text, limit);
            assert!(parts.iter().all(|part| part.len() <= limit && !part.is_empty()));
            assert_eq!(parts.concat(), text);
        }
    }

    #[test]
    fn a_long_text_of_several_lines_is_split_between_lines() {
        assert_eq!(split_text("one\ntwo\nthree", 9), ["one\ntwo", "three"]);
        assert_eq!(split_text("one\ntwo", 7), ["one\ntwo"]);
        assert_eq!(split_text("\nxxxxxx", 4), ["\nxxx", "xxx"]);
    }

    #[test]
    fn a_lost_ping_leaves_no_doubt_about_a_message() {
        let mut queue = SendQueue::new(7);
        queue.set_awaits_reply(true);
        queue.push_utterance(&Utterance::Message("typed after the loss".into()), None);
        queue.on_new_session();
        assert!(matches!(queue.first(), Some(Request::Broadcast { repeated: false, .. })));
    }

    #[test]
    fn message_ids_count_up_over_all_kinds_of_messages() {
        let mut queue = SendQueue::new(7);
        queue.push_utterance(&Utterance::Message("hello".into()), None);
        queue.push(Request::Who);
        queue.set_text_limit(4);
        queue.push_utterance(&Utterance::Private { to: "Tom".into(), text: "123456".into() }, None);
        let private = |message_id, text: &str| Request::Private {
            message_id,
            repeated: false,
            to: "Tom".into(),
            text: text.into(),
        };
        let requests: Vec<Request> =
            std::iter::from_fn(|| queue.pop_first()).map(|(request, _)| request).collect();
        let hello = Request::Broadcast { message_id: 7, repeated: false, text: "hello".into() };
        assert_eq!(requests, [hello, Request::Who, private(8, "1234"), private(9, "56")]);
    }
}
