//! The table of accepted connections: how many there are, from which address, and which have not joined.
//!
//! Any thread may use it. Nothing here may block.
//!
//! Connections that have not joined share `max_unjoined` places. If all are taken, a new connection takes
//! the place of an old one: of the oldest that has not said hello, or else of the oldest that has. A
//! connection keeps its place while its Join is carried out. So a crowd of connections that never join
//! cannot keep a new member out.

use crate::settings::Limits;
use chat_common::{status::Status, stream::Stream};
use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The accepted connections.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    /// Protects the table. This is the only lock on it, and nothing blocks under it.
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// The number of the next connection.
    next: u64,
    /// The connections by number. The numbers rise in the order of acceptance.
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    stream: Arc<Stream>,
    address: IpAddr,
    stage: Stage,
}

/// How far a connection has come. New connections take the place of the first two stages, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It has not said hello.
    Pending,
    /// It has said hello, with the role of a call connection.
    Greeted,
    /// A new connection has taken its place, and its thread is about to end.
    Closed,
    /// Its Join is being carried out, or has succeeded.
    Joined,
    /// It is a member's callback connection, which the client opened.
    Callback,
}

/// A connection's place in the table. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Slot {
    admission: Arc<Admission>,
    number: u64,
}

impl Admission {
    /// Gives a new connection a place.
    ///
    /// # Errors
    /// The status for the peer, when there is no place.
    pub(crate) fn admit(
        self: &Arc<Admission>,
        limits: &Limits,
        stream: &Arc<Stream>,
        address: IpAddr,
    ) -> Result<Slot, Status> {
        let mut table = self.lock();
        if table.open.len() >= limits.max_connections {
            return Err(Status::Busy);
        }
        let held = table.open.values().filter(|open| open.address == address).count();
        if held >= limits.max_per_address && !is_loopback(address) {
            return Err(Status::TooMany);
        }
        let unjoined = table.open.values_mut().filter(|open| open.stage <= Stage::Greeted);
        let unjoined: Vec<&mut Open> = unjoined.collect();
        if unjoined.len() >= limits.max_unjoined {
            // This is the oldest one of the earliest stage. Its thread wakes, ends and frees the place.
            if let Some(open) = unjoined.into_iter().min_by_key(|open| open.stage) {
                open.stage = Stage::Closed;
                open.stream.shut_down();
            }
        }
        let number = table.next;
        table.next += 1;
        table.open.insert(number, Open { stream: Arc::clone(stream), address, stage: Stage::Pending });
        Ok(Slot { admission: Arc::clone(self), number })
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
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn calls(&self) -> impl Iterator<Item = &Stream> {
        self.open.values().filter(|open| open.stage != Stage::Callback).map(|open| &*open.stream)
    }
}

impl Slot {
    /// Records that the connection has said hello, or that its Join was refused and it may send another.
    pub(crate) fn greeted(&self) {
        self.set(Stage::Greeted);
    }

    /// Records that the connection's Join is being carried out. No new connection can take its place now.
    pub(crate) fn joining(&self) {
        self.set(Stage::Joined);
    }

    /// Records that the connection is now a member's callback connection.
    pub(crate) fn became_callback(&self) {
        self.set(Stage::Callback);
    }

    /// Changes the stage. [`Stage::Closed`] is final.
    fn set(&self, stage: Stage) {
        let mut table = self.admission.lock();
        if let Some(open) = table.open.get_mut(&self.number).filter(|open| open.stage != Stage::Closed) {
            open.stage = stage;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.admission.lock().open.remove(&self.number);
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

    /// Returns an accepted connection and its other end.
    fn pair() -> (Arc<Stream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Arc::new(Stream::new(listener.accept().unwrap().0)), far)
    }

    fn limits(max_connections: usize, max_unjoined: usize, max_per_address: usize) -> Limits {
        Limits { max_connections, max_unjoined, max_per_address, ..Limits::default() }
    }

    #[test]
    fn places_are_counted_and_freed() {
        let (admission, limits) = (Arc::<Admission>::default(), limits(2, 9, 1));
        let (near, _far) = pair();
        let [one, two]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let first = admission.admit(&limits, &near, one).unwrap();
        assert_eq!(admission.admit(&limits, &near, one).unwrap_err(), Status::TooMany);
        let _second = admission.admit(&limits, &near, two).unwrap();
        assert_eq!(admission.admit(&limits, &near, [10, 0, 0, 3].into()).unwrap_err(), Status::Busy);
        drop(first);
        admission.admit(&limits, &near, one).unwrap();
    }

    #[test]
    fn loopback_has_no_limit_even_as_a_mapped_ipv6_address() {
        let (admission, limits) = (Arc::<Admission>::default(), limits(9, 9, 1));
        let (near, _far) = pair();
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        let _kept: Vec<Slot> = (0..3).map(|_| admission.admit(&limits, &near, mapped).unwrap()).collect();
    }

    #[test]
    fn a_new_connection_takes_the_place_of_one_without_hello_and_never_of_one_that_joins() {
        let (admission, limits) = (Arc::<Admission>::default(), limits(9, 3, 9));
        let loopback: IpAddr = [127, 0, 0, 1].into();
        let [(joining, joining_far), (greeted, greeted_far), (stranger, stranger_far), (new, new_far)] =
            [(); 4].map(|()| pair());
        let slots =
            [&joining, &greeted, &stranger].map(|near| admission.admit(&limits, near, loopback).unwrap());
        slots[0].greeted();
        slots[0].joining();
        slots[1].greeted();
        let is_open = |mut far: &TcpStream| {
            far.set_nonblocking(true).unwrap();
            far.read(&mut [0]).is_err()
        };
        let _fourth = admission.admit(&limits, &new, loopback).unwrap();
        let _fifth = admission.admit(&limits, &new, loopback).unwrap();
        assert!(!is_open(&stranger_far), "the connection without a hello is closed");
        assert!(is_open(&joining_far) && is_open(&greeted_far) && is_open(&new_far));
    }
}
