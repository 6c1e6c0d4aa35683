//! What outlives a connection: the client's state, and the input that changes it. Runs on the main thread.

use crate::{
    events::{Input, Stop, UiEvent, UiEventHandler, Utterance},
    session::{
        asked_history::AskedHistory,
        closed::Closed,
        inbox::Inbox,
        options::JoinOptions,
        pages::Pages,
        send_queue::{Purpose, SendQueue},
    },
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
            Ok(Stop::WhenSent) => {
                let inputs: Vec<Input> = self.input_rx.try_iter().take(self.input_rx.len()).collect();
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
        let (before, shown) = (self.queue.len(), input.clone());
        self.take(input);
        if self.queue.len() > before {
            shown.map(UiEvent::Queued).into_iter().for_each(self.show);
        }
    }

    /// Takes one piece of input. What it sends goes to the queue.
    pub(crate) fn take(&mut self, input: Result<Input, RecvError>) {
        match input {
            Ok(Input::Say { utterance, message_id }) => self.say(&utterance, message_id),
            Ok(Input::Reply(text)) => match self.inbox.last_private_author() {
                Some(to) => self.say(&Utterance::Private { to, text }, None),
                None => self.reject("nobody has spoken to you alone yet; try /msg NAME TEXT".into()),
            },
            Ok(Input::Rename(name)) if name.len() > MAX_NAME_BYTES => {
                self.reject("the name is too long; choose a shorter one".into());
            }
            Ok(Input::Rename(name)) => self.queue.push(Request::Rename { name }),
            Ok(Input::Who(pattern)) => self.queue.push_for(Request::Who, Purpose::People(pattern)),
            Ok(Input::History { count, before }) => {
                let pages = Pages::new(count, before, self.inbox.place().map(|place| place.room));
                self.queue.push_for(pages.request(), Purpose::Pages(Box::new(pages)));
            }
            Ok(Input::Search(text)) => {
                let search = self.inbox.search(text);
                self.queue.push_for(search.request(), Purpose::Search(Box::new(search)));
            }
            Ok(Input::Ignore(name)) => (self.show)(UiEvent::Ignoring(self.inbox.toggle_ignored(name))),
            Ok(Input::Mistake(why)) => self.reject(why),
            // Nobody asks any more.
            Ok(Input::Answer(_)) => {}
            Ok(Input::Leave) => {
                self.end_input();
                self.stay = false;
            }
            Ok(Input::End) | Err(_) => self.end_input(),
            Ok(Input::Failed(reason)) => {
                self.input_error = Some(reason);
                self.end_input();
                self.stay = false;
            }
        }
    }

    fn say(&mut self, utterance: &Utterance, message_id: Option<u64>) {
        if matches!(utterance, Utterance::Private { to, .. } if to.len() > MAX_NAME_BYTES) {
            return self.reject("nobody here has a name of this length".into());
        }
        self.queue.push_utterance(utterance, message_id, self.text_limit);
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
