//! An operator in the room: shows the operators' passphrase, and has the server carry out commands. Runs on
//! the main thread.
//!
//! The passphrase makes a connection one of an operator, so the client shows it again on each new one. It
//! asks first whether the server would take it: in an open room it would otherwise be read on its way for
//! nothing.

use crate::{
    events::{InputId, UiEvent},
    session::{
        client::Client,
        connection::{CALL_TIMEOUT, INVALID_REPLY},
        connection_end::{ConnectionEnd, Loss, Obstacle},
        send_queue::{ToSend, Waiting},
    },
};
use chat_common::{
    handshake::passphrase::Passphrase,
    text::excerpt::excerpt,
    wire::{
        error::RpcError,
        protocol::{Cause, Refusal, Reply, Request, OPERATORS_PASSPHRASE_BYTES},
        rpc::Connection,
    },
};
use std::time::Instant;

/// The longest reply to a command, in bytes. The list of as many mutes as a room can have has 5 MB.
const MAX_REPLY: usize = 16 << 20;

/// No server takes a longer text of a command, in bytes.
const MAX_TEXT: usize = 32 << 10;
/// What else a command has at most: its own name, and that of a member. In bytes.
const AROUND_TEXT: usize = 512;
/// How many operators' passphrases a person may type over one connection. The server closes it then.
const TRIES: u32 = 3;

/// What a client says that has no passphrase, and cannot ask for one.
const HOW_TO_OPERATE: &str =
    "this client cannot hide what you type: --operator-file FILE has the operators' passphrase, or \
     $CHAT_OPERATOR";

