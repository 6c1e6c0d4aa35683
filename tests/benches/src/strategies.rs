//! Other ways to write the broadcaster. Each is a small server on rpc-chat's wire, for the lesson and for
//! measurements.
//!
//! The shared part is here: a thread per connection, Join with a callback, and Broadcast into one channel.
//! Each strategy is a file with a `broadcaster_loop`, which runs on the `broadcaster` thread and reads the
//! channel. These servers have no limits, do not resume sessions and do not shut down: the end of the
//! measurement kills them.

mod cursor;
mod scope_per_batch;
mod scope_per_message;
mod thread_per_message;

use chat_common::wire::{
    error::RpcError,
    hello::Role,
    protocol::{Callback, CallbackReply, Event, EventKind, Join, Joined, Reply, Request, FRAME_BYTES},
    rpc::Connection,
    stream::Stream,
};
use crossbeam_channel::{bounded, Sender};
use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc,
    },
    thread,
    time::{Duration, SystemTime},
};

/// The few limits of these servers are those of the real server.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const QUEUE_LENGTH: usize = 1024;
const STACK_BYTES: usize = 128 * 1024;
/// The most events in one call, so that the call fits into a frame.
const BATCH_EVENTS: usize = 256;

/// What the connections send to the broadcaster. The channel gives all of it one order.
enum RoomEvent {
    /// A member has joined, and receives everything that follows.
    Joined(Member),
    /// An event for all members except its author.
    Event { author: usize, event: Event },
    /// The member with this id has left.
    Left(usize),
}

/// A member that receives events.
struct Member {
    id: usize,
    callback: Connection,
}

impl Member {
    /// Calls Receive and waits for the reply.
    ///
    /// # Blocking
    /// On the recipient, for [`CALL_TIMEOUT`] at most.
    fn receive(&mut self, events: Vec<Event>) -> Result<(), RpcError> {
        let call = Callback::Receive { answer: true, events };
        let CallbackReply::Received = self.callback.call(&call, CALL_TIMEOUT)?;
        Ok(())
    }
}

/// Serves the strategy called `name` on `address` until the process is killed.
///
/// # Blocking
/// For ever, on clients that connect.
///
/// # Errors
/// When there is no such strategy, or accepting fails.
pub fn serve(name: &str, address: &str) -> io::Result<()> {
    let broadcaster_loop = match name {
        "scope-per-message" => scope_per_message::broadcaster_loop,
        "scope-per-batch" => scope_per_batch::broadcaster_loop,
        "cursor" => cursor::broadcaster_loop,
        "thread-per-message" => thread_per_message::broadcaster_loop,
        _ => return Err(io::Error::other(format!("unknown strategy {name}"))),
    };
    crate::process::raise_open_files();
    let listener = TcpListener::bind(address)?;
    let (events_tx, events_rx) = bounded(QUEUE_LENGTH);
    let next_id = AtomicUsize::new(0);
    thread::scope(|scope| {
        thread::Builder::new()
            .name("broadcaster".into())
            .spawn_scoped(scope, move || broadcaster_loop(&events_rx))?;
        loop {
            let (stream, peer) = listener.accept()?;
            let (events_tx, id) = (events_tx.clone(), next_id.fetch_add(1, Ordering::Relaxed));
            thread_builder(format!("conn-{id}")).spawn_scoped(scope, move || {
                // The failure of one client ends the connection of that client alone.
                let _ = serve_connection(stream, peer, id, &events_tx);
                let _ = events_tx.send(RoomEvent::Left(id));
            })?;
        }
    })
}

fn thread_builder(name: String) -> thread::Builder {
    thread::Builder::new().name(name).stack_size(STACK_BYTES)
}

/// Serves one client's call connection, from its hello to its end.
fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    id: usize,
    events_tx: &Sender<RoomEvent>,
) -> Result<(), RpcError> {
    let mut calls = Connection::new(Arc::new(Stream::new(stream)), FRAME_BYTES);
    if calls.read_hello(CALL_TIMEOUT)?.is_none() {
        return Ok(());
    }
    calls.welcome(CALL_TIMEOUT)?;
    let Some(Request::Join(join)) = calls.next_request(IDLE_TIMEOUT, CALL_TIMEOUT)? else { return Ok(()) };
    let callback = call_back(&join, peer)?;
    // The broadcaster lives as long as the process, so the sends below succeed. The other members get no
    // notice of the join: with a scope per message, a thousand joins would take a minute.
    let _ = events_tx.send(RoomEvent::Joined(Member { id, callback }));
    let joined = Joined {
        room: 1,
        sequence: 0,
        called_back: true,
        text_limit: FRAME_BYTES / 2,
        kept_for: None,
        motd: None,
    };
    calls.reply(&Reply::Joined(joined), CALL_TIMEOUT)?;
    while let Some(request) = calls.next_request(IDLE_TIMEOUT, CALL_TIMEOUT)? {
        let reply = match request {
            Request::Broadcast { message_id, repeated, text } => {
                let event = now(EventKind::Message { author: join.name.clone(), message_id, repeated, text });
                let _ = events_tx.send(RoomEvent::Event { author: id, event });
                // The order in the channel is the order of all messages. Only the real server numbers them.
                Reply::Accepted { sequence: 0 }
            }
            Request::Ping => Reply::Pong,
            _ => return Ok(()),
        };
        calls.reply(&reply, CALL_TIMEOUT)?;
    }
    Ok(())
}

fn call_back(join: &Join, peer: SocketAddr) -> Result<Connection, RpcError> {
    let stream = Stream::connect(SocketAddr::new(peer.ip(), join.port), CALL_TIMEOUT)?;
    let mut callback = Connection::new(Arc::new(stream), FRAME_BYTES);
    callback.greet(Role::Callback, join.token, CALL_TIMEOUT)?;
    Ok(callback)
}

fn now(kind: EventKind) -> Event {
    let time = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_millis() as u64);
    Event { sequence: 0, time, kind }
}
