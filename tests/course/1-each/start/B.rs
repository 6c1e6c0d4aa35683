//! Exercise 1B: one order with a row of threads. Each thread knows the one before it, and does not wait.

use course_kit::{
    sync::{spawn, unbounded, Mutex, Receiver, Sender},
    trace, Client, Message, Service,
};
use std::{collections::HashMap, sync::Arc, thread::JoinHandle};

/// Everybody in the room, by name.
type Clients = Arc<Mutex<HashMap<String, Member>>>;

struct Member {
    client: Client,
    /// The thread that was started last to call this client.
    last: Option<JoinHandle<()>>,
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
        clients.insert(client.name.clone(), Member { client, last: None });
        true
    }

    fn broadcast(&self, message: Message) {
        self.broadcast.send(message);
    }

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
                let (client, message) = (member.client.clone(), message.clone());
                let before = member.last.take();
                member.last = Some(spawn(&format!("to {name}"), move || {
                    // Nobody waits for the thread before.
                    drop(before);
                    client.receive(&message);
                }));
            }
        }
    }
}

fn main() {
    let listener = course_kit::listen();
    let clients = Clients::default();
    let (broadcast, messages) = unbounded();
    let server = ChatServer { clients: Arc::clone(&clients), broadcast };
    spawn("broadcaster", move || broadcaster(messages, &clients));
    course_kit::serve(&listener, server);
}
