//! The load generator: a room of members, all on one thread.
//!
//! Every socket is in one epoll set. The thread reads the bytes that come into one buffer, parses them in
//! place, sends the replies that the protocol needs, and reports an [`Arrival`] with the time of the read.
//! Only [`Room::join`] starts other threads, which end before it returns.

use crate::wire::{member_name, Channel, Connections, Protocol, Received};
use rustix::event::{epoll, Timespec};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::fd::OwnedFd,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// How many members join at the same time. Each joins with blocking calls on a joiner thread.
const JOINING_AT_ONCE: usize = 16;
/// How long all joins together may take.
const FILL_TIMEOUT: Duration = Duration::from_secs(60);
/// The size of the read buffer. It is larger than what arrives at once under load, so that one read empties a
/// socket.
const READ_BYTES: usize = 256 * 1024;
/// How often idle members send a ping: three times before rpc-chat's server gives them up.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// How long to wait for the next bytes before the rest counts as lost.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a room that never falls silent is waited for. The notices of 5,000 joins take less.
const LONGEST_NOISE: Duration = Duration::from_secs(30);

/// What one read from one socket brought.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The member that received it.
    pub member: usize,
    /// The time right after the read.
    pub at: Instant,
    /// The number of counted messages.
    pub deliveries: u64,
    /// The number of its own messages that the system accepted.
    pub accepted: u64,
    /// The number of its own messages that must be sent again.
    pub busy: u64,
    /// The number of messages that the system says it will not receive.
    pub missed: u64,
}

/// All members. A member is known by its number, from 0.
pub struct Room {
    protocol: Protocol,
    epoll: OwnedFd,
    /// Two for each member: the one on which it sends, and the one on which it receives if that is another.
    sockets: Vec<Option<Socket>>,
    buffer: Vec<u8>,
    events: Vec<epoll::Event>,
    next_ping: Instant,
}

struct Socket {
    channel: Channel,
    /// The start of a message whose rest has not come.
    unparsed: Vec<u8>,
    /// Whether a request waits for its reply. No other request may follow it, not even a ping.
    request_pending: bool,
    /// Whether this member has stopped reading.
    stopped: bool,
}

