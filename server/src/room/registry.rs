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

use super::{index::Index, member::Member, natural_order::sort_key};
use crate::{
    delivery::{ConnectionPair, Recipient},
    identity::{Name, ShownAddress},
};
use chat_common::{
    handshake::callback::public_session_id,
    trace,
    wire::{protocol::Person, token::Token},
};
use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
};

/// The members by session id. The ids rise in the order in which the sessions claimed their names.
pub(crate) type Members = HashMap<u64, Member>;

/// What a round changes in the list, by session id. `None` is a session that is gone.
pub(super) type Changes = BTreeMap<u64, Option<Member>>;

/// Puts the changes of a round into the list, and into the index.
pub(super) fn apply(members: &mut Members, changes: Changes, index: &mut Index) {
    for (id, change) in changes {
        let old = match change {
            Some(member) => members.insert(id, member),
            None => members.remove(&id),
        };
        index.change(id, old.as_ref(), members.get(&id));
    }
}

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

    /// Lets everybody see the changes of a round that has its place in the order. `index` follows them.
    pub(super) fn publish(&self, changes: Changes, index: &mut Index) {
        if !changes.is_empty() {
            apply(&mut self.lock(), changes, index);
        }
    }

    /// Returns all members in the room with their addresses, sorted by their names as people count.
    /// Send-only clients are not among them.
    pub(crate) fn people(&self) -> Vec<(Person, ShownAddress)> {
        let members = self.lock();
        let here = members.values().filter(|member| member.is_seen());
        let mut people: Vec<(Person, ShownAddress)> =
            here.map(|member| (member.person(), member.client.shown())).collect();
        drop(members);
        people.sort_by_cached_key(|(person, _)| sort_key(&person.name));
        people
    }

    /// Returns the connections and the token of the session for which a client opens a callback connection
    /// with `shown` in its hello, and the address of a gateway's guest. A send-only client cannot do that.
    pub(crate) fn pair_with(&self, shown: &Token) -> Option<(Arc<ConnectionPair>, Token, Option<IpAddr>)> {
        let members = self.lock();
        members.values().filter(|member| !member.send_only).find_map(|member| {
            let (pair, client) = (member.pair()?, &member.client);
            let guest = client.is_guest.then_some(client.address);
            let is_meant = public_session_id(pair.call(), member.token) == *shown;
            is_meant.then(|| (Arc::clone(pair), member.token, guest))
        })
    }

    /// Returns the connections of all sessions that have some now.
    pub(super) fn pairs(&self) -> Vec<Arc<ConnectionPair>> {
        self.lock().values().filter_map(|member| member.pair().map(Arc::clone)).collect()
    }

    /// Returns all recipients in the order of their session ids. That is mostly the order of their
    /// memory, which saves 5 % of the latency in an idle room.
    pub(super) fn recipients(&self) -> Arc<[Arc<Recipient>]> {
        let members = self.lock();
        let recipient = |(id, member): (&u64, &Member)| Some((*id, Arc::clone(member.recipient()?)));
        let mut recipients: Vec<(u64, Arc<Recipient>)> = members.iter().filter_map(recipient).collect();
        drop(members);
        recipients.sort_unstable_by_key(|(id, _)| *id);
        recipients.into_iter().map(|(_, recipient)| recipient).collect()
    }

    /// Returns every recipient with its name.
    pub(crate) fn named_recipients(&self) -> Vec<(Name, Arc<Recipient>)> {
        let members = self.lock();
        let named = |member: &Member| Some((member.name.clone(), Arc::clone(member.recipient()?)));
        members.values().filter_map(named).collect()
    }

    /// Keeps the list locked while the guard lives.
    #[cfg(feature = "seeded-bugs")]
    pub(crate) fn hold(&self) -> impl Drop + '_ {
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        // Invariant: a change that panics leaves each member valid, so the list can still be used.
        trace::lock(&self.members)
    }
}
