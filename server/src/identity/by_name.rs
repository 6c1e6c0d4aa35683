//! What is kept for the names of people: bans, mutes, keys. Plain values, for any thread.
//!
//! A name finds what is kept for every name that counts as the same, or looks the same. Nobody gets around a
//! mute of `Bill` as `BiII`.

use super::alike::{fold, is_alike, shape};
use std::collections::{BTreeMap, BTreeSet};

/// Values by names.
#[derive(Clone, Debug)]
pub(crate) struct ByName<V> {
    /// Each name as it was given, and its value. The keys are what is equal in names that count as the same,
    /// and in names that look the same.
    entries: BTreeMap<(String, String), (String, V)>,
    /// The keys of `entries`, with the second part first.
    by_shape: BTreeSet<(String, String)>,
}

impl<V> Default for ByName<V> {
    fn default() -> ByName<V> {
        ByName { entries: BTreeMap::new(), by_shape: BTreeSet::new() }
    }
}

impl<V> ByName<V> {
    /// Adds a name, in the place of one that counts as the same and looks the same.
    pub(crate) fn insert(&mut self, name: &str, value: V) {
        let (fold, shape) = (fold(name), shape(name));
        self.by_shape.insert((shape.clone(), fold.clone()));
        self.entries.insert((fold, shape), (name.to_owned(), value));
    }

    /// Returns what was [added](ByName::insert) for this name.
    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.entries.get(&(fold(name), shape(name))).map(|(_, value)| value)
    }

    /// Returns what is kept for the names that count as the same, and for those that look the same. It can
    /// return a value twice.
    pub(crate) fn find(&self, name: &str) -> impl Iterator<Item = &V> {
        self.same(name).chain(self.alike(name))
    }

    fn same(&self, name: &str) -> impl Iterator<Item = &V> {
        let fold = fold(name);
        let from = self.entries.range((fold.clone(), String::new())..);
        from.take_while(move |((other, _), _)| *other == fold).map(|(_, (_, value))| value)
    }

    fn alike(&self, name: &str) -> impl Iterator<Item = &V> {
        let shape = shape(name);
        let from = self.by_shape.range((shape.clone(), String::new())..);
        let alike = from.take_while(move |(other, _)| *other == shape);
        alike
            .filter_map(|(shape, fold)| self.entries.get(&(fold.clone(), shape.clone())))
            .map(|(_, value)| value)
    }

    /// Returns whether the list has a name that counts as the same, and one that looks the same.
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.same(name).next().is_some() && self.alike(name).next().is_some()
    }

    /// Removes a name, and every name that counts as the same or looks the same. Returns whether there was
    /// one.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        self.find(name).next().is_some() && self.retain(|other, _| !is_alike(other, name))
    }

    /// Keeps only the entries that `keeps` chooses. Returns whether there were others.
    pub(crate) fn retain(&mut self, keeps: impl Fn(&str, &V) -> bool) -> bool {
        let before = self.entries.len();
        self.entries.retain(|_, (name, value)| keeps(name, value));
        let has_changed = self.entries.len() < before;
        if has_changed {
            let keys = self.entries.keys();
            self.by_shape = keys.map(|(fold, shape)| (shape.clone(), fold.clone())).collect();
        }
        has_changed
    }

    /// Returns the names as they were given, and their values. What counts as the same stands together.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.entries.values().map(|(name, value)| (&**name, value))
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
            assert!(list.find(name).all(|value| *value == 1) && list.find(name).next().is_some(), "{name}");
        }
        assert_eq!(list.find("Bob").count(), 0);
        // It counts as the same, but what looks like it does not look like the first.
        assert!(list.covers("bill") && !list.covers("BILL"));
        list.insert("BILL", 2);
        assert_eq!(list.find("BlLL").collect::<Vec<_>>(), [&2]);
        // One that counts as the same and looks the same takes its place, and no other one.
        list.insert("bill", 3);
        list.insert("BiII", 4);
        let all = |list: &ByName<i32>| {
            list.iter().map(|(name, value)| (name.to_owned(), *value)).collect::<Vec<_>>()
        };
        let entry = |name: &str, value| (name.to_owned(), value);
        assert_eq!(all(&list), [entry("BiII", 4), entry("bill", 3), entry("BILL", 2)]);
        assert!([3, 4].iter().all(|value| list.find("bi1l").any(|found| found == value)));
        assert!(list.remove("BiII") && !list.remove("BiII"));
        assert_eq!(all(&list), [entry("BILL", 2)]);
        assert_eq!(list.find("bill").collect::<Vec<_>>(), [&2]);
    }
}
