//! The table of accepted connections: which there are, from which host, and how far each has come. Plain
//! values under the lock of [`super::admission`]; nothing here blocks.

use super::{descriptors::PATIENCE, places::Places};
use crate::identity::Host;
use chat_common::wire::stream::Stream;
use std::{
    collections::{hash_map::Entry, HashMap},
    sync::Arc,
    time::Instant,
};

/// The accepted connections.
#[derive(Debug)]
pub(super) struct Table {
    /// The number of the next connection. The numbers are given in the order of the connections.
    next: u64,
    /// The connections by number.
    open: HashMap<u64, Open>,
    /// How many of them each host has.
    hosts: HashMap<Host, usize>,
    /// The places of those that have not joined.
    unjoined: Places,
    /// The places for operators where the room has no other.
    reserved: Places,
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
pub(super) enum Stage {
    /// It has not joined. A new connection can take its place.
    Unjoined,
    /// It is in a reserved place, and has not shown the operators' passphrase.
    Reserved,
    /// A new connection has taken its place, and its thread is about to end.
    Evicted,
    /// Its Join is being carried out, or has succeeded, or it is an operator's.
    Joined,
    /// It is a member's callback connection, which the client opened.
    Callback,
}

impl Table {
    pub(super) fn new(unjoined: Places, reserved: Places) -> Table {
        Table { next: 0, open: HashMap::new(), hosts: HashMap::new(), unjoined, reserved }
    }

    /// Returns how many connections there are besides those in reserved places.
    pub(super) fn count(&self) -> usize {
        self.open.len() - self.reserved.taken()
    }

    /// Returns how many connections a host has. An attacker can ask it for each accepted connection, so it
    /// looks at one number.
    pub(super) fn count_of(&self, host: Host) -> usize {
        self.hosts.get(&host).copied().unwrap_or_default()
    }

    /// Returns the streams of the call connections, and of those that have not said what they are.
    pub(super) fn calls(&self) -> impl Iterator<Item = &Stream> {
        self.open.values().filter(|open| open.stage != Stage::Callback).map(|open| &*open.stream)
    }

    /// Adds a connection that has just come, at the stage whose place it takes. Closes another one for it if
    /// these places are full. Returns its number.
    pub(super) fn add(&mut self, stream: &Arc<Stream>, host: Host, stage: Stage, since: Instant) -> u64 {
        let full = self.places(stage).filter(|places| places.are_full());
        let loser = full.and_then(|places| places.choose_loser(host, since));
        loser.into_iter().for_each(|loser| self.close(loser));
        let number = self.next;
        self.next += 1;
        let stream = Arc::clone(stream);
        self.open.insert(number, Open { stream, host, stage: Stage::Joined, since });
        *self.hosts.entry(host).or_default() += 1;
        self.set_stage(number, stage);
        number
    }

    /// Counts a connection for another host, which has its place, too.
    pub(super) fn move_to(&mut self, number: u64, host: Host) {
        let Some(open) = self.open.get_mut(&number) else { return };
        let (former, stage) = (std::mem::replace(&mut open.host, host), open.stage);
        *self.hosts.entry(host).or_default() += 1;
        self.count_one_less(former);
        self.set_stage(number, stage);
    }

    fn count_one_less(&mut self, host: Host) {
        if let Entry::Occupied(mut count) = self.hosts.entry(host) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Takes a connection out.
    pub(super) fn remove(&mut self, number: u64) {
        // This takes its place back.
        self.set_stage(number, Stage::Evicted);
        if let Some(open) = self.open.remove(&number) {
            self.count_one_less(open.host);
        }
    }

    /// Changes the stage of a connection. Returns false if it is [`Stage::Evicted`], which is final.
    pub(super) fn set_stage(&mut self, number: u64, stage: Stage) -> bool {
        let Some(open) = self.open.get_mut(&number).filter(|open| open.stage != Stage::Evicted) else {
            return false;
        };
        open.stage = stage;
        let host = open.host;
        self.unjoined.take_back(number);
        self.reserved.take_back(number);
        self.places(stage).into_iter().for_each(|places| places.give(number, host));
        true
    }

    /// Returns the places of the connections at a stage.
    fn places(&mut self, stage: Stage) -> Option<&mut Places> {
        match stage {
            Stage::Unjoined => Some(&mut self.unjoined),
            Stage::Reserved => Some(&mut self.reserved),
            Stage::Evicted | Stage::Joined | Stage::Callback => None,
        }
    }

    /// Closes a connection that has not joined, for one of `host`, if one of them has had the time to join.
    /// If the choice falls on `own`, for which another should be closed, none is.
    pub(super) fn close_slow(&mut self, host: Host, own: Option<u64>, now: Instant) {
        let oldest = self.unjoined.oldest().and_then(|number| self.open.get(&number));
        if oldest.is_some_and(|oldest| now.duration_since(oldest.since) >= PATIENCE) {
            let loser = self.unjoined.choose_loser(host, now);
            loser.filter(|loser| Some(*loser) != own).into_iter().for_each(|loser| self.close(loser));
        }
    }

    /// Closes a connection, whose place another takes. Its thread wakes, and ends.
    fn close(&mut self, number: u64) {
        self.set_stage(number, Stage::Evicted);
        if let Some(open) = self.open.get(&number) {
            open.stream.shut_down();
        }
    }
}

#[cfg(test)]
impl Table {
    /// Returns whether nobody has taken the place of a connection.
    pub(super) fn is_open(&self, number: u64) -> bool {
        self.open[&number].stage != Stage::Evicted
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.hosts.is_empty() && self.unjoined.taken() + self.reserved.taken() == 0
    }
}
