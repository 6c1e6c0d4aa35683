//! The list of members, and the mutex that protects it.
//!
//! Only the broadcaster changes the list, through [`Registry::publish`], when the changes have a place in the
//! order. Any thread may read it. Only this file locks it, and nothing may block under the lock: each
//! function copies what it needs and releases the lock. A thread that holds this lock may take the lock of
//! the bans or of the log, never the other way round.
//!
//! Go: the original has a `map[string]string` from name to address. A second Ann replaces the first. Here
//! one thread checks and claims every name, and the list holds sessions.
//!
//! ```go
//! s.mu.Lock()
//! s.clients[req.UserID] = req.ClientAddr
//! s.mu.Unlock()
//! ```

use super::{
    member::{Key, Member},
    natural_order::sort_key,
};
use crate::{
    delivery::{ConnectionPair, Recipient},
    identity::Name,
};
use chat_common::{
    handshake::callback::public_session_id,
    wire::{protocol::Person, token::Token},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The members. The ids of the sessions rise in the order in which these claimed their names.
#[derive(Debug, Default)]
pub(crate) struct Members {
    by_id: BTreeMap<u64, Member>,
    /// The hash of each key of each member, and the member's id. So a join need not look at every member. The
    /// time of a look-up does not tell how much of a token is right, as it would without hashes.
    index: BTreeSet<(u64, u64)>,
    hasher: RandomState,
}

impl Members {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, id: u64) -> Option<&Member> {
        self.by_id.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Member)> {
        self.by_id.iter().map(|(id, member)| (*id, member))
    }

    /// Returns the ids of all members with a key. Few others may be among them.
    pub(super) fn with_key(&self, key: Key<'_>) -> impl Iterator<Item = u64> + '_ {
        let hash = self.hasher.hash_one(key);
        self.index.range((hash, 0)..=(hash, u64::MAX)).map(|(_, id)| *id)
    }

    pub(super) fn apply(&mut self, changes: Changes) {
        fn keys(member: Option<&Member>) -> impl Iterator<Item = Key<'_>> {
            member.into_iter().flat_map(Member::keys)
        }
        let Members { by_id, index, hasher } = self;
        for (id, change) in changes {
            let old = match change {
                Some(member) => by_id.insert(id, member),
                None => by_id.remove(&id),
            };
            let (old, new) = (old.as_ref(), by_id.get(&id));
            // A message changes no key.
            if !keys(old).eq(keys(new)) {
                let entry = |key| (hasher.hash_one(key), id);
                keys(old).map(entry).for_each(|entry| _ = index.remove(&entry));
                index.extend(keys(new).map(entry));
            }
        }
    }
}

/// What a round changes in the list, by session id. `None` is a session that is gone.
pub(super) type Changes = BTreeMap<u64, Option<Member>>;

/// The list, shared by all threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    members: Arc<Mutex<Members>>,
}

impl Registry {
    /// Locks the list while a round is decided on it.
    pub(super) fn with_members<R>(&self, decide: impl FnOnce(&Members) -> R) -> R {
        decide(&self.lock())
    }

    /// Lets everybody see the changes of a round that has its place in the order.
    pub(super) fn publish(&self, changes: Changes) {
        if changes.is_empty() {
            return;
        }
        self.lock().apply(changes);
    }

    /// Returns all members in the room with their addresses, sorted by their names as people count.
    /// Send-only clients are not among them.
    pub(crate) fn people(&self) -> Vec<(Person, IpAddr)> {
        let members = self.lock();
        let here = members.by_id.values().filter(|member| member.is_seen());
        let mut people: Vec<(Person, IpAddr)> =
            here.map(|member| (member.person(), member.client.address.to_canonical())).collect();
        drop(members);
        people.sort_by_cached_key(|(person, _)| sort_key(&person.name));
        people
    }

    /// Returns the connections and the token of the session for which a client opens a callback connection
    /// with `shown` in its hello. A send-only client cannot do that.
    pub(crate) fn pair_with(&self, shown: &Token) -> Option<(Arc<ConnectionPair>, Token)> {
        let members = self.lock();
        members.by_id.values().filter(|member| !member.send_only).find_map(|member| {
            let pair = member.pair()?;
            (public_session_id(pair.call(), member.token) == *shown).then(|| (Arc::clone(pair), member.token))
        })
    }

    /// Returns the connections of all sessions that have some now.
    pub(super) fn pairs(&self) -> Vec<Arc<ConnectionPair>> {
        self.lock().by_id.values().filter_map(|member| member.pair().map(Arc::clone)).collect()
    }

    /// Returns all recipients in the order of their session ids. That is mostly the order of their
    /// memory, which saves 5 % of the latency in an idle room.
    pub(super) fn recipients(&self) -> Arc<[Arc<Recipient>]> {
        self.lock().by_id.values().filter_map(|member| member.recipient().map(Arc::clone)).collect()
    }

    /// Returns every recipient with its name.
    pub(crate) fn named_recipients(&self) -> Vec<(Name, Arc<Recipient>)> {
        let members = self.lock();
        let named = |member: &Member| Some((member.name.clone(), Arc::clone(member.recipient()?)));
        members.by_id.values().filter_map(named).collect()
    }

    /// Keeps the list locked while the guard lives.
    #[cfg(feature = "seeded-bugs")]
    pub(crate) fn hold(&self) -> impl Drop + '_ {
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        // Invariant: a change that panics leaves each member valid, so the list can still be used.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
