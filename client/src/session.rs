//! One visit to the room, from the first join to the last word. Runs on the thread that calls [`visit`], which owns the
//! call connection; the callback side is `listener.rs`.
//!
//! A visit is a row of connections. Each is one turn of the loop in [`Session::live`]: dial, join or resume, talk until it
//! is lost, wait, again. What is to be sent outlives the connections in the [`Outbox`], what was received in the [`Inbox`].

use crate::{
    backoff::Backoff,
    command::{self, Command},
    inbox::{Arrival, Inbox},
    listener::Callbacks,
    outbox::{Outbox, Outgoing},
    shown::Said,
    Input, JoinOptions, Outcome, Show, Shown, Stop, Wires,
};
use chat_common::{
    error::RpcError,
    hello::{Role, Status},
    protocol::{Cause, Join, Joined, Refusal, Reply, Request, FRAME_BYTES, PING_SECONDS},
    rpc::Connection,
    token::Token,
};
use crossbeam_channel::{after, bounded, never, select, Receiver, Sender};
use std::{
    convert::Infallible,
    fmt::Display,
    io,
    net::{TcpStream, ToSocketAddrs},
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
/// Between two attempts to get back in, growing from the one to the other.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const PING_INTERVAL: Duration = Duration::from_secs(PING_SECONDS);
/// For as long as the server keeps a lost session. After it, a program that has nothing left but to send what waits gives up.
const RESUME_TIME: Duration = Duration::from_secs(60);
/// How long a program that has not been let in yet puts up with a busy server.
const BUSY_PATIENCE: Duration = Duration::from_secs(5);

/// See [`crate::run`].
pub(crate) fn visit(options: &JoinOptions, wires: &Wires, show: Show<'_>, token: Token) -> Outcome {
    let inbox = Inbox::new(show);
    // Half of the numbers are above any start, so counting up never wraps.
    let first_number = Token::random().map_or(0, Token::to_u64) >> 1;
    let mut session = Session {
        options,
        input: wires.input.clone(),
        stop: wires.stop.clone(),
        show,
        inbox: &inbox,
        outbox: Outbox::new(first_number),
        token,
        name: options.name.clone(),
        text_limit: usize::MAX,
        ever_in: false,
        may_resume: false,
        stay: options.stay,
        ending: false,
        rejected: 0,
    };
    let outcome = session.live();
    session.account_for(outcome)
}

struct Session<'a> {
    options: &'a JoinOptions,
    /// Replaced by a channel that never says anything when the input has ended.
    input: Receiver<Input>,
    /// As `input`.
    stop: Receiver<Stop>,
    show: Show<'a>,
    inbox: &'a Inbox<'a>,
    outbox: Outbox,
    token: Token,
    name: Option<String>,
    /// The longest text that the server takes, in bytes.
    text_limit: usize,
    /// Whether we have been in the room: before that, trouble ends the visit; after it, trouble passes.
    ever_in: bool,
    /// Whether the server may know our token. Set before a Join goes out, because its reply may be what gets lost.
    may_resume: bool,
    stay: bool,
    /// Nothing more is coming in: leave when all has been sent.
    ending: bool,
    /// Lines that were not sent because they made no sense or the server refused them.
    rejected: usize,
}

/// How one connection ended.
enum Turn {
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
}

