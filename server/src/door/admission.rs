//! The table of accepted connections: how many there are, from which host, and which have not joined.
//!
//! Any thread may use it. Only [`Admission::admit`] and the marks of a [`Slot`] may block.
//!
//! All hosts share the `max_unjoined` places of connections that have not joined. When all are taken, a new
//! connection takes the place of an old one. The first of these rules that fits says of which one:
//!
//! | if | it takes the place of | against |
//! |---|---|---|
//! | a host has `max_unjoined_per_address` of them | one of that host, at random | a flood of one host |
//! | a host came again after it had lost a place | one of these hosts, at random | a flood of many hosts |
//! | otherwise | the oldest of all | places that are held for nothing |
//!
//! In the first rule the host is that of the new connection. If that has fewer, it is the host that has most.
//!
//! Which one a flooding host loses is random: its new connections then close each of the others with the same
//! small probability, and not always the one that waits longest for its network. So one host keeps no new
//! member out, of another host or of its own. Many hosts that come again at once when they lose a place close
//! each other's, and not those of hosts that come once.
//!
//! A host may have more than its share while there are free places: thirty people behind one address may join
//! at the same moment. With a share that always counts, 14 of 30 failed at a round trip of 20 ms.
//!
//! A connection has no place of these while its Join is carried out, and after the Join. It is never closed
//! here. If its Join is refused, it is among those again, even if that makes one too many.
//!
//! `max_per_address` limits all connections of a host, so one host cannot take all of `max_connections`.
//! Loopback addresses are exempt: a program on the server's machine has millions of them, and no limit for
//! each would help. Many hosts together can take all of `max_connections`.
//!
//! Where the room has operators, a connection that is refused a place, or whose address is banned, gets one
//! of the `RESERVED` places ([`Admission::admit_to_reserve`]). It can show the operators' passphrase there,
//! and do nothing else. When all of these are taken, a new connection takes the place of one of its own host,
//! or else of the oldest; but only this machine takes the place of one from this machine. The place of one
//! that has shown the passphrase is its own. A client whose address is banned for a time or a reason gets
//! such a place, too: only the refusal of its Join has space for them.
//!
//! A connection also needs its share of the process's [`Descriptors`]. Where they are few, they are used up
//! before the places are. So a connection that finds none takes the place of one that has not joined as well,
//! after the same rules, if some have had the time to join.

