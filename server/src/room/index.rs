//! By what the broadcaster finds members without a look at each of them: tokens and names. The list of
//! members is shared and has a lock; this belongs to the broadcaster's thread alone.

use super::member::{LookupKey, Member};
use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
};

/// The hash of each key of each member, and the member's session id. The time of a look-up does not tell how
/// much of a token is right, as it would without hashes.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: BTreeSet<(u64, u64)>,
    hasher: RandomState,
}

impl Index {
    /// Returns the session ids of all members with a key. A few others may be among them.
    pub(super) fn with_key(&self, key: LookupKey<'_>) -> impl Iterator<Item = u64> + '_ {
        let hash = self.hasher.hash_one(key);
        self.entries.range((hash, 0)..=(hash, u64::MAX)).map(|(_, id)| *id)
    }

    /// Follows a change of the list: the member of a session was `old`, and is `new`.
    pub(super) fn change(&mut self, id: u64, old: Option<&Member>, new: Option<&Member>) {
        fn keys(member: Option<&Member>) -> impl Iterator<Item = LookupKey<'_>> {
            member.into_iter().flat_map(Member::keys)
        }
        // A message changes no key.
        if !keys(old).eq(keys(new)) {
            let Index { entries, hasher } = self;
            let entry = |key| (hasher.hash_one(key), id);
            keys(old).map(entry).for_each(|entry| _ = entries.remove(&entry));
            entries.extend(keys(new).map(entry));
        }
    }
}
