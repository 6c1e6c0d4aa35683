//! What Go's net/rpc does by itself: it accepts clients, reads their calls, and calls them back.
//!
//! A step of the course is a server. It has a [`Service`], whose three functions the clients call, and a
//! thread that passes on what they say. The rest is here: a thread for each client, rpc-chat's wire (see the
//! docs of chat-common), and the number of each message. The real client chats with each step.
//!
//! There are no limits here, and no deadlines: as in net/rpc, whoever waits for a client waits for ever.
//! There are no sessions either. A client that loses its connection has left.
//!
//! From step 5 on a server does what [`serve`] does, with the pieces in [`connection`].
//!
//! Go: `go/wire` beside this folder is the same in Go, on the same wire.

pub mod connection;
pub mod deadline;
pub mod log;
pub mod stop;
pub mod sync;

pub use chat_common::trace;
use chat_common::wire::protocol::{Callback, CallbackReply, Event, EventKind, FRAME_BYTES, PING_INTERVAL};
use chat_common::wire::{codec, frame};
use connection::{accept, greet, joined, joining, read_request, refused, reply_to, write_reply};
use connection::{Cause, Reply, Request, RpcError};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Instant, SystemTime};
use std::{env, fmt::Display, io, io::Write, process, sync::Arc};
use sync::Mutex;
use trace::Slice;

/// The three calls of the Go program.
///
/// The kit makes one of these calls after the other, each with the next number, so that the order of the
/// calls is the order of the numbers.
pub trait Service: Send + Sync + 'static {
    /// Takes a client into the room. Returns `false` when somebody there has its name.
    fn join(&self, client: Client) -> bool;
    /// Passes a message on to everybody but its author. That somebody has joined or left is a message, too.
    fn broadcast(&self, message: Message);
    /// Forgets the client with this name.
    fn leave(&self, name: &str);
}

/// What one client says to all others.
#[derive(Clone)]
pub struct Message {
    /// The name of the client.
    pub author: String,
    /// The place of the message in the one order. Clients drop what comes after a message with a higher one.
    pub sequence: u64,
    event: Arc<Event>,
}

impl Message {
    fn new(author: &str, sequence: u64, kind: EventKind) -> Message {
        let time = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_millis() as u64);
        Message { author: author.to_owned(), sequence, event: Arc::new(Event { sequence, time, kind }) }
    }

    /// A client says this. Its number for what it says is the `message_id`.
    pub fn text(author: &str, sequence: u64, message_id: u64, repeated: bool, text: String) -> Message {
        let kind = EventKind::Message { author: author.to_owned(), message_id, repeated, text };
        Message::new(author, sequence, kind)
    }

    /// A client has joined.
    pub fn joined(name: &str, sequence: u64) -> Message {
        Message::new(name, sequence, EventKind::Joined { name: name.to_owned() })
    }

    /// A client has left, for this reason if it did not ask to.
    pub fn left(name: &str, sequence: u64, reason: Option<&str>) -> Message {
        let (name, reason) = (name.to_owned(), reason.map(str::to_owned));
        Message::new(&name.clone(), sequence, EventKind::Left { name, reason })
    }

    /// A client does not get the messages from `first` to `last`.
    pub fn missed(first: u64, last: u64) -> Message {
        Message::new("", last, EventKind::Missed { first, messages: true })
    }
}

/// A client that has joined, for whom this server is a client as well: the client serves `Receive`.
#[derive(Clone)]
pub struct Client {
    /// The name under which it has joined.
    pub name: String,
    /// The number of its join. What has a lower one was said before.
    pub joined: u64,
    calls: Arc<TcpStream>,
    callback: Arc<TcpStream>,
    one_call_at_a_time: Arc<Mutex<()>>,
}

impl Client {
    /// Calls the client's `Receive` with this message, and waits for the reply. Returns whether it came.
    ///
    /// A message that was said before the client joined is none of its messages, and makes no call.
    ///
    /// # Blocking
    /// On the client. It is also where two threads that call one client wait for each other.
    pub fn receive(&self, message: &Message) -> bool {
        if message.sequence <= self.joined {
            return true;
        }
        let received = self.call(vec![Event::clone(&message.event)]);
        if received {
            trace::mark("delivered", message.sequence);
        }
        received
    }

    /// Pings the client if that is due, and notes when. A client that hears nothing for 15 s takes its server
    /// for lost. It calls more often than that, so no thread is needed for it.
    ///
    /// # Blocking
    /// As [`Client::receive`].
    pub fn ping_if_due(&self, pinged: &mut Instant) {
        if pinged.elapsed() >= PING_INTERVAL {
            // A call without events is a ping.
            self.call(Vec::new());
            *pinged = Instant::now();
        }
    }

    fn call(&self, events: Vec<Event>) -> bool {
        let _turn = self.one_call_at_a_time.lock();
        let _waits = Slice::begin("waits for the client's reply");
        let received = self.try_call(events).is_ok();
        if !received {
            // The thread that reads from the client finds out, and the client leaves the room.
            self.close();
        }
        received
    }

    fn try_call(&self, events: Vec<Event>) -> Result<(), RpcError> {
        let (mut stream, mut bytes) = (&*self.callback, Vec::new());
        frame::encode_frame(&Callback::Receive { answer: true, events }, &mut bytes)?;
        stream.write_all(&bytes)?;
        if !frame::read_frame(&mut stream, FRAME_BYTES, &mut bytes)? {
            return Err(RpcError::Closed);
        }
        let CallbackReply::Received = codec::decode(&bytes)?;
        Ok(())
    }

