//! The lines that all guests are told alike, each made once. The threads of the sessions ask for them.

use chat_common::wire::protocol::Place;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// How many lines are kept. The guests are told an event within moments of each other; what a guest still has
/// to be told is kept for that guest.
const KEPT_LINES: usize = 256;

/// A ring of lines, each with its place.
#[derive(Debug, Default)]
pub(crate) struct SharedLines {
    lines: Mutex<VecDeque<(Place, Arc<str>)>>,
}

impl SharedLines {
    /// Returns the line at this place. `make` makes it for the first guest that is told.
    pub(crate) fn line(&self, place: Place, make: impl FnOnce() -> String) -> Arc<str> {
        // The ring is valid after any panic.
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // What is asked for is nearly always one of the newest.
        if let Some((_, line)) = lines.iter().rev().find(|(other, _)| *other == place) {
            return Arc::clone(line);
        }
        let line: Arc<str> = make().into();
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back((place, Arc::clone(&line)));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(room: u64, sequence: u64) -> Place {
        Place { room, sequence }
    }

    #[test]
    fn a_line_is_made_once_for_all_and_the_memory_is_bounded() {
        let shared = SharedLines::default();
        let first = shared.line(place(1, 7), || "seven".into());
        let again = shared.line(place(1, 7), || panic!("the line is there"));
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(&*shared.line(place(2, 7), || "another room".into()), "another room");
        (8..8 + 2 * KEPT_LINES as u64)
            .for_each(|sequence| drop(shared.line(place(1, sequence), String::new)));
        assert_eq!(shared.lines.lock().unwrap().len(), KEPT_LINES);
        assert_eq!(Arc::strong_count(&first), 2, "the ring has forgotten it");
    }
}
