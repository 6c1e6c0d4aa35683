//! A TCP proxy that does what networks do to connections, when a test says so.
//!
//! One thread accepts; each connection has two that pump, one for each direction. All are joined when the proxy is
//! dropped. Up is from who dialled to the target, down is back.

use crate::watchdog::{Watched, PATIENCE};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        Arc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// More connections than any test makes; the proxy refuses the rest, so that a mistake cannot take the machine down.
const MOST_CONNECTIONS: usize = 4096;
const CHUNK_BYTES: usize = 16 * 1024;

/// What happens to the bytes of one direction of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    Pass,
    /// Each chunk waits that long.
    Delay(Duration),
    /// One byte per write, with that pause after each.
    OneByteAtATime(Duration),
    /// Nothing more is read, so that the sender's buffers fill.
    StopReading,
    /// All is read and nothing arrives.
    BlackHole,
    /// After this many bytes, both directions are closed.
    CutAfter(u64),
    /// After this many bytes, this direction ends; the other goes on.
    HalfCloseAfter(u64),
}

/// What happens to both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// From who dialled to the target.
    pub up: Fault,
    /// Back.
    pub down: Fault,
}

impl Faults {
    /// The same in both directions.
    pub fn both(fault: Fault) -> Faults {
        Faults { up: fault, down: fault }
    }
}

/// A proxy in front of one address. Dropping it cuts everything and joins all its threads.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Where new connections go; a restarted server may have a new address.
    target: Watched<SocketAddr>,
    /// For connections yet to come, by the number of the connection, which counts from 0.
    plan: Watched<Plan>,
    links: Watched<Vec<Arc<Link>>>,
    accepted: AtomicUsize,
    closing: AtomicBool,
}

struct Plan(Box<dyn FnMut(usize) -> Faults + Send>);

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Plan(..)")
    }
}

/// One proxied connection.
#[derive(Debug)]
struct Link {
    near: TcpStream,
    far: TcpStream,
    state: Watched<LinkState>,
}

#[derive(Debug)]
struct LinkState {
    faults: Faults,
    cut: bool,
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    Up,
    Down,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and passes everything on to `target`.
    pub fn to(target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target: Watched::new(target),
            plan: Watched::new(Plan(Box::new(|_| Faults::default()))),
            links: Watched::new(Vec::new()),
            accepted: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
        });
        let acceptor = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || accept_loop(&listener, &shared)
            })
            .unwrap();
        Proxy { address, shared, acceptor: Some(acceptor) }
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Connections from now on go to this address.
    pub fn set_target(&self, target: SocketAddr) {
        self.shared.target.change(|old| *old = target);
    }

    /// Connections from now on get the faults that `plan` answers for their number, which counts from 0.
    pub fn plan(&self, plan: impl FnMut(usize) -> Faults + Send + 'static) {
        self.shared.plan.change(|old| old.0 = Box::new(plan));
    }

    /// Every connection there is, and every one from now on, has these faults.
    pub fn set(&self, faults: Faults) {
        self.plan(move |_| faults);
        self.shared.links.look(|links| {
            for link in links {
                link.state.change(|state| state.faults = faults);
            }
        });
    }

    /// Closes every connection there is, at once and in both directions.
    pub fn cut(&self) {
        self.shared.links.look(|links| links.iter().for_each(|link| link.cut()));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which cuts all connections and joins their threads.
        let _ = TcpStream::connect_timeout(&self.address, PATIENCE);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// The acceptor's whole life; the threads of all connections end within it.
fn accept_loop(listener: &TcpListener, shared: &Shared) {
    thread::scope(|scope| {
        while let Ok((near, _)) = listener.accept() {
            if shared.closing.load(Ordering::SeqCst) {
                break;
            }
            let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
            let faults = shared.plan.change(|plan| (plan.0)(number));
            let target = shared.target.look(|target| *target);
            let Ok(far) = TcpStream::connect_timeout(&target, PATIENCE) else { continue };
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            let state = Watched::new(LinkState { faults, cut: false });
            let link = Arc::new(Link { near, far, state });
            let kept = shared.links.change(|links| {
                links.retain(|link| !link.state.look(|state| state.cut));
                links.push(Arc::clone(&link));
                links.len()
            });
            if kept > MOST_CONNECTIONS {
                link.cut();
            }
            for direction in [Direction::Up, Direction::Down] {
                let link = Arc::clone(&link);
                let name = format!("proxy-{direction:?}-{number}");
                thread::Builder::new()
                    .name(name)
                    .stack_size(128 * 1024)
                    .spawn_scoped(scope, move || pump_loop(&link, direction))
                    .unwrap();
            }
        }
        shared.links.look(|links| links.iter().for_each(|link| link.cut()));
    });
}

impl Link {
    fn cut(&self) {
        self.state.change(|state| state.cut = true);
        let _ = self.near.shutdown(Shutdown::Both);
        let _ = self.far.shutdown(Shutdown::Both);
    }

    fn fault(&self, direction: Direction) -> Fault {
        self.state.look(|state| state.fault(direction))
    }

    /// Sleeps, unless the connection is cut: then it answers false at once.
    fn pause(&self, duration: Duration) -> bool {
        self.state.wait_at_most(duration, |state| state.cut.then_some(())).is_none()
    }
}

impl LinkState {
    fn fault(&self, direction: Direction) -> Fault {
        match direction {
            Direction::Up => self.faults.up,
            Direction::Down => self.faults.down,
        }
    }
}

/// One direction of one connection, until either end is gone. A cut wakes it by shutting the sockets down.
fn pump_loop(link: &Link, direction: Direction) {
    let (mut from, mut to) = match direction {
        Direction::Up => (&link.near, &link.far),
        Direction::Down => (&link.far, &link.near),
    };
    let mut passed = 0;
    let mut buffer = [0; CHUNK_BYTES];
    loop {
        // A direction may be told to stop before this read or while it waits; both must hold the bytes back.
        let Some(count) = wait_unless_stopped(link, direction).and_then(|()| from.read(&mut buffer).ok())
        else {
            break link.cut();
        };
        if count == 0 {
            // The end of a stream is passed on as such, so that a half-closed connection stays one.
            let _ = to.shutdown(Shutdown::Write);
            break;
        }
        if wait_unless_stopped(link, direction).is_none() {
            break link.cut();
        }
        let chunk = &buffer[..count];
        let written = match link.fault(direction) {
            Fault::Pass | Fault::StopReading => to.write_all(chunk).is_ok(),
            Fault::Delay(delay) => link.pause(delay) && to.write_all(chunk).is_ok(),
            Fault::OneByteAtATime(pause) => {
                chunk.iter().all(|byte| to.write_all(&[*byte]).is_ok() && link.pause(pause))
            }
            Fault::BlackHole => true,
            Fault::CutAfter(bytes) | Fault::HalfCloseAfter(bytes) => {
                let left = usize::try_from(bytes.saturating_sub(passed)).unwrap_or(usize::MAX);
                let whole = left > count;
                let written = to.write_all(&chunk[..left.min(count)]).is_ok();
                if !whole && matches!(link.fault(direction), Fault::HalfCloseAfter(_)) {
                    let _ = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read));
                    break;
                }
                written && whole
            }
        };
        passed += count as u64;
        if !written {
            break link.cut();
        }
    }
}

