//! One connection to the room: dial, join or resume, call until it ends. Runs on the main thread, which
//! owns the call connection. The threads of the callback side run in the scope of this connection and end
//! with it.

use crate::{
    events::{Outcome, Rejoin, UiEvent},
    session::{
        asked_history::AskedHistory,
        backoff::Backoff,
        client::Client,
        connection_end::{ConnectionEnd, Obstacle},
        dial::{connect, DIAL_TIMEOUT},
        inbox::JoinKind,
        listener::Callbacks,
        loss::Loss,
        send_queue::ToSend,
    },
};
use chat_common::{
    program::{
        on_drop::OnDrop,
        tasks::{self, Tasks},
    },
    wire::{
        error::RpcError,
        protocol::{Cause, Join, Joined, Refusal, Reply, Request, FRAME_BYTES, PING_INTERVAL},
        rpc::Connection,
    },
};
use crossbeam_channel::{bounded, never, select, Receiver};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// The limit for one call. During a Join the server dials the client within 2 s; other calls are faster.
/// Together with a ping after 5 s, this detects a dead server within 15 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The limit for `Leave`. It is short, because the person waits and the reply changes nothing.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
/// A busy server's queue empties within milliseconds. If it does not, more attempts would not help.
const FIRST_BUSY_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_BUSY_PAUSE: Duration = Duration::from_secs(1);
/// The person is told that the server is busy when a pause is longer than this.
const BUSY_PAUSE_TO_SHOW: Duration = Duration::from_millis(300);

/// How high the number behind a name goes that somebody else has.
const HIGHEST_NUMBER: u32 = 99;

const INVALID_REPLY: &str = "the server sent an invalid reply";

