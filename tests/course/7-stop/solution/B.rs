//! Exercise 7B, solved: only the reading ends at once, and each client hears first what was accepted.

use course_kit::connection::{accept, greet, joined, joining, read_request, refused, reply_to, write_reply};
use course_kit::connection::{Cause, Reply, Request, RpcError};
use course_kit::sync::{bounded, scope, Mutex, Receiver, Sender};
use course_kit::{deadline::next_frame, log::Log, stop::Signal, trace, Client, Message};
use std::collections::HashMap;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How many messages may wait for the broadcaster, which is never slow: it calls nobody.
const INBOX_LENGTH: usize = 16;
/// How long a client may take to reply, or to read a reply.
const REPLY_TIME: Duration = Duration::from_secs(5);

/// It is locked until a message with a new sequence is on its way, so that the order of messages is the order
/// of sequences.
#[derive(Default)]
struct Room {
    /// The sequence of the last message.
    last: u64,
    clients: HashMap<String, Client>,
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
    /// Serves each client on a thread of its own, and waits for all of these threads.
    fn accept_loop(self, listener: &TcpListener) {
        let mut open = Vec::<Weak<TcpStream>>::new();
        scope(|threads| {
            loop {
                let calls = Arc::new(accept(listener).expect("the listener lives as long as the program"));
                if self.stopping.load(SeqCst) {
                    break;
                }
                open.retain(|calls| calls.strong_count() > 0);
                open.push(Arc::downgrade(&calls));
                let server = self.clone();
                threads.spawn("a new client", move || server.serve_connection(&calls).is_ok());
            }
            // Their threads read the end, and can still reply.
            for calls in open.iter().filter_map(Weak::upgrade) {
                let _ = calls.shutdown(Shutdown::Read);
            }
            drop(self);
        });
    }

    /// Serves one client, from its hello to its end.
    fn serve_connection(self, calls: &Arc<TcpStream>) -> Result<(), RpcError> {
        calls.set_write_timeout(Some(REPLY_TIME))?;
        greet(next_frame(calls)?, &**calls)?;
        let client = loop {
            match self.join(read_request(next_frame(calls)?)?, calls) {
                Ok(client) => break client,
                Err(refused) => write_reply(&**calls, &refused)?,
            }
        };
        trace::name_thread(&format!("from {}", client.name));
        let log = self.log;
        scope(|threads| {
            threads.spawn(&format!("to {}", client.name), || deliver(log, client.joined, &client));
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
                    let message = Message::text(&client.name, room.last + 1, message_id, repeated, text);
                    self.broadcast(&mut room, message)
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

    fn join(&self, request: Request, calls: &Arc<TcpStream>) -> Result<Client, Reply> {
        let mut client = joining(request, calls, Some(REPLY_TIME))?;
        let mut room = self.room.lock();
        if room.clients.contains_key(&client.name) {
            return Err(refused(Cause::NameTaken, format!("{} is already here", client.name)));
        }
        client.joined = room.last + 1;
        room.clients.insert(client.name.clone(), client.clone());
        self.broadcast(&mut room, Message::joined(&client.name, client.joined));
        Ok(client)
    }

    /// A client has left, or it has lost its connection. Nothing happens when it has left before.
    fn leave(&self, client: &Client, lost: Option<&str>) {
        let mut room = self.room.lock();
        if room.clients.get(&client.name).is_some_and(|other| other.is(client)) {
            room.clients.remove(&client.name);
            let message = Message::left(&client.name, room.last + 1, lost);
            self.broadcast(&mut room, message);
        }
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
        threads.spawn("accept", || server.accept_loop(&listener));
        signal.wait();
        stopping.store(true, SeqCst);
        // Nothing else wakes a thread in `accept`.
        let _ = listener.local_addr().and_then(TcpStream::connect);
    });
}