/// Waits as long as this direction is not to be read. `None` when the connection is cut.
fn wait_unless_stopped(link: &Link, direction: Direction) -> Option<()> {
    const FOR_EVER: Duration = Duration::from_secs(24 * 3600);
    link.state.wait_at_most(FOR_EVER, |state| match (state.cut, state.fault(direction)) {
        (true, _) => Some(None),
        (false, Fault::StopReading) => None,
        (false, _) => Some(Some(())),
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An echo server behind a proxy with these faults: what comes back when "hello" is sent and ended.
    fn echo(faults: Faults) -> Vec<u8> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap());
        proxy.set(faults);
        thread::scope(|scope| {
            scope.spawn(|| {
                let (stream, _) = listener.accept().unwrap();
                let mut heard = Vec::new();
                let _ = (&stream).read_to_end(&mut heard);
                let _ = (&stream).write_all(&heard);
            });
            let mut stream = TcpStream::connect(proxy.address()).unwrap();
            let _ = stream.write_all(b"hello").and_then(|()| stream.shutdown(Shutdown::Write));
            let mut back = Vec::new();
            let _ = stream.read_to_end(&mut back);
            back
        })
    }

    #[test]
    fn each_fault_does_what_it_says() {
        let millisecond = Duration::from_millis(1);
        assert_eq!(echo(Faults::default()), b"hello");
        assert_eq!(echo(Faults::both(Fault::Delay(millisecond))), b"hello");
        assert_eq!(echo(Faults::both(Fault::OneByteAtATime(millisecond))), b"hello");
        assert_eq!(echo(Faults { up: Fault::HalfCloseAfter(2), down: Fault::Pass }), b"he");
        assert_eq!(echo(Faults { up: Fault::Pass, down: Fault::CutAfter(3) }), b"hel");
        assert_eq!(echo(Faults { up: Fault::BlackHole, down: Fault::Pass }), b"");
    }

    #[test]
    fn a_direction_that_is_not_read_goes_on_when_the_fault_is_lifted() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap());
        proxy.set(Faults { up: Fault::StopReading, down: Fault::Pass });
        let mut near = TcpStream::connect(proxy.address()).unwrap();
        near.write_all(b"hello").unwrap();
        let (mut far, _) = listener.accept().unwrap();
        far.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut bytes = [0; 5];
        assert!(far.read_exact(&mut bytes).is_err(), "nothing may come through yet");
        far.set_read_timeout(Some(PATIENCE)).unwrap();
        proxy.set(Faults::default());
        far.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");
    }

    #[test]
    fn a_proxy_that_is_dropped_in_the_middle_ends() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap());
        proxy.set(Faults::both(Fault::StopReading));
        let mut near = TcpStream::connect(proxy.address()).unwrap();
        near.write_all(b"hello").unwrap();
        drop(proxy);
        assert!(matches!(near.read(&mut [0]), Ok(0) | Err(_)));
    }
}