impl Client<'_> {
    /// Runs one connection to the room, from the dial to its end.
    pub(crate) fn connect_once(&mut self, name: &str) -> ConnectionEnd {
        let mut call = match self.dial() {
            Ok(call) => call,
            Err(end) => return end,
        };
        let (task, joining) = tasks::begin();
        let (lost_tx, lost_rx) = bounded(1);
        let callbacks = Callbacks::new(call.stream(), self.member.token, self.inbox, joining, lost_tx);
        // The end of the scope waits for the threads of the callback side. The guard makes them end.
        thread::scope(|scope| {
            let _guard = OnDrop(|| callbacks.close());
            let mut port = 0;
            if self.options.listen && !self.options.send_only {
                port = callbacks.listen(scope, call.stream()).unwrap_or_else(|error| {
                    log::info!("cannot listen, so the server cannot dial us: {error}");
                    0
                });
            }
            let (name, joined, resumed) = match self.join(&mut call, name, port) {
                Ok(joined) => joined,
                Err(end) => return end,
            };
            let dials = !self.options.send_only && (!joined.called_back || !callbacks.is_serving());
            if dials {
                let server = call.stream().peer_addr().map_err(RpcError::from);
                let opened = server.and_then(|server| callbacks.dial(scope, server, DIAL_TIMEOUT));
                if let Err(error) = opened {
                    let reason = format!("the callback connection cannot be opened: {error}");
                    return ConnectionEnd::not_opened(&error, reason);
                }
            }
            self.on_joined(name, joined, resumed);
            if dials && !std::mem::replace(&mut self.member.opened_callback_shown, true) {
                (self.show)(UiEvent::OpenedCallback);
            }
            // The callbacks may show events from now on.
            drop(task);
            self.call_loop(&mut call, &lost_rx)
        })
    }

    /// Connects to the server and sends the hello.
    ///
    /// # Blocking
    /// On the name service, which has no limit. Then on the server: 3 s for each address of the name, 3 s for
    /// the hello, or 20 s for the handshake with a closed room.
    fn dial(&mut self) -> Result<Connection, ConnectionEnd> {
        let stream =
            connect(&self.options.server).map_err(|why| ConnectionEnd::NotJoined(Obstacle::NoWay, why))?;
        let mut call = Connection::new(Arc::new(stream), FRAME_BYTES);
        self.access.greet_call(&mut call, DIAL_TIMEOUT, self.show).map(|()| call)
    }

    /// Resumes the session if the server may know it, else joins. Returns the name, and whether the session
    /// was resumed.
    ///
    /// # Blocking
    /// On the server, 10 s at most for each call. There are at most three, and one for each number that is
    /// added to the name.
    fn join(
        &mut self,
        call: &mut Connection,
        name: &str,
        mut port: u16,
    ) -> Result<(String, Joined, bool), ConnectionEnd> {
        let mut name = name.to_owned();
        let mut others = self.options.name.as_deref().map(numbered_names).into_iter().flatten();
        loop {
            let resume = self.member.may_resume.then(|| self.inbox.last_sequence());
            // After a lost session the client asks for everything since the last event that it has. If the
            // room is another one by now, it asks for all messages; the inbox knows which were shown.
            let history = if self.member.was_joined { u32::MAX } else { self.options.history };
            let since = self.inbox.place();
            let send_only = self.options.send_only;
            let join = Join {
                history,
                resume,
                since,
                send_only,
                ..Join::new(name.as_str(), self.member.token, port)
            };
            self.member.may_resume = true;
            let reply = call.call(&Request::Join(join), CALL_TIMEOUT).map_err(|error| {
                match self.access.why_final(&error) {
                    Some(why) => ConnectionEnd::failed(why),
                    None => ConnectionEnd::NotJoined(Obstacle::NoWay, error.to_string()),
                }
            })?;
            self.access.on_reply().map_err(ConnectionEnd::failed)?;
            let Refusal { cause, text } = match reply {
                Reply::Joined(joined) => return Ok((name, joined, resume.is_some())),
                Reply::Refused(refusal) => refusal,
                _ => return Err(ConnectionEnd::NotJoined(Obstacle::NoWay, INVALID_REPLY.into())),
            };
            self.member.may_resume = resume.is_some();
            match cause {
                Cause::UnknownSession | Cause::NameTaken | Cause::NameKept if resume.is_some() => {
                    self.member.may_resume = false;
                    self.inbox.end_session();
                    if cause != Cause::UnknownSession && !self.member.may_add_number {
                        return Err(name_refused(cause, text));
                    }
                }
                // The system chose a port that the server does not dial, such as the server's own port.
                Cause::InvalidPort if port != 0 => port = 0,
                Cause::NameTaken | Cause::NameKept if self.member.may_add_number => {
                    match others.find(|other| *other != name) {
                        Some(other) => name = other,
                        None => {
                            let why = format!("all numbers up to {HIGHEST_NUMBER} are taken, too");
                            let why = format!("{text}; {why}");
                            return Err(ConnectionEnd::NotJoined(Obstacle::NameRefused, why));
                        }
                    }
                }
                Cause::InvalidName | Cause::NameTaken | Cause::NameKept => {
                    return Err(name_refused(cause, text));
                }
                Cause::Busy | Cause::Stopping | Cause::NoSpace => {
                    return Err(ConnectionEnd::NotJoined(Obstacle::Busy, text));
                }
                _ => return Err(ConnectionEnd::failed(text)),
            }
        }
    }

    /// Records and shows a successful join.
    fn on_joined(&mut self, name: String, joined: Joined, resumed: bool) {
        self.tell_loss();
        self.member.name = Some(name.clone());
        let (room, sequence) = (joined.room, joined.sequence);
        self.queue.set_text_limit(joined.text_limit);
        self.member.was_joined = true;
        if !resumed {
            self.queue.on_new_session();
            self.leaving.asked_history.on_new_session(sequence);
        }
        let queued = self.queue.len();
        (self.show)(match self.inbox.on_joined(room, sequence, resumed) {
            JoinKind::First => UiEvent::Connected { name, joined },
            JoinKind::SameRoom if resumed => UiEvent::Resumed { joined, queued },
            kind => {
                let why = match kind {
                    JoinKind::RoomRestarted => Rejoin::Restarted,
                    JoinKind::RoomPutBack => Rejoin::PutBack,
                    JoinKind::First | JoinKind::SameRoom => Rejoin::Late,
                };
                UiEvent::Rejoined { name, joined, why, queued }
            }
        });
        self.access.take_news().into_iter().for_each(self.show);
    }

    /// Sends the queue, takes input, and pings when there is nothing to send.
    ///
    /// # Blocking
    /// On input, on a request to stop and on the loss of the callback, 5 s at most. On the server during a
    /// call, 10 s.
    fn call_loop(&mut self, call: &mut Connection, lost_rx: &Receiver<Loss>) -> ConnectionEnd {
        let mut backoff = Backoff::new(FIRST_BUSY_PAUSE, LONGEST_BUSY_PAUSE);
        let mut busy_shown = false;
        let mut ping_at = Instant::now() + PING_INTERVAL;
        // When to try again, while the server is busy.
        let mut retry_at = None;
        loop {
            // A person leaves at once if the server is busy. A program waits until it is done.
            let may_leave = self.is_done() || self.options.interactive && retry_at.is_some();
            if self.leaves() && may_leave {
                return self.leave(call);
            }
            let history_rx = match self.leaves() && self.queue.is_empty() {
                true => match self.leaving.asked_history.until_shown(self.inbox, call, CALL_TIMEOUT) {
                    Ok(history) => history.map_or_else(never, Tasks::ended_rx),
                    Err(error) => return ConnectionEnd::Lost(Loss::from(&error)),
                },
                false => never(),
            };
            let now = Instant::now();
            let send_at = if self.queue.is_empty() { ping_at } else { retry_at.unwrap_or(now) };
            let pause = send_at.saturating_duration_since(now);
            // A due request is sent before more input is read. That slows a fast pipe down. A search may have
            // many requests, and a person does not wait for all of them.
            let reads = self.queue.is_empty() || self.options.interactive && !self.queue.is_full();
            let reads_now = reads && (!pause.is_zero() || self.queue.is_paging());
            let input_rx = if reads_now { self.channels.input_rx.clone() } else { never() };
            select! {
                recv(self.channels.stop_rx) -> stop => if self.stops_now(stop) {
                    return self.leave(call);
                },
                recv(history_rx) -> _ => self.leaving.asked_history = AskedHistory::Shown,
                recv(lost_rx) -> reason => return ConnectionEnd::Lost(reason.unwrap_or_default()),
                recv(input_rx) -> input => match retry_at {
                    Some(_) => self.take_for_later(input),
                    None => self.take(input),
                },
                default(pause) => {
                    let request = self.queue.first().unwrap_or(Request::Ping);
                    self.inbox.record_said(self.member.name.as_deref().unwrap_or_default(), &request);
                    let reply = call.call(&request, CALL_TIMEOUT);
                    // After an error the server may have accepted the message.
                    self.queue.set_awaits_reply(reply.is_err());
                    let reply = match reply {
                        Ok(reply) => reply,
                        Err(error) => return ConnectionEnd::Lost(Loss::from(&error)),
                    };
                    ping_at = Instant::now() + PING_INTERVAL;
                    if matches!(reply, Reply::Refused(Refusal { cause: Cause::Busy, .. })) {
                        let pause = backoff.pause();
                        retry_at = Some(Instant::now() + pause);
                        if pause > BUSY_PAUSE_TO_SHOW && !std::mem::replace(&mut busy_shown, true) {
                            (self.show)(UiEvent::ServerBusy);
                        }
                    } else {
                        (retry_at, busy_shown) = (None, false);
                        backoff.reset();
                        if let Err(reason) = self.on_reply(reply) {
                            return ConnectionEnd::Lost(Loss { reason, closed: false });
                        }
                    }
                },
            }
        }
    }

    /// Handles the reply to the first request in the queue, or to a ping if the queue is empty.
    ///
    /// # Errors
    /// The reason why the connection cannot go on. The request then stays in the queue.
    fn on_reply(&mut self, reply: Reply) -> Result<(), String> {
        let first = match (self.queue.pop_first(), &reply) {
            (None, Reply::Pong) => return Ok(()),
            (None, _) => return Err(INVALID_REPLY.into()),
            (Some(first), Reply::Refused(Refusal { cause: Cause::Stopping, text })) => {
                self.queue.put_back(first);
                return Err(text.clone());
            }
            (Some(first), _) => first,
        };
        match (first, reply) {
            (ToSend::Message { utterance, message_id, is_numbered, .. }, Reply::Accepted { sequence }) => {
                self.inbox.remember_own(
                    self.member.name.as_deref().unwrap_or_default(),
                    sequence,
                    &utterance,
                );
                let message_id = is_numbered.then_some(message_id);
                (self.show)(UiEvent::Accepted { message_id, sequence, utterance });
            }
            (ToSend::Rename(name), Reply::Renamed { .. }) => {
                self.member.name = Some(name.clone());
                (self.show)(UiEvent::Renamed { name });
            }
            (ToSend::Who(pattern), Reply::People { people, total }) => {
                (self.show)(UiEvent::People { people, total, pattern });
            }
            (ToSend::Page(mut pager), Reply::History { events }) => {
                match self.inbox.turn_page(&mut pager, events) {
                    // What was said meanwhile goes first.
                    true => self.queue.push(ToSend::Page(pager)),
                    false => pager.end(true).into_iter().for_each(self.show),
                }
            }
            (first, Reply::Refused(refusal)) => {
                self.leaving.rejected += 1;
                (self.show)(UiEvent::Refused(refusal.text));
                if let ToSend::Page(pager) = first {
                    pager.end(false).into_iter().for_each(self.show);
                }
            }
            (first, _) => {
                self.queue.put_back(first);
                return Err(INVALID_REPLY.into());
            }
        }
        Ok(())
    }

    /// Says goodbye. The client ends whether or not the server replies.
    fn leave(&self, call: &mut Connection) -> ConnectionEnd {
        if let Err(error) = call.call::<_, Reply>(&Request::Leave, LEAVE_TIMEOUT) {
            log::debug!("left without a reply: {error}");
        }
        ConnectionEnd::Finished(Outcome::Left)
    }
}

fn name_refused(cause: Cause, reason: String) -> ConnectionEnd {
    let is_taken = cause == Cause::NameTaken;
    ConnectionEnd::NotJoined(if is_taken { Obstacle::NameTaken } else { Obstacle::NameRefused }, reason)
}

/// The names to try in the place of one that somebody has: the name itself, and then the name with each
/// number.
fn numbered_names(name: &str) -> impl Iterator<Item = String> {
    let name = name.to_owned();
    std::iter::once(name.clone()).chain((2..=HIGHEST_NUMBER).map(move |number| format!("{name}-{number}")))
}
