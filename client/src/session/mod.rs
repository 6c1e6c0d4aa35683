//! One visit to the room, from the first join to the last word. Runs on the thread that calls [`visit`].
//!
//! A visit is a row of connections, each of them one turn of the loop in [`Session::live`]; what happens within one stands in
//! `connection.rs`. What is to be sent outlives them in the [`Outbox`], what was received in the [`Inbox`].

mod backoff;
mod connection;
mod inbox;
mod listener;
mod outbox;

use crate::{
    input::command::{self, Command},
    screen::visible::visible_line,
    session::{
        backoff::Backoff,
        connection::Turn,
        inbox::Inbox,
        outbox::{Outbox, Outgoing},
    },
    settings::{
        channels::{Input, Outcome, Show, Stop, Wires},
        options::JoinOptions,
        shown::{Said, Shown},
    },
};
use chat_common::token::Token;
use crossbeam_channel::{after, never, select, Receiver, RecvError};
use std::time::{Duration, Instant};

/// Between two attempts to get back in, growing from the one to the other.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// For as long as the server keeps a lost session. After it, a program that has nothing left but to send what waits gives up.
const RESUME_TIME: Duration = Duration::from_secs(60);
/// How long a program that has not been let in yet puts up with a busy server.
const BUSY_PATIENCE: Duration = Duration::from_secs(5);

/// See [`crate::run`].
pub(crate) fn visit(options: &JoinOptions, wires: &Wires, show: Show<'_>, token: Token) -> Outcome {
    // Half of the numbers are above any start, so counting up never wraps.
    let first_number = Token::random().map_or(0, Token::to_u64) >> 1;
    let inbox = Inbox::new(show, first_number);
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
        told_dialled: false,
        may_resume: false,
        stay: options.stay,
        ending: false,
        rejected: 0,
    };
    let outcome = session.live();
    session.account_for(outcome)
}

/// What outlives a connection.
pub(crate) struct Session<'a> {
    pub(crate) options: &'a JoinOptions,
    /// Replaced by a channel that never says anything when the input has ended.
    pub(crate) input: Receiver<Input>,
    /// As `input`.
    pub(crate) stop: Receiver<Stop>,
    pub(crate) show: Show<'a>,
    pub(crate) inbox: &'a Inbox<'a>,
    pub(crate) outbox: Outbox,
    pub(crate) token: Token,
    pub(crate) name: Option<String>,
    /// The longest text that the server takes, in bytes.
    pub(crate) text_limit: usize,
    /// Whether we have been in the room: before that, trouble ends the visit; after it, trouble passes.
    pub(crate) ever_in: bool,
    /// Whether it has been said that the server cannot dial us.
    pub(crate) told_dialled: bool,
    /// Whether the server may know our token. Set before a Join goes out, because its reply may be what gets lost.
    pub(crate) may_resume: bool,
    pub(crate) stay: bool,
    /// Nothing more is coming in: leave when all has been sent.
    pub(crate) ending: bool,
    /// Lines that were not sent because they made no sense or the server refused them.
    pub(crate) rejected: usize,
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
            let began = Instant::now();
            match self.one_connection(&name) {
                Turn::Over(outcome) => return outcome,
                Turn::OtherName(refusal) if self.options.interactive && !self.ending => {
                    (self.show)(Shown::Refused(refusal.text));
                    self.name = None;
                    continue;
                }
                Turn::OtherName(refusal) => return Outcome::Failed(refusal.text),
                Turn::Lost(reason) => {
                    (self.show)(Shown::Lost { reason, ended: self.inbox.has_ended() });
                    out_since = Instant::now();
                    // A server that lets us in only to drop us is not to be pressed.
                    if began.elapsed() > LONGEST_PAUSE {
                        backoff.reset();
                    }
                }
                Turn::NotIn { reason, .. } if self.ever_in => {
                    log::info!("not back in yet: {}", visible_line(&reason));
                }
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
        (self.show)(Shown::AskName);
        loop {
            select! {
                // Who has not even come in yet has nothing to send first.
                recv(self.stop) -> stop => if self.wants_to_go(stop) || self.ending {
                    return Err(Outcome::Left);
                },
                recv(self.input) -> input => match input {
                    Ok(Input::Line(line) | Input::Text(line)) if line.trim().is_empty() => {
                        (self.show)(Shown::AskName);
                    }
                    Ok(Input::Line(line)) if command::parse(&line) == Ok(Command::Quit) => {
                        return Err(Outcome::Left);
                    }
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
            // A program that may not get in at all keeps its lines.
            let wanted = !self.outbox.is_full() && (self.ever_in || self.options.interactive);
            let input = if wanted { self.input.clone() } else { never() };
            select! {
                recv(self.stop) -> stop => if self.wants_to_go(stop) {
                    return Some(Outcome::Left);
                },
                recv(input) -> input => self.take_for_later(input),
                recv(timer) -> _ => return None,
            }
        }
    }

    /// Whether to leave this instant. Without a sender left to say so, nobody wishes to.
    pub(crate) fn wants_to_go(&mut self, stop: Result<Stop, RecvError>) -> bool {
        match stop {
            Ok(Stop::Now) => return true,
            Ok(Stop::WhenSent) => {
                // Without a name, the next line would be that.
                let read_ahead = if self.name.is_some() { self.input.len() } else { 0 };
                let read: Vec<Input> = self.input.try_iter().take(read_ahead).collect();
                read.into_iter().for_each(|input| self.take(Ok(input)));
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

    /// Takes one piece of input that cannot be sent yet, and says so.
    pub(crate) fn take_for_later(&mut self, input: Result<Input, RecvError>) {
        let typed = match &input {
            Ok(Input::Line(text) | Input::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let before = self.outbox.len();
        self.take(input);
        if self.outbox.len() > before {
            (self.show)(Shown::Waiting(typed));
        }
    }

    /// Takes one piece of input.
    pub(crate) fn take(&mut self, input: Result<Input, RecvError>) {
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
            Command::Ignore(name) => (self.show)(Shown::Ignoring(self.inbox.ignore(name))),
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
