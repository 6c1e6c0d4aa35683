//! The requests that wait to be sent, in order. Each message gets its id here. Runs on the main thread.
//!
//! Invariant: the first request is the one that waits for a reply, and it stays in the queue until its reply
//! arrives. So a lost connection loses nothing: the client sends the same request with the same id over the
//! next connection, and the server knows by the id whether it has already accepted the message.

use crate::{
    events::{InputId, Utterance},
    session::pager::Pager,
};
use chat_common::{handshake::passphrase::Passphrase, wire::protocol::Request};
use std::collections::VecDeque;

/// A queue of this length stops the reading of input, and that slows a pipe down.
const MAX_QUEUED: usize = 1000;

/// What is to be sent, and what its reply is for.
#[derive(Clone, Debug)]
pub(crate) enum ToSend {
    Message {
        utterance: Utterance,
        message_id: u64,
        /// Whether the id came with the message.
        is_numbered: bool,
        /// Whether an earlier session may have said it.
        repeated: bool,
    },
    Rename(String),
    /// Who is here, to show only those whose name contains this.
    Who(Option<String>),
    /// The wish to be an operator.
    Operate {
        passphrase: Passphrase,
        /// Whether the server was shown the passphrase, and not only asked whether it takes one.
        is_shown: bool,
    },
    /// A command for the server.
    Command(String),
    /// A page of a history or a search.
    Page(Box<Pager>),
}

impl ToSend {
    pub(crate) fn request(&self) -> Request {
        match self {
            ToSend::Rename(name) => Request::Rename { name: name.clone() },
            ToSend::Who(_) => Request::Who,
            ToSend::Operate { passphrase, .. } => {
                Request::Operate { passphrase: passphrase.words().to_owned() }
            }
            ToSend::Command(line) => Request::Command { line: line.clone() },
            ToSend::Page(pager) => pager.request(),
            ToSend::Message { utterance, message_id, repeated, .. } => {
                let (message_id, repeated, text) = (*message_id, *repeated, utterance.text().to_owned());
                match utterance {
                    Utterance::Message(_) => Request::Broadcast { message_id, repeated, text },
                    Utterance::Action(_) => Request::Action { message_id, repeated, text },
                    Utterance::Private { to, .. } => {
                        Request::Private { message_id, repeated, to: to.clone(), text }
                    }
                }
            }
        }
    }
}

/// A request in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) to_send: ToSend,
    /// The id of the input that it is from.
    pub(crate) id: Option<InputId>,
}

/// The queue of requests.
#[derive(Debug)]
pub(crate) struct SendQueue {
    pub(crate) waiting: VecDeque<Waiting>,
    next_message_id: u64,
    /// The longest text that the server takes, in bytes.
    pub(crate) text_limit: usize,
    /// Whether the first request was sent, and its reply has not arrived.
    awaits_reply: bool,
    /// Whether an earlier run of the same person may have said the next message that comes with an id.
    next_may_be_repeated: bool,
}

impl SendQueue {
    /// `first_message_id` should be random: a later run of the same person must not use an id again.
    /// `goes_on` is whether it begins for a session of an earlier run, whose last message may be in doubt.
    pub(crate) fn new(first_message_id: u64, goes_on: bool) -> SendQueue {
        SendQueue {
            waiting: VecDeque::new(),
            next_message_id: first_message_id,
            text_limit: usize::MAX,
            awaits_reply: false,
            next_may_be_repeated: goes_on,
        }
    }

    /// The request that is sent next.
    pub(crate) fn first(&self) -> Option<&ToSend> {
        self.waiting.front().map(|waiting| &waiting.to_send)
    }

    /// Pushes a request, which is from the input with this id.
    pub(crate) fn push(&mut self, to_send: ToSend, id: Option<InputId>) {
        self.waiting.push_back(Waiting { to_send, id });
    }

    /// Whether to stop reading input. A long text becomes several requests, so the queue may be longer than
    /// its limit.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_QUEUED
    }

    /// Records whether the reply to the last call has not arrived. The call was the first request, or a ping
    /// if there was none.
    pub(crate) fn set_awaits_reply(&mut self, awaits_reply: bool) {
        self.awaits_reply = awaits_reply && !self.waiting.is_empty();
    }

    /// A new session begins. If the earlier one may have accepted the first message, the message is marked,
    /// so that those who have heard it do not see it again.
    pub(crate) fn on_new_session(&mut self) {
        debug_assert!(
            !self.awaits_reply || !self.waiting.is_empty(),
            "what waits for a reply is in the queue"
        );
        let first = self.waiting.front_mut().map(|waiting| &mut waiting.to_send);
        if let (true, Some(ToSend::Message { repeated, .. })) =
            (std::mem::take(&mut self.awaits_reply), first)
        {
            *repeated = true;
        }
    }

    /// Pushes a message, which is from the input with the id `of`. A text that is too long becomes several
    /// messages, so no text is lost. A text with a message id stays whole, because its author may say the
    /// same message again.
    pub(crate) fn push_utterance(&mut self, utterance: &Utterance, id: Option<u64>, of: Option<&InputId>) {
        let limit = if id.is_some() { usize::MAX } else { self.text_limit };
        for text in split_text(utterance.text(), limit) {
            let message_id = id.unwrap_or(self.next_message_id);
            self.next_message_id = self.next_message_id.max(message_id.saturating_add(1));
            let (utterance, is_numbered) = (utterance.with_text(text), id.is_some());
            let repeated = is_numbered && std::mem::take(&mut self.next_may_be_repeated);
            self.push(ToSend::Message { utterance, message_id, is_numbered, repeated }, of.cloned());
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
    fn the_first_message_of_a_run_that_goes_on_is_marked_if_its_author_may_say_it_again() {
        let mut queue = SendQueue::new(7, true);
        for id in [None, Some(8), Some(9)] {
            queue.push_utterance(&Utterance::Message("hi".into()), id, None);
        }
        let marks = queue.waiting.iter().map(|waiting| match waiting.to_send.request() {
            Request::Broadcast { repeated, .. } => repeated,
            other => panic!("{other:?}"),
        });
        assert_eq!(marks.collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn a_lost_ping_leaves_no_doubt_about_a_message() {
        let mut queue = SendQueue::new(7, false);
        queue.set_awaits_reply(true);
        queue.push_utterance(&Utterance::Message("typed after the loss".into()), None, None);
        queue.on_new_session();
        let first = queue.first().map(ToSend::request);
        assert!(matches!(first, Some(Request::Broadcast { repeated: false, .. })));
    }

    #[test]
    fn message_ids_count_up_over_all_kinds_of_messages() {
        let mut queue = SendQueue::new(7, false);
        queue.push_utterance(&Utterance::Message("hello".into()), None, None);
        queue.push(ToSend::Who(None), None);
        queue.text_limit = 4;
        queue.push_utterance(&Utterance::Private { to: "Tom".into(), text: "123456".into() }, None, None);
        let private = |message_id, text: &str| Request::Private {
            message_id,
            repeated: false,
            to: "Tom".into(),
            text: text.into(),
        };
        let requests: Vec<Request> = queue.waiting.iter().map(|waiting| waiting.to_send.request()).collect();
        let hello = Request::Broadcast { message_id: 7, repeated: false, text: "hello".into() };
        assert_eq!(requests, [hello, Request::Who, private(8, "1234"), private(9, "56")]);
    }
}