impl Client<'_> {
    /// Takes the wish to be an operator, with a typed passphrase or that of the options.
    pub(super) fn operate(&mut self, typed: Option<Passphrase>, id: Option<InputId>) {
        match typed.or_else(|| self.options.operator.passphrase.clone()) {
            Some(passphrase) => self.queue.push(ToSend::Operate { passphrase, is_shown: false }, id),
            None => self.reject(HOW_TO_OPERATE.into(), id),
        }
    }

    /// Takes a command for the server. For anybody but an operator it is a mistake.
    pub(super) fn command(&mut self, line: String, mistake: String, id: Option<InputId>) {
        match self.check_length(&line) {
            _ if !self.operates() => self.reject(mistake, id),
            Ok(()) => self.queue.push(ToSend::Command(line), id),
            Err(why) => self.reject(why, id),
        }
    }

    /// Checks that a command fits into a frame of the server.
    ///
    /// # Errors
    /// How long it may be.
    fn check_length(&self, line: &str) -> Result<(), String> {
        let most = self.queue.text_limit.min(MAX_TEXT) + AROUND_TEXT;
        match line.len() {
            length if length > most => {
                Err(format!("the command has {length} bytes, and {most} are the most"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the client is an operator, or is about to be one.
    pub(super) fn operates(&self) -> bool {
        let is_asked = |waiting: &Waiting| matches!(waiting.to_send, ToSend::Operate { .. });
        self.member.operator.is_some() || self.queue.waiting.iter().any(is_asked)
    }

    /// Sends the first request of the queue, and returns the whole reply.
    ///
    /// # Blocking
    /// On the server, 10 s at most. An operator's passphrase takes two calls, and so 20 s.
    pub(super) fn call_first(&mut self, call: &mut Connection) -> Result<Reply, RpcError> {
        match self.queue.waiting.front_mut().map(|first| &mut first.to_send) {
            Some(ToSend::Operate { passphrase, is_shown }) => operate(call, passphrase, is_shown),
            Some(ToSend::Command(line)) => command(call, line),
            request => call.call(&request.map_or(Request::Ping, |request| request.request()), CALL_TIMEOUT),
        }
    }

    /// Asks for the operators' passphrase again after a wrong one that a person has typed.
    pub(super) fn ask_operators_again(&mut self) {
        self.member.wrong_operators += 1;
        let is_typed = self.options.interactive && self.options.operator.passphrase.is_none();
        if is_typed && self.member.wrong_operators < TRIES {
            (self.show)(UiEvent::AskOperators);
        }
    }

    /// Makes a new connection one of an operator, if the last one was. If the server is too busy for that,
    /// the client stays an operator, and tries again later.
    ///
    /// # Blocking
    /// As [`Client::call_first`].
    ///
    /// # Errors
    /// When the connection is lost. The next one tries again.
    pub(super) fn operate_again(&mut self, call: &mut Connection) -> Result<(), Loss> {
        let Some(passphrase) = &self.member.operator else { return Ok(()) };
        let reply = operate(call, passphrase, &mut false)?;
        let waited = std::mem::take(&mut self.member.waits_to_operate);
        match reply {
            Reply::Lines { .. } if waited => (self.show)(UiEvent::Operates),
            Reply::Lines { .. } => {}
            Reply::Refused(Refusal { cause: Cause::Busy, text }) => {
                self.member.waits_to_operate = true;
                if !waited {
                    let why = format!("you are an operator again when the server has time for it: {text}");
                    (self.show)(UiEvent::Refused(why));
                }
            }
            Reply::Refused(refusal) => {
                self.member.operator = None;
                (self.show)(UiEvent::Refused(format!("you are no operator any more: {}", refusal.text)));
            }
            _ => return Err(Loss { reason: INVALID_REPLY.into(), closed: false }),
        }
        Ok(())
    }

    /// Takes a command back that was sent and has no valid reply. A second time it could do something else.
    /// The person is told with the loss of the connection: one that has removed itself is told that instead.
    pub(super) fn forget_sent_command(&mut self, why: &str) {
        if let Some(ToSend::Command(line)) = self.queue.first() {
            let event = UiEvent::Refused(without_reply(line, why));
            let id = self.queue.waiting.pop_front().and_then(|waiting| waiting.id);
            self.member.untold_loss.push(event.of(id));
            self.leaving.rejected += 1;
        }
    }

    /// Has the server carry out one command, without joining.
    ///
    /// # Blocking
    /// As [`Client::call_first`].
    ///
    /// # Errors
    /// Why the command is not carried out, or that nobody knows whether it is.
    pub(super) fn carry_out(&mut self, call: &mut Connection, line: &str) -> Result<(), ConnectionEnd> {
        let passphrase = self.options.operator.passphrase.as_ref();
        let passphrase = passphrase.ok_or_else(|| ConnectionEnd::Failed(HOW_TO_OPERATE.into()))?;
        self.check_length(line).map_err(ConnectionEnd::Failed)?;
        match self.access.check_reply(operate(call, passphrase, &mut false))? {
            Reply::Lines { .. } => {}
            Reply::Refused(Refusal { cause: Cause::Busy, text }) => {
                return Err(ConnectionEnd::NotJoined(Obstacle::Busy, text));
            }
            Reply::Refused(refusal) => return Err(ConnectionEnd::Failed(refusal.text)),
            _ => return Err(ConnectionEnd::Failed(INVALID_REPLY.into())),
        }
        match command(call, line) {
            Ok(Reply::Lines { text, .. }) => {
                (self.show)(UiEvent::CommandReply(text));
                Ok(())
            }
            Ok(Reply::Refused(refusal)) => Err(ConnectionEnd::Failed(refusal.text)),
            Ok(_) => Err(ConnectionEnd::Failed(without_reply(line, INVALID_REPLY))),
            Err(error) => Err(ConnectionEnd::Failed(without_reply(line, &error.to_string()))),
        }
    }
}

fn without_reply(line: &str, why: &str) -> String {
    format!("there is no reply to {:?}, which may have been carried out: {why}", excerpt(line))
}

/// Shows the passphrase, if the server would take one. Returns the reply, and in `is_shown` whether it was
/// shown. One that no server takes is refused here, because the server closes the connection for it.
fn operate(call: &mut Connection, passphrase: &Passphrase, is_shown: &mut bool) -> Result<Reply, RpcError> {
    let length = passphrase.words().len();
    if length > OPERATORS_PASSPHRASE_BYTES {
        let why = format!(
            "the operators' passphrase has {length} bytes, and {OPERATORS_PASSPHRASE_BYTES} are the most"
        );
        return Ok(Reply::Refused(Refusal::new(Cause::Unsupported, why)));
    }
    let ask = |passphrase: &str| Request::Operate { passphrase: passphrase.to_owned() };
    let reply = call.call(&ask(""), CALL_TIMEOUT)?;
    *is_shown = matches!(reply, Reply::Lines { .. });
    match *is_shown {
        true => call.call(&ask(passphrase.words()), CALL_TIMEOUT),
        false => Ok(reply),
    }
}

/// Sends a command. Returns the reply, of which all parts have come.
fn command(call: &mut Connection, line: &str) -> Result<Reply, RpcError> {
    let deadline = Instant::now() + CALL_TIMEOUT;
    let mut reply = call.call(&Request::Command { line: line.to_owned() }, CALL_TIMEOUT)?;
    while let Reply::Lines { text, more: true } = reply {
        if text.len() > MAX_REPLY {
            return Err(RpcError::NoMemory);
        }
        reply = match call.receive(deadline)?.ok_or(RpcError::Closed)? {
            Reply::Lines { text: behind, more } => Reply::Lines { text: text + &behind, more },
            other => other,
        };
    }
    Ok(reply)
}
