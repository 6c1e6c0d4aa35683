//! The file descriptors of the process, as far as connections may take them. Any thread may use this. Only
//! [`Descriptors::take`], [`Share::mark_call`] and [`Share::mark_called`] may block.
//!
//! A member is two: its call connection, and its callback connection. The second one is reserved when the
//! first has said what it is. So members stay in the room when the descriptors are used up, and
//! only newcomers are refused.
//!
//! Nobody knows what a connection is before its hello, and a callback connection must get in although its
//! descriptor is reserved. So a new connection needs a descriptor that is free, and a call connection needs
//! two that nobody has reserved.

use chat_common::trace;
use std::{
    fs::{self, DirEntry},
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What a running server opens besides connections: the spare descriptor of the accept loop, the files of
/// bans and names while they change, and the transcript when it is moved.
const RESERVED: usize = 8;
/// What it opens for a journal: its next file, and those that are read for somebody.
const RESERVED_FOR_JOURNAL: usize = 8;
/// What members leave to connections that have not said yet what they are, and to clients that resume while
/// their old connections are still open.
const KEPT: usize = 4;
/// How long a connection waits for a descriptor. In a crowd that comes at once others have them until they
/// have sent a hello, and a member's callback connection may come behind these.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// How many descriptors connections may take, and how many they take.
#[derive(Debug)]
pub(crate) struct Descriptors {
    most: usize,
    /// How many members fit.
    members: usize,
    /// Protects the sum over all connections. No other lock is taken under it.
    taken: Mutex<Taken>,
    freed: Condvar,
}

/// What connections take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Taken {
    open: usize,
    /// The open ones, and those that members have not opened yet.
    reserved: usize,
    members: usize,
}

/// What a connection is, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionKind {
    Unknown,
    Call,
    /// The call connection of a member, or of a client whose Join is carried out.
    Member,
    /// The same, with the callback connection that the server opens.
    Called,
    /// A callback connection that its client has opened. Its member has reserved it.
    Callback,
}

impl ConnectionKind {
    fn takes(self) -> Taken {
        match self {
            ConnectionKind::Unknown => Taken { open: 1, reserved: 1, members: 0 },
            ConnectionKind::Call => Taken { open: 1, reserved: 2, members: 0 },
            ConnectionKind::Member => Taken { open: 1, reserved: 2, members: 1 },
            ConnectionKind::Called => Taken { open: 2, reserved: 2, members: 1 },
            ConnectionKind::Callback => Taken { open: 1, reserved: 0, members: 0 },
        }
    }
}

impl Descriptors {
    /// Returns no limit, for a process that has none or does not know it.
    pub(super) fn without_limit() -> Arc<Descriptors> {
        Descriptors::new(usize::MAX)
    }

    /// Returns what is left for connections in a process that may have `limit` descriptors. Comes when the
    /// server has opened its files. `for_reserve` are for the reserved places. Every room has these: a
    /// client that is banned for a time or a reason gets one, too.
    ///
    /// # Blocking
    /// On `/dev/fd`, which is not on a disk.
    pub(super) fn within(limit: u64, has_journal: bool, for_reserve: usize) -> Arc<Descriptors> {
        let free = usize::try_from(limit.saturating_sub(in_use(limit))).unwrap_or(usize::MAX);
        let reserved = RESERVED + for_reserve + if has_journal { RESERVED_FOR_JOURNAL } else { 0 };
        // A server with hardly any has some for members, too.
        Descriptors::new(free - reserved.min(free / 4))
    }

    pub(super) fn new(most: usize) -> Arc<Descriptors> {
        let members = (most - KEPT.min(most.div_ceil(8))) / 2;
        Arc::new(Descriptors { most, members, taken: Mutex::default(), freed: Condvar::new() })
    }

    /// Returns how many members fit.
    pub(super) fn members(&self) -> usize {
        self.members
    }

    /// Takes a descriptor for a new connection. Returns `None` when there is none.
    ///
    /// # Blocking
    /// For `patience` at most, while there is none. One that becomes free wakes it.
    pub(super) fn take(self: &Arc<Descriptors>, patience: Duration) -> Option<Share> {
        let taken = self.freed.wait_timeout_while(self.lock(), patience, |taken| taken.open >= self.most);
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner).0;
        if taken.open >= self.most {
            return None;
        }
        taken.exchange(Taken::default(), ConnectionKind::Unknown.takes());
        drop(taken);
        Some(Share { descriptors: Arc::clone(self), kind: Mutex::new(ConnectionKind::Unknown) })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        trace::lock(&self.taken)
    }
}

/// Counts the descriptors below `limit` that are open now. The process may have inherited higher ones, from a
/// parent with another limit, and these take no place of others.
fn in_use(limit: u64) -> u64 {
    let Ok(entries) = fs::read_dir("/dev/fd") else { return RESERVED as u64 };
    let number = |entry: io::Result<DirEntry>| entry.ok()?.file_name().to_str()?.parse::<u64>().ok();
    let below = entries.filter_map(number).filter(|number| *number < limit).count() as u64;
    // One of them is that of the folder itself.
    below.saturating_sub(1)
}

impl Taken {
    fn exchange(&mut self, old: Taken, new: Taken) {
        self.open = self.open + new.open - old.open;
        self.reserved = self.reserved + new.reserved - old.reserved;
        self.members = self.members + new.members - old.members;
    }
}

