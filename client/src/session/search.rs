//! One `/search`: first in what the client has seen, then page by page in what the server keeps from before
//! that. Runs on the main thread. It waits for nobody: each page is a request in the queue, behind what was
//! typed meanwhile.

use crate::{
    events::{Found, UiEvent},
    session::{message::message_of, pages::place_before},
};
use chat_common::wire::protocol::{Event, EventKind, Request};
use std::collections::{HashSet, VecDeque};

/// How many messages are shown. More would scroll away, and the number of all is told.
const MAX_SHOWN: usize = 50;
/// How many pages are read, of up to 64 KiB each: twice the bytes that a server keeps in its memory.
const MAX_PAGES: usize = 256;

/// A search that still waits for a page.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    text: String,
    /// The text in lower case.
    pattern: String,
    /// The room that the client was in when the search began.
    room: Option<u64>,
    /// Only messages with a lower sequence are still to be searched. `None` is all.
    before: Option<u64>,
    /// What the client has seen of this room before that.
    seen: HashSet<u64>,
    /// The last matches, oldest first.
    matches: VecDeque<Found>,
    total: usize,
    pages: usize,
    /// Whether the server could not read some of the messages.
    has_gap: bool,
}

impl Search {
    /// Searches `all_seen`, which has the oldest message first. From the sequence `before` of this room on
    /// nothing is missing among them, and before that there are only those that `seen` has.
    pub(crate) fn new<'f>(
        text: String,
        room: Option<u64>,
        before: Option<u64>,
        seen: HashSet<u64>,
        all_seen: impl DoubleEndedIterator<Item = &'f Found>,
    ) -> Search {
        let (pattern, matches) = (text.to_lowercase(), VecDeque::new());
        let mut search =
            Search { text, pattern, room, before, seen, matches, total: 0, pages: 0, has_gap: false };
        all_seen.rev().for_each(|found| search.take(&found.event, found.to.as_deref()));
        search
    }

    /// The request for the next page.
    pub(crate) fn request(&self) -> Request {
        Request::History { count: u32::MAX, before: self.before }
    }

    /// Takes a page of the room in which the client is now, oldest message first. `is_ignored` tells whose
    /// messages to leave out. Returns whether another page is needed.
    pub(crate) fn take_page(
        &mut self,
        room: Option<u64>,
        page: &[Event],
        is_ignored: impl Fn(&str) -> bool,
    ) -> bool {
        // The sequences of another room mean other messages. All of them are in the client's memory.
        if self.room.is_some() && self.room != room {
            return false;
        }
        self.pages += 1;
        let before = self.before.unwrap_or(u64::MAX);
        // The server sends no other events than these; a wrong one must not make the search count twice.
        let older = page.iter().rev().filter(|event| event.sequence < before);
        for event in older {
            self.has_gap |= matches!(event.kind, EventKind::Missed { messages: true, .. });
            if self.seen.contains(&event.sequence) {
                continue;
            }
            if message_of(&event.kind).is_some_and(|message| !is_ignored(message.author)) {
                self.take(event, None);
            }
        }
        match page.first().map(place_before) {
            Some(first) if first < before => self.before = Some(first),
            _ => return false,
        }
        self.pages < MAX_PAGES
    }

    /// What the search has found. `complete` tells whether the server was asked for everything that it has,
    /// and could read all of it.
    pub(crate) fn end(self, complete: bool) -> UiEvent {
        let complete = complete && self.pages < MAX_PAGES && !self.has_gap;
        UiEvent::Found { text: self.text, matches: self.matches.into(), total: self.total, complete }
    }

    /// Counts a message if it has the text. Keeps it if it is one of the last. They come newest first.
    fn take(&mut self, event: &Event, to: Option<&str>) {
        let has_text = |text: &str| text.to_lowercase().contains(&self.pattern);
        if message_of(&event.kind).is_some_and(|message| has_text(message.text)) {
            self.total += 1;
            if self.matches.len() < MAX_SHOWN {
                self.matches.push_front(Found { event: event.clone(), to: to.map(str::to_owned) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::wire::protocol::EventKind;

    fn says(sequence: u64, author: &str, text: &str) -> Event {
        let kind =
            EventKind::Message { author: author.into(), message_id: 1, repeated: false, text: text.into() };
        Event { sequence, time: 0, kind }
    }

    fn seen(sequence: u64, text: &str) -> Found {
        Found { event: says(sequence, "Sara", text), to: None }
    }

    fn sequences(search: Search) -> (Vec<u64>, usize) {
        match search.end(true) {
            UiEvent::Found { matches, total, .. } => {
                (matches.iter().map(|found| found.event.sequence).collect(), total)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pages_go_back_until_one_is_empty_and_matches_stay_oldest_first() {
        let memory = [seen(20, "Lunch?"), seen(21, "no")];
        let mut search = Search::new("lunch".into(), Some(1), Some(20), HashSet::new(), memory.iter());
        assert_eq!(search.request(), Request::History { count: u32::MAX, before: Some(20) });
        let nobody = |_: &str| false;
        assert!(search.take_page(Some(1), &[says(8, "Tom", "LUNCH"), says(9, "Tom", "x")], nobody));
        assert_eq!(search.request(), Request::History { count: u32::MAX, before: Some(8) });
        assert!(search.take_page(Some(1), &[says(3, "Tom", "lunch")], |name| name == "Tom"));
        assert!(!search.take_page(Some(1), &[], nobody));
        assert_eq!(sequences(search), (vec![8, 20], 2));
    }

    #[test]
    fn the_last_fifty_are_kept_and_all_are_counted() {
        let memory: Vec<Found> = (100..170).map(|sequence| seen(sequence, "a")).collect();
        let mut search = Search::new("A".into(), Some(1), Some(100), HashSet::new(), memory.iter());
        search.take_page(Some(1), &[says(1, "Tom", "a")], |_| false);
        let (kept, total) = sequences(search);
        assert_eq!((kept.len(), kept[0], kept[49], total), (50, 120, 169, 71));
    }

    #[test]
    fn a_page_of_another_room_ends_the_search_with_what_was_seen() {
        let mut search = Search::new("a".into(), Some(1), Some(9), HashSet::new(), [seen(9, "a")].iter());
        assert!(!search.take_page(Some(2), &[says(3, "Tom", "a")], |_| false));
        assert_eq!(sequences(search), (vec![9], 1));
    }

    #[test]
    fn a_search_over_messages_that_cannot_be_read_goes_on_behind_them_and_is_not_complete() {
        let mut search = Search::new("a".into(), Some(1), Some(9), HashSet::new(), [].iter());
        let missed = Event { sequence: 7, time: 0, kind: EventKind::Missed { first: 4, messages: true } };
        assert!(search.take_page(Some(1), &[missed, says(8, "Tom", "a")], |_| false));
        assert_eq!(search.request(), Request::History { count: u32::MAX, before: Some(4) });
        assert!(search.take_page(Some(1), &[says(3, "Tom", "a")], |_| false));
        assert!(!search.take_page(Some(1), &[], |_| false));
        assert!(matches!(search.end(true), UiEvent::Found { total: 2, complete: false, .. }));
    }

    #[test]
    fn what_was_seen_before_messages_were_missed_counts_once() {
        let memory = [seen(3, "a"), seen(9, "a")];
        let mut search = Search::new("a".into(), Some(1), Some(9), HashSet::from([3]), memory.iter());
        assert!(search.take_page(Some(1), &[2, 3, 5].map(|at| says(at, "Tom", "a")), |_| false));
        assert_eq!(sequences(search).1, 4);
    }

    #[test]
    fn a_server_that_repeats_itself_ends_the_search() {
        let mut search = Search::new("a".into(), Some(1), Some(9), HashSet::new(), [].iter());
        assert!(search.take_page(Some(1), &[says(3, "Tom", "a")], |_| false));
        assert!(!search.take_page(Some(1), &[says(3, "Tom", "a")], |_| false));
        assert_eq!(sequences(search), (vec![3], 1));
    }
}
