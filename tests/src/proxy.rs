//! A TCP proxy that does to connections what bad networks do, when a test asks for it.
//!
//! One thread accepts. Each connection has two threads that copy, one for each direction. Dropping the proxy
//! joins all of them. `up` is the direction from the caller to the target, `down` is the direction back.

use crate::watchdog::{Shared, WATCHDOG_TIMEOUT};
use socket2::{Domain, Socket, Type};
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        Arc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// More connections than any test opens. The proxy cuts the rest, so that a mistake cannot exhaust the
/// machine.
const MAX_CONNECTIONS: usize = 4096;
/// The most that one copying thread reads at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// What the proxy does to the bytes of one direction of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Passes all bytes on.
    #[default]
    Pass,
    /// Holds each chunk back for this long.
    Delay(Duration),
    /// Writes one byte at a time, with this pause after each.
    OneByteAtATime(Duration),
    /// Reads nothing more, so that the sender's buffers fill.
    StopReading,
    /// Reads everything and passes nothing on.
    BlackHole,
    /// Closes both directions after this many bytes.
    CutAfter(u64),
    /// Ends this direction after this many bytes. The other direction goes on.
    HalfCloseAfter(u64),
    /// Changes these bits of the byte with this number. The numbers start at 0.
    ChangeByte {
        /// The number of the byte.
        at: u64,
        /// The bits that change.
        bits: u8,
    },
}

/// What the proxy does to both directions of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// From the caller to the target.
    pub up: Fault,
    /// From the target to the caller.
    pub down: Fault,
}

impl Faults {
    /// The same fault in both directions.
    pub fn both(fault: Fault) -> Faults {
        Faults { up: fault, down: fault }
    }
}

/// A proxy in front of one address. Dropping it cuts all connections and joins all threads.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<ProxyState>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct ProxyState {
    source: Ipv4Addr,
    /// The address for new connections. A restarted server may have a new one.
    target: Shared<SocketAddr>,
    /// The faults of each new connection, by its number. The numbers start at 0.
    plan: Shared<Plan>,
    connections: Shared<Vec<Arc<ProxiedConnection>>>,
    connection_count: AtomicUsize,
    /// All bytes of each connection, since a test asked for them.
    recordings: Shared<Option<Vec<Arc<Shared<Recording>>>>>,
    closing: AtomicBool,
}

/// What one connection has carried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// From the caller to the target.
    pub up: Vec<u8>,
    /// From the target to the caller.
    pub down: Vec<u8>,
}

struct Plan(Box<dyn FnMut(usize) -> Faults + Send>);

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Plan(..)")
    }
}

/// A connection from a caller, and the one from the proxy to the target that belongs to it.
#[derive(Debug)]
struct ProxiedConnection {
    caller: TcpStream,
    target: TcpStream,
    state: Shared<ConnectionState>,
    recording: Option<Arc<Shared<Recording>>>,
}

#[derive(Debug)]
struct ConnectionState {
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
    pub fn start(target: SocketAddr) -> Proxy {
        Proxy::start_from(Ipv4Addr::LOCALHOST, target)
    }