/// What one connection takes. Dropping it gives that back.
#[derive(Debug)]
pub(super) struct Share {
    descriptors: Arc<Descriptors>,
    /// Only the thread of the connection changes it.
    kind: Mutex<ConnectionKind>,
}

impl Share {
    /// It is a call connection. Returns whether a callback connection fits as well.
    ///
    /// # Blocking
    /// For `patience` at most, while none fits. A descriptor that becomes free wakes it.
    pub(super) fn mark_call(&self, patience: Duration) -> bool {
        self.take_one(patience, ConnectionKind::Call, |taken| taken.reserved)
    }

    /// Its client joins. Returns whether one more member fits. One that resumes its session does in any case,
    /// because its old connections may still be open.
    pub(super) fn mark_joining(&self, resumes: bool) -> bool {
        let members = self.descriptors.members;
        self.becomes(ConnectionKind::Member, |taken| resumes || taken.members <= members)
    }

    /// The server opens the callback connection. Returns whether there is a descriptor for it now: it is
    /// reserved, but connections that have not said what they are may have it, and give it back soon.
    ///
    /// # Blocking
    /// As [`Share::mark_call`].
    pub(super) fn mark_called(&self, patience: Duration) -> bool {
        self.take_one(patience, ConnectionKind::Called, |taken| taken.open)
    }

    /// Changes to a kind that needs no more than the connection has, or that has its descriptors reserved.
    pub(super) fn set(&self, new: ConnectionKind) {
        self.becomes(new, |_| true);
    }

    /// Waits while `count` is the most, and changes the kind if `count` is then no more than that. Returns
    /// whether it is.
    fn take_one(&self, patience: Duration, new: ConnectionKind, count: fn(&Taken) -> usize) -> bool {
        let Descriptors { most, freed, .. } = &*self.descriptors;
        let lacks_one = |taken: &mut Taken| count(taken) >= *most;
        drop(freed.wait_timeout_while(self.descriptors.lock(), patience, lacks_one));
        self.becomes(new, |taken| count(&taken) <= *most)
    }

    /// Changes the kind if what all take then is `allowed`. Returns whether it is.
    fn becomes(&self, new: ConnectionKind, allowed: impl FnOnce(Taken) -> bool) -> bool {
        let mut kind = self.kind.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self.descriptors.lock();
        let mut changed = *taken;
        changed.exchange(kind.takes(), new.takes());
        let is_allowed = allowed(changed);
        if is_allowed {
            (*taken, *kind) = (changed, new);
        }
        is_allowed
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let kind = *self.kind.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.descriptors.lock().exchange(kind.takes(), Taken::default());
        // Those who wait do not wait for the same.
        self.descriptors.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn a_descriptor_behind_the_limit_takes_no_place() {
        let _behind: Vec<File> = (0..20).map(|_| File::open("/dev/null").unwrap()).collect();
        assert!(in_use(u64::MAX) >= 20);
        assert!(in_use(10) < 10);
    }

    #[test]
    fn as_many_members_fit_as_are_said_and_each_has_its_callback_connection() {
        for most in 3..100 {
            let descriptors = Descriptors::new(most);
            let mut members = Vec::new();
            loop {
                let call =
                    descriptors.take(Duration::ZERO).expect("a newcomer is told that there is no place");
                if !call.mark_call(Duration::ZERO) || !call.mark_joining(false) {
                    break;
                }
                let callback =
                    descriptors.take(Duration::ZERO).expect("a member can open its callback connection");
                callback.set(ConnectionKind::Callback);
                members.push((call, callback));
            }
            assert_eq!(members.len(), descriptors.members(), "{most} descriptors");
            drop(members.pop());
            let call = descriptors.take(Duration::ZERO).unwrap();
            assert!(call.mark_call(Duration::ZERO) && call.mark_joining(false), "{most} descriptors");
            drop((call, members));
            assert_eq!(*descriptors.lock(), Taken::default());
        }
    }

    #[test]
    fn a_crowd_that_comes_at_once_leaves_the_members_among_it_their_callback_connections() {
        for most in 3..100 {
            let descriptors = Descriptors::new(most);
            let crowd: Vec<Share> = (0..most).map_while(|_| descriptors.take(Duration::ZERO)).collect();
            let joins = |share: Share| {
                (share.mark_call(Duration::ZERO) && share.mark_joining(false)).then_some(share)
            };
            let members: Vec<Share> = crowd.into_iter().filter_map(joins).collect();
            assert!(!members.is_empty());
            let callbacks: Vec<Share> =
                members.iter().map_while(|_| descriptors.take(Duration::ZERO)).collect();
            assert_eq!(callbacks.len(), members.len(), "{most} descriptors");
        }
    }

    #[test]
    fn a_member_comes_back_while_its_old_connections_are_still_open() {
        let descriptors = Descriptors::new(40);
        let joined = || {
            descriptors
                .take(Duration::ZERO)
                .filter(|call| call.mark_call(Duration::ZERO) && call.mark_joining(false))
        };
        let members: Vec<Share> = std::iter::from_fn(joined).collect();
        assert_eq!(members.len(), descriptors.members());
        let again = descriptors.take(Duration::ZERO).unwrap();
        assert!(again.mark_call(Duration::ZERO) && !again.mark_joining(false) && again.mark_joining(true));
    }
}
