//! Step 6 with one deadline for each frame: each read gets the time that is left, from the first byte on.

use course_kit::{
    connection::{accept, begun, greet, joined, joining, read_request, refused, reply_to, write_reply},
    connection::{Cause, Reply, Request, RpcError},
    log::Log,
    sync::{bounded, spawn, Mutex, Receiver, Sender},
    trace, Client, Message,
};
use std::{
    collections::HashMap,
    io::{self, Read},
    net::TcpStream,
    panic::{catch_unwind, AssertUnwindSafe},
    sync::Arc,
    time::{Duration, Instant},
};

/// How many messages may wait for the broadcaster, which is never slow: it calls nobody.
const INBOX_LENGTH: usize = 16;
/// How long a client may say nothing. It pings every 5 s.
const IDLE_TIME: Duration = Duration::from_secs(15);
/// How long a frame may take that has begun.
const FRAME_TIME: Duration = Duration::from_secs(1);
/// How long a read may take at the deadline. What has come by then is read, and a time of zero is an error.
const SHORTEST_TIME: Duration = Duration::from_millis(1);
/// How long a client may take to reply, or to read a reply.
const REPLY_TIME: Duration = Duration::from_secs(10);

/// What reads one frame.
struct Frame<'a> {
    stream: &'a TcpStream,
    /// When all of it must be here.
    deadline: Instant,
}

impl Read for Frame<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.stream.set_read_timeout(Some(left.max(SHORTEST_TIME)))?;
        self.stream.read(buffer)
    }
}

/// Waits for the first byte of the next frame.
///
/// # Blocking
/// On the client, for [`IDLE_TIME`] at most.
fn next_frame(stream: &TcpStream) -> io::Result<Frame<'_>> {
    stream.set_read_timeout(Some(IDLE_TIME))?;
    begun(stream)?;
    Ok(Frame { stream, deadline: Instant::now() + FRAME_TIME })
}

/// Who is here, and how many messages there are. It is locked until a message with a new number
/// is on its way, so that the order of messages is the order of numbers.
#[derive(Default)]
struct Room {
    /// The number of the last message.
    last: u64,
    clients: HashMap<String, Client>,
}

struct ChatServer {
    room: Mutex<Room>,
    log: Arc<Log>,
    broadcast: Sender<Message>,
}

impl ChatServer {
    /// Serves one client on a thread of its own, from its hello to its end.
    fn serve_connection(&self, calls: &Arc<TcpStream>) -> Result<(), RpcError> {
        let stream: &TcpStream = calls;
        stream.set_write_timeout(Some(REPLY_TIME))?;
        greet(next_frame(stream)?, stream)?;
        let (client, sequence) = loop {
            match self.join(read_request(next_frame(stream)?)?, calls) {
                Ok(joined) => break joined,
                Err(refused) => write_reply(stream, &refused)?,
            }
        };
        trace::name_thread(&format!("from {}", client.name));
        let served = catch_unwind(AssertUnwindSafe(|| self.serve_calls(stream, &client, sequence)));
        let why = match served {
            Ok(Ok(())) => None,
            Ok(Err(_)) => Some("connection lost"),
            Err(_) => Some("internal error"),
        };
        self.leave(&client, why);
        if why.is_none() {
            write_reply(stream, &Reply::Left)?;
        }
        client.close();
        Ok(())
    }

    /// Replies to the Join, and serves what follows it. `Ok` means that the client asks to leave.
    fn serve_calls(&self, calls: &TcpStream, client: &Client, sequence: u64) -> Result<(), RpcError> {
        write_reply(calls, &joined(sequence))?;
        let mut pinged = Instant::now();
        loop {
            let reply = match read_request(next_frame(calls)?)? {
                Request::Broadcast { message_id, repeated, text } => {
                    let text = emphasized(&text);
                    let message =
                        |sequence| Message::text(&client.name, sequence, message_id, repeated, text);
                    Reply::Accepted { sequence: self.broadcast(&mut self.room.lock(), message) }
                }
                Request::Leave => return Ok(()),
                other => reply_to(&other),
            };
            write_reply(calls, &reply)?;
            client.ping_if_due(&mut pinged);
        }
    }

    fn join(&self, request: Request, calls: &Arc<TcpStream>) -> Result<(Client, u64), Reply> {
        let client = joining(request, calls, Some(REPLY_TIME))?;
        let mut room = self.room.lock();
        if room.clients.contains_key(&client.name) {
            return Err(refused(Cause::NameTaken, format!("{} is already here", client.name)));
        }
        room.clients.insert(client.name.clone(), client.clone());
        let sequence = self.broadcast(&mut room, |sequence| Message::joined(&client.name, sequence));
        let (log, recipient) = (Arc::clone(&self.log), client.clone());
        spawn(&format!("to {}", client.name), move || deliver(&log, sequence, &recipient));
        Ok((client, sequence))
    }

    fn leave(&self, client: &Client, why: Option<&str>) {
        let mut room = self.room.lock();
        room.clients.remove(&client.name);
        self.broadcast(&mut room, |sequence| Message::left(&client.name, sequence, why));
    }

    /// Gives a message the next number, and sends it to the broadcaster.
    fn broadcast(&self, room: &mut Room, message: impl FnOnce(u64) -> Message) -> u64 {
        room.last += 1;
        trace::mark("accepted", room.last);
        self.broadcast.send(message(room.last));
        room.last
    }
}

/// What stands between two stars is loud: `*now*` becomes `NOW`.
fn emphasized(text: &str) -> String {
    if text.starts_with('*') && text.ends_with('*') {
        text[1..text.len() - 1].to_uppercase()
    } else {
        text.to_owned()
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

fn main() {
    let listener = course_kit::listen();
    let (log, (broadcast, messages)) = (Arc::<Log>::default(), bounded(INBOX_LENGTH));
    let server = Arc::new(ChatServer { room: Mutex::default(), log: Arc::clone(&log), broadcast });
    spawn("broadcaster", move || broadcaster(messages, &log));
    loop {
        let calls = Arc::new(accept(&listener).expect("the listener lives as long as the program"));
        let server = Arc::clone(&server);
        // What goes wrong with one client ends this thread, and no other.
        spawn("a new client", move || server.serve_connection(&calls).is_ok());
    }
}
