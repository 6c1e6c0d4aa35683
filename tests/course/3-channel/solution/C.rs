//! Exercise 3C, solved: the compiler refuses it, because a message is gone when it was sent (E0382).

use course_kit::{
    sync::{spawn, unbounded, Mutex, Receiver, Sender},
    trace, Client, Message, Service,
};
use std::{collections::HashMap, sync::Arc};

/// The channel to the thread of everybody in the room, by name.
type Clients = Arc<Mutex<HashMap<String, Sender<Message>>>>;

struct ChatServer {
    clients: Clients,
    broadcast: Sender<Message>,
}

impl Service for ChatServer {
    fn join(&self, client: Client) -> bool {
        let mut clients = self.clients.lock();
        if clients.contains_key(&client.name) {
            return false;
        }
        let (thread, messages) = unbounded();
        clients.insert(client.name.clone(), thread);
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

/// Passes each message on. It waits for nobody, because no channel is ever full.
fn broadcaster(messages: Receiver<Message>, clients: &Clients) {
    for message in messages {
        trace::mark("passed on", message.sequence);
        for (name, thread) in clients.lock().iter() {
            if *name != message.author {
                thread.send(message);
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
