//! One connection to the room, from the dial to its end. Runs on the main thread, which owns the call
//! connection. The threads of the callback side run in the scope of this connection and end with it.
//! `calls.rs` has what happens between the join and the end.

use crate::{
    events::{Rejoin, UiEvent},
    session::{
        client::Client,
        connection_end::{ConnectionEnd, Loss, Obstacle},
        dial::{connect, DIAL_TIMEOUT},
        listener::Callbacks,
    },
};
use chat_common::{
    handshake::gateway,
    program::{
        on_drop::OnDrop,
        tasks::{self, Task},
    },
    wire::{
        error::RpcError,
        protocol::{Cause, Join, Joined, Reply, Request, FRAME_BYTES, VERSION},
        rpc::{Connection, Wait},
        status::Status,
    },
};
use crossbeam_channel::bounded;
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// The limit for one call. During a Join the server dials the client within 2 s; other calls are faster.
/// Together with a ping after 5 s, this detects a dead server within 15 s.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// For this long at most, what was said since the first join waits for the line about who is here. The server
/// gives a client up that takes nothing for 5 s.
const GREETING_TIME: Duration = Duration::from_secs(2);
/// The highest number that is added to a name which another member has.
const HIGHEST_NUMBER: u32 = 99;

const OTHER_GATEWAY_KEY: &str = "the server does not know the gateway's key; both need the same file: \
                                 --gateway-key FILE";
pub(super) const INVALID_REPLY: &str = "the server sent an invalid reply";

