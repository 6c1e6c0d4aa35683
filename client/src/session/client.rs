//! What outlives a connection: the client's state, and the input that changes it. Runs on the main thread.

use crate::{
    input::{parse_command, Command},
    session::{
        asked_history::AskedHistory,
        closed::Closed,
        inbox::Inbox,
        pages::Pages,
        send_queue::{Purpose, SendQueue},
    },
    settings::{Input, InputNotice, JoinOptions, Stop, UiEvent, UiEventHandler, Utterance},
};
use chat_common::wire::{protocol::Request, token::Token};
use crossbeam_channel::{never, Receiver, RecvError};

/// No server allows a longer name. A request with one might not fit into a frame. In bytes.
const MAX_NAME_BYTES: usize = 256;

/// The state of the client.
pub(crate) struct Client<'a> {
    pub(crate) options: &'a JoinOptions,
    /// After the end of the input, this is a channel that never receives anything.
    pub(crate) input_rx: Receiver<Input>,
    /// After its sender was dropped, this is a channel that never receives anything.
    pub(crate) stop_rx: Receiver<Stop>,
    pub(crate) show: UiEventHandler<'a>,
    pub(crate) inbox: &'a Inbox<'a>,
    pub(crate) queue: SendQueue,
    pub(crate) asked_history: AskedHistory,
    pub(crate) closed: Closed<'a>,
    pub(crate) token: Token,
    pub(crate) name: Option<String>,
    /// The name to which a number may be added where somebody has it.
    pub(crate) numbered_name: Option<String>,
    /// The longest text that the server takes, in bytes.
    pub(crate) text_limit: usize,
    /// Whether the client has ever joined. Before that, an error ends the client. After it, the client
    /// tries again.
    pub(crate) was_joined: bool,
    /// Whether [`UiEvent::OpenedCallback`] was shown.
    pub(crate) opened_callback_shown: bool,
    /// Whether the server may know the token. True from before the Join is sent, because its reply may be
    /// lost.
    pub(crate) may_resume: bool,
    /// Whether to stay in the room after the end of the input.
    pub(crate) stay: bool,
    /// Whether the input has ended. The client leaves when [it is done](Client::is_done), unless it stays.
    pub(crate) ending: bool,
    /// How many lines were not sent, because they were invalid or the server refused them.
    pub(crate) rejected: usize,
    /// Whether a held paste was forgotten because the person leaves.
    pub(crate) forgot_paste: bool,
    /// A loss that the person has not been told yet.
    pub(crate) untold_loss: Option<UiEvent>,
    /// Why the input cannot be read any more.
    pub(crate) input_error: Option<String>,
}

