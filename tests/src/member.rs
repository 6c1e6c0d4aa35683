//! An honest member of the room on the wire alone, without the client's library: what the server does is then judged by
//! itself. All that it sends and sees goes into a [history](crate::history).
//!
//! A call is made on the thread of its test; a [receiver](crate::receiver) serves `Receive` until the member is dropped.

use crate::{
    history::{text_of, Accepted, Person, Sent, Visit},
    raw::{self, RawPeer},
    receiver::{accept_callback, spawn, Receiver},
    watchdog::{Watched, PATIENCE},
};
use chat_common::{
    error::RpcError,
    protocol::{Cause, Event, EventKind, Join, Refusal, Reply, Request},
    token::Token,
};
use std::{
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread::{self},
    time::{Duration, Instant},
};

/// How the server's calls reach the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callbacks {
    /// On a listener of its own, which the server dials.
    Listen,
    /// Over a connection that the member opens.
    Open,
}

/// A member. Dropping it closes its connections without a Leave, as a crash would.
#[derive(Debug)]
pub struct Member {
    name: String,
    server: SocketAddr,
    callbacks: Callbacks,
    token: Token,
    listener: Option<Arc<TcpListener>>,
    call: Option<RawPeer>,
    /// Serves the callback connection that is open; ends when that is shut down.
    receiver: Option<Receiver>,
    person: Arc<Watched<Person>>,
    message_id: u64,
    /// How often the server was too busy to take a message.
    busy: usize,
}

/// A member waits this long before it repeats what a busy server has refused, as the wire asks for.
const BUSY_PAUSE: Duration = Duration::from_millis(2);