impl Session<'_> {
    /// The row of connections.
    fn live(&mut self) -> Outcome {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut out_since = Instant::now();
        let mut told_busy = false;
        loop {
            let name = match self.name.clone() {
                Some(name) => name,
                None => match self.ask_name() {
                    Ok(name) => name,
                    Err(outcome) => return outcome,
                },
            };
            match self.one_connection(&name) {
                Turn::Over(outcome) => return outcome,
                Turn::OtherName(refusal) if self.options.interactive => {
                    (self.show)(Shown::Refused(refusal.text));
                    self.name = None;
                    continue;
                }
                Turn::OtherName(refusal) => return Outcome::Failed(refusal.text),
                Turn::Lost(reason) => {
                    (self.show)(Shown::Lost { reason });
                    out_since = Instant::now();
                    backoff.reset();
                }
                Turn::NotIn { reason, .. } if self.ever_in => log::info!("not back in yet: {reason}"),
                Turn::NotIn { reason, busy } => {
                    let patient = self.options.interactive || out_since.elapsed() < BUSY_PATIENCE;
                    if !(busy && patient) {
                        return Outcome::Failed(format!("cannot join at {}: {reason}", self.options.server));
                    }
                    if !std::mem::replace(&mut told_busy, true) {
                        (self.show)(Shown::Busy);
                    }
                }
            }
            if let Some(outcome) = self.wait_offline(backoff.pause(), out_since) {
                return outcome;
            }
        }
    }

    /// The next line is the name.
    ///
    /// # Blocking
    /// On the person.
    fn ask_name(&mut self) -> Result<String, Outcome> {
        loop {
            (self.show)(Shown::AskName);
            select! {
                recv(self.stop) -> stop => if self.wants_to_go(stop) {
                    return Err(Outcome::Left);
                },
                recv(self.input) -> input => match input {
                    Ok(Input::Line(line) | Input::Text(line)) if line.trim().is_empty() => {}
                    Ok(Input::Line(line) | Input::Text(line)) => {
                        let name = line.trim().to_owned();
                        self.name = Some(name.clone());
                        return Ok(name);
                    }
                    Ok(Input::End) | Err(_) if self.options.interactive => return Err(Outcome::Left),
                    Ok(Input::End) | Err(_) => return Err(Outcome::Failed("no name was given".into())),
                },
            }
        }
    }

    /// One connection to the room, from the dial to its end.
    fn one_connection(&mut self, name: &str) -> Turn {
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
                    return Turn::not_in(&format!("the callback connection cannot be opened: {error}"));
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
            Err(error) => Err(match error {
                RpcError::Refused { status: Status::Banned | Status::WrongVersion, .. } => {
                    Turn::failed(&error)
                }
                RpcError::Refused { .. } => Turn::busy(&error),
                error => Turn::not_in(&error),
            }),
        }
    }

    /// Resumes the session if there may be one, else joins. The answer says whether it was resumed.
    ///
    /// # Blocking
    /// On the server, 10 s at the longest for each of at most two calls.
    fn join(&mut self, call: &mut Connection, name: &str, port: u16) -> Result<(Joined, bool), Turn> {
        loop {
            let resume = self.may_resume.then(|| self.inbox.position());
            let history = if self.ever_in { 0 } else { self.options.history };
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
            Arrival::SameRoom => Shown::Rejoined { room, sequence, restarted: false, waiting },
            Arrival::Restarted => Shown::Rejoined { room, sequence, restarted: true, waiting },
        });
        if dialled {
            (self.show)(Shown::OpenedCallback);
        }
        drop(gate);
    }

    /// Sends what is to be sent, takes what is typed, pings when nothing happens.
    ///
    /// # Blocking
    /// On input, on a wish to stop and on the loss of the callback, 5 s at the longest; on the server during a call, 10 s.
    fn talk(&mut self, call: &mut Connection, lost: &Receiver<String>) -> Turn {
        let mut busy = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        loop {
            // A pause is taken only behind a busy server; otherwise the next request goes out at once.
            let pause = match self.outbox.first().map(Outgoing::request) {
                Some(request) => match call.call(&request, CALL_TIMEOUT) {
                    Ok(Reply::Refused(Refusal { cause: Cause::Busy, .. })) => busy.pause(),
                    Ok(reply) => {
                        busy.reset();
                        if let Err(turn) = self.answered(reply) {
                            return turn;
                        }
                        Duration::ZERO
                    }
                    Err(error) => return Turn::lost(&error),
                },
                None if self.ending && !self.stay => return self.leave(call),
                None => PING_INTERVAL,
            };
            // While something is to be sent, no more is read: that is what holds a fast pipe back.
            let input = if self.outbox.is_empty() { self.input.clone() } else { never() };
            select! {
                recv(self.stop) -> stop => if self.wants_to_go(stop) {
                    return self.leave(call);
                },
                recv(lost) -> reason => return Turn::lost(&reason.unwrap_or_default()),
                recv(input) -> input => self.take(input),
                default(pause) => if self.outbox.is_empty() {
                    if let Err(error) = call.call::<_, Reply>(&Request::Ping, CALL_TIMEOUT) {
                        return Turn::lost(&error);
                    }
                },
            }
        }
    }

    /// The server has answered the first request in the queue.
    fn answered(&mut self, reply: Reply) -> Result<(), Turn> {
        let Some(asked) = self.outbox.remove_first() else { return Ok(()) };
        match (asked, reply) {
            (Outgoing::Said { number, said }, Reply::Accepted { sequence }) => {
                (self.show)(Shown::Accepted { number, sequence, said });
            }
            (Outgoing::Rename(name), Reply::Renamed { .. }) => {
                self.name = Some(name.clone());
                (self.show)(Shown::Renamed { name });
            }
            (Outgoing::Who, Reply::People { names, total }) => (self.show)(Shown::People { names, total }),
            (Outgoing::History(_), Reply::History { events }) => (self.show)(Shown::History(events)),
            (_, Reply::Refused(refusal)) => {
                self.rejected += 1;
                (self.show)(Shown::Refused(refusal.text));
            }
            _ => return Err(Turn::lost(&"the server answered with nonsense")),
        }
        Ok(())
    }

    /// Says goodbye. Whether the server hears it changes nothing for the person.
    fn leave(&self, call: &mut Connection) -> Turn {
        if let Err(error) = call.call::<_, Reply>(&Request::Leave, LEAVE_TIMEOUT) {
            log::debug!("left without an answer: {error}");
        }
        Turn::Over(Outcome::Left)
    }

    /// Waits for the next attempt, and takes what is typed meanwhile. Answers how the visit ends, if it does.
    ///
    /// # Blocking
    /// For `pause`; what is typed and a wish to stop wake it.
    fn wait_offline(&mut self, pause: Duration, since: Instant) -> Option<Outcome> {
        let timer = after(pause);
        loop {
            if self.ending && !self.stay {
                // A person who wants to go goes; a program waits for what it has to say, but not for ever.
                if self.options.interactive || self.outbox.is_empty() {
                    return Some(Outcome::Left);
                }
                if since.elapsed() > RESUME_TIME {
                    return Some(Outcome::Failed("the server has not come back".into()));
                }
            }
            let full = self.outbox.is_full() || !self.ever_in;
            let input = if full { never() } else { self.input.clone() };
            select! {
                recv(self.stop) -> stop => if self.wants_to_go(stop) {
                    return Some(Outcome::Left);
                },
                recv(input) -> input => {
                    let typed = match &input {
                        Ok(Input::Line(text) | Input::Text(text)) => text.clone(),
                        _ => String::new(),
                    };
                    let before = self.outbox.len();
                    self.take(input);
                    if self.outbox.len() > before {
                        (self.show)(Shown::Waiting(typed));
                    }
                },
                recv(timer) -> _ => return None,
            }
        }
    }

    /// Whether to leave this instant. Without a sender left to say so, nobody wishes to.
    fn wants_to_go(&mut self, stop: Result<Stop, crossbeam_channel::RecvError>) -> bool {
        match stop {
            Ok(Stop::Now) => return true,
            Ok(Stop::WhenSent) => {
                self.end_input();
                self.stay = false;
            }
            Err(_) => self.stop = never(),
        }
        false
    }

    fn end_input(&mut self) {
        self.ending = true;
        self.input = never();
    }

    /// Takes one piece of input.
    fn take(&mut self, input: Result<Input, crossbeam_channel::RecvError>) {
        match input {
            Ok(Input::Line(line)) => match command::parse(&line) {
                Ok(command) => self.carry_out(command),
                Err(help) => self.mistake(help),
            },
            Ok(Input::Text(text)) if text.trim().is_empty() => {}
            Ok(Input::Text(text)) => self.outbox.say(&Said::Message(text), self.text_limit),
            Ok(Input::End) | Err(_) => self.end_input(),
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Nothing => {}
            Command::Say(text) => self.outbox.say(&Said::Message(text), self.text_limit),
            Command::Act(text) => self.outbox.say(&Said::Action(text), self.text_limit),
            Command::Tell { to, text } => self.outbox.say(&Said::Private { to, text }, self.text_limit),
            Command::Reply(text) => match self.inbox.last_private() {
                Some(to) => self.outbox.say(&Said::Private { to, text }, self.text_limit),
                None => self.mistake("nobody has spoken to you alone yet; try /msg NAME TEXT".into()),
            },
            Command::Who => self.outbox.ask(Outgoing::Who),
            Command::Nick(name) => self.outbox.ask(Outgoing::Rename(name)),
            Command::History(count) => self.outbox.ask(Outgoing::History(count)),
            Command::Help => (self.show)(Shown::Help),
            Command::Clear => (self.show)(Shown::Clear),
            Command::Bell(bell) => (self.show)(Shown::Bell(bell)),
            Command::Ignore(name) => (self.show)(Shown::Ignore(name)),
            Command::Quit => {
                self.end_input();
                self.stay = false;
            }
        }
    }

    fn mistake(&mut self, help: String) {
        self.rejected += 1;
        (self.show)(Shown::Mistake(help));
    }

    /// The last word on what was to be sent. A script must learn from the exit code that not all of it was.
    fn account_for(&self, outcome: Outcome) -> Outcome {
        if !self.outbox.is_empty() {
            (self.show)(Shown::Unsent(self.outbox.len()));
        }
        let all_sent = self.outbox.is_empty() && self.rejected == 0;
        match outcome {
            Outcome::Left if !all_sent && !self.options.interactive => {
                Outcome::Failed("not everything was sent".into())
            }
            outcome => outcome,
        }
    }
}

/// Tries each address that the name has.
///
/// # Blocking
/// 3 s for each of them, after the name service.
fn connect(server: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in server.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, DIAL_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
