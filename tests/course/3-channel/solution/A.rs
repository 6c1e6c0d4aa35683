//! Exercise 3A, solved: whoever is 128 messages behind has to go.

use course_kit::{
    sync::{bounded, spawn, unbounded, Mutex, Receiver, Sender},
    trace, Client, Message, Service,
};
use std::{collections::HashMap, sync::Arc};

/// How many messages may wait for one client. It is more than anybody is behind who reads.
const CHANNEL_LENGTH: usize = 128;

/// Everybody in the room, by name, and the channel to its thread.
type Clients = Arc<Mutex<HashMap<String, (Client, Sender<Message>)>>>;

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
        let (thread, messages) = bounded(CHANNEL_LENGTH);
        clients.insert(client.name.clone(), (client.clone(), thread));
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

/// Passes each message on. It waits for nobody: a client whose channel is full loses its connection.
fn broadcaster(messages: Receiver<Message>, clients: &Clients) {
    for message in messages {
        trace::mark("passed on", message.sequence);
        for (name, (client, thread)) in clients.lock().iter() {
            if *name != message.author && !thread.try_send(message.clone()) {
                client.close();
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
