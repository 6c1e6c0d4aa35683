//! The names that the operator has muted. Only the broadcaster changes the list, so a message that waits in
//! its channel is refused too. Any thread may read the list. Nothing blocks while it holds the lock.
//!
//! A mute holds for a name, and for every name that counts as the same or looks the same. A muted member
//! cannot take another name, so the mute stays with it. It is still there when the member leaves and joins
//! again, or when somebody else takes the name.

use crate::identity::ByName;
use chat_common::{text::units::show_roughly, trace};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// The most mutes at a time. An operator types no more, and a script that does is told.
const MAX_MUTES: usize = 10_000;

/// The list, shared by all threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mutes {
    /// When each mute ends. `None` means that only the operator ends it.
    list: Arc<Mutex<ByName<Option<Instant>>>>,
}

/// For how long a mute still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MutedFor {
    Time(Duration),
    /// Until the operator ends it, or the server ends.
    Good,
}

impl Mutes {
    /// Returns whether there is space for the mute of a name.
    pub(super) fn has_space_for(&self, name: &str) -> bool {
        let mut list = self.lock();
        list.retain(|_, until| left(until).is_some());
        list.len() < MAX_MUTES || list.find(name).next().is_some()
    }

    /// Mutes a name, or ends its mute with `None`. A later mute takes the place of an earlier one.
    pub(super) fn set(&self, name: &str, time: Option<MutedFor>) {
        let mut list = self.lock();
        list.remove(name);
        if let Some(time) = time {
            let until = match time {
                // A time that no clock can hold does not end.
                MutedFor::Time(time) => Instant::now().checked_add(time),
                MutedFor::Good => None,
            };
            list.insert(name, until);
        }
    }

    /// Returns for how long a name is still muted, or `None` if it is not.
    pub(crate) fn left(&self, name: &str) -> Option<MutedFor> {
        let list = self.lock();
        // Almost no room has a mute, and this is asked for each message.
        if list.len() == 0 {
            return None;
        }
        let mut found = list.find(name).filter_map(left);
        found.next()
    }

    /// Returns all mutes, in the order of their names.
    pub(crate) fn list(&self) -> Vec<(String, MutedFor)> {
        let list = self.lock();
        list.iter().filter_map(|(name, until)| Some((name.to_owned(), left(until)?))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, ByName<Option<Instant>>> {
        trace::lock(&self.list)
    }
}

/// Returns for how long a mute still holds, or `None` if it has ended.
fn left(until: Option<Instant>) -> Option<MutedFor> {
    let Some(until) = until else { return Some(MutedFor::Good) };
    let left = until.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(MutedFor::Time(left))
}

impl MutedFor {
    /// Returns the sentence for the muted member.
    pub(super) fn sentence(self) -> String {
        format!("the operator has muted you {self}; you can read on, and leave")
    }
}

impl fmt::Display for MutedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MutedFor::Time(time) => write!(f, "for {}", show_roughly(*time)),
            MutedFor::Good => f.write_str("without a time limit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: MutedFor = MutedFor::Time(Duration::from_secs(3600));

    #[test]
    fn a_mute_ends_with_its_time_or_by_the_operator() {
        let mutes = Mutes::default();
        let [none, endless] = [Duration::ZERO, Duration::MAX].map(MutedFor::Time);
        for (name, time) in [("ann", HOUR), ("bob", MutedFor::Good), ("cid", none), ("dan", endless)] {
            mutes.set(name, Some(time));
        }
        assert!(matches!(mutes.left("ann"), Some(MutedFor::Time(_))));
        assert_eq!(mutes.left("bob"), Some(MutedFor::Good));
        assert_eq!((mutes.left("cid"), mutes.left("dan")), (None, Some(MutedFor::Good)));
        assert_eq!(mutes.list().len(), 3);
        mutes.set("bob", None);
        assert_eq!(mutes.left("bob"), None);
    }

    #[test]
    fn the_list_is_bounded_and_mutes_that_have_ended_take_no_place() {
        let mutes = Mutes::default();
        (1..MAX_MUTES).for_each(|number| mutes.set(&number.to_string(), Some(HOUR)));
        mutes.set("over", Some(MutedFor::Time(Duration::ZERO)));
        assert!(mutes.has_space_for("last"), "a mute has ended");
        mutes.set("last", Some(HOUR));
        assert!(!mutes.has_space_for("one more"));
        assert!(mutes.has_space_for("last"), "it is muted already");
    }
}
