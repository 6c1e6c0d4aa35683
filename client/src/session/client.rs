//! What outlives a connection: the client's state, and the input that changes it. Runs on the main thread.

use crate::{
    events::{Channels, Input, InputId, Stop, UiEvent, UiEventHandler, Utterance},
    session::{
        asked_history::AskedHistory,
        inbox::Inbox,
        options::{JoinOptions, MemberOptions},
        pager::{Pager, Unread},
        room_access::RoomAccess,
        send_queue::{SendQueue, ToSend},
    },
};
use chat_common::{handshake::passphrase::Passphrase, wire::token::Token};
use crossbeam_channel::{never, RecvError};
use std::io;

/// No server allows a longer name. A request with one might not fit into a frame. In bytes.
const MAX_NAME_BYTES: usize = 256;

/// The state of the client.
pub(crate) struct Client<'a> {
    pub(crate) options: &'a JoinOptions,
    /// After the end of the input, and after the sender of requests to stop was dropped, the channel is one
    /// that never receives anything.
    pub(crate) channels: Channels,
    pub(crate) show: UiEventHandler<'a>,
    pub(crate) inbox: &'a Inbox<'a>,
    pub(crate) queue: SendQueue,
    pub(crate) access: RoomAccess<'a>,
    pub(crate) member: Membership,
    pub(crate) leaving: Leaving,
}

/// Who the client is in the room.
pub(crate) struct Membership {
    pub(crate) token: Token,
    pub(crate) name: Option<String>,
    /// Whether a number may be added to the name where somebody has it.
    pub(crate) may_add_number: bool,
    /// Whether the server may know the token. True from before the Join is sent, because its reply may be
    /// lost.
    pub(crate) may_resume: bool,
    /// Whether [`UiEvent::OpenedCallback`] was shown.
    pub(crate) opened_callback_shown: bool,
    /// A loss that the person has not been told yet, and what was lost with it.
    pub(crate) untold_loss: Vec<UiEvent>,
    /// The passphrase with which the person is an operator.
    pub(crate) operator: Option<Passphrase>,
    /// Whether the server was too busy to take that again on this connection.
    pub(crate) waits_to_operate: bool,
    /// How many operators' passphrases were wrong over this connection.
    pub(crate) wrong_operators: u32,
}

/// When the client leaves, and how it ends.
#[derive(Default)]
pub(crate) struct Leaving {
    /// Whether to stay in the room after the end of the input.
    pub(crate) stay: bool,
    /// Whether the input has ended. The client leaves when [it is done](Client::is_done), unless it stays.
    pub(crate) input_ended: bool,
    /// Why the input cannot be read any more.
    pub(crate) input_error: Option<String>,
    /// How many lines were not sent, because they were invalid or the server refused them.
    pub(crate) rejected: usize,
    pub(crate) asked_history: AskedHistory,
    /// Whether the client ends without a word to the server.
    pub(crate) detaches: bool,
}

impl<'a> Client<'a> {
    /// A client that has not joined yet, unless its options have a session.
    ///
    /// # Errors
    /// When the system has no random numbers, of which the session's secret is made.
    pub(crate) fn new(
        options: &'a JoinOptions,
        channels: &Channels,
        inbox: &'a Inbox<'a>,
        show: UiEventHandler<'a>,
    ) -> io::Result<Client<'a>> {
        let random = Token::random()?;
        let MemberOptions { session, history, .. } = options.member;
        let goes_on = session.is_some_and(|(_, place)| place.is_some());
        // The server ignores the history where a session goes on.
        let asked_history = match history > 0 && !goes_on && !options.interactive {
            // The join sets the sequence.
            true => AskedHistory::Before(0),
            false => AskedHistory::Shown,
        };
        Ok(Client {
            options,
            channels: channels.clone(),
            show,
            inbox,
            // The shift leaves half of the ids above the first one, so counting up never wraps.
            queue: SendQueue::new(Token::random()?.to_u64() >> 1, goes_on),
            access: RoomAccess::new(options),
            member: Membership {
                token: session.map_or(random, |(token, _)| token),
                name: options.member.name.clone(),
                may_add_number: options.member.may_add_number,
                may_resume: goes_on,
                opened_callback_shown: false,
                untold_loss: Vec::new(),
                operator: None,
                waits_to_operate: false,
                wrong_operators: 0,
            },
            leaving: Leaving { stay: options.stay, asked_history, ..Leaving::default() },
        })
    }
}

