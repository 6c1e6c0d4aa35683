//! What is to be sent, in order: each thing said gets its number here, once and for all. Runs on the session's thread.
//!
//! Invariant: the first in the queue is the one whose reply is outstanding, and it leaves the queue when it is answered.
//! So a lost connection loses nothing: the same request with the same number is sent over the next one, and the server
//! knows by the number whether it has said it already.

use crate::settings::shown::Said;
use chat_common::protocol::Request;
use std::collections::VecDeque;

/// How many may wait. A full queue stops the reading of input, which in turn holds a pipe back.
const MOST_WAITING: usize = 1000;

/// One request to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Said { message_id: u64, said: Said },
    Who,
    Rename(String),
    History(u32),
}

impl Outgoing {
    pub(crate) fn request(&self) -> Request {
        match self {
            Outgoing::Said { message_id, said } => said.request(*message_id),
            Outgoing::Who => Request::Who,
            Outgoing::Rename(name) => Request::Rename { name: name.clone() },
            Outgoing::History(count) => Request::History { count: *count },
        }
    }
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: VecDeque<Outgoing>,
    next_message_id: u64,
}

impl Outbox {
    /// `first_number` should be random: a number must not return in a later life of the same person.
    pub(crate) fn new(first_number: u64) -> Outbox {
        Outbox { queue: VecDeque::new(), next_message_id: first_number }
    }

    /// Whether no more input should be read. A line that is split may go beyond it.
    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() >= MOST_WAITING
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn first(&self) -> Option<&Outgoing> {
        self.queue.front()
    }

    /// The first has been answered.
    pub(crate) fn remove_first(&mut self) -> Option<Outgoing> {
        self.queue.pop_front()
    }

    pub(crate) fn ask(&mut self, outgoing: Outgoing) {
        self.queue.push_back(outgoing);
    }

    /// Puts one thing said into the queue; a text of more than `limit` bytes becomes several, so that nothing pasted is lost.
    pub(crate) fn say(&mut self, said: &Said, limit: usize) {
        for part in parts(said.text(), limit) {
            let part = part.to_owned();
            let said = match said {
                Said::Message(_) => Said::Message(part),
                Said::Action(_) => Said::Action(part),
                Said::Private { to, .. } => Said::Private { to: to.clone(), text: part },
            };
            self.queue.push_back(Outgoing::Said { message_id: self.next_message_id, said });
            self.next_message_id += 1;
        }
    }
}

/// Cuts a text into parts of at most `limit` bytes: between lines where it has some, else between characters.
fn parts(mut text: &str, limit: usize) -> Vec<&str> {
    // A character takes up to four bytes; a smaller limit could not be kept.
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
    fn a_long_text_is_cut_between_characters_and_nothing_of_it_is_lost() {
        let text = "aé漢🦀".repeat(50);
        for limit in 4..40 {
            let parts = parts(&text, limit);
            assert!(parts.iter().all(|part| part.len() <= limit && !part.is_empty()));
            assert_eq!(parts.concat(), text);
        }
    }

    #[test]
    fn a_long_text_of_several_lines_is_cut_between_lines() {
        assert_eq!(parts("one\ntwo\nthree", 9), ["one\ntwo", "three"]);
        assert_eq!(parts("one\ntwo", 7), ["one\ntwo"]);
        assert_eq!(parts("\nxxxxxx", 4), ["\nxxx", "xxx"]);
    }

    #[test]
    fn numbers_count_up_over_all_that_is_said() {
        let mut outbox = Outbox::new(7);
        outbox.say(&Said::Message("hello".into()), 100);
        outbox.ask(Outgoing::Who);
        outbox.say(&Said::Private { to: "Tom".into(), text: "123456".into() }, 4);
        let ids: Vec<_> = std::iter::from_fn(|| outbox.remove_first())
            .filter_map(|outgoing| match outgoing {
                Outgoing::Said { message_id, said } => Some((message_id, said.text().to_owned())),
                _ => None,
            })
            .collect();
        assert_eq!(ids, [(7, "hello".into()), (8, "1234".into()), (9, "56".into())]);
    }
}
