//! The list of members as a round sees it: the list that everybody sees, and over it what the round changes.
//! Runs on the broadcaster's thread. A round that gets no place in the order drops its changes, and nobody
//! has seen them.

use super::{
    index::Index,
    member::{LookupKey, Member},
    registry::{Changes, Members},
};
use crate::identity::{fold, Name};
use chat_common::wire::token::Token;
use std::collections::{BTreeMap, BTreeSet};

/// The members as a round sees them.
pub(super) struct View<'r> {
    list: &'r Members,
    index: &'r Index,
    changes: Changes,
    /// The keys that members have only with these changes, except those of `touched`.
    new_keys: Index,
    /// The member that was handed out last. Its keys may change until the next one is.
    touched: Option<u64>,
}

impl<'r> View<'r> {
    pub(super) fn new(list: &'r Members, index: &'r Index) -> View<'r> {
        let new_keys = Index::default();
        View { list, index, changes: Changes::new(), new_keys, touched: None }
    }

    pub(super) fn into_changes(self) -> Changes {
        self.changes
    }

    pub(super) fn get(&self, id: u64) -> Option<&Member> {
        self.changes.get(&id).map_or_else(|| self.list.get(&id), Option::as_ref)
    }

    /// Returns a member to change. It is copied out of the list at the first touch.
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Member> {
        self.touch(id);
        self.changes.entry(id).or_insert_with(|| self.list.get(&id).cloned()).as_mut()
    }

    pub(super) fn insert(&mut self, id: u64, member: Member) {
        self.touch(id);
        self.changes.insert(id, Some(member));
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.changes.insert(id, None);
    }

    /// Notes that a member may get other keys now. Those of the one before are final, unless it comes again.
    fn touch(&mut self, id: u64) {
        let Some(last) = self.touched.replace(id).filter(|last| *last != id) else { return };
        let changed = self.changes.get(&last).and_then(Option::as_ref);
        self.new_keys.change(last, self.list.get(&last), changed);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Member)> {
        with_changes(self.list, &self.changes)
    }

    /// Returns all members with a key, each once. A few others may be among them: the caller looks.
    pub(super) fn with_key(&self, key: LookupKey<'_>) -> impl Iterator<Item = (u64, &Member)> {
        let found = self.index.with_key(key).chain(self.new_keys.with_key(key)).chain(self.touched);
        let found: BTreeSet<u64> = found.collect();
        found.into_iter().filter_map(|id| Some((id, self.get(id)?)))
    }

    pub(super) fn with_token(&self, token: &Token) -> Option<(u64, &Member)> {
        self.with_key(LookupKey::Token(token.as_bytes())).find(|(_, member)| member.token == *token)
    }

    /// Returns all members with a name that is alike, now or a moment ago. A few others may be among them.
    pub(super) fn named(&self, name: &Name) -> BTreeMap<u64, &Member> {
        self.with_key(LookupKey::Name(&name.folded))
            .chain(self.with_key(LookupKey::Name(&name.shape)))
            .collect()
    }

    /// Returns the session id of the member in the room with this name, but not of a send-only client, which
    /// receives nothing. The case of letters makes no difference.
    pub(super) fn id_of(&self, name: &str) -> Option<u64> {
        let folded = fold(name);
        let mut found = self.with_key(LookupKey::Name(&folded));
        found.find(|(_, member)| member.is_seen() && *member.name.folded == *folded).map(|(id, _)| id)
    }
}

/// Returns the members as they are with the changes of a round.
pub(super) fn with_changes<'a>(
    list: &'a Members,
    changes: &'a Changes,
) -> impl Iterator<Item = (u64, &'a Member)> {
    let kept = list.iter().filter(|(id, _)| !changes.contains_key(id)).map(|(id, member)| (*id, member));
    kept.chain(changes.iter().filter_map(|(id, member)| Some((*id, member.as_ref()?))))
}
