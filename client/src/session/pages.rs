//! One `/history`: the last messages, page by page, because a reply of the server has at most 64 KiB. Runs
//! on the main thread. It waits for nobody: each page is a request in the queue, behind what was typed
//! meanwhile.

use crate::session::message::message_of;
use chat_common::wire::protocol::{Event, EventKind, Request};

/// How many pages are read: 8 MiB. More would scroll away.
const MAX_PAGES: usize = 128;

/// A history that still waits for a page.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    /// How many messages are asked for.
    count: usize,
    /// The room that the client was in when it asked.
    room: Option<u64>,
    /// The messages that came so far, oldest first, and in their place what the server could not read.
    events: Vec<Event>,
    /// Only messages with a lower sequence are still to be read. `None` is all.
    before: Option<u64>,
    pages: usize,
}

impl Pages {
    pub(crate) fn new(count: u32, before: Option<u64>, room: Option<u64>) -> Pages {
        Pages { count: count as usize, room, events: Vec::new(), before, pages: 0 }
    }

    /// The request for the next page.
    pub(crate) fn request(&self) -> Request {
        let count = u32::try_from(self.count.saturating_sub(self.messages())).unwrap_or(u32::MAX);
        Request::History { count, before: self.before }
    }

    /// Takes a page of the room in which the client is now, oldest message first. Returns whether another
    /// page is needed.
    pub(crate) fn take_page(&mut self, room: Option<u64>, mut page: Vec<Event>) -> bool {
        // The sequences of another room mean other messages.
        if self.pages == 0 {
            self.room = room;
        } else if self.room != room {
            return false;
        }
        self.pages += 1;
        let before = self.before.unwrap_or(u64::MAX);
        // The server sends no other events than these; a wrong one must not be shown twice.
        page.retain(|event| event.sequence < before);
        let Some(oldest) = page.first() else { return false };
        self.before = Some(place_before(oldest));
        page.retain(|event| !is_only_a_place(event));
        page.append(&mut self.events);
        self.events = page;
        self.messages() < self.count && self.pages < MAX_PAGES
    }

    /// Returns the messages that came, oldest first.
    pub(crate) fn end(self) -> Vec<Event> {
        self.events
    }

    fn messages(&self) -> usize {
        self.events.iter().filter(|event| message_of(&event.kind).is_some()).count()
    }
}

/// Returns the sequence before which everything is older than this event of a page.
pub(crate) fn place_before(event: &Event) -> u64 {
    match event.kind {
        EventKind::Missed { first, .. } => first.min(event.sequence),
        _ => event.sequence,
    }
}

/// Whether an event of a page stands in the place of no message. It only says how far the server has looked.
fn is_only_a_place(event: &Event) -> bool {
    matches!(event.kind, EventKind::Missed { messages: false, .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::wire::protocol::EventKind;

    fn page(sequences: std::ops::Range<u64>) -> Vec<Event> {
        let says = |sequence| {
            let (author, text) = ("Sara".into(), "hi".into());
            Event {
                sequence,
                time: 0,
                kind: EventKind::Message { author, message_id: 1, repeated: false, text },
            }
        };
        sequences.map(says).collect()
    }

    fn missed(first: u64, last: u64, messages: bool) -> Event {
        Event { sequence: last, time: 0, kind: EventKind::Missed { first, messages } }
    }

    #[test]
    fn what_the_server_cannot_read_is_told_in_its_place_and_is_no_message() {
        let mut pages = Pages::new(4, None, Some(1));
        let torn = [vec![missed(3, 6, true)], page(7..9)].concat();
        assert!(pages.take_page(Some(1), torn));
        assert_eq!(pages.request(), Request::History { count: 2, before: Some(3) });
        assert!(!pages.take_page(Some(1), page(1..3)));
        assert_eq!(pages.end(), [page(1..3), vec![missed(3, 6, true)], page(7..9)].concat());
    }

    #[test]
    fn a_page_without_a_message_says_where_the_next_one_begins_and_is_not_the_end() {
        let mut pages = Pages::new(5, None, Some(1));
        assert!(pages.take_page(Some(1), vec![missed(90, 90, false)]));
        assert_eq!(pages.request(), Request::History { count: 5, before: Some(90) });
        assert!(pages.take_page(Some(1), page(7..9)));
        assert!(!pages.take_page(Some(1), Vec::new()));
        assert_eq!(pages.end(), page(7..9));
    }

    #[test]
    fn pages_are_asked_for_until_there_are_enough_messages_or_no_more() {
        let mut pages = Pages::new(5, None, Some(1));
        assert!(pages.take_page(Some(1), page(7..10)));
        assert_eq!(pages.request(), Request::History { count: 2, before: Some(7) });
        assert!(!pages.take_page(Some(1), page(5..7)));
        assert_eq!(pages.end(), page(5..10));
        let mut pages = Pages::new(5, None, Some(1));
        assert!(pages.take_page(Some(1), page(1..3)));
        assert!(!pages.take_page(Some(1), Vec::new()));
        assert_eq!(pages.end(), page(1..3));
    }

    #[test]
    fn a_page_of_another_room_or_one_that_comes_twice_ends_it() {
        let mut pages = Pages::new(50, None, Some(1));
        assert!(pages.take_page(Some(1), page(7..10)));
        assert!(!pages.clone().take_page(Some(2), page(1..5)));
        assert!(!pages.take_page(Some(1), page(7..10)));
        assert_eq!(pages.end(), page(7..10));
    }
}
