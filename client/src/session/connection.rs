//! One connection to the room: dial, join or resume, talk until it ends. Runs on the session's thread, which owns the call
//! connection; the threads of the callback side live in the scope of this connection and end with it.

use crate::{
    session::{backoff::Backoff, inbox::Arrival, listener::Callbacks, outbox::Outgoing, Session},
    settings::{channels::Outcome, shown::Shown},
};
use chat_common::{
    error::RpcError,
    hello::Role,
    protocol::{Cause, Join, Joined, Refusal, Reply, Request, FRAME_BYTES, PING_SECONDS},
    rpc::Connection,
    status::Status,
    stream::Stream,
    token::Token,
};
use crossbeam_channel::{bounded, never, select, Receiver, Sender};
use std::{
    convert::Infallible,
    fmt::Display,
    io,
    net::ToSocketAddrs,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// One dial, and the hello behind it.
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);
/// One call: the server dials us within 2 s during a Join, and is never slower than that with the rest.
/// Together with the ping after 5 s this finds a dead server within 15 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Saying goodbye is a courtesy; nobody should have to wait for it.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
const PING_INTERVAL: Duration = Duration::from_secs(PING_SECONDS);
/// A busy server's queue empties within milliseconds; one that does not is not to be pressed.
const FIRST_BUSY_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_BUSY_PAUSE: Duration = Duration::from_secs(1);
/// A jam that has led to a pause as long as this is worth a word.
const BUSY_WORTH_TELLING: Duration = Duration::from_millis(300);

/// How one connection ended.
pub(crate) enum Turn {
    /// So did the visit.
    Over(Outcome),
    /// We were in, and the connection was lost.
    Lost(String),
    /// We did not get in; it may be tried again.
    NotIn { reason: String, busy: bool },
    /// We did not get in under this name.
    OtherName(Refusal),
}

impl Turn {
    fn lost(reason: &dyn Display) -> Turn {
        Turn::Lost(reason.to_string())
    }

    fn not_in(reason: &dyn Display) -> Turn {
        Turn::NotIn { reason: reason.to_string(), busy: false }
    }

    fn busy(reason: &dyn Display) -> Turn {
        Turn::NotIn { reason: reason.to_string(), busy: true }
    }

    fn failed(reason: &dyn Display) -> Turn {
        Turn::Over(Outcome::Failed(reason.to_string()))
    }

    /// One of the two connections could not be dialled.
    fn undialled(error: &RpcError, reason: &dyn Display) -> Turn {
        match error {
            RpcError::Refused { status: Status::Banned | Status::WrongVersion, .. } => Turn::failed(reason),
            RpcError::Refused { .. } => Turn::busy(reason),
            _ => Turn::not_in(reason),
        }
    }
}

