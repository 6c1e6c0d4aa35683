//! Exercise 3B, solved: who is too slow is told what it missed.

use course_kit::{
    sync::{bounded, spawn, unbounded, Mutex, Receiver, Sender},
    trace, Client, Message, Service,
};
use std::{collections::HashMap, sync::Arc};

/// How many messages may wait for one client. It is more than anybody is behind who reads.
const CHANNEL_LENGTH: usize = 128;

/// Everybody in the room, by name.
type Clients = Arc<Mutex<HashMap<String, Member>>>;

struct Member {
    /// The channel to the member's thread.
    thread: Sender<Message>,
    /// The first message that this member does not get, if there is one of which it was not told.
    missed: Option<u64>,
}

struct ChatServer {
    clients: Clients,
    broadcast: Sender<Message>,
}

impl Member {
    /// Passes a message on, if there is space for it. Otherwise the member is told later.
    fn pass_on(&mut self, message: &Message) {
        if let Some(first) = self.missed {
            if self.thread.try_send(Message::missed(first, message.sequence - 1)) {
                self.missed = None;
            }
        }
        if self.missed.is_none() && !self.thread.try_send(message.clone()) {
            self.missed = Some(message.sequence);
        }
    }
}

impl Service for ChatServer {
    fn join(&self, client: Client) -> bool {
        let mut clients = self.clients.lock();
        if clients.contains_key(&client.name) {
            return false;
        }
        let (thread, messages) = bounded(CHANNEL_LENGTH);
        clients.insert(client.name.clone(), Member { thread, missed: None });
        spawn(&format!("to {}", client.name), move || deliver(messages, &client));
        true
    }

    fn broadcast(&self, message: Message) {
        self.broadcast.send(message);
    }

    /// The channel ends, and the thread of this client with it.
    fn leave(&self, name: &str) {
        self.clients.lock().remove(name);
    }
}

/// Passes each message on. It waits for nobody.
fn broadcaster(messages: Receiver<Message>, clients: &Clients) {
    for message in messages {
        trace::mark("passed on", message.sequence);
        for (name, member) in clients.lock().iter_mut() {
            if *name != message.author {
                member.pass_on(&message);
            }
        }
    }
}

/// Calls one client with one message after the other, until it has left.
///
/// # Blocking
/// On this client alone.
fn deliver(mut messages: Receiver<Message>, client: &Client) {
    while messages.next().is_some_and(|message| client.receive(&message)) {}
}

fn main() {
    let listener = course_kit::listen();
    let clients = Clients::default();
    let (broadcast, messages) = unbounded();
    let server = ChatServer { clients: Arc::clone(&clients), broadcast };
    spawn("broadcaster", move || broadcaster(messages, &clients));
    course_kit::serve(&listener, server);
}