impl Client<'_> {
    /// Takes a request to stop. Returns whether the client has to leave at once.
    pub(crate) fn stops_now(&mut self, stop: Result<Stop, RecvError>) -> bool {
        match stop {
            Ok(Stop::Now) => return true,
            Ok(Stop::Ask) => (self.show)(UiEvent::CtrlCLeaves),
            Ok(Stop::WhenSent) => {
                // Without a name, the next line would be the name and not a message.
                let read_ahead = if self.name.is_some() { self.input_rx.len() } else { 0 };
                let inputs: Vec<Input> = self.input_rx.try_iter().take(read_ahead).collect();
                inputs.into_iter().for_each(|input| self.take(Ok(input)));
                self.end_input();
                self.stay = false;
                self.asked_history = AskedHistory::Shown;
            }
            Err(_) => self.stop_rx = never(),
        }
        false
    }

    /// Whether everything is sent, and everything that was asked for has come.
    pub(crate) fn is_done(&self) -> bool {
        self.queue.is_empty() && self.asked_history == AskedHistory::Shown
    }

    /// Tells the person that the connection is lost, if that has not been told yet.
    pub(crate) fn tell_loss(&mut self) {
        self.untold_loss.take().into_iter().for_each(self.show);
    }

    /// Takes input that cannot be sent now. Shows that it waits.
    pub(crate) fn take_for_later(&mut self, input: Result<Input, RecvError>) {
        self.tell_loss();
        let typed = match &input {
            Ok(Input::Line(text) | Input::Text(text) | Input::Rename(text)) => text.clone(),
            Ok(Input::Say(utterance)) => utterance.text().to_owned(),
            _ => String::new(),
        };
        let before = self.queue.len();
        self.take(input);
        if self.queue.len() > before {
            (self.show)(UiEvent::Queued(typed));
        }
    }

    /// Takes one piece of input. What it sends goes to the queue.
    pub(crate) fn take(&mut self, input: Result<Input, RecvError>) {
        match input {
            Ok(Input::Line(line)) => match parse_command(&line) {
                Ok(command) => self.run_command(command),
                Err(help) => self.reject(help),
            },
            Ok(Input::Text(text)) if text.trim().is_empty() => {}
            Ok(Input::Text(text)) => self.say(&Utterance::Message(text)),
            Ok(Input::Say(utterance)) => self.say(&utterance),
            Ok(Input::Rename(name)) => self.rename(name),
            Ok(Input::Leave) => self.quit(),
            Ok(Input::Mistake(why)) => self.reject(why),
            Ok(Input::Notice(notice)) => self.show_notice(notice),
            Ok(Input::End) | Err(_) => self.end_input(),
            Ok(Input::Failed(reason)) => {
                self.input_error = Some(reason);
                self.end_input();
                self.stay = false;
            }
        }
    }

    pub(crate) fn show_notice(&mut self, notice: InputNotice) {
        self.forgot_paste |= matches!(notice, InputNotice::PasteUnsent(_));
        (self.show)(UiEvent::Input(notice));
    }

    fn run_command(&mut self, command: Command) {
        match command {
            Command::Nothing => {}
            Command::Say(utterance) => self.say(&utterance),
            Command::Reply(text) => match self.inbox.last_private_author() {
                Some(to) => self.say(&Utterance::Private { to, text }),
                None => self.reject("nobody has spoken to you alone yet; try /msg NAME TEXT".into()),
            },
            Command::Who(None) => self.queue.push(Request::Who),
            Command::Who(Some(pattern)) => self.queue.push_for(Request::Who, Purpose::People(pattern)),
            Command::Nick(name) => self.rename(name),
            Command::History(count) => {
                let pages = Pages::new(count, self.inbox.place().map(|place| place.room));
                self.queue.push_for(pages.request(), Purpose::Pages(Box::new(pages)));
            }
            Command::Search(text) => {
                let search = self.inbox.search(text);
                self.queue.push_for(search.request(), Purpose::Search(Box::new(search)));
            }
            Command::Help => (self.show)(UiEvent::Help),
            // What is held does not come here: see `input/paste_guard.rs`.
            Command::Paste | Command::Drop => self.reject("no paste waits".into()),
            Command::Clear => (self.show)(UiEvent::Clear),
            Command::Bell(bell) => (self.show)(UiEvent::Bell(bell)),
            Command::Ignore(name) => (self.show)(UiEvent::Ignoring(self.inbox.toggle_ignored(name))),
            Command::Quit => self.quit(),
        }
    }

    fn say(&mut self, utterance: &Utterance) {
        if let Utterance::Private { to, .. } = utterance {
            if to.len() > MAX_NAME_BYTES {
                return self.reject("nobody here has a name of this length".into());
            }
        }
        self.queue.push_utterance(utterance, self.text_limit);
    }

    fn rename(&mut self, name: String) {
        if name.len() > MAX_NAME_BYTES {
            return self.reject("the name is too long; choose a shorter one".into());
        }
        self.queue.push(Request::Rename { name });
    }

    fn quit(&mut self) {
        self.end_input();
        self.stay = false;
    }

    fn reject(&mut self, help: String) {
        self.rejected += 1;
        (self.show)(UiEvent::InvalidInput(help));
    }

    fn end_input(&mut self) {
        self.ending = true;
        self.input_rx = never();
    }
}
