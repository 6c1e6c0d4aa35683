//! What one page is told: numbered lines, of which the last ones are kept until the page has them for sure.
//! No I/O.
//!
//! A page that asks for older lines resumes the session from its own place: the server's log is the buffer.

use chat_common::wire::protocol::Place;
use std::{collections::VecDeque, sync::Arc};

/// How many lines are kept: what is said in ten seconds of a lively room.
const KEPT_LINES: usize = 64;

/// The lines of one page. They are counted from 1.
#[derive(Debug)]
pub(super) struct PageLines {
    /// The last lines, each with the place of the event that it tells.
    kept: VecDeque<(Arc<str>, Option<Place>)>,
    /// The number of the next line.
    next: u64,
    /// Up to here the room is not in the lines: the page has had it before, or it is not kept any more.
    begins_after: Option<Place>,
}

impl PageLines {
    /// The lines of a session that goes on from this place, or of a new one.
    pub(super) fn after(place: Option<Place>) -> PageLines {
        PageLines { kept: VecDeque::new(), next: 1, begins_after: place }
    }

    /// Adds a line.
    pub(super) fn push(&mut self, line: Arc<str>, place: Option<Place>) {
        if self.kept.len() == KEPT_LINES {
            let dropped = self.kept.pop_front().and_then(|(_, place)| place);
            self.begins_after = dropped.or(self.begins_after);
        }
        self.kept.push_back((line, place));
        self.next += 1;
    }

    /// Returns the lines behind this number. `None` means that some of them are not kept any more, or that no
    /// line ever had the number.
    pub(super) fn behind(&self, number: u64) -> Option<Vec<(u64, Arc<str>)>> {
        let first = self.next - self.kept.len() as u64;
        if number + 1 < first || number >= self.next {
            return None;
        }
        let lines = (first..).zip(&self.kept).skip_while(|(line, _)| *line <= number);
        Some(lines.map(|(line, (text, _))| (line, Arc::clone(text))).collect())
    }

    /// Whether the next line takes the place of one behind this number.
    pub(super) fn is_full_behind(&self, number: u64) -> bool {
        self.next.saturating_sub(number + 1) >= KEPT_LINES as u64
    }

    /// Whether everything behind this place is in the lines.
    pub(super) fn cover(&self, place: Place) -> bool {
        self.begins_after.is_none_or(|begin| begin.room == place.room && begin.sequence <= place.sequence)
    }

    /// Counts the lines from 1 again, for another page of the same guest.
    pub(super) fn begin_again(&mut self) {
        self.next = self.kept.len() as u64 + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(sequence: u64) -> Place {
        Place { room: 1, sequence }
    }

    /// Lines of the events 1 to `count`.
    fn lines(count: u64) -> PageLines {
        let mut lines = PageLines::after(None);
        (1..=count).for_each(|n| lines.push(n.to_string().into(), Some(place(n))));
        lines
    }

    #[test]
    fn a_page_gets_what_follows_its_last_line_or_is_told_that_it_is_gone() {
        let lines = lines(100);
        let numbers =
            |after| lines.behind(after).map(|lines| lines.iter().map(|(n, _)| *n).collect::<Vec<_>>());
        assert_eq!(numbers(98), Some(vec![99, 100]));
        assert_eq!(numbers(100), Some(vec![]));
        assert_eq!(numbers(36).map(|numbers| numbers.len()), Some(64));
        assert_eq!((numbers(35), numbers(0), numbers(101)), (None, None, None));
    }

    #[test]
    fn another_page_of_the_guest_needs_a_place_that_the_lines_cover() {
        let mut lines = lines(100);
        assert!(lines.cover(place(36)) && lines.cover(place(99)));
        assert!(!lines.cover(place(35)) && !lines.cover(Place { room: 2, sequence: 99 }));
        lines.begin_again();
        assert_eq!(
            lines.behind(0).unwrap().first().map(|(n, text)| (*n, text.to_string())),
            Some((1, "37".into()))
        );
        let resumed = PageLines::after(Some(place(7)));
        assert!(resumed.cover(place(7)) && !resumed.cover(place(6)));
    }
}