use super::descriptors::{ConnectionKind, Descriptors, Share, PATIENCE};
use crate::{identity::Host, settings::Limits};
use chat_common::trace;
use chat_common::wire::{
    protocol::{Cause, Refusal},
    status::Status,
    stream::Stream,
};
use std::{
    collections::{hash_map::Entry, BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// For how long a host that comes again after it lost a place may lose another before the others do. It is
/// the time that a hello may take: a host that waits so long between its connections takes few places away.
const CAME_AGAIN: Duration = Duration::from_secs(5);
/// The most hosts that are remembered for that. A host beyond these counts as a new one.
const MAX_LOSERS: usize = 4096;

/// The places for operators where the room has no other.
const RESERVED: usize = 4;
/// Their descriptors. One whose place was taken has its own until its thread has ended.
pub(super) const RESERVED_DESCRIPTORS: usize = 2 * RESERVED;

/// The accepted connections.
#[derive(Debug)]
pub(crate) struct Admission {
    descriptors: Arc<Descriptors>,
    /// Those of the reserved places.
    reserve: Arc<Descriptors>,
    /// Protects the table. This is the only lock on it, and nothing blocks under it.
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// The number of the next connection. The numbers are given in the order of the connections.
    next: u64,
    /// The connections by number.
    open: HashMap<u64, Open>,
    /// How many of them each host has.
    hosts: HashMap<Host, usize>,
    /// The connections that have not joined, in the order in which they came, each with its host.
    unjoined: BTreeMap<u64, Host>,
    /// The connections in reserved places, in the order in which they came, each with its host.
    reserved: BTreeMap<u64, Host>,
    /// When each host last lost the place of a connection that had not joined, to one of another host.
    lost: HashMap<Host, Instant>,
    dice: Dice,
}

#[derive(Debug)]
struct Open {
    stream: Arc<Stream>,
    host: Host,
    stage: Stage,
    since: Instant,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has not joined. A new connection can take its place.
    Unjoined,
    /// It is in a reserved place, and has not shown the operators' passphrase.
    Reserved,
    /// A new connection has taken its place, and its thread is about to end.
    Evicted,
    /// Its Join is being carried out, or has succeeded.
    Joined,
    /// It is a member's callback connection, which the client opened.
    Callback,
}

/// Random numbers that a peer cannot guess. std has no other source of them.
#[derive(Debug, Default)]
struct Dice {
    keys: RandomState,
    throws: u64,
}

/// A connection's place in the table. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Slot {
    admission: Arc<Admission>,
    number: u64,
    peer: SocketAddr,
    share: Share,
    /// Why a connection in a reserved place has no other.
    refusal: Option<Status>,
}

impl Admission {
    /// Returns an empty table.
    pub(super) fn new(descriptors: Arc<Descriptors>) -> Arc<Admission> {
        let reserve = Descriptors::new(RESERVED_DESCRIPTORS);
        Arc::new(Admission { descriptors, reserve, table: Mutex::default() })
    }

    /// Gives a new connection a place.
    ///
    /// # Blocking
    /// For two tenths of a second at most, when the descriptors are used up.
    ///
    /// # Errors
    /// The status for the peer, when there is no place.
    pub(crate) fn admit(
        self: &Arc<Admission>,
        limits: &Limits,
        stream: &Arc<Stream>,
        peer: SocketAddr,
        now: Instant,
    ) -> Result<Slot, Status> {
        let host = Host::of(peer.ip());
        let take = |patience| self.descriptors.take(patience);
        let share =
            take(Duration::ZERO).or_else(|| self.make_room(limits, host, None, take)).ok_or(Status::Busy)?;
        let mut table = self.lock();
        if table.open.len() - table.reserved.len() >= limits.max_connections {
            return Err(Status::Busy);
        }
        if !peer.ip().to_canonical().is_loopback() && table.count(host) >= limits.max_per_address {
            return Err(Status::TooMany);
        }
        if table.unjoined.len() >= limits.max_unjoined {
            table.close_one(limits, host, None, now);
        }
        let number = table.add(stream, host, Stage::Unjoined, now);
        Ok(Slot { admission: Arc::clone(self), number, peer, share, refusal: None })
    }

    /// Gives a connection a reserved place, because it has no other for the reason `refusal`. Never blocks.
    ///
    /// # Errors
    /// The same `refusal`, when there is no such place either.
    pub(crate) fn admit_to_reserve(
        self: &Arc<Admission>,
        stream: &Arc<Stream>,
        peer: SocketAddr,
        refusal: Status,
        now: Instant,
    ) -> Result<Slot, Status> {
        let (host, own) = (Host::of(peer.ip()), Host::is_loopback);
        let share = self.reserve.take(Duration::ZERO).ok_or(refusal)?;
        let mut table = self.lock();
        if table.reserved.len() >= RESERVED {
            let of_host = table.reserved.iter().find(|(_, other)| **other == host);
            let oldest = || table.reserved.iter().find(|(_, other)| !own(other) || own(&host));
            let loser = of_host.or_else(oldest).map(|(number, _)| *number).ok_or(refusal)?;
            table.close(loser);
        }
        let number = table.add(stream, host, Stage::Reserved, now);
        Ok(Slot { admission: Arc::clone(self), number, peer, share, refusal: Some(refusal) })
    }

    /// Makes a connection give way to one of `host` for which there is no descriptor: `own`, or a new one.
    /// Returns what `take` returns, which waits for a descriptor. In a crowd that has just come, all have
    /// their time to join before one gives way.
    fn make_room<T>(
        &self,
        limits: &Limits,
        host: Host,
        own: Option<u64>,
        take: impl Fn(Duration) -> Option<T>,
    ) -> Option<T> {
        (0..2).find_map(|_| {
            self.lock().close_slow(limits, host, own, Instant::now());
            take(PATIENCE)
        })
    }

    /// Ends the incoming direction of every call connection. The requests that have arrived are still
    /// served.
    pub(crate) fn stop_reading(&self) {
        self.lock().calls().for_each(Stream::shut_down_reading);
    }

    /// Ends every call connection at once.
    pub(crate) fn stop_all(&self) {
        self.lock().calls().for_each(Stream::shut_down);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        trace::lock(&self.table)
    }
}

impl Table {
    fn calls(&self) -> impl Iterator<Item = &Stream> {
        self.open.values().filter(|open| open.stage != Stage::Callback).map(|open| &*open.stream)
    }

    /// Adds a connection at this stage. Returns its number.
    fn add(&mut self, stream: &Arc<Stream>, host: Host, stage: Stage, since: Instant) -> u64 {
        let number = self.next;
        self.next += 1;
        let stream = Arc::clone(stream);
        self.open.insert(number, Open { stream, host, stage: Stage::Joined, since });
        *self.hosts.entry(host).or_default() += 1;
        self.set_stage(number, stage);
        number
    }

    /// Returns how many connections a host has. An attacker can ask it for each accepted connection, so it
    /// looks at one number.
    fn count(&self, host: Host) -> usize {
        self.hosts.get(&host).copied().unwrap_or_default()
    }

    /// Takes a connection out.
    fn remove(&mut self, number: u64) {
        // This takes it out of the places of connections that have not joined.
        self.set_stage(number, Stage::Evicted);
        let Some(open) = self.open.remove(&number) else { return };
        if let Entry::Occupied(mut count) = self.hosts.entry(open.host) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Closes a connection that has not joined, for one of `host`, if one of them has had the time to join.
    fn close_slow(&mut self, limits: &Limits, host: Host, own: Option<u64>, now: Instant) {
        let oldest = self.unjoined.keys().next().and_then(|number| self.open.get(number));
        if oldest.is_some_and(|oldest| now.duration_since(oldest.since) >= PATIENCE) {
            self.close_one(limits, host, own, now);
        }
    }

    /// Closes a connection that has not joined, for one of `host`. If the choice falls on `own`, for which
    /// another should be closed, none is.
    fn close_one(&mut self, limits: &Limits, host: Host, own: Option<u64>, now: Instant) {
        let Some(number) = self.choose_loser(limits, host, now).filter(|loser| Some(*loser) != own) else {
            return;
        };
        self.close(number);
    }

    /// Closes a connection, whose place another takes. Its thread wakes, ends and drops its [`Slot`].
    fn close(&mut self, number: u64) {
        self.set_stage(number, Stage::Evicted);
        if let Some(open) = self.open.get(&number) {
            open.stream.shut_down();
        }
    }

    /// Returns the connection whose place a new one of `host` takes. It looks at all that have not joined.
    fn choose_loser(&mut self, limits: &Limits, host: Host, now: Instant) -> Option<u64> {
        let mut counts: HashMap<Host, usize> = HashMap::new();
        self.unjoined.values().for_each(|host| *counts.entry(*host).or_default() += 1);
        let most = counts.values().copied().max()?;
        let share = limits.max_unjoined_per_address;
        let has_too_many = |other: &Host| match counts.get(&host) {
            Some(own) if *own >= share => *other == host,
            _ => most >= share && counts[other] == most,
        };
        if let Some(loser) = self.dice.choose(&self.unjoined_of(has_too_many)) {
            return Some(loser);
        }
        let came_again = |host: &Host| self.lost.get(host).is_some_and(|lost| is_recent(*lost, now));
        let again = self.unjoined_of(came_again);
        let loser = self.dice.choose(&again).or(self.unjoined.keys().next().copied())?;
        self.remember_loser(self.unjoined[&loser], now);
        Some(loser)
    }

    /// Returns the connections of the hosts that `is_meant` chooses.
    fn unjoined_of(&self, is_meant: impl Fn(&Host) -> bool) -> Vec<u64> {
        self.unjoined.iter().filter(|(_, host)| is_meant(host)).map(|(number, _)| *number).collect()
    }

    fn remember_loser(&mut self, host: Host, now: Instant) {
        if self.lost.len() >= MAX_LOSERS {
            self.lost.retain(|_, lost| is_recent(*lost, now));
        }
        if self.lost.len() < MAX_LOSERS {
            self.lost.insert(host, now);
        }
    }

    /// Changes the stage of a connection. Returns false if it is [`Stage::Evicted`], which is final.
    fn set_stage(&mut self, number: u64, stage: Stage) -> bool {
        let Some(open) = self.open.get_mut(&number).filter(|open| open.stage != Stage::Evicted) else {
            return false;
        };
        open.stage = stage;
        let lists = [(&mut self.unjoined, Stage::Unjoined), (&mut self.reserved, Stage::Reserved)];
        for (list, own) in lists {
            match stage == own {
                true => list.insert(number, open.host),
                false => list.remove(&number),
            };
        }
        true
    }
}

fn is_recent(lost: Instant, now: Instant) -> bool {
    now.duration_since(lost) < CAME_AGAIN
}

impl Dice {
    /// Returns one of `values` at random, or `None` if there are none.
    fn choose<T: Copy>(&mut self, values: &[T]) -> Option<T> {
        self.throws += 1;
        let index = self.keys.hash_one(self.throws).checked_rem(values.len() as u64)?;
        values.get(index as usize).copied()
    }
}

impl Slot {
    /// Returns the other end of the connection.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Returns why the connection may only operate, if that is so.
    pub(crate) fn refusal(&self) -> Option<Status> {
        self.refusal
    }

    /// Records that this is a call connection. Returns whether there is a descriptor for its callback
    /// connection.
    ///
    /// # Blocking
    /// As [`Admission::admit`].
    pub(crate) fn mark_call(&self, limits: &Limits) -> bool {
        // An operator that does not join has no callback connection.
        self.refusal.is_some() || self.take(limits, Some(self.number), Share::mark_call).is_some()
    }

    /// Records that the Join has succeeded, and the client has to open the callback connection.
    pub(crate) fn mark_awaiting_callback(&self) {
        self.share.set(ConnectionKind::Member);
    }

    /// Records that the connection's Join was refused, and it may send another.
    pub(crate) fn mark_unjoined(&self) {
        self.share.set(ConnectionKind::Call);
        self.set_stage(Stage::Unjoined);
    }

    /// Records that the connection's Join is being carried out. No new connection can take its place now.
    /// Returns false if one has taken it already: the Join must not be carried out then. `resumes` says
    /// whether the client has been here before.
    ///
    /// # Errors
    /// The refusal, when there are no descriptors for one more member. Nothing is recorded then.
    pub(crate) fn mark_joining(&self, resumes: bool) -> Result<bool, Refusal> {
        if !self.share.mark_joining(resumes) {
            return Err(Refusal::new(Cause::Busy, "the room is full; try again later"));
        }
        Ok(self.set_stage(Stage::Joined))
    }

    /// Records that this is the connection of an operator. No new connection can take its place from now on.
    pub(crate) fn mark_operator(&self) {
        self.set_stage(Stage::Joined);
    }

    /// Records that the server opens the callback connection to the client. Without a descriptor for it the
    /// dial fails, and the client opens the connection when others have given way.
    ///
    /// # Blocking
    /// As [`Admission::admit`].
    pub(crate) fn mark_called(&self, limits: &Limits) {
        self.take(limits, None, Share::mark_called);
    }

    /// Records that the connection is now a member's callback connection.
    pub(crate) fn mark_callback(&self) {
        self.share.set(ConnectionKind::Callback);
        self.set_stage(Stage::Callback);
    }

    /// Takes a descriptor with `mark`. Another connection makes room for it, but not `own`.
    fn take(&self, limits: &Limits, own: Option<u64>, mark: fn(&Share, Duration) -> bool) -> Option<()> {
        let take = |patience| mark(&self.share, patience).then_some(());
        let host = Host::of(self.peer.ip());
        take(Duration::ZERO).or_else(|| self.admission.make_room(limits, host, own, take))
    }

    fn set_stage(&self, stage: Stage) -> bool {
        self.admission.lock().set_stage(self.number, stage)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.admission.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Read,
        net::{IpAddr, TcpListener, TcpStream},
    };

    /// Returns an accepted connection and its other end.
    fn pair() -> (Arc<Stream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Arc::new(Stream::new(listener.accept().unwrap().0)), far)
    }

    fn at(address: impl Into<IpAddr>) -> SocketAddr {
        (address.into(), 1).into()
    }

    /// Admits a connection now.
    fn admit(
        admission: &Arc<Admission>,
        limits: &Limits,
        near: &Arc<Stream>,
        address: IpAddr,
    ) -> Result<Slot, Status> {
        admission.admit(limits, near, at(address), Instant::now())
    }

    fn limits(max_connections: usize, max_unjoined: usize, max_per_address: usize) -> Limits {
        Limits { max_connections, max_unjoined, max_per_address, ..Limits::default() }
    }

    #[test]
    fn places_are_counted_and_freed() {
        let (admission, limits) = (Admission::new(Descriptors::without_limit()), limits(2, 9, 1));
        let (near, _far) = pair();
        let [one, two]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let first = admit(&admission, &limits, &near, one).unwrap();
        assert_eq!(admit(&admission, &limits, &near, one).unwrap_err(), Status::TooMany);
        let _second = admit(&admission, &limits, &near, two).unwrap();
        assert_eq!(admit(&admission, &limits, &near, [10, 0, 0, 3].into()).unwrap_err(), Status::Busy);
        drop(first);
        admit(&admission, &limits, &near, one).unwrap();
    }

    #[test]
    fn the_number_of_connections_of_each_host_is_kept_while_they_come_and_go() {
        let mut house = House::new(3, 2);
        for round in 0..200_usize {
            house.opens((round % 5) as u8, 1 + round % 3);
            house.slots.swap_remove(round * 7 % house.slots.len());
            let table = house.admission.lock();
            for host in 0..5_u8 {
                let own = house.slots.iter().filter(|(owner, _)| *owner == host).count();
                assert_eq!(table.count(Host::of([10, 0, 0, host].into())), own, "host {host}");
            }
            assert_eq!(table.hosts.values().sum::<usize>(), table.open.len());
        }
    }

    #[test]
    fn loopback_has_no_limit_even_as_a_mapped_ipv6_address() {
        let (admission, limits) = (Admission::new(Descriptors::without_limit()), limits(9, 9, 1));
        let (near, _far) = pair();
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        let _kept: Vec<Slot> = (0..3).map(|_| admit(&admission, &limits, &near, mapped).unwrap()).collect();
    }

    #[test]
    fn all_addresses_of_an_ipv6_network_share_one_limit() {
        let (admission, limits) = (Admission::new(Descriptors::without_limit()), limits(9, 9, 2));
        let (near, _far) = pair();
        let [one, two, three] =
            ["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(|text| text.parse::<IpAddr>().unwrap());
        let _kept = [one, two].map(|address| admit(&admission, &limits, &near, address).unwrap());
        assert_eq!(admit(&admission, &limits, &near, three).unwrap_err(), Status::TooMany);
        let elsewhere = "2001:db8:0:1::1".parse().unwrap();
        admit(&admission, &limits, &near, elsewhere).unwrap();
    }

    /// A house in which hosts open connections. All of them use one stream, so only the stages count.
    struct House {
        admission: Arc<Admission>,
        limits: Limits,
        stream: Arc<Stream>,
        slots: Vec<(u8, Slot)>,
        now: Instant,
    }

    impl House {
        fn new(max_unjoined: usize, max_unjoined_per_address: usize) -> House {
            let limits =
                Limits { max_unjoined, max_unjoined_per_address, ..limits(10_000, max_unjoined, 10_000) };
            House {
                admission: Admission::new(Descriptors::without_limit()),
                limits,
                stream: pair().0,
                slots: Vec::new(),
                now: Instant::now(),
            }
        }

        /// Lets a host open so many connections. Returns their indexes.
        fn opens(&mut self, host: u8, count: usize) -> Vec<usize> {
            let first = self.slots.len();
            for _ in 0..count {
                let slot = self.admission.admit(&self.limits, &self.stream, at([10, 0, 0, host]), self.now);
                self.slots.push((host, slot.unwrap()));
            }
            (first..self.slots.len()).collect()
        }

        fn is_open(&self, index: usize) -> bool {
            self.admission.lock().open[&self.slots[index].1.number].stage != Stage::Evicted
        }

        /// The connections of a host that are open and have not joined.
        fn unjoined(&self, host: u8) -> usize {
            let table = self.admission.lock();
            let of_host = self.slots.iter().filter(|(owner, _)| *owner == host);
            of_host.filter(|(_, slot)| table.open[&slot.number].stage == Stage::Unjoined).count()
        }
    }

    #[test]
    fn a_host_over_its_share_loses_one_of_its_own_at_random_and_nobody_else_loses_any() {
        let mut survivors = 0;
        for _ in 0..200 {
            let mut house = House::new(17, 16);
            let honest = house.opens(1, 1);
            let first = house.opens(2, 16);
            house.opens(2, 16);
            assert!(house.is_open(honest[0]));
            assert_eq!(house.unjoined(2), 16);
            survivors += first.iter().filter(|index| house.is_open(**index)).count();
        }
        // Each of the 3,200 survives 16 throws with a probability of 0.36. The bounds are far from that.
        assert!((800..1600).contains(&survivors), "{survivors} of 3200 survived");
    }

    #[test]
    fn a_host_may_take_all_places_until_another_needs_one() {
        let mut house = House::new(64, 16);
        let crowd = house.opens(1, 64);
        assert!(crowd.iter().all(|index| house.is_open(*index)));
        for host in 2..10 {
            let honest = house.opens(host, 1);
            house.opens(1, 100);
            assert!(house.is_open(honest[0]));
        }
        assert_eq!(house.unjoined(1), 64 - 8);
    }

    #[test]
    fn when_all_places_are_taken_a_host_with_more_than_its_share_loses_one() {
        let mut house = House::new(10, 4);
        let honest: Vec<usize> = [1, 2, 3].iter().flat_map(|host| house.opens(*host, 1)).collect();
        house.opens(4, 7);
        for newcomer in 5..9 {
            house.opens(newcomer, 1);
            assert_eq!(house.unjoined(4), 11 - usize::from(newcomer));
        }
        assert!(honest.iter().all(|index| house.is_open(*index)));
    }

    #[test]
    fn when_each_host_has_one_place_the_oldest_gives_way() {
        let mut house = House::new(64, 16);
        for host in 0..64 {
            house.opens(host, 1);
        }
        let honest = house.opens(64, 1)[0];
        for host in 65..128 {
            assert!(house.is_open(honest), "host {host} comes");
            let oldest = usize::from(host) - 64;
            assert!(!house.is_open(oldest - 1) && house.is_open(oldest));
            house.opens(host, 1);
        }
        house.opens(128, 1);
        assert!(!house.is_open(honest), "it has had its time");
    }

    #[test]
    fn hosts_that_come_again_when_they_lose_their_place_close_each_others() {
        let mut house = House::new(64, 16);
        let mut held: Vec<(u8, usize)> = (0..100).map(|host| (host, house.opens(host, 1)[0])).collect();
        let honest = house.opens(200, 1)[0];
        for _ in 0..50 {
            for (host, index) in &mut held {
                if !house.is_open(*index) {
                    *index = house.opens(*host, 1)[0];
                }
            }
        }
        assert!(house.is_open(honest), "thousands of connections came after it");
        // A host that waits before it comes again is as good as any other.
        house.now += CAME_AGAIN;
        for host in 100..164 {
            house.opens(host, 1);
        }
        assert!(!house.is_open(honest));
        assert!(house.admission.lock().lost.len() <= 201);
    }

    #[test]
    fn people_behind_one_address_take_the_places_that_are_held_for_nothing_up_to_their_share() {
        let mut house = House::new(64, 16);
        let holders: Vec<usize> = (0..64).flat_map(|host| house.opens(host, 1)).collect();
        let people = house.opens(100, 16);
        assert!(people.iter().all(|index| house.is_open(*index)));
        // More of them may be a flood, which costs its host alone.
        house.opens(100, 100);
        assert_eq!(holders.iter().filter(|index| house.is_open(**index)).count(), 64 - 16);
        assert_eq!(house.unjoined(100), 16);
    }

    #[test]
    fn a_connection_that_joins_is_never_closed_and_one_whose_join_was_refused_counts_again() {
        let mut house = House::new(2, 2);
        let joined = house.opens(1, 2);
        for index in &joined {
            house.slots[*index].1.mark_joining(false).unwrap();
        }
        house.opens(1, 100);
        assert!(joined.iter().all(|index| house.is_open(*index)));
        assert_eq!(house.unjoined(1), 2);
        house.slots[joined[0]].1.mark_unjoined();
        assert_eq!(house.unjoined(1), 3);
        // It survives each throw with a probability of two thirds at most.
        house.opens(1, 1000);
        assert!(!house.is_open(joined[0]) && house.is_open(joined[1]));
    }

    #[test]
    fn a_closed_connection_is_shut_down_and_nothing_is_left_of_connections_that_have_ended() {
        let (admission, limits) = (Admission::new(Descriptors::without_limit()), limits(9, 1, 9));
        let [(old, mut old_far), (new, new_far)] = [(); 2].map(|()| pair());
        let address: IpAddr = [10, 0, 0, 1].into();
        let first = admit(&admission, &limits, &old, address).unwrap();
        let second = admit(&admission, &limits, &new, address).unwrap();
        assert_eq!(old_far.read(&mut [0]).unwrap(), 0, "the end of the stream");
        new_far.set_nonblocking(true).unwrap();
        assert!((&new_far).read(&mut [0]).is_err(), "the new connection is open");
        let joined = [&first, &second].map(|slot| slot.mark_joining(false).unwrap());
        assert_eq!(joined, [false, true], "a Join that comes too late is not carried out");
        drop((first, second));
        let table = admission.lock();
        assert!(table.open.is_empty() && table.hosts.is_empty() && table.unjoined.is_empty());
    }
}