impl Session<'_> {
    /// One connection to the room, from the dial to its end.
    pub(crate) fn one_connection(&mut self, name: &str) -> Turn {
        let mut call = match self.dial() {
            Ok(call) => call,
            Err(turn) => return turn,
        };
        let (gate_tx, gate_rx) = bounded(0);
        let (lost_tx, lost_rx) = bounded(1);
        let callbacks = Callbacks::new(self.token, self.inbox, gate_rx, lost_tx);
        // The scope waits for the threads of the callback side; the guard is what makes them end.
        thread::scope(|scope| {
            let _closing = callbacks.close_on_drop();
            let port = if self.options.listen {
                callbacks.listen(scope, call.stream()).unwrap_or_else(|error| {
                    log::info!("cannot listen, so the server cannot dial us: {error}");
                    0
                })
            } else {
                0
            };
            let (joined, resumed) = match self.join(&mut call, name, port) {
                Ok(joined) => joined,
                Err(turn) => return turn,
            };
            let dialled = !joined.called_back || !callbacks.is_serving();
            if dialled {
                let opened = match call.stream().peer_addr() {
                    Ok(server) => callbacks.dial(scope, server, DIAL_TIMEOUT),
                    Err(error) => Err(error.into()),
                };
                if let Err(error) = opened {
                    let reason = format!("the callback connection cannot be opened: {error}");
                    return Turn::undialled(&error, &reason);
                }
            }
            self.arrive(name, joined, resumed, dialled, gate_tx);
            self.talk(&mut call, &lost_rx)
        })
    }

    /// Reaches the server and says hello.
    ///
    /// # Blocking
    /// On the name service, for as long as the system lets it; then on the server, 3 s for each address that the name has
    /// and 3 s for the hello.
    fn dial(&self) -> Result<Connection, Turn> {
        let stream = connect(&self.options.server).map_err(|error| Turn::not_in(&error))?;
        let mut call = Connection::new(Arc::new(stream), FRAME_BYTES);
        match call.greet(Role::Call, Token::NONE, DIAL_TIMEOUT) {
            Ok(_) => Ok(call),
            Err(error) => Err(Turn::undialled(&error, &error)),
        }
    }

    /// Resumes the session if there may be one, else joins. The answer says whether it was resumed.
    ///
    /// # Blocking
    /// On the server, 10 s at the longest for each of at most three calls.
    fn join(&mut self, call: &mut Connection, name: &str, mut port: u16) -> Result<(Joined, bool), Turn> {
        loop {
            let resume = self.may_resume.then(|| self.inbox.position());
            // Who was in before wants all that was said meanwhile; the inbox knows what of it has been shown.
            let history = if self.ever_in { u32::MAX } else { self.options.history };
            let join = Join { name: name.to_owned(), token: self.token, port, history, resume };
            self.may_resume = true;
            let refusal = match call.call(&Request::Join(join), CALL_TIMEOUT) {
                Ok(Reply::Joined(joined)) => return Ok((joined, resume.is_some())),
                Ok(Reply::Refused(refusal)) => refusal,
                Ok(_) => return Err(Turn::not_in(&"the server answered with nonsense")),
                Err(error) => return Err(Turn::not_in(&error)),
            };
            self.may_resume = resume.is_some();
            match refusal.cause {
                Cause::UnknownSession if resume.is_some() => {
                    self.may_resume = false;
                    self.inbox.forget_position();
                }
                // The system has chosen a port that the server does not dial, such as its own on another address.
                Cause::InvalidPort if port != 0 => port = 0,
                Cause::InvalidName | Cause::NameTaken => return Err(Turn::OtherName(refusal)),
                Cause::Busy | Cause::Stopping => return Err(Turn::busy(&refusal.text)),
                _ => return Err(Turn::failed(&refusal.text)),
            }
        }
    }

    /// We are in: says so, and then lets the callback show what comes.
    fn arrive(&mut self, name: &str, joined: Joined, resumed: bool, dialled: bool, gate: Sender<Infallible>) {
        let Joined { room, sequence, text_limit, motd, .. } = joined;
        self.text_limit = text_limit as usize;
        self.ever_in = true;
        let waiting = self.outbox.len();
        (self.show)(match self.inbox.arrive(room, sequence) {
            Arrival::First => Shown::Connected { name: name.to_owned(), room, sequence, motd },
            Arrival::SameRoom if resumed => Shown::Regained { waiting },
            again => Shown::Rejoined {
                name: name.to_owned(),
                room,
                sequence,
                restarted: matches!(again, Arrival::Restarted),
                waiting,
            },
        });
        if dialled && !std::mem::replace(&mut self.told_dialled, true) {
            (self.show)(Shown::OpenedCallback);
        }
        drop(gate);
    }

    /// Sends what is to be sent, takes what is typed, pings when nothing happens.
    ///
    /// # Blocking
    /// On input, on a wish to stop and on the loss of the callback, 5 s at the longest; on the server during a call, 10 s.
    fn talk(&mut self, call: &mut Connection, lost: &Receiver<String>) -> Turn {
        let mut backoff = Backoff::new(FIRST_BUSY_PAUSE, LONGEST_BUSY_PAUSE);
        let mut told_busy = false;
        let mut ping_at = Instant::now() + PING_INTERVAL;
        // Until when a busy server is left in peace.
        let mut jammed_until = None;
        loop {
            // As without a connection: a person who wants to go goes, a program waits for what it has to say.
            let unheard = self.options.interactive && jammed_until.is_some();
            if self.ending && !self.stay && (self.outbox.is_empty() || unheard) {
                return self.leave(call);
            }
            let now = Instant::now();
            let due = if self.outbox.is_empty() { ping_at } else { jammed_until.unwrap_or(now) };
            let pause = due.saturating_duration_since(now);
            // What is due goes out before more is read: that is what holds a fast pipe back.
            let wanted = self.outbox.is_empty() || self.options.interactive && !self.outbox.is_full();
            let input = if wanted && !pause.is_zero() { self.input.clone() } else { never() };
            select! {
                recv(self.stop) -> stop => if self.wants_to_go(stop) {
                    return self.leave(call);
                },
                recv(lost) -> reason => return Turn::lost(&reason.unwrap_or_default()),
                recv(input) -> input => match jammed_until {
                    Some(_) => self.take_for_later(input),
                    None => self.take(input),
                },
                default(pause) => {
                    let request = self.outbox.first().map_or(Request::Ping, Outgoing::request);
                    let reply = match call.call(&request, CALL_TIMEOUT) {
                        Ok(reply) => reply,
                        Err(error) => return Turn::lost(&error),
                    };
                    ping_at = Instant::now() + PING_INTERVAL;
                    if matches!(reply, Reply::Refused(Refusal { cause: Cause::Busy, .. })) {
                        let pause = backoff.pause();
                        jammed_until = Some(Instant::now() + pause);
                        if pause > BUSY_WORTH_TELLING && !std::mem::replace(&mut told_busy, true) {
                            (self.show)(Shown::Busy);
                        }
                    } else {
                        jammed_until = None;
                        told_busy = false;
                        backoff.reset();
                        if let Err(turn) = self.answered(reply) {
                            return turn;
                        }
                    }
                },
            }
        }
    }

    /// The server has answered the first request in the queue, or a ping where there is none. Unless the answer settles it,
    /// the request stays in the queue.
    fn answered(&mut self, reply: Reply) -> Result<(), Turn> {
        let shown = match (self.outbox.first(), reply) {
            (None, Reply::Pong) => return Ok(()),
            (_, Reply::Refused(Refusal { cause: Cause::Stopping, text })) => return Err(Turn::Lost(text)),
            (Some(Outgoing::Said { message_id, said }), Reply::Accepted { sequence }) => {
                Shown::Accepted { message_id: *message_id, sequence, said: said.clone() }
            }
            (Some(Outgoing::Rename(name)), Reply::Renamed { .. }) => {
                self.name = Some(name.clone());
                Shown::Renamed { name: name.clone() }
            }
            (Some(Outgoing::Who), Reply::People { names, total }) => Shown::People { names, total },
            (Some(Outgoing::History(_)), Reply::History { events }) => {
                Shown::History(self.inbox.heard(events))
            }
            (Some(_), Reply::Refused(refusal)) => {
                self.rejected += 1;
                Shown::Refused(refusal.text)
            }
            _ => return Err(Turn::lost(&"the server answered with nonsense")),
        };
        self.outbox.remove_first();
        (self.show)(shown);
        Ok(())
    }

    /// Says goodbye. Whether the server hears it changes nothing for the person.
    fn leave(&self, call: &mut Connection) -> Turn {
        if let Err(error) = call.call::<_, Reply>(&Request::Leave, LEAVE_TIMEOUT) {
            log::debug!("left without an answer: {error}");
        }
        Turn::Over(Outcome::Left)
    }
}

/// Tries each address that the name has.
///
/// # Blocking
/// 3 s for each of them, after the name service.
fn connect(server: &str) -> io::Result<Stream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in server.to_socket_addrs()? {
        match Stream::connect(address, DIAL_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
