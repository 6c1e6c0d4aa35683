//! What is kept for the names of people: bans, mutes, keys. Plain values, for any thread.
//!
//! A name finds what is kept for every name that counts as the same, or looks the same. Nobody gets around a
//! mute of `Bill` as `BiII`.

use super::alike::{fold, is_alike, shape};
use std::collections::{BTreeMap, HashMap};

/// Values by names.
#[derive(Clone, Debug)]
pub(crate) struct ByName<V> {
    /// The names as they were given.
    entries: BTreeMap<String, V>,
    by_fold: HashMap<String, V>,
    by_shape: HashMap<String, V>,
}

impl<V> Default for ByName<V> {
    fn default() -> ByName<V> {
        ByName { entries: BTreeMap::new(), by_fold: HashMap::new(), by_shape: HashMap::new() }
    }
}

impl<V: Clone> ByName<V> {
    pub(crate) fn insert(&mut self, name: &str, value: V) {
        self.by_fold.insert(fold(name), value.clone());
        self.by_shape.insert(shape(name), value.clone());
        self.entries.insert(name.to_owned(), value);
    }

    /// Returns what is kept for a name that counts as the same, and for one that looks the same.
    pub(crate) fn find(&self, name: &str) -> impl Iterator<Item = V> {
        let same = self.by_fold.get(&fold(name)).cloned();
        let looks_the_same = self.by_shape.get(&shape(name)).cloned();
        same.into_iter().chain(looks_the_same)
    }

    /// Returns whether the list finds everything for this name already that it would find with it.
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.by_fold.contains_key(&fold(name)) && self.by_shape.contains_key(&shape(name))
    }

    /// Removes a name, and every name that counts as the same or looks the same. Returns whether there was
    /// one.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        self.find(name).next().is_some() && self.retain(|other, _| !is_alike(other, name))
    }

    /// Keeps only the entries that `keeps` chooses. Returns whether there were others.
    pub(crate) fn retain(&mut self, keeps: impl Fn(&str, &V) -> bool) -> bool {
        let before = self.entries.len();
        self.entries.retain(|name, value| keeps(name, value));
        let has_changed = self.entries.len() < before;
        if has_changed {
            self.by_fold = self.entries.iter().map(|(name, value)| (fold(name), value.clone())).collect();
            self.by_shape = self.entries.iter().map(|(name, value)| (shape(name), value.clone())).collect();
        }
        has_changed
    }

    /// Returns the names as they were given, in their order, and their values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, V)> {
        self.entries.iter().map(|(name, value)| (&**name, value.clone()))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_finds_what_is_kept_for_one_that_is_the_same_or_looks_the_same() {
        let mut list = ByName::default();
        list.insert("Bill", 1);
        for name in ["Bill", "BILL", "bill", "BiII", "bi1l"] {
            assert!(list.find(name).eq([1]) || list.find(name).eq([1, 1]), "{name}");
        }
        assert_eq!(list.find("Bob").count(), 0);
        // It counts as the same, but what looks like it does not look like the first.
        assert!(list.covers("bill") && !list.covers("BILL"));
        list.insert("BILL", 2);
        assert_eq!(list.find("BlLL").collect::<Vec<_>>(), [2]);
        assert!(list.remove("BiII") && !list.remove("BiII"));
        assert_eq!(list.iter().collect::<Vec<_>>(), [("BILL", 2)]);
        assert_eq!(list.find("bill").collect::<Vec<_>>(), [2]);
    }
}
