//! One session: the time of a person in the room. Plain values, for any thread.

use crate::{
    delivery::{ConnectionPair, Recipient},
    identity::{key_of, ClientKey, Name, Origin, ShownAddress},
    log::Reader,
    order::journal::record::{LastAccepted, Positions, SessionRecord, SessionState},
};
use chat_common::wire::{
    protocol::{Cause, Person},
    stream::Stream,
    token::Token,
};
use std::{iter, net::IpAddr, sync::Arc, time::Instant};

/// A session. It can have several connection pairs, one after the other. It is cheap to copy.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The secret of the session. The client shows it to resume, and the server shows it when it dials
    /// the client.
    pub(super) token: Token,
    pub(super) name: Name,
    /// The names that it had a moment ago, and until when. The oldest is first.
    pub(super) former_names: Vec<(Name, Instant)>,
    /// The client on the present connections, or on the last ones.
    pub(super) client: KnownClient,
    /// Whether the member came only to speak. The others do not see it, and it receives nothing. A session
    /// never changes this.
    pub(super) send_only: bool,
    pub(super) presence: Presence,
    pub(super) in_log: InLog,
    pub(super) times: Times,
}

/// Where a session stands in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct InLog {
    /// The sequence number of the session's join, once it has entered the room.
    pub(super) joined: Option<u64>,
    /// The sequence number from which the deliveries on the present connections begin.
    pub(super) deliver_from: u64,
    /// The member as a reader.
    pub(super) reader: Reader,
    /// The last message of the member that the room has accepted.
    pub(super) last_accepted: Option<LastAccepted>,
}

/// What the others see of when a member did something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// When the session entered the room for the first time.
    pub(super) entered: Instant,
    /// When the member last said something to everybody, or entered.
    pub(super) last_said: Instant,
}

/// By what the client of a session is known again.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownClient {
    /// The address of its call connection, or of the guest for whom a gateway has opened that.
    pub(super) address: IpAddr,
    /// Whether it is such a guest. It is not known of a session of the journal.
    pub(super) is_guest: bool,
    /// Its key, in a closed room. It is not known of a session of the journal, and a guest has none: all
    /// guests of a gateway come with the gateway's own.
    pub(super) key: Option<ClientKey>,
    /// Whether its call connection is one of an operator.
    pub(super) is_operator: bool,
}

impl KnownClient {
    pub(super) fn new(origin: Origin, call: &Stream) -> KnownClient {
        let Origin { address, is_guest, .. } = origin;
        let key = key_of(call).filter(|_| !is_guest);
        KnownClient { address, is_guest, key, is_operator: false }
    }

    /// Returns the address as the operator sees it.
    pub(super) fn shown(&self) -> ShownAddress {
        ShownAddress { address: self.address, is_guest: self.is_guest }
    }
}

/// By what members are found.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum LookupKey<'k> {
    Token(&'k [u8]),
    /// One of the forms in which a name is compared.
    Name(&'k str),
    /// Every member without connections has this key.
    Absent,
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
    pub(super) fn record(&self) -> Option<SessionRecord> {
        let state = match &self.presence {
            Presence::Over { cause, why, .. } => SessionState::Over(*cause, why.clone()),
            _ if self.is_here() => SessionState::Here,
            _ => SessionState::Lost,
        };
        Some(SessionRecord {
            id: self.in_log.reader.session,
            token: self.token,
            name: self.name.to_string(),
            address: self.client.address,
            send_only: self.send_only,
            positions: Positions {
                joined: self.in_log.joined?,
                deliver_from: self.in_log.deliver_from,
                membership_from: self.in_log.reader.membership_from,
            },
            last_accepted: self.in_log.last_accepted,
            state,
        })
    }

    /// Returns the session of a record, as it is when the server starts again.
    pub(super) fn restored(record: SessionRecord) -> Member {
        let since = Instant::now();
        let Positions { joined, deliver_from, membership_from } = record.positions;
        Member {
            token: record.token,
            name: Name::new(&record.name),
            former_names: Vec::new(),
            client: KnownClient { address: record.address, is_guest: false, key: None, is_operator: false },
            send_only: record.send_only,
            presence: match record.state {
                SessionState::Here => Presence::Lost { since, told: false },
                SessionState::Lost => Presence::Lost { since, told: true },
                SessionState::Over(cause, why) => Presence::Over { since, cause, why },
            },
            in_log: InLog {
                joined: Some(joined),
                deliver_from,
                reader: Reader { session: record.id, membership_from, history_floor: 0 },
                last_accepted: record.last_accepted,
            },
            times: Times { entered: since, last_said: since },
        }
    }

    /// Returns all keys by which the member is found.
    pub(super) fn keys(&self) -> impl Iterator<Item = LookupKey<'_>> {
        let former = self.former_names.iter().map(|(name, _)| name);
        let names = iter::once(&self.name).chain(former);
        let forms = names.flat_map(|name| [LookupKey::Name(&name.folded), LookupKey::Name(&name.shape)]);
        let absent = self.absent_since().map(|_| LookupKey::Absent);
        iter::once(LookupKey::Token(self.token.as_bytes())).chain(absent).chain(forms)
    }

    /// Returns since when the member has no connections.
    pub(super) fn absent_since(&self) -> Option<Instant> {
        match self.presence {
            Presence::Joining { .. } | Presence::Here { .. } => None,
            Presence::Lost { since, .. } | Presence::Over { since, .. } => Some(since),
        }
    }

    /// Returns whether the others see the member in the room.
    pub(super) fn is_seen(&self) -> bool {
        self.is_here() && !self.send_only
    }

    pub(super) fn person(&self) -> Person {
        let seconds = |since: Instant| u32::try_from(since.elapsed().as_secs()).unwrap_or(u32::MAX);
        let (here, idle) = (seconds(self.times.entered), seconds(self.times.last_said));
        Person { name: self.name.to_string(), here, idle, operator: self.client.is_operator }
    }

    pub(super) fn recipient(&self) -> Option<&Arc<Recipient>> {
        match &self.presence {
            Presence::Here { recipient, .. } => recipient.as_ref(),
            _ => None,
        }
    }
}