impl Member {
    /// Joins under this name, with a listener of its own.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn join(server: SocketAddr, name: &str) -> Member {
        Member::try_join(server, name, Callbacks::Listen).expect("the server takes the member in")
    }

    /// Joins under this name, and opens the callback connection itself.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn join_open(server: SocketAddr, name: &str) -> Member {
        Member::try_join(server, name, Callbacks::Open).expect("the server takes the member in")
    }

    /// Joins, or says why not.
    pub fn try_join(server: SocketAddr, name: &str, callbacks: Callbacks) -> Result<Member, Trouble> {
        let listener = match callbacks {
            Callbacks::Listen => Some(Arc::new(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap())),
            Callbacks::Open => None,
        };
        let mut member = Member {
            name: name.to_owned(),
            server,
            callbacks,
            token: raw::token(),
            listener,
            call: None,
            receiver: None,
            person: Arc::new(Watched::new(Person::new(name))),
            message_id: 0,
            busy: 0,
        };
        member.enter(None)?;
        Ok(member)
    }

    /// Both connections anew, with a Join: to resume from `resume`, or for a new visit.
    fn enter(&mut self, resume: Option<u64>) -> Result<(), Trouble> {
        self.lose();
        let mut call = RawPeer::call(self.server)?;
        let port = self.listener.as_ref().map_or(0, |listener| listener.local_addr().unwrap().port());
        let join = Join { name: self.name.clone(), token: self.token, port, history: 0, resume };
        // The server dials while the Join waits for its reply, so somebody must sit in accept by then. It waits for
        // one dial of this session, and the end of the Join wakes it if none comes.
        let waiting = self.listener.clone().map(|listener| {
            let token = self.token;
            spawn("member-accept", move || accept_callback(&listener, token))
        });
        let reply = call.ask(&Request::Join(join));
        let mut callback = waiting.and_then(|waiting| {
            if !matches!(&reply, Ok(Reply::Joined(joined)) if joined.called_back) {
                let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
            }
            waiting.join().expect("the accepting thread does not panic")
        });
        let joined = match reply? {
            Reply::Joined(joined) => joined,
            Reply::Refused(refusal) => return Err(Trouble::Refused(refusal)),
            other => panic!("{other:?} is no reply to a Join"),
        };
        if !joined.called_back {
            callback = Some(RawPeer::open_callback(self.server, self.token)?.connection);
        }
        self.person.change(|person| match (resume, person.visits.last_mut()) {
            (Some(_), Some(visit)) if visit.room == joined.room => {}
            _ => person.visits.push(Visit::new(joined.room, joined.sequence)),
        });
        let callback = callback.expect("the server has called back");
        self.receiver = Some(Receiver::start(callback, Arc::clone(&self.person)));
        self.call = Some(call);
        Ok(())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The session's secret, for a test that plays a thief of it.
    pub fn token(&self) -> Token {
        self.token
    }

    /// Dials another address from now on: a proxy's, or that of a restarted server.
    pub fn set_server(&mut self, server: SocketAddr) {
        self.server = server;
    }

    /// Says something to all: its place. Tries again while the server is busy.
    ///
    /// # Panics
    /// When the server refuses, or the connection is lost.
    pub fn say(&mut self, text: &str) -> u64 {
        let message_id = self.begin(text, None);
        self.repeat(message_id, text, None)
            .unwrap_or_else(|trouble| panic!("{text:?} was not accepted: {trouble:?}"))
    }

    /// Says something to one alone: its place.
    ///
    /// # Panics
    /// As [`Member::say`].
    pub fn whisper(&mut self, to: &str, text: &str) -> u64 {
        let message_id = self.begin(text, Some(to));
        self.repeat(message_id, text, Some(to)).unwrap_or_else(|trouble| panic!("not accepted: {trouble:?}"))
    }

    /// Says something to all, whatever happens to the connections: they are opened anew, and the message is repeated
    /// under its id, until the server has said where it stands.
    ///
    /// # Panics
    /// When that takes longer than the watchdog's patience.
    pub fn insist(&mut self, text: &str) -> u64 {
        let message_id = self.begin(text, None);
        let until = Instant::now() + PATIENCE;
        loop {
            match self.repeat(message_id, text, None) {
                Ok(sequence) => return sequence,
                Err(Trouble::Refused(refusal)) => panic!("{text:?} was refused: {refusal:?}"),
                Err(Trouble::Lost(error)) => {
                    assert!(
                        Instant::now() < until,
                        "waited {PATIENCE:?} for {text:?} to be accepted: {error}"
                    );
                    self.come_back();
                }
            }
        }
    }

    /// Sends a message once and leaves it at that: for a test in which the reply is lost.
    pub fn try_say(&mut self, text: &str) -> Result<u64, Trouble> {
        let message_id = self.begin(text, None);
        self.repeat(message_id, text, None)
    }

    /// Writes down that a message is about to be sent.
    fn begin(&mut self, text: &str, to: Option<&str>) -> u64 {
        self.message_id += 1;
        let (message_id, text, to) = (self.message_id, text.to_owned(), to.map(str::to_owned));
        let sent = Sent { message_id, text, to, at: Instant::now(), accepted: None };
        self.person.change(|person| person.sent.push(sent));
        message_id
    }

    /// Sends the message with this id, again while the server is busy, and writes down what it is told.
    fn repeat(&mut self, message_id: u64, text: &str, to: Option<&str>) -> Result<u64, Trouble> {
        let text = text.to_owned();
        let request = match to {
            None => Request::Broadcast { message_id, text },
            Some(to) => Request::Private { message_id, to: to.to_owned(), text },
        };
        loop {
            match self.ask(&request)? {
                Reply::Accepted { sequence } => {
                    let at = Instant::now();
                    self.person.change(|person| {
                        let room = person.visits.last().expect("who speaks has joined").room;
                        let sent = person.sent.iter_mut().rev().find(|sent| sent.message_id == message_id);
                        sent.expect("it was begun").accepted = Some(Accepted { room, sequence, at });
                    });
                    return Ok(sequence);
                }
                Reply::Refused(Refusal { cause: Cause::Busy, .. }) => {
                    self.busy += 1;
                    thread::sleep(BUSY_PAUSE);
                }
                Reply::Refused(refusal) => return Err(Trouble::Refused(refusal)),
                other => panic!("{other:?} is no reply to a message"),
            }
        }
    }

    /// Asks the server something on the call connection.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, Trouble> {
        let call = self.call.as_mut().ok_or(Trouble::Lost(RpcError::Closed))?;
        Ok(call.ask(request)?)
    }

    /// Who is here.
    ///
    /// # Panics
    /// When the server does not say.
    pub fn who(&mut self) -> Vec<String> {
        match self.ask(&Request::Who).unwrap() {
            Reply::People { names, .. } => names,
            other => panic!("{other:?} is no reply to Who"),
        }
    }

    /// Says goodbye.
    ///
    /// # Panics
    /// When the server does not.
    pub fn leave(mut self) -> Person {
        assert_eq!(self.ask(&Request::Leave).unwrap(), Reply::Left);
        self.crash()
    }

    /// Closes both connections without a word and waits for the receiving thread. The member can come back.
    pub fn lose(&mut self) {
        if let Some(call) = self.call.take() {
            let _ = call.stream.shutdown(Shutdown::Both);
        }
        if let Some(receiver) = self.receiver.take() {
            receiver.end();
        }
    }

    /// Goes without a word; what she has sent and seen. Nothing more is owed to her.
    pub fn crash(mut self) -> Person {
        self.lose();
        self.person.look(Person::clone).gone()
    }

    /// The same, for a long history that is not to be copied.
    pub fn into_person(mut self) -> Person {
        self.lose();
        self.person.change(std::mem::take).gone()
    }

    /// Resumes the session, or joins anew where the server knows it no more.
    pub fn resume(&mut self) -> Result<(), Trouble> {
        // What the old connection still brings counts: the position is final only when its thread has ended.
        self.lose();
        let position = self.position();
        match self.enter(Some(position)) {
            Err(Trouble::Refused(Refusal { cause: Cause::UnknownSession, .. })) => {
                self.person.change(|person| {
                    if let Some(visit) = person.visits.last_mut() {
                        visit.stayed = false;
                    }
                });
                self.enter(None)
            }
            other => other,
        }
    }

    /// Resumes, again and again until it works. A session that is taken for alive may not be resumed for a moment.
    ///
    /// # Panics
    /// When that takes longer than the watchdog's patience.
    pub fn come_back(&mut self) {
        let until = Instant::now() + PATIENCE;
        while let Err(trouble) = self.resume() {
            assert!(
                Instant::now() < until,
                "waited {PATIENCE:?} for {} to come back: {trouble:?}",
                self.name
            );
            thread::sleep(BUSY_PAUSE);
        }
    }

    /// The highest sequence number received in this visit, or the place of the join.
    pub fn position(&self) -> u64 {
        self.person.look(|person| person.visits.last().map_or(0, |visit| visit.position().max(visit.joined)))
    }

    /// Waits until something that `wanted` knows has been received, in any visit.
    ///
    /// # Panics
    /// After the watchdog's patience.
    pub fn hear(&self, what: &str, mut wanted: impl FnMut(&EventKind) -> bool) -> Event {
        self.person.wait(&format!("{} to hear {what}", self.name), |person| {
            let found = person.events().find(|event| wanted(&event.kind)).cloned();
            found
        })
    }

    /// Waits for a message with this text.
    ///
    /// # Panics
    /// After the watchdog's patience.
    pub fn hear_text(&self, wanted: &str) -> Event {
        self.hear(&format!("{wanted:?}"), |what| text_of(what) == Some(wanted))
    }

    /// Waits until everything up to this place has been received, or is her own. She must be owed the one at it.
    ///
    /// # Panics
    /// After the watchdog's patience.
    pub fn hear_up_to(&self, sequence: u64) {
        self.person.wait(&format!("{} to be at {sequence}", self.name), |person| {
            let at = person.visits.last().map_or(0, Visit::position);
            (at >= sequence).then_some(())
        });
    }

    /// The same, for this long at the most: `None` when it has not come by then.
    pub fn hear_at_most(&self, patience: Duration, sequence: u64) -> Option<()> {
        self.person.wait_at_most(patience, |person| {
            let at = person.visits.last().map_or(0, Visit::position);
            (at >= sequence).then_some(())
        })
    }

    /// The texts received so far, in order.
    pub fn texts(&self) -> Vec<String> {
        self.person.look(|person| {
            person.events().filter_map(|event| text_of(&event.kind).map(str::to_owned)).collect()
        })
    }

    /// What she has sent and seen so far.
    pub fn so_far(&self) -> Person {
        self.person.look(Person::clone)
    }

    /// How often the server was too busy to take a message, and she has repeated it.
    pub fn busy(&self) -> usize {
        self.busy
    }

    /// How the server's calls reach her.
    pub fn callbacks(&self) -> Callbacks {
        self.callbacks
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.lose();
    }
}

/// Why something was not done.
#[derive(Debug)]
pub enum Trouble {
    /// The server says no.
    Refused(Refusal),
    /// The connection is lost.
    Lost(RpcError),
}

impl From<RpcError> for Trouble {
    fn from(error: RpcError) -> Trouble {
        Trouble::Lost(error)
    }
}
