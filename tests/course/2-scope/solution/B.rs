//! Exercise 2B, solved: a thread for each member, in a scope that lives as long as the program.

use course_kit::{
    sync::{scope, spawn, unbounded, Mutex, Receiver, Sender},
    trace, Client, Message, Service,
};
use std::{collections::HashMap, sync::Arc};

/// Everybody in the room, by name.
type Clients = Arc<Mutex<HashMap<String, Member>>>;

struct Member {
    client: Client,
    /// To the member's thread, once it has started. The thread ends when this is dropped.
    thread: Option<Sender<Message>>,
}

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
        clients.insert(client.name.clone(), Member { client, thread: None });
        true
    }

    fn broadcast(&self, message: Message) {
        self.broadcast.send(message);
    }

    fn leave(&self, name: &str) {
        self.clients.lock().remove(name);
    }
}

/// Passes each message on. It waits for nobody, because a channel to a member's thread is never full.
fn broadcaster(messages: Receiver<Message>, clients: &Clients) {
    scope(|scope| {
        for message in messages {
            trace::mark("passed on", message.sequence);
            for (name, member) in clients.lock().iter_mut().filter(|(name, _)| **name != message.author) {
                let client = &member.client;
                let thread = member.thread.get_or_insert_with(|| {
                    let (thread, messages) = unbounded();
                    let client = client.clone();
                    scope.spawn(&format!("to {name}"), move || deliver(messages, &client));
                    thread
                });
                thread.send(message.clone());
            }
        }
    });
}

/// Calls one client with one message after the other, until the client has left.
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
