//! A room full of members, all played by one thread: the load generator's only loop.
//!
//! Every socket is in one epoll set. What arrives is read into one buffer, parsed in place, answered where the protocol asks
//! for an answer, and noted as an [`Arrival`] with the time at which its bytes had been read.

use crate::wire::{Heard, Links, Protocol};
use rustix::event::{epoll, Timespec};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// How many members join at the same time, each in blocking steps on a thread of its own.
const JOINING_AT_ONCE: usize = 16;
/// A room that takes longer to fill is not measured.
const FILL_TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than anything arrives at once under load, so that one read empties a socket.
const READ_BYTES: usize = 256 * 1024;
/// A third of what rpc-chat's server puts up with.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// After this long without anything arriving, nothing is going to.
const GIVE_UP: Duration = Duration::from_secs(10);

/// One readable socket's worth of news.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Who heard it.
    pub member: usize,
    /// When its bytes had been read.
    pub at: Instant,
    /// Counted messages.
    pub deliveries: u64,
    /// Its own messages that were taken.
    pub accepted: u64,
    /// Its own messages that must be sent again.
    pub busy: u64,
    /// Messages that the system says it will not get.
    pub missed: u64,
}

/// The members, by number.
pub struct Room {
    protocol: Protocol,
    epoll: OwnedFd,
    /// Two a member: where it speaks, and where it hears if that is another connection.
    links: Vec<Option<Link>>,
    buffer: Vec<u8>,
    events: Vec<epoll::Event>,
    next_ping: Instant,
}

struct Link {
    stream: TcpStream,
    /// The beginning of a message whose rest has not come.
    left: Vec<u8>,
    /// A request is out: the next must wait, also a ping.
    asking: bool,
    /// Not read any more.
    stopped: bool,
}

impl Room {
    /// Lets `count` members join.
    ///
    /// # Errors
    /// The first that any of them meets.
    pub fn join(server: SocketAddr, protocol: Protocol, count: usize) -> io::Result<Room> {
        let mut room = Room {
            protocol,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            links: (0..count * 2).map(|_| None).collect(),
            buffer: vec![0; READ_BYTES],
            events: Vec::with_capacity(1024),
            next_ping: Instant::now() + PING_INTERVAL,
        };
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            // Lives in the scope: when this function gives up, the joiners' next send fails and they end.
            let (joined_tx, joined_rx) = mpsc::sync_channel(JOINING_AT_ONCE);
            for joiner in 0..JOINING_AT_ONCE.min(count) {
                let joined_tx = joined_tx.clone();
                let next = &next;
                thread::Builder::new().name(format!("joiner-{joiner}")).spawn_scoped(scope, move || {
                    joiner_loop(server, protocol, count, next, &joined_tx);
                })?;
            }
            drop(joined_tx);
            let mut joined = 0;
            let start = Instant::now();
            while joined < count {
                if start.elapsed() > FILL_TIMEOUT {
                    return Err(io::Error::other(format!(
                        "only {joined} of {count} joined in {FILL_TIMEOUT:?}"
                    )));
                }
                match joined_rx.try_recv() {
                    Ok((member, links)) => {
                        room.admit(member, links?)?;
                        joined += 1;
                    }
                    // Those who are in hear of those who come, and must take it.
                    Err(_) => drop(room.hear(Duration::from_millis(1))?),
                }
            }
            Ok(room)
        })
    }

    /// How many members there are, stopped ones too.
    pub fn members(&self) -> usize {
        self.links.len() / 2
    }

    fn admit(&mut self, member: usize, links: Links) -> io::Result<()> {
        self.watch(member * 2, links.call, links.left)?;
        if let Some(callback) = links.callback {
            self.watch(member * 2 + 1, callback, Vec::new())?;
        }
        Ok(())
    }

    fn watch(&mut self, index: usize, stream: TcpStream, left: Vec<u8>) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        epoll::add(&self.epoll, &stream, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        self.links[index] = Some(Link { stream, left, asking: false, stopped: false });
        Ok(())
    }

    /// Makes a member stop reading for good, as if its process had been stopped: connections open, buffers filling up.
    /// They are made as small as the system allows, so that it does not take megabytes until the server notices.
    pub fn stop(&mut self, member: usize) -> io::Result<()> {
        for link in self.links[member * 2..][..2].iter_mut().flatten() {
            epoll::delete(&self.epoll, &link.stream)?;
            rustix::net::sockopt::set_socket_recv_buffer_size(&link.stream, 1)?;
            link.stopped = true;
        }
        Ok(())
    }

    /// A member says `text`; whether it was taken shows in a later [`Arrival`].
    pub fn say(&mut self, member: usize, number: u64, text: &str) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(256);
        self.protocol.say(&name(member), number, text, &mut bytes);
        let link = self.links[member * 2].as_mut().ok_or(ErrorKind::NotConnected)?;
        link.asking = true;
        write_all(&link.stream, &bytes)
    }

    /// What has arrived; if nothing has, what arrives within `timeout`.
    pub fn hear(&mut self, timeout: Duration) -> io::Result<Vec<Arrival>> {
        self.ping()?;
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<usize> = self.events.iter().map(|event| event.data.u64() as usize).collect();
        ready.into_iter().map(|index| self.hear_link(index)).collect()
    }

    /// Reads one socket once; what is more than the buffer stays for the next round.
    fn hear_link(&mut self, index: usize) -> io::Result<Arrival> {
        let link = self.links[index].as_mut().ok_or(ErrorKind::NotConnected)?;
        let left = link.left.len();
        if self.buffer.len() < left + READ_BYTES / 2 {
            self.buffer.resize(left + READ_BYTES, 0);
        }
        self.buffer[..left].copy_from_slice(&link.left);
        let count = match link.stream.read(&mut self.buffer[left..]) {
            Ok(0) => return Err(io::Error::other(format!("the server has closed member {}", index / 2))),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        let at = Instant::now();
        let bytes = &self.buffer[..left + count];
        let mut heard = Heard::default();
        let consumed = self.protocol.hear(index % 2 == 1, bytes, &mut heard)?;
        link.left.clear();
        link.left.extend_from_slice(&bytes[consumed..]);
        if heard.accepted + heard.busy > 0 {
            link.asking = false;
        }
        if !heard.reply.is_empty() {
            write_all(&link.stream, &heard.reply)?;
        }
        let Heard { deliveries, accepted, busy, missed, .. } = heard;
        Ok(Arrival { member: index / 2, at, deliveries, accepted, busy, missed })
    }

    /// Lets everybody call who would otherwise be given up, now and then.
    fn ping(&mut self) -> io::Result<()> {
        if !self.protocol.needs_ping() || Instant::now() < self.next_ping {
            return Ok(());
        }
        self.next_ping = Instant::now() + PING_INTERVAL;
        let ping = self.protocol.ping();
        for call in self.links.iter().step_by(2).flatten().filter(|call| !call.stopped && !call.asking) {
            write_all(&call.stream, &ping)?;
        }
        Ok(())
    }

    /// Hears until nothing has come for `quiet`.
    pub fn settle(&mut self, quiet: Duration) -> io::Result<()> {
        let mut last = Instant::now();
        while last.elapsed() < quiet {
            if !self.hear(quiet)?.is_empty() {
                last = Instant::now();
            }
        }
        Ok(())
    }

    /// `senders` members (the first ones) say `each` messages, in closed loop: each says its next once its last was
    /// accepted. Ends when everything has arrived everywhere, or nothing has for a while.
    pub fn burst(&mut self, senders: usize, each: u64, text: &str) -> io::Result<Burst> {
        let hearers = self.members() as u64 - u64::from(!self.protocol.echoes());
        let expected = senders as u64 * each * hearers;
        let mut said = vec![0; senders];
        let mut accepted = 0;
        let mut retries = Vec::new();
        let (mut deliveries, mut missed, mut refused) = (0, 0, 0);
        let start = Instant::now();
        for (member, said) in said.iter_mut().enumerate() {
            *said += 1;
            self.say(member, fresh_number(), text)?;
        }
        let mut last = start;
        while accepted < senders as u64 * each || deliveries + missed < expected {
            if last.elapsed() > GIVE_UP {
                break;
            }
            let timeout = if retries.is_empty() { GIVE_UP } else { crate::wire::BUSY_PAUSE };
            let arrivals = self.hear(timeout)?;
            for member in retries.drain(..) {
                self.say(member, fresh_number(), text)?;
            }
            for arrival in arrivals {
                last = arrival.at;
                deliveries += arrival.deliveries;
                missed += arrival.missed;
                accepted += arrival.accepted;
                if arrival.busy > 0 {
                    refused += 1;
                    retries.push(arrival.member);
                }
                if arrival.accepted > 0 && said[arrival.member] < each {
                    said[arrival.member] += 1;
                    self.say(arrival.member, fresh_number(), text)?;
                }
            }
        }
        if deliveries > expected {
            return Err(io::Error::other(format!("{deliveries} deliveries where {expected} were due")));
        }
        let lost = expected - deliveries;
        Ok(Burst { took: last - start, accepted, deliveries, lost, refused })
    }
}

