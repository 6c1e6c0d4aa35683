//! An honest member of the room that speaks the wire alone, without the client's library.
//!
//! So a test judges the server by itself. All that the member sends and receives goes into its
//! [history](crate::history). The member calls on the thread of its test; a [receiver](crate::receiver)
//! serves
//! `Receive` until the member is dropped.

mod operating;

use crate::{
    history::{text_of, Accepted, MemberHistory, Refused, Sent, SessionHistory},
    raw::{self, RawPeer},
    receiver::{accept_callback, spawn, Receiver},
    watchdog::{poll_result, Shared, WATCHDOG_TIMEOUT},
};
use chat_common::wire::{
    error::RpcError,
    frame::encode_frame,
    protocol::{Callback, CallbackReply, Cause, Event, EventKind, Join, Refusal, Reply, Request},
    rpc::{Connection, Wait},
    token::Token,
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        atomic::{AtomicBool, Ordering::SeqCst},
        Arc,
    },
    thread,
    time::{Duration, Instant},
};

/// How the callback connection comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callbacks {
    /// The member has a listener, and the server dials it.
    Listen,
    /// The member opens the connection itself.
    Open,
    /// As `Listen`, but the member reads nothing that the server then sends, as a stopped client does, until
    /// [`Member::goes_on`].
    Unread,
    /// There is none: the member comes only to speak.
    SendOnly,
}

/// A member. Dropping it closes its connections without a Leave, as a crash does.
#[derive(Debug)]
pub struct Member {
    name: String,
    server: SocketAddr,
    token: Token,
    listener: Option<Arc<TcpListener>>,
    call: Option<RawPeer>,
    /// Serves the callback connection while one is open.
    receiver: Option<Receiver>,
    callbacks: Callbacks,
    /// The callback connection of a member that does not read.
    unread: Option<Connection>,
    /// The operators' passphrase, if the member is an operator.
    operators_words: Option<String>,
    history: Arc<Shared<MemberHistory>>,
    last_message_id: u64,
    busy_count: usize,
}

/// The pause before a member repeats what a busy server has refused. The protocol asks for one.
const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// The time that [`Member::reconnect_until_received`] gives one connection before it opens another.
const RECEIVE_ATTEMPT: Duration = Duration::from_millis(200);

/// The time in which [`Member::reads_one`] finds what has come.
const MOMENT: Duration = Duration::from_millis(1);

