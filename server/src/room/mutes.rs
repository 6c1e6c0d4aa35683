//! The names that an operator has muted, and whether everybody is. Only the broadcaster changes the list, so
//! a message that waits in its channel is refused too. Any thread may read the list. Nothing blocks while it
//! holds the lock.
//!
//! A mute holds for a name, and for every name that counts as the same or looks the same. A muted member
//! cannot take another name, so the mute stays with it. It is still there when the member leaves and joins
//! again, or when somebody else takes the name. A journal keeps it over a restart.

use crate::identity::{ByName, Terms};
use std::{
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The most mutes at a time. An operator types no more, and a script that does is told.
const MAX_MUTES: usize = 10_000;
/// In the place of a name: everybody but operators. No name has this character.
pub(crate) const EVERYBODY: &str = "*";

/// The list, shared by all threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mutes {
    list: Arc<Mutex<ByName<Terms>>>,
}

impl Mutes {
    /// Returns whether there is space for the mute of a name.
    pub(super) fn has_space_for(&self, name: &str) -> bool {
        let mut list = self.lock();
        list.retain(|_, terms| terms.hold());
        list.len() < MAX_MUTES || list.find(name).next().is_some()
    }

    /// Mutes a name, or ends its mute with `None`. A later mute takes the place of an earlier one.
    pub(super) fn set(&self, name: &str, terms: Option<Terms>) {
        set(&mut self.lock(), name, terms);
    }

    /// Ends all mutes.
    pub(super) fn clear(&self) {
        *self.lock() = ByName::default();
    }

    /// Returns the terms of the mute of a name, if it is muted.
    pub(crate) fn of(&self, name: &str) -> Option<Terms> {
        let list = self.lock();
        // Almost no room has a mute, and this is asked for each message.
        if list.len() == 0 {
            return None;
        }
        let found = list.find(name).find(|terms| terms.hold());
        found.cloned()
    }

    /// Returns what a muted member is told, or `None` if it may speak. The mute of everybody does not hold
    /// for an operator.
    pub(super) fn sentence(&self, name: &str, is_operator: bool) -> Option<String> {
        let own = self.of(name).map(|terms| sentence(name, &terms));
        own.or_else(|| self.of(EVERYBODY).filter(|_| !is_operator).map(|terms| sentence(EVERYBODY, &terms)))
    }

    /// Returns how many mutes there are. Some may have ended.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns all mutes.
    pub(crate) fn list(&self) -> Vec<(String, Terms)> {
        list(&self.lock())
    }

    /// Returns all mutes as they are after the change of one.
    pub(super) fn list_with(&self, change: Option<(&str, Option<Terms>)>) -> Vec<(String, Terms)> {
        let mut changed = self.lock().clone();
        if let Some((name, terms)) = change {
            set(&mut changed, name, terms);
        }
        list(&changed)
    }

    fn lock(&self) -> MutexGuard<'_, ByName<Terms>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set(list: &mut ByName<Terms>, name: &str, terms: Option<Terms>) {
    list.remove(name);
    if let Some(terms) = terms {
        list.insert(name, terms);
    }
}

fn list(list: &ByName<Terms>) -> Vec<(String, Terms)> {
    let holding = list.iter().filter(|(_, terms)| terms.hold());
    holding.map(|(name, terms)| (name.to_owned(), terms.clone())).collect()
}

/// Returns the sentence for a member whose name is muted, or for everybody.
pub(super) fn sentence(name: &str, terms: &impl Display) -> String {
    match name {
        EVERYBODY => format!("the operator has muted everybody {terms}; you can read on, and leave"),
        _ => format!("the operator has muted you {terms}; you can read on, and leave"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(until: u64) -> Option<Terms> {
        Some(Terms { until: Some(until), ..Terms::default() })
    }

    #[test]
    fn a_mute_ends_with_its_time_or_by_the_operator() {
        let mutes = Mutes::default();
        for (name, terms) in [("ann", until(u64::MAX)), ("bob", Some(Terms::default())), ("cid", until(1))] {
            mutes.set(name, terms);
        }
        assert_eq!((mutes.of("ann"), mutes.of("BOB")), (until(u64::MAX), Some(Terms::default())));
        assert_eq!((mutes.of("cid"), mutes.list().len()), (None, 2));
        mutes.set("bob", None);
        assert_eq!(mutes.of("bob"), None);
    }

    #[test]
    fn the_mute_of_everybody_holds_for_all_but_operators() {
        let mutes = Mutes::default();
        mutes.set(EVERYBODY, Some(Terms { until: None, reason: "an exam".to_owned() }));
        let why =
            "the operator has muted everybody without a time limit: an exam; you can read on, and leave";
        assert_eq!(mutes.sentence("Ann", false).as_deref(), Some(why));
        assert_eq!((mutes.sentence("Ann", true), mutes.of("Ann")), (None, None));
        // One by name holds for an operator, too.
        mutes.set("Ann", Some(Terms::default()));
        assert!(mutes.sentence("Ann", true).is_some());
        assert_eq!(mutes.list_with(Some((EVERYBODY, None))).len(), 1);
        assert_eq!(mutes.list().len(), 2);
    }

    #[test]
    fn the_list_is_bounded_and_mutes_that_have_ended_take_no_place() {
        let mutes = Mutes::default();
        (1..MAX_MUTES).for_each(|number| mutes.set(&number.to_string(), until(u64::MAX)));
        mutes.set("over", until(1));
        assert!(mutes.has_space_for("last"), "a mute has ended");
        mutes.set("last", until(u64::MAX));
        assert!(!mutes.has_space_for("one more"));
        assert!(mutes.has_space_for("last"), "it is muted already");
    }
}