impl Client<'_> {
    /// Returns the person's name in the room, or nothing before there is one.
    pub(crate) fn own_name(&self) -> &str {
        self.member.name.as_deref().unwrap_or_default()
    }

    /// Whether the client has ever joined. Before that, an error ends the client. After it, the client tries
    /// again.
    pub(crate) fn was_joined(&self) -> bool {
        self.inbox.place().is_some()
    }

    /// Takes a request to stop. Returns whether the client has to leave at once.
    pub(crate) fn stops_now(&mut self, stop: Result<Stop, RecvError>) -> bool {
        match stop {
            Ok(Stop::Now) => return true,
            Ok(Stop::Detach) => {
                self.leaving.detaches = true;
                return true;
            }
            Ok(Stop::WhenSent) => {
                let inputs: Vec<Input> =
                    self.channels.input_rx.try_iter().take(self.channels.input_rx.len()).collect();
                inputs.into_iter().for_each(|input| self.take(input));
                self.leave_when_done();
                self.leaving.asked_history = AskedHistory::Shown;
            }
            Err(_) => self.channels.stop_rx = never(),
        }
        false
    }

    /// Whether everything is sent, and everything that was asked for has come.
    pub(crate) fn is_done(&self) -> bool {
        self.queue.waiting.is_empty() && self.leaving.asked_history == AskedHistory::Shown
    }

    /// Whether the client leaves as soon as it is done.
    pub(crate) fn leaves(&self) -> bool {
        self.leaving.input_ended && !self.leaving.stay
    }

    /// Tells the person that the connection is lost, if that has not been told yet.
    pub(crate) fn tell_loss(&mut self) {
        std::mem::take(&mut self.member.untold_loss).into_iter().for_each(self.show);
    }

    /// Takes input that cannot be sent now. Shows that it waits.
    pub(crate) fn take_for_later(&mut self, input: Input) {
        self.tell_loss();
        let (before, shown) = (self.queue.waiting.len(), input.clone());
        self.take(input);
        if self.queue.waiting.len() > before {
            (self.show)(UiEvent::Queued(shown.without_id().clone()));
        }
    }

    /// Takes one piece of input. What it sends goes to the queue.
    pub(crate) fn take(&mut self, input: Input) {
        self.take_as(input, None);
    }

    /// Takes one piece of input with this id.
    fn take_as(&mut self, input: Input, id: Option<InputId>) {
        match input {
            Input::WithId { id, input } => self.take_as(*input, Some(id)),
            Input::Say { utterance, message_id } => self.say(&utterance, message_id, id),
            Input::Reply(text) => match self.inbox.last_private_author() {
                Some(to) => self.say(&Utterance::Private { to, text }, None, id),
                None => self.reject("nobody has spoken to you alone yet; try /msg NAME TEXT".into(), id),
            },
            Input::Rename(name) if name.len() > MAX_NAME_BYTES => {
                self.reject("the name is too long; choose a shorter one".into(), id);
            }
            Input::Rename(name) => self.queue.push(ToSend::Rename(name), id),
            // The server shows an operator more.
            Input::Who(pattern) if self.operates() => {
                let line = format!("/who {}", pattern.unwrap_or_default());
                self.command(line.trim_end().to_owned(), String::new(), id);
            }
            Input::Who(pattern) => self.queue.push(ToSend::Who(pattern), id),
            Input::History { count, before } => {
                let pager = Pager::history(count, Unread { before, ..Unread::default() });
                self.queue.push(ToSend::Page(Box::new(pager)), id);
            }
            Input::Search(text) => {
                self.queue.push(ToSend::Page(Box::new(self.inbox.search(text))), id);
            }
            Input::Ignore(name) => (self.show)(UiEvent::Ignoring(self.inbox.toggle_ignored(name))),
            Input::Mistake(why) => self.reject(why, id),
            Input::Operate(passphrase) => self.operate(passphrase, id),
            Input::Command { line, mistake } => self.command(line, mistake, id),
            // It was typed while the client waits for a server, and before the question.
            Input::Answer(name) if self.member.name.is_none() => self.take_name(&name),
            // Nobody asks any more.
            Input::Answer(_) => {}
            Input::Leave => self.leave_when_done(),
            Input::End => self.end_input(),
            Input::Failed(reason) => {
                self.leaving.input_error = Some(reason);
                self.leave_when_done();
            }
        }
    }

    fn say(&mut self, utterance: &Utterance, message_id: Option<u64>, id: Option<InputId>) {
        if matches!(utterance, Utterance::Private { to, .. } if to.len() > MAX_NAME_BYTES) {
            return self.reject("nobody here has a name of this length".into(), id);
        }
        self.queue.push_utterance(utterance, message_id, id.as_ref());
    }

    pub(super) fn reject(&mut self, help: String, id: Option<InputId>) {
        self.leaving.rejected += 1;
        (self.show)(UiEvent::InvalidInput(help).of(id));
    }

    fn leave_when_done(&mut self) {
        self.end_input();
        self.leaving.stay = false;
    }

    fn end_input(&mut self) {
        self.leaving.input_ended = true;
        self.channels.input_rx = never();
    }
}
