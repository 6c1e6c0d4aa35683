//! The people whom this client treats in another way: those that are ignored, and the one that a reply goes
//! to. Plain data, owned by the inbox.

use chat_common::wire::protocol::{Event, EventKind};
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct People {
    /// The author of the last private message that was not ignored.
    pub(crate) last_private_author: Option<String>,
    /// The key is the name in lower case, the value is the name as it was typed.
    ignored: BTreeMap<String, String>,
}

impl People {
    /// Starts or stops to ignore a person; `None` changes nothing. Returns the names of all ignored people.
    pub(crate) fn toggle_ignored(&mut self, name: Option<String>) -> Vec<String> {
        if let Some(name) = name {
            let key = name.to_lowercase();
            if self.ignored.remove(&key).is_none() {
                self.ignored.insert(key, name);
            }
        }
        self.ignored.values().cloned().collect()
    }

    pub(crate) fn ignores(&self, author: &str) -> bool {
        self.ignored.contains_key(&author.to_lowercase())
    }

    /// Whether an event is a message of an ignored person.
    pub(crate) fn ignores_event(&self, event: &Event) -> bool {
        event.kind.message().is_some_and(|message| self.ignores(message.author))
    }

    /// Records what an event says of people and their names.
    pub(crate) fn record(&mut self, kind: &EventKind) {
        match kind {
            EventKind::Renamed { from, to } => {
                if self.last_private_author.as_ref() == Some(from) {
                    self.last_private_author = Some(to.clone());
                } else {
                    self.replies_to_nobody_called(to);
                }
                // A person stays ignored under a new name.
                if self.ignored.remove(&from.to_lowercase()).is_some() {
                    self.ignored.insert(to.to_lowercase(), to.clone());
                }
            }
            EventKind::Joined { name } => self.replies_to_nobody_called(name),
            EventKind::Private { author, .. } if !self.ignores(author) => {
                self.last_private_author = Some(author.clone());
            }
            _ => {}
        }
    }

    /// Forgets to whom a reply goes, if somebody who may be another person has the name by now.
    fn replies_to_nobody_called(&mut self, name: &str) {
        self.last_private_author.take_if(|author| author.to_lowercase() == name.to_lowercase());
    }
}
