//! One look back into what the server keeps: the last messages, or a search. It goes page by page, because a
//! reply of the server has at most 64 KiB. Runs on the main thread. It never waits: each page is a
//! request in the queue, behind what was typed meanwhile.

use crate::events::{Found, UiEvent};
use chat_common::wire::protocol::{Event, EventKind, Request};
use std::collections::{HashSet, VecDeque};

/// How many messages a search shows. More would scroll away, and the number of all is told.
const MAX_FOUND: usize = 50;
/// How many pages are read, of up to 64 KiB each: twice the bytes that a server keeps in its memory.
const MAX_PAGES: usize = 256;

/// What is still to be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unread {
    /// The room whose sequences these are. `None` is the room that the first page comes from.
    pub(crate) room: Option<u64>,
    /// Only messages with a lower sequence. `None` is all.
    pub(crate) before: Option<u64>,
    /// None of these.
    pub(crate) except: HashSet<u64>,
}

/// A look back that still waits for a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pager {
    /// The text to find. Without one, the last messages are wanted.
    text: Option<String>,
    unread: Unread,
    /// The last messages that are wanted, oldest first. In the place of those that the server could not read,
    /// a history has the event that says so.
    found: VecDeque<Found>,
    /// How many of them are shown.
    most: usize,
    /// How many there are.
    total: usize,
    pages: usize,
    /// Whether messages were left out that are not too old.
    has_gap: bool,
}

impl Pager {
    /// The last `count` messages, of those that are unread.
    pub(crate) fn history(count: u32, unread: Unread) -> Pager {
        Pager { unread, most: count as usize, ..Pager::default() }
    }

    /// The messages with this text, of those that were seen and those that are unread. `seen` has the oldest
    /// message first.
    pub(crate) fn search<'f>(
        text: String,
        unread: Unread,
        seen: impl DoubleEndedIterator<Item = &'f Found>,
    ) -> Pager {
        let mut search = Pager { text: Some(text), unread, most: MAX_FOUND, ..Pager::default() };
        seen.rev().for_each(|found| search.take(found.clone(), |_| false));
        search
    }

    /// The request for the next page.
    pub(crate) fn request(&self) -> Request {
        let count = match self.text {
            Some(_) => u32::MAX,
            None => u32::try_from(self.most.saturating_sub(self.total)).unwrap_or(u32::MAX),
        };
        Request::History { count, before: self.unread.before }
    }

    /// Takes a page of the room in which the client is now, oldest message first. `is_ignored` tells whose
    /// messages to leave out. Returns whether another page is needed.
    pub(crate) fn take_page(
        &mut self,
        room: Option<u64>,
        page: Vec<Event>,
        is_ignored: impl Fn(&str) -> bool,
    ) -> bool {
        // The sequences of another room mean other messages.
        if self.unread.room.is_some() && self.unread.room != room {
            return false;
        }
        self.unread.room = room;
        self.pages += 1;
        let before = self.unread.before.unwrap_or(u64::MAX);
        // The server sends no other events than these; a wrong one must not count twice.
        let Some(oldest) = page.iter().find(|event| event.sequence < before).map(place_before) else {
            return false;
        };
        for event in page.into_iter().rev().filter(|event| event.sequence < before) {
            if !self.unread.except.contains(&event.sequence) {
                self.take(Found { event, to: None }, &is_ignored);
            }
        }
        self.unread.before = Some(oldest);
        let wants_more = self.text.is_some() || self.total < self.most;
        self.has_gap |= wants_more && self.pages >= MAX_PAGES;
        wants_more && self.pages < MAX_PAGES
    }

    /// What was found, or `None` if nothing is to be said. `complete` is whether the server has replied to
    /// all that it was asked.
    pub(crate) fn end(self, complete: bool) -> Option<UiEvent> {
        let Pager { text, found, total, has_gap, .. } = self;
        match text {
            Some(text) => {
                Some(UiEvent::Found { text, matches: found.into(), total, complete: complete && !has_gap })
            }
            None if !complete && found.is_empty() => None,
            None => Some(UiEvent::History(found.into_iter().map(|found| found.event).collect())),
        }
    }

    /// Counts a message if it is wanted. Keeps it if it is one of the last. They come newest first.
    fn take(&mut self, found: Found, is_ignored: impl Fn(&str) -> bool) {
        let has_text = |text: &str| match &self.text {
            Some(pattern) => text.to_lowercase().contains(&pattern.to_lowercase()),
            None => true,
        };
        let kind = &found.event.kind;
        let wanted = match kind.message() {
            Some(message) => has_text(message.text) && !is_ignored(message.author),
            None => {
                let is_gap = matches!(kind, EventKind::Missed { messages: true, .. });
                self.has_gap |= is_gap;
                if is_gap && self.text.is_none() {
                    self.found.push_front(found);
                }
                return;
            }
        };
        self.total += usize::from(wanted);
        if wanted && self.total <= self.most {
            self.found.push_front(found);
        }
    }
}

