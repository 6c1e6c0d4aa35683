//! Gives each accepted connection a place, or says why it has none.
//!
//! Any thread may use it. Only [`Admission::admit`], [`Admission::admit_to_reserve`] and the marks of a
//! [`Slot`] may block.
//!
//! All hosts share the `max_unjoined` places of connections that have not joined. `places` has the rules of
//! who gives way when all are taken. A connection has no place of these while its Join is carried out, and
//! after the Join. It is never closed here. If its Join is refused, it is among those again, even if that
//! makes one too many.
//!
//! `max_per_address` limits all connections of a host, so one host cannot take all of `max_connections`.
//! Loopback addresses are exempt: a program on the server's machine has millions of them, and no limit for
//! each would help. Many hosts together can take all of `max_connections`.
//!
//! A connection of a gateway is moved to the host of its guest ([`Slot::move_to`]), and everything here meets
//! that host from then on. So a gateway itself is exempt.
//!
//! Where the room has operators, a connection that is refused a place, or whose address is banned, gets one
//! of the `RESERVED` places. It can show the operators' passphrase there, and do nothing else. The rules of
//! who gives way are the same. The place of one that has shown the passphrase is its own. A client whose
//! address is banned for a time or a reason gets such a place, too: only the refusal of its Join has space
//! for them. It keeps no operator out, because it comes again after it has lost its place.
//!
//! A connection also needs its share of the process's [`Descriptors`]. Where they are few, they are used up
//! before the places are. So a connection that finds none takes the place of one that has not joined as well,
//! after the same rules, if some have had the time to join.

use super::{
    descriptors::{ConnectionKind, Descriptors, Share, PATIENCE},
    places::Places,
    table::{Stage, Table},
};
use crate::{identity::Host, settings::Limits};
use chat_common::trace;
use chat_common::wire::{
    protocol::{Cause, Refusal},
    status::Status,
    stream::Stream,
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// The places for operators where the room has no other.
const RESERVED: usize = 4;
/// How many of them a host may have while others need one. With one for each host, the rule against a flood
/// of one host would be the only one.
const RESERVED_SHARE: usize = 2;
/// Their descriptors. One whose place was taken has its own until its thread has ended.
pub(super) const RESERVED_DESCRIPTORS: usize = 2 * RESERVED;

/// The accepted connections, and how many there may be.
#[derive(Debug)]
pub(crate) struct Admission {
    max_connections: usize,
    max_per_address: usize,
    descriptors: Arc<Descriptors>,
    /// Those of the reserved places.
    reserve: Arc<Descriptors>,
    /// Protects the table. This is the only lock on it, and nothing blocks under it.
    table: Mutex<Table>,
}

/// A connection's place in the table. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Slot {
    admission: Arc<Admission>,
    number: u64,
    peer: SocketAddr,
    /// What the connection counts for.
    address: IpAddr,
    share: Share,
    /// Why a connection in a reserved place has no other.
    refusal: Option<Status>,
}

impl Admission {
    /// Returns an empty table.
    pub(super) fn new(descriptors: Arc<Descriptors>, limits: &Limits) -> Arc<Admission> {
        let Limits { max_connections, max_per_address, max_unjoined, .. } = *limits;
        let unjoined = Places::new(max_unjoined, limits.max_unjoined_per_address);
        let table = Table::new(unjoined, Places::new(RESERVED, RESERVED_SHARE));
        Arc::new(Admission {
            max_connections,
            max_per_address,
            descriptors,
            reserve: Descriptors::new(RESERVED_DESCRIPTORS),
            table: Mutex::new(table),
        })
    }

