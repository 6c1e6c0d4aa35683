//! Step 7: deadlines for every wait, and a signal that ends the program.

use course_kit::connection::{accept, greet, joined, joining, read_request, refused, reply_to, write_reply};
use course_kit::connection::{Cause, Reply, Request, RpcError};
use course_kit::sync::{bounded, spawn, Mutex, Receiver, Sender};
use course_kit::{deadline::next_frame, log::Log, stop::Signal, trace, Client, Message};
use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
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

struct ChatServer {
    room: Mutex<Room>,
    log: Arc<Log>,
    broadcast: Sender<Message>,
}

impl ChatServer {
    /// Serves one client, from its hello to its end.
    fn serve_connection(&self, calls: &Arc<TcpStream>) -> Result<(), RpcError> {
        calls.set_write_timeout(Some(REPLY_TIME))?;
        greet(next_frame(calls)?, &**calls)?;
        let client = loop {
            match self.join(read_request(next_frame(calls)?)?, calls) {
                Ok(client) => break client,
                Err(refused) => write_reply(&**calls, &refused)?,
            }
        };
        trace::name_thread(&format!("from {}", client.name));
        let (log, recipient) = (Arc::clone(&self.log), client.clone());
        spawn(&format!("to {}", client.name), move || deliver(&log, recipient.joined, &recipient));
        // A panic ends this connection, and nothing else.
        let _ = catch_unwind(AssertUnwindSafe(|| self.serve_calls(calls, &client)));
        self.leave(&client, Some("connection lost"));
        client.close();
        Ok(())
    }

    /// Replies to the Join, and serves what follows it.
    fn serve_calls(&self, calls: &TcpStream, client: &Client) -> Result<(), RpcError> {
        write_reply(calls, &joined(client.joined))?;
        let mut pinged = Instant::now();
        loop {
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
}

/// Calls one client with what follows its position, until a call fails.
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

/// Serves each client on a thread of its own.
fn accept_loop(listener: &TcpListener, server: &Arc<ChatServer>) {
    loop {
        let calls = Arc::new(accept(listener).expect("the listener lives as long as the program"));
        let server = Arc::clone(server);
        spawn("a new client", move || server.serve_connection(&calls).is_ok());
    }
}

fn main() {
    let (listener, signal) = (course_kit::listen(), Signal::handle());
    let (log, (broadcast, messages)) = (Arc::<Log>::default(), bounded(INBOX_LENGTH));
    let server = Arc::new(ChatServer { room: Mutex::default(), log: Arc::clone(&log), broadcast });
    spawn("broadcaster", move || broadcaster(messages, &log));
    spawn("accept", move || accept_loop(&listener, &server));
    signal.wait();
    // The end of `main` ends the program, and with it all threads.
}