/// Returns the sequence before which everything is older than this event of a page. An event that stands in
/// the place of no message only says how far the server has looked.
fn place_before(event: &Event) -> u64 {
    match event.kind {
        EventKind::Missed { first, .. } => first.min(event.sequence),
        _ => event.sequence,
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

    fn unread(before: u64, except: &[u64]) -> Unread {
        Unread { room: Some(1), before: Some(before), except: except.iter().copied().collect() }
    }

    fn nobody(_: &str) -> bool {
        false
    }

    fn sequences(search: Pager) -> (Vec<u64>, usize) {
        match search.end(true) {
            Some(UiEvent::Found { matches, total, .. }) => {
                (matches.iter().map(|found| found.event.sequence).collect(), total)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pages_go_back_until_one_is_empty_and_matches_stay_oldest_first() {
        let memory = [seen(20, "Lunch?"), seen(21, "no")];
        let mut search = Pager::search("lunch".into(), unread(20, &[]), memory.iter());
        assert_eq!(search.request(), Request::History { count: u32::MAX, before: Some(20) });
        assert!(search.take_page(Some(1), vec![says(8, "Tom", "LUNCH"), says(9, "Tom", "x")], nobody));
        assert_eq!(search.request(), Request::History { count: u32::MAX, before: Some(8) });
        assert!(search.take_page(Some(1), vec![says(3, "Tom", "lunch")], |name| name == "Tom"));
        assert!(!search.take_page(Some(1), vec![], nobody));
        assert_eq!(sequences(search), (vec![8, 20], 2));
    }

    #[test]
    fn the_last_fifty_are_kept_and_all_are_counted() {
        let memory: Vec<Found> = (100..170).map(|sequence| seen(sequence, "a")).collect();
        let mut search = Pager::search("A".into(), unread(100, &[]), memory.iter());
        search.take_page(Some(1), vec![says(1, "Tom", "a")], nobody);
        let (kept, total) = sequences(search);
        assert_eq!((kept.len(), kept[0], kept[49], total), (50, 120, 169, 71));
    }

    #[test]
    fn a_page_of_another_room_ends_the_search_with_what_was_seen() {
        let mut search = Pager::search("a".into(), unread(9, &[]), [seen(9, "a")].iter());
        assert!(!search.take_page(Some(2), vec![says(3, "Tom", "a")], nobody));
        assert_eq!(sequences(search), (vec![9], 1));
    }

    #[test]
    fn a_search_over_messages_that_cannot_be_read_goes_on_behind_them_and_is_not_complete() {
        let mut search = Pager::search("a".into(), unread(9, &[]), [].iter());
        let missed = Event { sequence: 7, time: 0, kind: EventKind::Missed { first: 4, messages: true } };
        assert!(search.take_page(Some(1), vec![missed, says(8, "Tom", "a")], nobody));
        assert_eq!(search.request(), Request::History { count: u32::MAX, before: Some(4) });
        assert!(search.take_page(Some(1), vec![says(3, "Tom", "a")], nobody));
        assert!(!search.take_page(Some(1), vec![], nobody));
        assert!(matches!(search.end(true), Some(UiEvent::Found { total: 2, complete: false, .. })));
    }

    #[test]
    fn what_was_seen_before_messages_were_missed_counts_once() {
        let memory = [seen(3, "a"), seen(9, "a")];
        let mut search = Pager::search("a".into(), unread(9, &[3]), memory.iter());
        assert!(search.take_page(Some(1), [2, 3, 5].map(|at| says(at, "Tom", "a")).into(), nobody));
        assert_eq!(sequences(search).1, 4);
    }

    #[test]
    fn a_server_that_repeats_itself_ends_the_search() {
        let mut search = Pager::search("a".into(), unread(9, &[]), [].iter());
        assert!(search.take_page(Some(1), vec![says(3, "Tom", "a")], nobody));
        assert!(!search.take_page(Some(1), vec![says(3, "Tom", "a")], nobody));
        assert_eq!(sequences(search), (vec![3], 1));
    }

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
        let mut pager = Pager::history(4, Unread::default());
        let torn = [vec![missed(3, 6, true)], page(7..9)].concat();
        assert!(pager.take_page(Some(1), torn, nobody));
        assert_eq!(pager.request(), Request::History { count: 2, before: Some(3) });
        assert!(!pager.take_page(Some(1), page(1..3), nobody));
        assert_eq!(
            pager.end(true),
            Some(UiEvent::History([page(1..3), vec![missed(3, 6, true)], page(7..9)].concat()))
        );
    }

    #[test]
    fn a_page_without_a_message_says_where_the_next_one_begins_and_is_not_the_end() {
        let mut pager = Pager::history(5, Unread::default());
        assert!(pager.take_page(Some(1), vec![missed(90, 90, false)], nobody));
        assert_eq!(pager.request(), Request::History { count: 5, before: Some(90) });
        assert!(pager.take_page(Some(1), page(7..9), nobody));
        assert!(!pager.take_page(Some(1), Vec::new(), nobody));
        assert_eq!(pager.end(true), Some(UiEvent::History(page(7..9))));
    }

    #[test]
    fn pages_are_asked_for_until_there_are_enough_messages_or_no_more() {
        let mut pager = Pager::history(5, Unread::default());
        assert!(pager.take_page(Some(1), page(7..10), nobody));
        assert_eq!(pager.request(), Request::History { count: 2, before: Some(7) });
        assert!(!pager.take_page(Some(1), page(5..7), nobody));
        assert_eq!(pager.end(true), Some(UiEvent::History(page(5..10))));
        let mut pager = Pager::history(5, Unread::default());
        assert!(pager.take_page(Some(1), page(1..3), nobody));
        assert!(!pager.take_page(Some(1), Vec::new(), nobody));
        assert_eq!(pager.end(true), Some(UiEvent::History(page(1..3))));
    }

    #[test]
    fn a_page_of_another_room_or_one_that_comes_twice_ends_it() {
        let mut pager = Pager::history(50, Unread::default());
        assert!(pager.take_page(Some(1), page(7..10), nobody));
        assert!(!pager.clone().take_page(Some(2), page(1..5), nobody));
        assert!(!pager.take_page(Some(1), page(7..10), nobody));
        assert_eq!(pager.end(true), Some(UiEvent::History(page(7..10))));
    }
}
