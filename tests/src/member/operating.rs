//! A member as an operator of the room: it shows the operators' passphrase on each of its connections, and
//! gives commands.

use super::{Member, MemberError};
use crate::{
    history::OperatorHistory,
    moderation::{CommandReply, Given, Moderation},
    watchdog::{poll_result, WATCHDOG_TIMEOUT},
};
use chat_common::wire::{
    error::RpcError,
    protocol::{Reply, Request},
};
use std::time::Instant;

impl Member {
    /// Becomes an operator. From now on it shows the passphrase whenever it has come back.
    ///
    /// # Panics
    /// When the server does not take the passphrase, or the connection is lost.
    pub fn operate(&mut self, words: &str) {
        self.operators_words = Some(words.to_owned());
        self.show_operators_words().expect("the server takes the operators' passphrase");
        let operator = OperatorHistory { since: Instant::now(), commands: Vec::new() };
        self.history.update(|history| history.operator = Some(operator));
    }

    /// Shows the passphrase on a new connection, if it has one.
    pub(super) fn show_operators_words(&mut self) -> Result<(), MemberError> {
        let Some(words) = self.operators_words.clone() else { return Ok(()) };
        match self.ask(&Request::Operate { passphrase: words })? {
            Reply::Lines { .. } => Ok(()),
            Reply::Refused(refusal) => Err(MemberError::Refused(refusal)),
            other => panic!("the server replied to Operate with {other:?}"),
        }
    }

    /// Gives a command and returns the server's words. After each lost connection it reconnects and gives the
    /// command again.
    ///
    /// # Errors
    /// The server's words when it has not carried out the command.
    ///
    /// # Panics
    /// When the server does not reply within the watchdog's timeout.
    pub fn command(&mut self, command: &Moderation) -> Result<String, String> {
        poll_result("the server to reply to a command", || {
            let given = Given { command: command.clone(), at: Instant::now(), reply: None };
            self.history.update(|history| {
                history.operator.as_mut().expect("an operator gives commands").commands.push(given);
            });
            match self.ask_for_lines(command) {
                Err(lost) => {
                    self.reconnect();
                    Err(lost)
                }
                Ok(words) => {
                    let reply = CommandReply { at: Instant::now(), words: words.clone() };
                    self.history.update(|history| {
                        let given = history.operator.as_mut().and_then(|own| own.commands.last_mut());
                        given.expect("the command was pushed").reply = Some(reply);
                    });
                    Ok(words)
                }
            }
        })
    }

    fn ask_for_lines(&mut self, command: &Moderation) -> Result<Result<String, String>, MemberError> {
        let mut reply = self.ask(&Request::Command { line: command.to_string() })?;
        let mut words = String::new();
        loop {
            match reply {
                Reply::Lines { text, more } => {
                    words += &text;
                    if !more {
                        return Ok(Ok(words));
                    }
                }
                Reply::Refused(refusal) => return Ok(Err(refusal.text)),
                other => panic!("the server replied to {command} with {other:?}"),
            }
            let call = self.call.as_mut().expect("it has just replied");
            reply = call.connection.receive(Instant::now() + WATCHDOG_TIMEOUT)?.ok_or(RpcError::Closed)?;
        }
    }
}
