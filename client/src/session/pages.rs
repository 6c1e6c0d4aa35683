//! One `/history`: the last messages, page by page, because a reply of the server has at most 64 KiB. Runs
//! on the main thread. It waits for nobody: each page is a request in the queue, behind what was typed
//! meanwhile.

use chat_common::protocol::{Event, Request};

/// How many pages are read: 8 MiB. More would scroll away.
const MAX_PAGES: usize = 128;

/// A history that still waits for a page.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    /// How many messages are asked for.
    count: usize,
    /// The room that the client was in when it asked.
    room: Option<u64>,
    /// The messages that came so far, oldest first.
    events: Vec<Event>,
    pages: usize,
}

impl Pages {
    pub(crate) fn new(count: u32, room: Option<u64>) -> Pages {
        Pages { count: count as usize, room, events: Vec::new(), pages: 0 }
    }

    /// The request for the next page.
    pub(crate) fn request(&self) -> Request {
        let count = u32::try_from(self.count - self.events.len()).unwrap_or(u32::MAX);
        Request::History { count, before: self.before() }
    }

    /// Takes a page of the room in which the client is now, oldest message first. Returns whether another
    /// page is needed.
    pub(crate) fn take_page(&mut self, room: Option<u64>, mut page: Vec<Event>) -> bool {
        // The sequences of another room mean other messages.
        if self.events.is_empty() {
            self.room = room;
        } else if self.room != room {
            return false;
        }
        self.pages += 1;
        let before = self.before().unwrap_or(u64::MAX);
        // The server sends no other events than these; a wrong one must not be shown twice.
        page.retain(|event| event.sequence < before);
        let is_end = page.is_empty();
        page.append(&mut self.events);
        self.events = page;
        !is_end && self.events.len() < self.count && self.pages < MAX_PAGES
    }

    /// Returns the messages that came, oldest first.
    pub(crate) fn end(self) -> Vec<Event> {
        self.events
    }

    fn before(&self) -> Option<u64> {
        self.events.first().map(|event| event.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::protocol::EventKind;

    fn page(sequences: std::ops::Range<u64>) -> Vec<Event> {
        let event = |sequence| Event { sequence, time: 0, kind: EventKind::Notice { text: "hi".into() } };
        sequences.map(event).collect()
    }

    #[test]
    fn pages_are_asked_for_until_there_are_enough_messages_or_no_more() {
        let mut pages = Pages::new(5, Some(1));
        assert!(pages.take_page(Some(1), page(7..10)));
        assert_eq!(pages.request(), Request::History { count: 2, before: Some(7) });
        assert!(!pages.take_page(Some(1), page(5..7)));
        assert_eq!(pages.end(), page(5..10));
        let mut pages = Pages::new(5, Some(1));
        assert!(pages.take_page(Some(1), page(1..3)));
        assert!(!pages.take_page(Some(1), Vec::new()));
        assert_eq!(pages.end(), page(1..3));
    }

    #[test]
    fn a_page_of_another_room_or_one_that_comes_twice_ends_it() {
        let mut pages = Pages::new(50, Some(1));
        assert!(pages.take_page(Some(1), page(7..10)));
        assert!(!pages.clone().take_page(Some(2), page(1..5)));
        assert!(!pages.take_page(Some(1), page(7..10)));
        assert_eq!(pages.end(), page(7..10));
    }
}
