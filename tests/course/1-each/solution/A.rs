//! Exercise 1A, solved: each thread waits for the turn of its ticket.

use course_kit::{
    sync::{spawn, unbounded, Condvar, Mutex, Receiver, Sender},
    trace, Client, Message, Service,
};
use std::{collections::HashMap, sync::Arc};

/// Everybody in the room, by name.
type Clients = Arc<Mutex<HashMap<String, Member>>>;

struct Member {
    client: Client,
    /// How many tickets were given to threads that call this client.
    given: u64,
    turn: Arc<Turn>,
}

/// Whose turn it is: a thread with a ticket waits until all before it have called.
#[derive(Default)]
struct Turn {
    now: Mutex<u64>,
    changed: Condvar,
}

impl Turn {
    /// Waits until it is the turn of this ticket.
    fn wait_for(&self, ticket: u64) {
        let mut now = self.now.lock();
        while *now != ticket {
            now = self.changed.wait(now);
        }
    }

    /// Ends the turn. The next one begins.
    fn end(&self) {
        *self.now.lock() += 1;
        self.changed.notify_all();
    }
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
        clients.insert(client.name.clone(), Member { client, given: 0, turn: Arc::default() });
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
                let (ticket, turn) = (member.given, Arc::clone(&member.turn));
                member.given += 1;
                spawn(&format!("to {name}"), move || {
                    turn.wait_for(ticket);
                    client.receive(&message);
                    turn.end();
                });
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