    /// Gives a new connection a place. `is_gateway` says whether its host may have any number of them.
    ///
    /// # Blocking
    /// For two tenths of a second at most, when the descriptors are used up.
    ///
    /// # Errors
    /// The status for the peer, when there is no place.
    pub(crate) fn admit(
        self: &Arc<Admission>,
        stream: &Arc<Stream>,
        peer: SocketAddr,
        is_gateway: bool,
        now: Instant,
    ) -> Result<Slot, Status> {
        let (address, host) = (peer.ip(), Host::of(peer.ip()));
        let take = |patience| self.descriptors.take(patience);
        let share = take(Duration::ZERO).or_else(|| self.make_room(host, None, take)).ok_or(Status::Busy)?;
        let mut table = self.lock();
        if table.count() >= self.max_connections {
            return Err(Status::Busy);
        }
        if !is_gateway {
            self.check_count(&table, address)?;
        }
        let number = table.add(stream, host, Stage::Unjoined, now);
        Ok(Slot { admission: Arc::clone(self), number, peer, address, share, refusal: None })
    }

    /// Gives a connection a reserved place, because it has no other for the reason `refusal`.
    ///
    /// # Blocking
    /// For a tenth of a second at most, until those whose places were taken have ended.
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
        let number = self.lock().add(stream, Host::of(peer.ip()), Stage::Reserved, now);
        let Some(share) = self.reserve.take(PATIENCE) else {
            self.lock().remove(number);
            return Err(refusal);
        };
        let address = peer.ip();
        Ok(Slot { admission: Arc::clone(self), number, peer, address, share, refusal: Some(refusal) })
    }

    /// Checks that the host of this address may have one more connection.
    fn check_count(&self, table: &Table, address: IpAddr) -> Result<(), Status> {
        let is_exempt = address.to_canonical().is_loopback();
        if !is_exempt && table.count_of(Host::of(address)) >= self.max_per_address {
            return Err(Status::TooMany);
        }
        Ok(())
    }

    /// Makes a connection give way to one of `host` for which there is no descriptor: `own`, or a new one.
    /// Returns what `take` returns, which waits for a descriptor. In a crowd that has just come, all have
    /// their time to join before one gives way.
    fn make_room<T>(&self, host: Host, own: Option<u64>, take: impl Fn(Duration) -> Option<T>) -> Option<T> {
        (0..2).find_map(|_| {
            self.lock().close_slow(host, own, Instant::now());
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

impl Slot {
    /// Returns the other end of the connection.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Counts the connection for this address from now on.
    ///
    /// # Errors
    /// The status for the peer, when the host of that address has too many connections. It then counts as
    /// before.
    pub(super) fn move_to(&mut self, address: IpAddr) -> Result<(), Status> {
        let (from, to) = (Host::of(self.address), Host::of(address));
        if from != to {
            let mut table = self.admission.lock();
            self.admission.check_count(&table, address)?;
            table.move_to(self.number, to);
        }
        self.address = address;
        Ok(())
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
    pub(crate) fn mark_call(&self) -> bool {
        // An operator that does not join has no callback connection.
        self.refusal.is_some() || self.take(Some(self.number), Share::mark_call).is_some()
    }

    /// Records that the Join has succeeded, and the client has to open the callback connection.
    pub(crate) fn mark_awaiting_callback(&self) {
        self.share.set(ConnectionKind::Member);
    }

    /// Records that the connection's Join was refused, and it may send another. An operator keeps its place.
    pub(crate) fn mark_unjoined(&self, is_operator: bool) {
        self.share.set(ConnectionKind::Call);
        if !is_operator {
            self.set_stage(Stage::Unjoined);
        }
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
    /// Returns false if one has taken it already: the client must not read then that it is an operator.
    pub(crate) fn mark_operator(&self) -> bool {
        self.set_stage(Stage::Joined)
    }

    /// Records that the server opens the callback connection to the client. Without a descriptor for it the
    /// dial fails, and the client opens the connection when others have given way.
    ///
    /// # Blocking
    /// As [`Admission::admit`].
    pub(crate) fn mark_called(&self) {
        self.take(None, Share::mark_called);
    }

    /// Records that the connection is now a member's callback connection.
    pub(crate) fn mark_callback(&self) {
        self.share.set(ConnectionKind::Callback);
        self.set_stage(Stage::Callback);
    }

    /// Takes a descriptor with `mark`. Another connection makes room for it, but not `own`.
    fn take(&self, own: Option<u64>, mark: fn(&Share, Duration) -> bool) -> Option<()> {
        let take = |patience| mark(&self.share, patience).then_some(());
        let host = Host::of(self.address);
        take(Duration::ZERO).or_else(|| self.admission.make_room(host, own, take))
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
        net::{TcpListener, TcpStream},
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
    fn admit(admission: &Arc<Admission>, near: &Arc<Stream>, address: IpAddr) -> Result<Slot, Status> {
        admission.admit(near, at(address), false, Instant::now())
    }

    fn empty(max_connections: usize, max_unjoined: usize, max_per_address: usize) -> Arc<Admission> {
        let limits = Limits { max_connections, max_unjoined, max_per_address, ..Limits::default() };
        Admission::new(Descriptors::without_limit(), &limits)
    }

    #[test]
    fn places_are_counted_and_freed() {
        let admission = empty(2, 9, 1);
        let (near, _far) = pair();
        let [one, two]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let first = admit(&admission, &near, one).unwrap();
        assert_eq!(admit(&admission, &near, one).unwrap_err(), Status::TooMany);
        let _second = admit(&admission, &near, two).unwrap();
        assert_eq!(admit(&admission, &near, [10, 0, 0, 3].into()).unwrap_err(), Status::Busy);
        drop(first);
        admit(&admission, &near, one).unwrap();
    }

    #[test]
    fn the_number_of_connections_of_each_host_is_kept_while_they_come_and_go() {
        let (admission, near) = (empty(10_000, 3, 10_000), pair().0);
        let mut slots: Vec<(u8, Slot)> = Vec::new();
        for round in 0..200_usize {
            let host = (round % 5) as u8;
            slots.extend(
                (0..=round % 3).map(|_| (host, admit(&admission, &near, [10, 0, 0, host].into()).unwrap())),
            );
            slots.swap_remove(round * 7 % slots.len());
            let table = admission.lock();
            for host in 0..5_u8 {
                let own = slots.iter().filter(|(owner, _)| *owner == host).count();
                assert_eq!(table.count_of(Host::of([10, 0, 0, host].into())), own, "host {host}");
            }
            assert_eq!(table.count(), slots.len());
        }
    }

    #[test]
    fn a_gateway_has_no_limit_and_a_connection_that_is_moved_counts_for_its_guest_alone() {
        let admission = empty(9, 9, 1);
        let (near, _far) = pair();
        let [gateway, guest] = [1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
        let open = || admission.admit(&near, at(gateway), true, Instant::now()).unwrap();
        let mut slots = [open(), open(), open()];
        slots[0].move_to(guest).unwrap();
        assert_eq!(slots[1].move_to(guest), Err(Status::TooMany));
        // The guest's limit meets its own connections as well.
        assert_eq!(admit(&admission, &near, guest).unwrap_err(), Status::TooMany);
        // A guest on the gateway's machine stays where it is.
        slots[2].move_to(gateway).unwrap();
        let count = |address| admission.lock().count_of(Host::of(address));
        assert_eq!((count(gateway), count(guest)), (2, 1));
        drop(slots);
        assert!(admission.lock().is_empty());
    }

    #[test]
    fn who_loses_a_place_is_the_guest_that_floods_and_not_another_guest_of_its_gateway() {
        let limits = Limits { max_unjoined: 8, max_unjoined_per_address: 4, ..Limits::default() };
        let admission = Admission::new(Descriptors::without_limit(), &limits);
        let (near, _far) = pair();
        let join = |guest: u8| {
            let mut slot = admission.admit(&near, at([10, 0, 0, 1]), true, Instant::now()).unwrap();
            slot.move_to([10, 0, 0, guest].into()).unwrap();
            slot
        };
        let honest = join(2);
        let _flood: Vec<Slot> = (0..30).map(|_| join(3)).collect();
        assert!(admission.lock().is_open(honest.number));
    }

    #[test]
    fn loopback_has_no_limit_even_as_a_mapped_ipv6_address() {
        let admission = empty(9, 9, 1);
        let (near, _far) = pair();
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        let _kept: Vec<Slot> = (0..3).map(|_| admit(&admission, &near, mapped).unwrap()).collect();
    }

    #[test]
    fn all_addresses_of_an_ipv6_network_share_one_limit() {
        let admission = empty(9, 9, 2);
        let (near, _far) = pair();
        let [one, two, three] =
            ["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(|text| text.parse::<IpAddr>().unwrap());
        let _kept = [one, two].map(|address| admit(&admission, &near, address).unwrap());
        assert_eq!(admit(&admission, &near, three).unwrap_err(), Status::TooMany);
        let elsewhere = "2001:db8:0:1::1".parse().unwrap();
        admit(&admission, &near, elsewhere).unwrap();
    }

    #[test]
    fn a_connection_that_joins_is_never_closed_and_one_whose_join_was_refused_counts_again() {
        let (admission, near) = (empty(10_000, 2, 10_000), pair().0);
        let opens = |count: usize| -> Vec<Slot> {
            (0..count).map(|_| admit(&admission, &near, [10, 0, 0, 1].into()).unwrap()).collect()
        };
        let is_open = |slot: &Slot| admission.lock().is_open(slot.number);
        let joined = opens(2);
        joined.iter().for_each(|slot| assert!(slot.mark_joining(false).unwrap()));
        let others = opens(100);
        assert!(joined.iter().all(is_open));
        assert_eq!(others.iter().filter(|slot| is_open(slot)).count(), 2);
        joined[0].mark_unjoined(false);
        joined[1].mark_unjoined(true);
        // It survives each throw with a probability of two thirds at most.
        let _others = opens(1000);
        assert!(!is_open(&joined[0]) && is_open(&joined[1]));
    }

    #[test]
    fn the_places_for_operators_have_the_same_rules_and_one_that_operates_keeps_its_own() {
        let (admission, near) = (empty(1, 1, 9), pair().0);
        let comes = |host: u8| {
            admission.admit_to_reserve(&near, at([10, 0, 0, host]), Status::Busy, Instant::now()).unwrap()
        };
        let is_open = |slot: &Slot| admission.lock().is_open(slot.number);
        // As many as there are descriptors: those that lost their places have not ended yet.
        let mut held: Vec<Slot> = (0..RESERVED_DESCRIPTORS as u8 - 1).map(comes).collect();
        let honest = comes(100);
        for _ in 0..200 {
            let index = held.iter().position(|slot| !is_open(slot)).unwrap();
            let lost = held.swap_remove(index);
            assert!(!lost.mark_operator(), "one that has lost its place is told nothing");
            let host = lost.peer();
            drop(lost);
            held.push(admission.admit_to_reserve(&near, host, Status::Busy, Instant::now()).unwrap());
        }
        assert!(is_open(&honest), "many came again and again");
        assert!(honest.mark_operator());
        held.clear();
        let _others: Vec<Slot> = (101..105).map(comes).collect();
        held.extend((105..107).map(comes));
        assert!(is_open(&honest), "it has no place of these any more");
    }

    #[test]
    fn a_closed_connection_is_shut_down_and_nothing_is_left_of_connections_that_have_ended() {
        let admission = empty(9, 1, 9);
        let [(old, mut old_far), (new, new_far)] = [(); 2].map(|()| pair());
        let address: IpAddr = [10, 0, 0, 1].into();
        let first = admit(&admission, &old, address).unwrap();
        let second = admit(&admission, &new, address).unwrap();
        assert_eq!(old_far.read(&mut [0]).unwrap(), 0, "the end of the stream");
        new_far.set_nonblocking(true).unwrap();
        assert!((&new_far).read(&mut [0]).is_err(), "the new connection is open");
        let joined = [&first, &second].map(|slot| slot.mark_joining(false).unwrap());
        assert_eq!(joined, [false, true], "a Join that comes too late is not carried out");
        drop((first, second));
        assert!(admission.lock().is_empty());
    }
}
