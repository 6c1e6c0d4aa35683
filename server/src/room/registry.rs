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

use super::natural_order::sort_key;
use crate::{
    delivery::{ConnectionPair, Recipient},
    identity::{fold, ClientKey},
    log::Reader,
    order::journal::record::{LastAccepted, Positions, SessionRecord, SessionState},
};
use chat_common::{
    handshake::callback::public_session_id,
    wire::{
        protocol::{Cause, Person},
        token::Token,
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// The members by session id. The ids rise in the order in which the sessions claimed their names.
pub(crate) type Members = HashMap<u64, Member>;

/// What a round changes in the list, by session id. `None` is a session that is gone.
pub(super) type Changes = BTreeMap<u64, Option<Member>>;

/// The list, shared by all threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    members: Arc<Mutex<Members>>,
}

/// One session: the time of a person in the room. It can have several connection pairs, one after the
/// other. It is cheap to copy.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The secret of the session. The client shows it to resume, and the server shows it when it dials
    /// the client.
    pub(super) token: Token,
    pub(super) name: Arc<str>,
    /// The name in the form in which names are compared.
    pub(super) folded: Arc<str>,
    /// The names that it had a moment ago, and until when. The oldest is first.
    pub(super) former_names: Vec<(Arc<str>, Instant)>,
    /// The key of the client, in a closed room. It is not known of a session of the journal.
    pub(super) key: Option<ClientKey>,
    /// The address of the client's call connection.
    pub(super) address: IpAddr,
    /// Whether the member came only to speak. The others do not see it, and it receives nothing. A session
    /// never changes this.
    pub(super) send_only: bool,
    pub(super) presence: Presence,
    /// The sequence number of the session's join, once it has entered the room.
    pub(super) joined: Option<u64>,
    /// The sequence number from which the deliveries on the present connections begin.
    pub(super) deliver_from: u64,
    /// The sequence number from which on the member is told of every event that it missed.
    pub(super) membership_from: u64,
    /// What is older than this sequence number counts as gone for this member.
    pub(super) history_floor: u64,
    pub(super) last_accepted: Option<LastAccepted>,
    /// When the session entered the room for the first time.
    pub(super) entered: Instant,
    /// When the member last said something to everybody, or entered.
    pub(super) last_said: Instant,
}

/// Whether the member of a session is in the room.
#[derive(Clone, Debug)]
pub(super) enum Presence {
    /// Its name is claimed, and the thread of its connection dials the client. `announced` is true for a
    /// session that resumed before the server saw its old connections end. For the others that member
    /// never left.
    Joining { pair: Arc<ConnectionPair>, announced: bool },
    /// In the room. `recipient` is `None` until the callback connection is there.
    Here { pair: Arc<ConnectionPair>, recipient: Option<Arc<Recipient>> },
    /// The connection was lost. The client may resume the session. `told` is false for a session of the
    /// journal: its connection ended with the server, and the others need not know if it comes back.
    Lost { since: Instant, told: bool },
    /// The session cannot be resumed. A client that tries gets the `cause` and the reason `why`.
    Over { since: Instant, cause: Cause, why: String },
}

impl Member {
    /// Returns the connections of the session, if it has any now.
    pub(super) fn pair(&self) -> Option<&Arc<ConnectionPair>> {
        match &self.presence {
            Presence::Joining { pair, .. } | Presence::Here { pair, .. } => Some(pair),
            Presence::Lost { .. } | Presence::Over { .. } => None,
        }
    }

    /// Returns whether `pair` holds the present connections of the session.
    pub(super) fn is_on(&self, pair: &Arc<ConnectionPair>) -> bool {
        self.pair().is_some_and(|own| Arc::ptr_eq(own, pair))
    }

    /// Returns whether the member is in the room.
    pub(super) fn is_here(&self) -> bool {
        matches!(
            self.presence,
            Presence::Here { .. }
                | Presence::Joining { announced: true, .. }
                | Presence::Lost { told: false, .. }
        )
    }

