//! Who may hold a connection: counts all that are accepted, by stage and by address, and frees a place when one ends.
//!
//! A connection that has not joined costs a place only as long as nobody else wants it: when those places are full, the oldest
//! of them makes room, so that a crowd of silent strangers cannot keep a member out.

use crate::limits::Limits;
use chat_common::hello::Status;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Shutdown, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The table of accepted connections.
#[derive(Debug)]
pub struct Admission {
    /// The only lock on the table; nothing under it blocks.
    table: Mutex<Table>,
    max_connections: usize,
    max_unjoined: usize,
    max_per_address: usize,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, Open>,
    /// The numbers of those that have not joined, so that the first is the oldest.
    unjoined: BTreeSet<u64>,
    per_address: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Open {
    stream: Arc<TcpStream>,
    address: IpAddr,
    callback: bool,
}

/// A connection's place; dropping it frees the place.
#[derive(Debug)]
pub struct Slot {
    admission: Arc<Admission>,
    number: u64,
}

impl Admission {
    /// An empty table.
    pub fn new(limits: &Limits) -> Arc<Admission> {
        Arc::new(Admission {
            table: Mutex::default(),
            max_connections: limits.max_connections,
            max_unjoined: limits.max_unjoined,
            max_per_address: limits.max_per_address,
        })
    }

    /// Gives a new connection a place.
    ///
    /// # Errors
    /// What to answer when there is none.
    pub fn admit(self: &Arc<Admission>, stream: &Arc<TcpStream>, address: IpAddr) -> Result<Slot, Status> {
        let mut table = self.lock();
        if table.open.len() >= self.max_connections {
            return Err(Status::Busy);
        }
        let held = table.per_address.get(&address).copied().unwrap_or(0);
        if held >= self.max_per_address && !is_loopback(address) {
            return Err(Status::TooMany);
        }
        if table.unjoined.len() >= self.max_unjoined {
            if let Some(oldest) = table.unjoined.pop_first() {
                if let Some(open) = table.open.get(&oldest) {
                    // Its thread wakes, ends and frees the place. One that is gone already is as we want it.
                    let _ = open.stream.shutdown(Shutdown::Both);
                }
            }
        }
        let number = table.next;
        table.next += 1;
        table.open.insert(number, Open { stream: Arc::clone(stream), address, callback: false });
        table.unjoined.insert(number);
        *table.per_address.entry(address).or_default() += 1;
        Ok(Slot { admission: Arc::clone(self), number })
    }

    /// Lets every call connection read what has come and then see its end, so that what was sent is still served.
    pub fn stop_reading(&self) {
        for open in self.lock().open.values().filter(|open| !open.callback) {
            let _ = open.stream.shutdown(Shutdown::Read);
        }
    }

    /// Ends every call connection at once.
    pub fn stop_all(&self) {
        for open in self.lock().open.values().filter(|open| !open.callback) {
            let _ = open.stream.shutdown(Shutdown::Both);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The connection has joined: it is not among those that make room any more.
    pub fn joined(&self) {
        self.admission.lock().unjoined.remove(&self.number);
    }

    /// The connection has become a member's callback connection.
    pub fn became_callback(&self) {
        let mut table = self.admission.lock();
        table.unjoined.remove(&self.number);
        if let Some(open) = table.open.get_mut(&self.number) {
            open.callback = true;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.admission.lock();
        table.unjoined.remove(&self.number);
        if let Some(Open { address, .. }) = table.open.remove(&self.number) {
            if let Some(held) = table.per_address.get_mut(&address) {
                *held -= 1;
                if *held == 0 {
                    table.per_address.remove(&address);
                }
            }
        }
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Read, net::TcpListener};

    /// An accepted connection and its far end.
    fn pair() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Arc::new(listener.accept().unwrap().0), far)
    }

    fn admission(max_connections: usize, max_unjoined: usize, max_per_address: usize) -> Arc<Admission> {
        Admission::new(&Limits { max_connections, max_unjoined, max_per_address, ..Limits::default() })
    }

    #[test]
    fn places_are_counted_and_freed() {
        let admission = admission(2, 9, 1);
        let (near, _far) = pair();
        let [one, two]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let first = admission.admit(&near, one).unwrap();
        assert_eq!(admission.admit(&near, one).unwrap_err(), Status::TooMany);
        let _second = admission.admit(&near, two).unwrap();
        assert_eq!(admission.admit(&near, [10, 0, 0, 3].into()).unwrap_err(), Status::Busy);
        drop(first);
        admission.admit(&near, one).unwrap();
    }

    #[test]
    fn loopback_is_exempt_also_when_it_is_mapped_into_ipv6() {
        let admission = admission(9, 9, 1);
        let (near, _far) = pair();
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        let _kept: Vec<Slot> = (0..3).map(|_| admission.admit(&near, mapped).unwrap()).collect();
    }

    #[test]
    fn the_oldest_stranger_makes_room_and_a_member_does_not() {
        let admission = admission(9, 1, 9);
        let loopback: IpAddr = [127, 0, 0, 1].into();
        let ((member, mut member_far), (stranger, mut stranger_far), (third, _third_far)) =
            (pair(), pair(), pair());
        let member_slot = admission.admit(&member, loopback).unwrap();
        member_slot.joined();
        let _stranger_slot = admission.admit(&stranger, loopback).unwrap();
        let _third_slot = admission.admit(&third, loopback).unwrap();
        assert_eq!(stranger_far.read(&mut [0]).unwrap(), 0, "the stranger's connection has ended");
        member_far.set_nonblocking(true).unwrap();
        assert!(member_far.read(&mut [0]).is_err(), "the member's connection is open");
    }
}
