//! Exercise 8B, solved: a client that comes back reads on from its own position.

use course_kit::connection::{called_back, greet, joined, read_request, refused, reply_to, write_reply};
use course_kit::connection::{Cause, Join, Reply, Request, RpcError};
use course_kit::sync::{bounded, scope, Mutex, Receiver, Sender};
use course_kit::{deadline::next_frame, log::Log, stop::serve_until, stop::Signal, trace, Client, Message};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{atomic::AtomicBool, atomic::Ordering::SeqCst, Arc};
use std::time::{Duration, Instant};
use std::{collections::HashMap, net::TcpStream};

/// How many messages may wait for the broadcaster, which is never slow: it calls nobody.
const INBOX_LENGTH: usize = 16;
/// How long a client may take to reply, or to read a reply.
const REPLY_TIME: Duration = Duration::from_secs(5);
/// For how long a client that has lost its connection may come back.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// What the room knows of a client, also while its connection is lost.
struct Session {
    /// Its last connection.
    client: Client,
    /// What it has joined with. The token in it is this client's secret.
    join: Join,
    /// The client's own number for its last message, and the sequence of that message.
    said: (u64, u64),
    /// Since when the connection is lost.
    lost: Option<Instant>,
}

/// It is locked until a message with a new sequence is on its way, so that the order of messages is the order
/// of sequences.
#[derive(Default)]
struct Room {
    /// The sequence of the last message.
    last: u64,
    sessions: HashMap<String, Session>,
}

/// The server as one thread has it. The channel ends when the last thread has dropped its own.
#[derive(Clone)]
struct ChatServer<'a> {
    room: &'a Mutex<Room>,
    log: &'a Log,
    stopping: &'a AtomicBool,
    broadcast: Sender<Message>,
}

impl ChatServer<'_> {
    /// Serves one client, from its hello to its end.
    fn serve_connection(self, calls: &Arc<TcpStream>) -> Result<(), RpcError> {
        calls.set_write_timeout(Some(REPLY_TIME))?;
        greet(next_frame(calls)?, &**calls)?;
        let (client, position) = loop {
            match self.join(read_request(next_frame(calls)?)?, calls) {
                Ok(joined) => break joined,
                Err(refused) => write_reply(&**calls, &refused)?,
            }
        };
        trace::name_thread(&format!("from {}", client.name));
        let (log, position) = (self.log, position.max(client.joined));
        scope(|threads| {
            threads.spawn(&format!("to {}", client.name), || deliver(log, position, &client));
            // A panic ends this connection, and nothing else.
            let _ = catch_unwind(AssertUnwindSafe(|| self.serve_calls(calls, &client)));
            if !self.stopping.load(SeqCst) {
                self.leave(&client, Some("connection lost"));
                client.close();
            }
            // The scope ends when what was accepted is delivered.
            drop(self);
        });
        client.close();
        Ok(())
    }

    /// Replies to the Join, and serves what follows it.
    fn serve_calls(&self, calls: &TcpStream, client: &Client) -> Result<(), RpcError> {
        write_reply(calls, &joined(client.joined))?;
        let mut pinged = Instant::now();
        while !self.stopping.load(SeqCst) {
            let reply = match read_request(next_frame(calls)?)? {
                Request::Broadcast { message_id, repeated, text } => {
                    let mut room = self.room.lock();
                    let next = room.last + 1;
                    let said = &mut room.sessions.get_mut(&client.name).ok_or(RpcError::Closed)?.said;
                    // A client makes one call after the other: what it says again is what it said last.
                    if message_id <= said.0 {
                        Reply::Accepted { sequence: said.1 }
                    } else {
                        *said = (message_id, next);
                        let message = Message::text(&client.name, next, message_id, repeated, text);
                        self.broadcast(&mut room, message)
                    }
                }
                Request::Leave => {
                    self.leave(client, None);
                    return write_reply(calls, &Reply::Left);
                }
                other => reply_to(&other),
            };
            write_reply(calls, &reply)?;
            client.ping_if_due(&mut pinged);
        }
        Err(RpcError::Closed)
    }

    /// Takes a client into the room, or back into it. Returns the position from which it reads.
    fn join(&self, request: Request, calls: &Arc<TcpStream>) -> Result<(Client, u64), Reply> {
        let (join, mut client) = called_back(request, calls, Some(REPLY_TIME))?;
        let mut room = self.room.lock();
        room.sessions.retain(|_, session| session.lost.is_none_or(|lost| lost.elapsed() < KEPT_FOR));
        let next = room.last + 1;
        match (join.resume, room.sessions.get_mut(&client.name)) {
            (Some(position), Some(session)) if session.join.token == join.token => {
                session.client.close();
                client.joined = session.client.joined;
                (session.client, session.lost) = (client.clone(), None);
                self.broadcast(&mut room, Message::back(&client.name, next));
                // The log is where it was, and to read on is to read from a position.
                Ok((client, position))
            }
            (Some(_), _) => Err(refused(Cause::UnknownSession, "this session is over")),
            (None, Some(_)) => Err(refused(Cause::NameTaken, format!("{} is already here", client.name))),
            (None, None) => {
                client.joined = next;
                let session = Session { client: client.clone(), join, said: (0, 0), lost: None };
                room.sessions.insert(client.name.clone(), session);
                self.broadcast(&mut room, Message::joined(&client.name, next));
                Ok((client, next))
            }
        }
    }

    /// A client has left, or it has lost its connection and may come back.
    fn leave(&self, client: &Client, lost: Option<&str>) {
        let mut room = self.room.lock();
        let session = room.sessions.get_mut(&client.name).filter(|session| session.client.is(client));
        // Otherwise it has left before, or it is back already.
        let Some(session) = session else { return };
        session.lost = Some(Instant::now());
        if lost.is_none() {
            room.sessions.remove(&client.name);
        }
        let message = Message::left(&client.name, room.last + 1, lost);
        self.broadcast(&mut room, message);
    }

    /// Sends a message with the next sequence to the broadcaster.
    fn broadcast(&self, room: &mut Room, message: Message) -> Reply {
        room.last = message.sequence;
        trace::mark("accepted", room.last);
        self.broadcast.send(message);
        Reply::Accepted { sequence: room.last }
    }
}

/// Appends each message to the log. It calls nobody, and waits for nobody.
fn broadcaster(messages: Receiver<Message>, log: &Log) {
    for message in messages {
        trace::mark("passed on", message.sequence);
        log.append(message);
    }
    log.end();
}

/// Calls one client with what follows its position, until a call fails or the log ends.
///
/// # Blocking
/// On this client, and on the log when the client has read all of it.
fn deliver(log: &Log, mut position: u64, client: &Client) {
    while let Some(message) = log.after(position) {
        position = message.sequence;
        if message.author != client.name && !client.receive(&message) {
            return;
        }
    }
}

fn main() {
    let (listener, signal) = (course_kit::listen(), Signal::handle());
    let (room, log, stopping) = (Mutex::default(), Log::default(), AtomicBool::default());
    let (broadcast, messages) = bounded(INBOX_LENGTH);
    let server = ChatServer { room: &room, log: &log, stopping: &stopping, broadcast };
    scope(|threads| {
        threads.spawn("broadcaster", || broadcaster(messages, &log));
        serve_until(signal, &stopping, &listener, |calls| _ = server.serve_connection(&calls));
    });
}