    /// Returns what the journal keeps of this session, if it has entered the room.
    pub(super) fn record(&self, id: u64) -> Option<SessionRecord> {
        let state = match &self.presence {
            Presence::Over { cause, why, .. } => SessionState::Over(*cause, why.clone()),
            _ if self.is_here() => SessionState::Here,
            _ => SessionState::Lost,
        };
        let Member { deliver_from, membership_from, .. } = *self;
        Some(SessionRecord {
            id,
            token: self.token,
            name: self.name.to_string(),
            address: self.address,
            send_only: self.send_only,
            positions: Positions { joined: self.joined?, deliver_from, membership_from },
            last_accepted: self.last_accepted,
            state,
        })
    }

    /// Returns the session of a record, as it is when the server starts again.
    pub(super) fn restored(record: SessionRecord) -> Member {
        let since = Instant::now();
        let Positions { joined, deliver_from, membership_from } = record.positions;
        Member {
            token: record.token,
            folded: fold(&record.name).into(),
            name: record.name.into(),
            former_names: Vec::new(),
            key: None,
            address: record.address,
            send_only: record.send_only,
            presence: match record.state {
                SessionState::Here => Presence::Lost { since, told: false },
                SessionState::Lost => Presence::Lost { since, told: true },
                SessionState::Over(cause, why) => Presence::Over { since, cause, why },
            },
            joined: Some(joined),
            deliver_from,
            membership_from,
            history_floor: 0,
            last_accepted: record.last_accepted,
            entered: since,
            last_said: since,
        }
    }

    /// Returns the member as a reader of the log.
    pub(super) fn reader(&self, id: u64) -> Reader {
        Reader { session: id, membership_from: self.membership_from, history_floor: self.history_floor }
    }

    /// Returns whether the others see the member in the room.
    pub(super) fn is_seen(&self) -> bool {
        self.is_here() && !self.send_only
    }

    fn person(&self) -> Person {
        let seconds = |since: Instant| u32::try_from(since.elapsed().as_secs()).unwrap_or(u32::MAX);
        let (here, idle) = (seconds(self.entered), seconds(self.last_said));
        Person { name: self.name.to_string(), here, idle, operator: false }
    }

    fn recipient(&self) -> Option<&Arc<Recipient>> {
        match &self.presence {
            Presence::Here { recipient, .. } => recipient.as_ref(),
            _ => None,
        }
    }
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
        let mut members = self.lock();
        for (id, change) in changes {
            match change {
                Some(member) => drop(members.insert(id, member)),
                None => drop(members.remove(&id)),
            }
        }
    }

    /// Returns all members in the room with their addresses, sorted by their names as people count.
    /// Send-only clients are not among them.
    pub(crate) fn people(&self) -> Vec<(Person, IpAddr)> {
        let members = self.lock();
        let here = members.values().filter(|member| member.is_seen());
        let mut people: Vec<(Person, IpAddr)> =
            here.map(|member| (member.person(), member.address.to_canonical())).collect();
        drop(members);
        people.sort_by_cached_key(|(person, _)| sort_key(&person.name));
        people
    }

    /// Returns the connections and the token of the session for which a client opens a callback connection
    /// with `shown` in its hello. A send-only client cannot do that.
    pub(crate) fn pair_with(&self, shown: &Token) -> Option<(Arc<ConnectionPair>, Token)> {
        let members = self.lock();
        members.values().filter(|member| !member.send_only).find_map(|member| {
            let pair = member.pair()?;
            (public_session_id(pair.call(), member.token) == *shown).then(|| (Arc::clone(pair), member.token))
        })
    }

    /// Returns the connections of all sessions that have some now.
    pub(super) fn pairs(&self) -> Vec<Arc<ConnectionPair>> {
        self.lock().values().filter_map(|member| member.pair().map(Arc::clone)).collect()
    }

    /// Returns all recipients in the order of their session ids. That is mostly the order of their
    /// memory, which saves 5 % of the latency in an idle room.
    pub(super) fn recipients(&self) -> Vec<Arc<Recipient>> {
        let mut recipients: Vec<Arc<Recipient>> =
            self.lock().values().filter_map(|member| member.recipient().map(Arc::clone)).collect();
        recipients.sort_unstable_by_key(|recipient| recipient.pair.id);
        recipients
    }

    /// Returns every recipient with its name.
    pub(crate) fn named_recipients(&self) -> Vec<(Arc<str>, Arc<Recipient>)> {
        let members = self.lock();
        let named = |member: &Member| Some((Arc::clone(&member.name), Arc::clone(member.recipient()?)));
        members.values().filter_map(named).collect()
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
