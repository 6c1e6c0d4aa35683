//! Exercise 0B: a lock that is held during a call. Each call has its own thread, and the room still stops.

use course_kit::{
    sync::{spawn, unbounded, Mutex, Receiver, Sender},
    trace, Client, Message, Service,
};
use std::{collections::HashMap, sync::Arc};

/// Everybody in the room, by name.
type Clients = Arc<Mutex<HashMap<String, Client>>>;

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
        clients.insert(client.name.clone(), client);
        true
    }

    fn broadcast(&self, message: Message) {
        self.broadcast.send(message);
    }

    fn leave(&self, name: &str) {
        self.clients.lock().remove(name);
    }
}

/// Passes each message on. It waits for nobody, and yet the room stops: look at what each thread has locked.
fn broadcaster(messages: Receiver<Message>, clients: &Clients) {
    for message in messages {
        trace::mark("passed on", message.sequence);
        let names: Vec<String> = clients.lock().keys().cloned().collect();
        for name in names.into_iter().filter(|name| *name != message.author) {
            let (clients, message) = (Arc::clone(clients), message.clone());
            spawn(&format!("to {name}"), move || {
                let clients = clients.lock();
                if let Some(client) = clients.get(&name) {
                    client.receive(&message);
                }
            });
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
