//! What this client has heard of for completion: the names of people, and whether the person here is an
//! operator. No I/O.
//!
//! The threads that show events write it, and the thread `stdin` reads it.

use crate::events::{Rejoin, UiEvent};
use chat_common::wire::protocol::EventKind;
use std::sync::{
    atomic::{AtomicBool, Ordering::Relaxed},
    Mutex, MutexGuard, PoisonError,
};

/// As many as the largest room that a server has by default.
const MAX_NAMES: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct KnownNames {
    /// Protects the names: the one of whom the client has heard last comes first. No I/O under this lock.
    names: Mutex<Vec<String>>,
    /// Whether the person has become an operator. The commands of the server are offered from then on.
    operates: AtomicBool,
}

impl KnownNames {
    /// Takes the names from an event.
    pub(crate) fn hear(&self, event: &UiEvent) {
        let mut names = self.lock();
        match event {
            UiEvent::Event { event, .. } => hear_event(&mut names, &event.kind),
            UiEvent::History(events) => events.iter().for_each(|event| hear_event(&mut names, &event.kind)),
            UiEvent::People { people, .. } | UiEvent::Here { people, .. } => {
                // Somebody of whom the client has heard before stays where he is.
                for person in people {
                    if !names.contains(&person.name) && names.len() < MAX_NAMES {
                        names.push(person.name.clone());
                    }
                }
            }
            UiEvent::Operates => self.operates.store(true, Relaxed),
            UiEvent::Rejoined { why: Rejoin::Restarted | Rejoin::PutBack, .. } => names.clear(),
            _ => {}
        }
    }

    pub(crate) fn operates(&self) -> bool {
        self.operates.load(Relaxed)
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hear_event(names: &mut Vec<String>, event: &EventKind) {
    match event {
        EventKind::Message { author: name, .. }
        | EventKind::Private { author: name, .. }
        | EventKind::Action { author: name, .. }
        | EventKind::Joined { name }
        | EventKind::Back { name } => put_first(names, name),
        EventKind::Left { name, .. } => names.retain(|other| other != name),
        EventKind::Renamed { from, to } => {
            names.retain(|other| other != from);
            put_first(names, to);
        }
        _ => {}
    }
}

fn put_first(names: &mut Vec<String>, name: &str) {
    match names.iter().position(|other| other == name) {
        Some(index) => names[..=index].rotate_right(1),
        None => {
            names.truncate(MAX_NAMES - 1);
            names.insert(0, name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::wire::protocol::{Event, Person};

    fn hear(names: &KnownNames, kind: EventKind) {
        names.hear(&UiEvent::Event { event: Event { sequence: 1, time: 0, kind }, earlier: false });
    }

    #[test]
    fn the_last_one_heard_of_comes_first_and_one_who_left_is_gone() {
        let names = KnownNames::default();
        for name in ["Ann", "Bob", "Cid"] {
            hear(&names, EventKind::Joined { name: name.into() });
        }
        let text = String::new();
        hear(&names, EventKind::Message { author: "Ann".into(), message_id: 1, repeated: false, text });
        hear(&names, EventKind::Left { name: "Bob".into(), reason: None });
        hear(&names, EventKind::Renamed { from: "Cid".into(), to: "Sid".into() });
        let people = vec![Person { name: "Dan".into(), here: 0, idle: 0, operator: false }];
        names.hear(&UiEvent::People { people, total: 3, pattern: None });
        let people = vec![Person { name: "Eve".into(), here: 0, idle: 0, operator: false }];
        names.hear(&UiEvent::Here { people, total: 5 });
        assert_eq!(names.all(), ["Sid", "Ann", "Dan", "Eve"]);
    }

    #[test]
    fn the_list_has_an_end() {
        let names = KnownNames::default();
        (0..2 * MAX_NAMES).for_each(|count| hear(&names, EventKind::Joined { name: format!("n{count}") }));
        assert_eq!((names.all().len(), names.all()[0].as_str()), (MAX_NAMES, "n2047"));
    }
}
