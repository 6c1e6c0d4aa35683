//! What Go's net/rpc does by itself: it accepts clients, reads their calls, and calls them back.
//!
//! A step of the course is a server. It has a [`Service`], whose three functions the clients call, and a
//! thread that passes on what they say. The rest is here: a thread for each client, rpc-chat's wire (see the
//! docs of chat-common), and the number of each message. The real client chats with each step.
//!
//! There are no limits here, and no deadlines: as in net/rpc, whoever waits for a client waits for ever.
//! There are no sessions either. A client that loses its connection has left.
//!
//! Go: `go/wire` beside this folder is the same in Go, on the same wire.

pub mod sync;
pub mod trace;

use chat_common::wire::protocol::{Callback, CallbackReply, Cause, Event, EventKind, Join, Joined};
use chat_common::wire::protocol::{Refusal, Reply, Request, FRAME_BYTES, PING_INTERVAL};
use chat_common::wire::{error::RpcError, hello::Role, rpc::Connection, status::Status};
use chat_common::wire::{stream::Stream, token::Token};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fmt::Display, io, io::Write, process, sync::Arc};
use sync::Mutex;
use trace::Slice;

/// The wire asks for a deadline, and these servers have none. A year is as good as none.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

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

    /// Tells a client that it does not get the messages from `first` to `last`.
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
    joined: u64,
    /// One call at a time.
    callback: Arc<Mutex<Connection>>,
    /// Both connections, to end them while somebody waits for the client.
    streams: [Arc<Stream>; 2],
}

impl Client {
    /// Dials the client's own endpoint.
    fn call_back(join: &Join, host: IpAddr, calls: &Arc<Stream>) -> Result<Client, RpcError> {
        let stream = Arc::new(Stream::connect(SocketAddr::new(host, join.port), FOR_EVER)?);
        let mut callback = Connection::new(Arc::clone(&stream), FRAME_BYTES);
        callback.greet(Role::Callback, join.token, FOR_EVER)?;
        let (callback, streams) = (Arc::new(Mutex::new(callback)), [Arc::clone(calls), stream]);
        Ok(Client { name: join.name.clone(), joined: 0, callback, streams })
    }

    /// Calls the client's `Receive` with this message, and waits for the reply. Returns whether it came.
    ///
    /// A message that was said before the client joined is none of its messages, and makes no call.
    ///
    /// # Blocking
    /// On the client, for ever. It is also where two threads that call one client wait for each other.
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

    fn call(&self, events: Vec<Event>) -> bool {
        let mut callback = self.callback.lock();
        let _waits = Slice::begin("waits for the client's reply");
        let reply = callback.call(&Callback::Receive { answer: true, events }, FOR_EVER);
        let received = matches!(reply, Ok(CallbackReply::Received));
        if !received {
            // The thread that reads from the client finds out, and the client leaves the room.
            self.close();
        }
        received
    }

    /// Ends both connections. Whoever waits for the client wakes.
    pub fn close(&self) {
        self.streams.iter().for_each(|stream| stream.shut_down());
    }
}

/// Reads `--listen HOST:PORT` and `--trace FILE`, and listens. A program that cannot do that ends here.
pub fn listen() -> TcpListener {
    let mut address = "127.0.0.1:1234".to_owned();
    let mut arguments = env::args().skip(1);
    while let Some(flag) = arguments.next() {
        match (flag.as_str(), arguments.next()) {
            ("--listen", Some(value)) => address = value,
            ("--trace", Some(path)) => trace::open(&path)
                .unwrap_or_else(|error| end(1, format_args!("cannot write the trace {path}: {error}"))),
            _ => end(2, "usage: [--listen HOST:PORT] [--trace FILE]"),
        }
    }
    TcpListener::bind(&address)
        .unwrap_or_else(|error| end(1, format_args!("cannot listen on {address}: {error}")))
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
    let port = listener.local_addr().map_or(0, |address| address.port());
    let _ = writeln!(io::stdout(), "Server running at {port} ...");
    let number = Token::random().map_or(0, Token::to_u64);
    let room = Arc::new(Room { service, number, last: Mutex::new(0) });
    loop {
        let accepted = {
            let _accept = Slice::begin("accept");
            listener.accept()
        };
        let (stream, peer) = accepted.unwrap_or_else(|error| end(1, format_args!("cannot accept: {error}")));
        let room = Arc::clone(&room);
        // The failure of one client ends the connection of that client alone.
        sync::spawn("a new client", move || room.serve_connection(stream, peer.ip()).is_ok());
    }
}

