//! Exercise 4A, solved: the log is not locked while a client is called.

use course_kit::{
    sync::{bounded, spawn, Condvar, Mutex, Receiver, Sender},
    trace, Client, Message, Service,
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// How many messages may wait for the broadcaster, which is never slow: it calls nobody.
const INBOX_LENGTH: usize = 16;
/// How many messages the log keeps.
const LOG_LENGTH: usize = 256;

/// Everybody in the room, by name.
type Clients = Arc<Mutex<HashMap<String, Client>>>;

/// The last messages. A position in it is the sequence of the last message that was read.
#[derive(Default)]
struct Log {
    messages: Mutex<VecDeque<Message>>,
    appended: Condvar,
}

impl Log {
    fn append(&self, message: Message) {
        let mut messages = self.messages.lock();
        messages.push_back(message);
        if messages.len() > LOG_LENGTH {
            messages.pop_front();
        }
        drop(messages);
        self.appended.notify_all();
    }

    /// Returns the position behind the last message.
    fn end(&self) -> u64 {
        self.messages.lock().back().map_or(0, |last| last.sequence)
    }
}

struct ChatServer {
    clients: Clients,
    log: Arc<Log>,
    broadcast: Sender<Message>,
}

impl Service for ChatServer {
    fn join(&self, client: Client) -> bool {
        let mut clients = self.clients.lock();
        if clients.contains_key(&client.name) {
            return false;
        }
        clients.insert(client.name.clone(), client.clone());
        let (log, position) = (Arc::clone(&self.log), self.log.end());
        spawn(&format!("to {}", client.name), move || deliver(&log, position, &client));
        true
    }

    fn broadcast(&self, message: Message) {
        self.broadcast.send(message);
    }

    fn leave(&self, name: &str) {
        self.clients.lock().remove(name);
    }
}

/// Appends each message to the log. It calls nobody, and waits for nobody.
fn broadcaster(messages: Receiver<Message>, log: &Log) {
    for message in messages {
        trace::mark("passed on", message.sequence);
        log.append(message);
    }
}

/// Calls one client with what follows its position, until a call fails. It copies each message, because what
/// it borrows from the log keeps the log locked.
fn deliver(log: &Log, mut position: u64, client: &Client) {
    loop {
        let mut messages = log.messages.lock();
        while messages.back().is_none_or(|last| last.sequence <= position) {
            messages = log.appended.wait(messages);
        }
        let first = messages[0].sequence;
        if first > position + 1 {
            let missed = Message::missed(position + 1, first - 1);
            drop(messages);
            position = missed.sequence;
            if !client.receive(&missed) {
                return;
            }
            continue;
        }
        let message = messages[(position + 1 - first) as usize].clone();
        drop(messages);
        position = message.sequence;
        if message.author != client.name && !client.receive(&message) {
            return;
        }
    }
}

fn main() {
    let listener = course_kit::listen();
    let (log, (broadcast, messages)) = (Arc::<Log>::default(), bounded(INBOX_LENGTH));
    let server = ChatServer { clients: Clients::default(), log: Arc::clone(&log), broadcast };
    spawn("broadcaster", move || broadcaster(messages, &log));
    course_kit::serve(&listener, server);
}