impl Room {
    /// Lets `count` members join.
    ///
    /// # Blocking
    /// On the server, for [`FILL_TIMEOUT`] and one join at most.
    ///
    /// # Errors
    /// The first error of any member.
    pub fn join(server: SocketAddr, protocol: Protocol, count: usize) -> io::Result<Room> {
        let mut room = Room {
            protocol,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            sockets: (0..count * 2).map(|_| None).collect(),
            buffer: vec![0; READ_BYTES],
            events: Vec::with_capacity(1024),
            next_ping: Instant::now() + PING_INTERVAL,
        };
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            // The receiver lives in the scope: when this function returns early, the joiners' next send fails
            // and they end.
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
                    Ok((member, connections)) => {
                        room.add_member(member, connections?)?;
                        joined += 1;
                    }
                    // The members in the room are told of each join, and must read that.
                    Err(_) => drop(room.receive(Duration::from_millis(1))?),
                }
            }
            Ok(room)
        })
    }

    /// Returns the number of members, with those that have stopped reading.
    pub fn members(&self) -> usize {
        self.sockets.len() / 2
    }

    fn add_member(&mut self, member: usize, connections: Connections) -> io::Result<()> {
        self.add_socket(member * 2, connections.call, connections.unparsed)?;
        if let Some(callback) = connections.callback {
            self.add_socket(member * 2 + 1, callback, Vec::new())?;
        }
        Ok(())
    }

    fn add_socket(&mut self, index: usize, channel: Channel, unparsed: Vec<u8>) -> io::Result<()> {
        channel.socket().set_nonblocking(true)?;
        epoll::add(&self.epoll, &channel, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        self.sockets[index] = Some(Socket { channel, unparsed, request_pending: false, stopped: false });
        Ok(())
    }

    /// Makes a member stop reading for good, as if its process were stopped: its connections stay open, and
    /// its buffers fill up. The buffers become as small as the system allows, so that few messages fill them.
    pub fn stop_reading(&mut self, member: usize) -> io::Result<()> {
        for socket in self.sockets[member * 2..][..2].iter_mut().flatten() {
            epoll::delete(&self.epoll, &socket.channel)?;
            rustix::net::sockopt::set_socket_recv_buffer_size(&socket.channel, 1)?;
            socket.stopped = true;
        }
        Ok(())
    }

    /// Lets a member send `text`. A later [`Arrival`] says whether the system accepted it.
    pub fn send(&mut self, member: usize, message_id: u64, text: &str) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(256);
        self.protocol.encode_message(member, message_id, text, &mut bytes);
        let socket = self.sockets[member * 2].as_mut().ok_or(ErrorKind::NotConnected)?;
        socket.request_pending = true;
        socket.channel.write_all(&bytes)
    }

    /// Returns what has arrived.
    ///
    /// # Blocking
    /// On the server, for `timeout` at most, if nothing has arrived.
    pub fn receive(&mut self, timeout: Duration) -> io::Result<Vec<Arrival>> {
        self.ping()?;
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<usize> = self.events.iter().map(|event| event.data.u64() as usize).collect();
        ready.into_iter().map(|index| self.receive_on(index)).collect()
    }

    /// Reads one socket once. Bytes that do not fit into the buffer stay in the socket for the next call.
    fn receive_on(&mut self, index: usize) -> io::Result<Arrival> {
        let socket = self.sockets[index].as_mut().ok_or(ErrorKind::NotConnected)?;
        let unparsed = socket.unparsed.len();
        if self.buffer.len() < unparsed + READ_BYTES / 2 {
            self.buffer.resize(unparsed + READ_BYTES, 0);
        }
        self.buffer[..unparsed].copy_from_slice(&socket.unparsed);
        let count = match socket.channel.read(&mut self.buffer[unparsed..]) {
            Ok(0) => return Err(io::Error::other(format!("the server has closed member {}", index / 2))),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        let at = Instant::now();
        let bytes = &self.buffer[..unparsed + count];
        let mut received = Received { member: index / 2, ..Received::default() };
        let consumed = self.protocol.parse(index % 2 == 1, bytes, &mut received)?;
        socket.unparsed.clear();
        socket.unparsed.extend_from_slice(&bytes[consumed..]);
        if received.accepted + received.busy > 0 {
            socket.request_pending = false;
        }
        if !received.reply.is_empty() {
            socket.channel.write_all(&received.reply)?;
        }
        let Received { deliveries, accepted, busy, missed, .. } = received;
        Ok(Arrival { member: index / 2, at, deliveries, accepted, busy, missed })
    }

    /// Sends a ping for each idle member if it is time, so that the server does not give it up.
    fn ping(&mut self) -> io::Result<()> {
        if !self.protocol.needs_ping() || Instant::now() < self.next_ping {
            return Ok(());
        }
        self.next_ping = Instant::now() + PING_INTERVAL;
        let ping = self.protocol.ping();
        for call in self.sockets.iter_mut().step_by(2).flatten() {
            if !call.stopped && !call.request_pending {
                call.channel.write_all(&ping)?;
            }
        }
        Ok(())
    }

    /// Receives until nothing has arrived for `quiet`, but for [`LONGEST_NOISE`] at most: the pings of
    /// thousands of members can leave no silence.
    pub fn wait_until_quiet(&mut self, quiet: Duration) -> io::Result<()> {
        let begin = Instant::now();
        let mut last = begin;
        while last.elapsed() < quiet && begin.elapsed() < LONGEST_NOISE {
            if !self.receive(quiet)?.is_empty() {
                last = Instant::now();
            }
        }
        Ok(())
    }

    /// Lets the first `senders` members send `messages_each` messages in closed loop: a sender sends its next
    /// message when the system has accepted its last. Returns when all messages have arrived everywhere.
    ///
    /// # Blocking
    /// On the server, until all has arrived, or until nothing has arrived for [`ARRIVAL_TIMEOUT`].
    pub fn burst(&mut self, senders: usize, messages_each: u64, text: &str) -> io::Result<Burst> {
        let recipients = self.members() as u64 - u64::from(!self.protocol.receives_own_messages());
        let expected = senders as u64 * messages_each * recipients;
        let mut sent = vec![0; senders];
        let mut accepted = 0;
        let mut retries = Vec::new();
        let (mut deliveries, mut missed, mut refused) = (0, 0, 0);
        let start = Instant::now();
        for (member, sent) in sent.iter_mut().enumerate() {
            *sent += 1;
            self.send(member, next_message_id(), text)?;
        }
        let mut last = start;
        while accepted < senders as u64 * messages_each || deliveries + missed < expected {
            if last.elapsed() > ARRIVAL_TIMEOUT {
                break;
            }
            let timeout = if retries.is_empty() { ARRIVAL_TIMEOUT } else { crate::wire::BUSY_PAUSE };
            let arrivals = self.receive(timeout)?;
            for member in retries.drain(..) {
                self.send(member, next_message_id(), text)?;
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
                if arrival.accepted > 0 && sent[arrival.member] < messages_each {
                    sent[arrival.member] += 1;
                    self.send(arrival.member, next_message_id(), text)?;
                }
            }
        }
        if deliveries > expected {
            return Err(io::Error::other(format!("{deliveries} deliveries instead of {expected}")));
        }
        let lost = expected - deliveries;
        Ok(Burst { took: last - start, accepted, deliveries, lost, refused })
    }
}

/// The outcome of a burst.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    /// The time from the first message to the last delivery.
    pub took: Duration,
    /// The number of messages that the system accepted.
    pub accepted: u64,
    /// The number of copies of them that arrived.
    pub deliveries: u64,
    /// The number of copies that did not arrive.
    pub lost: u64,
    /// How often the system was too busy for a message.
    pub refused: u64,
}

/// Returns a message id that is higher than all before it. A message that the system was too busy for may get
/// a new id, because the system has not accepted it.
pub fn next_message_id() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The life of a joiner thread: it takes the next member that has not joined, lets it join, and repeats.
fn joiner_loop(
    server: SocketAddr,
    protocol: Protocol,
    count: usize,
    next: &AtomicUsize,
    joined_tx: &mpsc::SyncSender<(usize, io::Result<Connections>)>,
) {
    // Each joiner has a listener of its own, so that a callback can only be for the member that now joins.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    loop {
        let member = next.fetch_add(1, Ordering::Relaxed);
        if member >= count {
            return;
        }
        let connections = match &listener {
            Ok(listener) => protocol.join(server, &member_name(member), listener),
            Err(error) => Err(error.kind().into()),
        };
        let failed = connections.is_err();
        if joined_tx.send((member, connections)).is_err() || failed {
            return;
        }
    }
}