/// What became of a burst.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    /// From the first message sent to the last delivery read.
    pub took: Duration,
    /// Messages that the system took.
    pub accepted: u64,
    /// Copies of them that arrived.
    pub deliveries: u64,
    /// Copies that did not.
    pub lost: u64,
    /// Times a sender was asked to try again.
    pub refused: u64,
}

/// The name of a member: short enough for IRC.
fn name(member: usize) -> String {
    format!("m{member}")
}

/// A number for a message, higher than any before it. A message that was refused as busy may get a new one: the server has
/// not taken it.
pub fn fresh_number() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Lets one member after the other join, each as the next that nobody else has taken on.
fn joiner_loop(
    server: SocketAddr,
    protocol: Protocol,
    count: usize,
    next: &AtomicUsize,
    joined_tx: &mpsc::SyncSender<(usize, io::Result<Links>)>,
) {
    // A listener a joiner, so that a callback can only be for the one member that it is just letting join.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    loop {
        let member = next.fetch_add(1, Ordering::Relaxed);
        if member >= count {
            return;
        }
        let links = match &listener {
            Ok(listener) => protocol.join(server, &name(member), listener),
            Err(error) => Err(error.kind().into()),
        };
        let failed = links.is_err();
        if joined_tx.send((member, links)).is_err() || failed {
            return;
        }
    }
}

/// Writes all of it. Members send little and wait for answers, so the socket is full only when the server has stopped reading.
fn write_all(mut stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    use rustix::event::{poll, PollFd, PollFlags};
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let timeout = Timespec { tv_sec: GIVE_UP.as_secs() as i64, tv_nsec: 0 };
                if poll(&mut [PollFd::new(stream, PollFlags::OUT)], Some(&timeout))? == 0 {
                    return Err(ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