/// The service, and what numbers its calls.
struct Room<S> {
    service: S,
    /// A random number: a client knows by it that the server was started again.
    number: u64,
    /// The last sequence. Locked during a call, so that the order of calls is the order of numbers.
    last: Mutex<u64>,
}

impl<S: Service> Room<S> {
    /// Serves one client, from its hello to its end.
    fn serve_connection(&self, stream: TcpStream, host: IpAddr) -> Result<(), RpcError> {
        let mut calls = Connection::new(Arc::new(Stream::new(stream)), FRAME_BYTES);
        let Some(hello) = calls.read_hello(FOR_EVER)? else { return Ok(()) };
        if hello.role != Role::Call || hello.sealed {
            calls.refuse(Status::WrongRole);
            return Ok(());
        }
        calls.welcome(FOR_EVER)?;
        let (client, joined) = loop {
            match self.join(next_request(&mut calls)?, host, calls.stream()) {
                Ok(joined) => break joined,
                Err(refusal) => calls.reply(&Reply::Refused(refusal), FOR_EVER)?,
            }
        };
        trace::name_thread(&format!("from {}", client.name));
        let asked = self.serve_calls(&mut calls, &client, joined);
        self.leave(&client.name, asked.is_err());
        if asked.is_ok() {
            calls.reply(&Reply::Left, FOR_EVER)?;
        }
        client.close();
        asked
    }

    /// Replies to the Join, and serves what follows it. `Ok` means that the client asks to leave.
    fn serve_calls(&self, calls: &mut Connection, client: &Client, joined: Joined) -> Result<(), RpcError> {
        calls.reply(&Reply::Joined(joined), FOR_EVER)?;
        let mut pinged = Instant::now();
        loop {
            let reply = match next_request(calls)? {
                Request::Broadcast { message_id, repeated, text } => {
                    let author = client.name.clone();
                    let kind = EventKind::Message { author, message_id, repeated, text };
                    let sequence = self.broadcast(&client.name, &mut self.last.lock(), kind);
                    Reply::Accepted { sequence }
                }
                Request::Ping => Reply::Pong,
                // A client on a terminal asks, and waits for what it is told here before it leaves.
                Request::History { .. } => Reply::History { events: Vec::new() },
                Request::Leave => return Ok(()),
                _ => Reply::Refused(Refusal::new(Cause::Unsupported, "this server only passes messages on")),
            };
            calls.reply(&reply, FOR_EVER)?;
            // A client calls at least this often, so it is pinged in time without a thread for it. A call
            // without events is a ping. A client that hears nothing for 15 s takes its server for lost.
            if pinged.elapsed() >= PING_INTERVAL {
                client.call(Vec::new());
                pinged = Instant::now();
            }
        }
    }

    fn join(&self, request: Request, host: IpAddr, calls: &Arc<Stream>) -> Result<(Client, Joined), Refusal> {
        let Request::Join(join) = request else {
            return Err(Refusal::new(Cause::OutOfTurn, "the first request is Join"));
        };
        if join.resume.is_some() {
            return Err(Refusal::new(Cause::UnknownSession, "this server has no sessions"));
        }
        let mut client = Client::call_back(&join, host, calls)
            .map_err(|error| Refusal::new(Cause::InvalidPort, format!("cannot call you back: {error}")))?;
        let mut last = self.last.lock();
        client.joined = *last + 1;
        if !self.service.join(client.clone()) {
            return Err(Refusal::new(Cause::NameTaken, format!("{} is already here", join.name)));
        }
        let sequence = self.broadcast(&client.name, &mut last, EventKind::Joined { name: join.name });
        let (room, called_back, text_limit) = (self.number, true, 4096);
        Ok((client, Joined { room, sequence, called_back, text_limit, kept_for: None, motd: None }))
    }

    fn leave(&self, name: &str, lost: bool) {
        let mut last = self.last.lock();
        self.service.leave(name);
        let reason = lost.then(|| "connection lost".to_owned());
        self.broadcast(name, &mut last, EventKind::Left { name: name.to_owned(), reason });
    }

    /// Gives a message the next number, and passes it to the service under the lock of the numbers.
    fn broadcast(&self, author: &str, last: &mut u64, kind: EventKind) -> u64 {
        *last += 1;
        trace::mark("accepted", *last);
        self.service.broadcast(Message::new(author, *last, kind));
        *last
    }
}

/// Reads the next request.
fn next_request(calls: &mut Connection) -> Result<Request, RpcError> {
    let _reads = Slice::begin("reads");
    calls.next_request(FOR_EVER, FOR_EVER)?.ok_or(RpcError::Closed)
}