    /// As [`Proxy::start`]; for the target, all connections come from this address of the machine.
    pub fn start_from(source: Ipv4Addr, target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(ProxyState {
            source,
            target: Shared::new(target),
            plan: Shared::new(Plan(Box::new(|_| Faults::default()))),
            connections: Shared::new(Vec::new()),
            connection_count: AtomicUsize::new(0),
            recordings: Shared::new(None),
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

    /// The address on which the proxy listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections the proxy has accepted so far.
    pub fn connection_count(&self) -> usize {
        self.shared.connection_count.load(Ordering::SeqCst)
    }

    /// Sends every new connection to this address.
    pub fn set_target(&self, target: SocketAddr) {
        self.shared.target.update(|old| *old = target);
    }

    /// Gives every new connection the faults that `plan` returns for its number. The numbers start at 0.
    pub fn plan_faults(&self, plan: impl FnMut(usize) -> Faults + Send + 'static) {
        self.shared.plan.update(|old| old.0 = Box::new(plan));
    }

    /// Gives these faults to every open connection and to every new one.
    pub fn set_faults(&self, faults: Faults) {
        self.plan_faults(move |_| faults);
        self.shared.connections.read_with(|connections| {
            for connection in connections {
                connection.state.update(|state| state.faults = faults);
            }
        });
    }

    /// Records every new connection from now on. A byte is recorded before it is passed on.
    pub fn record(&self) {
        self.shared.recordings.update(|recordings| *recordings = Some(Vec::new()));
    }

    /// What each connection has carried so far, in the order in which they came.
    pub fn recordings(&self) -> Vec<Recording> {
        self.shared.recordings.read_with(|recordings| {
            recordings.iter().flatten().map(|recording| recording.read_with(Clone::clone)).collect()
        })
    }

    /// Closes every open connection, in both directions.
    pub fn cut(&self) {
        self.shared.connections.read_with(|connections| connections.iter().for_each(|open| open.cut()));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // This wakes the acceptor, which cuts all connections and joins their threads.
        let _ = TcpStream::connect_timeout(&self.address, WATCHDOG_TIMEOUT);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// Accepts until the proxy closes. The threads of all connections end before this function returns.
fn accept_loop(listener: &TcpListener, shared: &ProxyState) {
    thread::scope(|scope| {
        while let Ok((caller, _)) = listener.accept() {
            if shared.closing.load(Ordering::SeqCst) {
                break;
            }
            let number = shared.connection_count.fetch_add(1, Ordering::SeqCst);
            let faults = shared.plan.update(|plan| (plan.0)(number));
            let address = shared.target.read_with(|target| *target);
            let Ok(target) = connect_from(shared.source, address) else { continue };
            let _ = (caller.set_nodelay(true), target.set_nodelay(true));
            let state = Shared::new(ConnectionState { faults, cut: false });
            let recording = shared.recordings.update(|recordings| {
                let recording = Arc::default();
                recordings.as_mut()?.push(Arc::clone(&recording));
                Some(recording)
            });
            let connection = Arc::new(ProxiedConnection { caller, target, state, recording });
            let open = shared.connections.update(|connections| {
                connections.retain(|connection| !connection.state.read_with(|state| state.cut));
                connections.push(Arc::clone(&connection));
                connections.len()
            });
            if open > MAX_CONNECTIONS {
                connection.cut();
            }
            for direction in [Direction::Up, Direction::Down] {
                let connection = Arc::clone(&connection);
                let name = format!("proxy-{direction:?}-{number}");
                thread::Builder::new()
                    .name(name)
                    .stack_size(128 * 1024)
                    .spawn_scoped(scope, move || copy_loop(&connection, direction))
                    .unwrap();
            }
        }
        shared.connections.read_with(|connections| connections.iter().for_each(|open| open.cut()));
    });
}

fn connect_from(source: Ipv4Addr, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
    // Only a target on this machine is told another address than the one that the system chooses.
    if source != Ipv4Addr::LOCALHOST {
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    socket.connect_timeout(&target.into(), WATCHDOG_TIMEOUT)?;
    Ok(socket.into())
}

impl ProxiedConnection {
    fn cut(&self) {
        self.state.update(|state| state.cut = true);
        let _ = self.caller.shutdown(Shutdown::Both);
        let _ = self.target.shutdown(Shutdown::Both);
    }

    fn fault(&self, direction: Direction) -> Fault {
        self.state.read_with(|state| state.fault(direction))
    }

    /// Sleeps for `duration` and returns true. Returns false at once when the connection is cut.
    fn pause(&self, duration: Duration) -> bool {
        self.state.wait_within(duration, |state| state.cut.then_some(())).is_none()
    }
}

impl ConnectionState {
    fn fault(&self, direction: Direction) -> Fault {
        match direction {
            Direction::Up => self.faults.up,
            Direction::Down => self.faults.down,
        }
    }
}

/// Copies one direction of one connection until either end closes.
///
/// # Blocking
/// On the read and the write. A cut wakes both, because it shuts the sockets down.
fn copy_loop(connection: &ProxiedConnection, direction: Direction) {
    let (mut from, mut to) = match direction {
        Direction::Up => (&connection.caller, &connection.target),
        Direction::Down => (&connection.target, &connection.caller),
    };
    let mut passed = 0;
    let mut buffer = [0; CHUNK_BYTES];
    loop {
        // The test may stop this direction before the read or during it. Both checks are needed to hold the
        // bytes back.
        let Some(count) =
            wait_while_stopped(connection, direction).and_then(|()| from.read(&mut buffer).ok())
        else {
            break connection.cut();
        };
        if count == 0 {
            // The end of a stream passes on as an end, so that a half-closed connection stays half-closed.
            let _ = to.shutdown(Shutdown::Write);
            break;
        }
        if wait_while_stopped(connection, direction).is_none() {
            break connection.cut();
        }
        if let Some(recording) = &connection.recording {
            recording.update(|recording| match direction {
                Direction::Up => recording.up.extend_from_slice(&buffer[..count]),
                Direction::Down => recording.down.extend_from_slice(&buffer[..count]),
            });
        }
        if let Fault::ChangeByte { at, bits } = connection.fault(direction) {
            let here = at.checked_sub(passed).and_then(|at| usize::try_from(at).ok());
            if let Some(byte) = here.and_then(|at| buffer[..count].get_mut(at)) {
                *byte ^= bits;
            }
        }
        let chunk = &buffer[..count];
        let written = match connection.fault(direction) {
            Fault::Pass | Fault::StopReading | Fault::ChangeByte { .. } => to.write_all(chunk).is_ok(),
            Fault::Delay(delay) => connection.pause(delay) && to.write_all(chunk).is_ok(),
            Fault::OneByteAtATime(pause) => {
                chunk.iter().all(|byte| to.write_all(&[*byte]).is_ok() && connection.pause(pause))
            }
            Fault::BlackHole => true,
            Fault::CutAfter(bytes) | Fault::HalfCloseAfter(bytes) => {
                let left = usize::try_from(bytes.saturating_sub(passed)).unwrap_or(usize::MAX);
                let within_limit = left > count;
                let written = to.write_all(&chunk[..left.min(count)]).is_ok();
                if !within_limit && matches!(connection.fault(direction), Fault::HalfCloseAfter(_)) {
                    let _ = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read));
                    break;
                }
                written && within_limit
            }
        };
        passed += count as u64;
        if !written {
            break connection.cut();
        }
    }
}

/// Waits while this direction has [`Fault::StopReading`]. Returns `None` when the connection is cut.
fn wait_while_stopped(connection: &ProxiedConnection, direction: Direction) -> Option<()> {
    /// Longer than any test. A test ends the wait with another fault or with a cut.
    const LONGEST_STOP: Duration = Duration::from_secs(24 * 3600);
    connection.state.wait_within(LONGEST_STOP, |state| match (state.cut, state.fault(direction)) {
        (true, _) => Some(None),
        (false, Fault::StopReading) => None,
        (false, _) => Some(Some(())),
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends "hello" to an echo server through a proxy with these faults, and returns what comes back.
    fn echo_through(faults: Faults) -> Vec<u8> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap());
        proxy.set_faults(faults);
        thread::scope(|scope| {
            scope.spawn(|| {
                let (stream, _) = listener.accept().unwrap();
                let mut received = Vec::new();
                let _ = (&stream).read_to_end(&mut received);
                let _ = (&stream).write_all(&received);
            });
            let mut stream = TcpStream::connect(proxy.address()).unwrap();
            let _ = stream.write_all(b"hello").and_then(|()| stream.shutdown(Shutdown::Write));
            let mut back = Vec::new();
            let _ = stream.read_to_end(&mut back);
            back
        })
    }

    #[test]
    fn each_fault_does_what_its_doc_says() {
        let millisecond = Duration::from_millis(1);
        assert_eq!(echo_through(Faults::default()), b"hello");
        assert_eq!(echo_through(Faults::both(Fault::Delay(millisecond))), b"hello");
        assert_eq!(echo_through(Faults::both(Fault::OneByteAtATime(millisecond))), b"hello");
        assert_eq!(echo_through(Faults { up: Fault::HalfCloseAfter(2), down: Fault::Pass }), b"he");
        assert_eq!(echo_through(Faults { up: Fault::Pass, down: Fault::CutAfter(3) }), b"hel");
        assert_eq!(echo_through(Faults { up: Fault::BlackHole, down: Fault::Pass }), b"");
        let change = |at| Fault::ChangeByte { at, bits: 1 };
        assert_eq!(echo_through(Faults { up: change(1), down: change(4) }), b"hdlln");
    }

    #[test]
    fn a_recording_holds_what_both_sides_sent() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap());
        proxy.record();
        let mut caller = TcpStream::connect(proxy.address()).unwrap();
        caller.write_all(b"ping").unwrap();
        let (mut target, _) = listener.accept().unwrap();
        target.read_exact(&mut [0; 4]).unwrap();
        target.write_all(b"pong").unwrap();
        caller.read_exact(&mut [0; 4]).unwrap();
        assert_eq!(proxy.recordings(), [Recording { up: b"ping".to_vec(), down: b"pong".to_vec() }]);
    }

    #[test]
    fn a_stopped_direction_goes_on_when_its_fault_is_removed() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap());
        proxy.set_faults(Faults { up: Fault::StopReading, down: Fault::Pass });
        let mut caller = TcpStream::connect(proxy.address()).unwrap();
        caller.write_all(b"hello").unwrap();
        let (mut target, _) = listener.accept().unwrap();
        target.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut bytes = [0; 5];
        assert!(target.read_exact(&mut bytes).is_err(), "a stopped direction passes nothing on");
        target.set_read_timeout(Some(WATCHDOG_TIMEOUT)).unwrap();
        proxy.set_faults(Faults::default());
        target.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");
    }

    #[test]
    fn dropping_a_proxy_closes_its_stopped_connections() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap());
        proxy.set_faults(Faults::both(Fault::StopReading));
        let mut caller = TcpStream::connect(proxy.address()).unwrap();
        caller.write_all(b"hello").unwrap();
        drop(proxy);
        assert!(matches!(caller.read(&mut [0]), Ok(0) | Err(_)));
    }
}