impl Member {
    /// Joins under this name with a listener of its own.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn join(server: SocketAddr, name: &str) -> Member {
        Member::try_join(server, name, Callbacks::Listen).expect("the server accepts the Join")
    }

    /// Joins under this name and opens the callback connection itself.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn join_without_listener(server: SocketAddr, name: &str) -> Member {
        Member::try_join(server, name, Callbacks::Open).expect("the server accepts the Join")
    }

    /// Joins under this name.
    ///
    /// # Errors
    /// When the server refuses, or when a connection is lost before the member has joined.
    pub fn try_join(server: SocketAddr, name: &str, callbacks: Callbacks) -> Result<Member, MemberError> {
        let mut member = Member::new(server, name, callbacks);
        member.connect(None)?;
        Ok(member)
    }

    /// Joins under this name. Tries again, as a client does whose Join is cut: with its token, by which the
    /// server knows that the name is its own.
    ///
    /// # Panics
    /// When it has not joined after many tries.
    pub fn join_through_cuts(server: SocketAddr, name: &str, callbacks: Callbacks) -> Member {
        let mut member = Member::new(server, name, callbacks);
        let joined = (0..10_000).any(|_| member.connect(None).is_ok());
        assert!(joined, "{name} cannot join");
        member
    }

    fn new(server: SocketAddr, name: &str, callbacks: Callbacks) -> Member {
        let listener = match callbacks {
            Callbacks::Listen | Callbacks::Unread => {
                Some(Arc::new(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap()))
            }
            Callbacks::Open | Callbacks::SendOnly => None,
        };
        Member {
            name: name.to_owned(),
            server,
            token: raw::random_token(),
            listener,
            call: None,
            receiver: None,
            callbacks,
            unread: None,
            operators_words: None,
            history: Arc::new(Shared::new(MemberHistory::new(name))),
            last_message_id: 0,
            busy_count: 0,
        }
    }

    /// Opens both connections with a Join. With `resume`, the session continues after that sequence; without
    /// it, a new session begins.
    fn connect(&mut self, resume: Option<u64>) -> Result<(), MemberError> {
        self.disconnect();
        let mut call = RawPeer::connect_call(self.server)?;
        let port = self.listener.as_ref().map_or(0, |listener| listener.local_addr().unwrap().port());
        let send_only = self.callbacks == Callbacks::SendOnly;
        let join = Join { resume, send_only, ..Join::new(self.name.as_str(), self.token, port) };
        // The server dials before it replies to the Join, so a thread must wait in `accept` by then. The
        // thread accepts one connection of this session. If the server does not dial, we wake the thread
        // below.
        let expects_call = Arc::new(AtomicBool::new(true));
        let acceptor = self.listener.clone().map(|listener| {
            let (token, call) = (self.token, Arc::clone(call.connection.stream()));
            let expected = Arc::clone(&expects_call);
            spawn("member-accept", move || accept_callback(&listener, &call, token, &expected))
        });
        let reply = call.ask(&Request::Join(join));
        let mut callback = acceptor.and_then(|acceptor| {
            if !matches!(&reply, Ok(Reply::Joined(joined)) if joined.called_back) {
                expects_call.store(false, SeqCst);
                let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
            }
            acceptor.join().expect("the accepting thread does not panic")
        });
        let joined = match reply? {
            Reply::Joined(joined) => joined,
            Reply::Refused(refusal) => return Err(MemberError::Refused(refusal)),
            other => panic!("the server replied to a Join with {other:?}"),
        };
        if !joined.called_back && !send_only {
            callback = Some(call.connect_callback(self.server, self.token)?.connection);
        }
        self.history.update(|history| match (resume, history.sessions.last_mut()) {
            (Some(_), Some(session)) if session.room == joined.room => {}
            // Nobody was told that it came, and nothing is for it.
            _ if send_only => {
                history
                    .sessions
                    .push(SessionHistory { stayed: false, ..SessionHistory::new(joined.room, 0) });
            }
            _ => history.sessions.push(SessionHistory::new(joined.room, joined.sequence)),
        });
        match (callback, self.callbacks) {
            (None, _) => assert!(send_only, "the server has called back"),
            (callback, Callbacks::Unread) => self.unread = callback,
            (Some(callback), _) => {
                self.receiver = Some(Receiver::start(callback, Arc::clone(&self.history)));
            }
        }
        self.call = Some(call);
        self.show_operators_words()
    }

    /// The name that the member has now.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Notes the address from which the member comes.
    pub fn comes_from(self, address: IpAddr) -> Member {
        self.history.update(|history| history.address = Some(address));
        self
    }

    /// The session's secret. A test that plays a thief steals it.
    pub fn token(&self) -> Token {
        self.token
    }

    /// Makes the next connections go to another address, such as that of a proxy or of a restarted server.
    pub fn set_server(&mut self, server: SocketAddr) {
        self.server = server;
    }

    /// Says something to all and returns its sequence. Tries again while the server is busy.
    ///
    /// # Panics
    /// When the server refuses, or when the connection is lost.
    pub fn say(&mut self, text: &str) -> u64 {
        self.try_say(text).unwrap_or_else(|error| panic!("the server did not accept {text:?}: {error:?}"))
    }

    /// Says something to one recipient and returns its sequence. Tries again while the server is busy.
    ///
    /// # Panics
    /// When the server refuses, or when the connection is lost.
    pub fn say_privately(&mut self, recipient: &str, text: &str) -> u64 {
        let message_id = self.record_sent(text, Some(recipient));
        self.send(message_id, text, Some(recipient))
            .unwrap_or_else(|error| panic!("the server did not accept {text:?}: {error:?}"))
    }

    /// Says something to all and returns its sequence. After each lost connection it reconnects and repeats
    /// the message under the same id.
    ///
    /// # Panics
    /// When the server refuses, or when it has not accepted within the watchdog's timeout.
    pub fn say_until_accepted(&mut self, text: &str) -> u64 {
        let said = self.say_until_answered(text, None);
        said.unwrap_or_else(|refusal| panic!("the server refused {text:?}: {refusal:?}"))
    }

    /// Says something to all, or to one recipient, and returns its sequence. After each lost connection it
    /// reconnects and repeats the message under the same id.
    ///
    /// # Errors
    /// The refusal of the message, or that of a server which does not let the member come back.
    ///
    /// # Panics
    /// When the server has not replied within the watchdog's timeout.
    pub fn say_until_answered(&mut self, text: &str, recipient: Option<&str>) -> Result<u64, Refusal> {
        let message_id = self.record_sent(text, recipient);
        self.until_answered(|member| member.send(message_id, text, recipient))
    }

    /// Takes another name. After each lost connection it reconnects and asks again.
    ///
    /// # Errors
    /// As [`Member::say_until_answered`].
    ///
    /// # Panics
    /// As [`Member::say_until_answered`].
    pub fn rename_until_answered(&mut self, name: &str) -> Result<(), Refusal> {
        let request = Request::Rename { name: name.to_owned() };
        self.history.update(|history| history.later_names.push(name.to_owned()));
        let renamed = self.until_answered(|member| match member.ask(&request)? {
            Reply::Renamed { .. } => Ok(()),
            Reply::Refused(refusal) => Err(MemberError::Refused(refusal)),
            other => panic!("the server replied to Rename with {other:?}"),
        });
        match &renamed {
            Ok(()) => name.clone_into(&mut self.name),
            // It may have the name, and does not know.
            Err(refusal) if is_removed(refusal) => {}
            Err(_) => drop(self.history.update(|history| history.later_names.pop())),
        }
        renamed
    }

    /// Asks the server for the names of all members. After each lost connection it reconnects and asks again.
    ///
    /// # Panics
    /// When the server has not replied within the watchdog's timeout.
    pub fn who_until_answered(&mut self) -> Vec<String> {
        let answer = self.until_answered(|member| member.ask(&Request::Who));
        names_in(answer.unwrap_or_else(Reply::Refused))
    }

    /// Asks for something again after each lost connection, and while the server is busy.
    fn until_answered<R>(
        &mut self,
        ask: impl Fn(&mut Member) -> Result<R, MemberError>,
    ) -> Result<R, Refusal> {
        poll_result(&format!("a reply to {}", self.name), || match ask(self) {
            Ok(answer) => Ok(Ok(answer)),
            Err(MemberError::Refused(refusal)) if refusal.cause != Cause::Busy => Ok(Err(refusal)),
            Err(busy @ MemberError::Refused(_)) => Err(busy),
            Err(lost) => match self.come_back() {
                Ok(()) => Err(lost),
                Err(refusal) => Ok(Err(refusal)),
            },
        })
    }

    /// Says something to all and returns its sequence. Does not reconnect, so a test can lose the reply.
    ///
    /// # Errors
    /// When the server refuses, or when the connection is lost.
    pub fn try_say(&mut self, text: &str) -> Result<u64, MemberError> {
        let message_id = self.record_sent(text, None);
        self.send(message_id, text, None)
    }

    /// Says something to all, and does not wait for the reply.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn say_unanswered(&mut self, text: &str) -> Result<(), MemberError> {
        let message_id = self.record_sent(text, None);
        let call = self.call.as_ref().ok_or(MemberError::Lost(RpcError::Closed))?;
        let mut frame = Vec::new();
        let request = Request::Broadcast { message_id, repeated: false, text: text.to_owned() };
        encode_frame(&request, &mut frame).map_err(RpcError::from)?;
        Ok(call.write(&frame).map_err(RpcError::from)?)
    }

    /// The socket of the call connection, for what happens below the calls.
    ///
    /// # Errors
    /// When the connection is lost, or this process has no descriptors left.
    pub fn call_socket(&self) -> io::Result<TcpStream> {
        self.call.as_ref().ok_or(io::ErrorKind::NotConnected)?.stream.try_clone()
    }

    /// What has come on the call connection: a reply, its end, or nothing.
    pub fn answer_to_unanswered(&mut self) -> Wait {
        let call = self.call.as_mut().map(|call| call.connection.wait(Instant::now() + MOMENT));
        call.and_then(Result::ok).unwrap_or(Wait::Ended)
    }

    /// Whether the server has closed the connection on which it calls this member.
    pub fn callback_has_ended(&self) -> bool {
        self.receiver.as_ref().is_none_or(Receiver::has_ended)
    }

    /// Says the last message again, under the same id.
    ///
    /// # Errors
    /// As [`Member::try_say`].
    pub fn try_say_again(&mut self, text: &str) -> Result<u64, MemberError> {
        self.send(self.last_message_id, text, None)
    }

    /// Adds a message to the history just before the member sends it, and returns its id.
    fn record_sent(&mut self, text: &str, recipient: Option<&str>) -> u64 {
        self.last_message_id += 1;
        let message_id = self.last_message_id;
        let (author, text, recipient) = (self.name.clone(), text.to_owned(), recipient.map(str::to_owned));
        self.history.update(|history| {
            let at = Instant::now();
            history.sent.push(Sent {
                author,
                message_id,
                text,
                recipient,
                at,
                accepted: None,
                refused: None,
            });
        });
        message_id
    }

    /// Sends the message with this id, again while the server is busy, and records the server's reply.
    fn send(&mut self, message_id: u64, text: &str, recipient: Option<&str>) -> Result<u64, MemberError> {
        let text = text.to_owned();
        let request = match recipient {
            None => Request::Broadcast { message_id, repeated: false, text },
            Some(to) => Request::Private { message_id, repeated: false, to: to.to_owned(), text },
        };
        loop {
            match self.ask(&request)? {
                Reply::Accepted { sequence } => {
                    let at = Instant::now();
                    self.record_reply(message_id, |sent, room| {
                        sent.accepted = Some(Accepted { room, sequence, at });
                    });
                    return Ok(sequence);
                }
                Reply::Refused(Refusal { cause: Cause::Busy, .. }) => {
                    self.busy_count += 1;
                    thread::sleep(BUSY_PAUSE);
                }
                Reply::Refused(refusal) => {
                    let refused = Refused { cause: refusal.cause, at: Instant::now() };
                    self.record_reply(message_id, |sent, _| {
                        sent.refused = sent.accepted.is_none().then_some(refused);
                    });
                    return Err(MemberError::Refused(refusal));
                }
                other => panic!("the server replied to a message with {other:?}"),
            }
        }
    }

    /// Changes what the history has of a message. The change gets the number of the room.
    fn record_reply(&self, message_id: u64, change: impl FnOnce(&mut Sent, u64)) {
        self.history.update(|history| {
            let room = history.sessions.last().expect("a member joins before it speaks").room;
            let sent = history.sent.iter_mut().rev().find(|sent| sent.message_id == message_id);
            change(sent.expect("a message is recorded before it is sent"), room);
        });
    }

    /// Sends one request on the call connection and reads the reply.
    ///
    /// # Errors
    /// When the connection is lost. A refusal is a reply and no error.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, MemberError> {
        let call = self.call.as_mut().ok_or(MemberError::Lost(RpcError::Closed))?;
        Ok(call.ask(request)?)
    }

    /// Asks the server for the names of all members.
    ///
    /// # Panics
    /// When the server does not reply with them.
    pub fn who(&mut self) -> Vec<String> {
        names_in(self.ask(&Request::Who).unwrap())
    }

    /// Leaves with a Leave and returns the history.
    ///
    /// # Panics
    /// When the server does not reply with `Left`.
    pub fn leave(mut self) -> MemberHistory {
        assert_eq!(self.ask(&Request::Leave).unwrap(), Reply::Left);
        self.crash()
    }

    /// Leaves with a Leave, or as a crash does if the connection is lost.
    pub fn leave_or_crash(mut self) -> MemberHistory {
        let _ = self.ask(&Request::Leave);
        self.crash()
    }

    /// Closes both connections without a Leave and waits for the receiving thread. The member can reconnect.
    pub fn disconnect(&mut self) {
        if let Some(call) = self.call.take() {
            let _ = call.stream.shutdown(Shutdown::Both);
        }
        if let Some(receiver) = self.receiver.take() {
            receiver.stop();
        }
        self.unread = None;
    }

    /// Closes both connections without a Leave and returns the history. The checker then expects nothing
    /// after the last event that the member received.
    pub fn crash(mut self) -> MemberHistory {
        self.disconnect();
        self.history.update(std::mem::take).left_early()
    }

    /// Resumes the session, or joins anew where the server does not know the session any more.
    ///
    /// # Errors
    /// When the server refuses for another reason, or when a connection is lost.
    pub fn resume(&mut self) -> Result<(), MemberError> {
        // The old connection may still deliver. The last sequence is final only when its thread has ended.
        self.disconnect();
        let last_sequence = self.last_sequence();
        match self.connect(Some(last_sequence)) {
            Err(MemberError::Refused(Refusal { cause: Cause::UnknownSession, .. })) => {
                self.history.update(|history| {
                    if let Some(session) = history.sessions.last_mut() {
                        session.stayed = false;
                    }
                });
                self.connect(None)
            }
            other => other,
        }
    }

    /// Resumes the session and tries again until that works.
    ///
    /// The server may refuse for a moment, while the old connections still seem alive.
    ///
    /// # Panics
    /// When that takes longer than the watchdog's timeout.
    pub fn reconnect(&mut self) {
        poll_result(&format!("{} to reconnect", self.name), || self.resume());
    }

    /// Reconnects as [`Member::reconnect`] does.
    ///
    /// # Errors
    /// When an operator has removed the member, or keeps it out. Its history then has the server's words.
    ///
    /// # Panics
    /// As [`Member::reconnect`].
    pub fn come_back(&mut self) -> Result<(), Refusal> {
        let came = poll_result(&format!("{} to come back", self.name), || match self.resume() {
            Err(MemberError::Refused(refusal)) if is_removed(&refusal) => Ok(Err(refusal)),
            other => other.map(Ok),
        });
        came.inspect_err(|refusal| self.history.update(|history| history.removals.push(refusal.text.clone())))
    }

    /// Waits until the member has received this sequence, and reconnects while it does not arrive.
    ///
    /// A member whose callback connection alone is dead has no other way to find out.
    ///
    /// # Panics
    /// When that takes longer than the watchdog's timeout.
    pub fn reconnect_until_received(&mut self, sequence: u64) {
        poll_result(&format!("{} to receive sequence {sequence}", self.name), || {
            let received = self.hear_within(RECEIVE_ATTEMPT, sequence);
            received.ok_or_else(|| {
                self.reconnect();
                self.last_sequence()
            })
        });
    }

    /// The highest sequence received in this session, or the sequence of the join when there is none.
    pub fn last_sequence(&self) -> u64 {
        self.history.read_with(|history| {
            let session = history.sessions.last();
            session.map_or(0, |session| session.last_sequence().max(session.join_sequence))
        })
    }

    /// Waits until the member has received an event that `wanted` accepts, in any session, and returns it.
    ///
    /// # Panics
    /// After the watchdog's timeout, with `description`.
    pub fn hear(&self, description: &str, mut wanted: impl FnMut(&EventKind) -> bool) -> Event {
        self.history.wait(&format!("{} to hear {description}", self.name), |history| {
            let found = history.events().find(|event| wanted(&event.kind)).cloned();
            found
        })
    }

    /// Waits for a message with this text and returns its event.
    ///
    /// # Panics
    /// After the watchdog's timeout.
    pub fn hear_text(&self, wanted: &str) -> Event {
        self.hear(&format!("{wanted:?}"), |kind| text_of(kind) == Some(wanted))
    }

    /// Waits until the member has received `sequence` or a higher one.
    ///
    /// The server must deliver one of those to this member: its own messages do not count.
    ///
    /// # Panics
    /// After the watchdog's timeout.
    pub fn hear_up_to(&self, sequence: u64) {
        self.history.wait(&format!("{} to receive sequence {sequence}", self.name), |history| {
            has_received(history, sequence)
        });
    }

    /// Waits as [`Member::hear_up_to`] does. Returns `None` when `timeout` has passed.
    pub fn hear_within(&self, timeout: Duration, sequence: u64) -> Option<()> {
        self.history.wait_within(timeout, |history| has_received(history, sequence))
    }

    /// The texts received so far, in order.
    pub fn texts(&self) -> Vec<String> {
        self.history.read_with(|history| {
            history.events().filter_map(|event| text_of(&event.kind).map(str::to_owned)).collect()
        })
    }

    /// How many texts the member has received so far.
    pub fn texts_received(&self) -> usize {
        self.history
            .read_with(|history| history.events().filter(|event| text_of(&event.kind).is_some()).count())
    }

    /// Whether a call waits for a member that does not read.
    pub fn is_called(&mut self) -> bool {
        let connection = self.unread.as_mut().expect("a member that does not read");
        matches!(connection.wait(Instant::now()), Ok(Wait::Ready))
    }

    /// Serves one `Receive`, if one has come to a member that does not read. Returns whether it had come.
    ///
    /// # Panics
    /// When the server has closed the connection.
    pub fn reads_one(&mut self) -> bool {
        let connection = self.unread.as_mut().expect("a member that does not read");
        match connection.wait(Instant::now() + MOMENT).expect("the server keeps the connection") {
            Wait::Silence => return false,
            Wait::Ready | Wait::Ended => {}
        }
        let call = connection.next_request(WATCHDOG_TIMEOUT, WATCHDOG_TIMEOUT);
        if let Callback::Receive { answer: true, .. } =
            call.unwrap().expect("the server keeps the connection")
        {
            connection.reply(&CallbackReply::Received, WATCHDOG_TIMEOUT).unwrap();
        }
        true
    }

    /// Lets a member that does not read go on, as a stopped client that is continued. It reads all that has
    /// come, and from now on all that comes.
    pub fn goes_on(&mut self) {
        self.callbacks = Callbacks::Listen;
        if let Some(callback) = self.unread.take() {
            self.receiver = Some(Receiver::start(callback, Arc::clone(&self.history)));
        }
    }

    /// A copy of what the member has sent and received so far.
    pub fn history(&self) -> MemberHistory {
        self.history.read_with(MemberHistory::clone)
    }

    /// How often the server was too busy to accept a message.
    pub fn busy_count(&self) -> usize {
        self.busy_count
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.disconnect();
    }
}

fn has_received(history: &MemberHistory, sequence: u64) -> Option<()> {
    let last = history.sessions.last().map_or(0, SessionHistory::last_sequence);
    (last >= sequence).then_some(())
}

fn names_in(answer: Reply) -> Vec<String> {
    match answer {
        Reply::People { people, .. } => people.into_iter().map(|person| person.name).collect(),
        other => panic!("the server replied to Who with {other:?}"),
    }
}

/// Whether a member may not come back because of an operator.
fn is_removed(refusal: &Refusal) -> bool {
    matches!(refusal.cause, Cause::SessionOver | Cause::Banned)
}

/// Why the server did not do what a member asked for.
#[derive(Debug)]
pub enum MemberError {
    /// The server refuses.
    Refused(Refusal),
    /// The connection is lost.
    Lost(RpcError),
}

impl From<RpcError> for MemberError {
    fn from(error: RpcError) -> MemberError {
        MemberError::Lost(error)
    }
}