    /// Ends both connections. Whoever waits for the client wakes.
    pub fn close(&self) {
        for stream in [&self.calls, &self.callback] {
            // It fails only when the connection has ended.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Reads `--listen HOST:PORT` and `--trace FILE`, and listens. A program that cannot do that ends here.
pub fn listen() -> TcpListener {
    const OTHER_PORT: &str = "Ctrl-C ends another step, and LISTEN=HOST:PORT chooses another port";
    let mut address = "127.0.0.1:1234".to_owned();
    let mut arguments = env::args().skip(1);
    while let Some(flag) = arguments.next() {
        match (flag.as_str(), arguments.next()) {
            ("--listen", Some(value)) => address = value,
            ("--trace", Some(path)) => trace::open(path.as_ref(), "accept")
                .unwrap_or_else(|error| end(1, format_args!("cannot write the trace {path}: {error}"))),
            _ => end(2, "usage: [--listen HOST:PORT] [--trace FILE]"),
        }
    }
    let listener = TcpListener::bind(&address)
        .unwrap_or_else(|error| end(1, format_args!("cannot listen on {address}: {error}; {OTHER_PORT}")));
    let port = listener.local_addr().map_or(0, |address| address.port());
    let _ = writeln!(io::stdout(), "Server running at {port} ...");
    listener
}

fn end(code: i32, why: impl Display) -> ! {
    let _ = writeln!(io::stderr(), "{why}");
    process::exit(code)
}

/// Serves each client on a thread of its own.
///
/// # Blocking
/// For ever, on clients that connect.
pub fn serve(listener: &TcpListener, service: impl Service) -> ! {
    let notices = env::var_os("COURSE_NO_NOTICES").is_none();
    let room = Arc::new(Room { service, notices, last: Mutex::new(0) });
    loop {
        let calls = accept(listener).unwrap_or_else(|error| end(1, format_args!("cannot accept: {error}")));
        let room = Arc::clone(&room);
        // The failure of one client ends the connection of that client alone.
        sync::spawn("a new client", move || room.serve_connection(&Arc::new(calls)).is_ok());
    }
}

/// The service, and what numbers its calls.
struct Room<S> {
    service: S,
    /// Whether joins and leaves are told. They are not in a benchmark, where a thousand clients join.
    notices: bool,
    /// The last sequence. Locked during a call, so that the order of calls is the order of numbers.
    last: Mutex<u64>,
}

impl<S: Service> Room<S> {
    /// Serves one client, from its hello to its end.
    fn serve_connection(&self, calls: &Arc<TcpStream>) -> Result<(), RpcError> {
        let stream: &TcpStream = calls;
        greet(stream, stream)?;
        let (client, reply) = loop {
            match self.join(read_request(stream)?, calls) {
                Ok(joined) => break joined,
                Err(refused) => write_reply(stream, &refused)?,
            }
        };
        trace::name_thread(&format!("from {}", client.name));
        let asked = self.serve_calls(calls, &client, &reply);
        self.leave(&client.name, asked.is_err());
        if asked.is_ok() {
            write_reply(stream, &Reply::Left)?;
        }
        client.close();
        asked
    }

    /// Replies to the Join, and serves what follows it. `Ok` means that the client asks to leave.
    fn serve_calls(&self, calls: &TcpStream, client: &Client, joined: &Reply) -> Result<(), RpcError> {
        write_reply(calls, joined)?;
        let mut pinged = Instant::now();
        loop {
            let reply = match read_request(calls)? {
                Request::Broadcast { message_id, repeated, text } => {
                    let message =
                        |sequence| Message::text(&client.name, sequence, message_id, repeated, text);
                    Reply::Accepted { sequence: self.broadcast(&mut self.last.lock(), message) }
                }
                Request::Leave => return Ok(()),
                other => reply_to(&other),
            };
            write_reply(calls, &reply)?;
            client.ping_if_due(&mut pinged);
        }
    }

    /// Takes a client into the room. The error is the reply that refuses it.
    fn join(&self, request: Request, calls: &Arc<TcpStream>) -> Result<(Client, Reply), Reply> {
        let mut client = joining(request, calls, None)?;
        let mut last = self.last.lock();
        client.joined = *last + u64::from(self.notices);
        if !self.service.join(client.clone()) {
            return Err(refused(Cause::NameTaken, format!("{} is already here", client.name)));
        }
        let sequence = self.notify(&mut last, |sequence| Message::joined(&client.name, sequence));
        Ok((client, joined(sequence)))
    }

    fn leave(&self, name: &str, lost: bool) {
        let mut last = self.last.lock();
        self.service.leave(name);
        let reason = lost.then_some("connection lost");
        self.notify(&mut last, |sequence| Message::left(name, sequence, reason));
    }

    /// Broadcasts that somebody has joined or left, if that is told. Returns the last number.
    fn notify(&self, last: &mut u64, message: impl FnOnce(u64) -> Message) -> u64 {
        match self.notices {
            true => self.broadcast(last, message),
            false => *last,
        }
    }

    /// Gives a message the next number, and passes it to the service under the lock of the numbers.
    fn broadcast(&self, last: &mut u64, message: impl FnOnce(u64) -> Message) -> u64 {
        *last += 1;
        trace::mark("accepted", *last);
        self.service.broadcast(message(*last));
        *last
    }
}
