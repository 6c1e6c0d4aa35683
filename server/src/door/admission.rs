//! The accepted connections: how many there are, from which address, and which of them have not joined.
//!
//! Connections that have not joined share a few places. When those are full, a new connection takes the place of the oldest one, and
//! of one that has not said hello before any that has. A connection whose Join is being carried out keeps its place. So a crowd of
//! strangers cannot keep a member out.

use crate::settings::limits::Limits;
use chat_common::{status::Status, stream::Stream};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The table of accepted connections.
#[derive(Debug)]
pub(crate) struct Admission {
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
    /// Those that have not joined, so that the first is the one to make room.
    unjoined: BTreeSet<(Handshake, u64)>,
    per_address: HashMap<IpAddr, usize>,
}

/// How far a connection that has not joined has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Handshake {
    /// It has not said hello.
    Pending,
    /// It has said hello as a client does.
    Done,
}

#[derive(Debug)]
struct Open {
    stream: Arc<Stream>,
    address: IpAddr,
    callback: bool,
}

/// A connection's place; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Slot {
    admission: Arc<Admission>,
    number: u64,
}

impl Admission {
    /// An empty table.
    pub(crate) fn new(limits: &Limits) -> Arc<Admission> {
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
    pub(crate) fn admit(
        self: &Arc<Admission>,
        stream: &Arc<Stream>,
        address: IpAddr,
    ) -> Result<Slot, Status> {
        let mut table = self.lock();
        if table.open.len() >= self.max_connections {
            return Err(Status::Busy);
        }
        let held = table.per_address.get(&address).copied().unwrap_or(0);
        if held >= self.max_per_address && !is_loopback(address) {
            return Err(Status::TooMany);
        }
        if table.unjoined.len() >= self.max_unjoined {
            if let Some((_, oldest)) = table.unjoined.pop_first() {
                if let Some(open) = table.open.get(&oldest) {
                    // Its thread wakes, ends and frees the place. One that is gone already is as we want it.
                    open.stream.shut_down();
                }
            }
        }
        let number = table.next;
        table.next += 1;
        table.open.insert(number, Open { stream: Arc::clone(stream), address, callback: false });
        table.unjoined.insert((Handshake::Pending, number));
        *table.per_address.entry(address).or_default() += 1;
        Ok(Slot { admission: Arc::clone(self), number })
    }

    /// Lets every call connection read what has come and then see its end, so that what was sent is still served.
    pub(crate) fn stop_reading(&self) {
        for open in self.lock().open.values().filter(|open| !open.callback) {
            open.stream.shut_down_reading();
        }
    }

    /// Ends every call connection at once.
    pub(crate) fn stop_all(&self) {
        for open in self.lock().open.values().filter(|open| !open.callback) {
            open.stream.shut_down();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn forget_unjoined(&mut self, number: u64) {
        for handshake in [Handshake::Pending, Handshake::Done] {
            self.unjoined.remove(&(handshake, number));
        }
    }
}

impl Slot {
    /// The connection has said hello as a client does.
    pub(crate) fn greeted(&self) {
        let mut table = self.admission.lock();
        // One that has had to make room meanwhile stays out of the list: its stream is shut down.
        if table.unjoined.remove(&(Handshake::Pending, self.number)) {
            table.unjoined.insert((Handshake::Done, self.number));
        }
    }

    /// The connection's Join is being carried out: it is not among those that make room any more.
    pub(crate) fn joining(&self) {
        self.admission.lock().unjoined.remove(&(Handshake::Done, self.number));
    }

    /// Its Join was refused, and it may send another.
    pub(crate) fn refused(&self) {
        self.admission.lock().unjoined.insert((Handshake::Done, self.number));
    }

    /// The connection has become a member's callback connection.
    pub(crate) fn became_callback(&self) {
        let mut table = self.admission.lock();
        table.forget_unjoined(self.number);
        if let Some(open) = table.open.get_mut(&self.number) {
            open.callback = true;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.admission.lock();
        table.forget_unjoined(self.number);
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
    use std::{
        io::Read,
        net::{TcpListener, TcpStream},
    };

    /// An accepted connection and its far end.
    fn pair() -> (Arc<Stream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Arc::new(Stream::new(listener.accept().unwrap().0)), far)
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
    fn strangers_make_room_before_those_who_have_said_hello_and_who_joins_does_not() {
        let admission = admission(9, 3, 9);
        let loopback: IpAddr = [127, 0, 0, 1].into();
        let [(joining, joining_far), (greeted, greeted_far), (stranger, stranger_far), (new, new_far)] =
            [(); 4].map(|()| pair());
        let slots = [&joining, &greeted, &stranger].map(|near| admission.admit(near, loopback).unwrap());
        slots[0].greeted();
        slots[0].joining();
        slots[1].greeted();
        let is_open = |mut far: &TcpStream| {
            far.set_nonblocking(true).unwrap();
            far.read(&mut [0]).is_err()
        };
        let _fourth = admission.admit(&new, loopback).unwrap();
        let _fifth = admission.admit(&new, loopback).unwrap();
        assert!(!is_open(&stranger_far), "the oldest that has said nothing makes room");
        assert!(is_open(&joining_far) && is_open(&greeted_far) && is_open(&new_far));
    }
}