impl Client<'_> {
    /// Runs one connection to the room. Returns when the client has left.
    ///
    /// # Errors
    /// Why the connection has ended before that.
    pub(crate) fn connect_once(&mut self, name: &str) -> Result<(), ConnectionEnd> {
        let mut call = self.connect()?;
        self.access.greet_call(&mut call, DIAL_TIMEOUT, self.show)?;
        self.show_gateway_key(&mut call)?;
        if let Some(command) = &self.options.operator.command {
            return self.carry_out(&mut call, command);
        }
        let (task, joining) = tasks::begin();
        let (lost_tx, lost_rx) = bounded(1);
        let callbacks = Callbacks::new(call.stream(), self.member.token, self.inbox, joining, lost_tx);
        // The end of the scope waits for the threads of the callback side. The guard makes them end.
        thread::scope(|scope| {
            let _guard = OnDrop(|| callbacks.close());
            let mut port = 0;
            if !self.options.member.dials && !self.options.member.send_only {
                port = callbacks.listen(scope).unwrap_or_else(|error| {
                    log::info!("cannot listen, so the server cannot dial us: {error}");
                    0
                });
            }
            let (name, joined, resumed) = self.join(&mut call, name, port)?;
            let dials = !self.options.member.send_only && (!joined.called_back || !callbacks.is_serving());
            if dials {
                callbacks.dial(scope, DIAL_TIMEOUT).map_err(|error| {
                    let reason = format!("the callback connection cannot be opened: {error}");
                    ConnectionEnd::not_opened(&error, reason)
                })?;
            }
            let is_first = self.on_joined(name, joined, resumed);
            if dials && !std::mem::replace(&mut self.member.opened_callback_shown, true) {
                (self.show)(UiEvent::OpenedCallback);
            }
            // The callbacks may show events when the task has ended.
            if is_first && self.options.member.asks_who {
                self.tell_who_is_here(&mut call, task).map_err(ConnectionEnd::Lost)?;
            } else {
                drop(task);
            }
            self.call_loop(&mut call, &lost_rx).map_err(ConnectionEnd::Lost)
        })
    }

    /// Looks whether there is a server that would let the client join, before a person is asked for a name.
    /// The connection that joins is another one: the server waits 5 s for a Join, and a person takes longer.
    ///
    /// # Blocking
    /// As [`Client::connect`], and 3 s for the hello.
    ///
    /// # Errors
    /// Why the client cannot join.
    pub(crate) fn find_server(&mut self) -> Result<(), ConnectionEnd> {
        let mut call = self.connect()?;
        self.access.find_room(&mut call, DIAL_TIMEOUT)
    }

    /// Connects to the server.
    ///
    /// # Blocking
    /// On the name service, which has no limit. Then on the server, 3 s for each address of the name.
    fn connect(&self) -> Result<Connection, ConnectionEnd> {
        let stream =
            connect(&self.options.server).map_err(|why| ConnectionEnd::NotJoined(Obstacle::NoWay, why))?;
        Ok(Connection::new(Arc::new(stream), FRAME_BYTES))
    }

    /// Shows the key of a gateway, if the client joins for a guest.
    ///
    /// # Blocking
    /// On the server, 3 s at most.
    fn show_gateway_key(&mut self, call: &mut Connection) -> Result<(), ConnectionEnd> {
        let Some((_, key)) = &self.options.member.on_behalf else { return Ok(()) };
        let answer = gateway::show_key(call, key, DIAL_TIMEOUT);
        match self.access.check_reply(answer)? {
            Status::Welcome => Ok(()),
            Status::WrongRole => Err(ConnectionEnd::Failed(OTHER_GATEWAY_KEY.into())),
            status => Err(RpcError::Refused { status, version: VERSION }.into()),
        }
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
        let mut others = self.options.member.name.as_deref().map(numbered_names).into_iter().flatten();
        loop {
            let resume = self.member.may_resume.then(|| self.inbox.last_sequence());
            // After a lost session the client asks for everything since the last event that it has. If the
            // room is another one by now, it asks for all messages; the inbox knows which were shown.
            let history = if self.was_joined() { u32::MAX } else { self.options.member.history };
            let join = Join {
                history,
                resume,
                since: self.inbox.place(),
                send_only: self.options.member.send_only,
                ..Join::new(name.as_str(), self.member.token, port)
            };
            self.member.may_resume = true;
            let reply = self.access.check_reply(call.call(&Request::Join(join), CALL_TIMEOUT))?;
            let refusal = match reply {
                Reply::Joined(joined) => return Ok((name, joined, resume.is_some())),
                Reply::Refused(refusal) => refusal,
                _ => return Err(ConnectionEnd::NotJoined(Obstacle::NoWay, INVALID_REPLY.into())),
            };
            let (may_add_number, cause) = (self.member.may_add_number, refusal.cause);
            let is_over = cause == Cause::UnknownSession;
            let is_taken = matches!(cause, Cause::NameTaken | Cause::NameKept);
            self.member.may_resume = resume.is_some() && !is_over && !is_taken;
            if resume.is_some() && !self.member.may_resume {
                self.inbox.end_session();
                if is_over || may_add_number {
                    continue;
                }
            }
            let text = refusal.text.clone();
            let obstacle = match cause {
                // The system chose a port that the server does not dial, such as the server's own port.
                Cause::InvalidPort if port != 0 => {
                    port = 0;
                    continue;
                }
                _ if is_taken && may_add_number => match others.find(|other| *other != name) {
                    Some(other) => {
                        name = other;
                        continue;
                    }
                    None => {
                        let why = format!("{text}; all numbers up to {HIGHEST_NUMBER} are taken, too");
                        return Err(ConnectionEnd::NotJoined(Obstacle::NameRefused, why));
                    }
                },
                Cause::NameTaken => Some(Obstacle::NameTaken),
                Cause::InvalidName | Cause::NameKept => Some(Obstacle::NameRefused),
                Cause::Busy | Cause::Stopping | Cause::NoSpace => Some(Obstacle::Busy),
                _ => None,
            };
            (self.show)(UiEvent::JoinRefused(refusal));
            return Err(match obstacle {
                Some(obstacle) => ConnectionEnd::NotJoined(obstacle, text),
                None => ConnectionEnd::Failed(text),
            });
        }
    }

    /// Records and shows a successful join. Returns whether it is the first one.
    fn on_joined(&mut self, name: String, joined: Joined, resumed: bool) -> bool {
        self.tell_loss();
        let name_before = self.member.name.replace(name.clone());
        self.member.wrong_operators = 0;
        let (room, sequence) = (joined.room, joined.sequence);
        self.queue.text_limit = joined.text_limit as usize;
        if !resumed {
            self.queue.on_new_session();
            self.leaving.asked_history.on_new_session(sequence);
        }
        let queued = self.queue.waiting.len();
        let why = self.inbox.on_joined(room, sequence, resumed);
        let renamed = (why.is_some() && name_before.as_ref() != Some(&name)).then(|| name.clone());
        (self.show)(match why {
            None => UiEvent::Connected { name, joined },
            Some(Rejoin::Late) if resumed => UiEvent::Resumed { joined, queued },
            Some(why) => UiEvent::Rejoined { name, joined, why, queued },
        });
        // Somebody else has the name by now, and a number was added.
        renamed.map(|name| UiEvent::Renamed { name }).into_iter().for_each(self.show);
        self.access.take_news().into_iter().for_each(self.show);
        why.is_none()
    }

    /// Tells a person who is here. What was said since the join comes after that line, so `joining` ends when
    /// the line is shown. It ends sooner where the server lets this client wait, because of its rate.
    ///
    /// # Blocking
    /// On the server, 10 s at most.
    fn tell_who_is_here(&mut self, call: &mut Connection, joining: Task) -> Result<(), Loss> {
        let deadline = Instant::now() + CALL_TIMEOUT;
        call.send(&Request::Who, deadline)?;
        let silent = call.wait(Instant::now() + GREETING_TIME)? == Wait::Silence;
        let _held_to_the_end = (!silent).then_some(joining);
        match call.receive(deadline)?.ok_or(RpcError::Closed)? {
            Reply::People { people, total } => (self.show)(UiEvent::Here { people, total }),
            // The line is a courtesy.
            Reply::Refused(_) => {}
            _ => return Err(Loss { reason: INVALID_REPLY.into(), closed: false }),
        }
        Ok(())
    }
}

/// The names to try in the place of one that somebody has: the name itself, and then the name with each
/// number.
fn numbered_names(name: &str) -> impl Iterator<Item = String> {
    let name = name.to_owned();
    std::iter::once(name.clone()).chain((2..=HIGHEST_NUMBER).map(move |number| format!("{name}-{number}")))
}
